//! `endpoint.collect_chain`: the threat development chain around a process, from the endpoint's flight recorder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::text::{PathText, is_hex};
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit,
    is_clean_text,
};

/// Characters of a note.
const NOTE: usize = 200;

/// The declaration.
#[derive(Debug)]
pub struct CollectChain;

/// Exactly one way to name where it goes through: a process, a path, or content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Process id; needs `start_time`, since ids are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pid: Option<u32>,
    /// When that process started: clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// Boot that the pair above belongs to (`/proc/sys/kernel/random/boot_id`); refused after a reboot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub boot_id: Option<String>,
    /// Absolute path of a program or a file: the newest event that is about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub path_hex: Option<String>,
    /// SHA-256 of a program, a script or a file, hex: the newest event that is about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Only what happened from then on, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub from_us: Option<i64>,
    /// Only what happened until then, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub until_us: Option<i64>,
    /// Why it is asked for, for whoever reads the chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub note: String,
}

/// The chain that was opened, or that was open already. It comes apart from this answer, and is kept current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The chain.
    pub chain_id: String,
    /// The detection in it that stands for this question.
    pub detection_id: String,
    /// It was open already.
    pub joined: bool,
    /// Boot that the pairs below belong to.
    pub boot_id: String,
    /// The process that it goes through.
    pub pid: u32,
    /// When that one started.
    pub start_time: u64,
    /// Topmost process of the chain.
    pub root_pid: u32,
    /// When that one started.
    pub root_start_time: u64,
    /// Events that the endpoint's recorder lost since it began, all together.
    pub lost: u64,
    /// Time of the oldest activity event that it keeps, microseconds since 1970.
    pub oldest_us: i64,
}

impl Action for CollectChain {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.collect_chain",
        revision: 1,
        title: "Collect Chain",
        summary: "Has an endpoint tell what led to a process and what came of it, from its flight recorder; nothing is changed.",
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
        example: r#"{"path": "/tmp/.x"}"#,
        d3fend: Some("D3-PLA"),
        vision_one: None,
        openc2: Some(("investigate", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())?;
        let ways = [params.pid.is_some(), params.sha256.is_some(), path.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            let problem = "name it in exactly one way: `pid` with `start_time`, `path`, or `sha256`";
            return Err(CheckError::new(".", problem));
        }
        if params.pid.is_some() != params.start_time.is_some() {
            return Err(CheckError::new("start_time", "`pid` and `start_time` go together"));
        }
        if params.pid == Some(0) {
            return Err(CheckError::new("pid", "no process has this id"));
        }
        if params.sha256.as_deref().is_some_and(|hash| !is_hex(hash, 64)) {
            return Err(CheckError::new("sha256", "must be 64 hex digits"));
        }
        if let (Some(from), Some(until)) = (params.from_us, params.until_us)
            && from > until
        {
            return Err(CheckError::new("until_us", "is before `from_us`"));
        }
        if params.note.chars().count() > NOTE || !is_clean_text(&params.note) {
            return Err(CheckError::new("note", "must be at most 200 characters without control characters"));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        let is_meant = params.pid.is_none_or(|pid| pid == outcome.pid)
            && params.start_time.is_none_or(|start| start == outcome.start_time);
        if !is_meant {
            return Verdict::unverified(
                "other_process",
                "the chain goes through another process than was asked for",
            );
        }
        let Outcome { chain_id, pid, root_pid, lost, .. } = outcome;
        let how = if outcome.joined { "was open already" } else { "was opened" };
        Verdict::Verified {
            evidence: vec![format!(
                "chain {chain_id} through process {pid}, from process {root_pid} on, {how}; {lost} events lost by the recorder"
            )],
        }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}
