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
        let (address, prefix) = canonical(address, prefix);
        if is_too_wide(address, prefix) {
            return Err(
                "too wide: at least 8 bits are needed in IPv4 and in what stands for it, 16 in IPv6 but for fc00::/7 and fe80::/10",
            );
        }
        Ok((address, prefix))
    }

    /// Whether it leaves so much open that who reads the evidence must see it: more than 65,536 addresses of
    /// IPv4, or more than a provider's own IPv6 network.
    fn is_broad(&self) -> bool {
        self.parse().is_ok_and(|(address, prefix)| prefix < if address.is_ipv4() { 16 } else { 32 })
    }
}

/// An IPv4-mapped network is the IPv4 network that it names: `::ffff:0:0/96` is every address of IPv4.
fn canonical(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    match address {
        IpAddr::V6(six) if prefix >= 96 => match six.to_ipv4_mapped() {
            Some(four) => (IpAddr::V4(four), prefix - 96),
            None => (address, prefix),
        },
        IpAddr::V6(_) | IpAddr::V4(_) => (address, prefix),
    }
}

/// No single network may open much of the world, whatever the spelling. Sixty-four of the widest leave a quarter
/// of IPv4 open and a thousandth of IPv6, so their sum needs no rule. Unique local and link-local networks are
/// not reached across the Internet; `64:ff9b::/96` is IPv4 seen through NAT64 (RFC 6052).
fn is_too_wide(address: IpAddr, prefix: u8) -> bool {
    let IpAddr::V6(six) = address else { return prefix < 8 };
    let high = six.to_bits() >> 32;
    let translated = 0x0064_ff9b_u128 << 64;
    if prefix >= 96 {
        return high == translated && prefix < 96 + 8;
    }
    let holds_translated = high >> (96 - prefix) == translated >> (96 - prefix);
    let local = six.is_unique_local() && prefix >= 7 || six.is_unicast_link_local() && prefix >= 10;
    prefix < 16 && !local || holds_translated
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

    fn judge(params: &Params, outcome: &Outcome, _: &Observed) -> Verdict {
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
        let broad = params.allow.iter().filter(|allow| allow.is_broad());
        evidence.extend(broad.map(|allow| format!("the allow list leaves all of {} open", allow.network)));
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn allow(network: &str) -> Params {
        let entry = Allow { network: network.to_owned(), protocol: None, port: None };
        Params { allow: vec![entry], ..Params::default() }
    }

    #[test]
    fn an_allow_list_cannot_open_the_world() {
        for wide in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "10.0.0.0/7",
            "::ffff:0:0/96",
            "::ffff:128.0.0.0/97",
            "::/0",
            "::/1",
            "8000::/1",
            "2000::/3",
            "2001::/15",
            "64:ff9b::/96",
            "64:ff9b::/103",
            "64::/16",
            "fc00::/6",
        ] {
            assert!(Isolate::validate(&allow(wide)).is_err(), "{wide}");
        }
        for narrow in [
            "10.0.0.0/8",
            "192.0.2.7",
            "::ffff:10.0.0.0/104",
            "2001::/16",
            "2001:db8::/32",
            "fc00::/7",
            "fd00::/8",
            "fe80::/10",
            "64:ff9b::a00:0/104",
            "64:ff9b::c000:201",
            "::/16",
        ] {
            assert_eq!(Isolate::validate(&allow(narrow)), Ok(()), "{narrow}");
        }
        assert_eq!(allow("::ffff:10.0.0.0/104").allow[0].parse().unwrap(), ("10.0.0.0".parse().unwrap(), 8));
    }

    #[test]
    fn a_broad_network_stands_in_the_evidence() {
        let outcome = Outcome {
            already_isolated: false,
            servers: Vec::new(),
            egress_interfaces: Vec::new(),
            sockets_destroyed: 0,
            cut_ms: 1,
            channel_alive: true,
            probes: vec![Probe {
                subject: "rules of the isolation".to_owned(),
                method: "read back from the kernel".to_owned(),
                before: None,
                after: "every rule stands as it was installed".to_owned(),
                held: true,
                proves: false,
            }],
            warnings: Vec::new(),
        };
        let told = |network: &str| match Isolate::judge(&allow(network), &outcome, &Observed::default()) {
            Verdict::Verified { evidence } => evidence.iter().any(|line| line.contains(network)),
            Verdict::Unverified { .. } => false,
        };
        assert!(told("10.0.0.0/8") && told("::ffff:10.0.0.0/104") && told("fd00::/8"));
        assert!(!told("10.1.0.0/16") && !told("2001:db8::/32"));
    }
}
