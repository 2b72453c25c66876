//! Files that only their owner may read, and that are wholly the old ones or wholly the new ones after a crash.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// No file of the signer but its journal is longer.
const MOST: u64 = 1 << 20;

/// A file or the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the owner may read or write it.
    #[error(
        "{path} may be used by others (mode {mode:03o}); `chmod go-rwx` it, and rotate the key if others had access"
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than any that this program wrote, or not a regular file.
    #[error("{0} is not a file that this program wrote")]
    Foreign(PathBuf),
    /// Another signer works in the directory.
    #[error("another signer works in {0}")]
    InUse(PathBuf),
    /// Reading or writing failed.
    #[error("{path} could not be read or written")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Makes the signer's directory, for its owner only; refused where others may use it.
pub(crate) fn directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
    let found = fs::metadata(path).map_err(at(path))?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 { Err(Error::Exposed { path: path.to_owned(), mode }) } else { Ok(()) }
}

/// Keeps other signers out of the directory until dropped, however the process ends.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse(directory.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(Error::Io { path, source }),
    }
}

/// Reads a file; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    // The open file is looked at, not the path, which may be another file by now.
    let facts = file.metadata().map_err(at(path))?;
    let mode = facts.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    if !facts.is_file() || facts.len() > MOST {
        return Err(Error::Foreign(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(Some(bytes))
}

/// Writes a file that was not there, durable.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))?;
    sync_parent(path)
}

/// Replaces a file in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_added_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&new)(error)),
        _ => {}
    }
    write_new(&new, bytes)?;
    fs::rename(&new, path).map_err(at(path))?;
    sync_parent(path)
}

/// Brings names in a file's directory to the disk.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent).and_then(|parent| parent.sync_all()).map_err(at(parent)),
        None => Ok(()),
    }
}
