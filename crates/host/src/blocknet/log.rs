//! What the kernel logs for us: nfnetlink_log, one group, bound by one socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::SockProtocol;

use crate::isolate::netlink::{Netlink, attributes, setting, text};

/// `NFNL_SUBSYS_ULOG` with `NFULNL_MSG_PACKET` and `NFULNL_MSG_CONFIG` (linux/netfilter/nfnetlink_log.h).
const PACKET: u16 = 4 << 8;
const CONFIG: u16 = 4 << 8 | 1;
const CFG_CMD: u16 = 1;
const CFG_MODE: u16 = 2;
const CFG_THRESHOLD: u16 = 5;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const UID: u16 = 11;
/// Groups that are tried; one belongs to whoever was there first.
const GROUPS: std::ops::Range<u16> = 20_817..20_833;
/// Bytes of a packet that are wanted at most; each rule says how many of them.
const COPY: u32 = 1280;

/// Where a packet was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From this machine.
    Out,
    /// To it.
    In,
    /// Through it.
    Through,
}

/// A logged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// To or from an address that is listed.
    Met {
        /// Which way.
        way: Way,
        /// Whether it was dropped.
        blocked: bool,
        /// From.
        source: IpAddr,
        /// To.
        target: IpAddr,
        /// 6 for TCP, 17 for UDP, and so on.
        protocol: u8,
        /// The port that it was going to, of TCP and UDP.
        port: Option<u16>,
        /// The user that sent it, where it left a socket of this machine.
        uid: Option<u32>,
    },
    /// An answer of a name server: the message of DNS, perhaps cut.
    Name(Vec<u8>),
}

/// Hears one group.
pub struct Log {
    netlink: Netlink,
    group: u16,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.group)
    }
}

impl Log {
    /// Takes a group that is free in the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for group in GROUPS {
            let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
            let mode = [&COPY.to_be_bytes()[..], &[COPY_PACKET, 0]].concat();
            let settings =
                [(CFG_CMD, vec![BIND]), (CFG_MODE, mode), (CFG_THRESHOLD, 1_u32.to_be_bytes().to_vec())];
            let done = settings.iter().try_for_each(|(kind, value)| {
                netlink.change(CONFIG, &setting(group, &[(*kind, value.as_slice())]))
            });
            match done {
                Ok(()) => return Ok(Self { netlink, group }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The group's number.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// What came until `limit` is over, as soon as there is something.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Vec<Packet>> {
        let end = Instant::now() + limit;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(rest.as_millis()).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&self.netlink), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) => return Ok(Vec::new()),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let heard = match self.netlink.heard() {
                Ok(heard) => heard.unwrap_or_default(),
                // More than fits: some is lost, which the counters of the rules still count.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Vec::new(),
                Err(error) => return Err(error),
            };
            let packets: Vec<Packet> = heard
                .iter()
                .filter(|(kind, _)| *kind == PACKET)
                .filter_map(|(_, payload)| read(payload))
                .collect();
            if !packets.is_empty() || Instant::now() >= end {
                return Ok(packets);
            }
        }
    }
}

/// Reads a message of the kernel's log; `None` where it is none of ours.
pub fn read(payload: &[u8]) -> Option<Packet> {
    let (mut prefix, mut packet, mut uid) = (String::new(), &[][..], None);
    for (kind, value) in attributes(payload.get(4..)?) {
        match kind {
            PREFIX => prefix = text(value),
            PAYLOAD => packet = value,
            UID => uid = value.try_into().ok().map(u32::from_be_bytes),
            _ => {}
        }
    }
    let headers = Headers::read(packet)?;
    if prefix == "name" {
        // Behind the header of UDP.
        return packet.get(headers.length + 8..).map(|message| Packet::Name(message.to_vec()));
    }
    let (verb, way) = prefix.split_once(' ')?;
    let way = match way {
        "out" => Way::Out,
        "in" => Way::In,
        "through" => Way::Through,
        _ => return None,
    };
    let Headers { source, target, protocol, length } = headers;
    let port = packet.get(length + 2..length + 4).filter(|_| matches!(protocol, 6 | 17));
    let port = port.and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?)));
    Some(Packet::Met { way, blocked: verb == "block", source, target, protocol, port, uid })
}

struct Headers {
    source: IpAddr,
    target: IpAddr,
    protocol: u8,
    /// Where the next header begins.
    length: usize,
}

impl Headers {
    fn read(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let address = |at: usize| {
                    Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok().map(Ipv4Addr::from)?.into())
                };
                let length = usize::from(packet.first()? & 0xf) * 4;
                Some(Self { source: address(12)?, target: address(16)?, protocol: *packet.get(9)?, length })
            }
            6 => {
                let address = |at: usize| {
                    Some(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok().map(Ipv6Addr::from)?.into())
                };
                // Of one with further headers the port is not known.
                Some(Self {
                    source: address(8)?,
                    target: address(24)?,
                    protocol: *packet.get(6)?,
                    length: 40,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_packets_are_none() {
        for bytes in [&[][..], &[0; 4], &[0; 40], &[4, 0, 0, 0, 255, 255, 9, 0, 0x45]] {
            assert_eq!(read(bytes), None);
        }
        assert!(Headers::read(&[0x45; 19]).is_none() && Headers::read(&[0x60; 39]).is_none());
    }
}
