//! Trust bundles of tenants, brought to the signer by its operator: the keys of approvers, and what must be signed for.
//!
//! An agent that pinned a bundle checks the same again. Here it also counts where agents have none: an order that lacks the
//! approvers' own signatures is not signed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quell_wire::digest::{hex, sha256};
use quell_wire::trust::{self, Lacking, Pinned, SignedTrustBundle};
use quell_wire::{Intent, Order};

use crate::file;

/// Where they are, in the signer's directory.
const DIRECTORY: &str = "trust";
/// No more files are read.
const MOST: usize = 4096;

/// The bundles cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or the directory.
    #[error(transparent)]
    File(#[from] file::Error),
    /// A file is no bundle.
    #[error("{0} is no trust bundle")]
    Format(String),
    /// A bundle is not acceptable.
    #[error("{name} is not acceptable")]
    Bundle {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: trust::Error,
    },
    /// More than anybody keeps.
    #[error("more than {MOST} trust bundles")]
    TooMany,
}

/// The newest bundle of each tenant that has one.
#[derive(Debug, Default)]
pub struct Bundles(BTreeMap<String, Pinned>);

impl Bundles {
    /// Reads them: of each tenant the oldest is believed, since an operator put it there, and each later one if it follows.
    pub fn open(signer: &Path) -> Result<Self, Error> {
        let directory = signer.join(DIRECTORY);
        let mut paths = Vec::new();
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(file::at(&directory)(error).into()),
        };
        for entry in entries {
            let path = entry.map_err(file::at(&directory))?.path();
            if path.extension().is_some_and(|extension| extension == "trust") {
                paths.push(path);
            }
            if paths.len() > MOST {
                return Err(Error::TooMany);
            }
        }
        let mut found = Vec::new();
        for path in paths {
            let name = path.display().to_string();
            let bytes = file::read(&path)?.unwrap_or_default();
            let signed = read(&bytes).ok_or_else(|| Error::Format(name.clone()))?;
            let bundle = signed.open().map_err(|source| Error::Bundle { name: name.clone(), source })?;
            found.push((bundle.serial, bundle.tenant_id, name, signed));
        }
        found.sort_by(|one, other| (one.0, &one.2).cmp(&(other.0, &other.2)));
        let mut all = BTreeMap::<String, Pinned>::new();
        for (_, tenant, name, signed) in found {
            let next = match all.get(&tenant) {
                Some(pinned) => pinned.accept(&signed),
                None => Pinned::kept(&tenant, signed),
            };
            let next = next.map_err(|source| Error::Bundle { name, source })?;
            all.insert(tenant, next);
        }
        Ok(Self(all))
    }

    /// Puts one more into the signer's directory, if it is the first of its tenant or follows the newest; answers its tenant
    /// and serial.
    pub fn add(signer: &Path, bytes: &[u8]) -> Result<(String, u64), Error> {
        let name = "the trust bundle";
        let refused = |source| Error::Bundle { name: name.to_owned(), source };
        let signed = read(bytes).ok_or_else(|| Error::Format(name.to_owned()))?;
        let bundle = signed.open().map_err(refused)?;
        match Self::open(signer)?.0.get(&bundle.tenant_id) {
            Some(pinned) => pinned.accept(&signed).map_err(refused)?,
            None => Pinned::kept(&bundle.tenant_id, signed.clone()).map_err(refused)?,
        };
        let directory = signer.join(DIRECTORY);
        file::directory(&directory)?;
        // A tenant's id is a text of its bundle, and no part of a path.
        let tenant = hex(&sha256(&[bundle.tenant_id.as_bytes()])[..8]);
        let path = directory.join(format!("{tenant}-{:010}.trust", bundle.serial));
        file::write_new(&path, format!("{}\n", signed.to_text()).as_bytes())?;
        Ok((bundle.tenant_id, bundle.serial))
    }

    /// Tenant and serial of each.
    pub(crate) fn list(&self) -> Vec<(&str, u64)> {
        self.0.iter().map(|(tenant, pinned)| (tenant.as_str(), pinned.bundle().serial)).collect()
    }

    /// Whether the tenant's own root demands signatures that the order lacks.
    pub(crate) fn check(&self, intent: &Intent, order: &Order) -> Result<(), Lacking> {
        let Some(pinned) = self.0.get(&intent.tenant_id) else { return Ok(()) };
        let digest = quell_wire::intent::digest(&order.intent);
        pinned.check(intent, &digest, &order.approvals).map(|_| ())
    }

    /// How many humans' own signatures over the intent are valid; none where the tenant has no bundle.
    pub(crate) fn signed(&self, intent: &Intent, order: &Order) -> usize {
        let Some(pinned) = self.0.get(&intent.tenant_id) else { return 0 };
        let digest = quell_wire::intent::digest(&order.intent);
        let signatures = order.approvals.iter().filter_map(|approval| approval.signature.as_ref());
        let humans: BTreeSet<&str> = signatures
            .filter_map(|signature| pinned.signer(intent, &digest, signature).ok())
            .map(|key| key.human.as_str())
            .collect();
        humans.len()
    }
}

fn read(bytes: &[u8]) -> Option<SignedTrustBundle> {
    SignedTrustBundle::from_text(std::str::from_utf8(bytes).ok()?.trim())
}
