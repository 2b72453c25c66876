//! `file.prevent_run`: content that must not run any more, whatever its name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::text::{PathText, is_hex};
use crate::{
    ActionKind, Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind,
    TimeLimit,
};

/// The declaration.
#[derive(Debug)]
pub struct PreventRun;

/// The content, by exactly one of its hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// SHA-256 of the content, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-1 of the content, 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Where such a file lies, absolute: it is then kept from being opened too, and not only from being executed. Refused
    /// where something else lies there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-quell-fold" = true))]
    pub path_hex: Option<String>,
}

impl Params {
    /// The hash, in lower case.
    pub fn hash(&self) -> Option<String> {
        self.sha256.as_ref().or(self.sha1.as_ref()).map(|hash| hash.to_ascii_lowercase())
    }

    /// Whether exactly one hash, and at most one path, is named as it should be.
    pub fn check(&self) -> Result<(), CheckError> {
        PathText::from_fields(self.path.as_deref(), self.path_hex.as_deref())?;
        match (&self.sha256, &self.sha1) {
            (Some(hash), None) if !is_hex(hash, 64) => {
                Err(CheckError::new("sha256", "must be 64 hex digits"))
            }
            (None, Some(hash)) if !is_hex(hash, 40) => Err(CheckError::new("sha1", "must be 40 hex digits")),
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) | (Some(_), Some(_)) => {
                Err(CheckError::new(".", "name the content by exactly one of `sha256` and `sha1`"))
            }
        }
    }
}

/// What is denied from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The hash that is blocked, lower-case hex: SHA-256, or SHA-1 where that was asked for.
    pub hash: String,
    /// It was blocked already, by another order; nothing was changed.
    pub was_blocked: bool,
    /// Files with this content that are known, at most 16. Others are met when somebody tries to run them.
    pub files: Vec<String>,
    /// Processes that run it now, at most 64. They go on: `process.terminate` ends them.
    pub running: Vec<Running>,
    /// Processes whose program was not read, for want of time or of a file system that answers: unknown.
    pub unread: u64,
    /// File systems (or mounts) on which programs are checked.
    pub watched: u64,
    /// Those on which they are not, known files that are not kept from running, and why; the first few.
    pub unwatched: Vec<String>,
    /// Whether it is denied, asked without running it.
    pub probes: Vec<Probe>,
}

/// A process that runs the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_time: u64,
    /// Its executable, lossy UTF-8.
    pub path: String,
}

impl Action for PreventRun {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.prevent_run",
        revision: 1,
        title: "Prevent Run",
        summary: "Denies the execution of a content by its hash, under any name; proved by the kernel's own answer, without running it.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "file.allow_run" },
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 120, max_s: 300 },
        exclusion: None,
        priority: 0,
        on_failure: OnFailure::Undo,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"sha256": "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f", "path": "/tmp/payload"}"#,
        d3fend: Some("D3-EDL"),
        vision_one: None,
        openc2: Some(("deny", "file")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        params.check()
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("still_runs", probe.sentence());
        }
        if !outcome.probes.iter().any(|probe| probe.proves) {
            return Verdict::unverified("no_evidence", "no probe proves that the content is denied");
        }
        let mut evidence = sentences(&outcome.probes);
        if outcome.files.is_empty() {
            evidence.push("armed; no file with this hash is known".to_owned());
        }
        if outcome.was_blocked {
            evidence.push("it was blocked already; nothing was changed".to_owned());
        }
        if !outcome.running.is_empty() {
            evidence.push(format!("{} processes run it now, and go on", outcome.running.len()));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        if outcome.was_blocked {
            return None;
        }
        let name = if outcome.hash.len() == 40 { "sha1" } else { "sha256" };
        Some(Undo { action: ActionKind::FileAllowRun, params: json!({ name: outcome.hash }) })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn outcome(probes: Vec<Probe>) -> Outcome {
        Outcome {
            hash: "00".repeat(32),
            was_blocked: false,
            files: vec![],
            running: vec![],
            unread: 0,
            watched: 1,
            unwatched: vec![],
            probes,
        }
    }

    fn probe(held: bool, proves: bool) -> Probe {
        let text = || "x".to_owned();
        Probe { subject: text(), method: text(), before: None, after: text(), held, proves }
    }

    #[test]
    fn exactly_one_hash_names_the_content() {
        let both = Params { sha1: Some("0".repeat(40)), sha256: Some("0".repeat(64)), ..Params::default() };
        assert!(both.check().is_err() && Params::default().check().is_err());
        let wrong = Params { sha256: Some("0".repeat(63) + "g"), ..Params::default() };
        assert_eq!(wrong.check().unwrap_err().field, "sha256");
        let good = Params { sha1: Some("A".repeat(40)), path: Some("/x".into()), ..Params::default() };
        good.check().unwrap();
        assert_eq!(good.hash().unwrap(), "a".repeat(40));
        assert!(Params { path: Some("x".into()), ..good }.check().is_err());
    }

    #[test]
    fn only_a_probe_that_proves_makes_it_done_and_undo_takes_back_what_was_added() {
        let judge = |probes| PreventRun::judge(&Params::default(), &outcome(probes), &Observed::default());
        assert!(matches!(judge(vec![probe(true, true)]), Verdict::Verified { .. }));
        assert!(matches!(judge(vec![probe(true, false)]), Verdict::Unverified { .. }));
        assert!(matches!(judge(vec![probe(true, true), probe(false, true)]), Verdict::Unverified { .. }));
        let undo = PreventRun::undo(&Params::default(), &outcome(vec![])).unwrap();
        assert_eq!(undo.params, json!({ "sha256": "00".repeat(32) }));
        let again = Outcome { was_blocked: true, ..outcome(vec![]) };
        assert!(PreventRun::undo(&Params::default(), &again).is_none());
    }
}
