//! What an isolated endpoint may still do, as plain data that can be kept and compared.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More servers than this are refused: the rules stay small enough to be read by a person.
pub const MAX_SERVERS: usize = 64;
/// More exceptions than this are refused.
pub const MAX_ALLOW: usize = 256;

/// An exception names at least this many bits of an IPv4 network.
pub const WIDEST_FOUR: u8 = 8;
/// An exception names at least this many bits of an IPv6 network, unless it lies within `fc00::/7` (unique local)
/// or `fe80::/10` (link-local), which no one reaches across the Internet.
pub const WIDEST_SIX: u8 = 16;
/// All exceptions together leave at most this many IPv4 addresses open.
const MOST_FOUR: u64 = 1 << 30;
/// Where the whole of IPv4 stands in IPv6, for NAT64 (RFC 6052): its last 32 bits are counted as IPv4.
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// The cut to make: who stays reachable, and by what sign our own packets are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `SO_MARK` of the agent's own sockets. Random for each isolation and never zero, so that knowing
    /// a server's address is not enough to reach it.
    pub mark: u32,
    /// Management servers, resolved before the cut. TCP only.
    pub servers: Vec<SocketAddr>,
    /// Further peers that stay reachable for every process of the endpoint.
    pub allow: Vec<Allow>,
}

/// One exception from the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The peers.
    pub network: Network,
    /// The port at the side that is connected *to*; every port where absent.
    pub port: Option<u16>,
    /// The transport.
    pub protocol: Protocol,
    /// Who may open the exchange. Replies always pass.
    pub direction: Direction,
}

/// The transport of an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Every protocol; with a port: TCP and UDP.
    Any,
    /// TCP.
    Tcp,
    /// UDP. Replies are known by port alone, fragments of large datagrams are cut.
    Udp,
    /// ICMP and ICMPv6, both ways.
    Icmp,
}

/// Who may open the exchange of an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The endpoint.
    Outbound,
    /// The peer.
    Inbound,
    /// Either.
    Both,
}

impl Direction {
    pub(super) fn out(self) -> bool {
        self != Self::Inbound
    }

    pub(super) fn inward(self) -> bool {
        self != Self::Outbound
    }
}

/// A set of addresses with a common prefix; host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a plan cannot be carried out as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A mark of zero is what every unmarked socket carries.
    #[error("the mark must not be zero: every unmarked socket carries it")]
    ZeroMark,
    /// Too many servers.
    #[error("{0} server addresses; at most {MAX_SERVERS} are taken")]
    Servers(usize),
    /// Too many exceptions.
    #[error("{0} exceptions; at most {MAX_ALLOW} are taken")]
    Allow(usize),
    /// A port where the protocol has none.
    #[error("ICMP has no ports (in the exception for {0})")]
    IcmpPort(Network),
    /// A network so wide that little would be cut.
    #[error("{0} leaves too much open; at least {WIDEST_FOUR} bits are needed in IPv4, {WIDEST_SIX} in IPv6")]
    Wide(Network),
    /// Networks that are so wide together.
    #[error("the exceptions together leave more than a quarter of all IPv4 addresses open")]
    WideTogether,
    /// The text is no network.
    #[error("{0:?} is not an address or network such as 10.0.0.0/8 or fd00::/8")]
    Network(String),
}

impl Network {
    /// The network of `address` and `prefix` bits; host bits are cleared, IPv4-mapped addresses become IPv4.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, PlanError> {
        let width = if address.is_ipv4() { 32 } else { 128 };
        if prefix > width {
            return Err(PlanError::Network(format!("{address}/{prefix}")));
        }
        if let (IpAddr::V6(six), true) = (address, prefix >= 96)
            && let Some(four) = six.to_ipv4_mapped()
        {
            return Self::new(IpAddr::V4(four), prefix - 96);
        }
        let address = match address {
            IpAddr::V4(ip) => {
                let keep = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & keep))
            }
            IpAddr::V6(ip) => {
                let keep = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & keep))
            }
        };
        Ok(Self { address, prefix })
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of its prefix.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies in this network; IPv4-mapped addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && Self::new(address, self.prefix).is_ok_and(|n| n == *self)
    }

    /// Whether it is wider than an exception may be. Ask the parsed network, never the text: `::ffff:0:0/96`
    /// is all of IPv4, and two halves of everything are everything.
    pub fn is_too_wide(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.prefix < WIDEST_FOUR,
            IpAddr::V6(ip) if self.prefix >= 96 => {
                ip.to_bits() >> 32 == NAT64.to_bits() >> 32 && self.prefix < 96 + WIDEST_FOUR
            }
            IpAddr::V6(ip) => {
                let local = ip.is_unique_local() && self.prefix >= 7 || self.is_link_local();
                self.prefix < WIDEST_SIX && !local || self.contains(NAT64.into())
            }
        }
    }

    /// Whether all of it is IPv6's link-local network, `fe80::/10`.
    pub(super) fn is_link_local(&self) -> bool {
        self.prefix >= 10 && matches!(self.address, IpAddr::V6(ip) if ip.is_unicast_link_local())
    }

    /// First and last address of an IPv4 network.
    fn range_of_four(&self) -> Option<(u64, u64)> {
        let IpAddr::V4(ip) = self.address else { return None };
        let first = u64::from(ip.to_bits());
        Some((first, first + (1_u64 << (32 - self.prefix)) - 1))
    }

    /// Whether this is an IPv4 network.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Network(text.chars().take(80).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        Self::new(address, prefix).map_err(|_| wrong())
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Plan {
    /// Checks the bounds that the rules rely on.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.mark == 0 {
            return Err(PlanError::ZeroMark);
        }
        if self.servers.len() > MAX_SERVERS {
            return Err(PlanError::Servers(self.servers.len()));
        }
        if self.allow.len() > MAX_ALLOW {
            return Err(PlanError::Allow(self.allow.len()));
        }
        if let Some(allow) = self.allow.iter().find(|a| a.network.is_too_wide()) {
            return Err(PlanError::Wide(allow.network));
        }
        if open_in_four(&self.allow) > MOST_FOUR {
            return Err(PlanError::WideTogether);
        }
        match self.allow.iter().find(|a| a.protocol == Protocol::Icmp && a.port.is_some()) {
            Some(allow) => Err(PlanError::IcmpPort(allow.network)),
            None => Ok(()),
        }
    }
}

/// How many IPv4 addresses the exceptions cover together, each counted once.
fn open_in_four(list: &[Allow]) -> u64 {
    let mut ranges: Vec<(u64, u64)> = list.iter().filter_map(|a| a.network.range_of_four()).collect();
    ranges.sort_unstable();
    let (mut open, mut next) = (0, 0);
    for (first, last) in ranges {
        open += (last + 1).saturating_sub(first.max(next));
        next = next.max(last + 1);
    }
    open
}

impl Allow {
    /// Whether a live socket between these two addresses is covered, so that it need not die.
    pub fn covers(&self, tcp: bool, local: SocketAddr, remote: SocketAddr) -> bool {
        let protocol = match self.protocol {
            Protocol::Any => true,
            Protocol::Tcp => tcp,
            Protocol::Udp => !tcp,
            Protocol::Icmp => false,
        };
        let port = self.port.is_none_or(|port| {
            self.direction.out() && remote.port() == port || self.direction.inward() && local.port() == port
        });
        protocol && port && self.network.contains(remote.ip())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn networks_are_canonical() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd86::1/64", "fd86::/64"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.1/128", "10.0.0.1/32"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for wrong in
            ["", "10.0.0.1/33", "fd00::/129", "10.0.0.1/-1", "host", "10.0.0.1/8/8", "\"; flush ruleset"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!network.contains("11.0.0.1".parse().unwrap()));
        assert!(!network.contains("::a00:1".parse().unwrap()));
    }

    fn exceptions(networks: impl IntoIterator<Item = String>) -> Plan {
        let allow = |network: String| Allow {
            network: network.parse().unwrap(),
            port: None,
            protocol: Protocol::Any,
            direction: Direction::Both,
        };
        Plan { mark: 1, servers: Vec::new(), allow: networks.into_iter().map(allow).collect() }
    }

    #[test]
    fn exceptions_leave_most_of_the_world_cut() {
        for wide in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "10.0.0.0/7",
            "::ffff:0:0/96",
            "::ffff:128.0.0.0/97",
            "::/0",
            "2000::/3",
            "2001::/15",
            "f000::/4",
            "64:ff9b::/96",
            "64:ff9b::/103",
            "64::/16",
            "fc00::/6",
        ] {
            let plan = exceptions([wide.to_owned()]);
            assert!(matches!(plan.check(), Err(PlanError::Wide(_))), "{wide}: {:?}", plan.check());
        }
        for narrow in [
            "10.0.0.0/8",
            "::ffff:10.0.0.0/104",
            "2001::/16",
            "fc00::/7",
            "fd00::/8",
            "fe80::/10",
            "64:ff9b::a00:0/104",
        ] {
            assert_eq!(exceptions([narrow.to_owned()]).check(), Ok(()), "{narrow}");
        }
        let eights = |count: u8| (0..count).map(|n| format!("{n}.0.0.0/8"));
        assert_eq!(exceptions(eights(64)).check(), Ok(()));
        assert_eq!(exceptions(eights(65)).check(), Err(PlanError::WideTogether));
        // What is named twice is open once.
        assert_eq!(exceptions(eights(64).chain(["1.2.0.0/16".to_owned()]).chain(eights(64))).check(), Ok(()));
    }
}
