//! `file.allow_run`: take back exactly one rule of `file.prevent_run`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::prevent_run::{self, PreventRun};
use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::{ActionKind, Effect, ManagedServices, Risk, Spec};

/// The declaration.
#[derive(Debug)]
pub struct AllowRun;

/// The content, by the hash by which it was blocked.
pub type Params = prevent_run::Params;

/// What was lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The hash, lower-case hex.
    pub hash: String,
    /// There was such a rule. Where there was none, nothing was changed.
    pub was_blocked: bool,
    /// The block list still blocks it.
    pub still_listed: bool,
    /// Files with this content that are known, at most 16.
    pub files: Vec<String>,
    /// Whether it is denied no more, asked without running it.
    pub probes: Vec<Probe>,
}

impl Action for AllowRun {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "file.allow_run",
        title: "Allow Run",
        summary: "Takes back exactly one rule of Prevent Run; proved by the rules read back and the kernel's own answer.",
        effect: Effect::Reversible { by: "file.prevent_run" },
        risk: Risk::Medium,
        managed_services: ManagedServices::Always,
        d3fend: Some("D3-EAL"),
        openc2: Some(("allow", "file")),
        ..PreventRun::SPEC
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        params.check()
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("still_denied", probe.sentence());
        }
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        let mut evidence = sentences(&outcome.probes);
        if outcome.still_listed {
            evidence.push("the block list still blocks it: remove it there too".to_owned());
        }
        if !outcome.was_blocked {
            evidence.push("no such rule stood; nothing was changed".to_owned());
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        if !outcome.was_blocked {
            return None;
        }
        let name = if outcome.hash.len() == 40 { "sha1" } else { "sha256" };
        Some(Undo { action: ActionKind::FilePreventRun, params: json!({ name: outcome.hash }) })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
