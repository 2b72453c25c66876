//! What was signed last for each tenant, in one file of the signer's directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::file;

/// What was signed last of one kind, by tenant.
#[derive(Debug)]
pub(crate) struct Last<T> {
    path: PathBuf,
    signed: BTreeMap<String, T>,
}

impl<T: DeserializeOwned + PartialEq + Serialize> Last<T> {
    /// Reads the file; nothing was signed where there is none.
    pub(crate) fn open(directory: &Path, name: &str) -> Result<Self, file::Error> {
        let path = directory.join(name);
        let signed = match file::read(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| file::Error::Foreign(path.clone()))?,
            None => BTreeMap::new(),
        };
        Ok(Self { path, signed })
    }

    pub(crate) fn of(&self, tenant: &str) -> Option<&T> {
        self.signed.get(tenant)
    }

    /// Keeps what is signed, before it is.
    pub(crate) fn keep(&mut self, tenant: &str, signed: T) -> Result<(), file::Error> {
        if self.signed.get(tenant) == Some(&signed) {
            return Ok(());
        }
        let before = self.signed.insert(tenant.to_owned(), signed);
        let bytes = serde_json::to_vec_pretty(&self.signed).unwrap_or_default();
        file::replace(&self.path, &bytes).inspect_err(|_| {
            // What is not on the disk was not signed.
            match before {
                Some(before) => self.signed.insert(tenant.to_owned(), before),
                None => self.signed.remove(tenant),
            };
        })
    }
}
