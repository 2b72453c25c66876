//! What people set for themselves: one JSON value per person, tenant and name.

use uuid::Uuid;

use crate::{Error, Micros, Tx, tx::sql};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSetting {
    /// Its name.
    pub name: String,
    /// JSON text.
    pub value: String,
    /// When it was set.
    pub updated_at: Micros,
}

sql! {
    SET = "INSERT INTO person_setting (tenant_id, person_id, name, value, updated_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant_id, person_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
    OF_PERSON = "SELECT name, value, updated_at FROM person_setting WHERE tenant_id = $1 AND person_id = $2 \
        ORDER BY name LIMIT $3";
    COUNT_OTHERS = "SELECT COUNT(*) FROM person_setting WHERE tenant_id = $1 AND person_id = $2 AND name <> $3";
    DELETE = "DELETE FROM person_setting WHERE tenant_id = $1 AND person_id = $2 AND name = $3";
}

/// Sets a value.
pub fn set(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, setting: &PersonSetting) -> Result<(), Error> {
    let PersonSetting { name, value, updated_at } = setting;
    tx.execute(SET, &[&tenant, &person, name, value, updated_at]).map(drop)
}

/// A person's values by name, at most `limit`.
pub fn of_person(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    person: Uuid,
    limit: i64,
) -> Result<Vec<PersonSetting>, Error> {
    tx.query(OF_PERSON, &[&tenant, &person, &limit], |mut row| {
        Ok(PersonSetting { name: row.take()?, value: row.take()?, updated_at: row.take()? })
    })
}

/// How many values a person has under other names than this.
pub fn count_others(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, name: &str) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT_OTHERS, &[&tenant, &person, &name], |mut row| row.take())?.unwrap_or(0))
}

/// Removes a value. `false` when there was none.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, name: &str) -> Result<bool, Error> {
    tx.execute(DELETE, &[&tenant, &person, &name]).map(|rows| rows == 1)
}
