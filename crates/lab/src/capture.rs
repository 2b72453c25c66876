//! Counts what arrives at a machine, by sender's hardware address, as it is on the wire: a cut is proven by
//! silence at the other end.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};

/// The socket's buffer: a burst of a few thousand full frames.
const BUFFER: usize = 8 << 20;

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

impl Traffic {
    fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            discovery: self.discovery - before.discovery,
        }
    }
}

/// A moment in the count.
#[derive(Debug, Clone, Default)]
pub struct Mark(HashMap<[u8; 6], Traffic>);

#[derive(Clone)]
pub(crate) struct Capture(Arc<State>);

struct State {
    socket: OwnedFd,
    seen: Mutex<HashMap<[u8; 6], Traffic>>,
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
        Ok(Self(Arc::new(State { socket, seen: Mutex::default() })))
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
            self.seen();
        }
    }

    pub fn mark(&self) -> Mark {
        Mark(self.seen())
    }

    pub fn since(&self, mark: &Mark, sender: [u8; 6]) -> Traffic {
        let now = self.seen().get(&sender).copied().unwrap_or_default();
        now.since(mark.0.get(&sender).copied().unwrap_or_default())
    }

    /// The count, after everything that has arrived until now was read.
    fn seen(&self) -> HashMap<[u8; 6], Traffic> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Enough of a frame to tell its kind; its length is told whole.
        let mut frame = [0; 64];
        while let Ok(length) = recv(self.0.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_TRUNC) {
            let Some(sender) = frame[6..].first_chunk::<6>() else { continue };
            let entry = seen.entry(*sender).or_default();
            if is_discovery(&frame[..length.min(64)]) {
                entry.discovery += 1;
            } else {
                entry.frames += 1;
                entry.bytes += length as u64;
            }
        }
        seen.clone()
    }
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
