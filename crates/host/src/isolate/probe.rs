//! Probes from the endpoint itself: who can be reached, and by which sign that is known.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, getsockopt, setsockopt, sockopt,
};
use serde::{Deserialize, Serialize};

/// More probes at once than this are answered as `TimedOut` unsent.
pub const MAX_PROBES: usize = 128;

/// How a probe speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A TCP handshake, closed at once.
    Tcp,
    /// A DNS question over UDP for the name servers of the root.
    Dns,
}

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Whom to reach.
    pub target: SocketAddr,
    /// How.
    pub means: Means,
    /// `SO_MARK` of the probing socket: with the plan's mark it goes the agent's way.
    pub mark: Option<u32>,
}

/// What a probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The handshake completed, or the question was answered.
    Connected,
    /// The peer itself refused: it was reached.
    Refused,
    /// The network or this machine said no, with this `errno`.
    Unreachable(i32),
    /// Nothing came back in time.
    TimedOut,
}

impl Reach {
    /// Whether packets went to the peer and back.
    pub fn reached(self) -> bool {
        matches!(self, Self::Connected | Self::Refused)
    }
}

/// Sets `SO_MARK`, by which the rules know the agent's own packets. Needs `CAP_NET_ADMIN`.
/// A packet carries the mark of the moment in which it is made: mark live sockets before `apply`, new ones
/// before `connect`.
pub fn set_mark(socket: impl AsFd, mark: u32) -> io::Result<()> {
    Ok(setsockopt(&socket.as_fd(), sockopt::Mark, &mark)?)
}

/// One TCP probe.
pub fn probe(target: SocketAddr, timeout: Duration, mark: Option<u32>) -> Reach {
    let one = probe_all(&[Probe { target, means: Means::Tcp, mark }], timeout);
    one.first().copied().unwrap_or(Reach::TimedOut)
}

/// Sends all probes at once and answers in their order, after `timeout` at the latest.
pub fn probe_all(probes: &[Probe], timeout: Duration) -> Vec<Reach> {
    let end = Instant::now() + timeout;
    let mut open: Vec<(usize, OwnedFd)> = Vec::new();
    let mut seen = vec![Reach::TimedOut; probes.len()];
    for (at, probe) in probes.iter().enumerate().take(MAX_PROBES) {
        match start(probe) {
            Ok(fd) => open.push((at, fd)),
            Err(errno) => seen[at] = judge(errno),
        }
    }
    while !open.is_empty() {
        let rest = end.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(rest.as_millis()).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|(at, fd)| PollFd::new(fd.as_fd(), interest(probes[*at].means))).collect();
        let _ = poll(&mut fds, wait);
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut ready = ready.into_iter();
        open.retain(|(at, fd)| {
            let verdict = ready.next().unwrap_or(false).then(|| finish(probes[*at].means, fd)).flatten();
            seen[*at] = verdict.unwrap_or(seen[*at]);
            verdict.is_none()
        });
        if rest.is_zero() {
            break;
        }
    }
    seen
}

fn interest(means: Means) -> PollFlags {
    match means {
        Means::Tcp => PollFlags::POLLOUT,
        Means::Dns => PollFlags::POLLIN,
    }
}

fn start(probe: &Probe) -> Result<OwnedFd, Errno> {
    let family = if probe.target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let kind = match probe.means {
        Means::Tcp => SockType::Stream,
        Means::Dns => SockType::Datagram,
    };
    let fd = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    if let Some(mark) = probe.mark {
        setsockopt(&fd, sockopt::Mark, &mark)?;
    }
    match socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(probe.target)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    if probe.means == Means::Dns {
        socket::send(fd.as_raw_fd(), &QUESTION, MsgFlags::empty())?;
    }
    Ok(fd)
}

/// "NS records of the root, please"; the connected socket with its random port takes only this peer's
/// answer, and any answer will do, so the number need not be random.
const QUESTION: [u8; 17] = [0x51, 0xee, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// The verdict of a socket that is ready, or nothing when it must be waited for further.
fn finish(means: Means, fd: &OwnedFd) -> Option<Reach> {
    match means {
        Means::Tcp => match getsockopt(fd, sockopt::SocketError) {
            Ok(0) => Some(Reach::Connected),
            Ok(code) => Some(judge(Errno::from_raw(code))),
            Err(errno) => Some(judge(errno)),
        },
        Means::Dns => {
            let mut answer = [0; 512];
            match socket::recv(fd.as_raw_fd(), &mut answer, MsgFlags::empty()) {
                Ok(read) if read >= 12 && answer[..2] == QUESTION[..2] && answer[2] & 0x80 != 0 => {
                    Some(Reach::Connected)
                }
                Ok(_) | Err(Errno::EAGAIN) => None,
                Err(errno) => Some(judge(errno)),
            }
        }
    }
}

fn judge(errno: Errno) -> Reach {
    match errno {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Reach::Refused,
        Errno::ETIMEDOUT => Reach::TimedOut,
        other => Reach::Unreachable(other as i32),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn reached_and_refused_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let gone = TcpListener::bind("127.0.0.1:0").unwrap();
            gone.local_addr().unwrap()
        };
        let second = Duration::from_secs(5);
        assert_eq!(probe(open, second, None), Reach::Connected);
        assert_eq!(probe(closed, second, None), Reach::Refused);
    }

    #[test]
    fn a_name_server_answers_or_stays_silent() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (read, from) = server.recv_from(&mut buffer).unwrap();
            buffer[2] |= 0x80;
            server.send_to(&buffer[..read], from).unwrap();
            server
        });
        let probes = [Probe { target, means: Means::Dns, mark: None }];
        assert_eq!(probe_all(&probes, Duration::from_secs(5)), [Reach::Connected]);
        let _silent = thread.join().unwrap();
        assert_eq!(probe_all(&probes, Duration::from_millis(50)), [Reach::TimedOut]);
    }
}
