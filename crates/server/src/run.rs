//! Puts a server together, runs it, and takes it apart again.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use quell_engine::{
    Clock, Engine, Limits as EngineLimits, RemoteSigner, Secrets, SystemClock, SystemEntropy,
};
use quell_store::{ArtifactStore, Micros, Options, Store, tenant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::config::{Config, ConfigError};
use crate::first_key::{self, FirstKey};
use crate::gateway::{self, Gateway, Settings};
use crate::library::built_in;
use crate::listen::{self, Listeners};
use crate::pki::{self, Authority};
use crate::protection;
use crate::public::Public;
use crate::setup_code::{self, OpenSetup};
use crate::state::{App, Inner, Parts};
use crate::{api, api_tls, auth, directory, sealing, serve, signing};

/// A server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The set-up cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The database.
    #[error("the database cannot be opened")]
    Store(#[from] quell_store::Error),
    /// The artifacts.
    #[error("the artifacts cannot be opened")]
    Artifacts(#[from] quell_store::blob::Error),
    /// The certificate authority.
    #[error("the certificate authority cannot be opened")]
    Authority(#[from] pki::Error),
    /// The signer.
    #[error("there is no signer")]
    Signing(#[from] signing::Error),
    /// The secret from which passwords are derived.
    #[error("secret.key cannot be opened")]
    Secret(#[source] io::Error),
    /// The key of the audit trail.
    #[error(transparent)]
    Sealing(#[from] sealing::Error),
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
    /// Ends the signer's process when the server has ended.
    _keeper: Option<signing::Keeper>,
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
        directory::prepare(&config.data_dir)?;
        let lock = directory::lock(&config.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let authority = Arc::new(Authority::open(&config.data_dir, clock.now())?);
        let tls =
            config.api_tls.as_ref().map(|tls| api_tls::acceptor(tls, &authority, &clock)).transpose()?;
        let store = Store::open(&config.database_url()?, Options::default(), clock.now()).await?;
        let (stop, stopping) = watch::channel(false);
        let public = Public::of(&config, api_address)?;
        let signing::Opened { signer, keeper } = signing::open(&config.signing, &config.data_dir).await?;
        let opened = Opened { store, clock, authority, signer, public, stopping };
        let (app, gateway, first_key) = assemble(&config, gateway_address, opened).await?;
        auth::login::recall(&app).await?;
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
            _keeper: keeper,
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

    /// The code of the first set-up, while that is to be done. To be shown to whoever starts the server.
    pub fn open_setup(&self) -> Option<&OpenSetup> {
        self.app.setup.shown()
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
        let background = Background::start(&app);
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
        drop(background);
        if let Err(error) = app.sealer.round(&app.store, app.now()).await {
            tracing::warn!(%error, "the end of the audit trail is sealed at the next start");
        }
        if let Err(error) = app.flush_used().await {
            tracing::warn!(%error, "when keys were last used could not be written");
        }
        app.store.close().await;
    }
}

/// What is opened before anything is put together.
struct Opened {
    store: Store,
    clock: Arc<dyn Clock>,
    authority: Arc<Authority>,
    signer: Arc<RemoteSigner>,
    public: Option<Public>,
    stopping: watch::Receiver<bool>,
}

async fn assemble(
    config: &Config,
    gateway_address: SocketAddr,
    opened: Opened,
) -> Result<(App, Gateway, Option<FirstKey>), Error> {
    let Opened { store, clock, authority, signer, public, stopping } = opened;
    let directory = &config.data_dir;
    let (tenant, first_key) = first_key::ensure(&store, &directory.join("admin.key"), clock.now()).await?;
    provide(&store, clock.now()).await?;
    let setup = setup_code::ensure(&store, &directory.join("setup.code")).await?;
    let artifacts = ArtifactStore::open(&directory.join("artifacts")).await?;
    let sealer = sealing::open(&store, &directory.join("audit.key"), clock.now()).await?;
    let secrets = Secrets::open(&directory.join("secret.key"), &SystemEntropy).map_err(Error::Secret)?;
    let engine = engine(config, &store, &clock, Arc::clone(&signer), &secrets);
    let gateway = Gateway::new(gateway::Parts {
        engine: engine.clone(),
        store: store.clone(),
        artifacts: artifacts.clone(),
        authority: Arc::clone(&authority),
        clock: Arc::clone(&clock),
        settings: settings(config, gateway_address),
    })?;
    let sessions = Arc::clone(gateway.sessions());
    let addresses = Arc::clone(gateway.addresses());
    addresses.look(&store, tenant, &sessions).await?;
    let trusts = Arc::clone(gateway.trusts());
    trusts.look(&store, &sessions).await?;
    let block_lists = Arc::clone(gateway.block_lists());
    let protections = Arc::clone(gateway.protections());
    let parts = Parts {
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
        shells: gateway.shells().clone(),
        signer,
        tenant,
        setup,
        public,
        gateway_port: gateway_address.port(),
        stopping,
    };
    Ok((Arc::new(Inner::new(parts, config)), gateway, first_key))
}

/// What every tenant's library has from the beginning. A tenant that has it costs one look.
async fn provide(store: &Store, now: Micros) -> Result<(), quell_store::Error> {
    for tenant in store.read(tenant::list).await? {
        store.write(move |tx| built_in::ensure(tx, tenant.id, now)).await?;
    }
    protection::version::ensure_all(store, now).await
}

fn engine(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    signer: Arc<RemoteSigner>,
    secrets: &Secrets,
) -> Engine {
    Engine::new(quell_engine::Parts {
        store: store.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::new(SystemEntropy),
        signer,
        secrets: secrets.clone(),
        own_machine: config.own_machine.clone(),
        limits: EngineLimits::default(),
    })
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
