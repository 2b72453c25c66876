//! What processes did: activity events, detections, and the threat development chains that are made of them.
//!
//! The same messages lie in an endpoint's flight recorder, travel in a session and are kept by the server. Names, paths and
//! command lines are bytes as the kernel has them. An agent sends a chain in numbered [`ChainUpdate`]s, each of them again
//! until it is acknowledged; a later update adds to what was told, and replaces a process or activity event of the same key.

use std::net::IpAddr;

use prost::{Enumeration, Message, Oneof};

mod chain;
mod check;

pub use chain::{ChainStored, ChainUpdate, Detection, Gaps, Severity, Source, Verdict};
pub use check::is_technique;

/// Names a process beyond doubt within one boot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Message)]
pub struct ProcessKey {
    /// Process id, in the PID namespace of the agent.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// When it started: clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    #[prost(uint64, tag = "2")]
    pub start: u64,
}

/// A process as far as it is known.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Process {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub key: ProcessKey,
    /// Who made it; absent where that was before the recorder and could not be found out.
    #[prost(message, optional, tag = "2")]
    pub parent: Option<ProcessKey>,
    /// What it runs now, or ran last.
    #[prost(message, required, tag = "3")]
    pub image: Image,
    /// Effective user.
    #[prost(uint32, tag = "4")]
    pub uid: u32,
    /// That user's name on the endpoint; empty where it has none.
    #[prost(string, tag = "5")]
    pub user: String,
    /// Who logged in, whatever the user became since (`/proc/PID/loginuid`); absent where nobody did.
    #[prost(uint32, optional, tag = "6")]
    pub login_uid: Option<u32>,
    /// When it started, microseconds since 1970.
    #[prost(int64, tag = "7")]
    pub started_at_us: i64,
    /// When it ended; 0 while it runs.
    #[prost(int64, tag = "8")]
    pub ended_at_us: i64,
    /// How it ended, as wait(2) tells it: exit code times 256, or the signal.
    #[prost(uint32, tag = "9")]
    pub exit_status: u32,
    /// Where it lives in a PID namespace below the agent's: inode of that namespace, else 0.
    #[prost(uint64, tag = "10")]
    pub pid_namespace: u64,
    /// The container that it belongs to, by its control group; empty where none.
    #[prost(string, tag = "11")]
    pub container: String,
    /// It ran before the recorder did; what it had done is not known.
    #[prost(bool, tag = "12")]
    pub from_before: bool,
    /// Some of this could not be read in time.
    #[prost(bool, tag = "13")]
    pub incomplete: bool,
}

/// A program as it was started.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Image {
    /// Path of the executable.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// Its arguments, the name first; up to [`limits::COMMAND_LINE`](crate::limits::COMMAND_LINE) bytes in all.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub arguments: Vec<Vec<u8>>,
    /// There were more arguments than are here.
    #[prost(bool, tag = "3")]
    pub arguments_cut: bool,
    /// Working directory.
    #[prost(bytes = "vec", tag = "4")]
    pub directory: Vec<u8>,
    /// SHA-256 of the executable, 32 bytes; empty where it is not known.
    #[prost(bytes = "vec", tag = "5")]
    pub sha256: Vec<u8>,
    /// Which package it belongs to, with version: `coreutils 9.1-1`; empty where none.
    #[prost(string, tag = "6")]
    pub package: String,
    /// What is interpreted, where the executable is an interpreter.
    #[prost(message, optional, tag = "7")]
    pub script: Option<Script>,
    /// It has no name in any directory: it was deleted, or never had one.
    #[prost(bool, tag = "8")]
    pub nameless: bool,
    /// It lives in memory alone (memfd_create(2)).
    #[prost(bool, tag = "9")]
    pub in_memory: bool,
    /// Size of the executable, bytes; 0 where it is not known.
    #[prost(uint64, tag = "10")]
    pub size: u64,
    /// Controlling terminal; empty where none.
    #[prost(string, tag = "11")]
    pub terminal: String,
    /// Which package brought this very content, where the path is not its own: a copy of `/bin/bash` in `/tmp`. Empty where
    /// none is known to.
    #[prost(string, tag = "12")]
    pub copy_of: String,
}

/// A file that an interpreter runs.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Script {
    /// Its path.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// SHA-256 of its content, 32 bytes; empty where it could not be read.
    #[prost(bytes = "vec", tag = "2")]
    pub sha256: Vec<u8>,
}

/// One activity event.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Activity {
    /// Rises on one endpoint, over restarts; from 1.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// When, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
    /// Who did it; of a start, who was started.
    #[prost(message, required, tag = "3")]
    pub process: ProcessKey,
    /// What it was.
    #[prost(oneof = "Deed", tags = "10, 11, 12, 13, 14, 15, 16, 17")]
    pub deed: Option<Deed>,
}

/// What an activity event is about.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum Deed {
    /// A process began to run a program.
    #[prost(message, tag = "10")]
    Start(Image),
    /// A file came to be.
    #[prost(message, tag = "11")]
    FileCreate(FileDeed),
    /// A file was changed.
    #[prost(message, tag = "12")]
    FileWrite(FileDeed),
    /// A file got another name.
    #[prost(message, tag = "13")]
    FileRename(FileDeed),
    /// A connection was made, tried or taken.
    #[prost(message, tag = "14")]
    Connect(Connection),
    /// A port was opened.
    #[prost(message, tag = "15")]
    Listen(Connection),
    /// A name was asked for.
    #[prost(message, tag = "16")]
    Dns(Dns),
    /// Somebody logged in, or tried.
    #[prost(message, tag = "17")]
    Login(Login),
}

/// A file, as it was after the deed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FileDeed {
    /// Its path.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// Its former path, of a rename.
    #[prost(bytes = "vec", tag = "2")]
    pub from: Vec<u8>,
    /// SHA-256 of its content, 32 bytes; empty where it is not known.
    #[prost(bytes = "vec", tag = "3")]
    pub sha256: Vec<u8>,
    /// Bytes.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// Type and permissions, as stat(2) tells them.
    #[prost(uint32, tag = "5")]
    pub mode: u32,
    /// What its first bytes say.
    #[prost(enumeration = "Format", tag = "6")]
    pub format: i32,
    /// Which package brought this very content, as [`Image::copy_of`].
    #[prost(string, tag = "7")]
    pub copy_of: String,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Format {
    /// Not known, or nothing that runs.
    Unspecified = 0,
    /// A program for the machine.
    Elf = 1,
    /// A text that begins with `#!`.
    Script = 2,
}

/// One end of a conversation with another.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Connection {
    /// Protocol number: 6 is TCP, 17 is UDP.
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    /// Address on the endpoint, 4 or 16 bytes; empty where it is not known.
    #[prost(bytes = "vec", tag = "2")]
    pub local: Vec<u8>,
    /// Port on the endpoint.
    #[prost(uint32, tag = "3")]
    pub local_port: u32,
    /// Address of the other end; empty for a port that listens.
    #[prost(bytes = "vec", tag = "4")]
    pub remote: Vec<u8>,
    /// Port of the other end.
    #[prost(uint32, tag = "5")]
    pub remote_port: u32,
    /// The other end began it.
    #[prost(bool, tag = "6")]
    pub inbound: bool,
    /// What became of it.
    #[prost(enumeration = "Fate", tag = "7")]
    pub fate: i32,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Fate {
    /// Not known, or it has none (UDP).
    Unspecified = 0,
    /// Under way.
    Attempted = 1,
    /// It stood.
    Established = 2,
    /// It never stood.
    Failed = 3,
}

/// A question to the domain name system.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Dns {
    /// The name, as text of RFC 1035 section 5.1: what is not printable is escaped.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of record asked for.
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    /// Who was asked, 4 or 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub server: Vec<u8>,
    /// Addresses that were answered, where that was seen; 4 or 16 bytes each.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub answers: Vec<Vec<u8>>,
}

/// A login.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Login {
    /// As what.
    #[prost(string, tag = "1")]
    pub user: String,
    /// From where: host name or address; empty where that is here.
    #[prost(string, tag = "2")]
    pub from: String,
    /// Terminal.
    #[prost(string, tag = "3")]
    pub terminal: String,
    /// It was refused.
    #[prost(bool, tag = "4")]
    pub failed: bool,
}

/// An address of 4 or 16 bytes.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
