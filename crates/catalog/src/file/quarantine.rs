//! `file.quarantine`: a file into the endpoint's encrypted vault, checked to be the one that was meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::text::{PathText, is_hex};
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind,
    TimeLimit,
};

/// 1 GiB.
const DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// 16 GiB.
const MOST_BYTES: u64 = 16 << 30;

/// The declaration.
#[derive(Debug)]
pub struct Quarantine;

/// Which file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Absolute path of a regular file, without `..`, control characters and symbolic links on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub path_hex: Option<String>,
    /// SHA-256 that the file must have, hex; another file is refused and stays untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-1 that the file must have, hex, for indicators that come as SHA-1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub sha1: Option<String>,
    /// Take the attributes immutable and append-only (chattr) off the file where they are in the way; refused otherwise.
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub lift_immutable: bool,
    /// Refuse a larger file. Bytes, at most 17179869184 (16 GiB).
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1, max = 17_179_869_184_u64), extend("x-quell-fold" = true))]
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
            sha256: None,
            sha1: None,
            lift_immutable: false,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

/// A process that runs the file; it is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_time: u64,
}

/// What was moved, and what is left of it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The item in the endpoint's vault: `file.restore` takes it.
    pub vault_id: String,
    /// Where the file was, lossy UTF-8.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-1 of the content in the vault, lower-case hex.
    pub sha1: String,
    /// SHA-256 of the content in the vault, lower-case hex.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification, microseconds since 1970.
    pub modified_us: i64,
    /// Names of its extended attributes, access lists and labels among them; kept with their values.
    pub attributes: Vec<String>,
    /// The attribute immutable or append-only was taken off it.
    pub lifted: bool,
    /// Other names of the same file (hard links), by which it is still there.
    pub links_left: u64,
    /// Those of them that lie in the same directory, at most 32, lossy UTF-8.
    pub other_names: Vec<String>,
    /// Processes that run it still, at most 32.
    pub running: Vec<Running>,
    /// What was looked at afterwards.
    pub probes: Vec<Probe>,
}

/// The checks that all actions share which take a file out of its place.
pub(super) fn check(params: &Params) -> Result<(), CheckError> {
    let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())?;
    if path.is_none() {
        return Err(CheckError::new("path", "name the file: `path`, or `path_hex` where it is not UTF-8"));
    }
    if params.sha256.as_ref().is_some_and(|hash| !is_hex(hash, 64)) {
        return Err(CheckError::new("sha256", "must be 64 hex digits"));
    }
    if params.sha1.as_ref().is_some_and(|hash| !is_hex(hash, 40)) {
        return Err(CheckError::new("sha1", "must be 40 hex digits"));
    }
    if params.max_bytes == 0 || params.max_bytes > MOST_BYTES {
        return Err(CheckError::new("max_bytes", format!("must be 1 to {MOST_BYTES}")));
    }
    Ok(())
}

/// Whether the hash is the one that was asked for.
pub(super) fn is_wanted(wanted: Option<&String>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
}

/// What other names and processes mean, in words.
pub(super) fn remains(links_left: u64, running: &[Running]) -> Vec<String> {
    let mut told = Vec::new();
    if links_left > 0 {
        told.push(format!("the same file is still there under {links_left} other names (hard links)"));
    }
    if !running.is_empty() {
        told.push(format!("{} processes run it still; end them with process.terminate", running.len()));
    }
    told
}

impl Action for Quarantine {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.quarantine",
        revision: 1,
        title: "Move to Quarantine",
        summary: "Moves a file into the endpoint's encrypted vault with all that belongs to it; proved by the path that is empty and the hash of what was moved.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "file.restore" },
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 600, max_s: 2 * 3600 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Undo,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"path": "/tmp/dropper"}"#,
        d3fend: Some("D3-FEV"),
        vision_one: None,
        openc2: Some(("contain", "file")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        check(params)
    }

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if !is_wanted(params.sha256.as_ref(), &outcome.sha256)
            || !is_wanted(params.sha1.as_ref(), &outcome.sha1)
        {
            return Verdict::unverified(
                "other_file",
                format!("the SHA-256 that was moved is {}", outcome.sha256),
            );
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("still_there", probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        evidence.push(format!(
            "vault item {}: {} bytes, SHA-256 {}",
            outcome.vault_id, outcome.size, outcome.sha256
        ));
        evidence.extend(remains(outcome.links_left, &outcome.running));
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let params = serde_json::json!({ "vault_id": outcome.vault_id });
        Some(Undo { action: ActionKind::FileRestore, params })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
