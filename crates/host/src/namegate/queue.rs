//! The queue: nfnetlink_queue, one number, bound by one socket (linux/netfilter/nfnetlink_queue.h).

use std::io;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockProtocol, setsockopt, sockopt};

use super::packet::refused;
use crate::dns::Answer;
use crate::isolate::netlink::{Netlink, attribute, attributes, setting};

/// `NFNL_SUBSYS_QUEUE` with `NFQNL_MSG_PACKET`, `NFQNL_MSG_VERDICT` and `NFQNL_MSG_CONFIG`.
const PACKET: u16 = 3 << 8;
const VERDICT: u16 = 3 << 8 | 1;
const CONFIG: u16 = 3 << 8 | 2;
const CFG_CMD: u16 = 1;
const CFG_PARAMS: u16 = 2;
const CFG_LENGTH: u16 = 3;
const CFG_MASK: u16 = 4;
const CFG_FLAGS: u16 = 5;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
/// What does not fit into the queue, or cannot be told, passes.
const FAIL_OPEN: u32 = 1;
const HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;
const PAYLOAD: u16 = 10;
const CUT: u16 = 13;
const ACCEPT: u32 = 1;
/// Numbers that are tried; one belongs to whoever was there first.
const QUEUES: std::ops::Range<u16> = 20_817..20_833;
/// Bytes of a packet that are wanted at most. A longer one, of loopback alone, passes as it is.
const COPY: u32 = 60_000;
/// Answers that wait at most. It is also what is lost at most where this process is stopped, and not ended: beyond that all pass.
const WAITING: u32 = 128;
/// Where many come, as many may wait as come in about two seconds, and no more than this: a moment without processor time must not
/// let listed names through, and a process that is stopped holds answers up for no longer than that.
const WAITING_MOST: u32 = 4096;
/// In how much time they are counted, and its part of two seconds.
const COUNTED: (Duration, u32) = (Duration::from_millis(250), 8);
/// Room for those that wait. Bytes, of which the kernel doubles the number.
const ROOM: usize = 4 << 20;
/// Answers looked at before the caller gets a turn.
const TURN: usize = 256;

/// Takes answers from one queue. When it is dropped, the kernel lets everything pass.
pub struct Gate {
    netlink: Netlink,
    queue: u16,
    /// How many may wait, how many came, and since when.
    length: u32,
    seen: u32,
    since: Instant,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({})", self.queue)
    }
}

impl Gate {
    /// Takes a queue that is free in the calling thread's network namespace. Rules of an earlier process go before
    /// ([`super::remove`]).
    pub fn open() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for queue in QUEUES {
            let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
            let parameters = [&COPY.to_be_bytes()[..], &[COPY_PACKET]].concat();
            let open = FAIL_OPEN.to_be_bytes();
            // All in one, and before there are rules that lead here: a packet that came meanwhile would get no verdict.
            let settings = [
                (CFG_CMD, &[BIND, 0, 0, 0][..]),
                (CFG_PARAMS, &parameters),
                (CFG_LENGTH, &WAITING.to_be_bytes()),
                (CFG_FLAGS, &open),
                (CFG_MASK, &open),
            ];
            let bound = netlink.change(CONFIG, &setting(queue, &settings));
            match bound {
                Ok(()) => {
                    // Without it the kernel lets pass what does not fit, and fewer fit.
                    let _ = setsockopt(&netlink, sockopt::RcvBufForce, &ROOM);
                    let (length, seen, since) = (WAITING, 0, Instant::now());
                    return Ok(Self { netlink, queue, length, seen, since });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The queue's number.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Waits for answers and asks `is_refused` about each that can be understood; comes back when `limit` is over, or after some
    /// of them.
    pub fn serve(&mut self, limit: Duration, mut is_refused: impl FnMut(&Answer) -> bool) -> io::Result<()> {
        let end = Instant::now() + limit;
        for _ in 0..TURN {
            let rest = end.saturating_duration_since(Instant::now());
            let wait = if self.length > WAITING { rest.min(COUNTED.0) } else { rest };
            let timeout = PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&self.netlink), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if wait == rest => return Ok(()),
                Ok(0) => {
                    self.count(0)?;
                    continue;
                }
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let heard = match self.netlink.heard() {
                Ok(heard) => heard.unwrap_or_default(),
                // More than fits: the kernel let it pass.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(error),
            };
            let verdicts: Vec<Vec<u8>> = heard
                .iter()
                .filter(|(kind, _)| *kind == PACKET)
                .filter_map(|(_, message)| verdict(self.queue, message, &mut is_refused))
                .collect();
            for verdict in &verdicts {
                self.netlink.say(VERDICT, verdict)?;
            }
            self.count(verdicts.len() as u32)?;
        }
        Ok(())
    }

    /// Lets as many wait as fit how many come: more at once, fewer after a while.
    fn count(&mut self, came: u32) -> io::Result<()> {
        self.seen += came;
        let is_over = self.since.elapsed() >= COUNTED.0;
        let fits = self.seen.saturating_mul(COUNTED.1).clamp(WAITING, WAITING_MOST).next_power_of_two();
        if is_over {
            (self.seen, self.since) = (0, Instant::now());
        }
        // Slowly: few may have come because nothing was taken.
        let fits = if is_over { fits.max(self.length / 2) } else { fits.max(self.length) };
        if fits != self.length {
            self.length = fits;
            self.netlink.say(CONFIG, &setting(self.queue, &[(CFG_LENGTH, &fits.to_be_bytes())]))?;
        }
        Ok(())
    }
}

/// What the kernel is told about a packet: that it passes, and as what where it was changed. `None` where the message names none.
pub fn verdict(queue: u16, message: &[u8], is_refused: &mut impl FnMut(&Answer) -> bool) -> Option<Vec<u8>> {
    let (mut id, mut packet, mut is_cut) = (None, &[][..], false);
    for (kind, value) in attributes(message.get(4..)?) {
        match kind {
            HEADER => id = value.first_chunk::<4>().copied(),
            PAYLOAD => packet = value,
            CUT => is_cut = true,
            _ => {}
        }
    }
    let changed = if is_cut { None } else { refused(packet, is_refused) };
    let mut body = setting(queue, &[(VERDICT_HEADER, &[ACCEPT.to_be_bytes(), id?].concat())]);
    if let Some(packet) = changed {
        attribute(&mut body, PAYLOAD, &packet);
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_messages_get_no_verdict_and_unknown_packets_pass() {
        for message in [&[][..], &[0; 3], &[0; 40], &[0, 0, 0, 0, 6, 0, 1, 0, 1, 2]] {
            assert_eq!(verdict(7, message, &mut |_| true), None);
        }
        let mut message = vec![0; 4];
        attribute(&mut message, HEADER, &[0, 0, 0, 9, 8, 0, 1]);
        attribute(&mut message, PAYLOAD, b"no packet");
        let passes = setting(7, &[(VERDICT_HEADER, &[0, 0, 0, 1, 0, 0, 0, 9])]);
        assert_eq!(verdict(7, &message, &mut |_| true), Some(passes));
    }
}
