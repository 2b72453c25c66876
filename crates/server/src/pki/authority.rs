//! The authority itself: its key and certificate on disk, and what it signs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use quell_wire::digest::{Digest, sha256};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use ring::rand::SecureRandom;
use rustls::pki_types::CertificateDer;
use uuid::Uuid;

use super::{Error, csr, identity, private_file};

/// The authority outlives any machine that pinned it.
const AUTHORITY_LIFE: Duration = Duration::from_hours(20 * 365 * 24);
/// Certificates begin earlier, so that a peer whose clock is late accepts them.
const EARLY: Duration = Duration::from_hours(25);

/// A certificate that was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER.
    pub certificate: Vec<u8>,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// When it ends, microseconds since 1970.
    pub not_after_us: i64,
    /// The public key that it names, 32 bytes for Ed25519.
    pub public_key: Vec<u8>,
}

/// Signs certificates of agents and of this server. Its key never leaves it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Authority({})", quell_wire::digest::hex(&self.digest()))
    }
}

impl Authority {
    /// Opens the authority in this directory (`ca.key`, `ca.pem`), or makes it at first start.
    pub fn open(directory: &Path, now_us: i64) -> Result<Self, Error> {
        private_file::make_directory(directory)?;
        let (key_path, certificate_path) = (directory.join("ca.key"), directory.join("ca.pem"));
        let staged_certificate = directory.join("ca.pem.new");
        let key = if let Some(key) = private_file::read(&key_path)? {
            key
        } else {
            if certificate_path.exists() {
                return Err(Error::Halves { path: key_path });
            }
            let (key, certificate) = make(now_us)?;
            private_file::write(&staged_certificate, certificate.as_bytes(), true)?;
            private_file::read_or_create(&key_path, || Ok::<_, Error>(key.into_bytes()))?
        };
        // The key's rename is the moment from which the authority exists; a start that died after it is finished here.
        if !certificate_path.exists() {
            fs::rename(&staged_certificate, &certificate_path)
                .map_err(|_| Error::Halves { path: certificate_path.clone() })?;
            private_file::sync_directory(directory)?;
        }
        let certificate = fs::read(&certificate_path)
            .map_err(|source| Error::File { path: certificate_path.clone(), source })?;
        Self::from_pem(&key, &certificate).ok_or(Error::Halves { path: certificate_path })
    }

    fn from_pem(key: &[u8], certificate: &[u8]) -> Option<Self> {
        let key = KeyPair::from_pem(std::str::from_utf8(key).ok()?).ok()?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate).ok()?;
        let parsed = pem.parse_x509().ok()?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return None;
        }
        let certificate = CertificateDer::from(pem.contents.clone());
        Some(Self { issuer: Issuer::from_ca_cert_der(&certificate, key).ok()?, certificate })
    }

    /// The authority's own certificate: what agents pin.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of [`Self::certificate`], as it stands in enrolment tokens.
    pub fn digest(&self) -> Digest {
        sha256(&[&self.certificate])
    }

    /// A certificate for an agent. Of the request (DER) only the Ed25519 key is used, and only if the request is
    /// signed with it; what it says of names, uses or times is ignored.
    pub fn issue_agent(
        &self,
        request: &[u8],
        tenant: Uuid,
        endpoint: Uuid,
        now_us: i64,
        life: Duration,
    ) -> Result<Issued, IssueError> {
        let requested = csr::check(request)?;
        let mut params = leaf(now_us, life, &endpoint.to_string())?;
        params.subject_alt_names = vec![identity::name(tenant, endpoint).try_into().map(SanType::URI)?];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = SubjectPublicKeyInfo::from_der(&requested.spki)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.der().to_vec(),
            serial: serial_text(&params),
            not_after_us: seconds(now_us).saturating_add(life.as_secs() as i64) * 1_000_000,
            public_key: requested.public_key,
        })
    }

    /// A certificate for this server under these names (host names or IP addresses), with a fresh P-256 key (PKCS#8).
    pub fn issue_server(
        &self,
        names: &[String],
        now_us: i64,
        life: Duration,
    ) -> Result<(Issued, Vec<u8>), Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = leaf(now_us, life, "Quell server")?;
        params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        let issued = Issued {
            certificate: certificate.der().to_vec(),
            serial: serial_text(&params),
            not_after_us: seconds(now_us).saturating_add(life.as_secs() as i64) * 1_000_000,
            public_key: key.public_key_raw().to_vec(),
        };
        Ok((issued, key.serialize_der()))
    }
}

/// An agent's certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request is not acceptable.
    #[error(transparent)]
    Request(#[from] csr::CsrError),
    /// The authority failed.
    #[error(transparent)]
    Authority(#[from] Error),
}

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self::Authority(Error::Issue(error))
    }
}

fn seconds(us: i64) -> i64 {
    us.div_euclid(1_000_000)
}

fn make(now_us: i64) -> Result<(String, String), Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = blank(now_us, AUTHORITY_LIFE, "Quell certificate authority")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn leaf(now_us: i64, life: Duration, name: &str) -> Result<CertificateParams, Error> {
    let mut params = blank(now_us, life, name)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn blank(now_us: i64, life: Duration, name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds(now_us).max(0) as u64);
    params.not_before = now - EARLY;
    params.not_after = now + life;
    let mut serial = [0_u8; 16];
    ring::rand::SystemRandom::new().fill(&mut serial).map_err(|_| Error::Random)?;
    // RFC 5280 4.1.2.2: positive, at most 20 octets.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn serial_text(params: &CertificateParams) -> String {
    params
        .serial_number
        .as_ref()
        .map(|serial| quell_wire::digest::hex(&serial.to_bytes()))
        .unwrap_or_default()
}
