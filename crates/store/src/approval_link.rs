//! Links in mails: each shows one request to one person, and is good for one decision. Only a digest is stored.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// SHA-256 of the token in it.
    pub hash: [u8; 32],
    /// The task that is asked about.
    pub task_id: Uuid,
    /// Who is asked.
    pub person_id: Uuid,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends by itself.
    pub expires_at: Micros,
    /// When it was used up.
    pub used_at: Option<Micros>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, hash, task_id, person_id, created_at, expires_at, used_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO approval_link (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)");
    BY_HASH = concat!("SELECT ", columns!(), " FROM approval_link WHERE hash = $1");
    USE = "UPDATE approval_link SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL";
}

fn read(mut row: Row) -> Result<Link, Error> {
    Ok(Link {
        tenant_id: row.take()?,
        id: row.take()?,
        hash: row.take()?,
        task_id: row.take()?,
        person_id: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        used_at: row.take()?,
    })
}

/// Adds a link.
pub fn insert(tx: &mut Tx<'_>, link: &Link) -> Result<(), Error> {
    let Link { tenant_id, id, hash, task_id, person_id, created_at, expires_at, .. } = link;
    tx.execute(INSERT, &[tenant_id, id, hash, task_id, person_id, created_at, expires_at]).map(drop)
}

/// The link with this token, of whatever tenant: the link itself says which.
pub fn by_hash(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<Link>, Error> {
    tx.query_opt(BY_HASH, &[hash], read)
}

/// Uses a link up. `false` when it was before.
pub fn use_up(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(USE, &[&tenant, &id, &now]).map(|rows| rows == 1)
}
