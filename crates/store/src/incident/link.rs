//! The links by which later detections are recognised as part of an incident, many at a time.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, many::many, value::Param};

/// Something by which detections are recognised as belonging together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is: `hash`, `user` …
    pub kind: String,
    /// Its value.
    pub value: String,
    /// The incident that has it.
    pub incident_id: Uuid,
    /// When it was seen there last.
    pub last_at: Micros,
}

many! {
    LINKED = "SELECT l.kind, l.value, l.incident_id, l.last_at FROM incident_link l JOIN incident i ON i.tenant_id = l.tenant_id \
        AND i.id = l.incident_id WHERE l.tenant_id = $1 AND l.kind = $2 AND i.state <> 'closed' AND l.last_at >= $3 \
        AND l.value IN (", ("", "") 5 1, ") ORDER BY l.last_at DESC, l.incident_id LIMIT $4";
    PUT = "INSERT INTO incident_link (tenant_id, incident_id, kind, value, last_at) VALUES ", ("($1, $2, ", ")") 3 3,
        " ON CONFLICT (tenant_id, kind, value, incident_id) DO UPDATE SET last_at = excluded.last_at \
        WHERE incident_link.last_at < excluded.last_at";
}

pub(super) fn read(mut row: Row) -> Result<Link, Error> {
    Ok(Link { kind: row.take()?, value: row.take()?, incident_id: row.take()?, last_at: row.take()? })
}

/// The links of this kind with one of these values, seen since then, of incidents that are not closed; the latest first, a
/// bounded number.
pub fn linked(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: &str,
    values: &[String],
    since: Micros,
    limit: i64,
) -> Result<Vec<Link>, Error> {
    let mut found = Vec::new();
    LINKED.each(values, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &kind, &since, &limit];
        params.extend(piece.iter().map(|value| value as &dyn Param));
        found.extend(tx.query(text, &params, read)?);
        Ok(())
    })?;
    Ok(found)
}

/// Notes links of an incident, or that they were seen again; no kind and value twice: kind, value, time.
pub fn put(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    incident: Uuid,
    links: &[(&str, String, Micros)],
) -> Result<(), Error> {
    PUT.each(links, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &incident];
        for (kind, value, at) in piece {
            let row: [&dyn Param; 3] = [kind, value, at];
            params.extend(row);
        }
        tx.execute(text, &params).map(drop)
    })
}
