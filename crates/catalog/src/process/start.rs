//! `process.start`: start a program that is left to itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::endpoint::run_script::Output;
use crate::evidence::{Probe, first_failed, sentences};
use crate::text::{PathText, is_hex};
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind,
    TimeLimit, is_clean_text,
};

const MOST_ARGUMENTS: usize = 128;
/// Bytes.
const MOST_ARGUMENT: usize = 8 << 10;
/// Bytes of all arguments and variables together.
const MOST_TEXT: usize = 128 << 10;
const MOST_VARIABLES: usize = 64;
const MOST_WATCH_SECONDS: u8 = 60;
const WATCH_SECONDS: u8 = 3;

/// The declaration.
#[derive(Debug)]
pub struct Start;

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Absolute path of the program, without `..`.
    pub path: String,
    /// Arguments, at most 128 of 8 KiB each. Passed as they are, never through a shell.
    #[serde(default)]
    #[schemars(length(max = 128), extend("x-quell-fold" = false))]
    pub arguments: Vec<String>,
    /// Directory in which it works; `/` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// User as whom it runs, with that user's groups; as the agent (root) where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub user: Option<String>,
    /// Variables beside `PATH`, `LANG`, `HOME`, `USER`, `LOGNAME` and `SHELL`, each as `NAME=value`, at most 64.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-quell-fold" = true))]
    pub environment: Vec<String>,
    /// SHA-256 that the program must have, hex; another one is not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub sha256: Option<String>,
    /// Seconds for which its first output and its end are waited for, 0 to 60. It runs on afterwards.
    #[serde(default = "default_watch")]
    #[schemars(range(max = 60))]
    pub watch_seconds: u8,
}

fn default_watch() -> u8 {
    WATCH_SECONDS
}

/// What was started, and what it did at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its id.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_time: u64,
    /// The boot that the pair above belongs to.
    pub boot_id: String,
    /// The file that was executed, symbolic links resolved, lossy UTF-8.
    pub path: String,
    /// Its SHA-256, of the very file that was executed, lower-case hex.
    pub sha256: String,
    /// It begins with `#!`: its interpreter was started, and read it by its path.
    pub script: bool,
    /// User id as which it runs.
    pub uid: u32,
    /// It ran when the watch was over.
    pub running: bool,
    /// Exit code, where it had exited by then.
    pub exit_code: Option<i32>,
    /// Signal that had ended it by then.
    pub signal: Option<i32>,
    /// Milliseconds that it ran, where it had ended.
    pub duration_ms: Option<u64>,
    /// Its first output, standard output and standard error together.
    pub output: Output,
    /// What was looked at.
    pub probes: Vec<Probe>,
}

fn is_variable(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_first)
        && name.len() <= 256
        && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
        && !value.contains('\0')
}

impl Action for Start {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "process.start",
        revision: 1,
        title: "Start Process",
        summary: "Starts a program that is left to itself; proved by the process that runs that very file, or by how it ended.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "process.terminate" },
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: true,
        time_limit: TimeLimit { default_s: 180, max_s: 300 },
        exclusion: None,
        priority: 1,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Adopt,
        standing: None,
        secrets: &[],
        redact: &["arguments", "environment"],
        example: r#"{"path": "/usr/bin/systemctl", "arguments": ["restart", "cron"]}"#,
        d3fend: None,
        vision_one: None,
        openc2: Some(("start", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        PathText::from_fields(Some(&params.path), None)?;
        if let Some(directory) = &params.working_directory {
            PathText::from_fields(Some(directory), None)
                .map_err(|error| CheckError::new("working_directory", error.problem))?;
        }
        if params.arguments.len() > MOST_ARGUMENTS {
            return Err(CheckError::new("arguments", format!("more than {MOST_ARGUMENTS}")));
        }
        for (index, argument) in params.arguments.iter().enumerate() {
            if argument.len() > MOST_ARGUMENT || argument.contains('\0') {
                return Err(CheckError::new(
                    format!("arguments[{index}]"),
                    "longer than 8 KiB, or contains NUL",
                ));
            }
        }
        if params.environment.len() > MOST_VARIABLES {
            return Err(CheckError::new("environment", format!("more than {MOST_VARIABLES}")));
        }
        for (index, variable) in params.environment.iter().enumerate() {
            if variable.len() > MOST_ARGUMENT || !is_variable(variable) {
                return Err(CheckError::new(
                    format!("environment[{index}]"),
                    "must be `NAME=value`, the name of letters, digits and `_`, at most 8 KiB",
                ));
            }
        }
        let all = params.arguments.iter().chain(&params.environment).map(String::len).sum::<usize>();
        if all > MOST_TEXT {
            return Err(CheckError::new("arguments", "more than 128 KiB with all variables together"));
        }
        if let Some(user) = &params.user
            && (user.is_empty() || user.len() > 64 || !is_clean_text(user))
        {
            return Err(CheckError::new("user", "must be 1 to 64 characters without control characters"));
        }
        if params.sha256.as_ref().is_some_and(|hash| !is_hex(hash, 64)) {
            return Err(CheckError::new("sha256", "must be 64 hex digits"));
        }
        if params.watch_seconds > MOST_WATCH_SECONDS {
            return Err(CheckError::new("watch_seconds", format!("at most {MOST_WATCH_SECONDS}")));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if params.sha256.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&outcome.sha256)) {
            return Verdict::unverified(
                "other_program",
                format!("the SHA-256 that ran is {}", outcome.sha256),
            );
        }
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("not_seen", probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        evidence.push(format!("{} with SHA-256 {} was executed", outcome.path, outcome.sha256));
        let ended = match (outcome.exit_code, outcome.signal) {
            (Some(code), _) => Some(format!("it exited with {code}")),
            (None, Some(signal)) => Some(format!("it was ended by signal {signal}")),
            (None, None) => None,
        };
        match (outcome.running, ended) {
            (true, None) => evidence.push("it runs on".to_owned()),
            (false, Some(how)) => {
                evidence.push(format!("{how} after {} ms", outcome.duration_ms.unwrap_or_default()));
            }
            (true, Some(_)) | (false, None) => {
                return Verdict::unverified("no_evidence", "neither was it seen to run nor how it ended");
            }
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let Outcome { pid, start_time, boot_id, running, .. } = outcome;
        let params = serde_json::json!({
            "pid": pid, "start_time": start_time, "boot_id": boot_id, "descendants": true
        });
        running.then_some(Undo { action: ActionKind::ProcessTerminate, params })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_names_and_values() {
        for good in ["A=1", "_x9=", "PATH=/bin:/x=y"] {
            assert!(is_variable(good), "{good}");
        }
        for bad in ["", "A", "=x", "9A=1", "A B=1", "A=\0", "A-B=1"] {
            assert!(!is_variable(bad), "{bad}");
        }
    }
}
