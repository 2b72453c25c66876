//! What a tenant wants its endpoints to record, to detect and to prevent: one small signed document, pushed in the session.
//!
//! The rules themselves are bodies that the document names by digest, fetched from [`crate::path::LIBRARY`]. Versions only
//! rise. A field that is not known here is ignored, an enumeration that is not known refuses the document: to ignore it could
//! mean to prevent what was to be left alone.

use prost::{Enumeration, Message};

use crate::activity::{Severity, Source};
use crate::keys::{Domain, SigningKey, Trust};
use crate::limits;
use crate::signed::{self, Document};
use crate::trust::is_id;

/// What is recorded, detected and prevented.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Protection {
    /// Whose.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// Rises with each change; from 1.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// When it was made, the server's clock, microseconds since 1970.
    #[prost(int64, tag = "3")]
    pub made_at_us: i64,
    /// Whether activity is recorded at all. Nothing is detected by behaviour, and no chain is built, where it is not.
    #[prost(bool, tag = "4")]
    pub record: bool,
    /// Bytes that the recorder's ring may take on the disk.
    #[prost(uint64, tag = "5")]
    pub ring_bytes: u64,
    /// Seconds after which activity is forgotten.
    #[prost(uint64, tag = "6")]
    pub ring_age_s: u64,
    /// What is done about a hit, for each source. Where none is named, it is [`Mode::Off`]; the block list has its own
    /// word in each object, and is only registered here or not.
    #[prost(message, repeated, tag = "7")]
    pub modes: Vec<SourceMode>,
    /// Hits of rules below this severity are never prevented, only detected.
    #[prost(enumeration = "Severity", tag = "8")]
    pub prevent_from: i32,
    /// Sigma rules: YAML documents, one after another, see [`documents`].
    #[prost(message, optional, tag = "9")]
    pub behaviour: Option<Rules>,
    /// YARA rules: one source text.
    #[prost(message, optional, tag = "10")]
    pub yara: Option<Rules>,
    /// What is not looked at.
    #[prost(message, repeated, tag = "11")]
    pub exclusions: Vec<Exclusion>,
}

/// What is done about hits of one source.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct SourceMode {
    /// Whose hits.
    #[prost(enumeration = "Source", tag = "1")]
    pub source: i32,
    /// What is done.
    #[prost(enumeration = "Mode", tag = "2")]
    pub mode: i32,
}

/// What is done about a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Mode {
    /// Nothing; it is not looked for.
    Off = 0,
    /// It is registered.
    Detect = 1,
    /// It is registered, and kept from running or ended.
    Prevent = 2,
}

/// A body of rules.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Rules {
    /// SHA-256 of it, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub sha256: Vec<u8>,
    /// Bytes.
    #[prost(uint64, tag = "2")]
    pub size: u64,
}

/// What is not looked at.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Exclusion {
    /// Id of the rule that it is for; empty for every rule.
    #[prost(string, tag = "1")]
    pub rule: String,
    /// The program, or the file, has this path, or is below it where it ends in `/`; empty: any.
    #[prost(bytes = "vec", tag = "2")]
    pub path: Vec<u8>,
    /// The program, or the file, has this SHA-256, 32 bytes; empty: any.
    #[prost(bytes = "vec", tag = "3")]
    pub sha256: Vec<u8>,
    /// The process runs as this user; absent: any.
    #[prost(uint32, optional, tag = "4")]
    pub uid: Option<u32>,
}

/// A document on its way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedProtection {
    /// An encoded [`Protection`].
    #[prost(bytes = "vec", tag = "1")]
    pub protection: Vec<u8>,
    /// Signature in [`Domain::Protection`], by an order key.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Which key signed.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

/// Why a document is not accepted. What is held stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a document, or too large.
    #[error("the protection document cannot be read")]
    Malformed,
    /// A field is beyond its limit, or means nothing.
    #[error("a field of the protection document is beyond its limit or means nothing: {0}")]
    Limit(&'static str),
    /// Signed by no order key that is trusted.
    #[error("the protection document is not signed by a trusted order key")]
    Signature,
    /// For another tenant.
    #[error("the protection document is for another tenant")]
    OtherTenant,
    /// Older than what is held.
    #[error("the protection document is older than the one held")]
    Stale,
}

impl Error {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "protection_malformed",
            Self::Limit(_) => "protection_limit",
            Self::Signature => "protection_bad_signature",
            Self::OtherTenant => "protection_other_tenant",
            Self::Stale => "protection_stale",
        }
    }
}

impl Document for Protection {
    type Error = Error;
    const DOMAIN: Domain = Domain::Protection;
    const MOST: usize = limits::PROTECTION;
    const MALFORMED: Error = Error::Malformed;
    const UNSIGNED: Error = Error::Signature;

    fn check(&self) -> Result<(), Error> {
        self.check()
    }
}

impl SignedProtection {
    /// Signs.
    pub fn sign(key: &SigningKey, protection: &[u8]) -> Self {
        let (signature, key_id) = signed::sign::<Protection>(key, protection);
        Self { protection: protection.to_vec(), signature, key_id }
    }

    /// The document, if it may follow the one held: signed by a trusted order key, for this tenant, not older.
    pub fn open(&self, trust: &Trust, tenant_id: &str, held: u64) -> Result<Protection, Error> {
        let protection: Protection = signed::open(trust, &self.protection, (&self.signature, &self.key_id))?;
        if protection.tenant_id != tenant_id {
            return Err(Error::OtherTenant);
        }
        if protection.version < held {
            return Err(Error::Stale);
        }
        Ok(protection)
    }
}

/// What stands between the documents of a body of behaviour rules.
pub const BETWEEN: &str = "---\n";

/// The documents of a body of behaviour rules, as they are compiled: one text each, so that a place that a compiler names is
/// one within a rule. Neither end reads YAML for it: no line of a document begins like that.
pub fn documents(body: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let text = line.trim_ascii_end();
        if text == "---" || text.starts_with("--- ") || text == "..." {
            documents.push(body.get(begin..at).unwrap_or_default());
            // What stands behind the dashes belongs to the document that they begin.
            begin = at + if text.starts_with("--- ") { 3 } else { line.len() };
        }
        at += line.len();
    }
    documents.push(body.get(begin..).unwrap_or_default());
    let says = |text: &&str| {
        text.lines().map(str::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(['#', '%']))
    };
    documents.into_iter().filter(says).collect()
}

impl Protection {
    /// Reads encoded bytes, if every field is within its limit.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        signed::read(bytes)
    }

    /// Whether every field is within its limit and means something.
    pub fn check(&self) -> Result<(), Error> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(Error::Limit(field)) };
        holds(is_id(&self.tenant_id), "tenant_id")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.version), "version")?;
        holds(limits::RING_BYTES.contains(&self.ring_bytes), "ring_bytes")?;
        holds(limits::RING_AGE_S.contains(&self.ring_age_s), "ring_age_s")?;
        holds(self.modes.len() <= 8, "modes")?;
        holds(self.modes.iter().all(|mode| mode.is_sound()), "modes")?;
        let severity = Severity::try_from(self.prevent_from);
        holds(severity.is_ok_and(|severity| severity != Severity::Unspecified), "prevent_from")?;
        let rules = [&self.behaviour, &self.yara];
        holds(rules.into_iter().flatten().all(Rules::is_sound), "rules")?;
        holds(self.exclusions.len() <= limits::EXCLUSIONS, "exclusions")?;
        holds(self.exclusions.iter().all(Exclusion::is_sound), "exclusions")
    }

    /// What is done about hits of a source.
    pub fn mode(&self, source: Source) -> Mode {
        let named = self.modes.iter().find(|mode| mode.source == i32::from(source));
        named.and_then(|mode| Mode::try_from(mode.mode).ok()).unwrap_or(Mode::Off)
    }
}

impl SourceMode {
    fn is_sound(self) -> bool {
        Source::try_from(self.source).is_ok_and(|source| source != Source::Unspecified)
            && Mode::try_from(self.mode).is_ok()
    }
}

impl Rules {
    fn is_sound(&self) -> bool {
        self.sha256.len() == 32 && (1..=limits::PROTECTION_RULES).contains(&self.size)
    }
}

impl Exclusion {
    /// Whether it means something: what names nothing would exclude everything.
    pub fn is_sound(&self) -> bool {
        let names = !self.path.is_empty() || !self.sha256.is_empty() || !self.rule.is_empty();
        let path = self.path.is_empty() || (self.path.starts_with(b"/") && self.path.len() <= limits::PATH);
        names && path && self.rule.len() <= limits::NAME && matches!(self.sha256.len(), 0 | 32)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::keys::KeySet;

    fn protection(version: u64) -> Protection {
        Protection {
            tenant_id: "t".into(),
            version,
            record: true,
            ring_bytes: 64 << 20,
            ring_age_s: 86_400,
            modes: vec![SourceMode { source: Source::Behaviour.into(), mode: Mode::Prevent.into() }],
            prevent_from: Severity::High.into(),
            ..Protection::default()
        }
    }

    #[test]
    fn a_document_is_taken_from_a_trusted_key_for_this_tenant_and_never_an_older_one() {
        let key = || SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let (key, other) = (key(), key());
        let set = KeySet { keys: vec![key.public()], ..KeySet::default() };
        let trust = Trust::pinned(set).unwrap();
        let signed = SignedProtection::sign(&key, &protection(3).encode_to_vec());
        let taken = signed.open(&trust, "t", 3).unwrap();
        assert_eq!((taken.mode(Source::Behaviour), taken.mode(Source::Yara)), (Mode::Prevent, Mode::Off));
        assert_eq!(signed.open(&trust, "t", 4), Err(Error::Stale));
        assert_eq!(signed.open(&trust, "u", 0), Err(Error::OtherTenant));
        let forged = SignedProtection::sign(&other, &signed.protection);
        assert_eq!(forged.open(&trust, "t", 0), Err(Error::Signature));
        let mut changed = signed.clone();
        changed.protection[0] ^= 1;
        assert_eq!(changed.open(&trust, "t", 0), Err(Error::Signature));
    }

    #[test]
    fn a_body_of_rules_is_cut_into_documents() {
        let body =
            "# ours\n---\ntitle: a\nfilter: '---x'\n---\r\ntitle: b\n...\n# end\n--- {title: c}\n---\n";
        let cut: Vec<&str> = documents(body).into_iter().map(str::trim).collect();
        assert_eq!(cut, ["title: a\nfilter: '---x'", "title: b", "{title: c}"]);
        assert_eq!(documents(""), [""; 0]);
        assert_eq!(documents("title: a"), ["title: a"]);
        let again = [cut[0], cut[1]].join(&format!("\n{BETWEEN}"));
        assert_eq!(documents(&again).len(), 2);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let spoil = |spoil: fn(&mut Protection)| {
            let mut protection = protection(1);
            spoil(&mut protection);
            Protection::read(&protection.encode_to_vec())
        };
        assert!(spoil(|_| ()).is_ok());
        assert_eq!(spoil(|protection| protection.version = 0), Err(Error::Limit("version")));
        assert_eq!(spoil(|protection| protection.modes[0].mode = 9), Err(Error::Limit("modes")));
        assert_eq!(spoil(|protection| protection.prevent_from = 0), Err(Error::Limit("prevent_from")));
        assert_eq!(spoil(|protection| protection.ring_bytes = 1), Err(Error::Limit("ring_bytes")));
        let all = |protection: &mut Protection| {
            protection.exclusions = vec![Exclusion { uid: Some(0), ..Exclusion::default() }];
        };
        assert_eq!(spoil(all), Err(Error::Limit("exclusions")));
        let rules = |protection: &mut Protection| {
            protection.yara = Some(Rules { sha256: vec![0; 32], size: limits::PROTECTION_RULES + 1 });
        };
        assert_eq!(spoil(rules), Err(Error::Limit("rules")));
    }
}
