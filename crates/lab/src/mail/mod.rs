//! A real mail server for tests and demonstrations, which keeps what it gets: Python's aiosmtpd, in an environment of its own.
//!
//! What becomes of a mail is said by its address: `reject@…` is refused for good, `later@…` once, `slow@…` is answered
//! after half a minute.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use serde::Deserialize;

const PROGRAM: &str = include_str!("sink.py");
const PACKAGES: [&str; 2] = ["aiosmtpd==1.4.6", "standardwebhooks==1.1.0"];
/// How long making the environment may take, which may load packages.
const INSTALL: Duration = Duration::from_mins(2);
const START: Duration = Duration::from_secs(30);

/// Why there is no mail server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Python or its packages cannot be had.
    #[error("python3 with aiosmtpd is not to be had: {0}")]
    Python(String),
    /// It did not start.
    #[error("the mail server did not start: {0}")]
    Start(String),
}

/// How a mail server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How connections are protected.
    pub security: Security,
    /// The name and password that it asks for.
    pub login: Option<(String, String)>,
    /// Certificate chain and key, PEM files, where there is TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Where it listens on 127.0.0.1; any free port where 0.
    pub port: u16,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    None,
    /// STARTTLS, and nothing before it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

impl Security {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }
}

/// A mail that arrived.
#[derive(Clone, Debug, Deserialize)]
pub struct Received {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// The plain text, decoded.
    pub text: String,
    /// The HTML, decoded.
    pub html: String,
    /// All headers, decoded.
    pub headers: Vec<(String, String)>,
    /// All of it as it came.
    pub raw: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Who logged in.
    pub login: Option<String>,
    /// Address and port of who sent it.
    pub peer: String,
}

impl Received {
    /// The first header of this name, decoded.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A mail server. Ends when dropped, and with this process.
pub struct MailSink {
    child: Child,
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl MailSink {
    /// One on a free port, without TLS or log-in.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start() -> Result<Self, Error> {
        Self::with(&Options::default())
    }

    /// One as wished.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn with(options: &Options) -> Result<Self, Error> {
        let python = python()?;
        let (certificate, key) = options.certificate.clone().unwrap_or_default();
        let told = serde_json::json!({
            "security": options.security.as_str(),
            "login": options.login,
            "certificate": certificate,
            "key": key,
            "port": options.port,
        });
        let mut child = Command::new(python)
            .args(["-c", PROGRAM, &told.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells at length of every connection that a test breaks off on purpose.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Error::Start(error.to_string()))?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let Some(output) = child.stdout.take() else { return Err(Error::Start("no output".to_owned())) };
        let (tell, told) = mpsc::channel();
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(mail) = serde_json::from_str::<Received>(&line) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                } else if let Ok(Started { port }) = serde_json::from_str(&line) {
                    let _ = tell.send(port);
                }
            }
        });
        let Ok(port) = told.recv_timeout(START) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::Start("it did not say its port".to_owned()));
        };
        Ok(Self { child, address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), received })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What arrived, oldest first.
    pub fn messages(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What arrived, once it is so many, or what there is when the time is over.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Received> {
        let began = Instant::now();
        loop {
            let messages = self.messages();
            if messages.len() >= count || began.elapsed() > within {
                return messages;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Deserialize)]
struct Started {
    port: u16,
}

/// A Python that has the packages; made once, in the cache of whoever runs this.
///
/// # Errors
/// There is no `python3`, or the packages cannot be loaded.
pub fn python() -> Result<PathBuf, Error> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |what: &str| Error::Python(what.to_owned());
    let home = std::env::var_os("HOME").ok_or_else(|| failed("HOME is not set"))?;
    let folder = Path::new(&home).join(".cache/quell/lab-python");
    let python = folder.join("bin/python3");
    let stamp = folder.join("packages");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(&folder);
    run(environment, "the environment could not be made")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]);
    install.args(PACKAGES);
    run(install, "the packages could not be loaded")?;
    let mut file = std::fs::File::create(&stamp).map_err(|error| failed(&error.to_string()))?;
    file.write_all(wanted.as_bytes()).map_err(|error| failed(&error.to_string()))?;
    Ok(python)
}

/// Runs a program to its end, within the time.
fn run(mut command: Command, otherwise: &str) -> Result<(), Error> {
    let failed = |why: String| Error::Python(format!("{otherwise}: {why}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(failed(status.to_string())),
            Ok(None) if began.elapsed() < INSTALL => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("it took too long".to_owned()));
            }
            Err(error) => return Err(failed(error.to_string())),
        }
    }
}
