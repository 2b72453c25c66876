//! `interface_addresses`, `interface_details`, `interface_ipv6`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

use super::netlink::{GET_ADDRESS, GET_LINK, Message, all};

pub(crate) static ADDRESSES: Table = Table {
    name: "interface_addresses",
    about: "Addresses of the network interfaces.",
    columns: &[
        text("interface"),
        text("address"),
        text("mask"),
        text("broadcast"),
        text("point_to_point"),
        text("type"),
    ],
    rows: addresses,
};

pub(crate) static DETAILS: Table = Table {
    name: "interface_details",
    about: "Network interfaces and their counters.",
    columns: &[
        text("interface"),
        text("mac"),
        int("type"),
        int("mtu"),
        int("metric"),
        int("flags"),
        big("ipackets"),
        big("opackets"),
        big("ibytes"),
        big("obytes"),
        big("ierrors"),
        big("oerrors"),
        big("idrops"),
        big("odrops"),
        big("collisions"),
        big("last_change"),
        big("link_speed"),
        text("pci_slot"),
    ],
    rows: details,
};

pub(crate) static IPV6: Table = Table {
    name: "interface_ipv6",
    about: "How interfaces take part in IPv6.",
    columns: &[
        text("interface"),
        int("hop_limit"),
        int("forwarding_enabled"),
        int("redirect_accept"),
        int("rtadv_accept"),
    ],
    rows: ipv6,
};

/// `ifinfomsg`, `ifaddrmsg`. Bytes.
const LINK: usize = 16;
const ADDRESS: usize = 8;

pub(super) fn links(scan: &Scan) -> Vec<Message> {
    asked(scan, GET_LINK, LINK)
}

pub(super) fn asked(scan: &Scan, kind: u16, fixed: usize) -> Vec<Message> {
    all(kind, fixed).unwrap_or_else(|error| {
        scan.env.trouble(&format!("netlink: {error}"));
        Vec::new()
    })
}

/// Names of links by number.
pub(super) fn names(scan: &Scan) -> BTreeMap<u32, String> {
    links(scan).iter().map(|link| (link.word(4), link.text(3).unwrap_or_default())).collect()
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

pub(super) fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The mask of a prefix, as an address of the same family.
fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => {
            Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0)).into()
        }
        IpAddr::V6(_) => {
            Ipv6Addr::from(u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0)).into()
        }
    }
}

fn addresses(scan: &Scan) -> Rows {
    let names = names(scan);
    let rows: Vec<Row> = asked(scan, GET_ADDRESS, ADDRESS)
        .iter()
        .filter_map(|message| {
            let bits = message.byte(1);
            let peer = message.attribute(1).and_then(address);
            let own = message.attribute(2).and_then(address).or(peer)?;
            let broadcast = message.attribute(4).and_then(address);
            let link_made = own.is_ipv6() && message.number(8).is_some_and(|flags| flags & 0x80 == 0);
            Some(
                scan.row()
                    .set("interface", names.get(&message.word(4)).cloned().unwrap_or_default())
                    .set("address", own.to_string())
                    .set("mask", mask(own, bits).to_string())
                    .set("broadcast", broadcast.map(|address| address.to_string()).unwrap_or_default())
                    .set(
                        "point_to_point",
                        peer.filter(|peer| *peer != own).map(|p| p.to_string()).unwrap_or_default(),
                    )
                    .set("type", if link_made { "auto" } else { "manual" }),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}

fn details(scan: &Scan) -> Rows {
    let rows: Vec<Row> = links(scan).iter().map(|link| detail(scan, link)).collect();
    Box::new(rows.into_iter())
}

fn detail(scan: &Scan, link: &Message) -> Row {
    let name = link.text(3).unwrap_or_default();
    let sys = scan.host("/sys/class/net").join(name.replace('/', "_"));
    // `rtnl_link_stats64`: numbers of 64 bits.
    let stats = link.attribute(23).unwrap_or_default();
    let count = |at: usize| {
        let bytes = stats.get(at * 8..at * 8 + 8)?;
        bytes.try_into().ok().map(u64::from_ne_bytes)
    };
    let device =
        read::link(&sys.join("device")).and_then(|path| path.rsplit('/').next().map(ToOwned::to_owned));
    scan.row()
        .set("interface", name)
        .set("mac", link.attribute(1).map(mac).unwrap_or_default())
        .set("type", u32::from(link.short(2)))
        .set("mtu", link.number(4))
        .set("metric", 0)
        .set("flags", link.word(8))
        .set("ipackets", count(0))
        .set("opackets", count(1))
        .set("ibytes", count(2))
        .set("obytes", count(3))
        .set("ierrors", count(4))
        .set("oerrors", count(5))
        .set("idrops", count(6))
        .set("odrops", count(7))
        .set("collisions", count(9))
        .set("last_change", -1)
        .set("link_speed", read::number(&sys.join("speed")).filter(|speed| *speed > 0))
        .set("pci_slot", device.filter(|name| name.contains(':')).unwrap_or_default())
}

fn ipv6(scan: &Scan) -> Rows {
    let scan = scan.clone();
    let directories = read::directory(&scan.host("/proc/sys/net/ipv6/conf"));
    let named =
        directories.into_iter().filter(|path| !["all", "default"].contains(&read::name(path).as_str()));
    Box::new(named.map(move |path| {
        scan.row()
            .set("interface", read::name(&path))
            .set("hop_limit", read::number(&path.join("hop_limit")))
            .set("forwarding_enabled", read::number(&path.join("forwarding")))
            .set("redirect_accept", read::number(&path.join("accept_redirects")))
            .set("rtadv_accept", read::number(&path.join("accept_ra")))
    }))
}
