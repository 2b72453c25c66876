//! `quell signer run`: the signer's process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use quell_signer::{
    Options, SIGN_SOCKET, Service, Tcp, TlsFiles, confine, listen, outlive_nobody, system_clock,
};

use super::Directory;
use crate::command::server;
use crate::failure::Failure;

/// How the signer is reached, and by whom.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// `unix:PATH` or `tcp:ADDRESS:PORT` for the server (several times for several); `sign.sock` in the folder where absent
    #[arg(long, value_name = "PLACE")]
    listen: Vec<String>,
    /// A user, by number, who may ask for signatures beside the signer's own user and root (several times for several)
    #[arg(long, value_name = "UID")]
    peer_uid: Vec<u32>,
    /// Certificate chain for `tcp:`, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "client_ca")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authority that issued the servers' certificates, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Log as JSON lines
    #[arg(long)]
    log_json: bool,
    /// End when the standard input ends: how the server ends the signer that it started
    #[arg(long, hide = true)]
    lifeline: bool,
}

/// Runs it until it is told to stop.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    server::log(arguments.log_json);
    confine().map_err(|error| Failure::of(&error).during("giving up rights"))?;
    let (is_child, folder) = (arguments.lifeline, arguments.directory.path.clone());
    let options = arguments.options()?;
    let service = Service::open(&folder, system_clock()).map_err(|error| failed(&error))?;
    let service = Arc::new(service);
    let listening = listen(&service, &folder, options).map_err(|error| failed(&error))?;
    tracing::info!(folder = %folder.display(), tcp = ?listening.tcp, keys = ?service.keys(), "the signer is ready");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if is_child {
        runtime.block_on(outlive_the_server());
    } else {
        runtime.block_on(server::stop());
    }
    service.settle();
    Ok(())
}

/// Ends when the server has. Who asks all processes of a service to end asks the server; until it has let what is under way
/// finish, its orders need signatures.
async fn outlive_the_server() {
    let mut over = tokio::task::spawn_blocking(outlive_nobody);
    loop {
        tokio::select! {
            _ = &mut over => return,
            () = server::stop() => {}
        }
    }
}

fn failed(error: &dyn std::error::Error) -> Failure {
    let failure = Failure::of(error).during("the signer did not start");
    // A child's words reach nobody but its log.
    tracing::error!("{}", failure.message);
    failure
}

impl Arguments {
    fn options(self) -> Result<Options, Failure> {
        let files = match (self.tls_cert, self.tls_key, self.client_ca) {
            (Some(certificate), Some(key), Some(authority)) => Some(TlsFiles { certificate, key, authority }),
            _ => None,
        };
        let mut options = Options { peers: self.peer_uid, ..Options::default() };
        if self.listen.is_empty() {
            options.unix = Some(self.directory.path.join(SIGN_SOCKET));
        }
        for place in &self.listen {
            if let Some(path) = place.strip_prefix("unix:").filter(|path| !path.is_empty()) {
                options.unix = Some(path.into());
            } else if let Some(address) = place.strip_prefix("tcp:") {
                let address: SocketAddr = address
                    .parse()
                    .map_err(|_| Failure::new(format!("{place:?} is no address to listen on")))?;
                let files = files.clone().ok_or_else(|| {
                    Failure::new("a signer listens on TCP with certificates alone")
                        .hint("Give --tls-cert, --tls-key and --client-ca.")
                })?;
                options.tcp = Some(Tcp { address, files });
            } else {
                return Err(Failure::new(format!(
                    "a signer listens on unix:PATH or tcp:ADDRESS:PORT, not {place:?}"
                )));
            }
        }
        Ok(options)
    }
}
