//! `endpoint.run_yara`: look for what YARA rules describe, in files or in the memory of processes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::rows::Rows;
use crate::text::is_hex;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit,
    is_clean_text,
};

/// Paths, names and processes of one request, each.
const MOST_NAMED: usize = 64;
const MOST_PROCESSES: usize = 256;
const PATH_BYTES: usize = 4096;
/// 64 MiB, and 1 GiB at most.
const DEFAULT_FILE_BYTES: u64 = 64 << 20;
pub(super) const MOST_FILE_BYTES: u64 = 1 << 30;
const DEFAULT_FILES: u64 = 1_000_000;
pub(super) const MOST_FILES: u64 = 10_000_000;
/// 64 GiB, and 16 TiB at most.
const DEFAULT_BYTES: u64 = 64 << 30;
pub(super) const MOST_BYTES: u64 = 16 << 40;
const DEFAULT_SECONDS_PER_TARGET: u32 = 30;
pub(super) const MOST_SECONDS_PER_TARGET: u32 = 3600;
const DEFAULT_MATCHES: u32 = 100;
const MOST_MATCHES: u32 = 10_000;
const MOST_SECONDS: u32 = 6 * 3600;
/// 1 GiB.
const ROWS_BYTES: u64 = 1 << 30;

/// The declaration.
#[derive(Debug)]
pub struct RunYara;

/// Rules, and either files or memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Rules of the library: name, `name@version`, or `sha256:` and the digest of their text.
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "yara"))]
    pub rules: String,
    /// Absolute paths of files and directories, with `*`, `?`, `[…]`, `{a,b}` and `**`. A directory is looked at with all
    /// that lies in it. What the kernel makes up (`/proc`, `/sys` and the like) and remote file systems are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub paths: Vec<String>,
    /// Processes as `PID@START`, where START is field 22 of `/proc/PID/stat`, as `process.list` tells it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub processes: Vec<String>,
    /// Processes with one of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub process_names: Vec<String>,
    /// Processes whose executable has one of these paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-quell-fold" = true))]
    pub process_paths: Vec<String>,
    /// The memory of all processes but the agent's own.
    #[serde(default)]
    pub all_processes: bool,
    /// Tell each match of each string with its place and bytes; without it only which rules match.
    #[serde(default = "default_true")]
    pub strings: bool,
    /// Larger files are left out and counted. Bytes, at most 1073741824 (1 GiB).
    #[serde(default = "default_file_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824_u64), extend("x-quell-fold" = true))]
    pub max_file_bytes: u64,
    /// Files in all, at most 10000000.
    #[serde(default = "default_files")]
    #[schemars(range(min = 1, max = 10_000_000), extend("x-quell-fold" = true))]
    pub max_files: u64,
    /// Bytes in all, at most 17592186044416 (16 TiB).
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 1, max = 17_592_186_044_416_u64), extend("x-quell-fold" = true))]
    pub max_bytes: u64,
    /// Go into other file systems that are mounted below a directory.
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub cross_file_systems: bool,
    /// Seconds for one file or one process, 1 to 3600.
    #[serde(default = "default_seconds_per_target")]
    #[schemars(range(min = 1, max = 3600), extend("x-quell-fold" = true))]
    pub seconds_per_target: u32,
    /// Matches told of one string in one file or process, 1 to 10000.
    #[serde(default = "default_matches")]
    #[schemars(range(min = 1, max = 10_000), extend("x-quell-fold" = true))]
    pub max_matches: u32,
    /// Percent of one processor that it may use, 1 to 100, on average between targets.
    #[serde(default = "default_percent")]
    #[schemars(range(min = 1, max = 100), extend("x-quell-fold" = true))]
    pub cpu_percent: u8,
    /// Seconds in all, 1 to 21600. What was found until then is told.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 1, max = 21_600))]
    pub time_limit_seconds: u32,
}

const fn default_true() -> bool {
    true
}

pub(super) const fn default_file_bytes() -> u64 {
    DEFAULT_FILE_BYTES
}

pub(super) const fn default_files() -> u64 {
    DEFAULT_FILES
}

pub(super) const fn default_bytes() -> u64 {
    DEFAULT_BYTES
}

pub(super) const fn default_seconds_per_target() -> u32 {
    DEFAULT_SECONDS_PER_TARGET
}

const fn default_matches() -> u32 {
    DEFAULT_MATCHES
}

pub(super) const fn default_percent() -> u8 {
    100
}

const fn default_seconds() -> u32 {
    RunYara::SPEC.time_limit.default_s
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// SHA-256 of the rules' text, checked by the agent before it used them, lower-case hex.
    pub rules_sha256: String,
    /// Rules in it.
    pub rules: u64,
    /// What the compiler noticed, at most 20.
    pub warnings: Vec<String>,
    /// How the worker was confined that read the files.
    pub confined: String,
    /// Layers of confinement that this system does not have.
    pub confinement_warnings: Vec<String>,
    /// Workers that died on what they read and were replaced.
    pub restarts: u32,
    /// Files that were looked at.
    pub files: u64,
    /// Processes that were looked at.
    pub processes: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Bytes of memory that nobody may read: guard pages, registers of devices, the kernel's own pages.
    pub unreadable_bytes: u64,
    /// Bytes of memory that are reserved and were never touched, so that nothing can be in them.
    pub untouched_bytes: u64,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// Bytes a second while something was looked at.
    pub bytes_per_second: u64,
    /// Files and processes in which something matched.
    pub matched: u64,
    /// What was left out, by reason.
    pub skipped: Vec<Skipped>,
    /// Which limit ended it before all was looked at: `max_files`, `max_bytes`, `max_rows` or `time_limit`.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// A row for each match of a string, or for each rule that matched without one.
    pub matches: Rows,
}

/// Things left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// A stable code.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl RunYara {
    /// The digest within a resolved `rules` parameter.
    pub fn digest(rules: &str) -> Option<&str> {
        rules.strip_prefix("sha256:").filter(|digest| is_hex(digest, 64))
    }

    /// Pid and start time within an entry of `processes`.
    pub fn process(text: &str) -> Option<(u32, u64)> {
        let (pid, start) = text.split_once('@')?;
        Some((pid.parse().ok()?, start.parse().ok()?))
    }
}

impl Params {
    /// Whether memory is asked for.
    pub fn is_memory(&self) -> bool {
        self.all_processes
            || !(self.processes.is_empty() && self.process_names.is_empty() && self.process_paths.is_empty())
    }
}

impl Action for RunYara {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.run_yara",
        revision: 1,
        title: "Run YARA Rules",
        summary: "Looks for what YARA rules describe in files or in memory; proved by the digest of the rules, what was looked at, and each match with its place.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::Medium,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 3600, max_s: MOST_SECONDS },
        exclusion: None,
        priority: 2,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"rules": "webshells", "paths": ["/var/www"]}"#,
        d3fend: Some("D3-FCR"),
        vision_one: Some("runYaraRules"),
        openc2: Some(("scan", "file")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.rules.is_empty() || params.rules.len() > 200 || !is_clean_text(&params.rules) {
            return Err(CheckError::new("rules", "must be 1 to 200 characters without control characters"));
        }
        if params.paths.is_empty() != params.is_memory() {
            return Err(CheckError::new(
                ".",
                "name either files (`paths`) or memory (`processes`, `process_names`, `process_paths`, `all_processes`)",
            ));
        }
        paths("paths", &params.paths)?;
        texts("process_names", &params.process_names)?;
        paths("process_paths", &params.process_paths)?;
        if params.processes.len() > MOST_PROCESSES {
            return Err(CheckError::new("processes", format!("more than {MOST_PROCESSES}")));
        }
        for (index, text) in params.processes.iter().enumerate() {
            if Self::process(text).is_none() {
                return Err(CheckError::new(
                    format!("processes[{index}]"),
                    "must be PID@START, as process.list tells them",
                ));
            }
        }
        numbers(params)
    }

    fn judge(params: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if Self::digest(&params.rules) != Some(outcome.rules_sha256.as_str()) {
            return Verdict::unverified(
                "other_rules",
                format!("the digest of the rules that ran is {}", outcome.rules_sha256),
            );
        }
        if let Err(missing) = outcome.matches.received(observed) {
            return missing;
        }
        if outcome.ended_by.as_deref() == Some("time_limit") {
            return Verdict::unverified(
                "time_limit",
                format!("its time was up after {} files and {} processes", outcome.files, outcome.processes),
            );
        }
        let left_out: u64 = outcome.skipped.iter().fold(0, |sum, skipped| sum.saturating_add(skipped.count));
        if outcome.files == 0 && outcome.processes == 0 {
            return Verdict::unverified(
                "nothing_looked_at",
                format!("nothing was looked at, and {left_out} left out"),
            );
        }
        let mut evidence = vec![
            format!(
                "{} rules ({}) on {} files and {} processes, {} bytes",
                outcome.rules, outcome.rules_sha256, outcome.files, outcome.processes, outcome.bytes
            ),
            format!("{} matched, {} rows; {left_out} left out", outcome.matched, outcome.matches.count),
        ];
        if let Some(limit) = &outcome.ended_by {
            evidence.push(format!("it ended at {limit}: not everything was looked at"));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn rows_bytes(_: &Params) -> Option<u64> {
        Some(ROWS_BYTES)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

/// Absolute paths or patterns, 64 at most.
pub(super) fn paths(field: &str, list: &[String]) -> Result<(), CheckError> {
    texts(field, list)?;
    for (index, path) in list.iter().enumerate() {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(CheckError::new(
                format!("{field}[{index}]"),
                "must be an absolute path without `..`",
            ));
        }
    }
    Ok(())
}

fn texts(field: &str, list: &[String]) -> Result<(), CheckError> {
    if list.len() > MOST_NAMED {
        return Err(CheckError::new(field, format!("more than {MOST_NAMED}")));
    }
    for (index, text) in list.iter().enumerate() {
        if text.is_empty() || text.len() > PATH_BYTES || !is_clean_text(text) {
            let problem = "must be 1 to 4096 bytes without control characters";
            return Err(CheckError::new(format!("{field}[{index}]"), problem));
        }
    }
    Ok(())
}

fn numbers(params: &Params) -> Result<(), CheckError> {
    within(&[
        ("max_file_bytes", params.max_file_bytes, MOST_FILE_BYTES),
        ("max_files", params.max_files, MOST_FILES),
        ("max_bytes", params.max_bytes, MOST_BYTES),
        ("seconds_per_target", u64::from(params.seconds_per_target), u64::from(MOST_SECONDS_PER_TARGET)),
        ("max_matches", u64::from(params.max_matches), u64::from(MOST_MATCHES)),
        ("cpu_percent", u64::from(params.cpu_percent), 100),
        ("time_limit_seconds", u64::from(params.time_limit_seconds), u64::from(MOST_SECONDS)),
    ])
}

/// Each field's value is 1 to its bound.
pub(super) fn within(bounds: &[(&str, u64, u64)]) -> Result<(), CheckError> {
    for (field, value, most) in bounds {
        if *value == 0 || value > most {
            return Err(CheckError::new(*field, format!("must be 1 to {most}")));
        }
    }
    Ok(())
}
