//! What may be done: about an incident's endpoint, about each activity event by its kind, and about what a detection names.
//!
//! A file event and a start offer to prevent the run, to quarantine and to delete; a start offers to terminate the process
//! too; a connection and a question for a name offer to list the other end. Nothing is hidden: what cannot be done stays in
//! the list with its reason. The parameters are made here, from what is stored, and checked by the catalogue's own check; a
//! client never writes them.

mod block;
mod file;
mod process;
mod whereabouts;

use quell_catalog::{ActionKind, Risk};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

pub use block::block_list;
pub(crate) use block::{fit, kept_address, kept_name, listed};
pub use file::{prevent_run, quarantine};
pub use process::terminate;
pub use whereabouts::Whereabouts;
pub(crate) use whereabouts::all as whereabouts;

use crate::chain::{Object, ObjectKind, View};
use crate::setting::{Endpoint, Setting, Told};

/// An action that may be asked for, or one that may not, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offer {
    /// Which.
    #[serde(serialize_with = "id")]
    pub action: ActionKind,
    /// What it would be asked with, checked and complete; absent where it is refused, or where a person gives them.
    pub params: Option<Value>,
    /// A person gives (more) parameters: where they go beyond [`Offer::choices`] they are the whole of them.
    pub asks: bool,
    /// What a person may choose.
    pub choices: Vec<Choice>,
    /// What it would act on, for a person.
    pub object: String,
    /// How much harm a mistake does.
    pub risk: Risk,
    /// The action that takes it back.
    pub undone_by: Option<&'static str>,
    /// What is to be thought of before.
    pub warnings: Vec<Told>,
    /// Why it cannot be asked for.
    pub refused: Option<Told>,
}

/// A parameter that a person may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name.
    pub field: &'static str,
    /// What it means here.
    pub text: String,
    /// Its value where nothing is said.
    pub preset: bool,
}

/// What may be done about one thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Offers {
    /// What that is, for a person; empty where it is nothing.
    pub object: String,
    /// Each action that there is for such a thing.
    pub offers: Vec<Offer>,
    /// Why there is none.
    pub nothing: Option<Told>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn id<S: Serializer>(action: &ActionKind, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(action.id())
}

impl Offer {
    /// An offer with these parameters, refused where the catalogue refuses them.
    pub(crate) fn made(action: ActionKind, object: String, params: Result<Value, Told>) -> Self {
        let checked = params.and_then(|params| {
            (action.declared().check_params)(&params)
                .map_err(|error| Told::new("unfit", format!("it cannot be asked for: {error}")))
        });
        let (params, refused) = match checked {
            Ok(params) => (Some(params), None),
            Err(why) => (None, Some(why)),
        };
        let spec = action.spec();
        Self {
            action,
            params,
            asks: false,
            choices: Vec::new(),
            object,
            risk: spec.risk,
            undone_by: spec.effect.undone_by(),
            warnings: Vec::new(),
            refused,
        }
    }

    /// The same, refused where the endpoint's agent cannot do it.
    pub(crate) fn on(mut self, endpoint: Option<&Endpoint>) -> Self {
        if self.action.spec().service().is_some() {
            return self;
        }
        match endpoint {
            None => self.refuse(Told::new("no_endpoint", "the endpoint is not known any more")),
            Some(endpoint) if !endpoint.can(self.action) => {
                self.refuse(Told::new(
                    "not_capable",
                    "the agent of this endpoint does not offer this action",
                ));
            }
            Some(endpoint) if !endpoint.is_connected => {
                self.warnings
                    .push(Told::new("not_connected", "the endpoint is not connected: it waits until it is"));
            }
            Some(_) => {}
        }
        self
    }

    fn refuse(&mut self, why: Told) {
        self.params = None;
        self.refused = Some(why);
    }

    fn warn(mut self, warning: Option<Told>) -> Self {
        self.warnings.extend(warning);
        self
    }

    /// Its parameters with what a person chose among [`Offer::choices`].
    pub fn with(&self, chosen: &Map<String, Value>) -> Result<Value, Told> {
        if let Some(why) = &self.refused {
            return Err(why.clone());
        }
        if self.asks {
            let params = Value::Object(chosen.clone());
            return (self.action.declared().check_params)(&params)
                .map_err(|error| Told::new("unfit", error.to_string()));
        }
        let mut params = self.params.clone().unwrap_or_else(|| Value::Object(Map::new()));
        for (field, value) in chosen {
            if !self.choices.iter().any(|choice| choice.field == field) {
                return Err(Told::new(
                    "not_a_choice",
                    format!("`{}` is not to be chosen here", crate::text::shown(field.as_bytes(), 40)),
                ));
            }
            if let Some(object) = params.as_object_mut() {
                object.insert(field.clone(), value.clone());
            }
        }
        (self.action.declared().check_params)(&params).map_err(|error| Told::new("unfit", error.to_string()))
    }
}

impl Offers {
    /// The offer of an action.
    pub fn get(&self, action: ActionKind) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.action == action)
    }

    fn none(object: String, code: &'static str, text: &str) -> Self {
        Self { object, offers: Vec::new(), nothing: Some(Told::new(code, text)) }
    }
}

/// What may be done about an endpoint of an incident: isolate it, start a process on it.
pub fn of_endpoint(endpoint: &Endpoint) -> Offers {
    let name = crate::text::shown(endpoint.name.as_bytes(), crate::text::NAME);
    let empty = || Ok(Value::Object(Map::new()));
    let mut isolate = Offer::made(ActionKind::EndpointIsolate, name.clone(), empty()).on(Some(endpoint));
    isolate.asks = true;
    if endpoint.is_isolated {
        isolate.refuse(Told::new("isolated", "the endpoint is isolated already"));
    }
    let mut start = Offer::made(ActionKind::ProcessStart, name.clone(), empty());
    // What is started, a person says: there is nothing to check as yet.
    (start.asks, start.params, start.refused) = (true, None, None);
    Offers { object: name, offers: vec![isolate, start.on(Some(endpoint))], nothing: None }
}

/// What may be done about what an activity event is about.
pub fn of_activity(view: &View<'_>, activity: u64, setting: &Setting) -> Offers {
    let Some(entry) = view.entry(activity) else {
        return Offers::none(String::new(), "no_activity", "the chain has no such activity event");
    };
    match Object::of(entry.activity) {
        Some(object) => of_object(view, object, entry.activity.at_us, Some(activity), setting),
        None => Offers::none(String::new(), "no_object", "the activity event says nothing about a thing"),
    }
}

/// What may be done about what a detection is about: the file that it names, else the object of its key activity event.
pub fn of_detection(view: &View<'_>, detection: &str, setting: &Setting) -> Offers {
    let Some((entry, hit)) = view.detections().find(|(_, hit)| hit.id == detection) else {
        return Offers::none(String::new(), "no_detection", "the chain has no such detection");
    };
    match Object::of_detection(hit, entry) {
        Some(object) => {
            let is_own = entry
                .and_then(|entry| Object::of(entry.activity))
                .is_some_and(|own| own.kind == object.kind && own.path == object.path);
            let at_us = entry.map_or(hit.at_us, |entry| entry.activity.at_us);
            of_object(view, object, at_us, is_own.then_some(hit.activity), setting)
        }
        None => Offers::none(
            String::new(),
            "no_object",
            "the activity event of this detection is not in the chain",
        ),
    }
}

fn of_object(
    view: &View<'_>,
    object: Object<'_>,
    at_us: i64,
    activity: Option<u64>,
    setting: &Setting,
) -> Offers {
    let label = object.label();
    let offers = match object.kind {
        ObjectKind::Program | ObjectKind::Script => {
            let mut offers = file::all(view, object, at_us, setting);
            let key = activity.and_then(|activity| view.entry(activity)).map(|entry| entry.activity.process);
            offers.extend(key.map(|key| terminate(view, key, setting)));
            offers
        }
        ObjectKind::File => file::all(view, object, at_us, setting),
        ObjectKind::Address | ObjectKind::Name => {
            vec![block_list(view, object, at_us, setting)]
        }
        ObjectKind::Port => {
            return Offers::none(
                label,
                "port",
                "nothing is offered about an open port: terminate the process that opened it",
            );
        }
        ObjectKind::Login => {
            return Offers::none(
                label,
                "login",
                "nothing is offered about a login: no action here disables an account",
            );
        }
    };
    Offers { object: label, offers, nothing: None }
}

/// Why nothing is offered about a detection that no chain was built for.
pub fn without_chain(named: Option<&Endpoint>) -> (Told, bool) {
    let can_ask = named.is_some_and(|endpoint| endpoint.actions.contains("endpoint.collect_chain"));
    let text = match (named, can_ask) {
        (None, _) => {
            "response actions need an endpoint whose own protection registered the event, and this record names none"
        }
        (Some(_), false) => {
            "the endpoint's protection did not register this event, and its agent builds no chains"
        }
        (Some(_), true) => {
            "the endpoint's protection did not register this event: ask its agent for the chain first"
        }
    };
    (Told::new("no_chain", text), can_ask)
}
