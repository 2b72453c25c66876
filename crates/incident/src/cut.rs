//! Cutting the chain: the smallest ordered set of actions that stops an incident.
//!
//! First it is decided what is the intruder's ([`malice`]): what was detected, what it started, what carried it, what dropped it
//! and what it dropped. From that, and from nothing else, come the steps, in this order: isolate; keep what was dropped from
//! running (before anything ends, so that nothing comes up again); end what runs; move away what was dropped; list contents,
//! addresses and names for all endpoints. What is not done, and why, stands beside the steps: a plan never leaves out silently.

mod files;
mod grow;
mod isolate;
mod malice;
mod network;
mod terminate;

use std::collections::{BTreeSet, HashMap};

use quell_catalog::{ActionKind, Risk};
use quell_wire::activity::Severity;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::chain::View;
use crate::offer::Offer;
use crate::setting::{Setting, Told};
use crate::text::{NAME, count, shown};
use malice::Malice;

/// Steps of one plan.
pub const STEPS: usize = 200;
/// Activity events that one step names.
const BECAUSE: usize = 8;
/// Things of one kind that one sentence names.
const NAMED: usize = 8;

/// What would stop an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What only a person can do.
    pub manual: Vec<Manual>,
    /// What ought to be done, and no action does.
    pub not_available: Vec<Told>,
    /// What was looked at and left alone, and why.
    pub left: Vec<Told>,
}

/// One action of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// From 1, in the order of the plan.
    pub number: u32,
    /// On which endpoint, by its id; absent where it is for all.
    pub endpoint: Option<String>,
    /// What.
    #[serde(serialize_with = "id")]
    pub action: ActionKind,
    /// With what; checked.
    pub params: Value,
    /// What it acts on, for people.
    pub object: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The activity events that say so, at most 8.
    pub because: Vec<Because>,
    /// What else it touches.
    pub blast: Blast,
    /// How much harm a mistake does.
    pub risk: Risk,
    /// The action that takes it back; absent where nothing does.
    pub undone_by: Option<&'static str>,
    /// What its failure means for steps that name it in `after`.
    pub on_failure: OnFailure,
    /// It is part of the plan unless somebody unticks it.
    pub ticked: bool,
    /// Steps that come before it.
    pub after: Vec<u32>,
    /// What is to be thought of before.
    pub warnings: Vec<Told>,
}

/// What a failed step means for those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Those that name it in `after` are not begun.
    Stop,
    /// They go on: each of them helps by itself.
    Continue,
}

/// An activity event of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Because {
    /// Id of the chain.
    pub chain: String,
    /// Id of the activity event.
    pub activity: u64,
}

/// What a step touches beside what it is for, as far as the chains and the server know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blast {
    /// In a sentence or two.
    pub text: String,
    /// Processes that end.
    pub processes: u32,
    /// Processes of the chains that are not the intruder's and use the same thing.
    pub others: u32,
    /// On how many endpoints the content was seen; absent where that is not known.
    pub endpoints: Option<u32>,
    /// The package that it belongs to.
    pub package: Option<String>,
    /// Connections to other machines that are cut.
    pub connections: u32,
}

/// Something for a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Manual {
    /// On which endpoint, by its id.
    pub endpoint: String,
    /// What to do and why, in a sentence.
    pub text: String,
    /// The activity events that say so.
    pub because: Vec<Because>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn id<S: Serializer>(action: &ActionKind, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(action.id())
}

/// The plan for an incident of these chains.
pub fn plan(views: &[View<'_>], severity: Severity, setting: &Setting) -> Plan {
    let malice = Malice::of(views, setting);
    let others = files::others(views, &malice);
    let mut draft = Draft {
        views,
        setting,
        severity,
        malice,
        others,
        plan: Plan::default(),
        ends: Vec::new(),
        beyond: Beyond::default(),
    };
    for endpoint in draft.malice.endpoints(views) {
        draft.isolate(&endpoint);
    }
    draft.prevent_runs();
    draft.terminate();
    draft.quarantine();
    draft.block_contents();
    draft.block_ends();
    draft.users();
    draft.carriers();
    draft.finish()
}

/// A plan that is being made.
struct Draft<'v, 'a> {
    views: &'v [View<'a>],
    setting: &'v Setting,
    severity: Severity,
    malice: Malice<'a>,
    /// Running processes that are not the intruder's, by what they run.
    others: HashMap<&'a [u8], u32>,
    plan: Plan,
    /// Steps that end processes, each with those that it ends, as index of the chain and of the node.
    ends: Vec<(u32, BTreeSet<Place>)>,
    beyond: Beyond,
}

/// Steps for which there was no room.
#[derive(Default)]
struct Beyond {
    count: usize,
    /// What the first of them would have been.
    first: Vec<String>,
}

impl Beyond {
    fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(what());
        }
    }
}

/// A process, as index of its chain and of its node.
type Place = (usize, usize);

/// What makes a step of an offer.
struct Sketch {
    endpoint: Option<String>,
    offer: Offer,
    reason: String,
    because: Vec<Because>,
    blast: Blast,
    on_failure: OnFailure,
    is_ticked: bool,
    after: Vec<u32>,
}

impl Sketch {
    fn step(self, number: u32) -> Step {
        let Self { endpoint, offer, reason, mut because, blast, on_failure, is_ticked, after } = self;
        because.sort();
        because.dedup();
        because.truncate(BECAUSE);
        Step {
            number,
            endpoint,
            action: offer.action,
            params: offer.params.unwrap_or_default(),
            object: offer.object,
            reason,
            because,
            blast,
            risk: offer.risk,
            undone_by: offer.undone_by,
            on_failure,
            ticked: is_ticked,
            after,
            warnings: offer.warnings,
        }
    }
}

impl Draft<'_, '_> {
    /// Adds a step; an offer that is refused is told as left, or as not available where the agent lacks the action.
    fn push(&mut self, sketch: Sketch) {
        let offer = &sketch.offer;
        let place = sketch
            .endpoint
            .as_ref()
            .map_or_else(String::new, |id| format!(" on {}", self.setting.name_of(id)));
        let title = offer.action.spec().title;
        let told =
            |why: &Told| Told::new(why.code, format!("{title}: {}{place}: {}", offer.object, why.text));
        match (&offer.refused, &offer.params) {
            (Some(why), _) if matches!(why.code, "not_capable" | "no_endpoint") => {
                self.plan.not_available.push(told(why));
            }
            (Some(why), _) => self.plan.left.push(told(why)),
            (None, None) => {}
            // Two chains told of the same thing.
            (None, Some(params)) if self.has(sketch.endpoint.as_ref(), offer.action, params) => {}
            (None, Some(_)) if self.plan.steps.len() >= STEPS => {
                self.beyond.add(|| format!("{title}: {}{place}", offer.object));
            }
            (None, Some(_)) => {
                let number = u32::try_from(self.plan.steps.len() + 1).unwrap_or(u32::MAX);
                self.plan.steps.push(sketch.step(number));
            }
        }
    }

    fn has(&self, endpoint: Option<&String>, action: ActionKind, params: &Value) -> bool {
        let mut steps = self.plan.steps.iter();
        steps
            .any(|step| step.endpoint.as_ref() == endpoint && step.action == action && step.params == *params)
    }

    /// Numbers of the steps on an endpoint that are of these actions.
    fn numbers(&self, endpoint: &str, actions: &[ActionKind]) -> Vec<u32> {
        let own = self.plan.steps.iter().filter(|step| step.endpoint.as_deref() == Some(endpoint));
        own.filter(|step| actions.contains(&step.action)).map(|step| step.number).collect()
    }

    /// Users as whom the intruder's processes ran: accounts are disabled by hand as yet.
    fn users(&mut self) {
        let mut users = BTreeSet::new();
        for (chain, place) in self.malice.places() {
            let view = &self.views[chain];
            if let Some(process) = view.nodes[place].process {
                let login = process.login_uid.filter(|uid| *uid != u32::MAX);
                users.insert((view.chain.endpoint.clone(), process.uid, process.user.clone(), login));
            }
        }
        let mut named = BTreeSet::new();
        for (endpoint, uid, user, login) in users {
            let name = if user.is_empty() { format!("with id {uid}") } else { shown(user.as_bytes(), NAME) };
            let from = login.filter(|login| *login != uid);
            let from =
                from.map_or_else(String::new, |login| format!(", logged in as the user with id {login}"));
            named.insert(format!(
                "the intruder ran as the user {name}{from} on {}: no action here disables an account; end its sessions and \
                 change what it logs in with",
                self.setting.name_of(&endpoint)
            ));
        }
        let told = named.into_iter().take(NAMED).map(|text| Told::new("account.disable", text));
        self.plan.not_available.extend(told);
    }

    /// Scripts and programs that carried the intruder and were there before: nobody knows whose they are.
    fn carriers(&mut self) {
        for (endpoint, label) in self.malice.carriers(self.views).into_iter().take(NAMED) {
            let place = self.setting.name_of(&endpoint);
            self.plan.left.push(Told::new(
                "there_before",
                format!("{label} on {place} started what was detected, and was there before: look at what it is for"),
            ));
        }
    }

    fn finish(mut self) -> Plan {
        let Beyond { count: beyond, first } = std::mem::take(&mut self.beyond);
        if beyond > 0 {
            let rest = beyond - first.len();
            let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            let steps = count(beyond, "step", "steps");
            let text = format!(
                "a plan has at most {STEPS} steps, and {steps} found no room: {}{rest}; look at the proposal again once this one is done",
                first.join("; ")
            );
            self.plan.left.push(Told::new("beyond", text));
        }
        for list in [&mut self.plan.left, &mut self.plan.not_available] {
            let mut seen = BTreeSet::new();
            list.retain(|told| seen.insert(told.clone()));
        }
        let mut seen = BTreeSet::new();
        self.plan.manual.retain(|manual| seen.insert(manual.clone()));
        self.plan
    }
}
