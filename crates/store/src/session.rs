//! Sessions of people: kept here, so that each can be seen and ended. Only a digest of the token is stored.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The tenant whose things the person looks at.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Who.
    pub person_id: Uuid,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// `cookie` or `token`.
    pub kind: String,
    /// How they signed in: `password`, `password+totp`, `passkey`, `sso` …
    pub method: String,
    /// When.
    pub created_at: Micros,
    /// When it was last seen, to the minute or so: written in batches.
    pub last_used_at: Micros,
    /// When it ends by itself.
    pub expires_at: Micros,
    /// The address that it was made from.
    pub remote: String,
    /// The program that it was made with, as it calls itself.
    pub agent: String,
    /// When it was ended.
    pub revoked_at: Option<Micros>,
}

/// A session with what is known of its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The session.
    pub session: Session,
    /// The person's home tenant.
    pub home: Uuid,
    /// The human behind the account.
    pub human: Uuid,
    /// The person's name.
    pub name: String,
    /// The person's state.
    pub state: String,
}

macro_rules! columns {
    () => {
        "s.tenant_id, s.id, s.person_id, s.hash, s.kind, s.method, s.created_at, s.last_used_at, s.expires_at, \
        s.remote, s.agent, s.revoked_at"
    };
}

sql! {
    INSERT = "INSERT INTO session (tenant_id, id, person_id, hash, kind, method, created_at, last_used_at, \
        expires_at, remote, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    BY_HASH = concat!("SELECT ", columns!(), ", p.tenant_id, p.human, p.name, p.state FROM session s \
        JOIN person p ON p.id = s.person_id WHERE s.hash = $1");
    GET = concat!("SELECT ", columns!(), " FROM session s WHERE s.tenant_id = $1 AND s.id = $2");
    HASHES = "SELECT hash FROM session WHERE revoked_at IS NULL AND expires_at > $1 LIMIT $2";
    OF_PERSON = concat!("SELECT ", columns!(), " FROM session s WHERE s.person_id = $1 AND s.id < $2 \
        AND s.revoked_at IS NULL AND s.expires_at > $3 ORDER BY s.id DESC LIMIT $4");
    TOUCH = "UPDATE session SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
    REVOKE = "UPDATE session SET revoked_at = $3 WHERE person_id = $1 AND id = $2 AND revoked_at IS NULL";
    REVOKE_ALL = "UPDATE session SET revoked_at = $3 WHERE person_id = $1 AND id <> $2 AND revoked_at IS NULL";
    REVOKE_IN = "UPDATE session SET revoked_at = $3 WHERE person_id = $1 AND tenant_id = $2 AND revoked_at IS NULL";
    REMOTES = "SELECT DISTINCT p.local_key, s.remote FROM session s JOIN person p ON p.id = s.person_id \
        WHERE p.local_key IS NOT NULL ORDER BY p.local_key, s.remote LIMIT $1";
    SWEEP = "DELETE FROM session WHERE expires_at < $1 AND NOT EXISTS \
        (SELECT 1 FROM step_up u WHERE u.tenant_id = session.tenant_id AND u.session_id = session.id)";
}

fn read_from(row: &mut Row) -> Result<Session, Error> {
    Ok(Session {
        tenant_id: row.take()?,
        id: row.take()?,
        person_id: row.take()?,
        hash: row.take()?,
        kind: row.take()?,
        method: row.take()?,
        created_at: row.take()?,
        last_used_at: row.take()?,
        expires_at: row.take()?,
        remote: row.take()?,
        agent: row.take()?,
        revoked_at: row.take()?,
    })
}

/// Adds a session.
pub fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &session.tenant_id,
            &session.id,
            &session.person_id,
            &session.hash,
            &session.kind,
            &session.method,
            &session.created_at,
            &session.last_used_at,
            &session.expires_at,
            &session.remote,
            &session.agent,
        ],
    )
    .map(drop)
}

/// The session of this token, of whatever tenant: the one look-up that knows none yet.
pub fn by_hash(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<Known>, Error> {
    tx.query_opt(BY_HASH, &[hash], |mut row| {
        let session = read_from(&mut row)?;
        Ok(Known { session, home: row.take()?, human: row.take()?, name: row.take()?, state: row.take()? })
    })
}

/// The session with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Session>, Error> {
    tx.query_opt(GET, &[&tenant, &id], |mut row| read_from(&mut row))
}

/// Digests of the sessions that may be used now, at most `limit`.
pub fn hashes(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<[u8; 32]>, Error> {
    tx.query(HASHES, &[&now, &limit], |mut row| row.take())
}

/// A page of a person's open sessions in all tenants, newest first.
pub fn of_person(tx: &mut Tx<'_>, person: Uuid, now: Micros, page: Page) -> Result<Paged<Session>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(OF_PERSON, &[&person, &after, &now, &page.fetch()], |mut row| read_from(&mut row))?;
    Ok(page.cut(rows, |session| session.id))
}

/// Notes that the session was used. One that was swept away meanwhile is none.
pub fn touch(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.execute(TOUCH, &[&tenant, &id, &now]).map(drop)
}

/// Ends one session of a person.
pub fn revoke(tx: &mut Tx<'_>, person: Uuid, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(REVOKE, &[&person, &id, &now], Error::NotFound("open session"))
}

/// Ends all sessions of a person but one, and answers how many.
pub fn revoke_others(tx: &mut Tx<'_>, person: Uuid, but: Uuid, now: Micros) -> Result<u64, Error> {
    tx.execute(REVOKE_ALL, &[&person, &but, &now])
}

/// Ends all sessions of a person in a tenant.
pub fn revoke_in(tx: &mut Tx<'_>, person: Uuid, tenant: Uuid, now: Micros) -> Result<u64, Error> {
    tx.execute(REVOKE_IN, &[&person, &tenant, &now])
}

/// From which addresses accounts signed in, as far as sessions are kept; at most `limit`.
pub fn remotes(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(String, String)>, Error> {
    tx.query(REMOTES, &[&limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Removes sessions that ended by themselves before this.
pub fn sweep(tx: &mut Tx<'_>, before: Micros) -> Result<u64, Error> {
    tx.execute(SWEEP, &[&before])
}
