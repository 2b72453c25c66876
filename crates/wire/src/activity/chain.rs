//! Detections, and the updates in which a chain is sent: kept from what processes did, which a flight recorder holds whether or
//! not anything was found.

use prost::{Enumeration, Message};

use super::{Activity, Process, ProcessKey};

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
    /// Changes of files of this endpoint whose directory was removed before it could be looked at, while the chain was open. They
    /// are not in `lost`. An agent that knows no such count told them there.
    #[prost(uint64, tag = "5")]
    pub vanished_files: u64,
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
