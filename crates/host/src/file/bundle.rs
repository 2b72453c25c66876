//! Many files of other people's in one encrypted archive, each under a name that the caller chose. What cannot be read to
//! its end leaves a whole entry behind, with as much as was read.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::archive::Archived;
use super::content::Content;
use super::open::{Opened, stat};
use super::zip::Zip;
use super::{Error, Password};

const CHUNK: usize = 128 * 1024;
/// Plain file, readable by its owner: what a name's true mode was is for a manifest to say, not for whoever unpacks it.
const MODE: u32 = 0o100_600;

/// An archive under construction. Removed when it is dropped before it is finished.
pub struct Bundle {
    zip: Option<Zip<BufWriter<File>>>,
    password: Password,
    path: PathBuf,
}

/// What was taken of a file.
#[derive(Debug)]
pub struct Taken {
    /// Bytes in the archive.
    pub size: u64,
    /// SHA-1 of them.
    pub sha1: [u8; 20],
    /// SHA-256 of them.
    pub sha256: [u8; 32],
    /// It is not as it was when it was opened.
    pub changed: bool,
    /// It has more.
    pub truncated: bool,
    /// Why reading ended early.
    pub failed: Option<io::Error>,
}

/// What was written of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Bundle {
    /// A new file of mode 0600 that must not exist yet.
    pub fn create(path: &Path, password: Password) -> Result<Self, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(opened.map_err(|errno| Error::Archive(errno.into()))?);
        let zip = Zip::new(BufWriter::with_capacity(CHUNK, file));
        Ok(Self { zip: Some(zip), password, path: path.to_owned() })
    }

    /// Reads an opened file once, at most `most` bytes of it, into an entry. `progress` is told the bytes read of it, and
    /// may stop everything.
    ///
    /// # Errors
    /// The archive could not be written, or `progress` stopped it: the archive is of no use any more.
    pub fn file(
        &mut self,
        name: &str,
        opened: &Opened,
        most: u64,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Taken, Error> {
        let password = self.password.clone();
        let about = (opened.stat.mtime.0, MODE);
        self.zip()?
            .entry(name, about, password.bytes(), |out| copy(opened, out, most, &mut progress))
            .map_err(|failure| failure.0)
    }

    /// Writes an entry of our own.
    ///
    /// # Errors
    /// Those of `fill`, and of the archive.
    pub fn write<T, E: From<io::Error>>(
        &mut self,
        name: &str,
        seconds: i64,
        fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<(T, Entry), E> {
        let password = self.password.clone();
        let zip = self.zip.as_mut().ok_or_else(|| io::Error::other("the archive is finished"))?;
        zip.entry(name, (seconds, MODE), password.bytes(), |out| {
            let mut counted = Counted { out, hash: Sha256::new(), size: 0 };
            let value = fill(&mut counted)?;
            Ok((value, Entry { size: counted.size, sha256: counted.hash.finalize().into() }))
        })
    }

    /// Writes the directory; synced to disk.
    pub fn finish(mut self) -> Result<Archived, Error> {
        let zip = self.zip.take().ok_or_else(|| Error::Archive(io::Error::other("finished twice")))?;
        let written = zip.finish().map_err(Error::Archive);
        let synced = written.and_then(|written| {
            let file = written.out.into_inner().map_err(|error| Error::Archive(error.into_error()))?;
            file.sync_all().map_err(Error::Archive)?;
            Ok(Archived { size: written.size, sha256: written.sha256 })
        });
        if synced.is_err() {
            let _ = std::fs::remove_file(&self.path);
        }
        synced
    }

    fn zip(&mut self) -> Result<&mut Zip<BufWriter<File>>, Error> {
        self.zip.as_mut().ok_or_else(|| Error::Archive(io::Error::other("the archive is finished")))
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if self.zip.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
    size: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Inside an entry a bare I/O error comes from the archive's side.
struct Failure(Error);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(Error::Archive(error))
    }
}

fn copy(
    opened: &Opened,
    out: &mut dyn Write,
    most: u64,
    progress: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Taken, Failure> {
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    // A file that grows is taken as it was when it was opened.
    let wanted = if opened.pseudo { most } else { opened.stat.size.min(most) };
    let (mut size, mut failed) = (0u64, None);
    let mut buffer = vec![0u8; CHUNK];
    let mut content = Content::new(opened);
    while size < wanted {
        let room = usize::try_from(wanted - size).unwrap_or(CHUNK).min(CHUNK);
        match content.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(n) => {
                sha1.update(&buffer[..n]);
                sha256.update(&buffer[..n]);
                out.write_all(&buffer[..n])?;
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        if progress(size).is_break() {
            return Err(Failure(Error::Canceled { at: size }));
        }
    }
    let truncated = if opened.pseudo { size == most } else { opened.stat.size > most };
    let after = stat(&opened.file).ok();
    let before = opened.stat;
    let is_same = |after: super::Stat| {
        after.size == before.size
            && (after.mtime, after.ctime) == (before.mtime, before.ctime)
            && size == wanted
    };
    let changed = !opened.pseudo && failed.is_none() && !after.is_some_and(is_same);
    Ok(Taken {
        size,
        sha1: sha1.finalize().into(),
        sha256: sha256.finalize().into(),
        changed,
        truncated,
        failed,
    })
}
