//! Enrolment tokens: what lets a machine become an endpoint, a limited number of times, for a short while.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the token's secret part.
    pub hash: [u8; 32],
    /// JSON list of tags that its endpoints get: a machine never chooses its own.
    pub tags: String,
    /// How many machines it may enrol.
    pub max_uses: i64,
    /// How many it has enrolled.
    pub uses: i64,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
    /// When it ends.
    pub expires_at: Micros,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, name, hash, tags, max_uses, uses, created_by, created_at, expires_at, revoked_at"
    };
}

sql! {
    INSERT = "INSERT INTO enrolment_token (tenant_id, id, name, hash, tags, max_uses, created_by, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    SPEND = concat!("UPDATE enrolment_token SET uses = uses + 1 WHERE hash = $1 AND revoked_at IS NULL \
        AND expires_at > $2 AND uses < max_uses RETURNING ", columns!());
    BY_HASH = concat!("SELECT ", columns!(), " FROM enrolment_token WHERE hash = $1");
    LIST = concat!("SELECT ", columns!(), " FROM enrolment_token WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC \
        LIMIT $3");
    REVOKE = "UPDATE enrolment_token SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL";
}

fn read(mut row: Row) -> Result<Token, Error> {
    Ok(Token {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        hash: row.take()?,
        tags: row.take()?,
        max_uses: row.take()?,
        uses: row.take()?,
        created_by: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        revoked_at: row.take()?,
    })
}

/// Adds a token, not yet used.
pub fn insert(tx: &mut Tx<'_>, token: &Token) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &token.tenant_id,
            &token.id,
            &token.name,
            &token.hash,
            &token.tags,
            &token.max_uses,
            &token.created_by,
            &token.created_at,
            &token.expires_at,
        ],
    )
    .map(drop)
}

/// Uses the token once, atomically. `None` when it is unknown, expired, revoked or used up; which of these
/// it is, is for the audit ([`by_hash`]), not for the one who tries.
pub fn spend(tx: &mut Tx<'_>, hash: &[u8; 32], now: Micros) -> Result<Option<Token>, Error> {
    tx.query_opt(SPEND, &[hash, &now], read)
}

/// The token with this digest, in whatever state.
pub fn by_hash(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<Token>, Error> {
    tx.query_opt(BY_HASH, &[hash], read)
}

/// A page of a tenant's tokens, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Token>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |token| token.id))
}

/// Ends the token.
pub fn revoke(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(REVOKE, &[&tenant, &id, &now], Error::NotFound("enrolment token in use"))
}
