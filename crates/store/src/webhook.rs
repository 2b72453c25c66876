//! Webhooks: where a tenant's own systems are told of notices. Secrets are stored as they come, which is sealed.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What people call it; unique in the tenant.
    pub name: String,
    /// Where posts go.
    pub url: String,
    /// The kinds of notices that it wants, a JSON array; empty for all.
    pub kinds: String,
    /// The secret, sealed.
    pub secret: Vec<u8>,
    /// The one before, sealed, which signs as well until `former_until`.
    pub former: Option<Vec<u8>>,
    /// Until when.
    pub former_until: Option<Micros>,
    /// `active` or `disabled`.
    pub state: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub updated_at: Micros,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Webhook").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, name, url, kinds, secret, former, former_until, state, created_at, updated_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO webhook (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
    GET = concat!("SELECT ", columns!(), " FROM webhook WHERE tenant_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM webhook WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    ACTIVE = concat!("SELECT ", columns!(), " FROM webhook WHERE tenant_id = $1 AND state = 'active' ORDER BY id LIMIT $2");
    COUNT = "SELECT COUNT(*) FROM webhook WHERE tenant_id = $1";
    UPDATE = "UPDATE webhook SET name = $3, url = $4, kinds = $5, state = $6, updated_at = $7 \
        WHERE tenant_id = $1 AND id = $2";
    ROTATE = "UPDATE webhook SET former = secret, former_until = $4, secret = $3, updated_at = $5 \
        WHERE tenant_id = $1 AND id = $2";
    DISABLE = "UPDATE webhook SET state = 'disabled', updated_at = $3 \
        WHERE tenant_id = $1 AND id = $2 AND state = 'active'";
    DELETE = "DELETE FROM webhook WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<Webhook, Error> {
    Ok(Webhook {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        url: row.take()?,
        kinds: row.take()?,
        secret: row.take()?,
        former: row.take()?,
        former_until: row.take()?,
        state: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("webhook");

/// Adds one; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, row: &Webhook) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &row.tenant_id,
            &row.id,
            &row.name,
            &row.url,
            &row.kinds,
            &row.secret,
            &row.former,
            &row.former_until,
            &row.state,
            &row.created_at,
            &row.updated_at,
        ],
    )
    .map(drop)
}

/// The webhook with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Webhook>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// A page of a tenant's webhooks, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Webhook>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |row| row.id))
}

/// Those that are told of notices.
pub fn active(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Webhook>, Error> {
    tx.query(ACTIVE, &[&tenant, &limit], read)
}

/// How many a tenant has.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT, &[&tenant], |mut row| row.take())?.unwrap_or(0))
}

/// Changes all but the secrets; [`Error::Conflict`] when the name is taken.
pub fn update(tx: &mut Tx<'_>, row: &Webhook) -> Result<(), Error> {
    let Webhook { tenant_id, id, name, url, kinds, state, updated_at, .. } = row;
    tx.change(UPDATE, &[tenant_id, id, name, url, kinds, state, updated_at], ABSENT)
}

/// Puts a new secret (sealed) in front; the one before signs as well until `until`.
pub fn rotate(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    secret: &[u8],
    until: Micros,
    now: Micros,
) -> Result<(), Error> {
    tx.change(ROTATE, &[&tenant, &id, &secret, &until, &now], ABSENT)
}

/// Switches one off. `false` when it was off, or is not there.
pub fn disable(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(DISABLE, &[&tenant, &id, &now]).map(|rows| rows == 1)
}

/// Removes one.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(DELETE, &[&tenant, &id], ABSENT)
}
