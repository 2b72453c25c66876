//! Processes and activity events of chains, as encoded messages beside the columns that are asked for.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql, value::Param};

/// A process of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i64,
    /// When it started, clock ticks since boot.
    pub start: i64,
    /// Who made it, where that is known.
    pub parent: Option<(i64, i64)>,
    /// When it started.
    pub started_at: Micros,
    /// `quell_wire::activity::Process`, encoded.
    pub body: Vec<u8>,
}

/// An activity event of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Of which chain; of no meaning where it is written.
    pub chain_id: Uuid,
    /// Rises on one endpoint.
    pub activity: i64,
    /// When.
    pub at: Micros,
    /// `start`, `file_create` …
    pub kind: String,
    /// Who did it: process id.
    pub pid: i64,
    /// When that started, clock ticks since boot.
    pub start: i64,
    /// When it came here.
    pub received_at: Micros,
    /// `quell_wire::activity::Activity`, encoded.
    pub body: Vec<u8>,
}

/// Which activity events of a chain to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this process: id and start.
    pub process: Option<(i64, i64)>,
    /// Of these kinds, with spaces between and around.
    pub kinds: Option<String>,
    /// Only those that something was detected on.
    pub is_key: bool,
    /// Only those that a rule names this technique for, or a part of it.
    pub technique: Option<String>,
}

macro_rules! page {
    ($beyond:literal, $order:literal) => {
        concat!("SELECT chain_id, activity, at, kind, pid, start, received_at, body FROM chain_activity a \
            WHERE tenant_id = $1 AND chain_id = $2 AND (at, activity) ", $beyond, " ($3, $4) \
            AND (CAST($5 AS BIGINT) IS NULL OR (pid = CAST($5 AS BIGINT) AND start = CAST($6 AS BIGINT))) \
            AND (CAST($7 AS TEXT) IS NULL OR CAST($7 AS TEXT) LIKE '% ' || kind || ' %') \
            AND (CAST($8 AS BIGINT) = 0 OR EXISTS (SELECT 1 FROM detection d WHERE d.tenant_id = a.tenant_id \
            AND d.chain_id = a.chain_id AND d.activity = a.activity \
            AND (CAST($9 AS TEXT) IS NULL OR d.techniques LIKE CAST($9 AS TEXT)))) ORDER BY ", $order, " LIMIT $10")
    };
}

sql! {
    PROCESSES = "SELECT pid, start, parent_pid, parent_start, started_at, body FROM chain_process \
        WHERE tenant_id = $1 AND chain_id = $2 ORDER BY started_at, pid, start LIMIT $3";
    PROCESS = "SELECT pid, start, parent_pid, parent_start, started_at, body FROM chain_process \
        WHERE tenant_id = $1 AND chain_id = $2 AND pid = $3 AND start = $4";
    ACTIVITY = "SELECT chain_id, activity, at, kind, pid, start, received_at, body FROM chain_activity \
        WHERE tenant_id = $1 AND chain_id = $2 AND activity = $3";
    PAGE_UP = page!(">", "at, activity");
    PAGE_DOWN = page!("<", "at DESC, activity DESC");
    ALL_OF = "SELECT chain_id, activity, at, kind, pid, start, received_at, body FROM chain_activity \
        WHERE tenant_id = $1 AND chain_id = $2 ORDER BY at, activity LIMIT $3";
    COUNTS = "SELECT pid, start, kind, COUNT(*) FROM chain_activity WHERE tenant_id = $1 AND chain_id = $2 \
        GROUP BY pid, start, kind";
    SOME_ACTIVITIES = "DELETE FROM chain_activity WHERE tenant_id = $1 AND chain_id = $2 AND activity IN (SELECT activity \
        FROM chain_activity WHERE tenant_id = $1 AND chain_id = $2 LIMIT $3)";
    ALL_PROCESSES = "DELETE FROM chain_process WHERE tenant_id = $1 AND chain_id = $2";
}

fn read_process(mut row: Row) -> Result<Process, Error> {
    let (pid, start) = (row.take()?, row.take()?);
    let (parent_pid, parent_start): (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
    Ok(Process {
        pid,
        start,
        parent: parent_pid.zip(parent_start),
        started_at: row.take()?,
        body: row.take()?,
    })
}

fn read_activity(mut row: Row) -> Result<Activity, Error> {
    Ok(Activity {
        chain_id: row.take()?,
        activity: row.take()?,
        at: row.take()?,
        kind: row.take()?,
        pid: row.take()?,
        start: row.take()?,
        received_at: row.take()?,
        body: row.take()?,
    })
}

/// The processes of a chain in the order in which they started, at most `limit`.
pub fn processes(tx: &mut Tx<'_>, tenant: Uuid, chain: Uuid, limit: i64) -> Result<Vec<Process>, Error> {
    tx.query(PROCESSES, &[&tenant, &chain, &limit], read_process)
}

/// One process of a chain.
pub fn process(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    pid: i64,
    start: i64,
) -> Result<Option<Process>, Error> {
    tx.query_opt(PROCESS, &[&tenant, &chain, &pid, &start], read_process)
}

/// One activity event of a chain.
pub fn activity(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    activity: i64,
) -> Result<Option<Activity>, Error> {
    tx.query_opt(ACTIVITY, &[&tenant, &chain, &activity], read_activity)
}

/// The activity events of a chain in order of time, at most `limit`.
pub fn activities(tx: &mut Tx<'_>, tenant: Uuid, chain: Uuid, limit: i64) -> Result<Vec<Activity>, Error> {
    tx.query(ALL_OF, &[&tenant, &chain, &limit], read_activity)
}

/// Activity events of a chain after (`upwards`) or before this time and number, at most `limit`, nearest first.
pub fn page(
    tx: &mut Tx<'_>,
    (tenant, chain): (Uuid, Uuid),
    filter: &Filter,
    (at, activity): (Micros, i64),
    upwards: bool,
    limit: i64,
) -> Result<Vec<Activity>, Error> {
    let technique = filter.technique.as_ref().map(|technique| format!("%\"{technique}%"));
    let is_key = filter.is_key || technique.is_some();
    let (pid, start) = (filter.process.map(|key| key.0), filter.process.map(|key| key.1));
    let values: [&dyn Param; 10] =
        [&tenant, &chain, &at, &activity, &pid, &start, &filter.kinds, &is_key, &technique, &limit];
    tx.query(if upwards { PAGE_UP } else { PAGE_DOWN }, &values, read_activity)
}

/// How many activity events of which kind a process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Process id.
    pub pid: i64,
    /// When that started, clock ticks since boot.
    pub start: i64,
    /// Of which kind.
    pub kind: String,
    /// How many.
    pub count: i64,
}

/// How many activity events the processes of a chain have.
pub fn counts(tx: &mut Tx<'_>, tenant: Uuid, chain: Uuid) -> Result<Vec<Count>, Error> {
    tx.query(COUNTS, &[&tenant, &chain], |mut row| {
        Ok(Count { pid: row.take()?, start: row.take()?, kind: row.take()?, count: row.take()? })
    })
}

/// Removes up to `limit` activity events, and the processes with the last of them. How many activity events went, and whether
/// nothing is left.
pub(super) fn remove_some(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    limit: i64,
) -> Result<(i64, bool), Error> {
    let removed = tx.execute(SOME_ACTIVITIES, &[&tenant, &chain, &limit])?;
    let removed = i64::try_from(removed).unwrap_or(limit);
    if removed >= limit {
        return Ok((removed, false));
    }
    tx.execute(ALL_PROCESSES, &[&tenant, &chain])?;
    Ok((removed, true))
}
