//! `endpoint.isolate`: cut an endpoint off the network, but for its management server and an allow list.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::{Probe, first_failed, sentences};
use crate::{
    ActionKind, Effect, Exclusion, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, Standing,
    System, TargetKind, TimeLimit,
};

const MAX_ALLOW: usize = 64;
const MAX_CANARIES: usize = 16;
const MAX_LOSS_MINUTES: u32 = 7 * 24 * 60;

/// The declaration.
#[derive(Debug)]
pub struct Isolate;

/// What to leave open, and what to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Networks that stay reachable, both ways. At most 64.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub allow: Vec<Allow>,
    /// Addresses (`192.0.2.7:443`, `[2001:db8::7]:443`) that are tried before and after the cut, as proof.
    /// At most 16. Where none is given the agent takes the peers of live connections, resolvers and gateways.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub canaries: Vec<SocketAddr>,
    /// Lift the isolation by itself when the management server stays unreachable for this many minutes
    /// (at most 10080, a week). Where absent, only a failed self-test right after the cut lifts it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10080))]
    pub release_after_channel_loss_minutes: Option<u32>,
}

/// One opening in the isolation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// An address or network in CIDR form, `192.0.2.0/24` or `2001:db8::/48`.
    pub network: String,
    /// TCP or UDP; both where absent.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Remote port of connections that the endpoint opens, local port of those that it accepts; all where absent.
    #[serde(default)]
    pub port: Option<u16>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Allow {
    /// The network as address and prefix length.
    pub fn parse(&self) -> Result<(IpAddr, u8), &'static str> {
        let (address, prefix) = match self.network.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (self.network.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| "not an address or network in CIDR form")?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(text) => {
                text.parse::<u8>().ok().filter(|p| *p <= longest).ok_or("prefix length out of range")?
            }
        };
        if prefix == 0 {
            return Err("a network of all addresses would make the isolation void");
        }
        Ok((address, prefix))
    }
}

/// What was cut, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The endpoint was isolated already, and its plan was replaced by this one.
    pub already_isolated: bool,
    /// Addresses of the management server that stay open, for the agent's own sockets only.
    pub servers: Vec<String>,
    /// Interfaces whose egress hook stops raw and packet sockets too; empty where the kernel lacks the hook.
    pub egress_interfaces: Vec<String>,
    /// Sockets that were open before and were destroyed.
    pub sockets_destroyed: u32,
    /// Milliseconds from the first rule to the last destroyed socket.
    pub cut_ms: u32,
    /// A new connection to the management server, made after the cut, answered.
    pub channel_alive: bool,
    /// Canaries and rules, before and after.
    pub probes: Vec<Probe>,
    /// What falls short on this system, in words for a person.
    pub warnings: Vec<String>,
}

impl Action for Isolate {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.isolate",
        revision: 1,
        title: "Isolate Endpoint",
        summary: "Cuts the endpoint off the network, IPv4 and IPv6, except its management server and an allow list; proved by probes from the endpoint after the cut.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Reversible { by: "endpoint.restore" },
        risk: Risk::High,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 60, max_s: 300 },
        exclusion: Some(Exclusion::Network),
        priority: 0,
        on_failure: OnFailure::Undo,
        on_crash: OnCrash::Repeat,
        standing: Some(Standing::Isolated),
        secrets: &[Secret::ReleaseCode],
        redact: &[],
        example: r#"{"allow": [{"network": "192.0.2.0/24"}], "canaries": ["192.0.2.9:80"]}"#,
        d3fend: Some("D3-NI"),
        vision_one: Some("isolate"),
        openc2: Some(("contain", "device")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.allow.len() > MAX_ALLOW {
            return Err(CheckError::new("allow", format!("more than {MAX_ALLOW} entries")));
        }
        for (index, allow) in params.allow.iter().enumerate() {
            allow.parse().map_err(|problem| CheckError::new(format!("allow[{index}].network"), problem))?;
            if allow.port == Some(0) {
                return Err(CheckError::new(format!("allow[{index}].port"), "0 is no port"));
            }
        }
        if params.canaries.len() > MAX_CANARIES {
            return Err(CheckError::new("canaries", format!("more than {MAX_CANARIES} entries")));
        }
        for (index, canary) in params.canaries.iter().enumerate() {
            let ip = canary.ip();
            if canary.port() == 0 || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
                return Err(CheckError::new(
                    format!("canaries[{index}]"),
                    "must be a unicast address outside the endpoint, with a port",
                ));
            }
        }
        match params.release_after_channel_loss_minutes {
            Some(0) => Err(CheckError::new("release_after_channel_loss_minutes", "0 would lift it at once")),
            Some(minutes) if minutes > MAX_LOSS_MINUTES => {
                Err(CheckError::new("release_after_channel_loss_minutes", "longer than a week"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn judge(_: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
        if !outcome.channel_alive {
            return Verdict::unverified(
                "channel_lost",
                "the management server could not be reached after the cut",
            );
        }
        if outcome.probes.is_empty() {
            return Verdict::unverified("no_evidence", "the agent reported success without a single probe");
        }
        if let Some(probe) = first_failed(&outcome.probes) {
            return Verdict::unverified("still_reachable", probe.sentence());
        }
        let mut evidence = sentences(&outcome.probes);
        evidence.push("a new connection to the management server answered after the cut".to_owned());
        if !outcome.probes.iter().any(|probe| probe.proves) {
            evidence.push(
                "no canary was reachable before the cut, so the evidence is the rules read back from the kernel"
                    .to_owned(),
            );
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        Some(Undo { action: ActionKind::EndpointRestore, params: serde_json::json!({}) })
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
