//! `process.terminate`: end a process that is named beyond doubt, with its descendants if asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::text::{PathText, is_hex};
use crate::{Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit};

/// The declaration.
#[derive(Debug)]
pub struct Terminate;

/// Exactly one way to name the process: `pid` with `start_time`, a hash of its executable, or its path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Process id; needs `start_time`, since ids are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub pid: Option<u32>,
    /// When that process started: clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// Boot that the pair above belongs to (`/proc/sys/kernel/random/boot_id`); refused after a reboot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub boot_id: Option<String>,
    /// SHA-256 of the executable, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-1 of the executable, hex, for indicators that come as SHA-1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub sha1: Option<String>,
    /// Absolute path of the executable, without `..` and without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub path_hex: Option<String>,
    /// End all descendants too.
    #[serde(default)]
    pub descendants: bool,
    /// Seconds between SIGTERM and SIGKILL, 0 to 30; 0 sends SIGKILL at once.
    #[serde(default)]
    #[schemars(range(max = 30))]
    pub grace_seconds: u8,
}

/// What was ended, and what was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Processes that were ended.
    pub ended: Vec<Ended>,
    /// Processes that matched and were not touched, with the reason.
    pub spared: Vec<Spared>,
    /// More processes matched than are listed.
    pub truncated: bool,
    /// Where none that matches is known to run: the processes that may be one, since their executable could not be
    /// read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
    /// Whether anything that matches still runs.
    pub probes: Vec<Probe>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One process that was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Its id.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_time: u64,
    /// Its executable, lossy UTF-8.
    pub path: String,
    /// Its command line, lossy UTF-8, cut at 4 KiB.
    pub command_line: String,
    /// `already_gone`, `exited` (on SIGTERM) or `killed`.
    pub how: String,
}

/// One process that was not touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spared {
    /// Its id.
    pub pid: u32,
    /// Its executable, lossy UTF-8.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl Action for Terminate {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "process.terminate",
        revision: 1,
        title: "Terminate Process",
        summary: "Ends a process named by id and start time, by hash or by path, with its descendants if asked; proved by its absence.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Irreversible,
        risk: Risk::High,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 90, max_s: 300 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"pid": 4211, "start_time": 1}"#,
        d3fend: Some("D3-PT"),
        vision_one: Some("terminateProcess"),
        openc2: Some(("stop", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())?;
        let ways = [params.pid.is_some(), params.sha256.is_some(), params.sha1.is_some(), path.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            return Err(CheckError::new(
                ".",
                "name the process in exactly one way: `pid` with `start_time`, `sha256`, `sha1`, or `path`",
            ));
        }
        match (params.pid, params.start_time) {
            (Some(pid), Some(_)) if pid < 2 => {
                return Err(CheckError::new("pid", "process 1 keeps the system alive and is never ended"));
            }
            (Some(_), None) => {
                return Err(CheckError::new(
                    "start_time",
                    "needed with `pid`, since process ids are used again",
                ));
            }
            (None, Some(_)) => return Err(CheckError::new("pid", "needed with `start_time`")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if params.boot_id.is_some() && params.pid.is_none() {
            return Err(CheckError::new("boot_id", "only has a meaning with `pid`"));
        }
        if params.boot_id.as_ref().is_some_and(|id| id.len() > 64) {
            return Err(CheckError::new("boot_id", "longer than 64 characters"));
        }
        if params.sha256.as_ref().is_some_and(|hash| !is_hex(hash, 64)) {
            return Err(CheckError::new("sha256", "must be 64 hex digits"));
        }
        if params.sha1.as_ref().is_some_and(|hash| !is_hex(hash, 40)) {
            return Err(CheckError::new("sha1", "must be 40 hex digits"));
        }
        if params.grace_seconds > 30 {
            return Err(CheckError::new("grace_seconds", "at most 30"));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if let Some(spared) = outcome.spared.first() {
            return Verdict::unverified(
                "spared",
                format!("process {} was left: {}", spared.pid, spared.reason),
            );
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            let is_only_one = outcome.probes.iter().filter(|probe| !probe.held).count() == 1;
            let code = if outcome.unread > 0 && is_only_one { "not_all_readable" } else { "still_running" };
            return Verdict::unverified(code, probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        if outcome.ended.is_empty() {
            evidence.push(match (params.pid, params.start_time) {
                (Some(pid), Some(start_time)) => format!(
                    "process {pid} with start time {start_time} was never seen: it ended before the order was carried \
                    out, or never lived; nothing was changed"
                ),
                _ => "nothing that matches was running; nothing was changed".to_owned(),
            });
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]

    use super::*;

    fn probe(after: &str, held: bool) -> Probe {
        Probe {
            subject: "processes".into(),
            method: "process list".into(),
            before: Some("not running".into()),
            after: after.into(),
            held,
            proves: true,
        }
    }

    fn outcome(unread: u64, probes: Vec<Probe>) -> Outcome {
        Outcome { ended: vec![], spared: vec![], truncated: false, unread, probes }
    }

    fn code(outcome: &Outcome) -> String {
        let params = Params { path: Some("/opt/x".into()), ..Params::default() };
        match Terminate::judge(&params, outcome, &Observed::default()) {
            Verdict::Unverified { code, .. } => code,
            Verdict::Verified { .. } => panic!("verified: {outcome:?}"),
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_called_running() {
        assert_eq!(code(&outcome(1, vec![probe("not running, and 1 not read", false)])), "not_all_readable");
        assert_eq!(code(&outcome(0, vec![probe("running", false)])), "still_running");
        let members = outcome(1, vec![probe("not running, and 1 not read", false), probe("1 left", false)]);
        assert_eq!(code(&members), "still_running");
    }

    #[test]
    fn a_process_that_was_not_there_is_said_to_be_never_seen() {
        let params = Params { pid: Some(4211), start_time: Some(7), ..Params::default() };
        let gone = outcome(0, vec![probe("not running", true)]);
        match Terminate::judge(&params, &gone, &Observed::default()) {
            Verdict::Verified { evidence } => {
                assert!(evidence.iter().any(|line| line.contains("4211") && line.contains("never seen")));
            }
            Verdict::Unverified { .. } => panic!("nothing is left to be ended"),
        }
    }
}
