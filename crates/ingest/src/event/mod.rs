//! The neutral event: what happened, as somebody else's product told it. Everything but source, time and title may be missing.

mod parts;
mod words;

use serde::{Deserialize, Serialize};

pub use parts::{Container, Endpoint, File, Network, Observable, Parent, Process, Rule, User};
pub use words::{ObservableKind, Severity, Verdict};

/// A short text: names, ids, words. Bytes.
pub(crate) const SHORT: usize = 256;
/// A line: titles, observables. Bytes.
pub(crate) const LINE: usize = 512;
/// A path, a description. Bytes.
pub(crate) const LONG: usize = 4096;
/// A command line. Bytes.
pub(crate) const COMMAND_LINE: usize = 8192;
/// Techniques of one event.
pub(crate) const TECHNIQUES: usize = 16;
/// Addresses of one endpoint.
pub(crate) const ADDRESSES: usize = 16;
/// Observables of one event.
pub(crate) const OBSERVABLES: usize = 64;
/// Remarks on one event.
const REMARKS: usize = 8;

/// One event of another product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Of which pack it was read, such as `suricata`.
    pub source: String,
    /// What the source calls it, to know it again; the digest of the record where the source has no name for it.
    pub source_id: String,
    /// When it happened by the source's clock, which may be wrong. Microseconds since 1970.
    pub at_us: i64,
    /// What happened, in a line.
    pub title: String,
    /// More words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What became of it, where the source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Techniques of MITRE ATT&CK, `T1059` or `T1059.004`, in the order of the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub techniques: Vec<String>,
    /// Hints at the machine on which it happened; none of them is proven.
    #[serde(skip_serializing_if = "is_empty")]
    pub endpoint: Endpoint,
    /// Who did it.
    #[serde(skip_serializing_if = "is_empty")]
    pub user: User,
    /// Which process did it.
    #[serde(skip_serializing_if = "is_empty")]
    pub process: Process,
    /// To which file.
    #[serde(skip_serializing_if = "is_empty")]
    pub file: File,
    /// Over which connection.
    #[serde(skip_serializing_if = "is_empty")]
    pub network: Network,
    /// In which container.
    #[serde(skip_serializing_if = "is_empty")]
    pub container: Container,
    /// By which rule of the source.
    #[serde(skip_serializing_if = "is_empty")]
    pub rule: Rule,
    /// What else can be looked for elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observables: Vec<Observable>,
    /// SHA-256 of the record as it came, lower case hex.
    pub raw_sha256: String,
    /// What of the record could not be taken over, and what was cut; at most eight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

impl Event {
    /// Every hash that the event names, lower case hex, SHA-256 first.
    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        let own = [&self.process.sha256, &self.file.sha256, &self.file.sha1, &self.file.md5];
        let named = self.observables.iter().filter(|one| one.kind == ObservableKind::Hash);
        own.into_iter().flatten().map(String::as_str).chain(named.map(|one| one.value.as_str()))
    }

    pub(crate) fn remark(&mut self, pointer: &str, message: impl Into<String>) {
        if self.remarks.len() < REMARKS {
            self.remarks.push(Remark { pointer: cut(pointer, LINE).0, message: message.into() });
        }
    }
}

/// Something of a record that could not be taken over as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Where in the record: a JSON pointer.
    pub pointer: String,
    /// What was wrong with it, or what was done to it.
    pub message: String,
}

fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The text within so many bytes, and whether something was cut off. NUL is replaced: no database takes it.
pub(crate) fn cut(text: &str, most: usize) -> (String, bool) {
    let end = if text.len() <= most { text.len() } else { text.floor_char_boundary(most) };
    let kept = text.get(..end).unwrap_or_default();
    let kept = if kept.contains('\0') { kept.replace('\0', " ") } else { kept.to_owned() };
    (kept, end < text.len())
}
