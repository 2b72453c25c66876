//! Times in which a person acts without the approval that is asked for.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// Such a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Who acts.
    pub person_id: Uuid,
    /// The human behind the account.
    pub human: Uuid,
    /// Their name, at that time.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub begun_at: Micros,
    /// Until when at most.
    pub until_at: Micros,
    /// When they ended it themselves.
    pub ended_at: Option<Micros>,
    /// Who looked at what was done, by name.
    pub reviewed_by: Option<String>,
    /// When.
    pub reviewed_at: Option<Micros>,
    /// What they found.
    pub note: Option<String>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, person_id, human, name, reason, begun_at, until_at, ended_at, reviewed_by, reviewed_at, note"
    };
}

sql! {
    INSERT = "INSERT INTO break_glass (tenant_id, id, person_id, human, name, reason, begun_at, until_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = concat!("SELECT ", columns!(), " FROM break_glass WHERE tenant_id = $1 AND id = $2");
    OPEN = concat!("SELECT ", columns!(), " FROM break_glass WHERE tenant_id = $1 AND person_id = $2 AND until_at > $3 \
        AND ended_at IS NULL ORDER BY until_at DESC LIMIT 1");
    LIST = concat!("SELECT ", columns!(), " FROM break_glass WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    END = "UPDATE break_glass SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND until_at > $3";
    REVIEW = "UPDATE break_glass SET reviewed_by = $3, reviewed_at = $4, note = $5 WHERE tenant_id = $1 AND id = $2 \
        AND reviewed_at IS NULL";
}

fn read(mut row: Row) -> Result<BreakGlass, Error> {
    Ok(BreakGlass {
        tenant_id: row.take()?,
        id: row.take()?,
        person_id: row.take()?,
        human: row.take()?,
        name: row.take()?,
        reason: row.take()?,
        begun_at: row.take()?,
        until_at: row.take()?,
        ended_at: row.take()?,
        reviewed_by: row.take()?,
        reviewed_at: row.take()?,
        note: row.take()?,
    })
}

/// Begins one.
pub fn insert(tx: &mut Tx<'_>, row: &BreakGlass) -> Result<(), Error> {
    let BreakGlass { tenant_id, id, person_id, human, name, reason, begun_at, until_at, .. } = row;
    tx.execute(INSERT, &[tenant_id, id, person_id, human, name, reason, begun_at, until_at]).map(drop)
}

/// The one with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<BreakGlass>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The one that a person is in now.
pub fn open(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, now: Micros) -> Result<Option<BreakGlass>, Error> {
    tx.query_opt(OPEN, &[&tenant, &person, &now], read)
}

/// A page of a tenant's, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<BreakGlass>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |row| row.id))
}

/// Ends one before its time. `false` when it is over.
pub fn end(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(END, &[&tenant, &id, &now]).map(|rows| rows == 1)
}

/// Writes down that somebody looked at it. `false` when somebody did before.
pub fn review(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    by: &str,
    note: &str,
    now: Micros,
) -> Result<bool, Error> {
    tx.execute(REVIEW, &[&tenant, &id, &by, &now, &note]).map(|rows| rows == 1)
}
