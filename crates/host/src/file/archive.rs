//! Several files of our own in one encrypted archive: what a script wrote, for example. The names are the
//! caller's constants, and the files lie in a directory that only we write to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use super::zip::Zip;
use super::{Error, Password};

const CHUNK: usize = 128 * 1024;

/// An archive on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// Bytes.
    pub size: u64,
    /// SHA-256 over all of it.
    pub sha256: [u8; 32],
}

/// Writes the files, each under its name, into a new archive of mode 0600 that must not exist yet; synced to
/// disk. On failure it is removed again. `progress` is told the bytes read so far, and may stop it.
pub fn archive_to_file(
    files: &[(&'static str, &Path)],
    password: &Password,
    spool: &Path,
    progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Archived, Error> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, spool, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(opened.map_err(|errno| Error::Archive(errno.into()))?);
    let done = write(files, password, file, progress);
    if done.is_err() {
        let _ = std::fs::remove_file(spool);
    }
    done
}

fn write(
    files: &[(&'static str, &Path)],
    password: &Password,
    out: File,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Archived, Error> {
    let mut zip = Zip::new(io::BufWriter::with_capacity(CHUNK, out));
    let mut at = 0;
    for (name, path) in files {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, *path, flags, Mode::empty());
        let mut file = File::from(opened.map_err(|errno| Error::Open(errno.into()))?);
        let stat = super::open::stat(&file).map_err(Error::Open)?;
        zip.entry(name, (stat.mtime.0, 0o100_600), password.bytes(), |out| {
            copy(&mut file, out, &mut at, &mut progress)
        })
        .map_err(|failure| failure.0)?;
    }
    let written = zip.finish().map_err(Error::Archive)?;
    let file = written.out.into_inner().map_err(|error| Error::Archive(error.into_error()))?;
    file.sync_all().map_err(Error::Archive)?;
    Ok(Archived { size: written.size, sha256: written.sha256 })
}

/// Inside an entry a bare I/O error comes from the archive's side.
struct Failure(Error);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(Error::Archive(error))
    }
}

fn copy(
    file: &mut File,
    out: &mut dyn Write,
    at: &mut u64,
    progress: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let mut buffer = vec![0u8; CHUNK];
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(Failure(Error::Read { at: *at, source })),
        };
        out.write_all(&buffer[..n])?;
        *at += n as u64;
        if progress(*at).is_break() {
            return Err(Failure(Error::Canceled { at: *at }));
        }
    }
}
