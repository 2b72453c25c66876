//! Tasks: one request of an action on one or more targets, with the intent that approvals and orders bind.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7, so that the id orders the list.
    pub id: Uuid,
    /// Id of the action in the catalogue.
    pub action: String,
    /// Revision of the action.
    pub revision: i64,
    /// JSON, as it is carried out.
    pub params: String,
    /// JSON, as it may be shown: redacted.
    pub params_public: String,
    /// The intent: written once, never encoded again.
    pub intent: Vec<u8>,
    /// SHA-256 of the intent.
    pub intent_digest: [u8; 32],
    /// What kind of actor asked.
    pub requester_kind: String,
    /// Which actor.
    pub requester_id: String,
    /// Its name at that time.
    pub requester_name: String,
    /// `api`, `cli`, `console`, `system` …
    pub created_from: String,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Unique per tenant and requester.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the request, so that a repeat is told from another request under the same key.
    pub request_digest: [u8; 32],
    /// When it was accepted.
    pub created_at: Micros,
    /// After this no agent begins it.
    pub expires_at: Micros,
    /// Derived from its commands, worst first.
    pub state: String,
    /// Why it is in this state.
    pub reason_code: Option<String>,
    /// When somebody asked to cancel it.
    pub cancel_requested_at: Option<Micros>,
    /// How long after it took effect it undoes itself, microseconds.
    pub revert_after: Option<Micros>,
    /// When it undoes itself; `None` once that was planned, or when it never does.
    pub revert_at: Option<Micros>,
    /// The task that this one undoes.
    pub undo_of: Option<Uuid>,
    /// The task that undoes this one.
    pub undone_by: Option<Uuid>,
    /// How many commands it has.
    pub target_count: i64,
    /// How many have not ended.
    pub open_count: i64,
    /// How many succeeded.
    pub succeeded_count: i64,
    /// Rank of the worst end so far; the engine gives ranks their meaning.
    pub worst: i64,
    /// When the last command ended.
    pub ended_at: Option<Micros>,
    /// `none`, `auto`, `people` or `break_glass`: how it came to be allowed.
    pub approval: String,
    /// The response plan whose step it is.
    pub plan_id: Option<Uuid>,
    /// The incident that it was asked for from.
    pub incident_id: Option<Uuid>,
    /// The activity event there that it is about: id of the chain, a slash, id of the event.
    pub activity: Option<String>,
}

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those of this requester.
    pub requester_id: Option<String>,
    /// Only those that act on this endpoint.
    pub endpoint_id: Option<Uuid>,
    /// Only those that were asked for from this incident.
    pub incident_id: Option<Uuid>,
    /// Only those that were asked for from an incident, whichever.
    pub of_incidents: bool,
}

/// The counters of a task after one more command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All commands.
    pub target_count: i64,
    /// Not ended.
    pub open_count: i64,
    /// Succeeded.
    pub succeeded_count: i64,
    /// Rank of the worst end.
    pub worst: i64,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, action, revision, params, params_public, intent, intent_digest, requester_kind, \
        requester_id, requester_name, created_from, reason, idempotency_key, request_digest, created_at, \
        expires_at, state, reason_code, cancel_requested_at, revert_after, revert_at, undo_of, undone_by, \
        target_count, open_count, succeeded_count, worst, ended_at, approval, plan_id, incident_id, activity"
    };
}

sql! {
    INSERT = "INSERT INTO task (tenant_id, id, action, revision, params, params_public, intent, intent_digest, \
        requester_kind, requester_id, requester_name, created_from, reason, idempotency_key, request_digest, created_at, expires_at, \
        state, revert_after, undo_of, target_count, open_count, approval, plan_id, incident_id, activity) VALUES ($1, $2, $3, $4, $5, \
        $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND id = $2");
    BY_KEY = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND requester_kind = $2 \
        AND requester_id = $3 AND idempotency_key = $4");
    LIST = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND id < $2 \
        AND (state = $3 OR CAST($3 AS TEXT) IS NULL) AND (action = $4 OR CAST($4 AS TEXT) IS NULL) \
        AND (requester_id = $5 OR CAST($5 AS TEXT) IS NULL) ORDER BY id DESC LIMIT $6");
    LIST_OF_ENDPOINT = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND id < $2 \
        AND id IN (SELECT task_id FROM command WHERE tenant_id = $1 AND endpoint_id = $3) \
        AND (state = $4 OR CAST($4 AS TEXT) IS NULL) AND (action = $5 OR CAST($5 AS TEXT) IS NULL) \
        AND (requester_id = $6 OR CAST($6 AS TEXT) IS NULL) ORDER BY id DESC LIMIT $7");
    LIST_OF_INCIDENT = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND id < $2 AND incident_id = $3 \
        AND (state = $4 OR CAST($4 AS TEXT) IS NULL) AND (action = $5 OR CAST($5 AS TEXT) IS NULL) \
        AND (requester_id = $6 OR CAST($6 AS TEXT) IS NULL) AND (CAST($7 AS TEXT) IS NULL OR id IN (SELECT task_id FROM command \
        WHERE tenant_id = $1 AND endpoint_id = CAST($7 AS TEXT))) ORDER BY id DESC LIMIT $8");
    LIST_OF_INCIDENTS = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND id < $2 AND incident_id IS NOT NULL \
        AND (state = $3 OR CAST($3 AS TEXT) IS NULL) AND (action = $4 OR CAST($4 AS TEXT) IS NULL) \
        AND (requester_id = $5 OR CAST($5 AS TEXT) IS NULL) AND (CAST($6 AS TEXT) IS NULL OR id IN (SELECT task_id FROM command \
        WHERE tenant_id = $1 AND endpoint_id = CAST($6 AS TEXT))) ORDER BY id DESC LIMIT $7");
    LIST_OF_STATE = concat!("SELECT ", columns!(), " FROM task WHERE tenant_id = $1 AND state = $2 AND id < $3 \
        ORDER BY id DESC LIMIT $4");
    APPROVED = "UPDATE task SET state = 'queued' WHERE tenant_id = $1 AND id = $2 AND state = 'pending_approval'";
    RUNNING = "UPDATE task SET state = 'running' WHERE tenant_id = $1 AND id = $2 AND state = 'queued'";
    TALLY = "UPDATE task SET open_count = open_count - 1, succeeded_count = succeeded_count + $3, \
        worst = CASE WHEN worst < $4 THEN $4 ELSE worst END WHERE tenant_id = $1 AND id = $2 AND open_count > 0 \
        RETURNING target_count, open_count, succeeded_count, worst";
    FINISH = "UPDATE task SET state = $3, reason_code = $4, ended_at = $5 \
        WHERE tenant_id = $1 AND id = $2 AND open_count = 0 AND ended_at IS NULL";
    CANCEL = "UPDATE task SET cancel_requested_at = $3 \
        WHERE tenant_id = $1 AND id = $2 AND cancel_requested_at IS NULL AND ended_at IS NULL";
    PLAN_REVERT = "UPDATE task SET revert_at = $3 WHERE tenant_id = $1 AND id = $2 AND undone_by IS NULL";
    UNDONE = "UPDATE task SET undone_by = $3, revert_at = NULL WHERE tenant_id = $1 AND id = $2 AND undone_by IS NULL";
    REOPEN_UNDO = "UPDATE task SET undone_by = NULL WHERE tenant_id = $1 AND id = $2 AND undone_by = $3";
    IS_TAKEN_BACK = "SELECT 1 FROM command c JOIN task t ON t.tenant_id = c.tenant_id AND t.id = c.task_id \
        WHERE c.tenant_id = $1 AND c.endpoint_id = $2 AND c.id > $3 AND c.state = 'succeeded' AND t.undo_of = $4 LIMIT 1";
    DUE_REVERTS = "SELECT tenant_id, id FROM task WHERE revert_at IS NOT NULL AND revert_at <= $1 \
        ORDER BY revert_at LIMIT $2";
}

fn read(mut row: Row) -> Result<Task, Error> {
    Ok(Task {
        tenant_id: row.take()?,
        id: row.take()?,
        action: row.take()?,
        revision: row.take()?,
        params: row.take()?,
        params_public: row.take()?,
        intent: row.take()?,
        intent_digest: row.take()?,
        requester_kind: row.take()?,
        requester_id: row.take()?,
        requester_name: row.take()?,
        created_from: row.take()?,
        reason: row.take()?,
        idempotency_key: row.take()?,
        request_digest: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        state: row.take()?,
        reason_code: row.take()?,
        cancel_requested_at: row.take()?,
        revert_after: row.take()?,
        revert_at: row.take()?,
        undo_of: row.take()?,
        undone_by: row.take()?,
        target_count: row.take()?,
        open_count: row.take()?,
        succeeded_count: row.take()?,
        worst: row.take()?,
        ended_at: row.take()?,
        approval: row.take()?,
        plan_id: row.take()?,
        incident_id: row.take()?,
        activity: row.take()?,
    })
}

/// Adds a task. `false` when its id or its idempotency key is taken, which spoils nothing: [`by_key`] finds
/// the one that is there.
pub fn insert(tx: &mut Tx<'_>, task: &Task) -> Result<bool, Error> {
    tx.execute(
        INSERT,
        &[
            &task.tenant_id,
            &task.id,
            &task.action,
            &task.revision,
            &task.params,
            &task.params_public,
            &task.intent,
            &task.intent_digest,
            &task.requester_kind,
            &task.requester_id,
            &task.requester_name,
            &task.created_from,
            &task.reason,
            &task.idempotency_key,
            &task.request_digest,
            &task.created_at,
            &task.expires_at,
            &task.state,
            &task.revert_after,
            &task.undo_of,
            &task.target_count,
            &task.open_count,
            &task.approval,
            &task.plan_id,
            &task.incident_id,
            &task.activity,
        ],
    )
    .map(|rows| rows == 1)
}

/// The task with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Task>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The task that this requester asked for under this idempotency key.
pub fn by_key(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: &str,
    requester: &str,
    key: &str,
) -> Result<Option<Task>, Error> {
    tx.query_opt(BY_KEY, &[&tenant, &kind, &requester, &key], read)
}

/// A page of a tenant's tasks, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, page: Page) -> Result<Paged<Task>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let fetch = page.fetch();
    let rows = match filter {
        // The index by state serves only a statement that always names one.
        Filter {
            state: Some(state),
            action: None,
            requester_id: None,
            endpoint_id: None,
            incident_id: None,
            of_incidents: false,
        } => tx.query(LIST_OF_STATE, &[&tenant, state, &after, &fetch], read)?,
        Filter { state, action, requester_id, endpoint_id, incident_id: Some(incident), .. } => tx.query(
            LIST_OF_INCIDENT,
            &[&tenant, &after, incident, state, action, requester_id, endpoint_id, &fetch],
            read,
        )?,
        // Those that were asked for from incidents are few too.
        Filter { state, action, requester_id, endpoint_id, incident_id: None, of_incidents: true } => tx
            .query(
                LIST_OF_INCIDENTS,
                &[&tenant, &after, state, action, requester_id, endpoint_id, &fetch],
                read,
            )?,
        // The commands of one endpoint are few among all; its tasks are found from them.
        Filter { state, action, requester_id, endpoint_id: Some(endpoint), .. } => tx.query(
            LIST_OF_ENDPOINT,
            &[&tenant, &after, endpoint, state, action, requester_id, &fetch],
            read,
        )?,
        Filter { state, action, requester_id, endpoint_id: None, .. } => {
            tx.query(LIST, &[&tenant, &after, state, action, requester_id, &fetch], read)?
        }
    };
    Ok(page.cut(rows, |task| task.id))
}

/// A page of a tenant's tasks in any of these states, newest first.
pub fn list_of_states(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    states: &[String],
    page: Page,
) -> Result<Paged<Task>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    // One after the other by the index: the database would sort all tasks of these states for each page.
    let lists = states
        .iter()
        .map(|state| tx.query(LIST_OF_STATE, &[&tenant, state, &after, &page.fetch()], read))
        .collect::<Result<_, _>>()?;
    Ok(page.merge(lists, |task| task.id))
}

/// Notes that people agreed. `false` when the task does not wait for them.
pub fn approved(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<bool, Error> {
    tx.execute(APPROVED, &[&tenant, &id]).map(|rows| rows == 1)
}

/// Notes that the first command left the queue. `false` when that was noted before.
pub fn running(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<bool, Error> {
    tx.execute(RUNNING, &[&tenant, &id]).map(|rows| rows == 1)
}

/// Counts one command that ended, with the rank of its end.
pub fn tally(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, succeeded: bool, rank: i64) -> Result<Tally, Error> {
    tx.query_opt(TALLY, &[&tenant, &id, &succeeded, &rank], |mut row| {
        Ok(Tally {
            target_count: row.take()?,
            open_count: row.take()?,
            succeeded_count: row.take()?,
            worst: row.take()?,
        })
    })?
    .ok_or_else(|| Error::Conflict("task".to_owned()))
}

/// Ends a task of which no command is open.
pub fn finish(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    state: &str,
    reason_code: Option<&str>,
    now: Micros,
) -> Result<(), Error> {
    let conflict = Error::Conflict("task".to_owned());
    tx.change(FINISH, &[&tenant, &id, &state, &reason_code, &now], conflict)
}

/// Notes the wish to cancel. `false` when the task has ended or the wish was noted before.
pub fn cancel(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(CANCEL, &[&tenant, &id, &now]).map(|rows| rows == 1)
}

/// Plans when the task undoes itself, or (`None`) that it does not. `false` when it is undone already.
pub fn plan_revert(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, at: Option<Micros>) -> Result<bool, Error> {
    tx.execute(PLAN_REVERT, &[&tenant, &id, &at]).map(|rows| rows == 1)
}

/// Notes which task undoes this one. `false` when another one does already.
pub fn undone(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, by: Uuid) -> Result<bool, Error> {
    tx.execute(UNDONE, &[&tenant, &id, &by]).map(|rows| rows == 1)
}

/// Takes back that `by` undoes this task, since `by` ended without doing so; another undo may be asked for.
pub fn reopen_undo(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, by: Uuid) -> Result<bool, Error> {
    tx.execute(REOPEN_UNDO, &[&tenant, &id, &by]).map(|rows| rows == 1)
}

/// Whether an undo of this task succeeded on this endpoint, which came after `command` there.
pub fn is_taken_back(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    endpoint: Uuid,
    command: Uuid,
) -> Result<bool, Error> {
    tx.query_opt(IS_TAKEN_BACK, &[&tenant, &endpoint, &command, &id], |mut row| row.take::<i64>())
        .map(|found| found.is_some())
}

/// Tasks of all tenants that should have undone themselves by now: (tenant, task).
pub fn due_reverts(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(DUE_REVERTS, &[&now, &limit], |mut row| Ok((row.take()?, row.take()?)))
}
