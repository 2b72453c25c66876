//! Documents and bodies on disk: each replaced in one step, and looked at before it counts.
//!
//! `protection.held` is the newest document, `protection.current` the one in force; the folder `protection` has bodies, each
//! named by its digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;
use quell_wire::digest::{hex, sha256};
use quell_wire::keys::Trust;
use quell_wire::limits;
use quell_wire::protection::{self as wire, Protection, Rules, SignedProtection};

use super::{Current, Error};
use crate::state::{StateDir, sync_directory, write_synced};

const HELD: &str = "protection.held";
const CURRENT: &str = "protection.current";
const FOLDER: &str = "protection";

/// A document that was taken.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it says.
    pub document: Protection,
    /// As it came.
    pub signed: SignedProtection,
    /// Signed by a key that is trusted now. One that is in force stays so when its key goes.
    pub is_trusted: bool,
    /// It is in force, and on the disk.
    pub is_saved: bool,
}

/// Where documents and bodies are.
#[derive(Clone, Debug)]
pub struct Store {
    state: StateDir,
    folder: PathBuf,
}

impl Store {
    /// Makes the folder.
    pub fn open(state: &StateDir) -> Result<Self, Error> {
        Ok(Self { state: state.clone(), folder: state.directory(FOLDER)? })
    }

    /// What was in force, with its bodies.
    pub fn current(&self, trust: &Trust, tenant: &str) -> Result<Option<(Kept, Current)>, Error> {
        let Some(kept) = self.read(CURRENT, trust, tenant)? else { return Ok(None) };
        let body = |rules: Option<&Rules>| rules.map(|rules| self.body(rules)).transpose();
        let (behaviour, yara) = (body(kept.document.behaviour.as_ref())?, body(kept.document.yara.as_ref())?);
        let current = Current { document: kept.document.clone(), behaviour, yara };
        Ok(Some((Kept { is_saved: true, ..kept }, current)))
    }

    /// The newest document that was taken.
    pub fn held(&self, trust: &Trust, tenant: &str) -> Result<Option<Kept>, Error> {
        self.read(HELD, trust, tenant)
    }

    fn read(&self, name: &str, trust: &Trust, tenant: &str) -> Result<Option<Kept>, Error> {
        let Some(bytes) = self.state.read(name)? else { return Ok(None) };
        let signed = SignedProtection::decode(bytes.as_slice())
            .map_err(|_| Error::Document(wire::Error::Malformed))?;
        let is_trusted = trust.key(&signed.key_id).is_some();
        let document = if is_trusted {
            signed.open(trust, tenant, 0)?
        } else {
            // It was looked at when it came, and its key has been taken away since.
            let document = Protection::read(&signed.protection)?;
            if document.tenant_id != tenant {
                return Err(wire::Error::OtherTenant.into());
            }
            document
        };
        Ok(Some(Kept { document, signed, is_trusted, is_saved: false }))
    }

    /// Keeps a document whose bodies are not all here.
    pub fn hold(&self, signed: &SignedProtection) -> Result<(), Error> {
        Ok(self.state.write(HELD, &signed.encode_to_vec())?)
    }

    /// Keeps a document that is in force from now on, and removes bodies that it does not name.
    pub fn keep(&self, kept: &Kept) -> Result<(), Error> {
        self.state.write(CURRENT, &kept.signed.encode_to_vec())?;
        self.state.remove(HELD)?;
        let named: Vec<String> = [&kept.document.behaviour, &kept.document.yara]
            .into_iter()
            .flatten()
            .map(|rules| hex(&rules.sha256))
            .collect();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let is_named = entry.file_name().to_str().is_some_and(|name| named.iter().any(|one| one == name));
            if !is_named {
                // One that stays is removed by the next change.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn path(&self, rules: &Rules) -> PathBuf {
        self.folder.join(hex(&rules.sha256))
    }

    /// A body that is here as it should be.
    pub fn body(&self, rules: &Rules) -> Result<Arc<[u8]>, Error> {
        let bytes = read(&self.path(rules)).map_err(|source| Error::File { what: "read", source })?;
        is_body(rules, &bytes)?;
        Ok(bytes.into())
    }

    /// Keeps a body.
    pub fn put(&self, rules: &Rules, bytes: &[u8]) -> Result<(), Error> {
        is_body(rules, bytes)?;
        let (path, fresh) = (self.path(rules), self.folder.join("new"));
        write_synced(&fresh, bytes)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .and_then(|()| sync_directory(&self.folder))
            .map_err(|source| Error::File { what: "written", source })
            .inspect_err(|_| {
                // A full disk must not stay full because of our own half-written file.
                let _ = std::fs::remove_file(&fresh);
            })
    }
}

/// Whether this is the body that a document names.
fn is_body(rules: &Rules, bytes: &[u8]) -> Result<(), Error> {
    let holds = bytes.len() as u64 == rules.size && sha256(&[bytes]).as_slice() == rules.sha256;
    if holds { Ok(()) } else { Err(Error::Size) }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::PROTECTION_RULES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
