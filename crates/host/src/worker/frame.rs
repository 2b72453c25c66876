//! One message on the line: its length, four bytes little-endian, and so many bytes. Descriptors travel with the length.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Bytes of one message at most.
pub const MOST_BYTES: usize = 16 << 20;
/// Descriptors of one message at most.
pub const MOST_DESCRIPTORS: usize = 16;
const HEAD: usize = 4;

pub(super) fn head(body: &[u8], descriptors: usize) -> io::Result<[u8; HEAD]> {
    if body.len() > MOST_BYTES || descriptors > MOST_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too large"));
    }
    Ok((body.len() as u32).to_le_bytes())
}

/// Sends the head with its descriptors; how many bytes of it went. Nothing blocks on a nonblocking socket.
pub(super) fn send_head(
    socket: BorrowedFd<'_>,
    head: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(socket, &[IoSlice::new(head)], &mut control, SendFlags::NOSIGNAL)
}

/// Sends bytes without descriptors.
pub(super) fn send_some(socket: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)
}

/// Receives into `buffer`, and whatever descriptors come along into `descriptors`. 0 at the end of the line.
pub(super) fn receive_some(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(received.bytes)
}

/// A message on its way in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: [u8; HEAD],
    head_read: usize,
    body: Vec<u8>,
    body_read: usize,
}

/// How far a message is.
pub(super) enum Step {
    /// More is to come.
    More,
    /// Here it is.
    Whole(Vec<u8>),
    /// The line ended, in the middle of a message or between two.
    End {
        /// In the middle.
        torn: bool,
    },
    /// It says that it is longer than any message may be.
    TooLong(usize),
}

/// Room is made as bytes arrive: a length that is claimed costs nothing.
const GROW: usize = 64 << 10;

impl Incoming {
    /// Reads once.
    pub(super) fn step(
        &mut self,
        socket: BorrowedFd<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> rustix::io::Result<Step> {
        if self.head_read < HEAD {
            let read = receive_some(socket, &mut self.head[self.head_read..], descriptors)?;
            self.head_read += read;
            if read == 0 {
                return Ok(Step::End { torn: self.head_read > 0 });
            }
            if self.head_read < HEAD {
                return Ok(Step::More);
            }
            let length = self.length();
            return Ok(match length {
                0 => Step::Whole(std::mem::take(self).body),
                length if length > MOST_BYTES => Step::TooLong(length),
                _ => Step::More,
            });
        }
        let length = self.length();
        if self.body.len() == self.body_read {
            let room = length.min(self.body_read.saturating_mul(2).max(GROW));
            self.body.resize(room, 0);
        }
        // Only a head brings descriptors; what comes elsewhere is closed at once.
        let read = receive_some(socket, &mut self.body[self.body_read..], &mut Vec::new())?;
        self.body_read += read;
        if read == 0 {
            return Ok(Step::End { torn: true });
        }
        if self.body_read < length {
            return Ok(Step::More);
        }
        Ok(Step::Whole(std::mem::take(self).body))
    }

    fn length(&self) -> usize {
        u32::from_le_bytes(self.head) as usize
    }
}
