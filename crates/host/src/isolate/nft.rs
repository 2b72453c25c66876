//! Runs the `nft` program: a script in, JSON out, both bounded, no shell and no inherited environment.
//!
//! The program rather than netlink by hand: it is on every system that has nftables at all, translates our
//! text for whatever kernel it meets, and an administrator can read and repeat what we did.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;

use super::Error;

/// Where `nft` may stand. Never `PATH`: another user's program must not run as root.
const PLACES: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];
const TIME_LIMIT: Duration = Duration::from_secs(15);
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;
const MAX_MESSAGE: usize = 600;
/// Standard input. `-` would mean `/dev/stdin`, a link that early in a boot, and on small systems, is not there.
const SCRIPT: &str = "/proc/self/fd/0";

/// Commits `script` as one transaction and returns what the kernel made of it, handles included:
/// one `{"add": …}` or `{"delete": …}` for each object.
pub(super) fn commit(script: &str) -> Result<Vec<Value>, Error> {
    objects(&run(&["-j", "-e", "-f", SCRIPT], script)?)
}

/// Lists a table that exists.
pub(super) fn list(family: &str, table: &str) -> Result<Vec<Value>, Error> {
    objects(&run(&["-j", "list", "table", family, table], "")?)
}

/// Commits `script` as one transaction. What it may contain: as many elements as one likes, for nothing comes back.
pub(crate) fn load(script: &str) -> Result<(), Error> {
    run(&["-f", SCRIPT], script).map(drop)
}

/// A table as text, without the elements of its sets and without what counts.
pub(crate) fn terse(family: &str, table: &str) -> Result<String, Error> {
    let answer = run(&["-s", "-t", "list", "table", family, table], "")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn objects(answer: &[u8]) -> Result<Vec<Value>, Error> {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let wrong = |detail: String| Error::Answer(detail);
    let mut answer: Value = serde_json::from_slice(answer).map_err(|e| wrong(e.to_string()))?;
    match answer.get_mut("nftables").map(Value::take) {
        Some(Value::Array(list)) => Ok(list.into_iter().filter(|o| o.get("metainfo").is_none()).collect()),
        _ => Err(wrong("no list named nftables".into())),
    }
}

fn run(arguments: &[&str], script: &str) -> Result<Vec<u8>, Error> {
    let program = PLACES.iter().map(Path::new).find(|p| p.is_file()).ok_or(Error::NoNft)?;
    // Files in memory instead of pipes: neither side can block the other, and there is no thread to end.
    let (mut stdin, mut stdout, mut stderr) = (memory()?, memory()?, memory()?);
    stdin.write_all(script.as_bytes()).and_then(|()| stdin.rewind()).map_err(Error::Run)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::from(stdout.try_clone().map_err(Error::Run)?))
        .stderr(Stdio::from(stderr.try_clone().map_err(Error::Run)?))
        .spawn()
        .map_err(Error::Run)?;
    if !ended(child.id()) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(Error::Run)?;
    let answer = content(&mut stdout)?;
    if status.success() {
        return Ok(answer);
    }
    let complaint = content(&mut stderr)?;
    let complaint = String::from_utf8_lossy(&complaint);
    if complaint.contains("Operation not permitted") {
        return Err(Error::Permission);
    }
    let line = complaint.lines().find(|l| l.contains("Error")).unwrap_or(complaint.trim());
    let message = if line.is_empty() { format!("nft ended with {status}") } else { line.to_owned() };
    Err(Error::Refused(message.chars().take(MAX_MESSAGE).collect()))
}

/// Waits on a pidfd; where there is none (Linux before 5.3), the caller's `wait` blocks as usual.
fn ended(pid: u32) -> bool {
    let Some(fd) = Pid::from_raw(pid as i32).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok()) else {
        return true;
    };
    let timeout = PollTimeout::try_from(TIME_LIMIT.as_millis()).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(&fd), PollFlags::POLLIN)], timeout) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(0) => return false,
            Ok(_) | Err(_) => return true,
        }
    }
}

fn memory() -> Result<File, Error> {
    let fd = memfd_create("quell-nft", MemfdFlags::CLOEXEC).map_err(|e| Error::Run(e.into()))?;
    Ok(File::from(fd))
}

fn content(file: &mut File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.take(MAX_OUTPUT).read_to_end(&mut bytes)).map_err(Error::Run)?;
    Ok(bytes)
}
