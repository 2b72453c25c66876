//! `endpoint.run_script`: run a script of the library, named by its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::text::is_hex;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

const MAX_ARGUMENTS: usize = 64;
const MAX_ARGUMENT_BYTES: usize = 4096;
const MAX_SECONDS: u32 = 6 * 3600;
/// 1 MiB.
const DEFAULT_OUTPUT: u32 = 1 << 20;
/// 64 MiB.
const MAX_OUTPUT: u32 = 64 << 20;

/// The declaration.
#[derive(Debug)]
pub struct RunScript;

/// Which script, with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A script of the library: its name, `name@version`, or `sha256:` and the digest of its body.
    /// A name is resolved to the digest when the task is made; the order carries the digest.
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "script"))]
    pub script: String,
    /// What runs it; taken from the library where absent.
    #[serde(default)]
    pub interpreter: Option<Interpreter>,
    /// Arguments, at most 64 of 4 KiB each. Passed as they are, never through a shell.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-quell-fold" = false))]
    pub arguments: Vec<String>,
    /// Seconds until it is ended with all that it started, 1 to 21600.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 1, max = 21600))]
    pub time_limit_seconds: u32,
    /// Bytes kept of each of stdout and stderr, at most 67108864 (64 MiB); the rest is counted and dropped.
    #[serde(default = "default_output")]
    #[schemars(range(max = 67_108_864))]
    pub output_limit_bytes: u32,
    /// Exit codes that count as success.
    #[serde(default = "default_exit_codes")]
    #[schemars(length(min = 1, max = 32))]
    pub success_exit_codes: Vec<i32>,
}

fn default_seconds() -> u32 {
    RunScript::SPEC.time_limit.default_s
}

fn default_output() -> u32 {
    DEFAULT_OUTPUT
}

fn default_exit_codes() -> Vec<i32> {
    vec![0]
}

/// A language that scripts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpreter {
    /// GNU Bash.
    Bash,
    /// POSIX shell.
    Sh,
    /// Python 3.
    Python,
    /// PowerShell 7 (`pwsh`).
    Powershell,
}

impl Interpreter {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "python",
            Self::Powershell => "powershell",
        }
    }
}

/// How it ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// SHA-256 of the body that ran, checked by the agent before it ran, lower-case hex.
    pub sha256: String,
    /// What ran it, with its path.
    pub interpreter: String,
    /// Exit code, where it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended it, where one did.
    pub signal: Option<i32>,
    /// It was ended because its time was up.
    pub timed_out: bool,
    /// It was ended because the task was canceled.
    pub canceled: bool,
    /// Milliseconds that it ran.
    pub duration_ms: u64,
    /// Processes that it left behind and that were ended.
    pub left_behind: u32,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// The archive with all kept output, where it is more than what stands here.
    #[serde(default)]
    pub archive: Option<crate::archive::Archive>,
}

/// One stream of output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its beginning, lossy UTF-8, at most 32 KiB.
    pub text: String,
    /// Bytes written in all.
    pub bytes: u64,
    /// `text` is not all that was written.
    pub truncated: bool,
}

impl RunScript {
    /// The digest within a resolved `script` parameter.
    pub fn digest(script: &str) -> Option<&str> {
        script.strip_prefix("sha256:").filter(|digest| is_hex(digest, 64))
    }
}

impl Action for RunScript {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.run_script",
        revision: 1,
        title: "Run Remote Custom Script",
        summary: "Runs a stored script with parameters, time limit and output cap; proved by its exit code and the digest that ran.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Irreversible,
        risk: Risk::High,
        managed_services: ManagedServices::Recommended,
        step_up: false,
        time_limit: TimeLimit { default_s: 300, max_s: MAX_SECONDS },
        exclusion: None,
        priority: 1,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Adopt,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &["arguments"],
        example: r#"{"script": "hello"}"#,
        d3fend: None,
        vision_one: Some("runCustomScript"),
        openc2: Some(("start", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.script.is_empty() || params.script.len() > 200 || !crate::is_clean_text(&params.script) {
            return Err(CheckError::new("script", "must be 1 to 200 characters without control characters"));
        }
        if params.arguments.len() > MAX_ARGUMENTS {
            return Err(CheckError::new("arguments", format!("more than {MAX_ARGUMENTS}")));
        }
        for (index, argument) in params.arguments.iter().enumerate() {
            if argument.len() > MAX_ARGUMENT_BYTES || argument.contains('\0') {
                return Err(CheckError::new(
                    format!("arguments[{index}]"),
                    "longer than 4 KiB, or contains NUL",
                ));
            }
        }
        if params.time_limit_seconds == 0 || params.time_limit_seconds > MAX_SECONDS {
            return Err(CheckError::new("time_limit_seconds", format!("must be 1 to {MAX_SECONDS}")));
        }
        if params.output_limit_bytes > MAX_OUTPUT {
            return Err(CheckError::new("output_limit_bytes", format!("at most {MAX_OUTPUT}")));
        }
        if params.success_exit_codes.is_empty() || params.success_exit_codes.len() > 32 {
            return Err(CheckError::new("success_exit_codes", "must name 1 to 32 codes"));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if Self::digest(&params.script) != Some(outcome.sha256.as_str()) {
            return Verdict::unverified("other_script", format!("the digest that ran is {}", outcome.sha256));
        }
        if let Some(Err(verdict)) = outcome.archive.as_ref().map(|archive| archive.received(observed)) {
            return verdict;
        }
        if outcome.canceled {
            return Verdict::unverified("canceled", "ended on request while it ran");
        }
        if outcome.timed_out {
            return Verdict::unverified("time_limit", format!("ended after {} ms", outcome.duration_ms));
        }
        match (outcome.exit_code, outcome.signal) {
            (Some(code), _) if params.success_exit_codes.contains(&code) => Verdict::Verified {
                evidence: vec![
                    format!("script {} exited with {code} after {} ms", outcome.sha256, outcome.duration_ms),
                    format!("{} processes that it left behind were ended", outcome.left_behind),
                ],
            },
            (Some(code), _) => Verdict::unverified("exit_code", format!("exited with {code}")),
            (None, Some(signal)) => Verdict::unverified("signal", format!("ended by signal {signal}")),
            (None, None) => Verdict::unverified("no_evidence", "neither exit code nor signal was reported"),
        }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(params: &Params) -> Option<u64> {
        // Two streams, each with its own limit.
        Some(2 * u64::from(params.output_limit_bytes))
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}
