//! Who the subjects of identity providers are here.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A subject of a provider, and the person that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's tenant.
    pub tenant_id: Uuid,
    /// The provider.
    pub provider_id: Uuid,
    /// The subject, as the provider names it.
    pub subject: String,
    /// The person.
    pub person_id: Uuid,
    /// Since when.
    pub created_at: Micros,
    /// When they last signed in there.
    pub last_login_at: Micros,
}

macro_rules! columns {
    () => {
        "tenant_id, provider_id, subject, person_id, created_at, last_login_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO identity (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)");
    GET = concat!("SELECT ", columns!(), " FROM identity WHERE tenant_id = $1 AND provider_id = $2 AND subject = $3");
    HUMAN = "SELECT p.human FROM identity i JOIN identity_provider q ON q.tenant_id = i.tenant_id AND q.id = i.provider_id \
        JOIN person p ON p.id = i.person_id WHERE q.issuer = $1 AND i.subject = $2 ORDER BY i.created_at LIMIT 1";
    LOGGED_IN = "UPDATE identity SET last_login_at = $4 WHERE tenant_id = $1 AND provider_id = $2 AND subject = $3";
}

fn read(mut row: Row) -> Result<Identity, Error> {
    Ok(Identity {
        tenant_id: row.take()?,
        provider_id: row.take()?,
        subject: row.take()?,
        person_id: row.take()?,
        created_at: row.take()?,
        last_login_at: row.take()?,
    })
}

/// Says who a subject is; [`Error::Conflict`] when that was said before.
pub fn insert(tx: &mut Tx<'_>, row: &Identity) -> Result<(), Error> {
    let Identity { tenant_id, provider_id, subject, person_id, created_at, last_login_at } = row;
    tx.execute(INSERT, &[tenant_id, provider_id, subject, person_id, created_at, last_login_at]).map(drop)
}

/// Who a subject is.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, provider: Uuid, subject: &str) -> Result<Option<Identity>, Error> {
    tx.query_opt(GET, &[&tenant, &provider, &subject], read)
}

/// The human who is this subject of this issuer, in whatever tenant.
pub fn human(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<Option<Uuid>, Error> {
    tx.query_opt(HUMAN, &[&issuer, &subject], |mut row| row.take())
}

/// Notes that they signed in.
pub fn logged_in(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    provider: Uuid,
    subject: &str,
    now: Micros,
) -> Result<(), Error> {
    tx.change(LOGGED_IN, &[&tenant, &provider, &subject, &now], Error::NotFound("identity"))
}
