//! `process.list`: the processes of an endpoint, to look at and to choose from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::rows::Rows;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit,
    is_clean_text,
};

/// Characters of a filter.
const FILTER: usize = 256;
/// 64 MiB: some hundred thousand processes.
const MOST_BYTES: u64 = 64 << 20;

/// The declaration.
#[derive(Debug)]
pub struct List;

/// Which processes; all of them where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Only processes whose name or command line contains this, in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Only processes whose executable's path contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub path: Option<String>,
    /// Only processes of users whose name contains this, or whose id it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Also threads of the kernel.
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub kernel_threads: bool,
}

/// The processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The boot that the start times count from, as `process.terminate` takes it.
    pub boot_id: String,
    /// Processes that were looked at.
    pub seen: u64,
    /// Microseconds that the look took.
    pub took_us: u64,
    /// One row each: `pid` and `start_time` name it for other actions.
    pub processes: Rows,
}

impl Action for List {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "process.list",
        revision: 1,
        title: "List Processes",
        summary: "Lists the processes that run, with user, executable, command line and container; nothing is changed.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::Low,
        managed_services: ManagedServices::NotNeeded,
        step_up: false,
        time_limit: TimeLimit { default_s: 60, max_s: 300 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"name": "sshd"}"#,
        d3fend: None,
        vision_one: None,
        openc2: Some(("query", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let fields = [("name", &params.name), ("path", &params.path), ("user", &params.user)];
        for (field, value) in fields {
            if let Some(value) = value
                && (value.is_empty() || value.chars().count() > FILTER || !is_clean_text(value))
            {
                return Err(CheckError::new(field, "must be 1 to 256 characters without control characters"));
            }
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if let Err(missing) = outcome.processes.received(observed) {
            return missing;
        }
        if outcome.seen == 0 {
            return Verdict::unverified("no_evidence", "an endpoint on which nothing runs sends no answer");
        }
        let (count, seen) = (outcome.processes.count, outcome.seen);
        Verdict::Verified {
            evidence: vec![format!("{count} of {seen} processes listed in {} µs", outcome.took_us)],
        }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn rows_bytes(_: &Params) -> Option<u64> {
        Some(MOST_BYTES)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}
