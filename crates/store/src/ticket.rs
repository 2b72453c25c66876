//! Ways in by a link that is shown once: invitations, and new passwords. Only a digest of the link's text is stored.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// An invitation.
pub const INVITATION: &str = "invitation";
/// A new password for an account that has one.
pub const RESET: &str = "reset";

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The home tenant of the person.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// For whom.
    pub person_id: Uuid,
    /// [`INVITATION`] or [`RESET`].
    pub kind: String,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Micros,
    /// When it ends by itself.
    pub expires_at: Micros,
    /// When it was used, or voided.
    pub used_at: Option<Micros>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, person_id, kind, hash, created_at, expires_at, used_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO ticket (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    BY_HASH = concat!("SELECT ", columns!(), " FROM ticket WHERE hash = $1");
    USE = "UPDATE ticket SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL";
    VOID = "UPDATE ticket SET used_at = $2 WHERE person_id = $1 AND used_at IS NULL";
    SWEEP = "DELETE FROM ticket WHERE expires_at < $1";
}

fn read(mut row: Row) -> Result<Ticket, Error> {
    Ok(Ticket {
        tenant_id: row.take()?,
        id: row.take()?,
        person_id: row.take()?,
        kind: row.take()?,
        hash: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        used_at: row.take()?,
    })
}

/// Adds a ticket.
pub fn insert(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<(), Error> {
    let Ticket { tenant_id, id, person_id, kind, hash, created_at, expires_at, used_at } = ticket;
    tx.execute(INSERT, &[tenant_id, id, person_id, kind, hash, created_at, expires_at, used_at]).map(drop)
}

/// The ticket with this text's digest, of whatever tenant.
pub fn by_hash(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<Ticket>, Error> {
    tx.query_opt(BY_HASH, &[hash], read)
}

/// Uses a ticket up. `false` when it was used before.
pub fn use_up(tx: &mut Tx<'_>, ticket: &Ticket, now: Micros) -> Result<bool, Error> {
    tx.execute(USE, &[&ticket.tenant_id, &ticket.id, &now]).map(|rows| rows == 1)
}

/// Ends all open tickets of a person.
pub fn void(tx: &mut Tx<'_>, person: Uuid, now: Micros) -> Result<u64, Error> {
    tx.execute(VOID, &[&person, &now])
}

/// Removes tickets that ended by themselves before this.
pub fn sweep(tx: &mut Tx<'_>, before: Micros) -> Result<u64, Error> {
    tx.execute(SWEEP, &[&before])
}
