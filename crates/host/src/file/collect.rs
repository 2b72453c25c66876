//! Collecting an opened file: one pass that hashes, compresses and encrypts, in bounded memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::content::Content;
use super::open::{Opened, Origin, Stat, stat};
use super::zip::Zip;
use super::{Error, name};
use crate::hex;

/// Name of the entry that describes the collected one.
pub const SIDECAR: &str = "collected.json";
const CHUNK: usize = 128 * 1024;

/// The archive's password. Its text is wiped from memory and never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// 1 to 127 bytes. Choose it at random: the format itself slows guessing down only a little.
    pub fn new(password: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let password = Zeroizing::new(password.into());
        if (1..=127).contains(&password.len()) { Ok(Self(password)) } else { Err(Error::Password) }
    }

    /// As it was given; for a process of its own that packs.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(***)")
    }
}

/// How the file differed at the end of reading from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Bytes when it was opened; the most that is collected.
    pub size_before: u64,
    /// Bytes after the last was read.
    pub size_after: u64,
    /// Its times of change differ, or fewer bytes came than it had: what was collected may mix two states.
    pub content: bool,
}

/// What was collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Name of the file's entry in the archive.
    pub entry: String,
    /// SHA-1 of the bytes collected.
    pub sha1: [u8; 20],
    /// SHA-256 of the bytes collected.
    pub sha256: [u8; 32],
    /// Bytes collected.
    pub size: u64,
    /// `None`: the file stayed as it was, and the hashes are those of one state of it.
    pub changed_while_reading: Option<Change>,
    /// Bytes of the archive.
    pub archive_size: u64,
    /// SHA-256 of the archive.
    pub archive_sha256: [u8; 32],
}

/// Reads the file once and writes the archive: the file itself and [`SIDECAR`], both encrypted.
///
/// A file that grows is collected up to the size it had when it was opened. `progress` is told the bytes
/// read so far after every piece of 128 KiB at most, and may stop it.
pub fn collect(
    opened: Opened,
    password: &Password,
    out: impl Write,
    progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Collected, Error> {
    write(opened, password, out, progress).map(|(collected, _)| collected)
}

/// As [`collect`], into a new file of mode 0600 that must not exist yet; synced to disk. On failure the
/// file is removed again.
pub fn collect_to_file(
    opened: Opened,
    password: &Password,
    spool: &Path,
    progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Collected, Error> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(
        rustix::fs::openat(CWD, spool, flags, mode).map_err(|errno| Error::Archive(errno.into()))?,
    );
    let out = io::BufWriter::with_capacity(CHUNK, file);
    let done = write(opened, password, out, progress).and_then(|(collected, out)| {
        let file = out.into_inner().map_err(|error| Error::Archive(error.into_error()))?;
        file.sync_all().map_err(Error::Archive)?;
        Ok(collected)
    });
    if done.is_err() {
        let _ = std::fs::remove_file(spool);
    }
    done
}

fn write<W: Write>(
    mut opened: Opened,
    password: &Password,
    out: W,
    progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(Collected, W), Error> {
    let mut zip = Zip::new(out);
    let entry = name::entry(match &opened.origin {
        Origin::Path(path) => path,
        Origin::Executable(_) | Origin::Descriptor(..) => &opened.resolved,
    });
    let about = (opened.stat.mtime.0, opened.stat.mode);
    let body =
        zip.entry(&entry, about, &password.0, |out| copy(&mut opened, out, progress)).map_err(|f| f.0)?;
    let sidecar = sidecar(&opened, &entry, &body).map_err(Error::Archive)?;
    let about = (opened.stat.mtime.0, 0o100_600);
    zip.entry(SIDECAR, about, &password.0, |out| out.write_all(&sidecar)).map_err(Error::Archive)?;
    let written = zip.finish().map_err(Error::Archive)?;
    let Body { sha1, sha256, size, change } = body;
    let collected = Collected {
        entry,
        sha1,
        sha256,
        size,
        changed_while_reading: change,
        archive_size: written.size,
        archive_sha256: written.sha256,
    };
    Ok((collected, written.out))
}

struct Body {
    sha1: [u8; 20],
    sha256: [u8; 32],
    size: u64,
    change: Option<Change>,
}

/// Inside an entry a bare I/O error comes from the archive's side.
struct Failure(Error);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(Error::Archive(error))
    }
}

fn copy(
    opened: &mut Opened,
    out: &mut dyn Write,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Body, Failure> {
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    let most = if opened.pseudo { opened.limit } else { opened.stat.size };
    let mut buffer = vec![0u8; CHUNK];
    let mut content = Content::new(opened);
    let mut size = 0u64;
    while size < most {
        let room = usize::try_from(most - size).unwrap_or(CHUNK).min(CHUNK);
        let n = match content.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(Failure(Error::Read { at: size, source })),
        };
        sha1.update(&buffer[..n]);
        sha256.update(&buffer[..n]);
        out.write_all(&buffer[..n])?;
        size += n as u64;
        if progress(size).is_break() {
            return Err(Failure(Error::Canceled { at: size }));
        }
    }
    let change = if opened.pseudo { None } else { change(opened, size)? };
    Ok(Body { sha1: sha1.finalize().into(), sha256: sha256.finalize().into(), size, change })
}

fn change(opened: &Opened, read: u64) -> Result<Option<Change>, Failure> {
    let after = stat(&opened.file).map_err(|source| Failure(Error::Read { at: read, source }))?;
    let before = opened.stat;
    let content = read != before.size || (after.mtime, after.ctime) != (before.mtime, before.ctime);
    let change = Change { size_before: before.size, size_after: after.size, content };
    Ok((content || after.size != before.size).then_some(change))
}

/// `collected.json`: where the file was and what it was, with names both readable and exact.
#[derive(Serialize)]
struct Sidecar<'a> {
    format: &'static str,
    entry: &'a str,
    /// How it was named: a path, or a process and a descriptor.
    requested: Requested,
    resolved_path: Name,
    deleted: bool,
    size: u64,
    sha1: String,
    sha256: String,
    changed_while_reading: Option<Change>,
    mode: String,
    uid: u32,
    gid: u32,
    device: u64,
    inode: u64,
    links: u64,
    times: Times,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Requested {
    Path { path: Name },
    Executable { pid: u32, start_time: u64 },
    Descriptor { pid: u32, start_time: u64, descriptor: u32 },
}

/// Bytes that may be no text.
#[derive(Serialize)]
struct Name {
    text: String,
    hex: String,
}

/// Unix time, seconds and nanoseconds.
#[derive(Serialize)]
struct Times {
    accessed: (i64, u32),
    modified: (i64, u32),
    changed: (i64, u32),
}

fn sidecar(opened: &Opened, entry: &str, body: &Body) -> io::Result<Vec<u8>> {
    let name = |path: &Path| Name {
        text: path.to_string_lossy().into_owned(),
        hex: hex(path.as_os_str().as_bytes()),
    };
    let Stat { device, inode, mode, uid, gid, links, atime, mtime, ctime, .. } = opened.stat;
    let sidecar = Sidecar {
        format: "quell.collected/1",
        entry,
        requested: match &opened.origin {
            Origin::Path(path) => Requested::Path { path: name(path) },
            Origin::Executable(id) => Requested::Executable { pid: id.pid, start_time: id.start_time },
            Origin::Descriptor(id, descriptor) => {
                Requested::Descriptor { pid: id.pid, start_time: id.start_time, descriptor: *descriptor }
            }
        },
        resolved_path: name(&opened.resolved),
        deleted: opened.deleted,
        size: body.size,
        sha1: hex(&body.sha1),
        sha256: hex(&body.sha256),
        changed_while_reading: body.change,
        mode: format!("{mode:o}"),
        uid,
        gid,
        device,
        inode,
        links,
        times: Times { accessed: atime, modified: mtime, changed: ctime },
    };
    let mut json = serde_json::to_vec_pretty(&sidecar)?;
    json.push(b'\n');
    Ok(json)
}
