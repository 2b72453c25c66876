//! What an operator does with a signer: look, rotate and retire keys, have the policy read again.
//!
//! It goes over a socket of its own. The server needs signatures and public keys, and nothing else: whoever took the server
//! over must not be able to change the keys or the policy by asking for it. Under one user that is a matter of what the
//! program does; under two, which is the way to run it where it counts, the kernel keeps the server from this socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use quell_wire::digest::hex;
use quell_wire::keys::key_id;
use serde_json::{Value, json};

use crate::bundles::{self, Bundles};
use crate::policy::{self, Policy};
use crate::protocol::{read, write};
use crate::service::{OpenError, Service};
use crate::{ADMIN_SOCKET, KEY_FILE, KeyFile, POLICY_FILE, file, key};

/// Bytes of a frame.
const FRAME: usize = 1 << 20;
/// The signer answers within this time.
const TIME: Duration = Duration::from_secs(10);

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// To look.
    Status,
    /// A new key that signs from now on; the one before stays trusted.
    Rotate,
    /// An end to the trust in the key before.
    Retire,
    /// The policy's file read again.
    Reload,
}

impl Command {
    const ALL: [Self; 4] = [Self::Status, Self::Rotate, Self::Retire, Self::Reload];

    const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Rotate => "rotate",
            Self::Retire => "retire",
            Self::Reload => "reload",
        }
    }
}

/// The signer did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no signer in this directory, and never was.
    #[error("there is no order key in {0}")]
    Absent(std::path::PathBuf),
    /// The signer does not answer.
    #[error("the signer does not answer")]
    Io(#[from] io::Error),
    /// The signer says why it did not.
    #[error("the signer refused: {0}")]
    Refused(String),
    /// The directory.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The order key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// The trust bundles.
    #[error(transparent)]
    Bundles(#[from] bundles::Error),
    /// The policy or the trust bundles, as they stand now.
    #[error(transparent)]
    Reload(#[from] OpenError),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    command: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Answer {
    /// Empty where it was done.
    #[prost(string, tag = "1")]
    problem: String,
    /// How the signer stands now, JSON.
    #[prost(string, tag = "2")]
    status: String,
}

/// Has a command done: by the signer that works in this directory, or, where none does, in its files.
pub fn perform(directory: &Path, command: Command) -> Result<Value, Error> {
    match UnixStream::connect(directory.join(ADMIN_SOCKET)) {
        Ok(mut stream) => ask(&mut stream, command),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            at_rest(directory, command)
        }
        Err(error) => Err(error.into()),
    }
}

fn ask(stream: &mut UnixStream, command: Command) -> Result<Value, Error> {
    stream.set_read_timeout(Some(TIME))?;
    stream.set_write_timeout(Some(TIME))?;
    write(stream, &Request { command: command.word().to_owned() })?;
    let answer: Answer = read(stream, FRAME)?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
    if !answer.problem.is_empty() {
        return Err(Error::Refused(answer.problem));
    }
    Ok(serde_json::from_str(&answer.status).map_err(io::Error::other)?)
}

/// The same where no signer works.
fn at_rest(directory: &Path, command: Command) -> Result<Value, Error> {
    let path = directory.join(KEY_FILE);
    if !path.exists() {
        return Err(Error::Absent(directory.to_owned()));
    }
    file::directory(directory)?;
    let _lock = file::lock(directory)?;
    let keys = KeyFile::open(&path)?;
    let policy = Policy::open(&directory.join(POLICY_FILE))?;
    change(&keys, command)?;
    let bundles = Bundles::open(directory)?;
    let bundles: Vec<(String, u64)> =
        bundles.list().into_iter().map(|(tenant, serial)| (tenant.to_owned(), serial)).collect();
    Ok(status(&keys, &policy, &bundles, None))
}

fn change(keys: &KeyFile, command: Command) -> Result<(), key::Error> {
    match command {
        Command::Rotate => keys.rotate().map(|_| ()),
        Command::Retire => keys.retire().map(|_| ()),
        Command::Status | Command::Reload => Ok(()),
    }
}

/// Answers one operator.
pub(crate) fn answer<S: Read + Write>(stream: &mut S, service: &Service) -> io::Result<()> {
    while let Some(request) = read::<Request>(stream, FRAME)? {
        let problem = match Command::ALL.into_iter().find(|command| command.word() == request.command) {
            None => "no such command".to_owned(),
            Some(command) => match obey(service, command) {
                Ok(()) => String::new(),
                Err(error) => chain(&error),
            },
        };
        let (policy, bundles) = service.status();
        let status = status(service.keys(), &policy, &bundles, Some(service.counts())).to_string();
        write(stream, &Answer { problem, status })?;
    }
    Ok(())
}

fn obey(service: &Service, command: Command) -> Result<(), Error> {
    change(service.keys(), command)?;
    match command {
        Command::Reload => service.reload()?,
        Command::Rotate | Command::Retire => {
            tracing::info!(command = command.word(), keys = ?service.keys(), "the order keys were changed");
        }
        Command::Status => {}
    }
    Ok(())
}

fn status(keys: &KeyFile, policy: &Policy, bundles: &[(String, u64)], counts: Option<(u64, u64)>) -> Value {
    let set = keys.key_set();
    let shown: Vec<Value> = set
        .keys
        .iter()
        .enumerate()
        .map(|(place, public)| {
            json!({ "id": key_id(public), "public": hex(public), "use": if place == 0 { "signs" } else { "trusted" } })
        })
        .collect();
    json!({
        "running": counts.is_some(),
        "key_set_version": set.version,
        "keys": shown,
        "signed": counts.map(|counts| counts.0),
        "refused": counts.map(|counts| counts.1),
        "policy": policy,
        "trust": bundles.iter().map(|(tenant, serial)| json!({ "tenant": tenant, "serial": serial })).collect::<Vec<_>>(),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
