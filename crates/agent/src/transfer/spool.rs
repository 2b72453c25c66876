//! An archive that waits in an order's work directory to be uploaded. Once it is sealed, a restart of the
//! agent continues with it instead of collecting again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::state::{sync_directory, write_synced};

const ARCHIVE: &str = "archive.zip";
const SEAL: &str = "archive.json";
/// A seal is a few hashes. Bytes.
const LARGEST_SEAL: u64 = 64 << 10;

/// The place of one archive.
#[derive(Clone, Debug)]
pub struct Spool {
    directory: PathBuf,
}

/// A complete archive, with what is known of its content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sealed<T> {
    /// Bytes of the archive.
    pub size: u64,
    /// SHA-256 of the archive.
    pub sha256: [u8; 32],
    /// What it holds.
    pub about: T,
}

impl Spool {
    /// Within an order's work directory.
    pub fn within(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where the archive lies, or will.
    pub fn path(&self) -> PathBuf {
        self.directory.join(ARCHIVE)
    }

    /// The archive that an earlier run of the agent completed. Half of one, or one without its seal, is
    /// removed.
    pub fn sealed<T: DeserializeOwned>(&self) -> Result<Option<Sealed<T>>, Error> {
        let seal = self.directory.join(SEAL);
        let small = fs::metadata(&seal).is_ok_and(|facts| facts.len() <= LARGEST_SEAL);
        let sealed: Option<Sealed<T>> = small
            .then(|| fs::read(&seal).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let length = fs::metadata(self.path()).map(|facts| facts.len()).ok();
        if let Some(sealed) = sealed.filter(|sealed| Some(sealed.size) == length) {
            return Ok(Some(sealed));
        }
        for path in [seal, self.path()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file("remove a half archive")(error));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Notes that the archive is complete. Durable when this returns.
    pub fn seal<T: Serialize>(&self, sealed: &Sealed<T>) -> Result<(), Error> {
        let fresh = self.directory.join("archive.json.new");
        serde_json::to_vec(sealed)
            .map_err(io::Error::from)
            .and_then(|bytes| write_synced(&fresh, &bytes))
            .and_then(|()| fs::rename(&fresh, self.directory.join(SEAL)))
            .and_then(|()| sync_directory(&self.directory))
            .map_err(Error::file("note that the archive is complete"))
    }
}
