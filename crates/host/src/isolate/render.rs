//! The text that `nft` gets, from plain data: no look at the system happens here.
//!
//! One rule for each address, no sets: what the kernel lists again is then exactly what was written,
//! and a person who reads the rule set sees every exception in a line of its own.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::neighbours;
use super::plan::{Allow, Network, Plan, Protocol};
use super::standing::Kept;

/// Name of our tables, in the families `inet` and `netdev`. Behind it stand eight random digits where another process
/// has taken the name for itself.
pub(super) const TABLE: &str = "quell_isolation";

/// Whether a table of this name is ours, if nobody else owns it. Told by the name alone, so that whatever stands is
/// found, repaired and removed by an agent that remembers nothing.
pub(super) fn is_ours(name: &str) -> bool {
    let is_digits = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let rest = name.strip_prefix(TABLE);
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_digits))
}

/// Which tables a transaction writes, and which it takes away.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    /// Name of the table in the family `inet`.
    pub inet: String,
    /// The same in `netdev`.
    pub netdev: String,
    /// Family and name of those of ours that go.
    pub go: Vec<(&'static str, String)>,
}

impl Ground {
    /// The name in a family.
    pub(super) fn table(&self, family: &str) -> &str {
        if family == "inet" { &self.inet } else { &self.netdev }
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self { inet: TABLE.into(), netdev: TABLE.into(), go: Vec::new() }
    }
}

/// What the kernel offers beyond plain `inet` filtering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    /// `NFT_SOCKET`: a reply is let in only to the agent's own socket.
    pub socket: bool,
    /// The netdev egress hook (Linux 5.16), which sees raw and packet senders too.
    pub egress: bool,
    /// The netdev ingress hook, which sees frames for bridges and other namespaces too.
    pub ingress: bool,
}

/// Everything the rules are made from.
#[derive(Debug, Clone)]
pub(super) struct Shape<'a> {
    pub plan: &'a Plan,
    /// Index and name of each interface to cover.
    pub devices: &'a [(u32, String)],
    /// IPv6 networks of the links, where neighbours may be spoken to directly.
    pub links: &'a [Network],
    /// Whether an IPv4 address was leased, and the lease must be renewed.
    pub dhcp4: bool,
    /// The same for IPv6.
    pub dhcp6: bool,
    pub features: Features,
}

/// Priority of every hook of ours.
pub(super) const PRIORITY: i32 = -350;

/// A chain, but for its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub family: &'static str,
    pub name: String,
    /// What makes it a base chain.
    pub base: Option<Base>,
}

/// A hook of type `filter` with our priority and the policy to drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub hook: &'static str,
    /// In the family `netdev`.
    pub device: Option<String>,
}

/// A chain with the rules that it shall have.
#[derive(Debug)]
pub(super) struct Wanted {
    pub chain: Chain,
    rules: Vec<String>,
}

impl fmt::Display for Base {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "type filter hook {}", self.hook)?;
        if let Some(device) = &self.device {
            write!(out, " device \"{device}\"")?;
        }
        write!(out, " priority {PRIORITY}; policy drop;")
    }
}

/// Deletes a table of ours, whether it exists or not.
pub(super) fn clear(family: &str, table: &str) -> String {
    format!("add table {family} {table}\ndelete table {family} {table}\n")
}

/// One transaction that makes `wanted` of whatever stands in our tables. What is `kept` stays, without its rules.
pub(super) fn render(wanted: &[Wanted], kept: &Kept) -> String {
    let mut text: String = kept.ground.go.iter().map(|(family, table)| clear(family, table)).collect();
    for family in ["inet", "netdev"] {
        let table = kept.ground.table(family);
        let chains = || wanted.iter().filter(|wanted| wanted.chain.family == family);
        if chains().next().is_none() {
            continue;
        }
        if let Some(go) = kept.tables.get(family) {
            let _ = writeln!(text, "flush table {family} {table}");
            // By handle, because the name of a chain that is not ours can be anything.
            for handle in go {
                let _ = writeln!(text, "delete chain {family} {table} handle {handle}");
            }
        } else {
            let _ = writeln!(text, "{}add table {family} {table}", clear(family, table));
        }
        for Wanted { chain, .. } in chains().filter(|wanted| !kept.chains.contains(&wanted.chain)) {
            let base = chain.base.as_ref().map(|base| format!(" {{ {base} }}")).unwrap_or_default();
            let _ = writeln!(text, "add chain {family} {table} {}{base}", chain.name);
        }
        for Wanted { chain, rules } in chains() {
            for rule in rules {
                let _ = writeln!(text, "add rule {family} {table} {} {rule}", chain.name);
            }
        }
    }
    text
}

/// The chains and rules that make up the cut.
pub(super) fn wanted(shape: &Shape<'_>) -> Vec<Wanted> {
    let inet = |hook: &'static str, rules| {
        let base = Some(Base { hook, device: None });
        Wanted { chain: Chain { family: "inet", name: hook.into(), base }, rules }
    };
    let mut wanted =
        vec![inet("output", output(shape)), inet("input", input(shape)), inet("forward", vec![DROP.into()])];
    if shape.features.egress {
        wanted.extend(devices(shape.devices, "egress", link_out(shape)));
    }
    if shape.features.ingress {
        wanted.extend(devices(shape.devices, "ingress", link_in(shape)));
    }
    wanted
}

/// The shared rules once, and for each interface a base chain that jumps to them: an interface that
/// appears or goes then touches one chain only.
fn devices(devices: &[(u32, String)], hook: &'static str, rules: Vec<String>) -> Vec<Wanted> {
    let netdev = |name, base, rules| Wanted { chain: Chain { family: "netdev", name, base }, rules };
    let mut chains = vec![netdev(format!("{hook}_rules"), None, rules)];
    chains.extend(devices.iter().map(|(index, name)| {
        let base = Base { hook, device: Some(name.clone()) };
        netdev(format!("{hook}_{index}"), Some(base), vec![format!("jump {hook}_rules"), DROP.into()])
    }));
    chains
}

fn output(shape: &Shape<'_>) -> Vec<String> {
    let mut lines = vec!["meta oiftype loopback accept".into()];
    lines.extend(to_servers(shape.plan));
    lines.extend(allowed(&shape.plan.allow, true));
    lines.extend(neighbours::outward(shape.links));
    lines.extend(leases(shape, true));
    // Programs of the endpoint fail at once instead of waiting; nothing of this leaves the machine.
    // Not a TCP reset: a probe must be able to tell the cut from a peer that refuses.
    lines.push("reject with icmpx admin-prohibited".into());
    lines
}

fn input(shape: &Shape<'_>) -> Vec<String> {
    let mut lines = vec!["meta iiftype loopback accept".into()];
    // The socket's own mark decides, not connection tracking: the agent's connection is older than the
    // rules, and another table may have told the kernel not to track it.
    let mine =
        if shape.features.socket { format!("socket mark {:#x}", shape.plan.mark) } else { REPLY.into() };
    lines.extend(servers(shape.plan).map(|s| format!("{} {mine} accept", peer(s, "saddr", "sport"))));
    lines.extend(path_mtu(shape.plan));
    lines.extend(allowed(&shape.plan.allow, false));
    lines.extend(neighbours::inward());
    lines.extend(leases(shape, false));
    lines.push(DROP.into());
    lines
}

/// The end of every base chain, though its policy says the same. When a transaction replaces a chain, the kernel
/// makes all its rules count in one instant, but sets the new chain's policy only later, one object after the
/// other, when the old chain may be gone already: between the two a policy alone would let packets through.
const DROP: &str = "drop";

/// A TCP segment that opens no connection.
const REPLY: &str = "tcp flags & (syn|ack) != syn";

fn link_out(shape: &Shape<'_>) -> Vec<String> {
    let mut lines = link_layer();
    lines.extend(to_servers(shape.plan));
    lines.extend(encapsulations().map(|e| format!("meta mark {:#x} {e}", shape.plan.mark)));
    lines.extend(allowed(&shape.plan.allow, true));
    lines.extend(neighbours::outward(shape.links));
    lines.extend(leases(shape, true));
    lines
}

fn link_in(shape: &Shape<'_>) -> Vec<String> {
    let mut lines = link_layer();
    lines.extend(servers(shape.plan).map(|s| format!("{} accept", peer(s, "saddr", "sport"))));
    // The upper device has a chain of its own, which sees what was inside.
    lines.extend(encapsulations());
    lines.extend(path_mtu(shape.plan));
    lines.extend(allowed(&shape.plan.allow, false));
    lines.extend(neighbours::inward());
    lines.extend(leases(shape, false));
    lines
}

/// What a link itself lives on: address resolution, 802.1X and WPA keys, and link aggregation.
fn link_layer() -> Vec<String> {
    ["arp", "0x888e", "0x8809"].map(|protocol| format!("meta protocol {protocol} accept")).into()
}

/// VLAN, PPPoE and MACsec frames of a device stacked above; the mark goes through with the packet.
fn encapsulations() -> impl Iterator<Item = String> {
    ["8021q", "8021ad", "0x8863", "0x8864", "0x88e5"].into_iter().map(|p| format!("meta protocol {p} accept"))
}

fn servers(plan: &Plan) -> impl Iterator<Item = SocketAddr> + '_ {
    plan.servers.iter().map(|s| SocketAddr::new(s.ip().to_canonical(), s.port()))
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "ip" } else { "ip6" }
}

fn peer(server: SocketAddr, address: &str, port: &str) -> String {
    format!("{} {address} {} tcp {port} {}", family(server.ip()), server.ip(), server.port())
}

fn to_servers(plan: &Plan) -> Vec<String> {
    servers(plan)
        .map(|s| format!("meta mark {:#x} {} accept", plan.mark, peer(s, "daddr", "dport")))
        .collect()
}

/// "Packet too big" about one of our own packets to a server (its address stands in the quoted header),
/// without which a channel through a narrower path would hang.
fn path_mtu(plan: &Plan) -> Vec<String> {
    let mut ips: Vec<IpAddr> = servers(plan).map(|s| s.ip()).collect();
    ips.sort();
    ips.dedup();
    let rule = |ip| match ip {
        IpAddr::V4(ip) => format!(
            "icmp type destination-unreachable icmp code frag-needed @th,192,32 {:#x} limit rate 10/second accept",
            ip.to_bits()
        ),
        IpAddr::V6(ip) => {
            format!("icmpv6 type packet-too-big @th,256,128 {:#x} limit rate 10/second accept", ip.to_bits())
        }
    };
    ips.into_iter().map(rule).collect()
}

/// Leases are asked for by broadcast only, and slowly: the renewal by unicast fails, the later one succeeds,
/// and no chosen host can be talked to.
fn leases(shape: &Shape<'_>, out: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if shape.dhcp4 {
        lines.push(if out {
            "ip daddr 255.255.255.255 udp sport 68 udp dport 67 limit rate 30/minute accept".into()
        } else {
            "udp sport 67 udp dport 68 limit rate 30/minute accept".into()
        });
    }
    if shape.dhcp6 {
        lines.push(if out {
            "ip6 daddr ff02::1:2 udp sport 546 udp dport 547 limit rate 30/minute accept".into()
        } else {
            "ip6 saddr fe80::/10 udp sport 547 udp dport 546 limit rate 30/minute accept".into()
        });
    }
    lines
}

fn allowed(list: &[Allow], out: bool) -> Vec<String> {
    list.iter().flat_map(|allow| exception(allow, out)).collect()
}

/// The rules of one exception for packets that leave (`out`) or arrive.
fn exception(allow: &Allow, out: bool) -> Vec<String> {
    let four = allow.network.is_ipv4();
    let side = if out { "daddr" } else { "saddr" };
    let base = format!("{} {side} {}", if four { "ip" } else { "ip6" }, allow.network);
    let icmp = format!("{base} meta l4proto {} accept", if four { "icmp" } else { "ipv6-icmp" });
    // Whether packets in this direction may open an exchange, or only answer one.
    let (opens, answers) = if out {
        (allow.direction.out(), allow.direction.inward())
    } else {
        (allow.direction.inward(), allow.direction.out())
    };
    let ported = |transport: &str, reply: &str| -> Vec<String> {
        let mut lines = Vec::new();
        match allow.port {
            Some(port) => {
                if opens {
                    lines.push(format!("{base} {transport} dport {port} accept"));
                }
                if answers {
                    lines.push(format!("{base} {transport} sport {port}{reply} accept"));
                }
            }
            None if opens || reply.is_empty() => {
                lines.push(format!("{base} meta l4proto {transport} accept"));
            }
            None => lines.push(format!("{base}{reply} accept")),
        }
        lines
    };
    let tcp = || ported("tcp", &format!(" {REPLY}"));
    let udp = || ported("udp", "");
    match (allow.protocol, allow.port) {
        (Protocol::Any, None) if opens && answers => vec![format!("{base} accept")],
        (Protocol::Any, port) => {
            let mut lines = tcp();
            lines.extend(udp());
            lines.extend(port.is_none().then_some(icmp));
            lines
        }
        (Protocol::Tcp, _) => tcp(),
        (Protocol::Udp, _) => udp(),
        (Protocol::Icmp, _) => vec![icmp],
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::plan::Direction;
    use super::*;

    #[test]
    fn the_whole_text() {
        let plan = Plan {
            mark: 0x51ee_0001,
            servers: vec!["10.86.0.1:8443".parse().unwrap(), "[fd86::1]:8443".parse().unwrap()],
            allow: vec![
                Allow {
                    network: "10.9.0.0/16".parse().unwrap(),
                    port: Some(22),
                    protocol: Protocol::Tcp,
                    direction: Direction::Inbound,
                },
                Allow {
                    network: "fd99::/64".parse().unwrap(),
                    port: None,
                    protocol: Protocol::Any,
                    direction: Direction::Both,
                },
            ],
        };
        let wanted = wanted(&Shape {
            plan: &plan,
            devices: &[(2, "eth0".into())],
            links: &["fd86::/64".parse().unwrap()],
            dhcp4: true,
            dhcp6: false,
            features: Features { socket: true, egress: true, ingress: true },
        });
        insta::assert_snapshot!(render(&wanted, &Kept::default()));

        // The table of devices stays, with all of its chains but one, and loses one that is not ours.
        let mut kept = Kept { tables: [("netdev", vec![9])].into(), ..Kept::default() };
        kept.chains =
            wanted.iter().map(|wanted| wanted.chain.clone()).filter(|c| c.family == "netdev").collect();
        kept.chains.retain(|chain| chain.name != "ingress_2");
        let text = render(&wanted, &kept);
        let made: Vec<&str> = text.lines().filter(|line| !line.starts_with("add rule")).collect();
        insta::assert_snapshot!(made.join("\n"));
    }

    #[test]
    fn exceptions_in_every_shape() {
        let mut text = String::new();
        for protocol in [Protocol::Any, Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
            for port in [None, Some(53)] {
                for direction in [Direction::Outbound, Direction::Inbound, Direction::Both] {
                    let network = "192.0.2.0/24".parse().unwrap();
                    let allow = Allow { network, port, protocol, direction };
                    let _ = writeln!(text, "{protocol:?} {port:?} {direction:?}");
                    for out in [true, false] {
                        for line in exception(&allow, out) {
                            let _ = writeln!(text, "  {} {line}", if out { "out" } else { "in " });
                        }
                    }
                }
            }
        }
        insta::assert_snapshot!(text);
    }
}
