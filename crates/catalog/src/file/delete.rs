//! `file.delete`: a file gone for good, checked to be the one that was meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quarantine::{self, Running, is_wanted, remains};
use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::{Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit};

/// The declaration.
#[derive(Debug)]
pub struct Delete;

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Where the file was, lossy UTF-8.
    pub path: String,
    /// What it held; absent where an earlier attempt, which was cut off, had deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
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

/// What a file held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// SHA-1, lower-case hex.
    pub sha1: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

impl Action for Delete {
    type Params = quarantine::Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.delete",
        revision: 1,
        title: "Delete File",
        summary: "Deletes a file for good, after checking that it is the one that was meant; proved by the path that is empty.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Irreversible,
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 600, max_s: 2 * 3600 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"path": "/tmp/dropper"}"#,
        d3fend: Some("D3-FEV"),
        vision_one: None,
        openc2: Some(("delete", "file")),
    };

    fn validate(params: &quarantine::Params) -> Result<(), CheckError> {
        quarantine::check(params)
    }

    fn judge(params: &quarantine::Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if let Some(content) = &outcome.content
            && !(is_wanted(params.sha256.as_ref(), &content.sha256)
                && is_wanted(params.sha1.as_ref(), &content.sha1))
        {
            return Verdict::unverified(
                "other_file",
                format!("the SHA-256 that was deleted is {}", content.sha256),
            );
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("still_there", probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        evidence.push(match &outcome.content {
            Some(content) => format!("it had {} bytes and the SHA-256 {}", content.size, content.sha256),
            None => "an earlier attempt of this order, which was cut off, had deleted it".to_owned(),
        });
        evidence.extend(remains(outcome.links_left, &outcome.running));
        Verdict::Verified { evidence }
    }

    fn undo(_: &quarantine::Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
