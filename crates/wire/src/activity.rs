//! What processes did: activity events, detections, and the threat development chains that are made of them.
//!
//! The same messages lie in an endpoint's flight recorder, travel in a session and are kept by the server. Names, paths and
//! command lines are bytes as the kernel has them. An agent sends a chain in numbered [`ChainUpdate`]s, each of them again
//! until it is acknowledged; a later update adds to what was told, and replaces a process or activity event of the same key.

use std::net::IpAddr;

use prost::{Enumeration, Message, Oneof};

use crate::limits;

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
    /// Its arguments, the name first; up to [`limits::COMMAND_LINE`] bytes in all.
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

/// A rule's hit on one activity event.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Detection {
    /// UUID, made by the agent.
    #[prost(string, tag = "1")]
    pub id: String,
    /// When the rule hit, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
    /// The key activity event.
    #[prost(uint64, tag = "3")]
    pub activity: u64,
    /// What found it.
    #[prost(enumeration = "Source", tag = "4")]
    pub source: i32,
    /// Id of the rule: of a Sigma rule its UUID, of a YARA rule its name, of the block list the object.
    #[prost(string, tag = "5")]
    pub rule: String,
    /// What the rule is called.
    #[prost(string, tag = "6")]
    pub title: String,
    /// How bad it is.
    #[prost(enumeration = "Severity", tag = "7")]
    pub severity: i32,
    /// Techniques of ATT&CK that the rule names: `T1059.004`.
    #[prost(string, repeated, tag = "8")]
    pub techniques: Vec<String>,
    /// What was done about it.
    #[prost(enumeration = "Verdict", tag = "9")]
    pub verdict: i32,
    /// A sentence for a person: why it was not prevented, which strings matched.
    #[prost(string, tag = "10")]
    pub note: String,
    /// Path of the file that was detected, where it is not the program of the key event; else empty.
    #[prost(bytes = "vec", tag = "11")]
    pub path: Vec<u8>,
    /// Its SHA-256, 32 bytes, or of the program of the key event; empty where it is not known.
    #[prost(bytes = "vec", tag = "12")]
    pub sha256: Vec<u8>,
    /// Which version of the tenant's protection hit; 0 for the block list.
    #[prost(uint64, tag = "13")]
    pub protection: u64,
}

/// What found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Source {
    /// Not said.
    Unspecified = 0,
    /// The block list.
    BlockList = 1,
    /// A YARA rule.
    Yara = 2,
    /// A Sigma rule.
    Behaviour = 3,
    /// A person, or another product: the chain was asked for.
    Asked = 4,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Severity {
    /// Not said.
    Unspecified = 0,
    /// Worth knowing.
    Informational = 1,
    /// Low.
    Low = 2,
    /// Medium.
    Medium = 3,
    /// High.
    High = 4,
    /// Critical.
    Critical = 5,
}

/// What was done about a detection at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Verdict {
    /// Not said.
    Unspecified = 0,
    /// It was registered; nothing was to be prevented.
    Detected = 1,
    /// It was kept from running, or ended.
    Prevented = 2,
    /// It should have been prevented and was not; the note says why.
    NotPrevented = 3,
}

/// A chain, or what is new of it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ChainUpdate {
    /// UUID of the chain, made by the agent.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// From 1, rising by one. What was stored already is acknowledged again and changes nothing.
    #[prost(uint64, tag = "2")]
    pub serial: u64,
    /// The boot that the keys belong to.
    #[prost(string, tag = "3")]
    pub boot_id: String,
    /// Topmost process of the chain.
    #[prost(message, required, tag = "4")]
    pub root: ProcessKey,
    /// Processes that are new or changed.
    #[prost(message, repeated, tag = "5")]
    pub processes: Vec<Process>,
    /// Activity events that are new or changed.
    #[prost(message, repeated, tag = "6")]
    pub activities: Vec<Activity>,
    /// Detections that are new.
    #[prost(message, repeated, tag = "7")]
    pub detections: Vec<Detection>,
    /// What the chain lacks so far.
    #[prost(message, required, tag = "8")]
    pub gaps: Gaps,
    /// Nothing more will come.
    #[prost(bool, tag = "9")]
    pub closed: bool,
}

/// What a chain lacks, counted since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Gaps {
    /// Events of this endpoint that the kernel told and nobody could take in time, while the chain was open.
    #[prost(uint64, tag = "1")]
    pub lost: u64,
    /// Processes of the tree beyond the limit of a chain.
    #[prost(uint64, tag = "2")]
    pub processes_beyond: u64,
    /// Activity events beyond the limit of a chain.
    #[prost(uint64, tag = "3")]
    pub activities_beyond: u64,
    /// Part of the chain was older than what the recorder keeps.
    #[prost(bool, tag = "4")]
    pub begins_late: bool,
}

/// Names updates of a chain.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ChainStored {
    /// Which chain.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// This update and all before it are stored.
    #[prost(uint64, tag = "2")]
    pub serial: u64,
    /// The incident is closed: no more updates are wanted, but for those that tell what the agent found before it heard so.
    #[prost(bool, tag = "3")]
    pub close: bool,
}

impl ChainUpdate {
    /// Whether every field is within its limit and means something; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_id(&self.chain_id), "chain_id")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.serial), "serial")?;
        holds(is_id(&self.boot_id), "boot_id")?;
        holds(self.root.is_sound(), "root")?;
        holds(self.processes.len() <= limits::UPDATE_PROCESSES, "processes")?;
        holds(self.activities.len() <= limits::UPDATE_ACTIVITIES, "activities")?;
        holds(self.detections.len() <= limits::UPDATE_DETECTIONS, "detections")?;
        self.processes.iter().try_for_each(Process::check)?;
        self.activities.iter().try_for_each(Activity::check)?;
        self.detections.iter().try_for_each(Detection::check)
    }
}

impl ProcessKey {
    /// Whether a database can hold it and a process can have it.
    pub fn is_sound(self) -> bool {
        self.pid > 0 && i32::try_from(self.pid).is_ok() && i64::try_from(self.start).is_ok()
    }
}

impl Process {
    /// Whether every field is within its limit; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(self.key.is_sound(), "process")?;
        holds(self.parent.is_none_or(ProcessKey::is_sound), "parent")?;
        holds(is_short(&self.user), "user")?;
        holds(is_short(&self.container), "container")?;
        holds(self.started_at_us >= 0 && self.ended_at_us >= 0, "started_at_us")?;
        holds(i64::try_from(self.pid_namespace).is_ok(), "pid_namespace")?;
        self.image.check()
    }
}

impl Image {
    /// Whether every field is within its limit; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_path(&self.path) && is_path(&self.directory), "image")?;
        holds(self.arguments.len() <= limits::ARGUMENTS, "arguments")?;
        let length: usize = self.arguments.iter().map(|argument| argument.len() + 1).sum();
        holds(length <= limits::COMMAND_LINE, "arguments")?;
        holds(is_digest(&self.sha256), "sha256")?;
        holds(is_short(&self.package) && is_short(&self.copy_of) && is_short(&self.terminal), "package")?;
        holds(i64::try_from(self.size).is_ok(), "size")?;
        let script = self.script.as_ref();
        holds(script.is_none_or(|script| is_path(&script.path) && is_digest(&script.sha256)), "script")
    }
}

impl Activity {
    /// Whether every field is within its limit and means something; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.id), "activity")?;
        holds(self.at_us >= 0 && self.process.is_sound(), "activity")?;
        match self.deed.as_ref().ok_or("deed")? {
            Deed::Start(image) => image.check(),
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => {
                holds(is_path(&file.path) && is_path(&file.from) && is_digest(&file.sha256), "file")?;
                holds(is_short(&file.copy_of), "copy_of")?;
                holds(i64::try_from(file.size).is_ok(), "size")
            }
            Deed::Connect(connection) | Deed::Listen(connection) => {
                let ports = [connection.local_port, connection.remote_port];
                holds(ports.iter().all(|port| u16::try_from(*port).is_ok()), "port")?;
                holds(connection.protocol <= 255, "protocol")?;
                holds(is_address(&connection.local) && is_address(&connection.remote), "address")
            }
            Deed::Dns(dns) => {
                holds(dns.name.len() <= limits::DNS_NAME && dns.answers.len() <= limits::DNS_ANSWERS, "dns")?;
                holds(u16::try_from(dns.kind).is_ok() && is_address(&dns.server), "dns")?;
                holds(dns.answers.iter().all(|answer| is_address(answer)), "dns")
            }
            Deed::Login(login) => holds(
                [&login.user, &login.from, &login.terminal].into_iter().all(|text| is_short(text)),
                "login",
            ),
        }
    }
}

impl Detection {
    fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_id(&self.id), "detection")?;
        holds(self.at_us >= 0, "detection")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.activity), "activity")?;
        let known = |field, known: bool| holds(known, field);
        known("source", Source::try_from(self.source).is_ok_and(|source| source != Source::Unspecified))?;
        known(
            "severity",
            Severity::try_from(self.severity).is_ok_and(|severity| severity != Severity::Unspecified),
        )?;
        known(
            "verdict",
            Verdict::try_from(self.verdict).is_ok_and(|verdict| verdict != Verdict::Unspecified),
        )?;
        holds(is_short(&self.rule) && is_short(&self.title), "rule")?;
        holds(self.techniques.len() <= limits::TECHNIQUES, "techniques")?;
        holds(self.techniques.iter().all(|technique| is_technique(technique)), "techniques")?;
        holds(self.note.len() <= limits::MESSAGE, "note")?;
        holds(is_path(&self.path) && is_digest(&self.sha256), "path")?;
        holds(i64::try_from(self.protection).is_ok(), "protection")
    }
}

/// Whether text names a technique of ATT&CK, or a part of one: `T1059`, `T1059.004`.
pub fn is_technique(text: &str) -> bool {
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        None => digits(rest, 4),
        Some((whole, part)) => digits(whole, 4) && digits(part, 3),
    }
}

/// An address of 4 or 16 bytes.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn is_id(text: &str) -> bool {
    (1..=limits::ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_short(text: &str) -> bool {
    text.len() <= limits::NAME
}

fn is_path(path: &[u8]) -> bool {
    path.len() <= limits::PATH
}

fn is_digest(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.len() == 32
}

fn is_address(bytes: &[u8]) -> bool {
    bytes.is_empty() || address(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> ChainUpdate {
        let key = ProcessKey { pid: 7, start: 9 };
        let image = Image { path: b"/bin/sh".to_vec(), arguments: vec![b"sh".to_vec()], ..Image::default() };
        let process = Process { key, image: image.clone(), ..Process::default() };
        let activity = Activity { id: 1, at_us: 1, process: key, deed: Some(Deed::Start(image)) };
        let detection = Detection {
            id: "d".into(),
            activity: 1,
            source: Source::Behaviour.into(),
            severity: Severity::High.into(),
            verdict: Verdict::Detected.into(),
            techniques: vec!["T1059.004".into()],
            ..Detection::default()
        };
        ChainUpdate {
            chain_id: "c".into(),
            serial: 1,
            boot_id: "b".into(),
            root: key,
            processes: vec![process],
            activities: vec![activity],
            detections: vec![detection],
            ..ChainUpdate::default()
        }
    }

    #[test]
    fn a_chain_within_its_limits_is_taken_and_any_field_beyond_is_named() {
        assert_eq!(update().check(), Ok(()));
        let spoil = |spoil: fn(&mut ChainUpdate)| {
            let mut update = update();
            spoil(&mut update);
            update.check()
        };
        assert_eq!(spoil(|update| update.chain_id.clear()), Err("chain_id"));
        assert_eq!(spoil(|update| update.serial = 0), Err("serial"));
        assert_eq!(spoil(|update| update.root.pid = 0), Err("root"));
        assert_eq!(spoil(|update| update.processes[0].key.start = u64::MAX), Err("process"));
        assert_eq!(
            spoil(|update| update.processes[0].image.path = vec![b'a'; limits::PATH + 1]),
            Err("image")
        );
        let long = |update: &mut ChainUpdate| {
            update.processes[0].image.arguments = vec![vec![b'a'; limits::COMMAND_LINE]];
        };
        assert_eq!(spoil(long), Err("arguments"));
        assert_eq!(spoil(|update| update.activities[0].deed = None), Err("deed"));
        let port = |update: &mut ChainUpdate| {
            let connection = Connection { remote_port: 65_536, ..Connection::default() };
            update.activities[0].deed = Some(Deed::Connect(connection));
        };
        assert_eq!(spoil(port), Err("port"));
        let address = |update: &mut ChainUpdate| {
            let connection = Connection { remote: vec![1; 5], ..Connection::default() };
            update.activities[0].deed = Some(Deed::Connect(connection));
        };
        assert_eq!(spoil(address), Err("address"));
        assert_eq!(spoil(|update| update.detections[0].severity = 99), Err("severity"));
        assert_eq!(spoil(|update| update.detections[0].techniques = vec!["T1".into()]), Err("techniques"));
        assert_eq!(spoil(|update| update.detections[0].sha256 = vec![0; 31]), Err("path"));
        let many = |update: &mut ChainUpdate| {
            update.activities = vec![update.activities[0].clone(); limits::UPDATE_ACTIVITIES + 1];
        };
        assert_eq!(spoil(many), Err("activities"));
    }

    #[test]
    fn techniques_are_named_as_attack_names_them() {
        for name in ["T1059", "T1059.004"] {
            assert!(is_technique(name), "{name}");
        }
        for name in ["", "1059", "T1059.", "T1059.04", "T10590", "t1059", "TA0001", "T1059.004.1"] {
            assert!(!is_technique(name), "{name}");
        }
    }
}
