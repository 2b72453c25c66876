//! `quell server`: the platform itself, in this process.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use quell_server::console::Asset;
use quell_server::{ApiTls, Config, Listeners, Reach, Server, Signing, TlsFiles};
use quell_signer::Place;
use tracing_subscriber::EnvFilter;

use crate::command::signer;
use crate::failure::Failure;
use crate::output::terminal;

/// How the server is set up. Sockets may be handed over by the service manager (LISTEN_FDS, named api and gateway).
#[derive(Debug, Args)]
pub struct Arguments {
    /// Database, keys and files; made where absent
    #[arg(long, value_name = "FOLDER", env = "QUELL_DATA_DIR", default_value = "quell-data")]
    data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; SQLite in the data directory where absent
    #[arg(long, value_name = "URL", env = "QUELL_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Where people and programs connect; plain HTTP is for this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8420")]
    api: SocketAddr,
    /// Certificate chain of that port, PEM
    #[arg(long, value_name = "FILE", requires = "api_key")]
    api_certificate: Option<PathBuf>,
    /// Private key of that port, PEM
    #[arg(long, value_name = "FILE", requires = "api_certificate")]
    api_key: Option<PathBuf>,
    /// A name or address for a certificate that the server issues itself (several times for several)
    #[arg(long, value_name = "NAME", conflicts_with = "api_certificate")]
    api_name: Vec<String>,
    /// Where agents connect
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8421")]
    gateway: SocketAddr,
    /// Where agents are told to connect, `address:port` (several times for several)
    #[arg(long, value_name = "ADDRESS")]
    advertise: Vec<String>,
    /// Where people find the server, `https://quell.example`: for links, single sign-on and passkeys
    #[arg(long, value_name = "URL", env = "QUELL_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where tenants' settings may send the server: webhooks, identity providers
    #[arg(long, value_enum, default_value_t = Destinations::Internet)]
    destinations: Destinations,
    /// Programs of the agent for new endpoints, `quell-agent-linux-x86_64` and `-aarch64`; the one beside this program where absent
    #[arg(long, value_name = "FOLDER", env = "QUELL_AGENTS")]
    agents: Option<PathBuf>,
    /// Days that a collected file is kept
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    keep_artifacts: u16,
    /// A signer that somebody else runs, `unix:PATH` or `tcp:HOST:PORT`; one of its own where absent
    #[arg(long, value_name = "PLACE", env = "QUELL_SIGNER")]
    signer: Option<String>,
    /// The server's own certificate for a signer on another host, PEM
    #[arg(long, value_name = "FILE", requires_all = ["signer", "signer_key", "signer_ca"])]
    signer_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "signer_cert")]
    signer_key: Option<PathBuf>,
    /// The authority that issued that signer's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "signer_cert")]
    signer_ca: Option<PathBuf>,
    /// Log as JSON lines
    #[arg(long)]
    log_json: bool,
}

/// Where the server lets itself be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Destinations {
    /// Public addresses only
    Internet,
    /// Also private ranges, such as those of a company's own network
    Private,
    /// Anywhere, this machine and plain HTTP too: for a laboratory
    Any,
}

impl Arguments {
    fn config(self) -> Result<Config, Failure> {
        let signing = self.signing()?;
        let mut config = Config::new(self.data_dir);
        config.signing = signing;
        config.own_machine = own_machine();
        config.console = quell_console::FILES.iter().map(asset).collect();
        config.database = self.database;
        config.agents = self.agents;
        config.api = self.api;
        config.gateway = self.gateway;
        config.advertise = self.advertise;
        config.public_url = self.public_url;
        config.destinations = match self.destinations {
            Destinations::Internet => Reach::Global,
            Destinations::Private => Reach::Private,
            Destinations::Any => Reach::Anywhere,
        };
        config.limits.artifact_life = std::time::Duration::from_secs(u64::from(self.keep_artifacts) * 86_400);
        config.api_tls = match (self.api_certificate, self.api_key) {
            (Some(certificate), Some(key)) => Some(ApiTls::Files(TlsFiles { certificate, key })),
            _ if self.api_name.is_empty() => None,
            _ => Some(ApiTls::Own { names: self.api_name }),
        };
        Ok(config)
    }

    fn signing(&self) -> Result<Signing, Failure> {
        let files = match (&self.signer_cert, &self.signer_key, &self.signer_ca) {
            (Some(certificate), Some(key), Some(authority)) => Some(quell_signer::TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                authority: authority.clone(),
            }),
            _ => None,
        };
        let Some(place) = &self.signer else {
            return Ok(signer::of_server(self.log_json));
        };
        let place = Place::parse(place, files.as_ref()).map_err(|error| {
            Failure::of(&error)
                .hint("A signer on another host needs --signer-cert, --signer-key and --signer-ca.")
        })?;
        Ok(Signing::At(place))
    }
}

/// Runs it until it is told to stop.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    log(arguments.log_json);
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Read while there is one thread only.
    let listeners =
        Listeners::inherited().map_err(|error| Failure::of(&error).during("taking over sockets"))?;
    let config = arguments.config()?;
    let scheme = if config.api_tls.is_some() { "https" } else { "http" };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(config, listeners)
            .await
            .map_err(|error| Failure::of(&error).during("the server did not start"))?;
        greet(&server, scheme);
        server.run(stop()).await;
        Ok(())
    })
}

/// Says where it is. The first key is shown this once; its file is for those who were not looking.
fn greet(server: &Server, scheme: &str) {
    let mut lines = vec![
        format!("API      {scheme}://{}", server.api_address()),
        format!("agents   {}", server.gateway_address()),
    ];
    if let Some(key) = server.first_key() {
        lines.push(format!("key      {}", key.text));
        lines.push(format!(
            "         the first administrator's, also in {}; quell login keeps it",
            key.file.display()
        ));
    }
    if let Some(setup) = server.open_setup() {
        lines.push(format!("set-up   {}", setup.code));
        lines.push(format!(
            "         opens the first set-up, also in {}; quell setup makes the first administrator",
            setup.file.display()
        ));
    }
    // Without a reader the log says it, but for the key.
    let _ = terminal::complain(&lines.join("\n"));
}

/// Ends when the process is asked to end.
pub async fn stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without signals there is nothing to wait for but the end.
    if interrupted.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Logs to the standard error.
pub fn log(json: bool) {
    let filter = EnvFilter::try_from_env("QUELL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    // A second logger would be a mistake of ours and no reason to stop.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
}

/// A file of the console as the server takes it: neither crate knows the other.
fn asset(file: &quell_console::File) -> Asset {
    let quell_console::File { path, media_type, tag, plain, gzip, brotli } = *file;
    Asset { path, media_type, tag, plain, gzip, brotli }
}

/// What the agent of this machine would say of it.
fn own_machine() -> Option<String> {
    #[cfg(target_os = "linux")]
    let fingerprint = {
        use quell_host::system::{FINGERPRINT, machine_fingerprint};
        Some(quell_wire::digest::hex(&machine_fingerprint(FINGERPRINT).sha256))
    };
    #[cfg(not(target_os = "linux"))]
    let fingerprint = None;
    fingerprint
}
