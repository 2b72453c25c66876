//! What people wrote about an incident.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whose.
    pub tenant_id: Uuid,
    /// About which incident.
    pub incident_id: Uuid,
    /// UUID version 7.
    pub id: Uuid,
    /// What kind of author: `person`, `api_key`.
    pub author_kind: String,
    /// Which.
    pub author_id: String,
    /// Their name at that time.
    pub author_name: String,
    /// What was written.
    pub body: String,
    /// When.
    pub created_at: Micros,
    /// When it was changed last.
    pub edited_at: Option<Micros>,
}

sql! {
    INSERT = "INSERT INTO incident_note (tenant_id, incident_id, id, author_kind, author_id, author_name, body, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = "SELECT tenant_id, incident_id, id, author_kind, author_id, author_name, body, created_at, edited_at \
        FROM incident_note WHERE tenant_id = $1 AND incident_id = $2 AND id = $3";
    LIST = "SELECT tenant_id, incident_id, id, author_kind, author_id, author_name, body, created_at, edited_at \
        FROM incident_note WHERE tenant_id = $1 AND incident_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    COUNT = "SELECT COUNT(*) FROM incident_note WHERE tenant_id = $1 AND incident_id = $2";
    EDIT = "UPDATE incident_note SET body = $4, edited_at = $5 WHERE tenant_id = $1 AND incident_id = $2 AND id = $3";
    REMOVE = "DELETE FROM incident_note WHERE tenant_id = $1 AND incident_id = $2 AND id = $3";
}

fn read(mut row: Row) -> Result<Note, Error> {
    Ok(Note {
        tenant_id: row.take()?,
        incident_id: row.take()?,
        id: row.take()?,
        author_kind: row.take()?,
        author_id: row.take()?,
        author_name: row.take()?,
        body: row.take()?,
        created_at: row.take()?,
        edited_at: row.take()?,
    })
}

/// Adds a note.
pub fn insert(tx: &mut Tx<'_>, note: &Note) -> Result<(), Error> {
    let Note { tenant_id, incident_id, id, author_kind, author_id, author_name, body, created_at, .. } = note;
    let values: [&dyn crate::Param; 8] =
        [tenant_id, incident_id, id, author_kind, author_id, author_name, body, created_at];
    tx.execute(INSERT, &values).map(drop)
}

/// The note with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, id: Uuid) -> Result<Option<Note>, Error> {
    tx.query_opt(GET, &[&tenant, &incident, &id], read)
}

/// A page of the notes of an incident, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, page: Page) -> Result<Paged<Note>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &incident, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |note| note.id))
}

/// How many notes an incident has.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT, &[&tenant, &incident], |mut row| row.take())?.unwrap_or(0))
}

/// Changes what a note says.
pub fn edit(
    tx: &mut Tx<'_>,
    (tenant, incident): (Uuid, Uuid),
    id: Uuid,
    body: &str,
    at: Micros,
) -> Result<(), Error> {
    tx.change(EDIT, &[&tenant, &incident, &id, &body, &at], Error::NotFound("note"))
}

/// Removes a note.
pub fn remove(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(REMOVE, &[&tenant, &incident, &id], Error::NotFound("note"))
}
