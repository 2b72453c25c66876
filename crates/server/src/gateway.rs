//! The agents' port: enrolment, renewal, sessions, uploads, bodies of the library. Everything that arrives here is hostile
//! until it is checked, also from an endpoint that was enrolled: a compromised one keeps its certificate.
//!
//! - [`connection`]: TLS, who it is, HTTP/1.1; [`admission`]: how many.
//! - [`route`]: which request is which. [`admit`] stands before all that a known agent may do, and the type that it
//!   answers is the only key to the rest.
//! - [`session`]: the one WebSocket per endpoint, over which orders go out and outcomes come in.
//!
//! Invariants: an endpoint and its tenant come from its certificate, never from what it says; no lock is held across
//! an await; an idle session has no timer and no buffer of its own.

mod accept;
pub(crate) mod addresses;
mod admission;
mod admit;
mod attempts;
mod blocklist;
mod body;
mod connection;
mod enrol;
mod facts;
mod library;
mod ping;
mod renew;
mod reply;
mod route;
mod session;
mod sessions;
mod shell;
mod sweep;
mod trail;
pub(crate) mod trusts;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use quell_engine::{Clock, Engine};
use quell_store::{ArtifactStore, Store};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use addresses::Addresses;
pub(crate) use library::parse_hex;
pub use sessions::Sessions;
pub use trusts::Trusts;

use crate::blocklist::BlockLists;
use crate::incident::budget::Budgets;
use crate::pki::{self, Authority, GatewayCertificate};
use crate::protection::Protections;
use crate::shell::{Parts as ShellParts, Shells};
use crate::tls;

/// Bounds and habits of the gateway; the defaults suit a server on two cores.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an agent's certificate is good.
    pub certificate_life: Duration,
    /// Where agents reach this gateway, `address:port`; told at enrolment and at each session, unless
    /// [`Addresses`] has better news.
    pub addresses: Vec<String>,
    /// Seconds between an agent's keep-alives. One that says nothing three times is gone.
    pub keep_alive_s: u32,
    /// Between two looks for sessions that are over.
    pub sweep: Duration,
    /// How long the session of an agent that does not renew its certificate outlives it.
    pub certificate_grace: Duration,
    /// How long a TLS handshake may take, and the head of each request after it.
    pub handshake: Duration,
    /// Connections without a client certificate, in all.
    pub strangers: usize,
    /// The same from one address.
    pub strangers_per_address: u32,
    /// Connections of one endpoint.
    pub connections_per_endpoint: u32,
    /// Sessions that are being opened at a time; the rest of a crowd waits its turn.
    pub opening: usize,
    /// Files that are being received at a time.
    pub uploads: usize,
    /// The largest file that any action may send, bytes.
    pub max_artifact_bytes: u64,
    /// How long files are kept.
    pub artifact_life: Duration,
    /// Where artifacts are, to see how much room there is.
    pub artifact_directory: PathBuf,
    /// Bytes of disk that uploads leave alone.
    pub reserved_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            certificate_life: Duration::from_hours(7 * 24),
            addresses: Vec::new(),
            keep_alive_s: quell_wire::limits::KEEP_ALIVE_S,
            sweep: Duration::from_secs(5),
            certificate_grace: Duration::from_hours(1),
            handshake: Duration::from_secs(10),
            strangers: 4096,
            strangers_per_address: 1024,
            connections_per_endpoint: 24,
            opening: 64,
            uploads: 64,
            max_artifact_bytes: 17 << 30,
            artifact_life: Duration::from_hours(30 * 24),
            artifact_directory: PathBuf::from("."),
            reserved_bytes: 256 << 20,
        }
    }
}

/// What a gateway is made of.
pub struct Parts {
    /// Tasks.
    pub engine: Engine,
    /// The database.
    pub store: Store,
    /// The bytes of artifacts.
    pub artifacts: ArtifactStore,
    /// Who issues certificates.
    pub authority: Arc<Authority>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub settings: Settings,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What every connection holds.
struct Shared {
    engine: Engine,
    store: Store,
    artifacts: ArtifactStore,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    tls: Arc<ServerConfig>,
    sessions: Arc<Sessions>,
    addresses: Arc<Addresses>,
    trusts: Arc<Trusts>,
    block_lists: Arc<BlockLists>,
    chains: Budgets,
    protections: Arc<Protections>,
    shells: Shells,
    admission: admission::Admission,
    attempts: attempts::Attempts,
    copies: session::Copies,
    opening: Semaphore,
    uploads: Arc<Semaphore>,
    bodies: library::Bodies,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    fn now_us(&self) -> i64 {
        self.clock.now()
    }

    /// The encoded set of order keys that agents are to trust now.
    fn order_keys(&self) -> Vec<u8> {
        self.engine.signer().key_set().encode_to_vec()
    }
}

/// The gateway could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gateway's certificate.
    #[error("the gateway has no certificate")]
    Certificate(#[from] pki::Error),
    /// TLS.
    #[error("the gateway's TLS cannot be set up")]
    Tls(#[from] tls::SetupError),
}

impl Gateway {
    /// Puts a gateway together. It starts nothing by itself.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { engine, store, artifacts, authority, clock, settings } = parts;
        let provider = tls::provider();
        let certificate =
            GatewayCertificate::new(Arc::clone(&authority), Arc::clone(&provider), Arc::clone(&clock))?;
        let tls = tls::gateway_config(&authority, Arc::new(certificate), provider)?;
        let admission = admission::Admission::new(
            settings.strangers,
            settings.strangers_per_address,
            settings.connections_per_endpoint,
        );
        let sessions: Arc<Sessions> = Arc::default();
        let lists = BlockLists::new(engine.clone(), store.clone(), Arc::clone(&sessions));
        let protections =
            Protections::new(engine.clone(), store.clone(), Arc::clone(&clock), Arc::clone(&sessions));
        let shells = Shells::new(ShellParts {
            engine: engine.clone(),
            store: store.clone(),
            artifacts: artifacts.clone(),
            clock: Arc::clone(&clock),
            directory: settings.artifact_directory.join("shells"),
            artifact_life: settings.artifact_life,
        });
        let shared = Shared {
            block_lists: Arc::new(lists),
            chains: Budgets::default(),
            protections: Arc::new(protections),
            engine,
            store,
            artifacts,
            authority,
            clock,
            tls,
            sessions,
            addresses: Arc::new(Addresses::new(settings.addresses.clone())),
            trusts: Arc::default(),
            shells,
            admission,
            attempts: attempts::Attempts::default(),
            copies: session::Copies::default(),
            opening: Semaphore::new(settings.opening),
            uploads: Arc::new(Semaphore::new(settings.uploads)),
            bodies: library::Bodies::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settings,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Who is connected, and how to reach them.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.shared.sessions
    }

    /// Where agents are told to connect.
    pub fn addresses(&self) -> &Arc<Addresses> {
        &self.shared.addresses
    }

    /// What tenants' roots say of approvals.
    pub fn trusts(&self) -> &Arc<Trusts> {
        &self.shared.trusts
    }

    /// The tenants' block lists.
    pub fn block_lists(&self) -> &Arc<BlockLists> {
        &self.shared.block_lists
    }

    /// What the tenants want protected.
    pub fn protections(&self) -> &Arc<Protections> {
        &self.shared.protections
    }

    /// The remote shells.
    pub fn shells(&self) -> &Shells {
        &self.shared.shells
    }

    /// Serves agents until `shutdown` resolves, then says goodbye to all of them and returns.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        let sweeper = tokio::spawn(sweep::run(Arc::clone(&shared)));
        let shells = shared.shells.clone();
        let keeper = tokio::spawn(async move { shells.look_after().await });
        tokio::select! {
            () = accept::run(Arc::clone(&shared), listener) => {}
            () = shutdown => {}
        }
        session::dismiss_all(&shared).await;
        sweeper.abort();
        keeper.abort();
        sweep::flush_seen(&shared).await;
    }
}
