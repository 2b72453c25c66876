//! The second best source of processes: the kernel's process connector, which tells that a process began, changed or ended and
//! nothing more. The rest is read from `/proc` at once; what was gone by then is said to be.
//!
//! The kernel speaks to the machine's own PID namespace alone, and only in the machine's first network namespace.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::netlink::{CONNECTOR, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{ClockId, clock_gettime};

use super::bpf::is_machine;
use super::details::Looker;
use super::raw::{Details, Program, Raw, What};
use crate::process::{Commands, Identity, Proc};

/// `CN_IDX_PROC`, and its only value.
const PROCESSES: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`
const LISTEN: u32 = 1;
const FORK: u32 = 1;
const EXEC: u32 = 2;
const EXIT: u32 = 0x8000_0000;
/// `struct nlmsghdr`, and `struct cn_msg` behind it.
const NETLINK: usize = 16;
const HEAD: usize = NETLINK + 20;
/// What waits for us. Bytes.
const QUEUE: usize = 4 << 20;
/// Processes whose first thread ended before others.
const MOST_HEADLESS: usize = 1024;

/// Listens to the connector.
#[derive(Debug)]
pub(super) struct Connector {
    socket: OwnedFd,
    looker: Looker,
    /// Ended but for other threads, with the status of the first.
    headless: HashSet<u32>,
}

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Fork { child: u32, creator: u32 },
    Exec { pid: u32 },
    Exit { thread: u32, pid: u32, status: u32 },
}

impl Connector {
    /// Begins to listen. The error says why nothing can be heard.
    pub fn open(looker: Looker) -> Result<Self, String> {
        if !is_machine(looker.namespace) {
            return Err(
                "the kernel's process connector speaks to the machine's own PID namespace alone".into()
            );
        }
        // In another network namespace than the first there is no such socket.
        let socket = open().or_else(|here| {
            crate::namespace::within(Path::new("/proc/1/ns/net"), open).and_then(|socket| socket).map_err(|there| {
                format!("the kernel's process connector refuses: {here}; in the namespace of process 1: {there}")
            })
        })?;
        Ok(Self { socket, looker, headless: HashSet::new() })
    }

    /// Takes what waits, at most so many messages; says how often the kernel found no room.
    pub fn hear(&mut self, most: usize, mut tell: impl FnMut(Raw)) -> io::Result<u64> {
        let (mut buffer, mut lost) = ([0; 4096], 0);
        let (commands, offset) = (Commands::new(), offset());
        for _ in 0..most {
            let length = match rustix::net::recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(Errno::NOBUFS) => {
                    lost += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if let Some((at, event)) = read(&buffer[..length])
                && let Some(raw) = self.complete(at.saturating_add_signed(offset), event, &commands)
            {
                tell(raw);
            }
        }
        Ok(lost)
    }

    fn complete(&mut self, at: u64, event: Event, commands: &Commands) -> Option<Raw> {
        match event {
            Event::Fork { child, creator } => {
                let creator = identity(creator);
                let looked = self.looker.look(child, commands);
                Some(match looked {
                    Some(looked) => looked.into_raw(at, |_| What::Forked { creator }),
                    None => bare(child, at, What::Forked { creator }),
                })
            }
            Event::Exec { pid } => Some(if let Some(looked) = self.looker.look(pid, commands) {
                looked.into_raw(at, What::Executed)
            } else {
                let program = Program { details: Details::Gone, ..Program::default() };
                bare(pid, at, What::Executed(Box::new(program)))
            }),
            Event::Exit { thread, pid, status } => {
                let row = Proc::open(pid).ok().flatten().and_then(|proc| proc.row().ok().flatten());
                // The kernel says so before the process is dead.
                let is_over = row.as_ref().is_none_or(|row| row.is_dead() || row.threads <= 1);
                let is_first = thread == pid;
                if is_first && !is_over && self.headless.len() < MOST_HEADLESS {
                    self.headless.insert(pid);
                }
                if !is_over || !(is_first || self.headless.contains(&pid)) {
                    return None;
                }
                self.headless.remove(&pid);
                let process = row.map_or(Identity { pid, start_time: 0 }, |row| row.identity());
                Some(Raw { at, process, task: None, what: What::Exited { status: Some(status) } })
            }
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A process that was gone before more could be learnt; its start is not known.
fn bare(pid: u32, at: u64, what: What) -> Raw {
    Raw { at, process: Identity { pid, start_time: 0 }, task: None, what }
}

fn identity(pid: u32) -> Option<Identity> {
    Some(Proc::open(pid).ok()??.row().ok()??.identity())
}

/// In the network namespace of the calling thread.
fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(CONNECTOR))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, PROCESSES))?;
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE);
    let mut message = Vec::with_capacity(HEAD + 4);
    message.extend((HEAD as u32 + 4).to_ne_bytes());
    // A message that is done, without flags, number and sender.
    message.extend(3_u16.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(PROCESSES.to_ne_bytes());
    message.extend(PROCESSES.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(4_u16.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    message.extend(LISTEN.to_ne_bytes());
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    acknowledged(&socket)?;
    Ok(socket)
}

/// The kernel answers everybody who listens; where it does not listen to us, it says nothing.
fn acknowledged(socket: &OwnedFd) -> io::Result<()> {
    let limit = Timespec { tv_sec: 2, tv_nsec: 0 };
    if rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit))? == 0 {
        return Err(io::Error::other("it gives no answer"));
    }
    Ok(())
}

/// From the clock of its messages to the time since boot. Nanoseconds.
fn offset() -> i64 {
    let nanoseconds = |id| {
        let now = clock_gettime(id);
        now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
    };
    nanoseconds(ClockId::Boottime).saturating_sub(nanoseconds(ClockId::Monotonic))
}

fn read(message: &[u8]) -> Option<(u64, Event)> {
    let u32_at =
        |at: usize| Some(u32::from_ne_bytes(message.get(HEAD + at..HEAD + at + 4)?.try_into().ok()?));
    let at = u64::from_ne_bytes(message.get(HEAD + 8..HEAD + 16)?.try_into().ok()?);
    let event = match u32_at(0)? {
        // Of a thread, the second number is its process's.
        FORK if u32_at(24)? == u32_at(28)? => Event::Fork { child: u32_at(28)?, creator: u32_at(20)? },
        EXEC => Event::Exec { pid: u32_at(20)? },
        EXIT => Event::Exit { thread: u32_at(16)?, pid: u32_at(20)?, status: u32_at(24)? },
        _ => return None,
    };
    Some((at, event))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn messages_are_read_as_the_kernel_writes_them() {
        let message = |what: u32, numbers: &[u32]| {
            let mut message = vec![0; HEAD];
            message.extend(what.to_ne_bytes());
            message.extend(0_u32.to_ne_bytes());
            message.extend(9_u64.to_ne_bytes());
            for number in numbers {
                message.extend(number.to_ne_bytes());
            }
            message
        };
        let fork = message(FORK, &[5, 5, 6, 6]);
        assert_eq!(read(&fork).unwrap(), (9, Event::Fork { child: 6, creator: 5 }));
        assert_eq!(read(&message(FORK, &[5, 5, 7, 6])), None, "a thread");
        let exit = message(EXIT, &[6, 6, 256, 17]);
        assert_eq!(read(&exit).unwrap().1, Event::Exit { thread: 6, pid: 6, status: 256 });
        for length in 0..exit.len() {
            let _ = read(&exit[..length]);
        }
    }
}
