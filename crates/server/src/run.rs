//! Puts a server together, runs it, and takes it apart again.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quell_engine::{
    Auto, Change, Clock, Engine, FileSigner, Heard, Limits as EngineLimits, Secrets, SystemClock,
    SystemEntropy,
};
use quell_store::{ArtifactStore, Options, Store};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, ConfigError};
use crate::first_key::{self, FirstKey};
use crate::gateway::{self, Gateway, Settings};
use crate::listen::{self, Listeners};
use crate::metrics::Metrics;
use crate::pki::{self, Authority};
use crate::state::{App, Inner};
use crate::{api, api_tls, live, retention, serve};

/// Time between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Time between two rounds of slower work.
const ROUND: Duration = Duration::from_mins(1);

/// A server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The set-up cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error("the data directory {path} cannot be used")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another server uses the directory.
    #[error("another server uses the data directory {0}; stop it first")]
    InUse(PathBuf),
    /// Others may read what only the server may read.
    #[error(
        "{path} may be read by others (mode {mode:03o}); `chmod go-rwx` it, and replace the key if others had access"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The database.
    #[error("the database cannot be opened")]
    Store(#[from] quell_store::Error),
    /// The artifacts.
    #[error("the artifacts cannot be opened")]
    Artifacts(#[from] quell_store::blob::Error),
    /// The certificate authority.
    #[error("the certificate authority cannot be opened")]
    Authority(#[from] pki::Error),
    /// The order key.
    #[error("the order key cannot be opened")]
    Signer(#[from] quell_engine::signer::Error),
    /// The secret from which passwords are derived.
    #[error("secret.key cannot be opened")]
    Secret(#[source] io::Error),
    /// The first API key.
    #[error(transparent)]
    FirstKey(#[from] first_key::Error),
    /// The gateway.
    #[error("the gateway cannot be set up")]
    Gateway(#[from] gateway::Error),
    /// TLS of the people's port.
    #[error(transparent)]
    Tls(#[from] api_tls::Error),
    /// A port.
    #[error(transparent)]
    Listen(#[from] listen::Error),
}

/// A server that is ready: its sockets listen, its database is open. [`Server::run`] serves.
pub struct Server {
    app: App,
    gateway: Gateway,
    api_listener: TcpListener,
    gateway_listener: TcpListener,
    api_address: SocketAddr,
    gateway_address: SocketAddr,
    tls: Option<TlsAcceptor>,
    stop: watch::Sender<bool>,
    first_key: Option<FirstKey>,
    _lock: File,
}

/// Runs a server until `shutdown` resolves, then lets what is under way finish, for a while.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::start(config, listeners).await?.run(shutdown).await;
    Ok(())
}

impl Server {
    /// Makes a server ready.
    ///
    /// # Errors
    /// What keeps it from starting; then nothing listens.
    pub async fn start(config: Config, listeners: Listeners) -> Result<Self, Error> {
        let api_listener = listen::ready(listeners.api, config.api)?;
        let gateway_listener = listen::ready(listeners.gateway, config.gateway)?;
        let address = |listener: &TcpListener, wanted| {
            listener.local_addr().map_err(|source| listen::Error::Bind { address: wanted, source })
        };
        let api_address = address(&api_listener, config.api)?;
        let gateway_address = address(&gateway_listener, config.gateway)?;
        config.check_plain(api_address)?;
        prepare(&config.data_dir)?;
        let lock = lock(&config.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let authority = Arc::new(Authority::open(&config.data_dir, clock.now())?);
        let tls =
            config.api_tls.as_ref().map(|tls| api_tls::acceptor(tls, &authority, &clock)).transpose()?;
        let store = Store::open(&config.database_url()?, Options::default(), clock.now()).await?;
        let (stop, stopping) = watch::channel(false);
        let parts = assemble(&config, gateway_address, store, clock, authority, stopping).await?;
        let (app, gateway, first_key) = parts;
        Ok(Self {
            app,
            gateway,
            api_listener,
            gateway_listener,
            api_address,
            gateway_address,
            tls,
            stop,
            first_key,
            _lock: lock,
        })
    }

    /// Where people and programs connect.
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Where agents connect.
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway_address
    }

    /// The administrator's key, if this was the first start. To be shown once.
    pub fn first_key(&self) -> Option<&FirstKey> {
        self.first_key.as_ref()
    }

    /// Tasks, for those who run a server inside their own process.
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    /// Serves until `shutdown` resolves.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { app, gateway, api_listener, gateway_listener, tls, stop, .. } = self;
        let router = api::router(app.clone());
        let api = tokio::spawn(serve::serve(api_listener, tls, router, app.clone(), app.stopping.clone()));
        let mut stopping = app.stopping.clone();
        let agents = tokio::spawn(async move {
            gateway
                .serve(gateway_listener, async move {
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                })
                .await;
        });
        app.gateway_listens.store(true, Ordering::Relaxed);
        let due = tokio::spawn(tick(app.clone()));
        let slow = tokio::spawn(rounds(app.clone()));
        let counted = tokio::spawn(count(app.clone()));
        tracing::info!(api = %self.api_address, gateway = %self.gateway_address, "the server is ready");
        shutdown.await;
        tracing::info!("the server stops");
        app.gateway_listens.store(false, Ordering::Relaxed);
        stop.send_replace(true);
        for (name, task) in [("API", api), ("gateway", agents)] {
            if let Err(error) = task.await {
                tracing::error!(%error, "the {name} ended unexpectedly");
            }
        }
        due.abort();
        slow.abort();
        counted.abort();
        if let Err(error) = app.flush_used().await {
            tracing::warn!(%error, "when keys were last used could not be written");
        }
        app.store.close().await;
    }
}

async fn assemble(
    config: &Config,
    gateway_address: SocketAddr,
    store: Store,
    clock: Arc<dyn Clock>,
    authority: Arc<Authority>,
    stopping: watch::Receiver<bool>,
) -> Result<(App, Gateway, Option<FirstKey>), Error> {
    let directory = &config.data_dir;
    let (tenant, first_key) = first_key::ensure(&store, &directory.join("admin.key"), clock.now()).await?;
    let artifacts = ArtifactStore::open(&directory.join("artifacts")).await?;
    let secrets = Secrets::open(&directory.join("secret.key"), &SystemEntropy).map_err(Error::Secret)?;
    let engine = Engine::new(quell_engine::Parts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        entropy: Arc::new(SystemEntropy),
        signer: Arc::new(FileSigner::open(&directory.join("order.key"))?),
        secrets: secrets.clone(),
        approval: Arc::new(Auto),
        limits: EngineLimits::default(),
    });
    let gateway = Gateway::new(gateway::Parts {
        engine: engine.clone(),
        store: store.clone(),
        artifacts: artifacts.clone(),
        authority: Arc::clone(&authority),
        clock: Arc::clone(&clock),
        settings: settings(config, gateway_address),
    })?;
    let app = Arc::new(Inner {
        engine,
        store,
        artifacts,
        clock,
        secrets,
        authority,
        sessions: Arc::clone(gateway.sessions()),
        tenant,
        guesses: crate::auth::Guesses::default(),
        metrics: Metrics::new(),
        streams: Arc::new(Semaphore::new(live::STREAMS)),
        limits: config.limits,
        is_tls: config.api_tls.is_some(),
        key_revocations: watch::Sender::new(0),
        stopping,
        gateway_listens: false.into(),
        openapi: std::sync::OnceLock::new(),
        used: std::sync::Mutex::default(),
        written_at: 0.into(),
    });
    Ok((app, gateway, first_key))
}

fn settings(config: &Config, gateway_address: SocketAddr) -> Settings {
    let mut addresses = config.advertise.clone();
    // "Every address of this machine" tells an agent nothing; it then stays with the one that it dialled.
    if addresses.is_empty() && !gateway_address.ip().is_unspecified() {
        addresses.push(gateway_address.to_string());
    }
    Settings {
        certificate_life: config.limits.agent_certificate,
        addresses,
        max_artifact_bytes: config.limits.artifact_bytes,
        artifact_life: config.limits.artifact_life,
        artifact_directory: config.data_dir.join("artifacts"),
        ..Settings::default()
    }
}

/// The data directory, made when absent, and refused while others may read its keys.
fn prepare(directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Directory { path: directory.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    for name in ["", "ca.key", "order.key", "secret.key", "admin.key"] {
        let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
        match check_private(&path) {
            Err(Error::Directory { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Keeps other servers out of the directory, until dropped or until the process ends however it ends.
fn lock(directory: &Path) -> Result<File, Error> {
    let failed = |source| Error::Directory { path: directory.to_owned(), source };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(directory.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether nobody but the owner may do anything with this path.
pub(crate) fn check_private(path: &Path) -> Result<(), Error> {
    let found =
        std::fs::metadata(path).map_err(|source| Error::Directory { path: path.to_owned(), source })?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 { Err(Error::Exposed { path: path.to_owned(), mode }) } else { Ok(()) }
}

async fn tick(app: App) {
    let mut turn = interval(TICK);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        if let Err(error) = app.engine.tick().await {
            tracing::error!(%error, "what is due could not be done; it is tried again");
        }
    }
}

async fn rounds(app: App) {
    let mut turn = interval(ROUND);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        if let Err(error) = app.flush_used().await {
            tracing::warn!(%error, "when keys were last used could not be written");
        }
        if let Err(problem) = retention::sweep(&app).await {
            tracing::warn!(?problem, "expired artifacts could not be removed");
        }
    }
}

/// Counts what changes, for the metrics.
async fn count(app: App) {
    let mut news = app.engine.changes().watch(app.tenant);
    while let Some(heard) = news.next().await {
        match heard {
            Heard::Change(Change::Task { state, .. }) => app.metrics.changed("task", state),
            Heard::Change(Change::Command { state, .. }) => app.metrics.changed("command", state),
            Heard::Change(Change::Progress { .. } | Change::Endpoint { .. }) | Heard::Resync => {}
        }
    }
}
