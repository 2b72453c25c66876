//! `blocklist.remove`: take objects off the list that `blocklist.add` put there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::add::{check_list, judge_coverage};
use super::{Coverage, Kind, MAX_INLINE, Refused, Value};
use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, TargetKind, TimeLimit,
};

/// The declaration.
#[derive(Debug)]
pub struct Remove;

/// What is taken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The objects, at most 1000, whoever listed them.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("x-quell-fold" = false))]
    pub objects: Vec<Named>,
    /// A list of indicators of the library: all of its objects that are listed.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "indicators"))]
    pub list: Option<String>,
    /// What one `blocklist.add` listed and nobody else did: the id of its task. Given alone.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub task: Option<String>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its value, as it is listed or in any form that is understood when it is added.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
    /// What it is; told from its look where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// This task: what `blocklist.add` lists again.
    pub task: String,
    /// The version of the list in which they do not stand.
    pub version: u64,
    /// The digest that binds all versions up to it, lower-case hex.
    pub digest: String,
    /// Objects that are listed no more.
    pub removed: u32,
    /// Objects that stay, as another task listed them too.
    pub kept: u32,
    /// Objects that were not listed.
    pub unlisted: u32,
    /// The first of those.
    pub refusals: Vec<Refused>,
    /// Objects of the whole list.
    pub objects: u32,
    /// How many agents enforce it by now.
    pub coverage: Coverage,
}

/// Whether this can be the id of a task.
pub(super) fn check_task(field: &str, task: &str) -> Result<(), CheckError> {
    let fits = task.len() == 36 && task.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if fits { Ok(()) } else { Err(CheckError::new(field, "must be the id of a task")) }
}

impl Action for Remove {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "blocklist.remove",
        revision: 1,
        title: "Remove from Block List",
        summary: "Takes objects off the block list that were added to it; proved by the version that the agents say they enforce.",
        target: TargetKind::Service,
        runner: Runner::Service { name: crate::AGENTS },
        effect: Effect::Reversible { by: "blocklist.add" },
        risk: Risk::Medium,
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
        example: r#"{"objects": [{"value": "evil.example"}]}"#,
        d3fend: None,
        vision_one: Some("restoreBlock"),
        openc2: Some(("allow", "ioc")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if let Some(task) = &params.task {
            check_task("task", task)?;
            if !params.objects.is_empty() || params.list.is_some() {
                return Err(CheckError::new("task", "is given without objects and without a list"));
            }
        } else if params.objects.is_empty() && params.list.is_none() {
            return Err(CheckError::new(
                "objects",
                "name at least one object, a list of the library, or a task",
            ));
        }
        if params.objects.len() > MAX_INLINE {
            let problem = format!("more than {MAX_INLINE}: put them into a list of the library");
            return Err(CheckError::new("objects", problem));
        }
        check_list(params.list.as_deref())?;
        for (index, object) in params.objects.iter().enumerate() {
            Value::parse(object.kind, &object.value)
                .map_err(|unfit| CheckError::new(format!("objects[{index}].value"), unfit.0))?;
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if outcome.removed + outcome.kept == 0 && params.task.is_some() {
            let reason = "nothing stands by the word of that task any more: somebody removed it, or its time is over; what was \
                          brought back since stands by the task that did so, and goes with an undo of that one";
            return Verdict::unverified("not_listed", reason);
        }
        if outcome.removed + outcome.kept == 0 {
            return Verdict::unverified("not_listed", format!("{} were not listed", outcome.unlisted));
        }
        let did = format!(
            "{} listed no more, {} stay as somebody else listed them, {} were not listed",
            outcome.removed, outcome.kept, outcome.unlisted
        );
        judge_coverage(outcome.version, &outcome.coverage, did)
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let did = outcome.removed + outcome.kept > 0;
        did.then(|| Undo { action: ActionKind::BlocklistAdd, params: json!({ "restore": outcome.task }) })
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}
