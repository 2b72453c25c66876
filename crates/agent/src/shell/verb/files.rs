//! `get`, `memdump`, `put` and `hash`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use quell_catalog::archive::Archive;
use quell_catalog::endpoint::remote_shell::MovedFile;
use quell_host::core;
use quell_host::file::{Limits, Password, collect_to_file, open_for_collect};
use quell_host::process::Identity;
use quell_wire::artifact::{Kind, MOST_PARTS};
use quell_wire::digest::hex;
use ring::digest;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use super::super::moved;
use super::{Counts, Found, Tools, apart, apart_as};
use crate::runner::{Cancel, chain};
use crate::transfer::{self, Upload, free, upload};
use crate::worker::{Kind as Worker, memory};

/// The largest file that is collected or hashed, and the largest core file. Bytes.
const LARGEST: u64 = 2 << 30;
const HASHED: u64 = 64 << 30;
const CHUNK: usize = 256 << 10;
/// Free space on the spool's file system that is left to others. Bytes.
const SPARE: u64 = 64 << 20;

/// SHA-1 and SHA-256 of a plain file.
pub(super) fn hash(path: &str, counts: &Counts, cancel: &Cancel) -> Found {
    // Nothing blocks on a FIFO, and no terminal is taken.
    let flags = libc_flags();
    let mut file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| error.to_string())?;
    let facts = file.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("it is no plain file".to_owned());
    }
    counts.total.store(facts.size(), Ordering::Relaxed);
    let (mut sha1, mut sha256) =
        (digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY), digest::Context::new(&digest::SHA256));
    let (mut buffer, mut size) = (vec![0; CHUNK], 0);
    loop {
        let read = file.read(&mut buffer).map_err(|error| error.to_string())?;
        if read == 0 {
            break;
        }
        sha1.update(&buffer[..read]);
        sha256.update(&buffer[..read]);
        size += read as u64;
        counts.done.store(size, Ordering::Relaxed);
        if cancel.is_asked() {
            return Err("the shell ended".to_owned());
        }
        if size > HASHED {
            return Err(format!("it has more than {HASHED} bytes"));
        }
    }
    let (sha1, sha256) = (sha1.finish(), sha256.finish());
    Ok(json!({ "path": path, "size": size, "sha1": hex(sha1.as_ref()), "sha256": hex(sha256.as_ref()) }))
}

fn libc_flags() -> i32 {
    use rustix::fs::OFlags;
    (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed()
}

/// An archive in the order's directory, on its way.
struct Spooled {
    path: PathBuf,
    size: u64,
    sha256: [u8; 32],
    about: Value,
    content: Content,
}

/// What a verb moved, as the outcome names it.
struct Content {
    verb: &'static str,
    path: String,
    pid: Option<u32>,
    size: u64,
    sha256: [u8; 32],
}

impl Content {
    /// As the outcome names it.
    fn moved(&self, artifact: Archive) -> MovedFile {
        let Self { verb, path, pid, size, sha256 } = self;
        let path = path[..path.floor_char_boundary(moved::PATH)].to_owned();
        MovedFile { verb: (*verb).to_owned(), path, pid: *pid, size: *size, sha256: hex(sha256), artifact }
    }
}

/// Into the notes from which the outcome is made.
fn noted(work: &Path, file: &MovedFile) -> Result<(), String> {
    moved::note(work, file).map_err(|error| format!("it cannot be noted for the outcome: {error}"))
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn password(tools: &Tools) -> Result<Password, String> {
    let password = tools.password.clone().and_then(|password| Password::new(password).ok());
    password.ok_or_else(|| "no password for the archive came with the order".to_owned())
}

/// Stops with the shell, and before the disk is full.
fn watch(spool: &Path, counts: &Counts, cancel: &Cancel) -> impl FnMut(u64) -> ControlFlow<()> + use<> {
    let (spool, counts, cancel, mut next) = (spool.to_owned(), counts.clone(), cancel.clone(), 0);
    move |read| {
        counts.done.store(read, Ordering::Relaxed);
        if cancel.is_asked() {
            return ControlFlow::Break(());
        }
        if read >= next {
            next = read + (16 << 20);
            if free(&spool).is_some_and(|free| free < SPARE) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// A file, encrypted, to the gateway.
pub(super) async fn get(tools: &Tools, path: &str, number: u16, counts: &Counts) -> Found {
    let password = password(tools)?;
    let (source, spool) = (PathBuf::from(path), tools.work.join(format!("file.{number}.zip")));
    let (counted, cancel) = (counts.clone(), tools.cancel.clone());
    let limits = Limits { size: LARGEST, follow: true, pseudo: false };
    let open = move || open_for_collect(&source, limits).map_err(|error| chain(&error));
    let opened = apart_as(&tools.account, open).await?;
    // The spool is the agent's own.
    let spooled = apart(move || {
        counted.total.store(opened.stat.size, Ordering::Relaxed);
        let resolved = opened.resolved.to_string_lossy().into_owned();
        let done = collect_to_file(opened, &password, &spool, watch(&spool, &counted, &cancel))
            .map_err(|error| chain(&error))?;
        let at = super::clean(&resolved, 4096);
        let about = json!({
            "path": at, "size": done.size, "sha1": hex(&done.sha1), "sha256": hex(&done.sha256),
            "changed": done.changed_while_reading.is_some(),
        });
        let content = Content { verb: "get", path: at, pid: None, size: done.size, sha256: done.sha256 };
        Ok(Spooled { path: spool, size: done.archive_size, sha256: done.archive_sha256, about, content })
    })
    .await?;
    bring(tools, spooled, number, counts).await
}

/// The memory of a process, encrypted, to the gateway.
pub(super) async fn memdump(tools: &Tools, identity: Identity, number: u16, counts: &Counts) -> Found {
    let password = password(tools)?;
    let spool = tools.work.join(format!("file.{number}.zip"));
    let (counted, cancel) = (counts.clone(), tools.cancel.clone());
    let spooled = apart(move || {
        let mut look = watch(&spool, &counted, &cancel);
        let options = core::Options { max_bytes: LARGEST, ..core::Options::default() };
        let mut told = |read: u64, all: u64| {
            counted.total.store(all, Ordering::Relaxed);
            look(read)
        };
        let (launcher, stop) = (Worker::Memory.launcher(), || cancel.is_asked());
        let done = memory::dump(&launcher, identity, &options, &password, &spool, &mut told, &stop)
            .map_err(|error| chain(&error))?;
        let (pid, at) = (identity.pid, super::clean(&done.dumped.exe.to_string_lossy(), 4096));
        let (size, sha256) = (done.dumped.size, done.dumped.sha256);
        let about = json!({
            "pid": pid, "start_time": identity.start_time, "path": at, "size": size, "sha256": hex(&sha256),
            "unreadable": done.dumped.unreadable,
        });
        let content = Content { verb: "memdump", path: at, pid: Some(pid), size, sha256 };
        Ok(Spooled { path: spool, size: done.size, sha256: done.sha256, about, content })
    })
    .await?;
    bring(tools, spooled, number, counts).await
}

async fn bring(tools: &Tools, spooled: Spooled, number: u16, counts: &Counts) -> Found {
    if number >= MOST_PARTS {
        return Err(format!("a shell sends at most {MOST_PARTS} files; begin another"));
    }
    let Spooled { path, size, sha256, about, content } = &spooled;
    counts.total.store(*size, Ordering::Relaxed);
    let what =
        Upload { order_id: &tools.order_id, kind: Kind::File(number), path, size: *size, sha256: *sha256 };
    let told = |through| counts.done.store(through, Ordering::Relaxed);
    let artifact_id =
        upload(&tools.gateway, what, &tools.cancel, told).await.map_err(|error| chain(&error))?;
    let archive = Archive { artifact_id: artifact_id.clone(), size: *size, sha256: hex(sha256) };
    let file = content.moved(archive);
    if noted(&tools.work, &file).is_err() {
        // The disk is full, of this very archive perhaps, which is with the gateway by now.
        let _ = fs::remove_file(path);
        noted(&tools.work, &file)?;
    }
    let mut found = about.clone();
    found["artifact_id"] = artifact_id.into();
    found["archive_size"] = (*size).into();
    found["archive_sha256"] = hex(sha256).into();
    Ok(found)
}

/// A file that a person gave to this shell, into its place: whole or not at all.
pub(super) async fn put(
    tools: &Tools,
    (artifact, sha256): (&str, &[u8]),
    path: &str,
    is_forced: bool,
) -> Found {
    let sha256: [u8; 32] =
        sha256.try_into().map_err(|_| "the server knows of no such file of this shell".to_owned())?;
    let path = PathBuf::from(path);
    if !path.is_absolute() || path.file_name().is_none() {
        return Err("name the place by its absolute path".to_owned());
    }
    let body = transfer::given(&tools.gateway, (&tools.order_id, artifact), &sha256, &tools.cancel);
    let body = body.await.map_err(|error| chain(&error))?;
    let (place, size) = (path.clone(), body.len() as u64);
    let at = super::clean(&place.to_string_lossy(), 4096);
    let given = Archive { artifact_id: artifact.to_owned(), size, sha256: hex(&sha256) };
    // First: what stands at its place is named, whatever happens to the disk or to the agent.
    let file = Content { verb: "put", path: at, pid: None, size, sha256 }.moved(given);
    noted(&tools.work, &file)?;
    let written = apart_as(&tools.account, move || {
        write_whole(&path, &body, is_forced).map_err(|error| format!("{}: {error}", path.display()))
    });
    if let Err(why) = written.await {
        if let Err(error) = moved::take_back(&tools.work, &file) {
            tracing::warn!(%error, "the outcome names a file that was not put there");
        }
        return Err(why);
    }
    Ok(json!({ "path": place.to_string_lossy(), "size": size, "sha256": hex(&sha256) }))
}

fn write_whole(path: &Path, body: &[u8], is_forced: bool) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let fresh =
        directory.join(format!(".quell-{}.new", hex(&crate::random::bytes::<8>().unwrap_or_default())));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file: File| file.write_all(body).and_then(|()| file.sync_all()));
    let flags = if is_forced { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    let moved = written.and_then(|()| Ok(renameat_with(CWD, &fresh, CWD, path, flags)?));
    if moved.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    moved
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nothing_is_written_over_unless_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        write_whole(&path, b"one", false).unwrap();
        assert!(write_whole(&path, b"two", false).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_whole(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no half file stays");
    }
}
