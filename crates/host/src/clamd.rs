//! What is said to `clamd`, ClamAV's daemon, and what its answers mean (clamd(8), section COMMANDS).
//!
//! A file goes to it as an open descriptor (`FILDES`), or byte by byte (`INSTREAM`) where it takes none: never as a path,
//! so that what it looks at is what was opened. Whoever answers may be no clamd at all, or one that was led astray by what
//! it read: an answer is bounded, must have one of three shapes, and is waited for until a given moment only.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

/// Where packages put its socket: Debian and its kin, Fedora and its kin.
pub const SOCKETS: [&str; 3] =
    ["/run/clamav/clamd.ctl", "/run/clamd.scan/clamd.sock", "/var/run/clamd.scan/clamd.sock"];
/// Bytes of an answer.
const ANSWER: usize = 4096;
/// Bytes of what it calls a find, and of its words.
const NAME: usize = 256;
/// Bytes of one piece of a stream.
const PIECE: usize = 64 << 10;
/// Between tries to reach one whose queue is full.
const AGAIN: Duration = Duration::from_millis(20);

/// How a file is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As an open descriptor.
    Descriptor,
    /// As its bytes.
    Stream,
}

/// What it says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing was found.
    Clean,
    /// Something was, by this name.
    Found(String),
}

/// Why there is no such answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Error {
    /// It cannot be talked to.
    #[error("the line to clamd broke: {0}")]
    Line(String),
    /// It did not answer in time.
    #[error("clamd gave no answer in time")]
    Time,
    /// It went away before it had answered.
    #[error("clamd ended the line before it had answered")]
    Cut,
    /// More than an answer can be.
    #[error("clamd answered with more than {ANSWER} bytes")]
    TooLong,
    /// No answer of clamd.
    #[error("what answered is no clamd: {0:?}")]
    Garbage(String),
    /// It takes no descriptors.
    #[error("clamd takes no descriptors")]
    NoDescriptor,
    /// Larger than its `StreamMaxLength`.
    #[error("the file is larger than clamd takes as a stream")]
    TooLarge,
    /// It could not look at the file.
    #[error("clamd could not look at it: {0}")]
    Refused(String),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    fn line(error: impl Into<io::Error>) -> Self {
        Self::Line(error.into().to_string())
    }
}

/// The first of these paths at which there is a socket.
pub fn find<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Option<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = |path: &&Path| std::fs::metadata(path).is_ok_and(|facts| facts.file_type().is_socket());
    paths.into_iter().find(is_socket).map(Path::to_owned)
}

/// Reaches it. Neither a full queue nor anything else makes this wait beyond `limit`, or when `stop` says so.
pub fn connect(path: &Path, limit: Duration, stop: &dyn Fn() -> bool) -> io::Result<OwnedFd> {
    let until = Instant::now() + limit;
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::ISCONN) => return Ok(socket),
            Err(Errno::INTR) => {}
            // unix(7): the queue of those who wait is full.
            Err(Errno::AGAIN) if Instant::now() < until && !stop() => std::thread::sleep(AGAIN),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Asks for its version; at most 256 bytes of plain text.
pub fn version(socket: BorrowedFd<'_>, until: Instant) -> Result<String, Error> {
    send(socket, b"zVERSION\0", until)?;
    let text = plain(&receive(socket, until)?)?;
    if text.starts_with("ClamAV ") { Ok(clip(&text)) } else { Err(Error::Garbage(clip(&text))) }
}

/// Has it look at a file, or at its first `most` bytes. One connection for one file.
pub fn scan(
    socket: BorrowedFd<'_>,
    file: &File,
    way: Way,
    most: u64,
    until: Instant,
) -> Result<Answer, Error> {
    match way {
        Way::Descriptor => send_descriptor(socket, file, until)?,
        Way::Stream => send_stream(socket, file, most, until)?,
    }
    parse(&receive(socket, until)?, way)
}

/// What an answer means; `answer` is without its closing NUL.
pub fn parse(answer: &[u8], way: Way) -> Result<Answer, Error> {
    let text = plain(answer)?;
    let garbage = || Error::Garbage(clip(&text));
    let rest = match way {
        Way::Stream => text.strip_prefix("stream: "),
        Way::Descriptor => text.strip_prefix("fd[").and_then(|rest| {
            let (number, rest) = rest.split_once("]: ")?;
            (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
        }),
    };
    match rest {
        Some("OK") => return Ok(Answer::Clean),
        Some(rest) => {
            if let Some(name) = rest.strip_suffix(" FOUND") {
                return if name.is_empty() { Err(garbage()) } else { Ok(Answer::Found(clip(name))) };
            }
        }
        None => {}
    }
    if text == "UNKNOWN COMMAND" || text.starts_with("No file descriptor received") {
        return Err(Error::NoDescriptor);
    }
    if text.starts_with("INSTREAM size limit exceeded") {
        return Err(Error::TooLarge);
    }
    match rest.unwrap_or(&text).strip_suffix(" ERROR") {
        Some(words) => Err(Error::Refused(clip(words))),
        None => Err(garbage()),
    }
}

/// An answer as text. One with control characters in it is none.
fn plain(answer: &[u8]) -> Result<String, Error> {
    let text = String::from_utf8_lossy(answer).into_owned();
    if text.is_empty() || text.chars().any(char::is_control) {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Error::Garbage(shown));
    }
    Ok(text)
}

fn clip(text: &str) -> String {
    text[..text.floor_char_boundary(NAME)].to_owned()
}

/// Until the socket is ready for one of these, or it is too late.
fn wait(socket: BorrowedFd<'_>, flags: PollFlags, until: Instant) -> Result<PollFlags, Error> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Time);
        }
        let mut fds = [PollFd::new(&socket, flags)];
        match poll(&mut fds, Some(&Timespec::try_from(left).unwrap_or_default())) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(fds[0].revents()),
            Err(errno) => return Err(Error::line(errno)),
        }
    }
}

/// Whether to go on: one who answered already, or went away, is listened to.
fn send(socket: BorrowedFd<'_>, mut bytes: &[u8], until: Instant) -> Result<bool, Error> {
    while !bytes.is_empty() {
        let ready = wait(socket, PollFlags::OUT | PollFlags::IN, until)?;
        if ready.contains(PollFlags::IN) {
            return Ok(false);
        }
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Ok(false),
            Err(errno) => return Err(Error::line(errno)),
        }
    }
    Ok(true)
}

fn send_descriptor(socket: BorrowedFd<'_>, file: &File, until: Instant) -> Result<(), Error> {
    if !send(socket, b"zFILDES\0", until)? {
        return Ok(());
    }
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let held = [file.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&held)) {
        return Err(Error::Line("no room for a descriptor".to_owned()));
    }
    wait(socket, PollFlags::OUT, until)?;
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(socket, &[io::IoSlice::new(&[0])], &mut control, flags) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(Error::line(errno)),
    }
}

fn send_stream(socket: BorrowedFd<'_>, file: &File, most: u64, until: Instant) -> Result<(), Error> {
    if !send(socket, b"zINSTREAM\0", until)? {
        return Ok(());
    }
    let (mut at, mut piece) = (0, vec![0; 4 + PIECE]);
    loop {
        let room = usize::try_from(most - at).unwrap_or(PIECE).min(PIECE);
        let count = match file.read_at(&mut piece[4..4 + room], at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| Error::Unreadable(error.to_string()))?,
        };
        // An empty piece ends the stream.
        piece[..4].copy_from_slice(&(count as u32).to_be_bytes());
        at += count as u64;
        if !send(socket, &piece[..4 + count], until)? || count == 0 {
            return Ok(());
        }
    }
}

/// One answer, up to its NUL.
fn receive(socket: BorrowedFd<'_>, until: Instant) -> Result<Vec<u8>, Error> {
    let mut answer = vec![0; ANSWER];
    let mut length = 0;
    loop {
        wait(socket, PollFlags::IN, until)?;
        match rustix::net::recv(socket, &mut answer[length..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Err(Error::Cut),
            Ok((count, _)) => {
                let read = length..length + count;
                if let Some(end) = answer[read].iter().position(|byte| *byte == 0) {
                    answer.truncate(length + end);
                    return Ok(answer);
                }
                length += count;
                if length == ANSWER {
                    return Err(Error::TooLong);
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(Error::line(errno)),
        }
    }
}

#[cfg(test)]
mod tests;
