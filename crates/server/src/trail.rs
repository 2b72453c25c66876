//! Verifying the audit trail of a database, beside the server or without it.

use std::path::Path;

use quell_audit::{Keys, verify};
use quell_engine::{Clock as _, SystemClock};
use quell_store::{Options, Store, tenant};
use quell_wire::{SigningKey, digest::Digest};
use uuid::Uuid;

use crate::config::{Config, ConfigError};
use crate::pki::PrivateFileError;

pub use quell_audit::verify::{Problem as TrailProblem, Report as TrailReport};

/// Why a trail could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The set-up cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing.
    #[error("there is no database at {0}")]
    Absent(String),
    /// The database.
    #[error("the database cannot be read")]
    Store(#[from] quell_store::Error),
    /// Neither a key was named, nor is the server's own there.
    #[error("no key to believe: there is no audit.key in the data directory")]
    NoKey,
    /// The key file.
    #[error("audit.key cannot be used")]
    KeyFile(#[from] PrivateFileError),
    /// What stands in it.
    #[error("audit.key holds no key")]
    Key(#[from] quell_wire::keys::KeyError),
    /// No such tenant.
    #[error("there is no tenant {0}")]
    UnknownTenant(Uuid),
}

/// Which trail is verified, and against what.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Public keys to believe, 32 bytes each; the public half of the data directory's own where there are none.
    pub keys: Vec<Vec<u8>>,
    /// Only this tenant's.
    pub tenant: Option<Uuid>,
    /// The number and the digest of a checkpoint that was kept.
    pub kept: Option<(u64, Digest)>,
}

/// The trail of one tenant.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Whose.
    pub tenant: Uuid,
    /// The tenant's name.
    pub name: String,
    /// What was found.
    pub report: TrailReport,
}

/// Verifies the trails in the database that `config` names. A server may run on it meanwhile.
///
/// # Errors
/// What keeps the trails from being read; what is wrong with them is in the reports.
pub async fn verify_trails(
    config: &Config,
    wanted: &Wanted,
    mut progress: impl FnMut(u64),
) -> Result<Vec<Trail>, TrailError> {
    let keys = if wanted.keys.is_empty() { vec![own_key(&config.data_dir)?] } else { wanted.keys.clone() };
    let keys = Keys::new(keys);
    let url = config.database_url()?;
    // To open makes what is absent, and an empty trail would verify.
    if let Some(path) = url.strip_prefix("sqlite:")
        && !Path::new(path.strip_prefix("//").unwrap_or(path)).exists()
    {
        return Err(TrailError::Absent(path.to_owned()));
    }
    let now = SystemClock.now();
    let store = Store::open(&url, Options::default(), now).await?;
    let mut tenants = store.read(tenant::list).await?;
    if let Some(id) = wanted.tenant {
        tenants.retain(|tenant| tenant.id == id);
        if tenants.is_empty() {
            return Err(TrailError::UnknownTenant(id));
        }
    }
    let mut trails = Vec::with_capacity(tenants.len());
    let mut before = 0;
    for tenant in tenants {
        let told = |count| progress(before + count);
        let report = verify::verify(&store, tenant.id, &keys, wanted.kept, now, told).await?;
        before += report.records;
        trails.push(Trail { tenant: tenant.id, name: tenant.name, report });
    }
    store.close().await;
    Ok(trails)
}

fn own_key(directory: &Path) -> Result<Vec<u8>, TrailError> {
    let der = crate::pki::read_private(&directory.join("audit.key"))?.ok_or(TrailError::NoKey)?;
    Ok(SigningKey::from_pkcs8(&der)?.public())
}
