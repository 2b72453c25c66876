//! How a server is set up. Everything has a default but the data directory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use quell_notify::Reach;

use crate::console::Assets;
use crate::signing::Signing;

/// The set-up of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Database, keys and files; made with mode 0700 when absent.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; `quell.db` in the data directory where absent.
    pub database: Option<String>,
    /// The fingerprint of the machine that the server runs on, as its own agent would say it: that endpoint is protected.
    pub own_machine: Option<String>,
    /// Where people and programs connect.
    pub api: SocketAddr,
    /// TLS of the people's port; plain HTTP is for loopback only.
    pub api_tls: Option<ApiTls>,
    /// Where agents connect.
    pub gateway: SocketAddr,
    /// Where agents are told to connect, `address:port`; what [`Config::gateway`] says where empty.
    pub advertise: Vec<String>,
    /// Where people find the server, `https://quell.example`; what follows from the rest where absent and anything does.
    pub public_url: Option<String>,
    /// Where the server lets itself be sent by a tenant's settings: webhooks, identity providers.
    pub destinations: Reach,
    /// Who signs orders.
    pub signing: Signing,
    /// Where programs of the agent are that are handed out to new endpoints, `quell-agent-linux-x86_64` and the like; the one
    /// beside the server's own program where absent.
    pub agents: Option<PathBuf>,
    /// The web console; none where it is empty.
    pub console: Assets,
    /// Bounds.
    pub limits: Limits,
}

/// Where the people's port has its certificate from.
#[derive(Clone, Debug)]
pub enum ApiTls {
    /// From these files.
    Files(TlsFiles),
    /// From the server's own authority (`ca.pem`), for these host names and addresses.
    Own {
        /// Names in the certificate.
        names: Vec<String>,
    },
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key; nobody but its owner may read it.
    pub key: PathBuf,
}

/// Bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of people and programs.
    pub connections: usize,
    /// Connections of people and programs from one address.
    pub connections_per_address: usize,
    /// How long a TLS handshake, and the head of a request, may take.
    pub head_time: Duration,
    /// How long a request may take until its answer begins, its body's arrival included.
    pub request_time: Duration,
    /// How long a certificate of an agent lives.
    pub agent_certificate: Duration,
    /// Bytes of one artifact.
    pub artifact_bytes: u64,
    /// How long an artifact is kept.
    pub artifact_life: Duration,
    /// The pause after the first failed try of a notice; later ones grow. Shorter only in tests.
    #[doc(hidden)]
    pub notice_pause: Duration,
    /// What hashing a password costs. Lower only in tests.
    #[doc(hidden)]
    pub password_cost: quell_access::password::Cost,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            connections_per_address: 512,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            agent_certificate: Duration::from_hours(7 * 24),
            artifact_bytes: 16 << 30,
            artifact_life: Duration::from_hours(90 * 24),
            notice_pause: Duration::from_secs(10),
            password_cost: quell_access::password::Cost::default(),
        }
    }
}

/// A set-up that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Keys would cross a network in the clear.
    #[error(
        "the API would speak plain HTTP on {address}, and keys could be read on the way; \
         give a certificate and key, let the server issue one itself, or listen on 127.0.0.1"
    )]
    PlainHttp {
        /// Where it would listen.
        address: SocketAddr,
    },
    /// No address that links could have.
    #[error(
        "the public URL must be https://HOST or https://HOST:PORT (http for this machine only), not {0:?}"
    )]
    PublicUrl(String),
    /// The address of the database is not one.
    #[error("the database must be sqlite:PATH or postgres://…, not {0:?}")]
    Database(String),
}

impl Config {
    /// A server with its data in this directory, and everything else as usual.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            own_machine: None,
            database: None,
            api: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8420),
            api_tls: None,
            gateway: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8421),
            advertise: Vec::new(),
            public_url: None,
            destinations: Reach::Global,
            signing: Signing::default(),
            agents: None,
            console: Assets::default(),
            limits: Limits::default(),
        }
    }

    /// The address of the database.
    pub(crate) fn database_url(&self) -> Result<String, ConfigError> {
        match &self.database {
            None => Ok(format!("sqlite:{}", self.data_dir.join("quell.db").display())),
            Some(url)
                if ["sqlite:", "postgres://", "postgresql://"].iter().any(|start| url.starts_with(start)) =>
            {
                Ok(url.clone())
            }
            Some(url) => Err(ConfigError::Database(url.split(':').next().unwrap_or_default().to_owned())),
        }
    }

    /// Whether the people's port may be opened at this address.
    pub(crate) fn check_plain(&self, address: SocketAddr) -> Result<(), ConfigError> {
        if self.api_tls.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(ConfigError::PlainHttp { address });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_machine() {
        let mut config = Config::new("/nowhere");
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8420);
        assert!(config.check_plain(config.api).is_ok());
        assert!(config.check_plain(any).is_err());
        assert!(config.check_plain("[::ffff:127.0.0.1]:1".parse().unwrap_or(any)).is_ok());
        config.api_tls = Some(ApiTls::Own { names: vec!["quell.example".to_owned()] });
        assert!(config.check_plain(any).is_ok());
    }

    #[test]
    fn a_database_address_is_told_without_its_password() {
        let mut config = Config::new("/nowhere");
        config.database = Some("mysql://user:secret@host/db".to_owned());
        let text = config.database_url().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("mysql") && !text.contains("secret"));
    }
}
