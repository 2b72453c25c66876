//! Versions of a tenant's protection document, and what agents say of their flight recorders.
//!
//! Versions are added, never changed; the signature comes later. The bodies of rules that a version names are among those of
//! the library, and go with the last version that names them.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// From 1 upward.
    pub version: i64,
    /// As people set it, JSON.
    pub settings: String,
    /// The rules that it has, JSON.
    pub rules: String,
    /// Which built-in rules the program had that made it.
    pub pack: String,
    /// The encoded document.
    pub document: Vec<u8>,
    /// SHA-256 of the behaviour rules.
    pub behaviour: Option<[u8; 32]>,
    /// SHA-256 of the YARA rules.
    pub yara: Option<[u8; 32]>,
    /// Its signature, once there is one.
    pub signature: Option<Vec<u8>>,
    /// Which key signed.
    pub key_id: Option<String>,
    /// Who made it, a name.
    pub changed_by: String,
    /// When.
    pub changed_at: Micros,
}

/// A version as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub version: i64,
    /// Who made it, a name.
    pub changed_by: String,
    /// When.
    pub changed_at: Micros,
    /// Whether it is signed.
    pub signed: bool,
}

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub tenant_id: Uuid,
    /// The newest version.
    pub newest: i64,
    /// The newest that is signed; 0 where none is.
    pub signed: i64,
}

/// What an agent says of its recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// Its endpoint.
    pub endpoint_id: Uuid,
    /// The version that is in force there; 0 for none.
    pub protection: i64,
    /// When it said so, its clock.
    pub told_at: Micros,
    /// When that was heard.
    pub reported_at: Micros,
    /// JSON.
    pub detail: String,
}

/// The columns of a version, in the order in which they are read.
macro_rules! columns {
    () => {
        "version, settings, rules, pack, document, behaviour, yara, signature, key_id, changed_by, changed_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO protection (tenant_id, ", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
        $10, $11, $12)");
    NEWEST = concat!("SELECT ", columns!(), " FROM protection WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1");
    SIGNED = concat!("SELECT ", columns!(), " FROM protection WHERE tenant_id = $1 AND signature IS NOT NULL \
        ORDER BY version DESC LIMIT 1");
    CHANGES = "SELECT version, changed_by, changed_at, signature FROM protection WHERE tenant_id = $1 \
        ORDER BY version DESC LIMIT $2";
    HEADS = "SELECT t.id, COALESCE((SELECT MAX(p.version) FROM protection p WHERE p.tenant_id = t.id), 0), \
        COALESCE((SELECT MAX(p.version) FROM protection p WHERE p.tenant_id = t.id AND p.signature IS NOT NULL), 0) \
        FROM tenant t";
    SIGN = "UPDATE protection SET signature = $3, key_id = $4 WHERE tenant_id = $1 AND version = $2";
    FORGET = "DELETE FROM protection WHERE tenant_id = $1 AND version < $2 AND version < (SELECT MAX(p.version) \
        FROM protection p WHERE p.tenant_id = $1 AND p.signature IS NOT NULL)";
    NAMED = "SELECT behaviour, yara FROM protection WHERE tenant_id = $1 AND version < $2";
    FORGET_BODY = "DELETE FROM library_body WHERE tenant_id = $1 AND sha256 = $2 \
        AND NOT EXISTS (SELECT 1 FROM library_version v WHERE v.tenant_id = $1 AND v.sha256 = $2) \
        AND NOT EXISTS (SELECT 1 FROM protection p WHERE p.tenant_id = $1 AND (p.behaviour = $2 OR p.yara = $2))";
    HITS = "SELECT source, rule, COUNT(*) FROM detection WHERE tenant_id = $1 AND at >= $2 AND origin = 'endpoint' \
        GROUP BY source, rule LIMIT 10000";
    REPORT = "INSERT INTO recorder_state (tenant_id, endpoint_id, protection, told_at, reported_at, detail) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, endpoint_id) DO UPDATE SET \
        protection = excluded.protection, told_at = excluded.told_at, reported_at = excluded.reported_at, \
        detail = excluded.detail";
    RECORDER = "SELECT endpoint_id, protection, told_at, reported_at, detail FROM recorder_state \
        WHERE tenant_id = $1 AND endpoint_id = $2";
    RECORDERS = "SELECT e.id, e.name, r.protection, r.told_at, r.reported_at, r.detail FROM endpoint e \
        LEFT JOIN recorder_state r ON r.tenant_id = e.tenant_id AND r.endpoint_id = e.id \
        WHERE e.tenant_id = $1 AND e.state = 'active' AND e.id > $2 ORDER BY e.id LIMIT $3";
}

fn read(mut row: Row) -> Result<Version, Error> {
    Ok(Version {
        version: row.take()?,
        settings: row.take()?,
        rules: row.take()?,
        pack: row.take()?,
        document: row.take()?,
        behaviour: row.take()?,
        yara: row.take()?,
        signature: row.take()?,
        key_id: row.take()?,
        changed_by: row.take()?,
        changed_at: row.take()?,
    })
}

/// Adds a version without a signature; [`Error::Conflict`] where there is one of that number.
pub fn insert(tx: &mut Tx<'_>, tenant: Uuid, row: &Version) -> Result<(), Error> {
    let Version { version, settings, rules, pack, document, behaviour, yara, changed_by, changed_at, .. } =
        row;
    let (signature, key_id): (Option<Vec<u8>>, Option<String>) = (None, None);
    tx.execute(
        INSERT,
        &[
            &tenant, version, settings, rules, pack, document, behaviour, yara, &signature, &key_id,
            changed_by, changed_at,
        ],
    )
    .map(drop)
}

/// The newest version, signed or not.
pub fn newest(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Version>, Error> {
    tx.query_opt(NEWEST, &[&tenant], read)
}

/// The newest version that is signed.
pub fn signed(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Version>, Error> {
    tx.query_opt(SIGNED, &[&tenant], read)
}

/// The newest versions, newest first.
pub fn changes(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Change>, Error> {
    tx.query(CHANGES, &[&tenant, &limit], |mut row| {
        let (version, changed_by, changed_at) = (row.take()?, row.take()?, row.take()?);
        let signature: Option<Vec<u8>> = row.take()?;
        Ok(Change { version, changed_by, changed_at, signed: signature.is_some() })
    })
}

/// Where every tenant stands.
pub fn heads(tx: &mut Tx<'_>) -> Result<Vec<Head>, Error> {
    tx.query(HEADS, &[], |mut row| {
        Ok(Head { tenant_id: row.take()?, newest: row.take()?, signed: row.take()? })
    })
}

/// Keeps the signature of a version.
pub fn sign(tx: &mut Tx<'_>, tenant: Uuid, version: i64, signature: &[u8], key: &str) -> Result<(), Error> {
    tx.execute(SIGN, &[&tenant, &version, &signature, &key]).map(drop)
}

/// Forgets versions before this one, but none that agents may be given, and bodies that nothing names any more.
pub fn forget(tx: &mut Tx<'_>, tenant: Uuid, before: i64) -> Result<u64, Error> {
    let named: Vec<[Option<[u8; 32]>; 2]> =
        tx.query(NAMED, &[&tenant, &before], |mut row| Ok([row.take()?, row.take()?]))?;
    let gone = tx.execute(FORGET, &[&tenant, &before])?;
    let mut bodies: Vec<[u8; 32]> = named.into_iter().flatten().flatten().collect();
    bodies.sort_unstable();
    bodies.dedup();
    for sha256 in bodies {
        tx.execute(FORGET_BODY, &[&tenant, &sha256])?;
    }
    Ok(gone)
}

/// Hits of endpoints since this time, by source and rule; at most 10,000 rules.
pub fn hits(tx: &mut Tx<'_>, tenant: Uuid, since: Micros) -> Result<Vec<(String, String, i64)>, Error> {
    tx.query(HITS, &[&tenant, &since], |mut row| Ok((row.take()?, row.take()?, row.take()?)))
}

/// Keeps what an agent says.
pub fn report(tx: &mut Tx<'_>, tenant: Uuid, report: &Recorder) -> Result<(), Error> {
    let Recorder { endpoint_id, protection, told_at, reported_at, detail } = report;
    tx.execute(REPORT, &[&tenant, endpoint_id, protection, told_at, reported_at, detail]).map(drop)
}

/// What the agent of an endpoint says.
pub fn recorder(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Option<Recorder>, Error> {
    tx.query_opt(RECORDER, &[&tenant, &endpoint], |mut row| {
        Ok(Recorder {
            endpoint_id: row.take()?,
            protection: row.take()?,
            told_at: row.take()?,
            reported_at: row.take()?,
            detail: row.take()?,
        })
    })
}

/// Active endpoints in the order of their ids, after this one, each with its name and what its agent said.
pub fn recorders(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, String, Option<Recorder>)>, Error> {
    tx.query(RECORDERS, &[&tenant, &after, &limit], |mut row| {
        let (endpoint_id, name) = (row.take()?, row.take()?);
        let (protection, told_at, reported_at): (Option<_>, Option<_>, Option<_>) =
            (row.take()?, row.take()?, row.take()?);
        let detail: Option<String> = row.take()?;
        let said = protection.zip(told_at).zip(reported_at).zip(detail).map(
            |(((protection, told_at), reported_at), detail)| Recorder {
                endpoint_id,
                protection,
                told_at,
                reported_at,
                detail,
            },
        );
        Ok((endpoint_id, name, said))
    })
}
