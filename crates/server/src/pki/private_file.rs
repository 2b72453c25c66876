//! Secrets in files: written once, readable by their owner only, refused when others may read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// No secret of ours is longer.
const MOST: u64 = 64 << 10;

/// A secret's file is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Others than the owner may read or write it.
    #[error(
        "{path} may be read by others (mode {mode:03o}); `chmod 600` it, and replace the secret if others had access"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than any secret of ours, or not a regular file.
    #[error("{path} is not a file that this program wrote")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{path} could not be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError + '_ {
    move |source| PrivateFileError::Io { path: path.to_owned(), source }
}

/// Reads a secret; `None` where there is no file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, PrivateFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_at(path)(error)),
    };
    // The open file is looked at, not the path, which may be another file by now.
    let facts = file.metadata().map_err(io_at(path))?;
    let mode = facts.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    if !facts.is_file() || facts.len() > MOST {
        return Err(PrivateFileError::Foreign { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(io_at(path))?;
    Ok(Some(bytes))
}

/// Writes a file anew, mode 0600 (or 0644 where `public`), and brings it to the disk. Replaces what is there.
pub fn write(path: &Path, bytes: &[u8], public: bool) -> Result<(), PrivateFileError> {
    let _ = fs::remove_file(path);
    let mode = if public { 0o644 } else { 0o600 };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(io_at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_at(path))
}

/// Brings renames within a directory to the disk.
pub fn sync_directory(directory: &Path) -> Result<(), PrivateFileError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io_at(directory))
}

/// Makes a directory, mode 0700, unless it is there.
pub fn make_directory(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_at(path))
}

/// Reads the secret in this file, or makes it first with `make`. The file appears complete or not at all.
pub fn read_or_create<E>(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E>
where
    E: From<PrivateFileError>,
{
    if let Some(bytes) = read(path)? {
        return Ok(bytes);
    }
    let bytes = make()?;
    let staged = path.with_added_extension("new");
    write(&staged, &bytes, false)?;
    fs::rename(&staged, path).map_err(io_at(path))?;
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    Ok(bytes)
}
