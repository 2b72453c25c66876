//! What IPv6 needs on a link to find its neighbours, as rules: wide enough to live, too narrow to carry data off.
//!
//! A hop limit of 255 (1 for listener reports) says of an *arriving* packet that it crossed no router (RFC 4861,
//! RFC 3810). It says nothing of one that leaves: any router passes it on, with whatever a raw socket put behind
//! the header. So what leaves may go only to addresses of the link itself, is short, and is counted.

use super::facts::Address;
use super::plan::Network;

/// No longer than this behind the IPv6 header: a solicitation (24 bytes) with the longest link address in use
/// (InfiniBand, 24) and a nonce (8) has 56.
const MAX_LENGTH: u8 = 72;
/// For each rule. A busy link asks a few times in a second; the limit is for those who fill the option's bytes.
const RATE: &str = "limit rate 50/second burst 50 packets";
/// Networks of links beyond these are left to multicast and link-local addresses, which is enough to be found.
const MAX_LINKS: usize = 32;
/// A network of a link is a /64; one that claims to be much wider was put there to open the way.
const WIDEST_LINK: u8 = 48;

/// The IPv6 networks on this machine's links, in order: neighbours there are asked and answered directly.
pub(super) fn links(addresses: &[Address]) -> Vec<Network> {
    let mut links: Vec<Network> = addresses
        .iter()
        .filter(|a| a.ip.is_ipv6() && (WIDEST_LINK..128).contains(&a.prefix) && !a.ip.is_loopback())
        .filter_map(|a| Network::new(a.ip, a.prefix).ok())
        .filter(|n| !n.is_ipv4() && !n.is_link_local())
        .collect();
    links.sort_by_key(ToString::to_string);
    links.dedup();
    links.truncate(MAX_LINKS);
    links
}

/// What may leave. Listener reports keep their hop limit of 1, with which no router forwards them.
pub(super) fn outward(links: &[Network]) -> Vec<String> {
    let direct = || std::iter::once("fe80::/10".to_owned()).chain(links.iter().map(ToString::to_string));
    let to = |kind: &str, peer: &str| {
        format!(
            "ip6 daddr {peer} ip6 length <= {MAX_LENGTH} icmpv6 type {kind} ip6 hoplimit 255 {RATE} accept"
        )
    };
    let mut lines = vec![to("nd-router-solicit", "ff02::2")];
    // Asked at the multicast address made from the neighbour's own; one that is known already, directly.
    lines.push(to("nd-neighbor-solicit", "ff02::1:ff00:0/104"));
    lines.extend(direct().map(|peer| to("nd-neighbor-solicit", &peer)));
    lines.push(to("nd-neighbor-advert", "ff02::1"));
    lines.extend(direct().map(|peer| to("nd-neighbor-advert", &peer)));
    lines.push(format!("ip6 daddr ff00::/8 icmpv6 type mld-listener-report ip6 hoplimit 1 {RATE} accept"));
    lines.push(format!("ip6 daddr ff02::16 icmpv6 type mld2-listener-report ip6 hoplimit 1 {RATE} accept"));
    lines
}

/// What may arrive.
pub(super) fn inward() -> Vec<String> {
    let from = |(kind, hops)| format!("icmpv6 type {kind} ip6 hoplimit {hops} accept");
    [
        ("nd-router-advert", 255),
        ("nd-neighbor-solicit", 255),
        ("nd-neighbor-advert", 255),
        ("mld-listener-query", 1),
    ]
    .map(from)
    .into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn links_are_networks_that_a_neighbour_can_be_in() {
        let address = |text: &str| {
            let (ip, prefix) = text.split_once('/').unwrap();
            Address { interface: 2, ip: ip.parse().unwrap(), prefix: prefix.parse().unwrap(), dynamic: false }
        };
        let given = [
            "fd99::1/64",
            "fd99::2/64",
            "10.0.0.1/24",
            "fe80::1/64",
            "::1/128",
            "2001:db8::9/128",
            "2001:db8::1/3",
        ];
        let links = links(&given.map(address));
        assert_eq!(links.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fd99::/64"]);
    }
}
