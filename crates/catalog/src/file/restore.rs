//! `file.restore`: a file out of the endpoint's vault, back to where it was and as it was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind,
    TimeLimit,
};

/// The declaration.
#[derive(Debug)]
pub struct Restore;

/// Which item of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The item, as the outcome of `file.quarantine` names it.
    #[schemars(length(min = 1, max = 64))]
    pub vault_id: String,
    /// Replace a file that lies in its place by now; refused otherwise.
    #[serde(default)]
    pub overwrite: bool,
}

/// What was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The item; it is gone from the vault, unless `differs` says something.
    pub vault_id: String,
    /// Where the file is, lossy UTF-8.
    pub path: String,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// Bytes.
    pub size: u64,
    /// SHA-1, read back from its place, lower-case hex.
    pub sha1: String,
    /// SHA-256, read back from its place, lower-case hex.
    pub sha256: String,
    /// Another file lay in its place and was replaced.
    pub replaced: bool,
    /// In what it differs from how it was: the vault keeps its copy then.
    pub differs: Vec<String>,
    /// Names that it had (hard links); it has one now.
    pub links_then: u64,
    /// What was looked at afterwards.
    pub probes: Vec<Probe>,
}

impl Action for Restore {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.restore",
        revision: 1,
        title: "Restore from Quarantine",
        summary: "Puts a file of the endpoint's vault back where it was, with owner, mode, times, access lists and labels; proved by reading all of it back.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "file.quarantine" },
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 600, max_s: 2 * 3600 },
        exclusion: None,
        priority: 1,
        on_failure: OnFailure::Undo,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"vault_id": "0192f0c1-7c3e-7c4e-8f53-5d2f9d0a6b11"}"#,
        d3fend: Some("D3-RF"),
        vision_one: None,
        openc2: Some(("restore", "file")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if params.vault_id.is_empty() || params.vault_id.len() > 64 || !params.vault_id.bytes().all(plain) {
            return Err(CheckError::new("vault_id", "must be the id that `file.quarantine` answered"));
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if !outcome.differs.is_empty() {
            return Verdict::unverified(
                "not_as_it_was",
                format!(
                    "the file is back and differs in {}; the vault keeps its copy",
                    outcome.differs.join(", ")
                ),
            );
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("not_back", probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        if outcome.replaced {
            evidence.push("another file that lay there was replaced, as asked".to_owned());
        }
        if outcome.links_then > 1 {
            evidence.push(format!("it had {} names (hard links) and has one now", outcome.links_then));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let params = match &outcome.path_hex {
            Some(hex) => serde_json::json!({ "path_hex": hex, "sha256": outcome.sha256 }),
            None => serde_json::json!({ "path": outcome.path, "sha256": outcome.sha256 }),
        };
        Some(Undo { action: ActionKind::FileQuarantine, params })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
