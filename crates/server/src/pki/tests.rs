//! The authority on disk, and what it issues.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use quell_engine::Clock;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use uuid::Uuid;

use super::*;

const NOW: i64 = 1_800_000_000_000_000;
const WEEK: Duration = Duration::from_hours(7 * 24);

fn request() -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
}

#[test]
fn the_authority_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::open(directory.path(), NOW).unwrap().digest();
    assert_eq!(Authority::open(directory.path(), NOW + 1).unwrap().digest(), first);
    let mode = std::fs::metadata(directory.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path(), NOW).unwrap();
    let key = directory.path().join("ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Authority::open(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, Error::Private(PrivateFileError::Exposed { mode: 0o644, .. })), "{error}");
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn a_start_that_died_is_finished_and_a_lost_half_is_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let digest = Authority::open(directory.path(), NOW).unwrap().digest();
    // Died between the two renames.
    std::fs::rename(path("ca.pem"), path("ca.pem.new")).unwrap();
    assert_eq!(Authority::open(directory.path(), NOW).unwrap().digest(), digest);
    // Died before the first.
    std::fs::rename(path("ca.pem"), path("ca.pem.new")).unwrap();
    std::fs::rename(path("ca.key"), path("ca.key.new")).unwrap();
    let anew = Authority::open(directory.path(), NOW).unwrap().digest();
    assert_ne!(anew, digest, "nobody had seen the first");
    std::fs::rename(path("ca.key"), path("lost")).unwrap();
    assert!(matches!(Authority::open(directory.path(), NOW), Err(Error::Halves { .. })));
    std::fs::rename(path("lost"), path("ca.key")).unwrap();
    // The other half of another authority.
    let other = tempfile::tempdir().unwrap();
    Authority::open(other.path(), NOW).unwrap();
    std::fs::copy(other.path().join("ca.pem"), path("ca.pem")).unwrap();
    assert!(matches!(Authority::open(directory.path(), NOW), Err(Error::Halves { .. })));
}

#[test]
fn an_identity_is_read_back_and_nothing_else_passes_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    let (tenant, endpoint) = (Uuid::now_v7(), Uuid::now_v7());
    let issued = authority.issue_agent(&request(), tenant, endpoint, NOW, WEEK).unwrap();
    let identity = PeerIdentity::from_certificate(&issued.certificate).unwrap();
    assert_eq!((identity.tenant, identity.endpoint), (tenant, endpoint));
    assert_eq!(identity.public_key.as_slice(), issued.public_key);
    assert_eq!(identity.not_after_us, issued.not_after_us);
    assert_eq!(issued.not_after_us, NOW + WEEK.as_micros() as i64);
    let (server, _) = authority.issue_server(&["localhost".to_owned()], NOW, WEEK).unwrap();
    assert_eq!(PeerIdentity::from_certificate(&server.certificate), Err(PeerError));
    assert_eq!(PeerIdentity::from_certificate(authority.certificate()), Err(PeerError));
    assert_eq!(PeerIdentity::from_certificate(b"garbage"), Err(PeerError));
}

#[test]
fn serials_differ_and_are_positive() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    let request = request();
    let issue = || authority.issue_agent(&request, Uuid::nil(), Uuid::nil(), NOW, WEEK).unwrap();
    let (first, second) = (issue(), issue());
    assert_ne!(first.serial, second.serial);
    assert_eq!(first.serial.len(), 32);
    assert!(first.serial.as_bytes()[0] < b'8');
    let (_, parsed) = x509_parser::parse_x509_certificate(&first.certificate).unwrap();
    assert_eq!(quell_wire::digest::hex(parsed.raw_serial()), first.serial);
}

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn the_gateways_certificate_is_renewed_before_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path(), NOW).unwrap());
    let clock = Arc::new(Hand(AtomicI64::new(NOW)));
    let provider = crate::tls::provider();
    let certificate = GatewayCertificate::new(authority, provider, clock.clone()).unwrap();
    let first = certificate.current();
    let days = |days: i64| clock.0.store(NOW + days * 24 * 3_600_000_000, Ordering::Relaxed);
    days(19);
    assert_eq!(certificate.current().cert, first.cert);
    days(21);
    assert_ne!(certificate.current().cert, first.cert);
}
