//! The data directory: made for its owner only, used by one server at a time, refused while others may read its keys.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory, or a file in it, cannot be used.
    #[error("{path} cannot be used")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another server uses the directory.
    #[error("another server uses the data directory {0}; stop it first")]
    InUse(PathBuf),
    /// There are two order keys, and which of them agents trust is not known here.
    #[error(
        "there is an order key in {0} and another in {1}; keep the one that agents know in the latter, and move the other away"
    )]
    TwoKeys(PathBuf, PathBuf),
    /// Others may read what only the server may read.
    #[error(
        "{path} may be read by others (mode {mode:03o}); `chmod go-rwx` it, and replace the key if others had access"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// The data directory, made when absent, and refused while others may read its keys.
pub(crate) fn prepare(directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Io { path: directory.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    for name in ["", "ca.key", "order.key", "signer", "signer/order.key", "secret.key", "admin.key"] {
        let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
        match check_private(&path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Moves the order key from where servers had it to the signer's own directory, which is made. The key is not opened.
pub(crate) fn hand_over_order_key(data: &Path, signer: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(signer).map_err(failed(signer))?;
    let (old, new) = (data.join("order.key"), signer.join("order.key"));
    if !old.exists() {
        return Ok(());
    }
    if new.exists() {
        return Err(Error::TwoKeys(data.to_owned(), signer.to_owned()));
    }
    std::fs::rename(&old, &new).map_err(failed(&old))?;
    for directory in [signer, data] {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
    }
    tracing::info!(path = %new.display(), "the order key is the signer's now");
    Ok(())
}

/// Keeps other servers out of the directory, until dropped or until the process ends however it ends.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let failed = |source| Error::Io { path: directory.to_owned(), source };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(directory.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether nobody but the owner may do anything with this path.
pub(crate) fn check_private(path: &Path) -> Result<(), Error> {
    let found = std::fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 { Err(Error::Exposed { path: path.to_owned(), mode }) } else { Ok(()) }
}
