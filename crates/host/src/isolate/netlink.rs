//! A small netlink client: one request, its answers, and the attributes in them. All of it is bytes that
//! the kernel wrote, read with bounds anyway, so that a surprise is an error and never a panic.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, setsockopt, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
const HEADER: usize = 16;
/// Longer than any message the kernel packs into one read of a dump (32 KiB).
const BUFFER: usize = 64 * 1024;
/// A dump that goes on for more reads than this is cut off with an error.
const MAX_READS: usize = 16 * 1024;

/// Type and payload of one message.
pub(crate) type Heard<'a> = (u16, &'a [u8]);

pub(crate) struct Netlink {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// A socket for requests; each answer is waited for at most five seconds.
    pub fn open(protocol: SockProtocol) -> io::Result<Self> {
        let this = Self::bound(protocol, 0, SockFlag::SOCK_CLOEXEC)?;
        setsockopt(&this.fd, sockopt::ReceiveTimeout, &TimeVal::seconds(5))?;
        Ok(this)
    }

    /// A socket that hears the multicast `groups` (a bit for each), and never blocks.
    pub fn listen(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        Self::bound(protocol, groups, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)
    }

    fn bound(protocol: SockProtocol, groups: u32, flags: SockFlag) -> io::Result<Self> {
        let fd = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        socket::bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Asks for a table of the kernel and hands each row (`type`, `payload`) to `row`.
    pub fn dump(&mut self, kind: u16, body: &[u8], mut row: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.send(kind, REQUEST | DUMP, body)?;
        for _ in 0..MAX_READS {
            let read = self.read()?;
            for (kind, sequence, payload) in messages(&self.buffer[..read]) {
                match kind {
                    _ if sequence != self.sequence => {}
                    MESSAGE_DONE => return Ok(()),
                    MESSAGE_ERROR => return status(payload),
                    kind => row(kind, payload),
                }
            }
        }
        Err(io::Error::other("the kernel's answer has no end"))
    }

    /// Asks for a change and waits until the kernel says whether it was made.
    pub fn change(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, REQUEST | ACK, body)?;
        for _ in 0..16 {
            let read = self.read()?;
            for (kind, sequence, payload) in messages(&self.buffer[..read]) {
                if sequence == self.sequence && kind == MESSAGE_ERROR {
                    return status(payload);
                }
            }
        }
        Err(io::Error::other("the kernel did not acknowledge"))
    }

    /// One batch of multicast messages; `Ok(None)` when nothing is waiting.
    pub fn heard(&mut self) -> io::Result<Option<Vec<Heard<'_>>>> {
        match self.read() {
            Ok(read) => Ok(Some(messages(&self.buffer[..read]).map(|(k, _, p)| (k, p)).collect())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says something that is not answered.
    pub fn say(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, REQUEST, body)
    }

    /// Asks for changes (`type`, `flags`, `body`) of which all are made or none; the first and the last are the frame that the
    /// subsystem wants around them.
    pub fn batch(&mut self, changes: &[(u16, u16, Vec<u8>)]) -> io::Result<()> {
        let mut all = Vec::new();
        let (first, inner) = (self.sequence.wrapping_add(2), changes.len().saturating_sub(2));
        for (number, (kind, flags, body)) in changes.iter().enumerate() {
            let ack = if (1..=inner).contains(&number) { ACK } else { 0 };
            all.extend(self.message(*kind, REQUEST | ack | flags, body)?);
        }
        self.transmit(&all)?;
        let mut left = inner;
        for _ in 0..inner + 16 {
            let read = self.read()?;
            for (kind, sequence, payload) in messages(&self.buffer[..read]) {
                if kind == MESSAGE_ERROR && sequence.wrapping_sub(first) < inner as u32 {
                    status(payload)?;
                    left -= 1;
                } else if kind == MESSAGE_ERROR {
                    status(payload)?;
                }
            }
            if left == 0 {
                return Ok(());
            }
        }
        Err(io::Error::other("the kernel did not acknowledge"))
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let message = self.message(kind, flags, body)?;
        self.transmit(&message)
    }

    fn message(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + body.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        Ok(message)
    }

    fn transmit(&self, message: &[u8]) -> io::Result<()> {
        socket::sendto(self.fd.as_raw_fd(), message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            match socket::recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Ok(read) if read > self.buffer.len() => {
                    return Err(io::Error::other("a message was cut short"));
                }
                Ok(read) => return Ok(read),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn status(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map(|code| code as i32) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::Error::other("the kernel's status is too short")),
    }
}

/// The messages of one read: type, sequence number, payload.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u32_at(rest, 0)? as usize;
        let payload = rest.get(HEADER..length)?;
        let item = (u16_at(rest, 4)?, u32_at(rest, 8)?, payload);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(item)
    })
}

/// The attributes in `bytes`: type without its flags, and value.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let item = (u16_at(rest, 2)? & 0x3fff, rest.get(4..length)?);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(item)
    })
}

/// Adds an attribute, filled up to four bytes. Longer values than fit are a mistake of the caller, and cut.
pub(crate) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX) - 4).unwrap_or(value);
    out.extend((4 + value.len() as u16).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// A message of netfilter about a numbered thing: `struct nfgenmsg`, and attributes.
pub(crate) fn setting(number: u16, values: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(number.to_be_bytes());
    for (kind, value) in values {
        attribute(&mut body, *kind, value);
    }
    body
}

/// A native-endian number at `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A native-endian number at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The text of a NUL-terminated attribute.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_messages_end_the_walk() {
        for bytes in [&[][..], &[0; 3], &[0; 16], &[255; 40], &[17, 0, 0, 0, 1, 0, 0, 0]] {
            assert_eq!(messages(bytes).count(), 0);
        }
        for bytes in [&[][..], &[0; 4], &[3, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4]] {
            assert_eq!(attributes(bytes).count(), 0);
        }
    }
}
