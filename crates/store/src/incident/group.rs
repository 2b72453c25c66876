//! What an incident joins: endpoints, techniques, and the links by which later detections are recognised.

use uuid::Uuid;

use super::link::{Link, read};
use crate::{Error, Micros, Tx, tx::sql};

/// An endpoint of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub endpoint_id: Uuid,
    /// Its name now.
    pub name: String,
    /// Whether it is isolated.
    pub is_isolated: bool,
    /// How many detections of the incident it has.
    pub detections: i64,
    /// When the last of them happened.
    pub last_at: Micros,
}

sql! {
    PUT_MEMBER = "INSERT INTO incident_endpoint (tenant_id, incident_id, endpoint_id, detections, last_at) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, incident_id, endpoint_id) DO UPDATE SET \
        detections = incident_endpoint.detections + excluded.detections, \
        last_at = CASE WHEN incident_endpoint.last_at < excluded.last_at THEN excluded.last_at ELSE incident_endpoint.last_at END";
    MEMBERS = "SELECT m.endpoint_id, e.name, CASE WHEN e.isolation IS NULL THEN 0 ELSE 1 END, m.detections, m.last_at \
        FROM incident_endpoint m JOIN endpoint e ON e.tenant_id = m.tenant_id AND e.id = m.endpoint_id \
        WHERE m.tenant_id = $1 AND m.incident_id = $2 ORDER BY m.last_at DESC, m.endpoint_id LIMIT $3";
    MOVE_MEMBERS = "INSERT INTO incident_endpoint (tenant_id, incident_id, endpoint_id, detections, last_at) \
        SELECT tenant_id, $3, endpoint_id, detections, last_at FROM incident_endpoint WHERE tenant_id = $1 AND incident_id = $2 \
        ON CONFLICT (tenant_id, incident_id, endpoint_id) DO UPDATE SET \
        detections = incident_endpoint.detections + excluded.detections, \
        last_at = CASE WHEN incident_endpoint.last_at < excluded.last_at THEN excluded.last_at ELSE incident_endpoint.last_at END";
    DROP_MEMBERS = "DELETE FROM incident_endpoint WHERE tenant_id = $1 AND incident_id = $2";
    PUT_TECHNIQUE = "INSERT INTO incident_technique (tenant_id, incident_id, technique) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    TECHNIQUES = "SELECT technique FROM incident_technique WHERE tenant_id = $1 AND incident_id = $2 ORDER BY technique LIMIT $3";
    MOVE_TECHNIQUES = "INSERT INTO incident_technique (tenant_id, incident_id, technique) SELECT tenant_id, $3, technique \
        FROM incident_technique WHERE tenant_id = $1 AND incident_id = $2 ON CONFLICT DO NOTHING";
    LINKS_OF = "SELECT kind, value, incident_id, last_at FROM incident_link WHERE tenant_id = $1 AND incident_id = $2 \
        ORDER BY last_at DESC, kind, value LIMIT $3";
    COUNT_LINKS = "SELECT COUNT(*) FROM incident_link WHERE tenant_id = $1 AND incident_id = $2";
    MOVE_LINKS = "INSERT INTO incident_link (tenant_id, kind, value, incident_id, last_at) SELECT tenant_id, kind, value, $3, \
        last_at FROM incident_link WHERE tenant_id = $1 AND incident_id = $2 ON CONFLICT DO NOTHING";
    DROP_LINKS = "DELETE FROM incident_link WHERE tenant_id = $1 AND incident_id = $2";
    MOVE_PLANS = "UPDATE response_plan SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2";
    MOVE_TASKS = "UPDATE task SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2";
    MOVE_NOTES = "UPDATE incident_note SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2";
}

/// Notes that an incident has more detections on this endpoint.
pub fn put_member(
    tx: &mut Tx<'_>,
    (tenant, incident): (Uuid, Uuid),
    endpoint: Uuid,
    detections: i64,
    at: Micros,
) -> Result<(), Error> {
    tx.execute(PUT_MEMBER, &[&tenant, &incident, &endpoint, &detections, &at]).map(drop)
}

/// The endpoints of an incident, those with the latest detections first, at most `limit`.
pub fn members(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<Vec<Member>, Error> {
    tx.query(MEMBERS, &[&tenant, &incident, &limit], |mut row| {
        Ok(Member {
            endpoint_id: row.take()?,
            name: row.take()?,
            is_isolated: row.take()?,
            detections: row.take()?,
            last_at: row.take()?,
        })
    })
}

/// Notes that an incident has this technique.
pub fn put_technique(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, technique: &str) -> Result<(), Error> {
    tx.execute(PUT_TECHNIQUE, &[&tenant, &incident, &technique]).map(drop)
}

/// The techniques of an incident, at most `limit`.
pub fn techniques(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<Vec<String>, Error> {
    tx.query(TECHNIQUES, &[&tenant, &incident, &limit], |mut row| row.take())
}

/// The links of an incident, the latest first, at most `limit`.
pub fn links_of(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<Vec<Link>, Error> {
    tx.query(LINKS_OF, &[&tenant, &incident, &limit], read)
}

/// How many links an incident has.
pub fn count_links(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT_LINKS, &[&tenant, &incident], |mut row| row.take())?.unwrap_or(0))
}

/// Gives all that belongs to an incident to another: members, techniques, links, notes, tasks and response plans. Chains
/// and detections are moved by their own modules.
pub fn move_all(tx: &mut Tx<'_>, tenant: Uuid, from: Uuid, into: Uuid) -> Result<(), Error> {
    for sql in [MOVE_MEMBERS, MOVE_TECHNIQUES, MOVE_LINKS, MOVE_NOTES, MOVE_TASKS, MOVE_PLANS] {
        tx.execute(sql, &[&tenant, &from, &into])?;
    }
    for sql in [DROP_MEMBERS, DROP_LINKS] {
        tx.execute(sql, &[&tenant, &from])?;
    }
    Ok(())
}
