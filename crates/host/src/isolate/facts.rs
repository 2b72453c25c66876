//! What the network of this namespace looks like: interfaces, addresses, gateways, resolvers.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use nix::sys::socket::SockProtocol;
use serde::{Deserialize, Serialize};

use super::netlink::{Netlink, attributes, text, u32_at};
use super::{Error, netlink_error};

const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const FLAG_UP: u32 = 0x1;
const FLAG_LOOPBACK: u32 = 0x8;
const ADDRESS_PERMANENT: u32 = 0x80;
const TABLE_MAIN: u8 = 254;
/// No resolver configuration is longer; the rest is not read.
const MAX_RESOLV_CONF: u64 = 64 * 1024;

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The kernel's number, stable while the interface lives.
    pub index: u32,
    /// Its name now.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it leads back to this machine only.
    pub loopback: bool,
}

/// One address of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The interface's number.
    pub interface: u32,
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix, in bits.
    pub prefix: u8,
    /// Whether it was leased or advertised, and will run out.
    pub dynamic: bool,
}

/// A default route's next hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// The router.
    pub ip: IpAddr,
    /// The interface's number, where the route names one.
    pub interface: Option<u32>,
}

fn route() -> Result<Netlink, Error> {
    Netlink::open(SockProtocol::NetlinkRoute).map_err(|source| netlink_error("open a route socket", source))
}

/// Every interface of this network namespace, by number.
pub fn interfaces() -> Result<Vec<Interface>, Error> {
    let mut found = Vec::new();
    let row = |kind, payload: &[u8]| {
        let (Some(index), Some(flags)) = (u32_at(payload, 4), u32_at(payload, 8)) else { return };
        let name =
            attributes(payload.get(16..).unwrap_or_default()).find(|(k, _)| *k == 3).map(|(_, v)| text(v));
        if let (NEW_LINK, Some(name)) = (kind, name) {
            let (up, loopback) = (flags & FLAG_UP != 0, flags & FLAG_LOOPBACK != 0);
            found.push(Interface { index, name, up, loopback });
        }
    };
    route()?.dump(GET_LINK, &[0; 16], row).map_err(|source| netlink_error("list interfaces", source))?;
    found.sort_by_key(|i: &Interface| i.index);
    found.dedup_by_key(|i| i.index);
    Ok(found)
}

/// Every address of this network namespace.
pub fn addresses() -> Result<Vec<Address>, Error> {
    let mut found = Vec::new();
    let row = |kind, payload: &[u8]| {
        let (Some(&[_, prefix, flags, _]), Some(interface)) = (payload.first_chunk(), u32_at(payload, 4))
        else {
            return;
        };
        let (mut local, mut peer, mut flags) = (None, None, u32::from(flags));
        for (kind, value) in attributes(payload.get(8..).unwrap_or_default()) {
            match kind {
                1 => peer = ip(value),
                2 => local = ip(value),
                8 => flags = u32_at(value, 0).unwrap_or(flags),
                _ => {}
            }
        }
        if let (NEW_ADDRESS, Some(ip)) = (kind, local.or(peer)) {
            found.push(Address { interface, ip, prefix, dynamic: flags & ADDRESS_PERMANENT == 0 });
        }
    };
    route()?.dump(GET_ADDRESS, &[0; 8], row).map_err(|source| netlink_error("list addresses", source))?;
    Ok(found)
}

/// The next hops of the default routes, IPv4 and IPv6.
pub fn gateways() -> Result<Vec<Gateway>, Error> {
    let mut found: Vec<Gateway> = Vec::new();
    let row = |kind, payload: &[u8]| {
        let Some(&[_, length, _, _, table, ..]) = payload.first_chunk::<12>() else { return };
        let (mut hop, mut interface) = (None, None);
        for (kind, value) in attributes(payload.get(12..).unwrap_or_default()) {
            match kind {
                4 => interface = u32_at(value, 0),
                5 => hop = ip(value),
                _ => {}
            }
        }
        if let (NEW_ROUTE, 0, TABLE_MAIN, Some(ip)) = (kind, length, table, hop) {
            found.push(Gateway { ip, interface });
        }
    };
    route()?.dump(GET_ROUTE, &[0; 12], row).map_err(|source| netlink_error("list routes", source))?;
    found.dedup();
    Ok(found)
}

/// The name servers of `/etc/resolv.conf`; empty where there is none.
pub fn resolvers() -> Vec<IpAddr> {
    resolvers_of(Path::new("/etc/resolv.conf"))
}

fn resolvers_of(path: &Path) -> Vec<IpAddr> {
    let mut content = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(MAX_RESOLV_CONF).read_to_end(&mut content));
    if read.is_err() {
        return Vec::new();
    }
    let content = String::from_utf8_lossy(&content);
    let servers = content.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        address.split('%').next()?.parse().ok()
    });
    servers.collect::<BTreeSet<IpAddr>>().into_iter().collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn this_machine_has_a_loopback() {
        let interfaces = interfaces().unwrap();
        let lo = interfaces.iter().find(|i| i.loopback).unwrap();
        assert!(addresses().unwrap().iter().all(|a| a.interface != lo.index || a.ip.is_loopback()));
        gateways().unwrap();
    }

    #[test]
    fn resolvers_are_read_leniently() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text =
            b"# nameserver 9.9.9.9\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver x\n\xff\n";
        std::fs::write(file.path(), text).unwrap();
        let expected: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(resolvers_of(file.path()), expected);
        assert!(resolvers_of(Path::new("/nonexistent")).is_empty());
    }
}
