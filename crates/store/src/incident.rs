//! Incidents: what belongs together, and what people make of it.

pub mod group;
pub mod link;
pub mod list;
pub mod note;

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7.
    pub id: Uuid,
    /// What people call it: rises in each tenant, from 1, and is never given twice.
    pub number: i64,
    /// What happened, in a line.
    pub title: String,
    /// A person chose the title.
    pub is_titled: bool,
    /// 1 (informational) to 5 (critical).
    pub severity: i64,
    /// A person chose the severity.
    pub is_graded: bool,
    /// `open`, `in_progress` or `closed`.
    pub state: String,
    /// Of a closed one: `true_positive`, `false_positive`, `benign` or `duplicate`.
    pub resolution: Option<String>,
    /// Whose work it is.
    pub assignee_id: Option<Uuid>,
    /// Their name at that time.
    pub assignee_name: Option<String>,
    /// When it was made.
    pub created_at: Micros,
    /// When its first detection happened.
    pub first_at: Micros,
    /// When its last detection happened.
    pub last_at: Micros,
    /// When it was closed.
    pub closed_at: Option<Micros>,
    /// By whom, by name.
    pub closed_by: Option<String>,
    /// The incident that took it over.
    pub merged_into: Option<Uuid>,
    /// How many detections it has.
    pub detections: i64,
    /// Rises with each change that a person makes.
    pub revision: i64,
    /// What it is searched by, lower case.
    pub search: String,
}

/// How much a table of an incident holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chains.
    pub chains: i64,
    /// Endpoints.
    pub endpoints: i64,
    /// Notes.
    pub notes: i64,
    /// Tasks that were asked for from it.
    pub tasks: i64,
}

/// What transactions that make incidents, or join detections to one, wait for, one after another in each tenant.
const JOINING: Uuid = Uuid::from_u128(0x01_1c1d_e175);

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "i.tenant_id, i.id, i.number, i.title, i.is_titled, i.severity, i.is_graded, i.state, i.resolution, i.assignee_id, \
        i.assignee_name, i.created_at, i.first_at, i.last_at, i.closed_at, i.closed_by, i.merged_into, i.detections, \
        i.revision, i.search"
    };
}

sql! {
    NUMBER = "INSERT INTO incident_number (tenant_id, last) VALUES ($1, 1) \
        ON CONFLICT (tenant_id) DO UPDATE SET last = incident_number.last + 1 RETURNING last";
    INSERT = "INSERT INTO incident (tenant_id, id, number, title, severity, state, created_at, first_at, last_at, search) \
        VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9)";
    GET = concat!("SELECT ", columns!(), " FROM incident i WHERE i.tenant_id = $1 AND i.id = $2");
    BY_NUMBER = concat!("SELECT ", columns!(), " FROM incident i WHERE i.tenant_id = $1 AND i.number = $2");
    GROW = "UPDATE incident SET title = $3, severity = $4, first_at = $5, last_at = $6, detections = $7, search = $8, \
        state = $9, resolution = $10, closed_at = $11, closed_by = $12 WHERE tenant_id = $1 AND id = $2";
    CHANGE = "UPDATE incident SET title = $3, is_titled = $4, severity = $5, is_graded = $6, state = $7, resolution = $8, \
        assignee_id = $9, assignee_name = $10, closed_at = $11, closed_by = $12, merged_into = $13, search = $14, \
        revision = revision + 1 WHERE tenant_id = $1 AND id = $2 AND revision = $15";
    COUNTS = "SELECT (SELECT COUNT(*) FROM chain WHERE tenant_id = $1 AND incident_id = $2), \
        (SELECT COUNT(*) FROM incident_endpoint WHERE tenant_id = $1 AND incident_id = $2), \
        (SELECT COUNT(*) FROM incident_note WHERE tenant_id = $1 AND incident_id = $2), \
        (SELECT COUNT(*) FROM task WHERE tenant_id = $1 AND incident_id = $2)";
    OF_ENDPOINT_SINCE = concat!("SELECT ", columns!(), " FROM incident i JOIN incident_endpoint e ON e.tenant_id = i.tenant_id \
        AND e.incident_id = i.id WHERE e.tenant_id = $1 AND e.endpoint_id = $2 AND i.state <> 'closed' AND i.created_at >= $3 \
        ORDER BY i.id DESC LIMIT $4");
    OVER = "SELECT tenant_id, id FROM incident WHERE closed_at < $1 ORDER BY closed_at LIMIT $2";
    DELETE = "DELETE FROM incident WHERE tenant_id = $1 AND id = $2";
}

pub(crate) use columns;

fn read(mut row: Row) -> Result<Incident, Error> {
    Ok(Incident {
        tenant_id: row.take()?,
        id: row.take()?,
        number: row.take()?,
        title: row.take()?,
        is_titled: row.take()?,
        severity: row.take()?,
        is_graded: row.take()?,
        state: row.take()?,
        resolution: row.take()?,
        assignee_id: row.take()?,
        assignee_name: row.take()?,
        created_at: row.take()?,
        first_at: row.take()?,
        last_at: row.take()?,
        closed_at: row.take()?,
        closed_by: row.take()?,
        merged_into: row.take()?,
        detections: row.take()?,
        revision: row.take()?,
        search: row.take()?,
    })
}

/// Lets transactions that look for an incident to join, or make one, go one after another.
pub fn serialise(tx: &mut Tx<'_>, tenant: Uuid) -> Result<(), Error> {
    tx.serialise(tenant, JOINING)
}

/// Adds an incident; the number that it got.
pub fn insert(tx: &mut Tx<'_>, incident: &Incident) -> Result<i64, Error> {
    let Incident { tenant_id, id, title, severity, created_at, first_at, last_at, search, .. } = incident;
    let number: i64 =
        tx.query_opt(NUMBER, &[tenant_id], |mut row| row.take())?.ok_or(Error::NotFound("tenant"))?;
    tx.execute(INSERT, &[tenant_id, id, &number, title, severity, created_at, first_at, last_at, search])?;
    Ok(number)
}

/// The incident with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Incident>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The incident with this number.
pub fn by_number(tx: &mut Tx<'_>, tenant: Uuid, number: i64) -> Result<Option<Incident>, Error> {
    tx.query_opt(BY_NUMBER, &[&tenant, &number], read)
}

/// Notes what detections made of it: title, severity, times, how many, whether it is open again. No change of a person.
pub fn grow(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), Error> {
    let Incident { tenant_id, id, title, severity, first_at, last_at, detections, search, .. } = incident;
    let Incident { state, resolution, closed_at, closed_by, .. } = incident;
    let values: [&dyn crate::Param; 12] = [
        tenant_id, id, title, severity, first_at, last_at, detections, search, state, resolution, closed_at,
        closed_by,
    ];
    tx.change(GROW, &values, Error::NotFound("incident"))
}

/// Writes what a person changed; [`Error::Conflict`] where somebody else changed it since `incident.revision`.
pub fn change(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), Error> {
    let values: [&dyn crate::Param; 15] = [
        &incident.tenant_id,
        &incident.id,
        &incident.title,
        &incident.is_titled,
        &incident.severity,
        &incident.is_graded,
        &incident.state,
        &incident.resolution,
        &incident.assignee_id,
        &incident.assignee_name,
        &incident.closed_at,
        &incident.closed_by,
        &incident.merged_into,
        &incident.search,
        &incident.revision,
    ];
    tx.change(CHANGE, &values, Error::Conflict("incident".to_owned()))
}

/// How much belongs to it.
pub fn counts(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Counts, Error> {
    let counts = tx.query_opt(COUNTS, &[&tenant, &id], |mut row| {
        Ok(Counts { chains: row.take()?, endpoints: row.take()?, notes: row.take()?, tasks: row.take()? })
    })?;
    Ok(counts.unwrap_or_default())
}

/// The incidents that are not closed and were made since then of what this endpoint detected, newest first.
pub fn of_endpoint_since(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    since: Micros,
    limit: i64,
) -> Result<Vec<Incident>, Error> {
    tx.query(OF_ENDPOINT_SINCE, &[&tenant, &endpoint, &since, &limit], read)
}

/// Incidents of any tenant that were closed before this time.
pub fn over(tx: &mut Tx<'_>, before: Micros, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(OVER, &[&before, &limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Removes an incident with its notes and links. Its chains and detections must be gone.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.execute(DELETE, &[&tenant, &id]).map(drop)
}
