//! `blocklist.add`: list objects, for all agents of the tenant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Action as Verb, Coverage, Kind, MAX_DAYS, MAX_INLINE, Refused, RiskLevel, Value};
use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, TargetKind, TimeLimit,
};

/// Days after which an object expires where nothing is said.
const DEFAULT_DAYS: u32 = 30;
const MAX_NOTE: usize = 500;

/// The declaration.
#[derive(Debug)]
pub struct Add;

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The objects, at most 1000. More go into a list of the library.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("x-quell-fold" = false))]
    pub objects: Vec<Object>,
    /// A list of indicators of the library: its name, `name@version`, or `sha256:` and the digest of its body. A name is
    /// resolved to the digest when the task is made.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "indicators"))]
    pub list: Option<String>,
    /// What is done about an object that is met, where the object itself says nothing.
    #[serde(default = "block")]
    pub action: Verb,
    /// How dangerous the objects are, where the object itself says nothing.
    #[serde(default = "high")]
    pub risk: RiskLevel,
    /// Days until they count no more, where the object itself says nothing: 1 to 3650, or 0 for never.
    #[serde(default = "default_days")]
    #[schemars(range(max = 3650))]
    pub expires_in_days: u32,
    /// Why they are listed, for people; at most 500 bytes.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub note: Option<String>,
    /// Lists again what a `blocklist.remove` took off: the id of its task. Given alone.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub restore: Option<String>,
}

fn block() -> Verb {
    Verb::Block
}

fn high() -> RiskLevel {
    RiskLevel::High
}

fn default_days() -> u32 {
    DEFAULT_DAYS
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// A SHA-1, a SHA-256, an address, a network, a domain name (with `*.` before it: and every name below it), a URL or a
    /// sender's mail address. `hxxp` and `[.]` are understood.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
    /// What it is; told from its look where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What is done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Verb>,
    /// How dangerous it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskLevel>,
    /// Days until it counts no more; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3650))]
    pub expires_in_days: Option<u32>,
    /// What is known of it; at most 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub note: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// This task: what `blocklist.remove` takes back.
    pub task: String,
    /// The version of the list in which they stand.
    pub version: u64,
    /// The digest that binds all versions up to it, lower-case hex.
    pub digest: String,
    /// Objects that were not listed before.
    pub added: u32,
    /// Objects that were listed in another way: with another action, risk or expiry.
    pub changed: u32,
    /// Objects that were listed like this already.
    pub unchanged: u32,
    /// Objects that were not listed.
    pub refused: u32,
    /// The first of those, and why.
    pub refusals: Vec<Refused>,
    /// Objects of the whole list.
    pub objects: u32,
    /// How many agents enforce it by now.
    pub coverage: Coverage,
}

impl Action for Add {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "blocklist.add",
        revision: 1,
        title: "Add to Block List",
        summary: "Lists files, addresses, domains, URLs and senders for all agents; proved by the version that the agents say they enforce.",
        target: TargetKind::Service,
        runner: Runner::Service { name: crate::AGENTS },
        effect: Effect::Reversible { by: "blocklist.remove" },
        risk: Risk::High,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 120, max_s: 600 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"objects": [{"value": "evil.example"}], "note": "ticket 42"}"#,
        d3fend: Some("D3-BDI"),
        vision_one: Some("block"),
        openc2: Some(("deny", "ioc")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if let Some(task) = &params.restore {
            super::remove::check_task("restore", task)?;
            if !params.objects.is_empty() || params.list.is_some() {
                return Err(CheckError::new("restore", "is given without objects and without a list"));
            }
        } else if params.objects.is_empty() && params.list.is_none() {
            return Err(CheckError::new("objects", "name at least one object, or a list of the library"));
        }
        if params.objects.len() > MAX_INLINE {
            let problem = format!("more than {MAX_INLINE}: put them into a list of the library");
            return Err(CheckError::new("objects", problem));
        }
        check_list(params.list.as_deref())?;
        check_days("expires_in_days", params.expires_in_days)?;
        check_note("note", params.note.as_deref())?;
        for (index, object) in params.objects.iter().enumerate() {
            let at = |field: &str| format!("objects[{index}].{field}");
            let value = Value::parse(object.kind, &object.value)
                .map_err(|unfit| CheckError::new(at("value"), unfit.0))?;
            if let Some(why) = value.built_in_exception() {
                return Err(CheckError::new(at("value"), why));
            }
            check_days(&at("expires_in_days"), object.expires_in_days.unwrap_or(0))?;
            check_note(&at("note"), object.note.as_deref())?;
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        let listed = outcome.added + outcome.changed + outcome.unchanged;
        if listed == 0 {
            let why = outcome.refusals.first().map_or("nothing was listed", |first| first.reason.as_str());
            return Verdict::unverified("all_refused", format!("{} refused: {why}", outcome.refused));
        }
        let did = format!(
            "{} listed, {} changed, {} listed before, {} refused",
            outcome.added, outcome.changed, outcome.unchanged, outcome.refused
        );
        judge_coverage(outcome.version, &outcome.coverage, did)
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let did = outcome.added + outcome.changed + outcome.unchanged > 0;
        did.then(|| Undo { action: ActionKind::BlocklistRemove, params: json!({ "task": outcome.task }) })
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

/// What the agents' word proves of a version.
pub(super) fn judge_coverage(version: u64, coverage: &Coverage, did: String) -> Verdict {
    let Coverage { connected, confirmed, endpoints, incapable, waited_ms, .. } = coverage;
    if *connected > 0 && *confirmed == 0 {
        return Verdict::unverified(
            "not_confirmed",
            format!(
                "{did}; version {version} is handed out, but none of the {connected} connected agents said within \
                {waited_ms} ms that it enforces it: the page of coverage shows when they do"
            ),
        );
    }
    let mut evidence = vec![
        did,
        format!(
            "{confirmed} of {connected} connected agents said within {waited_ms} ms that they enforce version {version}"
        ),
        format!(
            "{} of {endpoints} endpoints catch up when they connect",
            endpoints.saturating_sub(connected + incapable)
        ),
    ];
    if *incapable > 0 {
        evidence.push(format!("{incapable} connected agents take no block list: update them"));
    }
    Verdict::Verified { evidence }
}

fn check_days(field: &str, days: u32) -> Result<(), CheckError> {
    if days > MAX_DAYS { Err(CheckError::new(field, format!("at most {MAX_DAYS}"))) } else { Ok(()) }
}

fn check_note(field: &str, note: Option<&str>) -> Result<(), CheckError> {
    match note {
        Some(note) if note.len() > MAX_NOTE || !crate::is_clean_text(note) => {
            let problem = format!("at most {MAX_NOTE} bytes without control characters");
            Err(CheckError::new(field, problem))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_list(list: Option<&str>) -> Result<(), CheckError> {
    match list {
        Some(list) if list.is_empty() || list.len() > 200 || !crate::is_clean_text(list) => {
            Err(CheckError::new("list", "must be 1 to 200 characters without control characters"))
        }
        _ => Ok(()),
    }
}
