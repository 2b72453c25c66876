//! Live sockets of this network namespace, and how they are ended: `sock_diag` and `SOCK_DESTROY`
//! (`CONFIG_INET_DIAG`, `CONFIG_INET_DIAG_DESTROY`; Linux 4.9).
//!
//! Rules alone would leave a connection open until its own time-outs; programs would wait, and come back
//! to life when the isolation ends. So what the rules cut is ended as well.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc;
use nix::sys::socket::SockProtocol;
use serde::{Deserialize, Serialize};

use super::facts::addresses;
use super::netlink::{Netlink, attributes, u32_at};
use super::plan::Plan;
use super::{Error, netlink_error};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const ATTRIBUTE_MARK: u16 = 15;
/// Every TCP state with a peer and something to lose: not closed, listening or waiting out its time.
const TCP_STATES: u32 = 0x1fff & !(1 << 6 | 1 << 7 | 1 << 10 | 1);
const ESTABLISHED: u32 = 1 << 1;
/// Sockets looked at in one pass; more are left to the next.
const MAX_SOCKETS: usize = 1 << 17;
/// A socket may be born while the list is read: look again, but not for ever.
const MAX_PASSES: usize = 5;

/// One connected socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// TCP; else UDP.
    pub tcp: bool,
    /// Our side.
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
    /// `SO_MARK` of the socket; zero for most.
    pub mark: u32,
}

/// What became of the sockets that the plan does not cover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severed {
    /// TCP connections ended.
    pub tcp: u32,
    /// Connected UDP sockets ended.
    pub udp: u32,
    /// Sockets that were to end and still stand; the rules cut them all the same.
    pub left: u32,
    /// Why some still stand, where that is known (for instance a kernel without `INET_DIAG_DESTROY`).
    pub reason: Option<String>,
}

struct Entry {
    connection: Connection,
    /// The kernel's own name of the socket, as it wants to have it back.
    family: u8,
    id: [u8; 48],
}

/// Peers of the established TCP connections that leave this machine.
pub fn established_peers() -> Result<Vec<Connection>, Error> {
    let own = own_addresses()?;
    let mut netlink = open()?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        found.extend(list(&mut netlink, family, true, ESTABLISHED)?.into_iter().map(|e| e.connection));
    }
    found.retain(|c| !is_local(c, &own));
    Ok(found)
}

/// Ends every connected socket that is neither local, nor marked, nor covered by the plan's exceptions.
/// Listening and unconnected sockets stay: they carry nothing, and services survive the isolation.
pub(super) fn sever(plan: &Plan) -> Result<Severed, Error> {
    let own = own_addresses()?;
    let mut netlink = open()?;
    let mut severed = Severed::default();
    for _ in 0..MAX_PASSES {
        let doomed = doomed(&mut netlink, plan, &own)?;
        severed.left = u32::try_from(doomed.len()).unwrap_or(u32::MAX);
        if doomed.is_empty() {
            severed.reason = None;
            break;
        }
        for entry in doomed {
            let tcp = entry.connection.tcp;
            match netlink.change(DESTROY, &request(entry.family, tcp, 0, &entry.id)) {
                Ok(()) if tcp => severed.tcp += 1,
                Ok(()) => severed.udp += 1,
                // Gone by itself in the meantime.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => severed.reason = Some(error.to_string()),
            }
        }
    }
    Ok(severed)
}

fn doomed(netlink: &mut Netlink, plan: &Plan, own: &BTreeSet<IpAddr>) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        found.extend(list(netlink, family, true, TCP_STATES)?);
        found.extend(list(netlink, family, false, ESTABLISHED)?);
    }
    found.retain(|entry| {
        let c = &entry.connection;
        c.mark != plan.mark
            && !is_local(c, own)
            && !plan.allow.iter().any(|a| a.covers(c.tcp, c.local, c.remote))
    });
    Ok(found)
}

fn open() -> Result<Netlink, Error> {
    Netlink::open(SockProtocol::NetlinkSockDiag).map_err(|source| netlink_error("open a socket list", source))
}

fn own_addresses() -> Result<BTreeSet<IpAddr>, Error> {
    Ok(addresses()?.into_iter().map(|a| a.ip).collect())
}

fn is_local(connection: &Connection, own: &BTreeSet<IpAddr>) -> bool {
    let remote = connection.remote.ip();
    remote.is_loopback() || remote.is_unspecified() || own.contains(&remote)
}

fn list(netlink: &mut Netlink, family: i32, tcp: bool, states: u32) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    let body = request(family as u8, tcp, states, &[0; 48]);
    let row = |_, payload: &[u8]| {
        if found.len() < MAX_SOCKETS {
            found.extend(entry(payload, tcp));
        }
    };
    netlink.dump(BY_FAMILY, &body, row).map_err(|source| netlink_error("list sockets", source))?;
    Ok(found)
}

/// `struct inet_diag_req_v2`.
fn request(family: u8, tcp: bool, states: u32, id: &[u8; 48]) -> Vec<u8> {
    let protocol = if tcp { libc::IPPROTO_TCP } else { libc::IPPROTO_UDP };
    let mut body = vec![family, protocol as u8, 0, 0];
    body.extend(states.to_ne_bytes());
    body.extend(id);
    body
}

/// Reads a `struct inet_diag_msg` and the mark behind it.
fn entry(payload: &[u8], tcp: bool) -> Option<Entry> {
    let family = *payload.first()?;
    let id: [u8; 48] = payload.get(4..52)?.try_into().ok()?;
    let port = |at: usize| u16::from_be_bytes([id[at], id[at + 1]]);
    let ip = |at: usize| -> Option<IpAddr> {
        if i32::from(family) == libc::AF_INET {
            let bytes: [u8; 4] = id.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(bytes).into())
        } else {
            let bytes: [u8; 16] = id.get(at..at + 16)?.try_into().ok()?;
            Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
        }
    };
    let mark = attributes(payload.get(72..)?).find(|(k, _)| *k == ATTRIBUTE_MARK);
    let connection = Connection {
        tcp,
        local: SocketAddr::new(ip(4)?, port(0)),
        remote: SocketAddr::new(ip(20)?, port(2)),
        mark: mark.and_then(|(_, value)| u32_at(value, 0)).unwrap_or(0),
    };
    Some(Entry { connection, family, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_skipped() {
        for length in [0, 1, 51, 71] {
            assert!(entry(&vec![2; length], true).is_none());
        }
    }
}
