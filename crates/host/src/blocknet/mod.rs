//! Many addresses that this machine (the caller's network namespace) must not talk to: sets in one nftables table of our own,
//! `inet quell_block`, which stands beside the isolation's and never touches it.
//!
//! - [`apply`] makes the table say what is wanted, in one transaction: a few changes where it stands, else all of it anew.
//! - [`is_intact`] says whether chains and rules are still those that were made. The sets' content is not compared.
//! - [`Log`] hears what was met, as the kernel logs it (`NFLOG`), at most some packets a second.
//!
//! Single addresses are a hash set, networks an interval set: a hundred thousand of the latter take the kernel several seconds.

mod addresses;
mod log;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub use addresses::Addresses;
pub use log::{Log, Packet, Way, read as read_logged};

use crate::isolate::{Error, Network, nft};
use crate::namegate::asked;

const TABLE: &str = "quell_block";
/// Changes that are made one by one; more are made by writing the table anew.
const FEW: usize = 4096;
/// Elements of one line for `nft`.
const LINE: usize = 1000;
/// Addresses of names that are kept at one time; beyond that the kernel takes no more.
const NAMES: usize = 65_536;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Neither sent to nor received from.
    pub block: Arc<Addresses>,
    /// Only reported.
    pub report: Arc<Addresses>,
    /// Never blocked, whatever else is said: exceptions, and what this machine cannot do without.
    pub keep: BTreeSet<Network>,
    /// The group in which the kernel logs, that of a [`Log`]; without it nothing is reported.
    pub group: Option<u16>,
    /// Answers of name servers are logged too.
    pub names: bool,
}

/// What stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stands {
    wanted: Wanted,
    rules: String,
}

impl Stands {
    /// What it was made from.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

/// Makes the table say `wanted`. `before` is what stands, if it is intact.
pub fn apply(wanted: Wanted, before: Option<&Stands>) -> Result<Stands, Error> {
    let few = before.and_then(|before| changes(&before.wanted, &wanted).map(|script| (script, before)));
    if let Some((script, before)) = few
        && (script.is_empty() || nft::load(&script).is_ok())
    {
        return Ok(Stands { wanted, rules: before.rules.clone() });
    }
    nft::load(&whole(&wanted))?;
    Ok(Stands { wanted, rules: nft::terse("inet", TABLE)? })
}

/// Removes exactly our table; nothing there is a success too.
pub fn remove() -> Result<(), Error> {
    nft::load(&format!("add table inet {TABLE}\ndelete table inet {TABLE}\n"))
}

/// Whether chains and rules are as they were made.
pub fn is_intact(stands: &Stands) -> bool {
    nft::terse("inet", TABLE).is_ok_and(|rules| rules == stands.rules)
}

/// Blocks an address that a blocked name led to, for some seconds. One that is kept is not blocked by it.
pub fn block_for(addresses: &[(IpAddr, u32)]) -> Result<(), Error> {
    let mut script = String::new();
    for (address, seconds) in addresses {
        let set = if address.is_ipv4() { "name4" } else { "name6" };
        // Deleted first: an element that stands keeps its old time.
        let _ = write!(
            script,
            "add element inet {TABLE} {set} {{ {address} timeout 1s }}\ndelete element inet {TABLE} {set} {{ {address} }}\n\
             add element inet {TABLE} {set} {{ {address} timeout {seconds}s }}\n"
        );
    }
    if script.is_empty() { Ok(()) } else { nft::load(&script) }
}

/// The networks of a family as disjoint ranges in order.
fn disjoint(networks: impl Iterator<Item = Network>, four: bool) -> Vec<(u128, u128)> {
    let mut ranges: Vec<(u128, u128)> =
        networks.filter(|network| network.is_ipv4() == four).map(|network| range(&network)).collect();
    ranges.sort_unstable();
    let mut disjoint: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match disjoint.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => disjoint.push((first, last)),
        }
    }
    disjoint
}

/// Ranges as elements of a set.
fn spans(ranges: Vec<(u128, u128)>, four: bool) -> impl Iterator<Item = Span> {
    let address = move |number: u128| -> IpAddr {
        if four { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
    };
    ranges.into_iter().map(move |(first, last)| Span(address(first), address(last)))
}

struct Span(IpAddr, IpAddr);

impl std::fmt::Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == self.1 { write!(out, "{}", self.0) } else { write!(out, "{}-{}", self.0, self.1) }
    }
}

fn range(network: &Network) -> (u128, u128) {
    let (first, bits) = match network.address() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let free = bits - u32::from(network.prefix());
    let beyond = if free >= 128 { u128::MAX } else { (1 << free) - 1 };
    (first, first | beyond)
}

const FAMILIES: [(bool, &str, &str, &str); 2] =
    [(true, "4", "ip", "ipv4_addr"), (false, "6", "ip6", "ipv6_addr")];

fn whole(wanted: &Wanted) -> String {
    let mut text = format!("add table inet {TABLE}\ndelete table inet {TABLE}\nadd table inet {TABLE}\n");
    let set = |text: &mut String, name: &str, kind: &str, flags: &str| {
        let _ = writeln!(text, "add set inet {TABLE} {name} {{ type {kind}; {flags} }}");
    };
    for (four, digit, _, kind) in FAMILIES {
        for (name, addresses) in [("block", &wanted.block), ("report", &wanted.report)] {
            let (alone, net) = (format!("{name}{digit}"), format!("{name}net{digit}"));
            set(&mut text, &alone, kind, "");
            add(&mut text, "add", &alone, addresses.singles(four));
            set(&mut text, &net, kind, "flags interval;");
            add(&mut text, "add", &net, spans(disjoint(addresses.networks().iter().copied(), four), four));
        }
        // Single ones too: they may lie within a network that is kept.
        let keep = format!("keep{digit}");
        set(&mut text, &keep, kind, "flags interval;");
        add(&mut text, "add", &keep, spans(disjoint(wanted.keep.iter().copied(), four), four));
        set(&mut text, &format!("name{digit}"), kind, &format!("flags timeout; size {NAMES};"));
    }
    if wanted.names {
        asked::sets(&mut text, TABLE);
    }
    chains(&mut text, wanted);
    text
}

fn chains(text: &mut String, wanted: &Wanted) {
    let log = |prefix: &str| match wanted.group {
        Some(group) => {
            format!("limit rate 20/second burst 100 packets log prefix \"{prefix}\" group {group} snaplen 96")
        }
        None => "counter".to_owned(),
    };
    let mut line = |rule: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "add {rule}");
    };
    for (way, hook) in [("out", "output"), ("in", "input"), ("through", "forward")] {
        for chain in ["refuse", "note"] {
            line(format_args!("chain inet {TABLE} {chain}_{way}"));
        }
        line(format_args!("rule inet {TABLE} refuse_{way} {}", log(&format!("block {way}"))));
        line(format_args!("rule inet {TABLE} refuse_{way} counter drop"));
        line(format_args!("rule inet {TABLE} note_{way} {}", log(&format!("report {way}"))));
        line(format_args!(
            "chain inet {TABLE} {way} {{ type filter hook {hook} priority -300; policy accept; }}"
        ));
        match way {
            "out" => {
                line(format_args!("rule inet {TABLE} {way} oif lo return"));
            }
            "in" => {
                line(format_args!("rule inet {TABLE} {way} iif lo return"));
                if let Some(group) = wanted.group.filter(|_| wanted.names) {
                    // Answers alone: a packet that nobody asked for is somebody else's word.
                    for answers in asked::answers() {
                        line(format_args!(
                            "rule inet {TABLE} {way} {answers} meta l4proto udp limit rate 500/second burst 2000 packets log prefix \
                             \"name\" group {group} snaplen 1280"
                        ));
                    }
                }
            }
            _ => {}
        }
        let sides: &[&str] = match way {
            "out" => &["daddr"],
            "in" => &["saddr"],
            _ => &["daddr", "saddr"],
        };
        for side in sides {
            for (_, digit, family, _) in FAMILIES {
                // One that is kept counts for its own side only.
                for (set, chain) in [
                    ("block", "refuse"),
                    ("blocknet", "refuse"),
                    ("name", "refuse"),
                    ("report", "note"),
                    ("reportnet", "note"),
                ] {
                    line(format_args!(
                        "rule inet {TABLE} {way} {family} {side} @{set}{digit} {family} {side} != @keep{digit} jump {chain}_{way}"
                    ));
                }
            }
        }
    }
}

/// One element a line would be slow, all in one line would be hard to read for a person who repeats it.
fn add<T: std::fmt::Display>(
    text: &mut String,
    verb: &str,
    set: &str,
    elements: impl Iterator<Item = T>,
) -> usize {
    let mut count = 0;
    for element in elements {
        let _ = match count % LINE {
            0 if count == 0 => write!(text, "{verb} element inet {TABLE} {set} {{ {element}"),
            0 => write!(text, " }}\n{verb} element inet {TABLE} {set} {{ {element}"),
            _ => write!(text, ", {element}"),
        };
        count += 1;
    }
    if count > 0 {
        text.push_str(" }\n");
    }
    count
}

/// What turns one content into the other, where that is little and about single addresses only.
fn changes(before: &Wanted, after: &Wanted) -> Option<String> {
    if (&before.keep, before.group, before.names) != (&after.keep, after.group, after.names) {
        return None;
    }
    let mut text = String::new();
    let mut count = 0;
    for (name, before, after) in
        [("block", &before.block, &after.block), ("report", &before.report, &after.report)]
    {
        if before.networks() != after.networks() {
            return None;
        }
        for (four, digit, ..) in FAMILIES {
            let set = format!("{name}{digit}");
            for (verb, from, to) in [("delete", after, before), ("add", before, after)] {
                let changed = to.singles(four).filter(|address| !from.has(*address));
                count += add(&mut text, verb, &set, changed.take(FEW + 1 - count.min(FEW)));
                if count > FEW {
                    return None;
                }
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn networks(texts: &[&str]) -> BTreeSet<Network> {
        let one = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            Network::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
        };
        texts.iter().map(one).collect()
    }

    fn listed(texts: &[&str]) -> Arc<Addresses> {
        Arc::new(networks(texts).into_iter().collect())
    }

    #[test]
    fn networks_become_disjoint_ranges_and_addresses_stay_alone() {
        let set: Addresses = networks(&[
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.2.0.0/16",
            "192.0.2.7/32",
            "2001:db8::/32",
            "2001:db8::1/128",
        ])
        .into_iter()
        .collect();
        let of = |four| {
            let ranges = spans(disjoint(set.networks().iter().copied(), four), four);
            let singles: Vec<String> = set.singles(four).map(|address| address.to_string()).collect();
            (singles, ranges.map(|span| span.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(of(true), (vec!["192.0.2.7".to_owned()], vec!["10.1.0.0-10.2.255.255".to_owned()]));
        let (singles, ranges) = of(false);
        assert_eq!(singles, ["2001:db8::1"]);
        assert_eq!(ranges, ["2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"]);
    }

    #[test]
    fn a_few_addresses_more_or_less_are_few_lines() {
        let before = Wanted { block: listed(&["192.0.2.1/32", "192.0.2.2/32"]), ..Wanted::default() };
        let after = Wanted { block: listed(&["192.0.2.2/32", "192.0.2.3/32"]), ..Wanted::default() };
        let text = changes(&before, &after).unwrap();
        assert_eq!(
            text,
            "delete element inet quell_block block4 { 192.0.2.1 }\nadd element inet quell_block block4 { 192.0.2.3 }\n"
        );
        assert_eq!(changes(&after, &after).unwrap(), "");
        let wide = Wanted { block: listed(&["198.51.100.0/24"]), ..Wanted::default() };
        assert!(changes(&before, &wide).is_none(), "ranges are made anew, since they merge");
    }
}
