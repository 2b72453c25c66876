//! The agent's own door on the machine: a Unix socket in the private state directory, for root and the
//! agent's user only. One line of JSON in, one line out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_wire::trust::{Pin, SignedTrustBundle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::identity;
use crate::isolation::{Guess, Isolation};
use crate::runner::chain;

/// Its name in the state directory.
pub const SOCKET: &str = "control.sock";
/// Longest line. Bytes.
const LINE: u64 = 1 << 20;
/// Longest answer that a client takes. Bytes.
const ANSWER: u64 = 1 << 20;
/// For one exchange.
const LIMIT: Duration = Duration::from_secs(30);
/// Callers at one time.
const CALLERS: usize = 8;

/// What may be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask", deny_unknown_fields)]
pub enum Ask {
    /// How things stand.
    Status,
    /// End the isolation, by its one-time code.
    Release {
        /// The code.
        code: String,
    },
    /// Pin a root of trust.
    Pin {
        /// A [`Pin`] as text.
        root: String,
        /// Signed bundles, oldest first, each encoded and in base64.
        bundles: Vec<String>,
    },
}

/// Why the running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not run, or the caller may not speak to it.
    #[error("the agent does not answer at {path}; is it running, and are you root?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It broke off.
    #[error("the agent broke off")]
    Broken(#[source] std::io::Error),
    /// It said something else.
    #[error("the agent's answer cannot be read")]
    Answer(#[source] serde_json::Error),
    /// It took too long.
    #[error("the agent did not answer in time")]
    Timeout,
}

/// Answers callers for as long as the agent runs.
pub async fn serve(
    path: PathBuf,
    isolation: Isolation,
    status: impl Fn() -> Value + Send + Sync + 'static,
    pin: impl Fn(&Pin, &[SignedTrustBundle]) -> Result<Value, identity::Error> + Send + Sync + 'static,
) -> std::io::Result<()> {
    // One agent holds the directory's lock, so what is left there is of a dead one.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    let (status, pin) = (std::sync::Arc::new(status), std::sync::Arc::new(pin));
    let callers = std::sync::Arc::new(Semaphore::new(CALLERS));
    loop {
        let Ok(permit) = callers.clone().acquire_owned().await else { return Ok(()) };
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the control socket failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if !is_allowed(&stream) {
            continue;
        }
        let (isolation, status, pin) = (isolation.clone(), status.clone(), pin.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let _ = timeout(LIMIT, answer(stream, &isolation, &*status, &*pin)).await;
        });
    }
}

/// The directory's mode keeps others out already; this holds should somebody loosen it.
fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

async fn answer(
    mut stream: UnixStream,
    isolation: &Isolation,
    status: &(impl Fn() -> Value + Sync),
    pin: &(impl Fn(&Pin, &[SignedTrustBundle]) -> Result<Value, identity::Error> + Sync),
) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(LINE)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Ask::Status) => status(),
        Ok(Ask::Release { code }) => release(isolation, code).await,
        Ok(Ask::Pin { root, bundles }) => match read_pin(&root, &bundles) {
            Some((root, bundles)) => match pin(&root, &bundles) {
                Ok(trust) => json!({ "trust": trust }),
                Err(error) => json!({ "error": chain(&error) }),
            },
            None => json!({ "error": "this is no root of trust with its bundles" }),
        },
        Err(error) => json!({ "error": error.to_string() }),
    };
    write.write_all(format!("{answer}\n").as_bytes()).await
}

fn read_pin(root: &str, bundles: &[String]) -> Option<(Pin, Vec<SignedTrustBundle>)> {
    Some((
        Pin::from_text(root)?,
        bundles.iter().map(|text| SignedTrustBundle::from_text(text)).collect::<Option<_>>()?,
    ))
}

async fn release(isolation: &Isolation, code: String) -> Value {
    match isolation.release(code).await {
        Ok(Some(Guess::Right)) => json!({ "released": true }),
        Ok(Some(Guess::Wrong)) => {
            json!({ "released": false, "error": "this is not the code of this isolation" })
        }
        Ok(Some(Guess::Wait(seconds))) => {
            let error = format!("too many wrong codes; try again in {seconds} s");
            json!({ "released": false, "error": error })
        }
        Ok(None) => json!({ "released": false, "error": "this endpoint is not isolated" }),
        Err(error) => json!({ "released": false, "error": chain(&error) }),
    }
}

/// Asks the running agent.
pub async fn ask(state: &Path, ask: &Ask) -> Result<Value, Error> {
    let path = state.join(SOCKET);
    let exchange = async {
        let mut stream = UnixStream::connect(&path)
            .await
            .map_err(|source| Error::Connect { path: path.clone(), source })?;
        let line = serde_json::to_string(ask).map_err(Error::Answer)?;
        stream.write_all(format!("{line}\n").as_bytes()).await.map_err(Error::Broken)?;
        let mut answer = String::new();
        stream.take(ANSWER).read_to_string(&mut answer).await.map_err(Error::Broken)?;
        serde_json::from_str(&answer).map_err(Error::Answer)
    };
    timeout(LIMIT, exchange).await.unwrap_or(Err(Error::Timeout))
}
