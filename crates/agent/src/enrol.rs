//! The first contact: both ends prove themselves by one token, and the endpoint gets its certificate.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use prost::Message;
use quell_wire::digest::sha256;
use quell_wire::enrol::{EnrolRequest, EnrolResponse, Token, decode};
use quell_wire::keys::{KeyError, KeySet};
use quell_wire::trust::{self, Pin, Pinned};
use quell_wire::{SigningKey, Trust, limits, path};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::dial::{self, Dialer};
use crate::identity::{self, Identity, Stored};
use crate::journal::{self, Journal};
use crate::proxy::{self, Proxy};
use crate::state::{self, StateDir};
use crate::{facts, request, tls};

/// For one way to the server.
const ATTEMPT: Duration = Duration::from_secs(45);

/// Why the endpoint was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a token.
    #[error("this is not an enrolment token; a token begins with `qle1.`")]
    Token,
    /// It has an identity.
    #[error("this endpoint is enrolled already as {0}; remove the state directory to enrol it anew")]
    Already(String),
    /// The server's answer is not what the token promised.
    #[error("the server's answer does not fit the token: {0}")]
    Answer(&'static str),
    /// The tenant's root of trust.
    #[error("the endpoint was not enrolled: it is to trust the approvers of one root alone")]
    Trust(#[from] trust::Error),
    /// The token says another root of trust than the person.
    #[error("the token names another root of trust than --trust-root does")]
    OtherRoot,
    /// No key could be made.
    #[error("no key could be made")]
    Key(#[from] KeyError),
    /// No signing request could be made.
    #[error("no certificate request could be made")]
    Csr(#[from] rcgen::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// No way to the server.
    #[error(transparent)]
    Dial(#[from] dial::Error),
    /// The request failed.
    #[error("enrolment failed")]
    Request(#[from] request::Error),
    /// The proxy's address.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The journal could not be made.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The identity could not be kept.
    #[error(transparent)]
    Identity(#[from] identity::Error),
}

/// What a person says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The gateway, `host:port`.
    pub server: String,
    /// The token.
    pub token: String,
    /// A proxy on the way.
    pub proxy: Option<String>,
    /// A name instead of the host's own.
    pub name: Option<String>,
    /// A machine's fingerprint instead of this one's: for simulated agents, of which one machine holds many.
    pub machine: Option<[u8; 32]>,
    /// The tenant's root of trust by the person's own word; without it the token's counts, which the server wrote.
    pub trust: Option<Pin>,
}

/// Takes this endpoint in. On success the state directory holds the identity; on failure nothing has changed
/// but, where the disk failed, an unused key or name.
pub async fn enrol(
    state: &StateDir,
    options: &Options,
    mark: Option<u32>,
    clock: &Clock,
) -> Result<Identity, Error> {
    if Identity::exists(state)? {
        return Err(Error::Already(Identity::load(state)?.me().endpoint_id.clone()));
    }
    let token = Token::from_text(&options.token).ok_or(Error::Token)?;
    let pin = pin_of(options.trust, token.trust)?;
    let proxy = options.proxy.as_deref().map(Proxy::parse).transpose()?;
    let key_der = SigningKey::generate()?;
    let facts = facts::gather(options.name.as_deref(), None, None);
    let body = EnrolRequest {
        secret: token.secret.to_vec(),
        csr: csr(&key_der)?,
        machine: options.machine.map_or_else(facts::machine, Vec::from),
        agent_version: crate::VERSION.to_owned(),
        facts: facts::encode(&facts),
    };
    let dialer = Dialer::new(mark, proxy);
    let answer = ask(&dialer, &options.server, &token, &body.encode_to_vec()).await?;
    let stored = check(answer, &token, pin, options, &dialer, clock)?;
    // Whatever the server answered: nothing is written before it is known that it can be read again.
    let identity = Identity::new(state, stored, key_der)?;
    if let Some(name) = &options.name {
        state.write(facts::NAME, name.as_bytes())?;
    }
    // Before the identity: from then on an absent journal is a lost one.
    Journal::create(&state.join(journal::FILE))?;
    identity.keep()?;
    Ok(identity)
}

async fn ask(dialer: &Dialer, server: &str, token: &Token, body: &[u8]) -> Result<EnrolResponse, Error> {
    let tls = tls::config(token.ca, None)?;
    let mut last = Error::Request(request::Error::Timeout);
    for route in dialer.routes(&[server.to_owned()]).await? {
        let post = request::to("POST", path::ENROL)
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(request::Error::Request)?;
        let sent = request::send(dialer, &route, tls.clone(), post, limits::ENROL_ANSWER);
        match timeout(ATTEMPT, sent).await.unwrap_or(Err(request::Error::Timeout)) {
            Ok(answer) => {
                let body = answer.success()?.body;
                return decode(&body).ok_or(Error::Answer("it is not of this protocol"));
            }
            // The server may have counted the token's use: another address is tried only where none was reached.
            Err(request::Error::Dial(error)) => last = Error::Dial(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last)
}

fn check(
    answer: EnrolResponse,
    token: &Token,
    pin: Option<Pin>,
    options: &Options,
    dialer: &Dialer,
    clock: &Clock,
) -> Result<Stored, Error> {
    if sha256(&[&answer.ca]) != token.ca {
        return Err(Error::Answer("it names another CA"));
    }
    let set = KeySet::decode(answer.order_keys.as_slice()).map_err(|_| Error::Answer("no order keys"))?;
    let order_keys = pin_keys(set, token)?.set().encode_to_vec();
    let is_id =
        |id: &str| !id.is_empty() && id.len() <= limits::ID && id.bytes().all(|b| b.is_ascii_graphic());
    if !is_id(&answer.tenant_id) || !is_id(&answer.endpoint_id) {
        return Err(Error::Answer("its ids are malformed"));
    }
    if answer.certificate.is_empty() || answer.certificate.len() > limits::CERTIFICATE {
        return Err(Error::Answer("it holds no certificate"));
    }
    let trust = match pin {
        Some(pin) => Pinned::first(&pin, &answer.tenant_id, &answer.trust)?.signed().encode_to_vec(),
        // Nobody said whom to believe, and the server is not asked: it is what such a bundle protects against.
        None => Vec::new(),
    };
    Ok(Stored {
        tenant_id: answer.tenant_id,
        endpoint_id: answer.endpoint_id,
        server: options.server.clone(),
        addresses: bounded(answer.addresses),
        resolved: dialer.kept(),
        proxy: options.proxy.clone(),
        certificate: answer.certificate,
        issued_at_us: clock.now_us(),
        not_after_us: answer.not_after_us,
        ca: answer.ca,
        order_keys,
        trust,
    })
}

/// The root that the person or the token names; both must name the same, and the later serial counts.
fn pin_of(said: Option<Pin>, token: Option<Pin>) -> Result<Option<Pin>, Error> {
    match (said, token) {
        (Some(said), Some(token)) if said.root != token.root => Err(Error::OtherRoot),
        (Some(said), Some(token)) => Ok(Some(Pin { serial: said.serial.max(token.serial), ..said })),
        (said, token) => Ok(said.or(token)),
    }
}

/// Trust in the one key that the token names. What else the answer lists is only the word of whoever answered: it
/// comes to be trusted by sets that the named key signed, which the server sends when the agent connects. The version
/// is unsigned as well, so the agent begins before the first and takes any set that its key signed.
fn pin_keys(mut set: KeySet, token: &Token) -> Result<Trust, Error> {
    set.keys.retain(|key| sha256(&[key]) == token.order_key);
    set.keys.truncate(1);
    if set.keys.is_empty() {
        return Err(Error::Answer("the order key that the token names is missing"));
    }
    Ok(Trust::pinned(KeySet { version: 0, keys: set.keys })?)
}

/// Addresses of the gateway as it said them, those of sensible length, and not too many.
pub fn bounded(addresses: Vec<String>) -> Vec<String> {
    let fits = |address: &String| {
        address.len() <= limits::ID
            && address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    addresses.into_iter().filter(fits).take(limits::ADDRESSES).collect()
}

/// A certificate request for this key. It says nothing but the key: who the endpoint is, is the server's word.
pub fn csr(key_der: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key_der), &PKCS_ED25519)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params.serialize_request(&key)?.der().to_vec())
}
