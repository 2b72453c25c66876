//! Passkeys: public keys of people's authenticators. They stand in the home tenant of the person.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The person's home tenant.
    pub tenant_id: Uuid,
    /// Its id here.
    pub id: Uuid,
    /// Whose.
    pub person_id: Uuid,
    /// What they call it.
    pub name: String,
    /// Its id at the authenticator, unique on the server.
    pub credential_id: Vec<u8>,
    /// Public key, counter and flags, JSON.
    pub credential: String,
    /// When it was added.
    pub created_at: Micros,
    /// When it was last used.
    pub last_used_at: Option<Micros>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, person_id, name, credential_id, credential, created_at, last_used_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO passkey (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    OF_PERSON = concat!("SELECT ", columns!(), " FROM passkey WHERE tenant_id = $1 AND person_id = $2 ORDER BY id LIMIT 100");
    BY_CREDENTIAL = concat!("SELECT ", columns!(), " FROM passkey WHERE credential_id = $1");
    RENAME = "UPDATE passkey SET name = $4 WHERE tenant_id = $1 AND person_id = $2 AND id = $3";
    DELETE = "DELETE FROM passkey WHERE tenant_id = $1 AND person_id = $2 AND id = $3";
    DELETE_ALL = "DELETE FROM passkey WHERE tenant_id = $1 AND person_id = $2";
    USED = "UPDATE passkey SET credential = $4, last_used_at = $5 WHERE tenant_id = $1 AND id = $2 AND credential = $3";
}

fn read(mut row: Row) -> Result<Passkey, Error> {
    Ok(Passkey {
        tenant_id: row.take()?,
        id: row.take()?,
        person_id: row.take()?,
        name: row.take()?,
        credential_id: row.take()?,
        credential: row.take()?,
        created_at: row.take()?,
        last_used_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("passkey");

/// Adds a passkey; [`Error::Conflict`] when the authenticator's id is known.
pub fn insert(tx: &mut Tx<'_>, row: &Passkey) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &row.tenant_id,
            &row.id,
            &row.person_id,
            &row.name,
            &row.credential_id,
            &row.credential,
            &row.created_at,
            &row.last_used_at,
        ],
    )
    .map(drop)
}

/// The passkeys of a person, oldest first, at most 100.
pub fn of_person(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<Vec<Passkey>, Error> {
    tx.query(OF_PERSON, &[&tenant, &person], read)
}

/// The passkey with this id of the authenticator, of whatever tenant: who signs in is not known before.
pub fn by_credential(tx: &mut Tx<'_>, credential_id: &[u8]) -> Result<Option<Passkey>, Error> {
    tx.query_opt(BY_CREDENTIAL, &[&credential_id], read)
}

/// Changes the name.
pub fn rename(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, id: Uuid, name: &str) -> Result<(), Error> {
    tx.change(RENAME, &[&tenant, &person, &id, &name], ABSENT)
}

/// Removes a passkey.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(DELETE, &[&tenant, &person, &id], ABSENT)
}

/// Removes all passkeys of a person, and answers how many.
pub fn delete_all(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<u64, Error> {
    tx.execute(DELETE_ALL, &[&tenant, &person])
}

/// Notes a use, with the counter that it left. `false` when it was used meanwhile: then this use does not count.
pub fn used(tx: &mut Tx<'_>, before: &Passkey, after: &str, now: Micros) -> Result<bool, Error> {
    tx.execute(USED, &[&before.tenant_id, &before.id, &before.credential, &after, &now]).map(|rows| rows == 1)
}
