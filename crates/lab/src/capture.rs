//! Counts what arrives at a machine, by sender's hardware address, as it is on the wire: a cut is proven by
//! silence at the other end.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeSpec;
use rustix::time::{ClockId, clock_gettime};

/// The socket's buffer: a burst of a few thousand full frames.
const BUFFER: usize = 8 << 20;
/// Of each frame so much is read: enough to tell its kind, and what a test wrote into it.
const START: usize = 128;
/// Of each sender so many frames are kept.
const KEPT: usize = 32;

/// What one machine sent here. Address resolution is counted apart: it goes on during an isolation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames of every kind but ARP, neighbour discovery and listener reports.
    pub frames: u64,
    /// Their bytes, link header included.
    pub bytes: u64,
    /// ARP, IPv6 neighbour discovery and listener reports.
    pub discovery: u64,
}

/// One frame that was counted.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// From the mark until the frame arrived.
    pub after: Duration,
    /// Its whole length, link header included.
    pub length: usize,
    /// Its first 128 bytes.
    pub start: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} after the mark, {} bytes: {}", self.after, self.length, self.start.escape_ascii())
    }
}

/// A moment to count from: what arrived before it, by the kernel's own stamp, is not counted however late it is read.
/// Counts for as long as it lives.
#[derive(Debug, Clone)]
pub struct Mark(Arc<Window>);

#[derive(Debug)]
struct Window {
    /// Since 1970, by the clock of the kernel's stamps.
    from: Duration,
    seen: Mutex<HashMap<[u8; 6], Seen>>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    traffic: Traffic,
    first: Vec<Frame>,
}

impl Window {
    fn count(&self, arrived: Duration, length: usize, start: &[u8]) {
        let Some(sender) = start.get(6..).and_then(|rest| rest.first_chunk::<6>()) else { return };
        let Some(after) = arrived.checked_sub(self.from) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { traffic, first } = seen.entry(*sender).or_default();
        if is_discovery(start) {
            traffic.discovery += 1;
            return;
        }
        traffic.frames += 1;
        traffic.bytes += length as u64;
        if first.len() < KEPT {
            first.push(Frame { after, length, start: start.to_vec() });
        }
    }
}

#[derive(Clone)]
pub(crate) struct Capture(Arc<State>);

struct State {
    socket: OwnedFd,
    windows: Mutex<Vec<Weak<Window>>>,
}

impl Capture {
    /// Opens it in the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        // Without the right to exceed the machine's limit, the limit will do.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self(Arc::new(State { socket, windows: Mutex::default() })))
    }

    /// Reads what waits, until `stop` becomes readable.
    pub fn follow(&self, stop: &OwnedFd) {
        loop {
            let mut fds = [
                PollFd::new(self.0.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            let _ = poll(&mut fds, PollTimeout::NONE);
            if fds[1].any().unwrap_or(true) {
                return;
            }
            self.read();
        }
    }

    pub fn mark(&self) -> Mark {
        let window = Arc::new(Window { from: now(), seen: Mutex::default() });
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.push(Arc::downgrade(&window));
        Mark(window)
    }

    pub fn since(&self, mark: &Mark, sender: [u8; 6]) -> Traffic {
        self.seen(mark, sender).traffic
    }

    /// The first 32 of the frames that [`Self::since`] counts.
    pub fn first(&self, mark: &Mark, sender: [u8; 6]) -> Vec<Frame> {
        self.seen(mark, sender).first
    }

    /// What is known of a sender, after everything that has arrived until now was read.
    fn seen(&self, mark: &Mark, sender: [u8; 6]) -> Seen {
        self.read();
        mark.0.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&sender).cloned().unwrap_or_default()
    }

    fn read(&self) {
        // Held while reading: a frame that another thread has taken is counted before this one goes on.
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|window| window.strong_count() > 0);
        let mut start = [0; START];
        let mut control = cmsg_space!(TimeSpec);
        while let Some((length, arrived)) = self.receive(&mut start, &mut control) {
            for window in windows.iter().filter_map(Weak::upgrade) {
                window.count(arrived, length, &start[..length.min(START)]);
            }
        }
    }

    /// The next frame's whole length and time of arrival.
    fn receive(&self, start: &mut [u8; START], control: &mut [u8]) -> Option<(usize, Duration)> {
        let mut parts = [IoSliceMut::new(start)];
        let flags = MsgFlags::MSG_TRUNC;
        let message = recvmsg::<()>(self.0.socket.as_raw_fd(), &mut parts, Some(control), flags).ok()?;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                _ => None,
            })
        });
        // A frame without a stamp counts as one of this moment: rather one too many than one too few.
        Some((message.bytes, stamp.unwrap_or_else(now)))
    }
}

/// The clock of the kernel's stamps.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Realtime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn is_discovery(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([8, 6]) => true,
        // ICMPv6 types 133 to 137 straight after the header, or listener reports behind a hop-by-hop header.
        Some([0x86, 0xdd]) => match frame.get(20) {
            Some(58) => matches!(frame.get(54), Some(133..=137)),
            Some(0) => matches!(frame.get(62), Some(130..=132 | 143)),
            _ => false,
        },
        _ => false,
    }
}
