//! People with an account. A person has one home tenant; what they are in a tenant is said by [`crate::membership`].

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The tenant that manages the account.
    pub tenant_id: Uuid,
    /// Its id, unique on the server.
    pub id: Uuid,
    /// The human: the same for all accounts of one.
    pub human: Uuid,
    /// The name shown to others.
    pub name: String,
    /// The e-mail address, as it was written.
    pub email: String,
    /// The address, case-folded.
    pub email_key: String,
    /// The address again where the account signs in here; unique on the server.
    pub local_key: Option<String>,
    /// The password's hash, a PHC string.
    pub password: Option<String>,
    /// When the password was set.
    pub password_changed_at: Option<Micros>,
    /// The secret of the one-time codes, sealed.
    pub totp: Option<Vec<u8>>,
    /// The last time step whose code was used.
    pub totp_step: Option<i64>,
    /// Digests of unused recovery codes, JSON.
    pub recovery: Option<String>,
    /// `invited`, `active` or `disabled`.
    pub state: String,
    /// When the account was made.
    pub created_at: Micros,
    /// When they last signed in.
    pub last_login_at: Option<Micros>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Person").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, human, name, email, email_key, local_key, password, password_changed_at, totp, totp_step, \
        recovery, state, created_at, last_login_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO person (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
        $12, $13, $14, $15)");
    BY_ID = concat!("SELECT ", columns!(), " FROM person WHERE id = $1");
    BY_LOCAL = concat!("SELECT ", columns!(), " FROM person WHERE local_key = $1");
    HUMAN_BY_EMAIL = "SELECT human FROM person WHERE email_key = $1 ORDER BY created_at, id LIMIT 1";
    LIST = concat!("SELECT ", columns!(), " FROM person WHERE id < $2 AND (tenant_id = $1 \
        OR id IN (SELECT person_id FROM membership WHERE tenant_id = $1)) ORDER BY id DESC LIMIT $3");
    SET_NAME = "UPDATE person SET name = $2 WHERE id = $1";
    SET_STATE = "UPDATE person SET state = $2 WHERE id = $1";
    SET_HUMAN = "UPDATE person SET human = $2 WHERE human = $1";
    ELSEWHERE = "SELECT 1 FROM person WHERE human = $1 AND tenant_id <> $2 LIMIT 1";
    SET_LOCAL = "UPDATE person SET local_key = $2 WHERE id = $1";
    SET_PASSWORD = "UPDATE person SET password = $2, password_changed_at = $3 WHERE id = $1";
    SET_TOTP = "UPDATE person SET totp = $2, totp_step = NULL, recovery = $3 WHERE id = $1";
    USE_TOTP = "UPDATE person SET totp_step = $2 WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2)";
    USE_RECOVERY = "UPDATE person SET recovery = $3 WHERE id = $1 AND recovery = $2";
    LOGGED_IN = "UPDATE person SET last_login_at = $2 WHERE id = $1";
    COUNT = "SELECT COUNT(*) FROM person";
}

fn read(mut row: Row) -> Result<Person, Error> {
    Ok(Person {
        tenant_id: row.take()?,
        id: row.take()?,
        human: row.take()?,
        name: row.take()?,
        email: row.take()?,
        email_key: row.take()?,
        local_key: row.take()?,
        password: row.take()?,
        password_changed_at: row.take()?,
        totp: row.take()?,
        totp_step: row.take()?,
        recovery: row.take()?,
        state: row.take()?,
        created_at: row.take()?,
        last_login_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("person");

/// Adds a person; [`Error::Conflict`] when another account signs in with the address.
pub fn insert(tx: &mut Tx<'_>, person: &Person) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &person.tenant_id,
            &person.id,
            &person.human,
            &person.name,
            &person.email,
            &person.email_key,
            &person.local_key,
            &person.password,
            &person.password_changed_at,
            &person.totp,
            &person.totp_step,
            &person.recovery,
            &person.state,
            &person.created_at,
            &person.last_login_at,
        ],
    )
    .map(drop)
}

/// The person with this id, of whatever tenant: the caller looks at the membership.
pub fn get(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Person>, Error> {
    tx.query_opt(BY_ID, &[&id], read)
}

/// The account that signs in with this address (case-folded).
pub fn by_local(tx: &mut Tx<'_>, email_key: &str) -> Result<Option<Person>, Error> {
    tx.query_opt(BY_LOCAL, &[&email_key], read)
}

/// The human of the oldest account with this address (case-folded).
pub fn human_by_email(tx: &mut Tx<'_>, email_key: &str) -> Result<Option<Uuid>, Error> {
    tx.query_opt(HUMAN_BY_EMAIL, &[&email_key], |mut row| row.take())
}

/// A page of the people of a tenant, its own and its members, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Person>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |person| person.id))
}

/// Changes the name.
pub fn set_name(tx: &mut Tx<'_>, id: Uuid, name: &str) -> Result<(), Error> {
    tx.change(SET_NAME, &[&id, &name], ABSENT)
}

/// Changes the state.
pub fn set_state(tx: &mut Tx<'_>, id: Uuid, state: &str) -> Result<(), Error> {
    tx.change(SET_STATE, &[&id, &state], ABSENT)
}

/// Says that all accounts of one human are those of the other as well.
pub fn merge_humans(tx: &mut Tx<'_>, from: Uuid, into: Uuid) -> Result<(), Error> {
    tx.execute(SET_HUMAN, &[&from, &into]).map(drop)
}

/// Whether the human has an account that is at home in another tenant.
pub fn is_elsewhere(tx: &mut Tx<'_>, human: Uuid, tenant: Uuid) -> Result<bool, Error> {
    Ok(tx.query_opt(ELSEWHERE, &[&human, &tenant], |_| Ok(()))?.is_some())
}

/// Lets the account sign in here with its address; [`Error::Conflict`] when another does.
pub fn set_local(tx: &mut Tx<'_>, id: Uuid, email_key: Option<&str>) -> Result<(), Error> {
    tx.change(SET_LOCAL, &[&id, &email_key], ABSENT)
}

/// Sets the password's hash.
pub fn set_password(tx: &mut Tx<'_>, id: Uuid, hash: Option<&str>, now: Micros) -> Result<(), Error> {
    tx.change(SET_PASSWORD, &[&id, &hash, &now], ABSENT)
}

/// Sets the secret of the one-time codes, with the recovery codes; or takes both away.
pub fn set_totp(
    tx: &mut Tx<'_>,
    id: Uuid,
    sealed: Option<&[u8]>,
    recovery: Option<&str>,
) -> Result<(), Error> {
    tx.change(SET_TOTP, &[&id, &sealed, &recovery], ABSENT)
}

/// Uses the code of a time step up. `false` when it, or a later one, was used before.
pub fn use_totp(tx: &mut Tx<'_>, id: Uuid, step: i64) -> Result<bool, Error> {
    tx.execute(USE_TOTP, &[&id, &step]).map(|rows| rows == 1)
}

/// Replaces the list of recovery codes. `false` when it is not the one that was looked at.
pub fn use_recovery(tx: &mut Tx<'_>, id: Uuid, before: &str, after: &str) -> Result<bool, Error> {
    tx.execute(USE_RECOVERY, &[&id, &before, &after]).map(|rows| rows == 1)
}

/// Notes that they signed in.
pub fn logged_in(tx: &mut Tx<'_>, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(LOGGED_IN, &[&id, &now], ABSENT)
}

/// How many accounts there are on the server.
pub fn count(tx: &mut Tx<'_>) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT, &[], |mut row| row.take())?.unwrap_or(0))
}
