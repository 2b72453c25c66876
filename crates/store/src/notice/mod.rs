//! Notices and how far the trail was read for them. What is on its way is in [`delivery`].

pub mod delivery;

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// What happened, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id: that of the audit record that it tells of, so that nothing is told twice.
    pub id: Uuid,
    /// What kind.
    pub kind: String,
    /// What it is about.
    pub object_id: String,
    /// JSON.
    pub body: String,
    /// When it was written.
    pub created_at: Micros,
}

/// A tenant with sealed records that were not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Which.
    pub tenant_id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Micros,
    /// The last batch that was read; `None` when nothing ever was.
    pub batch: Option<i64>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, kind, object_id, body, created_at"
    };
}

sql! {
    BEHIND = "SELECT t.id, t.name, t.created_at, n.batch FROM tenant t \
        LEFT JOIN notice_cursor n ON n.tenant_id = t.id WHERE EXISTS (SELECT 1 FROM audit_checkpoint c \
        WHERE c.tenant_id = t.id AND c.batch > COALESCE(n.batch, -1)) LIMIT $1";
    BEGIN = "INSERT INTO notice_cursor (tenant_id, batch) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    MOVE = "UPDATE notice_cursor SET batch = $3 WHERE tenant_id = $1 AND batch = $2";
    INSERT = concat!("INSERT INTO notice (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING");
    GET = concat!("SELECT ", columns!(), " FROM notice WHERE tenant_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM notice WHERE tenant_id = $1 AND id < $2 \
        AND (kind = $3 OR CAST($3 AS TEXT) IS NULL) ORDER BY id DESC LIMIT $4");
    LIST_IN_STATE = concat!("SELECT ", columns!(), " FROM notice n WHERE tenant_id = $1 AND id < $2 \
        AND (kind = $3 OR CAST($3 AS TEXT) IS NULL) AND EXISTS (SELECT 1 FROM delivery d WHERE d.tenant_id = n.tenant_id \
        AND d.notice_id = n.id AND d.state = $4) ORDER BY id DESC LIMIT $5");
    FORGET = "DELETE FROM notice WHERE created_at < $1";
}

fn read(mut row: Row) -> Result<Notice, Error> {
    Ok(Notice {
        tenant_id: row.take()?,
        id: row.take()?,
        kind: row.take()?,
        object_id: row.take()?,
        body: row.take()?,
        created_at: row.take()?,
    })
}

/// Tenants whose trail has batches that were not read.
pub fn behind(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Behind>, Error> {
    tx.query(BEHIND, &[&limit], |mut row| {
        Ok(Behind { tenant_id: row.take()?, name: row.take()?, created_at: row.take()?, batch: row.take()? })
    })
}

/// Where reading begins. `false` when somebody began already.
pub fn begin(tx: &mut Tx<'_>, tenant: Uuid, batch: i64) -> Result<bool, Error> {
    tx.execute(BEGIN, &[&tenant, &batch]).map(|rows| rows == 1)
}

/// Everything up to a batch was read. `false` when another was quicker: then nothing of what the caller read is to be told.
pub fn advance(tx: &mut Tx<'_>, tenant: Uuid, from: i64, to: i64) -> Result<bool, Error> {
    tx.execute(MOVE, &[&tenant, &from, &to]).map(|rows| rows == 1)
}

/// Adds a notice. `false` when its record was told of already.
pub fn insert(tx: &mut Tx<'_>, row: &Notice) -> Result<bool, Error> {
    let Notice { tenant_id, id, kind, object_id, body, created_at } = row;
    tx.execute(INSERT, &[tenant_id, id, kind, object_id, body, created_at]).map(|rows| rows == 1)
}

/// The notice with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Notice>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// A page of a tenant's notices, newest first: of a kind, or with a delivery in a state.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: Option<&str>,
    state: Option<&str>,
    page: Page,
) -> Result<Paged<Notice>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = match state {
        None => tx.query(LIST, &[&tenant, &after, &kind, &page.fetch()], read)?,
        Some(state) => tx.query(LIST_IN_STATE, &[&tenant, &after, &kind, &state, &page.fetch()], read)?,
    };
    Ok(page.cut(rows, |row| row.id))
}

/// Forgets what is older, with its deliveries.
pub fn forget(tx: &mut Tx<'_>, before: Micros) -> Result<u64, Error> {
    tx.execute(FORGET, &[&before])
}
