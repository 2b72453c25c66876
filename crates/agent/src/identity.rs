//! Who this agent is and whom it trusts: written at enrolment, renewed and rotated since.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use quell_wire::digest::sha256;
use quell_wire::keys::{KeyError, KeySet, SignedKeySet, key_id};
use quell_wire::order;
use quell_wire::trust::{self, Pin, Pinned, SignedTrustBundle};
use quell_wire::{SigningKey, Trust};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::state::{self, StateDir};
use crate::tls;

/// The private key, PKCS#8. Made here, never sent, never rewritten.
pub const KEY: &str = "key.der";
const FILE: &str = "identity.json";

/// Why there is no identity, or it cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not enrolled.
    #[error("this endpoint is not enrolled; run `quell-agent enrol --server HOST:PORT --token TOKEN`")]
    NotEnrolled,
    /// The files are there and cannot be understood.
    #[error("the identity in the state directory is damaged: {0}")]
    Damaged(&'static str),
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The order keys are not acceptable.
    #[error("the order keys were not accepted")]
    Keys(#[from] KeyError),
    /// No root of trust is pinned, so nobody's word about approvers is taken.
    #[error("no root of trust is pinned here")]
    NotPinned,
    /// A trust bundle is not acceptable.
    #[error("the trust bundle was not accepted")]
    Trust(#[from] trust::Error),
    /// TLS did not take them.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// What is kept in the state directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// Its tenant.
    pub tenant_id: String,
    /// Itself.
    pub endpoint_id: String,
    /// Where it was told to find the gateway, `host:port`.
    pub server: String,
    /// Where the gateway said that it can be reached, `address:port`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What names resolved to the last time.
    #[serde(default)]
    pub resolved: BTreeMap<String, Vec<SocketAddr>>,
    /// The proxy on the way, as given; may hold credentials.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Certificate, DER.
    #[serde(with = "base64_text")]
    pub certificate: Vec<u8>,
    /// When it was received, microseconds since 1970.
    pub issued_at_us: i64,
    /// When it ends, microseconds since 1970.
    pub not_after_us: i64,
    /// The CA's certificate, DER.
    #[serde(with = "base64_text")]
    pub ca: Vec<u8>,
    /// The encoded set of order keys.
    #[serde(with = "base64_text")]
    pub order_keys: Vec<u8>,
    /// The trust bundle in force, encoded with its signature; empty where no root was pinned. What is here was accepted
    /// once, and its root is the pin.
    #[serde(default, with = "base64_text", skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<u8>,
}

mod base64_text {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

struct Live {
    stored: Stored,
    trust: Arc<Trust>,
    approvers: Option<Arc<Pinned>>,
    tls: Arc<ClientConfig>,
}

/// The identity of an enrolled agent.
pub struct Identity {
    state: StateDir,
    key: SigningKey,
    key_der: Vec<u8>,
    me: order::Identity,
    live: Mutex<Live>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Identity({}/{})", self.me.tenant_id, self.me.endpoint_id)
    }
}

impl Identity {
    /// Reads it.
    pub fn load(state: &StateDir) -> Result<Self, Error> {
        let bytes = state.read(FILE)?.ok_or(Error::NotEnrolled)?;
        let key_der = state.read(KEY)?.ok_or(Error::NotEnrolled)?;
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|_| Error::Damaged("identity.json cannot be read"))?;
        Self::new(state, stored, key_der)
    }

    /// An identity of these parts, after every check that a start makes. Nothing is written: see [`Identity::keep`].
    pub fn new(state: &StateDir, stored: Stored, key_der: Vec<u8>) -> Result<Self, Error> {
        let key = SigningKey::from_pkcs8(&key_der).map_err(|_| Error::Damaged("key.der is no key"))?;
        let set = KeySet::decode(stored.order_keys.as_slice())
            .map_err(|_| Error::Damaged("the order keys cannot be read"))?;
        let trust = Arc::new(Trust::pinned(set)?);
        let approvers = approvers(&stored)?;
        let tls = tls::config(sha256(&[&stored.ca]), Some((&stored.certificate, &key_der)))?;
        let me =
            order::Identity { tenant_id: stored.tenant_id.clone(), endpoint_id: stored.endpoint_id.clone() };
        let live = Mutex::new(Live { stored, trust, approvers, tls });
        Ok(Self { state: state.clone(), key, key_der, me, live })
    }

    /// Whether there is one.
    pub fn exists(state: &StateDir) -> Result<bool, Error> {
        Ok(state.read(FILE)?.is_some())
    }

    /// Writes a new one, the key first: an identity without its key would be a damaged one.
    pub fn keep(&self) -> Result<(), Error> {
        self.state.write(KEY, &self.key_der)?;
        write(&self.state, &self.live().stored)
    }

    /// Tenant and endpoint.
    pub fn me(&self) -> &order::Identity {
        &self.me
    }

    /// The key that signs outcomes.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The same as PKCS#8.
    pub fn key_der(&self) -> &[u8] {
        &self.key_der
    }

    /// The order keys trusted now.
    pub fn trust(&self) -> Arc<Trust> {
        self.live().trust.clone()
    }

    /// What the tenant's root says of approvals; `None` where no root is pinned.
    pub fn approvers(&self) -> Option<Arc<Pinned>> {
        self.live().approvers.clone()
    }

    /// TLS with the certificate held now.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.live().tls.clone()
    }

    /// What is stored now.
    pub fn stored(&self) -> Stored {
        self.live().stored.clone()
    }

    /// Where to look for the gateway, in order: where the agent was told at enrolment, then what was pushed.
    pub fn targets(&self) -> Vec<String> {
        let live = self.live();
        let mut targets = vec![live.stored.server.clone()];
        for address in &live.stored.addresses {
            if !targets.contains(address) {
                targets.push(address.clone());
            }
        }
        targets
    }

    /// Takes newer order keys that a trusted one signed. Durable when it returns.
    pub fn rotate(&self, signed: &SignedKeySet) -> Result<(), Error> {
        let mut live = self.live();
        let trust = live.trust.rotate(signed)?;
        let stored = Stored { order_keys: trust.set().encode_to_vec(), ..live.stored.clone() };
        write(&self.state, &stored)?;
        live.stored = stored;
        live.trust = Arc::new(trust);
        Ok(())
    }

    /// Takes a newer trust bundle, if it is the pinned root's. Durable when it returns.
    pub fn entrust(&self, signed: &SignedTrustBundle) -> Result<Arc<Pinned>, Error> {
        let mut live = self.live();
        let next = live.approvers.as_ref().ok_or(Error::NotPinned)?.accept(signed)?;
        self.keep_trust(&mut live, next)
    }

    /// Pins a root by the word of this machine's administrator, in the place of any that was pinned before. Durable when it
    /// returns.
    pub fn pin(&self, pin: &Pin, chain: &[SignedTrustBundle]) -> Result<Arc<Pinned>, Error> {
        let mut live = self.live();
        let next = Pinned::first(pin, &self.me.tenant_id, chain)?;
        self.keep_trust(&mut live, next)
    }

    fn keep_trust(&self, live: &mut Live, next: Pinned) -> Result<Arc<Pinned>, Error> {
        let stored = Stored { trust: next.signed().encode_to_vec(), ..live.stored.clone() };
        write(&self.state, &stored)?;
        let next = Arc::new(next);
        live.stored = stored;
        live.approvers = Some(next.clone());
        Ok(next)
    }

    /// Takes the next certificate. Durable when it returns.
    pub fn renew(&self, certificate: Vec<u8>, now_us: i64, not_after_us: i64) -> Result<(), Error> {
        let mut live = self.live();
        let stored = Stored { certificate, issued_at_us: now_us, not_after_us, ..live.stored.clone() };
        let tls = tls::config(sha256(&[&stored.ca]), Some((&stored.certificate, &self.key_der)))?;
        write(&self.state, &stored)?;
        live.stored = stored;
        live.tls = tls;
        Ok(())
    }

    /// Keeps where the gateway can be reached; `false` where nothing is new.
    pub fn learn(
        &self,
        addresses: Option<Vec<String>>,
        resolved: BTreeMap<String, Vec<SocketAddr>>,
    ) -> Result<bool, Error> {
        let mut live = self.live();
        let addresses = addresses.unwrap_or_else(|| live.stored.addresses.clone());
        if addresses == live.stored.addresses && resolved == live.stored.resolved {
            return Ok(false);
        }
        let stored = Stored { addresses, resolved, ..live.stored.clone() };
        write(&self.state, &stored)?;
        live.stored = stored;
        Ok(true)
    }

    /// When to ask for the next certificate: after two thirds of this one's life. Microseconds since 1970.
    pub fn renew_at_us(&self) -> i64 {
        let live = self.live();
        let life = live.stored.not_after_us.saturating_sub(live.stored.issued_at_us).max(0);
        live.stored.issued_at_us.saturating_add(life / 3 * 2)
    }

    /// Ids of the trusted order keys, for people.
    pub fn order_key_ids(&self) -> Vec<String> {
        self.live().trust.set().keys.iter().map(|key| key_id(key)).collect()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The trust bundle that was kept, checked again. One that is damaged keeps the agent from starting: without it, deeds
/// would run that its tenant's root forbids.
fn approvers(stored: &Stored) -> Result<Option<Arc<Pinned>>, Error> {
    if stored.trust.is_empty() {
        return Ok(None);
    }
    let damaged = || Error::Damaged("the trust bundle cannot be read");
    let signed = SignedTrustBundle::decode(stored.trust.as_slice()).map_err(|_| damaged())?;
    let pinned = Pinned::kept(&stored.tenant_id, signed).map_err(|_| damaged())?;
    Ok(Some(Arc::new(pinned)))
}

fn write(state: &StateDir, stored: &Stored) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(stored).map_err(|_| Error::Damaged("it cannot be written"))?;
    Ok(state.write(FILE, &bytes)?)
}
