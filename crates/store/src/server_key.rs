//! Public halves of the server's keys, and which of them is in use. At most one is current per purpose.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// Its id.
    pub id: Uuid,
    /// What it is for: `order`, `ca` …
    pub purpose: String,
    /// The public half.
    pub public: Vec<u8>,
    /// `current`, `previous` (still believed) or `retired`.
    pub state: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was retired.
    pub retired_at: Option<Micros>,
}

sql! {
    INSERT = "INSERT INTO server_key (id, purpose, public, state, created_at) VALUES ($1, $2, $3, 'current', $4)";
    STEP_BACK = "UPDATE server_key SET state = 'previous' WHERE purpose = $1 AND state = 'current'";
    RETIRE = "UPDATE server_key SET state = 'retired', retired_at = $2 WHERE id = $1 AND state = 'previous'";
    LIST = "SELECT id, purpose, public, state, created_at, retired_at FROM server_key WHERE purpose = $1 \
        ORDER BY created_at DESC, id DESC LIMIT 100";
}

/// Makes this key the current one; the one before is still believed until it is retired.
pub fn rotate(tx: &mut Tx<'_>, id: Uuid, purpose: &str, public: &[u8], now: Micros) -> Result<(), Error> {
    tx.execute(STEP_BACK, &[&purpose])?;
    tx.execute(INSERT, &[&id, &purpose, &public, &now]).map(drop)
}

/// Ends the belief in a previous key.
pub fn retire(tx: &mut Tx<'_>, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(RETIRE, &[&id, &now], Error::NotFound("previous server key"))
}

/// The keys of a purpose, newest first, at most 100.
pub fn list(tx: &mut Tx<'_>, purpose: &str) -> Result<Vec<ServerKey>, Error> {
    tx.query(LIST, &[&purpose], |mut row: Row| {
        Ok(ServerKey {
            id: row.take()?,
            purpose: row.take()?,
            public: row.take()?,
            state: row.take()?,
            created_at: row.take()?,
            retired_at: row.take()?,
        })
    })
}
