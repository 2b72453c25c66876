//! The server's process. Its sockets are kept here over its death, as a service manager keeps them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Error, LOOK, failed, last_lines};

/// A first start makes keys and a database.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);
const ASK: Duration = Duration::from_secs(2);
/// Settings of whoever starts this must not reach the server.
const SETTINGS: [&str; 7] = [
    "QUELL_DATABASE",
    "QUELL_DATA_DIR",
    "QUELL_PUBLIC_URL",
    "QUELL_SIGNER",
    "QUELL_URL",
    "QUELL_API_KEY",
    "QUELL_CA",
];

/// What a server is started with.
#[derive(Debug)]
pub struct Places {
    /// The program `quell`.
    pub program: PathBuf,
    /// Its data goes to `data` in it, its log to `server.log`.
    pub folder: PathBuf,
    /// Where people connect.
    pub api: TcpListener,
    /// Where agents connect.
    pub gateway: TcpListener,
    /// What agents are told to connect to.
    pub advertise: Vec<SocketAddr>,
}

/// A server that ends with this value.
#[derive(Debug)]
pub struct Server {
    places: Places,
    address: SocketAddr,
    process: Option<Child>,
    key: String,
}

impl Server {
    /// Starts it, and waits until it answers.
    pub fn start(places: Places) -> Result<Self, Error> {
        let address = places.api.local_addr().map_err(failed("read a socket's address"))?;
        let mut server = Self { places, address, process: None, key: String::new() };
        server.restart()?;
        let key = server.places.folder.join("data").join("admin.key");
        let key = std::fs::read_to_string(key).map_err(failed("read the administrator's key"))?;
        key.trim().clone_into(&mut server.key);
        Ok(server)
    }

    /// Where people connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first administrator's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its process; `None` when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Ends it as SIGKILL does: nothing is finished, nothing is said.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Asks it to end, and ends it when it does not.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            let pid = rustix::process::Pid::from_child(process);
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let end = Instant::now() + STOP;
            while matches!(process.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(LOOK);
            }
        }
        self.kill();
    }

    /// Starts it again on the same data and sockets, and waits until it answers. One that runs is killed.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill();
        let log = File::options().create(true).append(true).open(self.places.folder.join("server.log"));
        let log = log.map_err(failed("open the server's log"))?;
        let mut command = Command::new(&self.places.program);
        command.arg("server").arg("--data-dir").arg(self.places.folder.join("data"));
        // A laboratory's mail server and receivers of webhooks stand on this machine.
        command.args(["--destinations", "any"]);
        for address in &self.places.advertise {
            command.arg("--advertise").arg(address.to_string());
        }
        for name in SETTINGS {
            command.env_remove(name);
        }
        let copy = log.try_clone().map_err(failed("copy a descriptor"))?;
        command.stdin(Stdio::null()).stdout(copy).stderr(log);
        let socket = |name: &str, socket: &TcpListener| -> Result<(String, OwnedFd), Error> {
            Ok((name.to_owned(), socket.try_clone().map_err(failed("copy a socket"))?.into()))
        };
        let sockets = vec![socket("api", &self.places.api)?, socket("gateway", &self.places.gateway)?];
        quell_host::inherit::pass_sockets(&mut command, sockets);
        self.process = Some(command.spawn().map_err(failed("start the server"))?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let end = Instant::now() + START;
        while !answers(self.address) {
            let ended = self.process.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
            if ended || Instant::now() > end {
                return Err(Error::Server(last_lines(&self.places.folder.join("server.log"), 5)));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// Whether `/readyz` is answered with 200.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, ASK)?;
        stream.set_read_timeout(Some(ASK))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
