//! The server as a process of its own, with sockets that were made for it: people reach it on this machine, agents on
//! the lab's network.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;

/// The port that is tried first, so that the address is easy to remember.
const PORT: u16 = 8420;
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// A server that ends with this value.
pub struct Server {
    process: Child,
    /// Where people connect.
    pub url: String,
    /// The first administrator's key.
    pub key: String,
}

impl Server {
    /// Starts it with its data in `folder`, and waits until it answers.
    pub async fn start(
        folder: &Path,
        gateway: TcpListener,
        advertise: &[SocketAddr],
    ) -> Result<Self, Failure> {
        let api = TcpListener::bind(("127.0.0.1", PORT)).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", api.local_addr()?);
        let log = File::create(folder.join("server.log"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("server").arg("--data-dir").arg(folder.join("data"));
        for address in advertise {
            command.arg("--advertise").arg(address.to_string());
        }
        for name in
            ["QUELL_DATABASE", "QUELL_DATA_DIR", "QUELL_SIGNER", "QUELL_URL", "QUELL_API_KEY", "QUELL_CA"]
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let sockets = vec![("api".to_owned(), api.into()), ("gateway".to_owned(), gateway.into())];
        quell_host::inherit::pass_sockets(&mut command, sockets);
        let process =
            command.spawn().map_err(|error| Failure::new(format!("starting the server: {error}")))?;
        // Our copies of the sockets would keep the ports open when the server has gone.
        drop(command);
        let mut server = Self { process, url, key: String::new() };
        server.wait_until_ready(folder).await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self, folder: &Path) -> Result<(), Failure> {
        let end = tokio::time::Instant::now() + START;
        let key = folder.join("data").join("admin.key");
        loop {
            if let Ok(text) = std::fs::read_to_string(&key)
                && answers(&format!("{}/readyz", self.url)).await
            {
                text.trim().clone_into(&mut self.key);
                return Ok(());
            }
            let gone = self.process.try_wait()?.is_some();
            if gone || tokio::time::Instant::now() > end {
                let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                let told = last.into_iter().rev().collect::<Vec<_>>().join("; ");
                return Err(Failure::new(format!("the server did not become ready: {told}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn answers(url: &str) -> bool {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build() else {
        return false;
    };
    client.get(url).send().await.is_ok_and(|response| response.status().is_success())
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        // It may have ended by itself, by the same key press.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let end = std::time::Instant::now() + STOP;
        while matches!(self.process.try_wait(), Ok(None)) && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
