//! Tells at once when our rules or the interfaces change, so that a flush lasts milliseconds.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::SockProtocol;

use super::netlink::{Netlink, attributes, text};
use super::render::is_ours;
use super::{Error, netlink_error};

/// `RTNLGRP_LINK`, `RTNLGRP_TC` and `RTNLGRP_IPV6_IFADDR`, and `NFNLGRP_NFTABLES`, as bits.
const LINK_GROUPS: u32 = 1 | 1 << 3 | 1 << 8;
const NFTABLES_GROUP: u32 = 1 << 6;
/// Messages of the nftables subsystem carry its number in the high byte of their type.
const SUBSYSTEM_NFTABLES: u16 = 10;
/// Batches taken from one socket before the caller gets a turn.
const MAX_BATCHES: usize = 256;

/// Why the caller should look at the rules again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something in a table of our name was added or removed (our own `apply` is heard too).
    Rules,
    /// An interface appeared, went or changed, or an IPv6 address of one, or its traffic control.
    Links,
    /// More happened than the kernel could tell; anything may have changed.
    Overrun,
    /// Nothing was heard in the time given: the regular look behind the doorbell.
    Quiet,
}

/// Listens to the network namespace in which it was opened.
pub struct Watch {
    nftables: Netlink,
    route: Netlink,
}

/// Starts to listen; open it before `apply`, so that nothing falls between.
pub fn watch() -> Result<Watch, Error> {
    let error = |source| netlink_error("listen for changes", source);
    let nftables = Netlink::listen(SockProtocol::NetlinkNetFilter, NFTABLES_GROUP).map_err(error)?;
    let route = Netlink::listen(SockProtocol::NetlinkRoute, LINK_GROUPS).map_err(error)?;
    Ok(Watch { nftables, route })
}

impl Watch {
    /// Blocks until something changed or `limit` is over. What came in a burst is told once.
    pub fn wait(&mut self, limit: Duration) -> Result<Change, Error> {
        let error = |source| netlink_error("listen for changes", source);
        let end = Instant::now() + limit;
        loop {
            // Rounded up to the millisecond, so that the last turn does not spin.
            let rest = end.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
            let timeout = PollTimeout::try_from(rest.as_millis()).unwrap_or(PollTimeout::MAX);
            let mut fds = [
                PollFd::new(self.nftables.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.route.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(source) => return Err(error(source.into())),
            }
            let rules = drain(&mut self.nftables, ours).map_err(error)?;
            let links = drain(&mut self.route, |_, _| true).map_err(error)?;
            match (rules, links) {
                (Heard::Overrun, _) | (_, Heard::Overrun) => return Ok(Change::Overrun),
                (Heard::Yes, _) => return Ok(Change::Rules),
                (_, Heard::Yes) => return Ok(Change::Links),
                (Heard::No, Heard::No) if Instant::now() >= end => return Ok(Change::Quiet),
                (Heard::No, Heard::No) => {}
            }
        }
    }
}

enum Heard {
    No,
    Yes,
    Overrun,
}

fn drain(netlink: &mut Netlink, matters: impl Fn(u16, &[u8]) -> bool) -> io::Result<Heard> {
    let mut heard = Heard::No;
    for _ in 0..MAX_BATCHES {
        match netlink.heard() {
            Ok(None) => return Ok(heard),
            Ok(Some(batch)) if batch.iter().any(|(kind, payload)| matters(*kind, payload)) => {
                heard = Heard::Yes;
            }
            Ok(Some(_)) => {}
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => return Ok(Heard::Overrun),
            Err(error) => return Err(error),
        }
    }
    Ok(heard)
}

/// In every message about a table, chain, rule or set the first attribute names the table.
fn ours(kind: u16, payload: &[u8]) -> bool {
    kind >> 8 == SUBSYSTEM_NFTABLES
        && attributes(payload.get(4..).unwrap_or_default())
            .any(|(kind, value)| kind == 1 && is_ours(&text(value)))
}
