//! Who is tried before and after the cut, and what that proves.

use std::net::SocketAddr;
use std::time::Duration;

use quell_catalog::endpoint::isolate::{Params, Protocol};
use quell_catalog::evidence;
use quell_host::isolate::{
    Allow, Direction, Means, Network, Plan, Probe, Reach, established_peers, gateways, probe_all, resolvers,
};

use super::kept::Canary;

/// Peers that the agent picks by itself, at most.
const OWN: usize = 8;
/// For all probes together.
const WAIT: Duration = Duration::from_secs(1);
/// Some gateways answer or refuse here; one that does neither proves nothing.
const GATEWAY_PORT: u16 = 443;
/// Ports from here on are given to clients (Linux `ip_local_port_range`).
const EPHEMERAL: u16 = 32768;
/// DNS.
const DNS_PORT: u16 = 53;

/// The allow list as the rules want it.
pub fn allow(params: &Params) -> Result<Vec<Allow>, &'static str> {
    let mut list = Vec::with_capacity(params.allow.len());
    for entry in &params.allow {
        let (address, prefix) = entry.parse()?;
        let network = Network::new(address, prefix).map_err(|_| "prefix length out of range")?;
        let protocol = match entry.protocol {
            None => quell_host::isolate::Protocol::Any,
            Some(Protocol::Tcp) => quell_host::isolate::Protocol::Tcp,
            Some(Protocol::Udp) => quell_host::isolate::Protocol::Udp,
        };
        list.push(Allow { network, port: entry.port, protocol, direction: Direction::Both });
    }
    Ok(list)
}

/// Whom to try: who was named, or the peers of live connections, resolvers and gateways.
pub fn choose(params: &Params, plan: &Plan) -> Vec<Probe> {
    let tcp = |target| Probe { target, means: Means::Tcp, mark: None };
    if !params.canaries.is_empty() {
        return params.canaries.iter().copied().map(tcp).collect();
    }
    let open = |target: &SocketAddr| is_open(plan, *target) || plan.servers.contains(target);
    let mut peers: Vec<SocketAddr> = established_peers()
        .unwrap_or_default()
        .into_iter()
        .filter(|peer| peer.tcp && peer.mark != plan.mark && !peer.remote.ip().is_loopback())
        // The far end of a connection that came in listens to nobody.
        .filter(|peer| peer.remote.port() < EPHEMERAL)
        .map(|peer| peer.remote)
        .filter(|peer| !open(peer))
        .collect();
    peers.sort_unstable();
    peers.dedup();
    peers.truncate(OWN);
    let names = resolvers().into_iter().map(|ip| SocketAddr::new(ip, DNS_PORT));
    let names = names.filter(|target| !target.ip().is_loopback() && !open(target)).take(2);
    let routers = gateways().unwrap_or_default().into_iter().map(|gateway| gateway.ip);
    let link_local =
        |ip: &std::net::IpAddr| matches!(ip, std::net::IpAddr::V6(six) if six.is_unicast_link_local());
    let routers = routers.filter(|ip| !link_local(ip)).map(|ip| SocketAddr::new(ip, GATEWAY_PORT));
    let mut probes: Vec<Probe> = peers.into_iter().map(tcp).collect();
    probes.extend(names.map(|target| Probe { target, means: Means::Dns, mark: None }));
    probes.extend(routers.filter(|target| !open(target)).take(2).map(tcp));
    probes
}

/// Whether the allow list leaves TCP to this address open.
fn is_open(plan: &Plan, target: SocketAddr) -> bool {
    plan.allow.iter().any(|allow| {
        allow.network.contains(target.ip())
            && allow.port.is_none_or(|port| port == target.port())
            && !matches!(
                allow.protocol,
                quell_host::isolate::Protocol::Udp | quell_host::isolate::Protocol::Icmp
            )
    })
}

/// Tries them all. Blocking.
pub fn look(probes: &[Probe]) -> Vec<Canary> {
    let seen = probe_all(probes, WAIT);
    let pairs = probes.iter().zip(seen);
    pairs
        .map(|(probe, reach)| Canary {
            target: probe.target,
            means: probe.means,
            before: words(reach),
            reached: reach.reached(),
        })
        .collect()
}

/// Tries them again after the cut: what was reached must not be reached any more, unless it is allowed. Blocking.
pub fn after_cut(canaries: &[Canary], plan: &Plan) -> Vec<evidence::Probe> {
    let seen = probe_all(&probes(canaries), WAIT);
    let pairs = canaries.iter().zip(seen);
    pairs
        .map(|(canary, reach)| {
            let open = is_open(plan, canary.target);
            evidence::Probe {
                subject: subject(canary),
                method: method(canary.means),
                before: Some(canary.before.clone()),
                after: if open { format!("{} (allowed)", words(reach)) } else { words(reach) },
                held: open || !reach.reached(),
                proves: canary.reached && !open && !reach.reached(),
            }
        })
        .collect()
}

/// Tries them again after the cut was lifted. Blocking.
pub fn after_restore(canaries: &[Canary]) -> Vec<evidence::Probe> {
    let seen = probe_all(&probes(canaries), WAIT);
    let pairs = canaries.iter().zip(seen);
    pairs
        .map(|(canary, reach)| evidence::Probe {
            subject: subject(canary),
            method: method(canary.means),
            before: Some(canary.before.clone()),
            after: words(reach),
            held: reach.reached(),
            // One that stays silent proves nothing: its owner may be down.
            proves: reach.reached(),
        })
        .collect()
}

fn probes(canaries: &[Canary]) -> Vec<Probe> {
    canaries.iter().map(|canary| Probe { target: canary.target, means: canary.means, mark: None }).collect()
}

fn subject(canary: &Canary) -> String {
    match canary.means {
        Means::Tcp => format!("tcp {}", canary.target),
        Means::Dns => format!("dns {}", canary.target),
    }
}

fn method(means: Means) -> String {
    match means {
        Means::Tcp => "connect",
        Means::Dns => "query",
    }
    .to_owned()
}

fn words(reach: Reach) -> String {
    match reach {
        Reach::Connected => "reached".to_owned(),
        Reach::Refused => "reached (refused by the peer)".to_owned(),
        Reach::Unreachable(errno) => format!("not reached ({})", std::io::Error::from_raw_os_error(errno)),
        Reach::TimedOut => "not reached (no answer)".to_owned(),
    }
}
