//! The block list: what can be listed, what never is, and the two actions that change it.
//!
//! One place turns text into a value ([`Value::parse`]), one says what is never blocked ([`Value::built_in_exception`],
//! [`Value::is_within`]), and one reads files of indicators ([`import`]). Values travel to agents as bytes
//! (`quell_wire::blocklist`), which [`Value::from_bytes`] reads back; [`report`] is what agents say of them.

pub mod add;
pub mod import;
mod network;
pub mod remove;
pub mod report;
mod url;
mod value;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use network::Network;
pub use value::{Unfit, Value};

/// What is done about an object that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is only reported.
    Log,
    /// It is blocked, and reported.
    Block,
}

impl Action {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Block => "block",
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Log => 1,
            Self::Block => 2,
        }
    }

    /// By its number.
    pub const fn of_number(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Log),
            2 => Some(Self::Block),
            _ => None,
        }
    }

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Log, Self::Block].into_iter().find(|action| action.as_str() == text)
    }
}

/// How dangerous an object is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl RiskLevel {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
        }
    }

    /// By its number.
    pub const fn of_number(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Low),
            2 => Some(Self::Medium),
            3 => Some(Self::High),
            _ => None,
        }
    }

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|risk| risk.as_str() == text)
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SHA-1 of a file.
    Sha1,
    /// SHA-256 of a file.
    Sha256,
    /// An address or a network, IPv4 or IPv6.
    Ip,
    /// A domain name; with `*.` before it, it and every name below it.
    Domain,
    /// A URL.
    Url,
    /// A mail address that mail comes from.
    Sender,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Sha1, Self::Sha256, Self::Ip, Self::Domain, Self::Url, Self::Sender];

    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Ip => "ip",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Sender => "sender",
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
            Self::Ip => 3,
            Self::Domain => 4,
            Self::Url => 5,
            Self::Sender => 6,
        }
    }

    /// By its number.
    pub fn of_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose endpoints a tenant's block list is for, and how many of them enforce it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Agents that are connected and take a block list.
    pub connected: u32,
    /// Those of them that say that they enforce the version, or a newer one.
    pub confirmed: u32,
    /// Agents that are connected and too old to take a block list.
    pub incapable: u32,
    /// Active endpoints in all; those that are not connected catch up when they come back.
    pub endpoints: u32,
    /// Names of connected agents that did not confirm in time, at most 50.
    #[serde(default)]
    pub behind: Vec<String>,
    /// Milliseconds that the server waited for them.
    pub waited_ms: u64,
}

/// An object that was not listed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The object as it was given, at most 200 characters.
    pub value: String,
    /// `unfit`, `built_in`, `protected`, `excepted` or `full`.
    pub code: String,
    /// The same for people.
    pub reason: String,
}

/// Objects of one request that are written into it.
pub const MAX_INLINE: usize = 1000;
/// Objects of one request that come from a list of the library.
pub const MAX_LISTED: usize = 100_000;
/// Refused objects that an outcome names.
pub const MAX_NAMED: usize = 100;
/// Days after which an object expires at most; 0 stands for never.
pub const MAX_DAYS: u32 = 3650;
