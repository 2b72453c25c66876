//! What every handler holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quell_audit::Sealer;
use quell_engine::{Clock, Engine, RemoteSigner, Secrets};
use quell_notify::Reach;
use quell_store::{ArtifactStore, Error, Micros, Store, api_key, session};
use tokio::sync::watch;
use uuid::Uuid;

use crate::api::{Listings, Pace};
use crate::auth::oidc::Oidc;
use crate::auth::passkey::Passkeys;
use crate::auth::{Guesses, Hasher, Identity, Lockout, Principal};
use crate::blocklist::BlockLists;
use crate::config::{Config, Limits};
use crate::console::Console;
use crate::gateway::{Addresses, Sessions, Trusts};
use crate::install::Programs;
use crate::live::{Places, Standings};
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::pki::Authority;
use crate::protection::Protections;
use crate::public::Public;
use crate::rows::looks::Looks;
use crate::setup_code::SetupCode;
use crate::shell::Shells;
use crate::turns::Turns;
use crate::verification::Verifications;

/// Shared by all requests.
pub(crate) type App = Arc<Inner>;

/// The parts.
pub(crate) struct Inner {
    /// Tasks.
    pub engine: Engine,
    /// The database.
    pub store: Store,
    /// The bytes of artifacts.
    pub artifacts: ArtifactStore,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Derives passwords and codes.
    pub secrets: Secrets,
    /// Seals the audit trail.
    pub sealer: Sealer,
    /// Issues certificates; enrolment tokens name it.
    pub authority: Arc<Authority>,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    /// Where agents are told to connect.
    pub addresses: Arc<Addresses>,
    /// What tenants' roots say of approvals.
    pub trusts: Arc<Trusts>,
    /// The tenants' block lists.
    pub block_lists: Arc<BlockLists>,
    /// What the tenants want protected.
    pub protections: Arc<Protections>,
    /// The remote shells.
    pub shells: Shells,
    /// Signs orders.
    pub signer: Arc<RemoteSigner>,
    /// The tenant that was made at the first start.
    pub tenant: Uuid,
    /// Failed tries with keys.
    pub guesses: Guesses,
    /// Failed tries with passwords.
    pub lockout: Lockout,
    /// Hashes passwords, a few at a time.
    pub hasher: Hasher,
    /// The code of the first set-up.
    pub setup: SetupCode,
    /// What is counted.
    pub metrics: Metrics,
    /// How endpoints stood when they last changed.
    pub standings: Standings,
    /// Places of live streams.
    pub streams: Arc<Places>,
    /// Bounds.
    pub limits: Limits,
    /// Passkeys, and what is asked of them.
    pub passkeys: Passkeys,
    /// Sign-ins through identity providers.
    pub oidc: Oidc,
    /// Carries notices out.
    pub notices: Notices,
    /// Where people find the server, where that is known.
    pub public: Option<Public>,
    /// Where a tenant's settings may send the server.
    pub destinations: Reach,
    /// Verifications of audit trails, under way and just done.
    pub verifications: Verifications,
    /// Whose preview is made.
    pub previews: Turns,
    /// What archives hold that were just looked into.
    pub listings: Listings,
    /// Who looked at rows of late.
    pub looks: Looks,
    /// How many records of other products came with each key.
    pub pace: Pace,
    /// The web console.
    pub console: Console,
    /// Programs of the agent that are handed out.
    pub programs: Programs,
    /// The port where agents connect.
    pub gateway_port: u16,
    /// Whether people's connections are encrypted, here or by a proxy at the address where people find the server.
    pub is_tls: bool,
    /// Rises whenever a credential ends or what somebody may do changes.
    pub revocations: watch::Sender<u64>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// Whether the gateway accepts agents.
    pub gateway_listens: AtomicBool,
    /// The OpenAPI document, once somebody asked for it.
    pub openapi: OnceLock<String>,
    /// When keys and sessions were last used, until it is written.
    pub used: Mutex<HashMap<Used, Micros>>,
    /// When the database was last seen to take a write.
    pub written_at: AtomicI64,
}

/// What is put together before.
pub(crate) struct Parts {
    pub engine: Engine,
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub clock: Arc<dyn Clock>,
    pub secrets: Secrets,
    pub sealer: Sealer,
    pub authority: Arc<Authority>,
    pub sessions: Arc<Sessions>,
    pub addresses: Arc<Addresses>,
    pub trusts: Arc<Trusts>,
    pub block_lists: Arc<BlockLists>,
    pub protections: Arc<Protections>,
    pub shells: Shells,
    /// Signs orders.
    pub signer: Arc<RemoteSigner>,
    pub tenant: Uuid,
    pub setup: SetupCode,
    pub public: Option<Public>,
    /// The port where agents connect.
    pub gateway_port: u16,
    pub stopping: watch::Receiver<bool>,
}

impl Inner {
    /// Nothing asked yet.
    pub fn new(parts: Parts, config: &Config) -> Self {
        let Parts {
            engine,
            store,
            artifacts,
            clock,
            secrets,
            sealer,
            authority,
            sessions,
            addresses,
            trusts,
            block_lists,
            protections,
            shells,
            signer,
            tenant,
            setup,
            public,
            gateway_port,
            stopping,
        } = parts;
        Self {
            engine,
            store,
            artifacts,
            clock,
            secrets,
            sealer,
            authority,
            sessions,
            addresses,
            trusts,
            block_lists,
            protections,
            shells,
            signer,
            tenant,
            setup,
            stopping,
            guesses: Guesses::default(),
            lockout: Lockout::new(),
            hasher: Hasher::new(config.limits.password_cost),
            metrics: Metrics::new(),
            standings: Standings::default(),
            streams: Arc::default(),
            limits: config.limits,
            passkeys: Passkeys::new(public.as_ref()),
            public,
            oidc: Oidc::new(config.destinations),
            notices: Notices::new(config.destinations),
            destinations: config.destinations,
            programs: Programs::of(config.agents.clone()),
            gateway_port,
            verifications: Verifications::new(),
            previews: Turns::default(),
            listings: Listings::default(),
            looks: Looks::default(),
            pace: Pace::default(),
            console: Console::new(&config.console),
            is_tls: config.api_tls.is_some()
                || config.public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
            revocations: watch::Sender::new(0),
            gateway_listens: AtomicBool::new(false),
            openapi: OnceLock::new(),
            used: Mutex::default(),
            written_at: AtomicI64::new(0),
        }
    }

    /// The time.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Whether an endpoint's agent holds a session with this process.
    pub fn is_connected(&self, endpoint: Uuid) -> bool {
        self.sessions.is_connected(endpoint)
    }

    /// How many agents of a tenant hold a session with this process.
    pub fn connected_of(&self, tenant: Uuid) -> usize {
        self.sessions.all().iter().filter(|session| session.tenant == tenant).count()
    }

    /// Whether the gateway accepts agents.
    pub fn is_gateway_listening(&self) -> bool {
        self.gateway_listens.load(Ordering::Relaxed)
    }

    /// When the database was last seen to take a write.
    pub fn written_at(&self) -> Micros {
        self.written_at.load(Ordering::Relaxed)
    }

    /// The database took a write.
    pub fn note_written(&self, now: Micros) {
        self.written_at.store(now, Ordering::Relaxed);
    }

    /// Notes that a credential was used.
    pub fn touched(&self, identity: &Identity, now: Micros) {
        let used = match identity.principal {
            Principal::Key => Used::Key(identity.tenant, identity.id),
            Principal::Person { session } => Used::Session(identity.tenant, session),
        };
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(used, now);
    }

    /// What somebody may do changed, or a credential ended: nothing is believed that was read before, and live streams
    /// look again.
    pub fn access_changed(&self) {
        self.guesses.doubt();
        self.revocations.send_modify(|number| *number += 1);
    }

    /// Writes when keys and sessions were last used, in one transaction.
    pub async fn flush_used(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                used.iter().try_for_each(|(used, at)| match used {
                    Used::Key(tenant, key) => api_key::touch(tx, *tenant, *key, *at),
                    Used::Session(tenant, id) => session::touch(tx, *tenant, *id, *at),
                })
            })
            .await
    }
}

/// A credential that was used: its tenant and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Used {
    /// An API key.
    Key(Uuid, Uuid),
    /// A session.
    Session(Uuid, Uuid),
}
