//! `routes`, `arp_cache`.

use crate::env::Scan;
use crate::table::{Row, Rows, Table, int, text};

use super::interfaces::{address, asked, mac, names};
use super::netlink::{GET_NEIGHBOUR, GET_ROUTE, Message, attribute};

pub(crate) static ROUTES: Table = Table {
    name: "routes",
    about: "The table of routes.",
    columns: &[
        text("destination"),
        int("netmask"),
        text("gateway"),
        text("source"),
        int("flags"),
        text("interface"),
        int("mtu"),
        int("metric"),
        text("type"),
        int("hopcount"),
    ],
    rows: routes,
};

pub(crate) static ARP: Table = Table {
    name: "arp_cache",
    about: "Neighbours whose hardware address is known.",
    columns: &[text("address"), text("mac"), text("interface"), text("permanent")],
    rows: arp,
};

/// `rtmsg`, `ndmsg`. Bytes.
const ROUTE: usize = 12;
const NEIGHBOUR: usize = 12;
const INET: u8 = 2;
const INET6: u8 = 10;
/// `NUD_PERMANENT`; `NUD_INCOMPLETE` and `NUD_FAILED` have no address.
const PERMANENT: u16 = 0x80;
const UNKNOWN: u16 = 0x01 | 0x20;

fn routes(scan: &Scan) -> Rows {
    let names = names(scan);
    let rows: Vec<Row> = asked(scan, GET_ROUTE, ROUTE)
        .iter()
        .filter(|message| [INET, INET6].contains(&message.byte(0)))
        .map(|message| {
            let text = |kind: u16| message.attribute(kind).and_then(address).map(|a| a.to_string());
            let zero = if message.byte(0) == INET { "0.0.0.0" } else { "::" };
            scan.row()
                .set("destination", text(1).unwrap_or_else(|| zero.to_owned()))
                .set("netmask", u32::from(message.byte(1)))
                .set("gateway", text(5).unwrap_or_default())
                .set("source", text(7).unwrap_or_default())
                .set("flags", message.word(8))
                .set("interface", message.number(4).and_then(|n| names.get(&n).cloned()).unwrap_or_default())
                .set("mtu", metric(message, 2).unwrap_or(0))
                .set("metric", message.number(6).unwrap_or(0))
                .set("type", kind(message.byte(7)))
                .set("hopcount", metric(message, 10).unwrap_or(0))
        })
        .collect();
    Box::new(rows.into_iter())
}

/// `RTA_METRICS`: attributes within an attribute.
fn metric(message: &Message, kind: u16) -> Option<u32> {
    attribute(message.attribute(8)?, kind)?.get(..4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// `rtm_type`, as osquery names it.
fn kind(kind: u8) -> &'static str {
    match kind {
        1 => "gateway",
        2 => "local",
        3 => "broadcast",
        4 => "anycast",
        5 => "multicast",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        _ => "other",
    }
}

fn arp(scan: &Scan) -> Rows {
    let names = names(scan);
    let rows: Vec<Row> = asked(scan, GET_NEIGHBOUR, NEIGHBOUR)
        .iter()
        .filter(|message| [INET, INET6].contains(&message.byte(0)) && message.short(8) & UNKNOWN == 0)
        .filter_map(|message| {
            let hardware = mac(message.attribute(2)?);
            // Multicast and loopback: the kernel's own, not neighbours.
            let is_own = message.byte(11) == 5 || hardware == "00:00:00:00:00:00";
            let permanent = message.short(8) & PERMANENT != 0;
            (!is_own).then_some(())?;
            Some(
                scan.row()
                    .set("address", message.attribute(1).and_then(address)?.to_string())
                    .set("mac", hardware)
                    .set("interface", names.get(&message.word(4)).cloned().unwrap_or_default())
                    .set("permanent", if permanent { "1" } else { "0" }),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}
