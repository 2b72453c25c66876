//! Records of the kernel's ring, as `bpf/record.h` lays them out. They come from our own programs; they are read with bounds
//! all the same.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::clock::Clock;
use super::raw::{CUT, Inner, Kind, Network, Program, Question, Raw, Step, Task, What};
use crate::process::Identity;

/// Kinds of record; the numbers of `enum kind`.
mod kind {
    pub const FORK: u32 = 1;
    pub const EXEC: u32 = 2;
    pub const EXIT: u32 = 3;
    pub const CONNECT: u32 = 4;
    pub const CONNECTED: u32 = 5;
    pub const CONNECT_FAILED: u32 = 6;
    pub const LISTEN: u32 = 7;
    pub const ACCEPT: u32 = 8;
    pub const TAKEN: u32 = 9;
    pub const UDP: u32 = 10;
    pub const DNS: u32 = 11;
    pub const MODULE: u32 = 12;
    pub const UNATTRIBUTED: u32 = 13;
}
/// Counters in the kernel: one more than there are kinds.
pub(super) const COUNTERS: u32 = 14;

const DELETED: u32 = 1;
const IN_MEMORY: u32 = 1 << 1;
const NO_ARGS: u32 = 1 << 3;
const CUT_PATH: u32 = 1 << 4;
const CUT_DIRECTORY: u32 = 1 << 5;
const BY_INTERPRETER: u32 = 1 << 6;

/// Behind what all records have.
const BODY: usize = 88;
const ADDRESSES: usize = BODY + 24;
const DATA: usize = 152;
const PROGRAM: usize = 136;
const AF_INET: u16 = 2;
const TCP: u16 = 6;
/// Labels and bytes of a name (RFC 1035).
const LABELS: usize = 128;
const NAME: usize = 255;

/// What a counter of the kernel counts.
pub(super) fn counted(number: u32) -> Option<Kind> {
    Some(match number {
        kind::FORK => Kind::Fork,
        kind::EXEC => Kind::Exec,
        kind::EXIT => Kind::Exit,
        kind::CONNECT..=kind::UDP | kind::UNATTRIBUTED => Kind::Network,
        kind::DNS => Kind::Question,
        kind::MODULE => Kind::Module,
        _ => return None,
    })
}

/// Reads records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoder {
    pub clock: Clock,
    /// Inode of this process's PID namespace.
    pub namespace: u32,
}

/// A record, and where fields lie in it.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn part<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at + N)?.try_into().ok()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.part(at).map(u16::from_ne_bytes)
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.part(at).map(u32::from_ne_bytes)
    }

    fn u64(self, at: usize) -> Option<u64> {
        self.part(at).map(u64::from_ne_bytes)
    }

    /// Up to the NUL.
    fn text(self, at: usize, length: usize) -> Option<OsString> {
        let text = self.0.get(at..at + length)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(length);
        Some(OsString::from_vec(text[..end].to_vec()))
    }

    fn from(self, at: usize) -> &'a [u8] {
        self.0.get(at..).unwrap_or_default()
    }
}

impl Decoder {
    /// `None`: of a kind that is not known, or too short.
    pub fn read(&self, record: &[u8]) -> Option<Raw> {
        let bytes = Bytes(record);
        let flags = bytes.u32(12)?;
        let what = match bytes.u32(8)? {
            kind::FORK => What::Forked { creator: self.identity(bytes.u32(BODY + 8)?, bytes.u64(BODY)?) },
            kind::EXEC => What::Executed(Box::new(program(bytes, flags)?)),
            kind::EXIT => What::Exited { status: Some(bytes.u32(BODY)?) },
            kind::DNS => What::Asked(Box::new(question(bytes)?)),
            kind::MODULE => What::Module(bytes.text(BODY, 56)?),
            number => What::Network(Box::new(network(bytes, number)?)),
        };
        let (process, task) = self.task(bytes)?;
        Some(Raw { at: self.clock.seen(bytes.u64(0)?), process, task: Some(Box::new(task)), what })
    }

    fn identity(&self, pid: u32, start: u64) -> Option<Identity> {
        (pid != 0).then(|| Identity { pid, start_time: self.clock.ticks(start) })
    }

    fn task(&self, bytes: Bytes<'_>) -> Option<(Identity, Task)> {
        let start = bytes.u64(16)?;
        let known = |number: u32| (number != u32::MAX).then_some(number);
        let (inner, namespace) = (bytes.u32(40)?, bytes.u32(44)?);
        let task = Task {
            start: self.clock.seen(start),
            parent: self.identity(bytes.u32(36)?, bytes.u64(24)?),
            inner: (namespace != self.namespace).then_some(Inner { pid: inner, namespace }),
            mounts: bytes.u32(48)?,
            uid: bytes.u32(52)?,
            euid: bytes.u32(56)?,
            login: known(bytes.u32(60)?),
            session: known(bytes.u32(64)?),
            terminal: terminal(bytes.u32(68)? >> 20, bytes.u32(68)? & 0xf_ffff),
            name: bytes.text(72, 16)?,
        };
        let pid = bytes.u32(32)?;
        Some((self.identity(pid, start).unwrap_or(Identity { pid: 0, start_time: 0 }), task))
    }
}

/// The name that a terminal has below `/dev`.
pub(super) fn terminal(major: u32, minor: u32) -> Option<String> {
    Some(match (major, minor) {
        (0, _) => return None,
        (4, 0..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    })
}

fn program(bytes: Bytes<'_>, flags: u32) -> Option<Program> {
    let mut rest = bytes.from(PROGRAM);
    let mut part = |at: usize| {
        let (part, left) = rest.split_at_checked(bytes.u32(at)? as usize)?;
        rest = left;
        Some(part)
    };
    let [asked, interpreter, command, path, directory] =
        [part(BODY + 24)?, part(BODY + 28)?, part(BODY + 32)?, part(BODY + 36)?, part(BODY + 40)?];
    let device = bytes.u32(BODY + 16)?;
    let in_memory = flags & IN_MEMORY != 0;
    Some(Program {
        asked: text(asked),
        interpreter: (flags & BY_INTERPRETER != 0).then(|| text(interpreter)),
        command: if flags & NO_ARGS == 0 { command.to_vec() } else { Vec::new() },
        command_size: bytes.u64(BODY + 8)?,
        path: joined(path, flags & CUT_PATH != 0),
        directory: joined(directory, flags & CUT_DIRECTORY != 0),
        paths_cut: flags & (CUT_PATH | CUT_DIRECTORY) != 0,
        inode: bytes.u64(BODY)?,
        device: (device >> 20, device & 0xf_ffff),
        mode: bytes.u32(BODY + 20)?,
        deleted: flags & DELETED != 0,
        in_memory,
        ..Program::default()
    })
}

fn text(part: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(part.strip_suffix(b"\0").unwrap_or(part).to_vec()))
}

/// A path of its names, the last one first, each with a NUL behind it. Where the first of them are missing it must not look like
/// one that begins at the root: whoever chooses the names would choose what he is taken for.
fn joined(names: &[u8], is_cut: bool) -> PathBuf {
    let mut path = Vec::with_capacity(names.len() + 1 + CUT.len());
    if is_cut {
        path.extend(CUT.bytes());
    }
    for name in names.strip_suffix(b"\0").unwrap_or(names).rsplit(|byte| *byte == 0) {
        path.push(b'/');
        path.extend(name);
    }
    PathBuf::from(OsString::from_vec(path))
}

fn network(bytes: Bytes<'_>, number: u32) -> Option<Network> {
    let step = match number {
        kind::CONNECT => Step::Connecting,
        kind::CONNECTED => Step::Connected,
        kind::CONNECT_FAILED => Step::Failed(bytes.u32(BODY + 12)? as i32),
        kind::LISTEN => Step::Listening,
        kind::ACCEPT => Step::Accepted,
        kind::TAKEN => Step::Taken,
        kind::UDP => Step::Sending,
        _ => return None,
    };
    Some(Network {
        step,
        id: bytes.u64(BODY)?,
        tcp: bytes.u16(BODY + 18)? == TCP,
        local: address(bytes, ADDRESSES, BODY + 20)?,
        remote: address(bytes, ADDRESSES + 16, BODY + 22)?,
        namespace: bytes.u32(BODY + 8)?,
    })
}

/// One that is written as version 6 and means version 4 is told as the latter.
fn address(bytes: Bytes<'_>, at: usize, port: usize) -> Option<SocketAddr> {
    let address: IpAddr = if bytes.u16(BODY + 16)? == AF_INET {
        Ipv4Addr::from(bytes.part::<4>(at)?).into()
    } else {
        Ipv6Addr::from(bytes.part::<16>(at)?).to_canonical()
    };
    Some(SocketAddr::new(address, bytes.u16(port)?))
}

fn question(bytes: Bytes<'_>) -> Option<Question> {
    let message = bytes.from(DATA).get(..bytes.u32(144)? as usize)?;
    let (name, kind) = asked(message)?;
    Some(Question { name, kind, server: address(bytes, ADDRESSES + 16, BODY + 22)? })
}

/// The first question of a message, if it is one that asks.
fn asked(message: &[u8]) -> Option<(String, u16)> {
    let big = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let (flags, questions) = (big(2)?, big(4)?);
    // An answer, another operation than a query, or nothing asked.
    if flags & 0xf800 != 0 || questions == 0 {
        return None;
    }
    let (mut name, mut at, mut size) = (String::new(), 12, 0);
    for _ in 0..LABELS {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            return Some((name, big(at + 1)?));
        }
        size += length + 1;
        // A pointer has nothing to point back to in the first name.
        if length > 63 || size > NAME {
            return None;
        }
        let label = message.get(at + 1..at + 1 + length)?;
        if at > 12 {
            name.push('.');
        }
        escape(&mut name, label);
        at += 1 + length;
    }
    None
}

fn escape(name: &mut String, label: &[u8]) {
    use std::fmt::Write as _;
    for byte in label {
        match byte {
            b'.' | b'\\' => name.extend(['\\', char::from(*byte)]),
            byte if byte.is_ascii_graphic() => name.push(char::from(*byte)),
            byte => drop(write!(name, "\\{byte:03}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn short_and_unknown_records_are_none() {
        let decoder = Decoder { clock: Clock::own(), namespace: 1 };
        for number in 0..20_u32 {
            let mut record = vec![0xff; 2000];
            record[8..12].copy_from_slice(&number.to_ne_bytes());
            for length in (0..800).chain([2000]) {
                let _ = decoder.read(&record[..length]);
            }
        }
        assert!(decoder.read(&[0; 400]).is_none());
    }

    #[test]
    fn names_are_escaped_and_hostile_ones_refused() {
        let head = [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let message = |body: &[u8]| [&head[..], body].concat();
        let name = |body: &[u8]| asked(&message(body));
        assert_eq!(name(b"\x02a.\x01\xff\x00\x00\x1c").unwrap(), ("a\\..\\255".to_owned(), 28));
        assert_eq!(name(b"\x00\x00\x02").unwrap(), (String::new(), 2));
        assert!(name(b"\xc0\x0c\x00\x01").is_none() && name(b"\x05ab").is_none() && name(b"").is_none());
        assert!(name(&[b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(5)).is_none());
        let mut answer = message(b"\x01a\x00\x00\x01");
        answer[2] = 0x80;
        assert!(asked(&answer).is_none());
    }

    #[test]
    fn paths_are_put_together_from_their_end() {
        assert_eq!(joined(b"true\0bin\0usr\0", false), PathBuf::from("/usr/bin/true"));
        assert_eq!(joined(b"", false), PathBuf::from("/"));
        let cut = joined(b"true\0bin\0usr\0", true);
        assert_eq!((cut.as_path(), cut.is_absolute()), (std::path::Path::new("…/usr/bin/true"), false));
        assert_eq!(terminal(136, 3).unwrap(), "pts/3");
        assert_eq!(terminal(0, 0), None);
    }
}
