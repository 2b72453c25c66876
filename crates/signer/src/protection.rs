//! Protection documents: which version of each tenant was signed last, and what is checked of the next.
//!
//! The signer compiles no rules; it reads the document, and keeps the version. So whoever holds the server cannot take a
//! tenant back to an older document, hand out two of one version, or have endpoints prevent where the policy says no.

use std::path::Path;

use prost::Message as _;
use quell_wire::digest::{hex, sha256};
use quell_wire::limits;
use quell_wire::protection::{Mode, Protection};
use serde::{Deserialize, Serialize};

use crate::check::Refusal;
use crate::file;
use crate::last::Last;
use crate::policy::{Policy, Protecting};

/// In the signer's directory.
const FILE: &str = "protections.json";

/// What was signed last of each tenant's documents.
#[derive(Debug)]
pub(crate) struct Documents(Last<Signed>);

/// A document that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    version: u64,
    sha256: String,
}

/// A document that may be signed.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) tenant: String,
    pub(crate) version: u64,
    /// SHA-256 of the document, lower-case hex.
    pub(crate) sha256: String,
}

impl Documents {
    /// Reads what was signed.
    pub(crate) fn open(directory: &Path) -> Result<Self, file::Error> {
        Last::open(directory, FILE).map(Self)
    }

    /// Checks a document.
    pub(crate) fn examine(&self, bytes: &[u8], policy: &Policy, now_us: i64) -> Result<Examined, Refusal> {
        let document =
            Protection::read(bytes).map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        if document.encode_to_vec() != bytes {
            let message = "the protection document has a field that this signer does not know";
            return Err(Refusal::new("protection_unknown_field", message));
        }
        if document.made_at_us > now_us.saturating_add(limits::CLOCK_SKEW_US) {
            return Err(Refusal::new("protection_time", "the protection document was made after now"));
        }
        check_policy(&document, policy)?;
        let sha256 = hex(&sha256(&[bytes]));
        let examined = Examined { tenant: document.tenant_id, version: document.version, sha256 };
        let Some(last) = self.0.of(&examined.tenant) else { return Ok(examined) };
        let is_same = last.version == examined.version && last.sha256 == examined.sha256;
        if is_same || examined.version > last.version {
            return Ok(examined);
        }
        let message = format!(
            "version {} of the protection document does not follow version {}, which was signed last",
            examined.version, last.version
        );
        Err(Refusal::new("protection_version", message))
    }

    /// Keeps what is signed, before it is.
    pub(crate) fn keep(&mut self, examined: &Examined) -> Result<(), file::Error> {
        let signed = Signed { version: examined.version, sha256: examined.sha256.clone() };
        self.0.keep(&examined.tenant, signed)
    }
}

fn check_policy(document: &Protection, policy: &Policy) -> Result<(), Refusal> {
    if !policy.allows_tenant(&document.tenant_id) {
        return Err(Refusal::new("tenant_not_allowed", "the signer's policy does not name this tenant"));
    }
    let prevents = document.modes.iter().any(|mode| mode.mode == i32::from(Mode::Prevent));
    let message = match policy.protection {
        Some(Protecting::None) => "the signer's policy lets no protection document pass",
        Some(Protecting::Detect) if prevents => "the signer's policy lets endpoints detect, not prevent",
        Some(Protecting::Detect | Protecting::Prevent) | None => return Ok(()),
    };
    Err(Refusal::new("protection_not_allowed", message))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use quell_wire::activity::{Severity, Source};
    use quell_wire::protection::SourceMode;

    use super::*;

    fn document(version: u64, mode: Mode) -> Protection {
        Protection {
            tenant_id: "t".into(),
            version,
            made_at_us: 5,
            record: true,
            ring_bytes: 64 << 20,
            ring_age_s: 86_400,
            modes: vec![SourceMode { source: Source::Behaviour.into(), mode: mode.into() }],
            prevent_from: Severity::High.into(),
            ..Protection::default()
        }
    }

    fn bytes(version: u64, mode: Mode) -> Vec<u8> {
        document(version, mode).encode_to_vec()
    }

    #[test]
    fn versions_rise_and_one_version_is_one_document() {
        let dir = tempfile::tempdir().unwrap();
        let policy = Policy::default();
        let mut documents = Documents::open(dir.path()).unwrap();
        let second = documents.examine(&bytes(2, Mode::Detect), &policy, 9).unwrap();
        documents.keep(&second).unwrap();
        let mut documents = Documents::open(dir.path()).unwrap();
        let code =
            |documents: &Documents, bytes: &[u8]| documents.examine(bytes, &policy, 9).unwrap_err().code;
        assert!(documents.examine(&bytes(2, Mode::Detect), &policy, 9).is_ok(), "the same once more");
        assert_eq!(code(&documents, &bytes(2, Mode::Prevent)), "protection_version");
        assert_eq!(code(&documents, &bytes(1, Mode::Detect)), "protection_version");
        let other = Protection { tenant_id: "u".into(), ..document(1, Mode::Detect) }.encode_to_vec();
        assert!(documents.examine(&other, &policy, 9).is_ok(), "each tenant has versions of its own");
        let later = documents.examine(&bytes(9, Mode::Prevent), &policy, 9).unwrap();
        documents.keep(&later).unwrap();
        assert_eq!(code(&documents, &bytes(3, Mode::Detect)), "protection_version");
    }

    #[test]
    fn what_must_not_be_handed_out_is_not_signed() {
        let dir = tempfile::tempdir().unwrap();
        let documents = Documents::open(dir.path()).unwrap();
        let code = |bytes: &[u8], policy: &str| {
            let policy = Policy::parse(policy.as_bytes()).unwrap();
            documents.examine(bytes, &policy, 0).map_err(|refusal| refusal.code)
        };
        let (detect, prevent) = (bytes(1, Mode::Detect), bytes(1, Mode::Prevent));
        assert!(code(&prevent, "{}").is_ok());
        assert!(code(&prevent, r#"{"protection": "prevent"}"#).is_ok());
        assert!(code(&detect, r#"{"protection": "detect"}"#).is_ok());
        assert_eq!(code(&prevent, r#"{"protection": "detect"}"#).unwrap_err(), "protection_not_allowed");
        assert_eq!(code(&detect, r#"{"protection": "none"}"#).unwrap_err(), "protection_not_allowed");
        assert_eq!(code(&detect, r#"{"tenants": ["u"]}"#).unwrap_err(), "tenant_not_allowed");
        let late = Protection { made_at_us: i64::MAX, ..document(1, Mode::Detect) };
        assert_eq!(code(&late.encode_to_vec(), "{}").unwrap_err(), "protection_time");
        let zero = Protection { version: 0, ..document(1, Mode::Detect) };
        assert_eq!(code(&zero.encode_to_vec(), "{}").unwrap_err(), "protection_limit");
        let mut more = detect.clone();
        more.extend([0xf8, 0x01, 1]);
        assert_eq!(code(&more, "{}").unwrap_err(), "protection_unknown_field");
        assert_eq!(code(b"\xff", "{}").unwrap_err(), "protection_malformed");
        assert_eq!(code(&vec![0; limits::PROTECTION + 1], "{}").unwrap_err(), "protection_malformed");
        assert!(Policy::parse(br#"{"protection": "everything"}"#).is_err());
    }
}
