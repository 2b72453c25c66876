//! A terminal with a shell in it, for somebody who is elsewhere.
//!
//! The agent holds the terminal's master side. The shell itself is a child of a small program of its own, the keeper
//! ([`keep`]), which is a child subreaper: whatever the shell detaches comes back to it. It ends all of that when the shell
//! ends, when it is told to, and when the agent is gone, however that came: the kernel closes its line to the agent.

mod account;
mod keeper;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde::{Deserialize, Serialize};

pub use keeper::keep;

use crate::behalf::Account;
use crate::script::Launcher;

/// The keeper looks the account up, which may ask a directory on the network.
const START: Duration = Duration::from_secs(30);
/// A line between agent and keeper. Bytes.
const LINE: u64 = 64 << 10;

/// Which program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// The one that the account names.
    Login,
    /// `bash`.
    Bash,
    /// The system's `sh`.
    Sh,
}

/// A terminal to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// What runs in it.
    pub program: Program,
    /// As whom; as the caller where absent.
    pub user: Option<String>,
    /// Where it begins; the account's home where absent.
    pub directory: Option<PathBuf>,
    /// Processes at once. Beyond it everything is ended.
    pub processes: u32,
}

/// A shell that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its process, which leads its session.
    pub pid: u32,
    /// The program with its path.
    pub program: String,
    /// The account's name.
    pub user: String,
    /// The account's numbers.
    pub account: Account,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Exit code of the shell, where it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended it, where one did.
    pub signal: Option<i32>,
    /// It had so many processes, which were too many.
    pub too_many: Option<u32>,
    /// Processes that were still there and were ended.
    pub stopped: u64,
    /// Processes that could not be ended in time.
    pub left: u64,
}

/// What a keeper says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Started(Started),
    Failed { what: Failure, why: String },
    Ended(Ended),
}

/// What kept a shell from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// There is no such account.
    Account,
    /// The program is missing, or must not be started.
    Program,
    /// The directory cannot be entered.
    Directory,
    /// Anything else.
    System,
}

/// Why there is no shell, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gave no terminal.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The shell did not start.
    #[error("the shell was not started: {why}")]
    NotStarted {
        /// What kept it.
        what: Failure,
        /// In words.
        why: String,
    },
    /// The keeper is gone, and said nothing of the end.
    #[error("the shell's keeper was killed")]
    KeeperLost,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, source }
}

/// A terminal with its shell. Everything in it ends when this is dropped.
#[derive(Debug)]
pub struct Session {
    master: OwnedFd,
    control: UnixStream,
    heard: Vec<u8>,
    keeper: Option<Child>,
    started: Started,
}

/// Makes a terminal of this size and starts the shell. `launcher` ends in [`keep`]. Blocks while an account is looked up.
pub fn open(spec: &Spec, (cols, rows): (u16, u16), launcher: &Launcher) -> Result<Session, Error> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .and_then(|master| grantpt(&master).and_then(|()| unlockpt(&master)).map(|()| master))
        .map_err(|errno| failed("make a terminal")(errno.into()))?;
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .map_err(|errno| failed("open the terminal")(errno.into()))?;
    resize(&master, cols, rows)?;
    let (control, theirs) = UnixStream::pair().map_err(failed("make a line to the keeper"))?;
    let mut command = Command::new(&launcher.program);
    command
        .args(&launcher.args)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(slave))
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0);
    let keeper = command.spawn().map_err(failed("start the shell's keeper"))?;
    // Their ends are held by the command too.
    drop(command);
    let mut session = Session {
        master,
        control,
        heard: Vec::new(),
        keeper: Some(keeper),
        started: Started { pid: 0, program: String::new(), user: String::new(), account: Account::default() },
    };
    session.started = session.begin(spec)?;
    let flags = rustix::fs::fcntl_getfl(&session.master)
        .and_then(|flags| rustix::fs::fcntl_setfl(&session.master, flags | OFlags::NONBLOCK));
    flags.map_err(|errno| failed("prepare the terminal")(errno.into()))?;
    session.control.set_nonblocking(true).map_err(failed("prepare the line to the keeper"))?;
    Ok(session)
}

fn resize(master: &OwnedFd, cols: u16, rows: u16) -> Result<(), Error> {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).map_err(|errno| failed("set the terminal's size")(errno.into()))
}

impl Session {
    fn begin(&mut self, spec: &Spec) -> Result<Started, Error> {
        let line =
            serde_json::to_string(spec).map_err(|error| failed("write the keeper's task")(error.into()))?;
        self.control.set_read_timeout(Some(START)).map_err(failed("prepare the line to the keeper"))?;
        self.control.write_all(format!("{line}\n").as_bytes()).map_err(failed("tell the keeper its task"))?;
        let mut answer = String::new();
        // It says one line, and the next only when the shell has ended.
        let mut reader = BufReader::new((&self.control).take(LINE));
        reader.read_line(&mut answer).map_err(failed("hear from the shell's keeper"))?;
        self.heard = reader.buffer().to_vec();
        match serde_json::from_str(&answer) {
            Ok(Said::Started(started)) => Ok(started),
            Ok(Said::Failed { what, why }) => Err(Error::NotStarted { what, why }),
            Ok(Said::Ended(_)) | Err(_) => Err(Error::KeeperLost),
        }
    }

    /// What runs.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// The terminal, to be read and written; does not block.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Becomes readable when the end is told.
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Gives the terminal another size; what runs in it is told by `SIGWINCH`.
    pub fn resize(&self, cols: u16, rows: u16) -> Result<(), Error> {
        resize(&self.master, cols, rows)
    }

    /// Whether the terminal shows what is typed. It does not while a password is asked for; nor while a program shows it
    /// by itself, as editors and shells with line editing do.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.master).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ECHO))
    }

    /// Tells the keeper to end all of it: hangs up first, kills what is left a moment later.
    pub fn end(&self) {
        let _ = (&self.control).write_all(b"end\n");
    }

    /// The end, once it was told. Does not block.
    pub fn ended(&mut self) -> Result<Option<Ended>, Error> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                return match serde_json::from_slice(&self.heard[..end]) {
                    Ok(Said::Ended(ended)) => Ok(Some(ended)),
                    _ => Err(Error::KeeperLost),
                };
            }
            match (&self.control).read(&mut buffer) {
                Ok(count) if count > 0 && self.heard.len() + count <= LINE as usize => {
                    self.heard.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Err(Error::KeeperLost),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // By this the keeper knows.
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        if let Some(mut keeper) = self.keeper.take()
            && !matches!(keeper.try_wait(), Ok(Some(_)))
        {
            // It may take a while to end what is there, and must be collected in the end.
            let _ = std::thread::Builder::new()
                .name("pty-keeper".to_owned())
                .stack_size(64 << 10)
                .spawn(move || keeper.wait());
        }
    }
}
