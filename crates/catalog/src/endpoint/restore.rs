//! `endpoint.restore`: take back exactly what an isolation added.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::endpoint::isolate;
use crate::evidence::{Probe, first_failed, sentences};
use crate::{
    ActionKind, Effect, Exclusion, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, Standing, System,
    TargetKind, TimeLimit,
};

/// The declaration.
#[derive(Debug)]
pub struct Restore;

/// Nothing needs to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Addresses that are tried afterwards, beside those that the isolation had reached before its cut. At most 16.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub canaries: Vec<SocketAddr>,
}

/// What was removed, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The endpoint was isolated. Where it was not, nothing was changed.
    pub was_isolated: bool,
    /// The parameters of the isolation that was lifted, so that it can be made again.
    #[serde(default)]
    pub isolation: Option<isolate::Params>,
    /// None of our rules is left in the kernel.
    pub rules_gone: bool,
    /// Canaries that the isolation had cut off. Unreachable ones are reported, but their owner may be down.
    pub probes: Vec<Probe>,
}

impl Action for Restore {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.restore",
        revision: 1,
        title: "Restore Connection",
        summary: "Removes exactly what isolation added; proved by the rules read back and by canaries reached again.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "endpoint.isolate" },
        risk: Risk::Medium,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 60, max_s: 300 },
        exclusion: Some(Exclusion::Network),
        priority: 0,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: Some(Standing::Restored),
        secrets: &[],
        redact: &[],
        example: "{}",
        d3fend: Some("D3-RNA"),
        vision_one: Some("restoreIsolate"),
        openc2: Some(("allow", "device")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let as_isolation =
            isolate::Params { canaries: params.canaries.clone(), ..isolate::Params::default() };
        isolate::Isolate::validate(&as_isolation)
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if !outcome.rules_gone {
            return Verdict::unverified("rules_left", "rules of the isolation are still in the kernel");
        }
        if let Some(probe) = outcome.probes.iter().find(|probe| probe.proves && !probe.held) {
            return Verdict::unverified("still_cut", probe.sentence());
        }
        let mut evidence = vec!["no rule of the isolation is left, read back from the kernel".to_owned()];
        if !outcome.was_isolated {
            evidence.push("the endpoint was not isolated; nothing was changed".to_owned());
        }
        evidence.extend(sentences(&outcome.probes));
        if let Some(probe) = first_failed(&outcome.probes) {
            evidence.push(format!("note: {}", probe.sentence()));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, outcome: &Outcome) -> Option<Undo> {
        let isolation = outcome.isolation.as_ref()?;
        let params = serde_json::to_value(isolation).ok()?;
        Some(Undo { action: ActionKind::EndpointIsolate, params })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
