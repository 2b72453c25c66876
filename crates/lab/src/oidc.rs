//! A real OpenID provider for tests of single sign-on: npm's oidc-provider, in a folder of its own in the cache.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../oidc/package.json")),
    ("package-lock.json", include_str!("../oidc/package-lock.json")),
    ("server.mjs", include_str!("../oidc/server.mjs")),
];
/// How long the installation may take.
const INSTALL: Duration = Duration::from_mins(2);
const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5);

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// node, npm or the packages cannot be had.
    #[error("node with oidc-provider is not to be had: {0}")]
    Node(String),
    /// It did not start, or does not answer.
    #[error("the OpenID provider did not start: {0}")]
    Start(String),
}

/// A provider with one client. Ends when dropped, and with this process.
pub struct OidcProvider {
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
    issuer: String,
}

impl OidcProvider {
    /// The client that it knows.
    pub const CLIENT: &'static str = "quell";
    /// Its secret; with signs that need care on the way.
    pub const SECRET: &'static str = "s3cret+/:%&=-long-enough-for-a-test";

    /// Starts one that sends browsers back to this address. It has no accounts yet.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start(redirect: &str) -> Result<Self, Error> {
        let folder = installed()?;
        let mut child = Command::new("node")
            .arg("server.mjs")
            .args([Self::CLIENT, Self::SECRET, redirect])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Error::Start(error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Start("no pipes".to_owned()));
        };
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let began = Instant::now();
        let issuer = loop {
            match lines.recv_timeout(START.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    if let Some(issuer) = line.strip_prefix("listening ") {
                        break issuer.to_owned();
                    }
                }
                Err(error) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::Start(error.to_string()));
                }
            }
        };
        Ok(Self { child, input, lines, issuer })
    }

    /// Its address, as its tokens say it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Replaces its accounts: an object of claims for each name. Any password is right.
    ///
    /// # Errors
    /// It does not answer.
    pub fn accounts(&mut self, accounts: &Value) -> Result<(), Error> {
        let gone = |error: &dyn std::fmt::Display| Error::Start(error.to_string());
        writeln!(self.input, "{accounts}").map_err(|error| gone(&error))?;
        // What it says besides is about itself.
        while self.lines.recv_timeout(ANSWER).map_err(|error| gone(&error))? != "ok" {}
        Ok(())
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder with the program and its packages, exactly those of the lock file; made once, in the cache of whoever runs
/// this.
fn installed() -> Result<PathBuf, Error> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |what: &str, error: &dyn std::fmt::Display| Error::Node(format!("{what}: {error}"));
    let home = std::env::var_os("HOME").ok_or_else(|| failed("HOME", &"not set"))?;
    let folder = Path::new(&home).join(".cache/quell/oidc");
    let stamp = folder.join("installed");
    let wanted: String = FILES.iter().map(|(_, text)| *text).collect();
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).map_err(|error| failed("its folder", &error))?;
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).map_err(|error| failed(name, &error))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    run(install)?;
    std::fs::write(&stamp, wanted).map_err(|error| failed("its folder", &error))?;
    Ok(folder)
}

/// Runs a program to its end, within the time.
fn run(mut command: Command) -> Result<(), Error> {
    let failed = |why: String| Error::Node(format!("npm ci: {why}"));
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
