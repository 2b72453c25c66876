//! `file.collect`: bring a file in, in a password-protected archive, with hashes taken at the source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::archive::Archive;
use crate::evidence::Probe;
use crate::text::PathText;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

/// 1 GiB.
const DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// 16 GiB.
const MOST_BYTES: u64 = 16 << 30;

/// The declaration.
#[derive(Debug)]
pub struct Collect;

/// Exactly one source: a path, or a process with the descriptor (or executable) that it holds open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Absolute path of a regular file, without `..` and without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub path_hex: Option<String>,
    /// Follow symbolic links; refused otherwise, so that a link cannot stand in for the file that was meant.
    #[serde(default)]
    pub follow_links: bool,
    /// A process that holds the file, also one that is deleted already; needs `start_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub pid: Option<u32>,
    /// When that process started: clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub start_time: Option<u64>,
    /// The descriptor of that process; its executable where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub descriptor: Option<u32>,
    /// Refuse a larger file. Bytes, at most 17179869184 (16 GiB).
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1, max = 17_179_869_184_u64))]
    pub max_bytes: u64,
}

fn default_max_bytes() -> u64 {
    DEFAULT_MAX_BYTES
}

impl Default for Params {
    fn default() -> Self {
        Self {
            path: None,
            path_hex: None,
            follow_links: false,
            pid: None,
            start_time: None,
            descriptor: None,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

/// What was read and what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Where the file was, lossy UTF-8.
    pub path: String,
    /// Bytes of the file, as read.
    pub size: u64,
    /// SHA-1 of those bytes, lower-case hex.
    pub sha1: String,
    /// SHA-256 of those bytes, lower-case hex.
    pub sha256: String,
    /// Last modification, microseconds since 1970.
    pub modified_us: i64,
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// The file changed while it was read: the hashes are those of what was read.
    pub changed_while_reading: bool,
    /// The archive that was uploaded.
    pub archive: Archive,
}

impl Action for Collect {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.collect",
        revision: 1,
        title: "Collect File",
        summary: "Brings a file in as an AES-256 archive; proved by the archive's SHA-256 taken on both ends.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::Medium,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 1800, max_s: 6 * 3600 },
        exclusion: None,
        priority: 2,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &[],
        example: r#"{"path": "/etc/hosts"}"#,
        d3fend: Some("D3-FA"),
        vision_one: Some("collectFile"),
        openc2: Some(("copy", "file")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())?;
        if path.is_some() == params.pid.is_some() {
            return Err(CheckError::new(
                ".",
                "name the file in exactly one way: `path`, or `pid` with `start_time`",
            ));
        }
        if params.pid.is_some() != params.start_time.is_some() {
            return Err(CheckError::new("start_time", "`pid` and `start_time` go together"));
        }
        if params.descriptor.is_some() && params.pid.is_none() {
            return Err(CheckError::new(
                "descriptor",
                "needs the process that holds it: `pid`, `start_time`",
            ));
        }
        if params.max_bytes == 0 || params.max_bytes > MOST_BYTES {
            return Err(CheckError::new("max_bytes", format!("must be 1 to {MOST_BYTES}")));
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if let Err(verdict) = outcome.archive.received(observed) {
            return verdict;
        }
        let mut evidence = vec![
            outcome.archive.sentence(),
            format!("file of {} bytes: SHA-256 {} while reading", outcome.size, outcome.sha256),
        ];
        if outcome.changed_while_reading {
            evidence.push("the file changed while it was read".to_owned());
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(params: &Params) -> Option<u64> {
        Some(params.max_bytes)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}
