//! The server under measurement: a process of its own, with its data in a fresh folder on the disk.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::run::Places;

/// A first start makes keys and a database.
const START: Duration = Duration::from_mins(1);
/// It lets what is under way finish.
const STOP: Duration = Duration::from_secs(20);

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// Where agents connect.
    pub gateway: SocketAddr,
    /// Its API, as administrator.
    pub api: Api,
    data: TempDir,
}

impl Server {
    /// Its data.
    pub fn folder(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// Starts one on free ports of the loopback; the API speaks TLS too.
    pub async fn start(places: &Places) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("server-").tempdir_in(&places.work)?;
        // Made by the server itself, so that only its user may read it.
        let folder = data.path().join("data");
        let mut child = Command::new(&places.server)
            .args(["server", "--log-json", "--api-name", "127.0.0.1"])
            .args(["--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(&folder)
            .env("QUELL_LOG", "error,quell_server::run=info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", places.server.display()))?;
        let stderr = child.stderr.take().context("the server's log")?;
        let ready = tokio::task::spawn_blocking(move || await_ready(stderr)).await?;
        let (api, gateway) = match ready {
            Ok(addresses) => addresses,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let key =
            std::fs::read_to_string(folder.join("admin.key")).context("reading the administrator's key")?;
        let ca = std::fs::read(folder.join("ca.pem")).context("reading the authority's certificate")?;
        let api = Api::new(api, key.trim(), &ca)?;
        Ok(Self { child, gateway, api, data })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in good order.
    pub async fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("ending the server")?;
        let end = Instant::now() + STOP;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("the server did not stop within {} s", STOP.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log until the line that names the addresses; what comes later is passed on.
fn await_ready(stderr: ChildStderr) -> Result<(SocketAddr, SocketAddr)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            match addresses(&line) {
                Some(found) => {
                    let _ = sender.send(found);
                }
                None if line.starts_with("error") || line.contains("\"level\":\"ERROR\"") => {
                    tracing::error!("server: {line}");
                }
                None => {}
            }
        }
    });
    receiver.recv_timeout(START).context("the server did not say that it is ready")
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| line["fields"][name].as_str()?.parse().ok();
    Some((field("api")?, field("gateway")?))
}
