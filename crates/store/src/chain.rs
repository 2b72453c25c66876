//! Threat development chains: one for each that an endpoint opened. What belongs to it is in [`rows`], and written by [`batch`].

pub mod batch;
pub mod rows;

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whose.
    pub tenant_id: Uuid,
    /// Made here.
    pub id: Uuid,
    /// Where it was built.
    pub endpoint_id: Uuid,
    /// What the endpoint calls it.
    pub name: String,
    /// The incident that it belongs to; none until its first detection came.
    pub incident_id: Option<Uuid>,
    /// The boot that its processes belong to.
    pub boot_id: String,
    /// Process id of its topmost process.
    pub root_pid: i64,
    /// When that started, clock ticks since boot.
    pub root_start: i64,
    /// Number of the newest update that is stored.
    pub serial: i64,
    /// Nothing more comes, or is wanted.
    pub is_closed: bool,
    /// When its first update came.
    pub opened_at: Micros,
    /// When its newest update came.
    pub updated_at: Micros,
    /// Processes that are stored.
    pub processes: i64,
    /// Activity events that are stored.
    pub activities: i64,
    /// Detections.
    pub detections: i64,
    /// Bytes that were taken for it; 0 where they were given up.
    pub bytes: i64,
    /// Events that the endpoint lost while it was open.
    pub lost: i64,
    /// Processes that the endpoint left out.
    pub processes_beyond: i64,
    /// Activity events that the endpoint left out.
    pub activities_beyond: i64,
    /// Processes and activity events that came and were beyond the limits here, or were given up.
    pub dropped: i64,
    /// Its beginning was older than what the endpoint keeps.
    pub begins_late: bool,
    /// Files of the endpoint that came and went with their directory while it was open.
    pub vanished_files: i64,
}

/// How much of an endpoint's is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Chains.
    pub chains: i64,
    /// Bytes that were taken for them.
    pub bytes: i64,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, endpoint_id, name, incident_id, boot_id, root_pid, root_start, serial, is_closed, opened_at, \
        updated_at, processes, activities, detections, bytes, lost, processes_beyond, activities_beyond, dropped, begins_late, \
        vanished_files"
    };
}

sql! {
    INSERT = "INSERT INTO chain (tenant_id, id, endpoint_id, name, boot_id, root_pid, root_start, serial, opened_at, \
        updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8) ON CONFLICT DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM chain WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM chain WHERE tenant_id = $1 AND endpoint_id = $2 AND name = $3");
    OF_INCIDENT = concat!("SELECT ", columns!(), " FROM chain WHERE tenant_id = $1 AND incident_id = $2 ORDER BY id LIMIT $3");
    UPDATE = "UPDATE chain SET serial = $3, is_closed = $4, updated_at = $5, processes = $6, activities = $7, detections = $8, \
        bytes = $9, lost = $10, processes_beyond = $11, activities_beyond = $12, dropped = $13, begins_late = $14, \
        incident_id = COALESCE(incident_id, $15), root_pid = $16, root_start = $17, \
        vanished_files = $18 WHERE tenant_id = $1 AND id = $2 AND serial = $3 - 1";
    HELD = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM chain WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND bytes > 0";
    OLDEST = "SELECT c.id FROM chain c LEFT JOIN incident i ON i.tenant_id = c.tenant_id AND i.id = c.incident_id \
        WHERE c.tenant_id = $1 AND c.endpoint_id = $2 AND c.bytes > 0 \
        ORDER BY CASE WHEN i.state = 'closed' THEN 0 ELSE 1 END, c.opened_at, c.id LIMIT $3";
    HOLLOW = "UPDATE chain SET bytes = 0, dropped = dropped + processes + activities, processes = 0, activities = 0 \
        WHERE tenant_id = $1 AND id = $2";
    OPEN = "SELECT COUNT(*) FROM chain WHERE tenant_id = $1 AND endpoint_id = $2 AND is_closed = 0";
    SILENT = "SELECT id FROM chain WHERE tenant_id = $1 AND endpoint_id = $2 AND is_closed = 0 ORDER BY updated_at, id LIMIT 1";
    CLOSE = "UPDATE chain SET is_closed = 1 WHERE tenant_id = $1 AND id = $2 AND is_closed = 0";
    OPEN_OF = "SELECT endpoint_id, name, serial FROM chain WHERE tenant_id = $1 AND incident_id = $2 AND is_closed = 0 \
        ORDER BY id LIMIT 1000";
    HOLDING = "SELECT i.id FROM chain c JOIN incident i ON i.tenant_id = c.tenant_id AND i.id = c.incident_id \
        JOIN chain_process p ON p.tenant_id = c.tenant_id AND p.chain_id = c.id AND p.pid = $5 AND p.start = $6 \
        WHERE c.tenant_id = $1 AND c.endpoint_id = $2 AND c.boot_id = $3 AND c.id <> $4 AND i.state <> 'closed' \
        ORDER BY i.last_at DESC, i.id LIMIT 1";
    MOVE = "UPDATE chain SET incident_id = $3 WHERE tenant_id = $1 AND incident_id = $2";
    COUNT_OF = "SELECT COUNT(*) FROM chain WHERE tenant_id = $1 AND incident_id = $2";
    LOOSE = "SELECT tenant_id, id FROM chain WHERE incident_id IS NULL AND updated_at < $1 ORDER BY updated_at LIMIT $2";
    DELETE = "DELETE FROM chain WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<Chain, Error> {
    Ok(Chain {
        tenant_id: row.take()?,
        id: row.take()?,
        endpoint_id: row.take()?,
        name: row.take()?,
        incident_id: row.take()?,
        boot_id: row.take()?,
        root_pid: row.take()?,
        root_start: row.take()?,
        serial: row.take()?,
        is_closed: row.take()?,
        opened_at: row.take()?,
        updated_at: row.take()?,
        processes: row.take()?,
        activities: row.take()?,
        detections: row.take()?,
        bytes: row.take()?,
        lost: row.take()?,
        processes_beyond: row.take()?,
        activities_beyond: row.take()?,
        dropped: row.take()?,
        begins_late: row.take()?,
        vanished_files: row.take()?,
    })
}

/// Adds a chain of which nothing is stored yet; `false` where the endpoint has one of this name.
pub fn insert(tx: &mut Tx<'_>, chain: &Chain) -> Result<bool, Error> {
    let Chain { tenant_id, id, endpoint_id, name, boot_id, root_pid, root_start, opened_at, .. } = chain;
    let values: [&dyn crate::Param; 8] =
        [tenant_id, id, endpoint_id, name, boot_id, root_pid, root_start, opened_at];
    tx.execute(INSERT, &values).map(|rows| rows == 1)
}

/// The chain with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Chain>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The chain that this endpoint calls by this name.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, name: &str) -> Result<Option<Chain>, Error> {
    tx.query_opt(BY_NAME, &[&tenant, &endpoint, &name], read)
}

/// The chains of an incident, oldest first, at most `limit`.
pub fn of_incident(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid, limit: i64) -> Result<Vec<Chain>, Error> {
    tx.query(OF_INCIDENT, &[&tenant, &incident, &limit], read)
}

/// How many chains an incident has.
pub fn count_of(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT_OF, &[&tenant, &incident], |mut row| row.take())?.unwrap_or(0))
}

/// Notes what an update brought. `chain` is as it is from now on; `false` where its serial does not follow what is stored. The
/// incident that it belongs to stays, since that may have been merged into another meanwhile: [`move_all`] changes it.
pub fn update(tx: &mut Tx<'_>, chain: &Chain) -> Result<bool, Error> {
    let values: [&dyn crate::Param; 18] = [
        &chain.tenant_id,
        &chain.id,
        &chain.serial,
        &chain.is_closed,
        &chain.updated_at,
        &chain.processes,
        &chain.activities,
        &chain.detections,
        &chain.bytes,
        &chain.lost,
        &chain.processes_beyond,
        &chain.activities_beyond,
        &chain.dropped,
        &chain.begins_late,
        &chain.incident_id,
        &chain.root_pid,
        &chain.root_start,
        &chain.vanished_files,
    ];
    tx.execute(UPDATE, &values).map(|rows| rows == 1)
}

/// How much is kept of this endpoint's chains, but for those that are known by their detections alone.
pub fn held(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Held, Error> {
    let held = tx.query_opt(HELD, &[&tenant, &endpoint], |mut row| {
        Ok(Held { chains: row.take()?, bytes: row.take()? })
    })?;
    Ok(held.unwrap_or_default())
}

/// The chains of an endpoint whose bodies go first: the oldest of closed incidents, then the oldest; at most `limit`.
pub fn oldest(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, limit: i64) -> Result<Vec<Uuid>, Error> {
    tx.query(OLDEST, &[&tenant, &endpoint, &limit], |mut row| row.take())
}

/// Removes some of a chain's rows. Once none is left it is noted that they were given up, and the chain stays, with what was
/// detected on it. How many activity events went, and whether it is done.
pub fn give_up_some(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, rows: i64) -> Result<(i64, bool), Error> {
    let (removed, is_done) = rows::remove_some(tx, tenant, id, rows)?;
    if is_done {
        tx.execute(HOLLOW, &[&tenant, &id])?;
    }
    Ok((removed, is_done))
}

/// Closes those of the endpoint's open chains that were silent for longest, until fewer than `most` are open.
pub fn make_room(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, most: i64) -> Result<(), Error> {
    let open: i64 = tx.query_opt(OPEN, &[&tenant, &endpoint], |mut row| row.take())?.unwrap_or(0);
    for _ in most..=open {
        let silent: Option<Uuid> = tx.query_opt(SILENT, &[&tenant, &endpoint], |mut row| row.take())?;
        let Some(silent) = silent else { break };
        close(tx, tenant, silent)?;
    }
    Ok(())
}

/// Notes that nothing more is wanted of a chain.
pub fn close(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.execute(CLOSE, &[&tenant, &id]).map(drop)
}

/// A chain that is open, to tell its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Where it was built.
    pub endpoint_id: Uuid,
    /// What the endpoint calls it.
    pub name: String,
    /// Number of the newest update that is stored.
    pub serial: i64,
}

/// The open chains of an incident.
pub fn open_of(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<Vec<Open>, Error> {
    tx.query(OPEN_OF, &[&tenant, &incident], |mut row| {
        Ok(Open { endpoint_id: row.take()?, name: row.take()?, serial: row.take()? })
    })
}

/// The incident, not closed, of another chain of the same endpoint and boot that has this process: id and start.
pub fn holding(tx: &mut Tx<'_>, chain: &Chain, (pid, start): (i64, i64)) -> Result<Option<Uuid>, Error> {
    let Chain { tenant_id, endpoint_id, boot_id, id, .. } = chain;
    tx.query_opt(HOLDING, &[tenant_id, endpoint_id, boot_id, id, &pid, &start], |mut row| row.take())
}

/// Gives all chains of an incident to another.
pub fn move_all(tx: &mut Tx<'_>, tenant: Uuid, from: Uuid, into: Uuid) -> Result<(), Error> {
    tx.execute(MOVE, &[&tenant, &from, &into]).map(drop)
}

/// Chains of any tenant that belong to no incident and were last heard of before this time.
pub fn loose(tx: &mut Tx<'_>, before: Micros, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(LOOSE, &[&before, &limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Removes some of a chain's rows, and the chain once none is left; `true` where it is gone.
pub fn remove_some(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, rows: i64) -> Result<bool, Error> {
    if rows::remove_some(tx, tenant, id, rows)?.1 {
        tx.execute(DELETE, &[&tenant, &id])?;
        return Ok(true);
    }
    Ok(false)
}
