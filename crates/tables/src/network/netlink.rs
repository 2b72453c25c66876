//! Questions to the kernel about the network (rtnetlink(7)): a request, and the messages of its answer.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Links.
pub(super) const GET_LINK: u16 = 18;
/// Addresses.
pub(super) const GET_ADDRESS: u16 = 22;
/// Routes.
pub(super) const GET_ROUTE: u16 = 26;
/// Neighbours.
pub(super) const GET_NEIGHBOUR: u16 = 30;

const DONE: u16 = 3;
const ERROR: u16 = 2;
/// A request for all of a kind.
const DUMP: u16 = 0x301;
const HEADER: usize = 16;
/// An answer that the kernel sends at once. Bytes.
const BUFFER: usize = 64 << 10;
/// An answer in all. Bytes: a million routes.
const MOST: usize = 256 << 20;

/// One message of an answer: its fixed part and its attributes.
pub(super) struct Message {
    body: Vec<u8>,
    fixed: usize,
}

impl Message {
    /// A byte of the fixed part.
    pub fn byte(&self, at: usize) -> u8 {
        self.body.get(at).copied().unwrap_or(0)
    }

    /// A number of 16 bits of the fixed part.
    pub fn short(&self, at: usize) -> u16 {
        self.body.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_ne_bytes)
    }

    /// A number of 32 bits of the fixed part.
    pub fn word(&self, at: usize) -> u32 {
        self.body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
    }

    /// An attribute.
    pub fn attribute(&self, kind: u16) -> Option<&[u8]> {
        attribute(self.body.get(self.fixed..)?, kind)
    }

    /// An attribute that is a number of 32 bits.
    pub fn number(&self, kind: u16) -> Option<u32> {
        self.attribute(kind)?.get(..4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// An attribute that is text.
    pub fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.attribute(kind)?;
        Some(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }
}

/// An attribute among others.
pub(super) fn attribute(mut rest: &[u8], kind: u16) -> Option<&[u8]> {
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        // The two highest bits are flags.
        let found = u16::from_ne_bytes([rest[2], rest[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Everything of one kind; `fixed` is the length of its messages' fixed part.
pub(super) fn all(kind: u16, fixed: usize) -> io::Result<Vec<Message>> {
    // The protocol with number 0 is that of routes.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let length = HEADER + fixed.next_multiple_of(4);
    let mut request = Vec::with_capacity(length);
    request.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.resize(length, 0);
    send(&socket, &request, SendFlags::empty())?;
    let mut messages = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut taken = 0;
    loop {
        let (got, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        taken += got;
        if got == 0 || taken > MOST {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if parse(&buffer[..got], fixed, &mut messages)? {
            return Ok(messages);
        }
    }
}

/// The messages of one datagram; whether it was the last.
fn parse(mut rest: &[u8], fixed: usize, messages: &mut Vec<Message>) -> io::Result<bool> {
    while rest.len() >= HEADER {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let body = rest.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code =
                    body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => messages.push(Message { body: body.to_vec(), fixed: fixed.next_multiple_of(4) }),
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}
