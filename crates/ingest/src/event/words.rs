//! The words of an event: how bad it is, what became of it, what an observable is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Told for the record.
    Informational,
    /// Worth a look some day.
    Low,
    /// Worth a look. Also where the source says nothing.
    #[default]
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// Every one, from the least.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        let word = if word.eq_ignore_ascii_case("info") { "informational" } else { word };
        Self::ALL.into_iter().find(|one| one.word().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the source did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was seen.
    Detected,
    /// It was stopped.
    Prevented,
    /// It was to be stopped, and was not.
    NotPrevented,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Detected, Self::Prevented, Self::NotPrevented];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Prevented => "prevented",
            Self::NotPrevented => "not_prevented",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word().eq_ignore_ascii_case(word))
    }
}

/// What an observable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservableKind {
    /// Of IPv4 or IPv6.
    Address,
    /// A host name or a domain.
    Domain,
    /// The address of a page.
    Url,
    /// A path or a name.
    File,
    /// Hex.
    Hash,
    /// An account.
    User,
    /// A name of a process.
    Process,
    /// A command line.
    CommandLine,
    /// An address of mail.
    Email,
    /// A hardware address.
    Mac,
    /// Anything else.
    Other,
}

impl ObservableKind {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Address,
        Self::Domain,
        Self::Url,
        Self::File,
        Self::Hash,
        Self::User,
        Self::Process,
        Self::CommandLine,
        Self::Email,
        Self::Mac,
        Self::Other,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::File => "file",
            Self::Hash => "hash",
            Self::User => "user",
            Self::Process => "process",
            Self::CommandLine => "command_line",
            Self::Email => "email",
            Self::Mac => "mac",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word().eq_ignore_ascii_case(word))
    }
}
