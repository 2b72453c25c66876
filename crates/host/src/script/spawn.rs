//! The agent's side of a start: check the job, lay the run out on disk, start the supervisor.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use sha2::{Digest, Sha256};

use super::adopt::Adopted;
use super::dir::{BODY_CAP, Claim, Dir};
use super::{Error, Job, Running, adopt};

/// A supervisor writes three small files and syncs them before it reports; a slow disk may take its time.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the supervisor writes once it has claimed the run.
pub(super) const READY: &[u8] = b"ready\n";

/// The command that ends in [`super::supervise`]; the run's directory is added as the last argument.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments before the directory.
    pub args: Vec<OsString>,
}

impl Launcher {
    /// This program again, with one argument, such as `supervise`. By `/proc/self/exe`, so that it is the very
    /// same file even while an update is replacing it.
    pub fn own(subcommand: &str) -> Self {
        Self { program: "/proc/self/exe".into(), args: vec![subcommand.into()] }
    }
}

/// Of a run that nobody will ever begin nothing is left, so that nobody has to ask what became of it.
fn unmade(dir: &Path, error: Error) -> Error {
    // What stays is asked about, and says the same where it can.
    let _ = crate::tree::remove(dir);
    error
}

/// Starts the run in the directory `dir`, which must not exist yet and whose parent must.
///
/// When this returns, the supervisor is known on disk. After [`Error::Exists`] the run was made before. After
/// any other failure ask [`super::adopt`] where the directory exists: only `NotStarted` says that nothing ran.
pub fn spawn(dir: &Path, job: &Job, launcher: &Launcher) -> Result<Running, Error> {
    check(dir, job)?;
    job.interpreter.find()?;
    let run = match Dir::create(dir, job, marker()?) {
        Err(error) if !matches!(error, Error::Exists) => return Err(unmade(dir, error)),
        made => made?,
    };
    let mut child = Command::new(&launcher.program)
        .args(&launcher.args)
        .arg(dir)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Error::Supervisor(error.to_string()))?;
    let said = await_ready(&mut child);
    if said.as_deref() != Ok(READY) {
        match run.make_claim(&Claim::Void) {
            Ok(true) => {
                // Ours to void: it had not claimed the run, so it has not started the script, and now cannot.
                let _ = child.kill();
                let _ = child.wait();
                let said = said.unwrap_or_else(String::into_bytes);
                return Err(Error::Supervisor(String::from_utf8_lossy(&said).trim().to_owned()));
            }
            Ok(false) => {}
            Err(error) => {
                // No room on the disk even for that. Without a claim it started nothing, and once dead it makes none.
                let _ = child.kill();
                let _ = child.wait();
                if run.claim()?.is_none() {
                    return Err(unmade(dir, error));
                }
            }
        }
    }
    // Collects it at its end; the kernel hands it to init when the agent is gone first.
    let reaper = std::thread::Builder::new().name("script-reaper".into()).stack_size(64 * 1024);
    reaper.spawn(move || drop(child.wait())).map_err(Error::io("start a thread"))?;
    match adopt(dir)? {
        Adopted::Running(running) => Ok(running),
        Adopted::Finished(_) => Ok(Running::finished(dir)),
        Adopted::NotStarted | Adopted::Lost(_) => Err(Error::Supervisor("it died at once".into())),
    }
}

fn await_ready(child: &mut Child) -> Result<Vec<u8>, String> {
    let mut pipe = child.stdout.take().ok_or("it has no output")?;
    let until = Instant::now() + START_LIMIT;
    let mut said = Vec::new();
    let mut buffer = [0u8; 1024];
    while said.len() < 4096 && !said.ends_with(b"\n") {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let ready = poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], Some(&timeout));
        match ready {
            Ok(0) => return Err("it said nothing in time".into()),
            Ok(_) => match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => said.extend_from_slice(&buffer[..n]),
                Err(error) => return Err(error.to_string()),
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.to_string()),
        }
    }
    Ok(said)
}

fn check(dir: &Path, job: &Job) -> Result<(), Error> {
    let refused = |why| Err(Error::Job(why));
    if !dir.is_absolute() {
        return refused("the run's directory is not absolute");
    }
    if job.body.len() as u64 > BODY_CAP {
        return refused("it has more than 4 MiB");
    }
    if job.args.len() > 256 || job.args.iter().map(String::len).sum::<usize>() > 64 * 1024 {
        return refused("it has more than 256 arguments, or more than 64 KiB of them");
    }
    if job.args.iter().any(|arg| arg.contains('\0')) {
        return refused("an argument holds a NUL byte");
    }
    let name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        name.len() <= 64 && name != "QUELL_RUN" && name.starts_with("QUELL_") && name.bytes().all(allowed)
    };
    let value = |value: &str| value.len() <= 16 * 1024 && !value.contains('\0');
    if job.env.len() > 64 || !job.env.iter().all(|(key, text)| name(key) && value(text)) {
        return refused("its environment holds more than 64 variables, or one that is not allowed");
    }
    if job.cwd.as_ref().is_some_and(|cwd| !cwd.is_absolute()) {
        return refused("its working directory is not absolute");
    }
    if <[u8; 32]>::from(Sha256::digest(&job.body)) != job.sha256 {
        return Err(Error::Digest);
    }
    Ok(())
}

fn marker() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::io("draw random bytes")(std::io::ErrorKind::Other.into()))?;
    Ok(crate::hex(&bytes))
}
