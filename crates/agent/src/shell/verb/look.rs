//! `ls` and `ps`.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use quell_host::process::{self, Commands};
use quell_wire::shell::ANSWER;
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};

use super::{Found, clean};
use crate::runner::chain;

/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC: u64 = 0x9fa0;
/// Entries of a directory that are looked at.
const ENTRIES: usize = 20_000;
/// Characters of a name, and of a command line.
const NAME: usize = 255;
const COMMAND: usize = 300;
/// Room for what stands around the rows. Bytes.
const AROUND: usize = 1024;

/// What is in a directory, or the one file, without following links. `is_own`: for the agent's own account; others are not
/// shown the agent itself, which the kernel shows to each of its threads.
pub(super) fn list(path: &str, is_own: bool) -> Found {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err("name it by its absolute path".to_owned());
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| errno.to_string())?;
    let by_handle = format!("/proc/self/fd/{}", handle.as_raw_fd());
    if !is_own && is_of_the_agent(&handle, &by_handle) {
        return Err(
            "it belongs to the agent; use what the shell has for a look at its own process".to_owned()
        );
    }
    let facts = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !facts.is_dir() {
        return Ok(rows(vec![row(path, &facts)], false));
    }
    let mut found = Vec::new();
    let mut entries = fs::read_dir(by_handle).map_err(|error| error.to_string())?;
    for entry in entries.by_ref().take(ENTRIES).flatten() {
        if let Ok(facts) = entry.metadata() {
            found.push(row(&entry.path(), &facts));
        }
    }
    let is_more = entries.next().is_some();
    found.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    Ok(rows(found, is_more))
}

/// Whether it lies in the directory that procfs has for this process or for one of its threads.
fn is_of_the_agent(handle: &OwnedFd, by_handle: &str) -> bool {
    let Ok(place) = fs::read_link(by_handle) else { return true };
    let is_thread = |part: &std::ffi::OsStr| {
        part.as_encoded_bytes().iter().all(u8::is_ascii_digit)
            && Path::new("/proc/self/task").join(part).exists()
    };
    // Elsewhere a name may be a number too.
    let is_proc =
        || rustix::fs::fstatfs(handle).is_ok_and(|system| system.f_type as u64 & 0xffff_ffff == PROC);
    // `/proc/self` and `/proc/thread-self` are links, and lie beside the processes.
    let is_self = ["self", "thread-self"].iter().any(|name| place.ends_with(name));
    (is_self || place.iter().any(is_thread)) && is_proc()
}

fn row(path: &Path, facts: &fs::Metadata) -> Value {
    let kind = match facts.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "link",
        _ => "other",
    };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let target = fs::read_link(path).ok().map(|target| clean(&target.to_string_lossy(), NAME));
    json!({
        "name": clean(&name, NAME), "kind": kind, "size": facts.size(), "mode": format!("{:04o}", facts.mode() & 0o7777),
        "uid": facts.uid(), "gid": facts.gid(), "modified": facts.mtime(), "target": target,
    })
}

/// Every process that can be seen.
pub(super) fn processes() -> Found {
    let (mut all, commands) = (process::list().map_err(|error| chain(&error))?, Commands::new());
    let found = all.iter_mut().map(|process| {
        commands.fill(process);
        json!({
            "pid": process.identity.pid, "start": process.identity.start_time, "parent": process.ppid, "uid": process.uid,
            "name": clean(&process.name.to_string_lossy(), NAME),
            "path": process.exe.as_ref().map(|exe| clean(&exe.path.to_string_lossy(), NAME)),
            "command": process.command.as_ref().map(|command| clean(command, COMMAND)),
        })
    });
    Ok(rows(found.collect(), false))
}

/// As many rows as an answer holds.
pub(super) fn rows(mut found: Vec<Value>, is_more: bool) -> Value {
    let mut size = AROUND;
    let fits = found.iter().take_while(|row| {
        size += row.to_string().len() + 1;
        size <= ANSWER
    });
    let count = fits.count();
    let all = found.len();
    found.truncate(count);
    json!({ "rows": found, "truncated": is_more || count < all })
}
