//! Commands: a task's part for one target on one service. The hot path of the store.
//!
//! States change only through [`transition`], which names the state that it expects to find: of two who
//! change the same command at the same time, one finds nothing to change.

pub(crate) mod twins;

use uuid::Uuid;

pub use twins::twins;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A command. The signed bytes of its outcome are read apart ([`signed_outcome`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7; also the id of the order.
    pub id: Uuid,
    /// Of which task.
    pub task_id: Uuid,
    /// The leaf of the intent's tree: encoded once.
    pub target: Vec<u8>,
    /// Its place among the intent's targets.
    pub leaf_index: i64,
    /// Inclusion proof of that place, as the order carries it.
    pub proof: Vec<u8>,
    /// Who carries it out: `agent`, or a connector.
    pub service: String,
    /// On which endpoint.
    pub endpoint_id: Uuid,
    /// Id of the action.
    pub action: String,
    /// Commands of one endpoint with the same group run one after another.
    pub exclusion: Option<String>,
    /// 0 goes first.
    pub priority: i64,
    /// Whether it is part of a response plan, and its turn has not come: nobody is handed it.
    pub is_held: bool,
    /// What makes the order single-use.
    pub nonce: Vec<u8>,
    /// The agent does not begin before this.
    pub not_before: Micros,
    /// The agent does not begin after this.
    pub not_after: Micros,
    /// Its state.
    pub state: String,
    /// Why it is in this state.
    pub reason_code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// How many times it was handed to the service.
    pub attempts: i64,
    /// When it was first handed to the service.
    pub dispatched_at: Option<Micros>,
    /// When the service began.
    pub started_at: Option<Micros>,
    /// When the outcome came.
    pub outcome_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// When the engine stops waiting in the present state.
    pub deadline_at: Micros,
    /// JSON: the last progress worth keeping.
    pub progress: Option<String>,
    /// JSON: what the service reported.
    pub outcome: Option<String>,
    /// JSON: what proves it.
    pub evidence: Option<String>,
}

/// A change of state, and what goes with it. `None` leaves a column as it is.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    /// The state to go to.
    pub to: &'a str,
    /// Why.
    pub reason_code: Option<&'a str>,
    /// The same for people.
    pub message: Option<&'a str>,
    /// Whether this hands the command to the service once more.
    pub attempt: bool,
    /// First hand-over.
    pub dispatched_at: Option<Micros>,
    /// The service began.
    pub started_at: Option<Micros>,
    /// The outcome came.
    pub outcome_at: Option<Micros>,
    /// The end.
    pub ended_at: Option<Micros>,
    /// When the engine stops waiting in the new state.
    pub deadline_at: Option<Micros>,
    /// JSON.
    pub outcome: Option<&'a str>,
    /// The bytes that the agent signed.
    pub outcome_signed: Option<&'a [u8]>,
    /// Its signature.
    pub outcome_signature: Option<&'a [u8]>,
    /// JSON.
    pub evidence: Option<&'a str>,
}

/// A command under way on an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// The command.
    pub id: Uuid,
    /// Its state.
    pub state: String,
    /// Its exclusion group.
    pub exclusion: Option<String>,
}

/// The end of a command that leaves open what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its state.
    pub state: String,
    /// When the service began.
    pub started_at: Option<Micros>,
    /// JSON: what the service reported.
    pub outcome: Option<String>,
}

/// An outcome as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub bytes: Vec<u8>,
    /// The signature of the agent's key.
    pub signature: Vec<u8>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, task_id, target, leaf_index, proof, service, endpoint_id, action, exclusion, priority, \
        held, nonce, not_before, not_after, state, reason_code, message, attempts, dispatched_at, started_at, outcome_at, \
        ended_at, deadline_at, progress, outcome, evidence"
    };
}

/// What makes a command of the same action one that is under way.
macro_rules! is_twin {
    () => {
        " AND ended_at IS NULL AND held = 0 AND state IN ('pending_approval', 'queued', 'dispatched', 'running', 'verifying')"
    };
}
use is_twin;

sql! {
    INSERT = "INSERT INTO command (tenant_id, id, task_id, target, leaf_index, proof, service, endpoint_id, action, exclusion, \
        priority, held, nonce, not_before, not_after, state, deadline_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    GET = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND id = $2");
    QUEUED = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND state = 'queued' AND held = 0 AND ended_at IS NULL AND not_before <= $3 AND not_after > $3 ORDER BY priority, id \
        LIMIT $4");
    ACTIVE = "SELECT id, state, exclusion FROM command WHERE tenant_id = $1 AND endpoint_id = $2 AND ended_at IS NULL \
        AND state IN ('dispatched', 'running', 'verifying') LIMIT 1000";
    OPEN_OF_ENDPOINT = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND ended_at IS NULL ORDER BY state, held, priority, id LIMIT $3");
    GIVEN = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND ended_at IS NULL AND state IN ('dispatched', 'running') LIMIT 1000");
    TO_STOP = "SELECT c.id FROM command c JOIN task t ON t.tenant_id = c.tenant_id AND t.id = c.task_id \
        WHERE c.tenant_id = $1 AND c.endpoint_id = $2 AND c.ended_at IS NULL AND c.state IN ('dispatched', 'running') \
        AND t.cancel_requested_at IS NOT NULL LIMIT 1000";
    TWIN = concat!("SELECT task_id FROM command WHERE tenant_id = $1 AND endpoint_id = $2 AND action = $3", is_twin!(), " LIMIT 1");
    IS_WAITING = "SELECT 1 FROM command WHERE tenant_id = $1 AND endpoint_id = $2 AND ended_at IS NULL \
        AND state = 'queued' AND held = 0 LIMIT 1";
    WAITING = "SELECT DISTINCT tenant_id, endpoint_id FROM command WHERE ended_at IS NULL AND state = 'queued' \
        AND held = 0 LIMIT $1";
    IS_HELD = "SELECT 1 FROM command WHERE tenant_id = $1 AND task_id = $2 AND leaf_index = 0 AND held = 1";
    RELEASE = "UPDATE command SET held = 0 WHERE tenant_id = $1 AND task_id = $2 AND held = 1";
    TENANTS_OF = "SELECT DISTINCT tenant_id FROM command WHERE endpoint_id = $1 AND ended_at IS NULL \
        AND state IN ('queued', 'dispatched')";
    DUE = concat!("SELECT ", columns!(), " FROM command WHERE ended_at IS NULL AND deadline_at <= $1 \
        ORDER BY deadline_at LIMIT $2");
    OF_TASK = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND task_id = $2 \
        AND leaf_index > $3 ORDER BY leaf_index LIMIT $4");
    TARGETS = "SELECT c.endpoint_id, COALESCE(e.name, c.service), c.state FROM command c LEFT JOIN endpoint e ON e.tenant_id = c.tenant_id \
        AND e.id = c.endpoint_id WHERE c.tenant_id = $1 AND c.task_id = $2 ORDER BY c.leaf_index LIMIT $3";
    OPEN_TARGETS = "SELECT c.endpoint_id, COALESCE(e.name, c.service), c.state FROM command c LEFT JOIN endpoint e \
        ON e.tenant_id = c.tenant_id AND e.id = c.endpoint_id WHERE c.tenant_id = $1 AND c.task_id = $2 \
        AND c.ended_at IS NULL ORDER BY c.leaf_index LIMIT $3";
    OF_ENDPOINT = concat!("SELECT ", columns!(), " FROM command WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND id < $3 ORDER BY id DESC LIMIT $4");
    COUNTS = "SELECT state, COUNT(*) FROM command WHERE tenant_id = $1 AND task_id = $2 GROUP BY state ORDER BY state";
    UNSETTLED = "SELECT c.state, c.started_at, c.outcome FROM command c WHERE c.tenant_id = $1 AND c.task_id = $2 \
        AND c.state IN ('indeterminate', 'canceled') AND NOT EXISTS (SELECT 1 FROM command l WHERE l.tenant_id = c.tenant_id \
        AND l.endpoint_id = c.endpoint_id AND l.state = 'succeeded' AND l.action IN ($3, $4) AND l.ended_at > c.ended_at) \
        LIMIT $5";
    TRANSITION = "UPDATE command SET state = $4, reason_code = COALESCE($5, reason_code), \
        message = COALESCE($6, message), attempts = attempts + $7, dispatched_at = COALESCE(dispatched_at, $8), \
        started_at = COALESCE(started_at, $9), outcome_at = COALESCE(outcome_at, $10), ended_at = $11, \
        deadline_at = COALESCE($12, deadline_at), outcome = COALESCE($13, outcome), \
        outcome_signed = COALESCE($14, outcome_signed), outcome_signature = COALESCE($15, outcome_signature), \
        evidence = COALESCE($16, evidence) WHERE tenant_id = $1 AND id = $2 AND state = $3 AND ended_at IS NULL";
    PROGRESS = "UPDATE command SET progress = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL";
    SIGNED = "SELECT outcome_signed, outcome_signature FROM command WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<Command, Error> {
    Ok(Command {
        tenant_id: row.take()?,
        id: row.take()?,
        task_id: row.take()?,
        target: row.take()?,
        leaf_index: row.take()?,
        proof: row.take()?,
        service: row.take()?,
        endpoint_id: row.take()?,
        action: row.take()?,
        exclusion: row.take()?,
        priority: row.take()?,
        is_held: row.take()?,
        nonce: row.take()?,
        not_before: row.take()?,
        not_after: row.take()?,
        state: row.take()?,
        reason_code: row.take()?,
        message: row.take()?,
        attempts: row.take()?,
        dispatched_at: row.take()?,
        started_at: row.take()?,
        outcome_at: row.take()?,
        ended_at: row.take()?,
        deadline_at: row.take()?,
        progress: row.take()?,
        outcome: row.take()?,
        evidence: row.take()?,
    })
}

/// Adds a command, not yet handed to anybody.
pub fn insert(tx: &mut Tx<'_>, command: &Command) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &command.tenant_id,
            &command.id,
            &command.task_id,
            &command.target,
            &command.leaf_index,
            &command.proof,
            &command.service,
            &command.endpoint_id,
            &command.action,
            &command.exclusion,
            &command.priority,
            &command.is_held,
            &command.nonce,
            &command.not_before,
            &command.not_after,
            &command.state,
            &command.deadline_at,
        ],
    )
    .map(drop)
}

/// The command with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Command>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// What waits for an endpoint and may begin now, most urgent first.
pub fn queued(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    now: Micros,
    limit: i64,
) -> Result<Vec<Command>, Error> {
    tx.query(QUEUED, &[&tenant, &endpoint, &now, &limit], read)
}

/// What is under way on an endpoint.
pub fn active(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Vec<Active>, Error> {
    tx.query(ACTIVE, &[&tenant, &endpoint], |mut row| {
        Ok(Active { id: row.take()?, state: row.take()?, exclusion: row.take()? })
    })
}

/// All that has not ended on an endpoint.
pub fn open_of_endpoint(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    limit: i64,
) -> Result<Vec<Command>, Error> {
    tx.query(OPEN_OF_ENDPOINT, &[&tenant, &endpoint, &limit], read)
}

/// What an endpoint was given and has not ended.
pub fn given(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Vec<Command>, Error> {
    tx.query(GIVEN, &[&tenant, &endpoint], read)
}

/// What an endpoint was given and should stop, since somebody canceled its task.
pub fn to_stop(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Vec<Uuid>, Error> {
    tx.query(TO_STOP, &[&tenant, &endpoint], |mut row| row.take())
}

/// The task of an open command of this action on this endpoint. A step of a plan that waits for its turn is none: nobody knows
/// whether it will come, and who asks apart is in a hurry.
pub fn twin(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, action: &str) -> Result<Option<Uuid>, Error> {
    tx.query_opt(TWIN, &[&tenant, &endpoint, &action], |mut row| row.take())
}

/// Whether anything waits for an endpoint, now or later.
pub fn is_waiting(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<bool, Error> {
    tx.query_opt(IS_WAITING, &[&tenant, &endpoint], |mut row| row.take::<i64>()).map(|found| found.is_some())
}

/// Endpoints of all tenants for which something waits: (tenant, endpoint). Asked after a restart and by the poll
/// that backs the doorbell.
pub fn waiting(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(WAITING, &[&limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Whether the commands of a task wait for their turn. They are let go together, so that the first of them tells.
pub fn is_held(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<bool, Error> {
    tx.query_opt(IS_HELD, &[&tenant, &task], |mut row| row.take::<i64>()).map(|found| found.is_some())
}

/// The turn of a task has come: its commands may be handed out.
pub fn release(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<(), Error> {
    tx.execute(RELEASE, &[&tenant, &task]).map(drop)
}

/// Tenants that have something queued or handed out for this service.
pub fn tenants_of(tx: &mut Tx<'_>, service: Uuid) -> Result<Vec<Uuid>, Error> {
    tx.query(TENANTS_OF, &[&service], |mut row| row.take())
}

/// Commands of all tenants whose deadline has passed.
pub fn due(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<Command>, Error> {
    tx.query(DUE, &[&now, &limit], read)
}

/// The commands of a task in the order of its targets, after this place (begin with -1).
pub fn of_task(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    task: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<Command>, Error> {
    tx.query(OF_TASK, &[&tenant, &task, &after, &limit], read)
}

/// A target of a task: the endpoint, its name now, and how its command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which endpoint.
    pub endpoint_id: Uuid,
    /// What people call it now.
    pub name: String,
    /// The state of its command.
    pub state: String,
}

/// The first targets of a task, in their order.
pub fn targets(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, limit: i64) -> Result<Vec<Target>, Error> {
    tx.query(TARGETS, &[&tenant, &task, &limit], |mut row| {
        Ok(Target { endpoint_id: row.take()?, name: row.take()?, state: row.take()? })
    })
}

/// The first targets of a task that did not end it, in their order.
pub fn open_targets(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, limit: i64) -> Result<Vec<Target>, Error> {
    tx.query(OPEN_TARGETS, &[&tenant, &task, &limit], |mut row| {
        Ok(Target { endpoint_id: row.take()?, name: row.take()?, state: row.take()? })
    })
}

/// A page of an endpoint's commands, newest first.
pub fn of_endpoint(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    page: Page,
) -> Result<Paged<Command>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(OF_ENDPOINT, &[&tenant, &endpoint, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |command| command.id))
}

/// How many commands of a task are in which state.
pub fn counts(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<Vec<(String, i64)>, Error> {
    tx.query(COUNTS, &[&tenant, &task], |mut row| Ok((row.take()?, row.take()?)))
}

/// The ends of a task's commands that were stopped, or of which nobody knows what they did, where neither `action` nor
/// what takes it back, `undo`, succeeded on the same endpoint since.
pub fn unsettled(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    task: Uuid,
    [action, undo]: [&str; 2],
    limit: i64,
) -> Result<Vec<Unsettled>, Error> {
    tx.query(UNSETTLED, &[&tenant, &task, &action, &undo, &limit], |mut row| {
        Ok(Unsettled { state: row.take()?, started_at: row.take()?, outcome: row.take()? })
    })
}

/// Takes a command from one state to another. `false` when it is not in `from`, or has ended.
pub fn transition(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    from: &str,
    change: &Change<'_>,
) -> Result<bool, Error> {
    tx.execute(
        TRANSITION,
        &[
            &tenant,
            &id,
            &from,
            &change.to,
            &change.reason_code,
            &change.message,
            &change.attempt,
            &change.dispatched_at,
            &change.started_at,
            &change.outcome_at,
            &change.ended_at,
            &change.deadline_at,
            &change.outcome,
            &change.outcome_signed,
            &change.outcome_signature,
            &change.evidence,
        ],
    )
    .map(|rows| rows == 1)
}

/// Keeps a progress report, JSON. For the few that are worth a row: the rest lives in memory.
pub fn progress(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, progress: &str) -> Result<bool, Error> {
    tx.execute(PROGRESS, &[&tenant, &id, &progress]).map(|rows| rows == 1)
}

/// The outcome as the agent signed it; `None` while there is none.
pub fn signed_outcome(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Signed>, Error> {
    let found = tx.query_opt(SIGNED, &[&tenant, &id], |mut row| {
        let (bytes, signature): (Option<_>, Option<_>) = (row.take()?, row.take()?);
        Ok(bytes.zip(signature).map(|(bytes, signature)| Signed { bytes, signature }))
    })?;
    Ok(found.flatten())
}
