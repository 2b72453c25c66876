//! Detections: what endpoints detected, and what other products told. Each row is an event of the Events section.

pub mod list;

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// What an agent of ours detected.
pub const OF_ENDPOINT: &str = "endpoint";
/// What another product told.
pub const OF_PRODUCT: &str = "product";

/// A detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7, made when it came.
    pub id: Uuid,
    /// The incident that it belongs to.
    pub incident_id: Option<Uuid>,
    /// [`OF_ENDPOINT`] or [`OF_PRODUCT`].
    pub origin: String,
    /// What found it: `behaviour`, `falco` …
    pub source: String,
    /// Unique in its source.
    pub source_id: String,
    /// Where it happened.
    pub endpoint_id: Option<Uuid>,
    /// What a product says of where it happened.
    pub hint: Option<String>,
    /// Its chain.
    pub chain_id: Option<Uuid>,
    /// Its key activity event.
    pub activity: Option<i64>,
    /// When, within what is plausible.
    pub at: Micros,
    /// When, as it was told.
    pub told_at: Micros,
    /// When it came here.
    pub received_at: Micros,
    /// Id of the rule.
    pub rule: String,
    /// What it is called.
    pub title: String,
    /// 1 (informational) to 5 (critical).
    pub severity: i64,
    /// `detected`, `prevented` or `not_prevented`.
    pub verdict: Option<String>,
    /// JSON list of techniques.
    pub techniques: String,
    /// A sentence for a person.
    pub note: String,
    /// Path of what was detected.
    pub path: Option<Vec<u8>>,
    /// SHA-256 of what was detected.
    pub sha256: Option<Vec<u8>>,
    /// As whom it was done.
    pub user_name: Option<String>,
    /// Version of the tenant's protection.
    pub protection: i64,
    /// Why it belongs to its incident.
    pub joined: Option<String>,
    /// What a product told, JSON.
    pub body: Option<String>,
    /// What it is searched by, lower case.
    pub search: String,
}

/// What was detected on an activity event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The detection.
    pub id: Uuid,
    /// Its chain.
    pub chain_id: Uuid,
    /// Its key activity event.
    pub activity: i64,
    /// What found it.
    pub source: String,
    /// What it is called.
    pub title: String,
    /// 1 to 5.
    pub severity: i64,
    /// `detected`, `prevented` or `not_prevented`.
    pub verdict: Option<String>,
    /// JSON list of techniques.
    pub techniques: String,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "d.tenant_id, d.id, d.incident_id, d.origin, d.source, d.source_id, d.endpoint_id, d.hint, d.chain_id, d.activity, d.at, \
        d.told_at, d.received_at, d.rule, d.title, d.severity, d.verdict, d.techniques, d.note, d.path, d.sha256, d.user_name, \
        d.protection, d.joined, d.body, d.search"
    };
}

sql! {
    INSERT = "INSERT INTO detection (tenant_id, id, incident_id, origin, source, source_id, endpoint_id, hint, chain_id, \
        activity, at, told_at, received_at, rule, title, severity, verdict, techniques, note, path, sha256, user_name, \
        protection, joined, body, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
        $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM detection d WHERE d.tenant_id = $1 AND d.id = $2");
    IS_KNOWN = "SELECT id FROM detection WHERE tenant_id = $1 AND source = $2 AND source_id = $3";
    OF_INCIDENT = concat!("SELECT ", columns!(), " FROM detection d WHERE d.tenant_id = $1 AND d.incident_id = $2 \
        ORDER BY d.id LIMIT $3");
    MARKS = "SELECT id, chain_id, activity, source, title, severity, verdict, techniques FROM detection \
        WHERE tenant_id = $1 AND chain_id = $2 AND activity IS NOT NULL ORDER BY activity, id LIMIT $3";
    HITS_BY_RULE = "SELECT source, rule, COUNT(*) FROM detection WHERE tenant_id = $1 AND origin = 'endpoint' AND at >= $2 \
        GROUP BY source, rule ORDER BY COUNT(*) DESC, source, rule LIMIT $3";
    OF_CHAIN = concat!("SELECT ", columns!(), " FROM detection d WHERE d.tenant_id = $1 AND d.chain_id = $2 \
        ORDER BY d.activity, d.id LIMIT $3");
    JOIN_CHAIN = "UPDATE detection SET incident_id = $3, joined = $4 WHERE tenant_id = $1 AND chain_id = $2 \
        AND incident_id IS NULL RETURNING id";
    FILL = "UPDATE detection SET sha256 = $4 WHERE tenant_id = $1 AND chain_id = $2 AND activity = $3 AND sha256 IS NULL";
    JOIN = "UPDATE detection SET incident_id = $3, joined = $4 WHERE tenant_id = $1 AND id = $2 AND incident_id IS NULL";
    OF_PRODUCTS = concat!("SELECT ", columns!(), " FROM detection d WHERE d.tenant_id = $1 AND d.endpoint_id = $2 \
        AND d.origin = 'product' AND d.at >= $3 ORDER BY d.at DESC, d.id LIMIT $4");
    EXPLAIN = "UPDATE detection SET joined = $3 WHERE tenant_id = $1 AND incident_id = $2 AND joined IS NULL";
    OBJECTS = "SELECT DISTINCT source, rule, path, sha256, user_name FROM detection WHERE tenant_id = $1 AND incident_id = $2 \
        AND origin = 'endpoint' LIMIT $3";
    MOVE = "UPDATE detection SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2";
    LOOSE_BEFORE = "DELETE FROM detection WHERE incident_id IS NULL AND received_at < $1 AND (tenant_id, id) IN \
        (SELECT tenant_id, id FROM detection WHERE incident_id IS NULL AND received_at < $1 LIMIT $2)";
    SOME_OF_INCIDENT = "DELETE FROM detection WHERE tenant_id = $1 AND id IN (SELECT id FROM detection \
        WHERE tenant_id = $1 AND incident_id = $2 LIMIT $3)";
}

pub(crate) use columns;

fn read(mut row: Row) -> Result<Detection, Error> {
    Ok(Detection {
        tenant_id: row.take()?,
        id: row.take()?,
        incident_id: row.take()?,
        origin: row.take()?,
        source: row.take()?,
        source_id: row.take()?,
        endpoint_id: row.take()?,
        hint: row.take()?,
        chain_id: row.take()?,
        activity: row.take()?,
        at: row.take()?,
        told_at: row.take()?,
        received_at: row.take()?,
        rule: row.take()?,
        title: row.take()?,
        severity: row.take()?,
        verdict: row.take()?,
        techniques: row.take()?,
        note: row.take()?,
        path: row.take()?,
        sha256: row.take()?,
        user_name: row.take()?,
        protection: row.take()?,
        joined: row.take()?,
        body: row.take()?,
        search: row.take()?,
    })
}

/// Adds a detection; `false` where its source told of it before.
pub fn insert(tx: &mut Tx<'_>, row: &Detection) -> Result<bool, Error> {
    let values: [&dyn crate::Param; 26] = [
        &row.tenant_id,
        &row.id,
        &row.incident_id,
        &row.origin,
        &row.source,
        &row.source_id,
        &row.endpoint_id,
        &row.hint,
        &row.chain_id,
        &row.activity,
        &row.at,
        &row.told_at,
        &row.received_at,
        &row.rule,
        &row.title,
        &row.severity,
        &row.verdict,
        &row.techniques,
        &row.note,
        &row.path,
        &row.sha256,
        &row.user_name,
        &row.protection,
        &row.joined,
        &row.body,
        &row.search,
    ];
    tx.execute(INSERT, &values).map(|rows| rows == 1)
}

/// The detection with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Detection>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The detection that its source calls by this id.
pub fn known(tx: &mut Tx<'_>, tenant: Uuid, source: &str, source_id: &str) -> Result<Option<Uuid>, Error> {
    tx.query_opt(IS_KNOWN, &[&tenant, &source, &source_id], |mut row| row.take())
}

/// The detections of an incident, oldest first, at most `limit`.
pub fn of_incident(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    incident: Uuid,
    limit: i64,
) -> Result<Vec<Detection>, Error> {
    tx.query(OF_INCIDENT, &[&tenant, &incident, &limit], read)
}

/// What was detected on the activity events of a chain, at most `limit`.
pub fn marks(tx: &mut Tx<'_>, tenant: Uuid, chain: Uuid, limit: i64) -> Result<Vec<Mark>, Error> {
    tx.query(MARKS, &[&tenant, &chain, &limit], |mut row| {
        Ok(Mark {
            id: row.take()?,
            chain_id: row.take()?,
            activity: row.take()?,
            source: row.take()?,
            title: row.take()?,
            severity: row.take()?,
            verdict: row.take()?,
            techniques: row.take()?,
        })
    })
}

/// How often each rule hit on endpoints since then: source, id of the rule, times; those that hit most first, at most `limit`.
pub fn hits_by_rule(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    since: Micros,
    limit: i64,
) -> Result<Vec<(String, String, i64)>, Error> {
    tx.query(HITS_BY_RULE, &[&tenant, &since, &limit], |mut row| Ok((row.take()?, row.take()?, row.take()?)))
}

/// The detections of a chain, in the order of their activity events, at most `limit`.
pub fn of_chain(tx: &mut Tx<'_>, tenant: Uuid, chain: Uuid, limit: i64) -> Result<Vec<Detection>, Error> {
    tx.query(OF_CHAIN, &[&tenant, &chain, &limit], read)
}

/// Gives the detections of a chain that belong to no incident to one; which.
pub fn join_chain(
    tx: &mut Tx<'_>,
    (tenant, chain): (Uuid, Uuid),
    incident: Uuid,
    why: Option<&str>,
) -> Result<Vec<Uuid>, Error> {
    tx.query(JOIN_CHAIN, &[&tenant, &chain, &incident, &why], |mut row| row.take())
}

/// Notes the hash of what was detected on an activity event, which came later.
pub fn fill(
    tx: &mut Tx<'_>,
    (tenant, chain): (Uuid, Uuid),
    activity: i64,
    sha256: &[u8],
) -> Result<(), Error> {
    tx.execute(FILL, &[&tenant, &chain, &activity, &sha256]).map(drop)
}

/// Gives a detection that belongs to no incident to one; `false` where it belongs to one.
pub fn join(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, incident: Uuid, why: &str) -> Result<bool, Error> {
    tx.execute(JOIN, &[&tenant, &id, &incident, &why]).map(|rows| rows == 1)
}

/// What other products told of an endpoint since then, the latest first, at most `limit`.
pub fn of_products(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    since: Micros,
    limit: i64,
) -> Result<Vec<Detection>, Error> {
    tx.query(OF_PRODUCTS, &[&tenant, &endpoint, &since, &limit], read)
}

/// What was detected on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// How: `behaviour`, `yara` …
    pub source: String,
    /// The rule.
    pub rule: String,
    /// On which file.
    pub path: Option<Vec<u8>>,
    /// Its content.
    pub sha256: Option<Vec<u8>>,
    /// Who did it.
    pub user_name: Option<String>,
}

/// What endpoints detected on what in an incident, each once, at most `limit`.
pub fn objects(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<Vec<Object>, Error> {
    tx.query(OBJECTS, &[&tenant, &incident, &limit], |mut row| {
        Ok(Object {
            source: row.take()?,
            rule: row.take()?,
            path: row.take()?,
            sha256: row.take()?,
            user_name: row.take()?,
        })
    })
}

/// Says of those detections of an incident that began it why they belong to another, before they are given to it.
pub fn explain(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, why: &str) -> Result<(), Error> {
    tx.execute(EXPLAIN, &[&tenant, &incident, &why]).map(drop)
}

/// Gives all detections of an incident to another. How many there were.
pub fn move_all(tx: &mut Tx<'_>, tenant: Uuid, from: Uuid, into: Uuid) -> Result<u64, Error> {
    tx.execute(MOVE, &[&tenant, &from, &into])
}

/// Removes detections of any tenant that belong to no incident and came before this time. How many.
pub fn remove_loose(tx: &mut Tx<'_>, before: Micros, limit: i64) -> Result<u64, Error> {
    tx.execute(LOOSE_BEFORE, &[&before, &limit])
}

/// Removes some of an incident's detections. How many.
pub fn remove_some(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<u64, Error> {
    tx.execute(SOME_OF_INCIDENT, &[&tenant, &incident, &limit])
}
