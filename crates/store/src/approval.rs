//! Requests for approval, and what people decided about them.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A request: a task that people, or the tenant's settings, were asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub tenant_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`.
    pub state: String,
    /// The digest of the task's intent.
    pub digest: [u8; 32],
    /// The human who asked.
    pub requester_human: Uuid,
    /// How many people it takes.
    pub quorum: i64,
    /// Of which roles, JSON list; anybody who may decide where empty.
    pub roles: String,
    /// How the policy came to ask, JSON list of lines.
    pub trace: String,
    /// What it would touch, JSON.
    pub blast: String,
    /// When it was asked.
    pub created_at: Micros,
    /// Until when it can be decided: when the task ends by itself.
    pub expires_at: Micros,
    /// When it was decided.
    pub decided_at: Option<Micros>,
    /// Until when what was approved may begin and go on; the task's own end where absent, and once it has ended.
    pub valid_until: Option<Micros>,
    /// How long it is good at most once it is approved, microseconds; until the task's own end where absent.
    pub valid_for: Option<Micros>,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whose.
    pub tenant_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// Who decided.
    pub person_id: Uuid,
    /// The human behind the account, at that time.
    pub human: Uuid,
    /// Their name, at that time.
    pub name: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// The digest that they decided about.
    pub digest: [u8; 32],
    /// What they said.
    pub note: String,
    /// `api`, `cli`, `console` or `mail`.
    pub via: String,
    /// When.
    pub decided_at: Micros,
    /// Their own signature over the digest, an encoded message of the agent protocol.
    pub signature: Option<Vec<u8>>,
    /// When they took it back.
    pub revoked_at: Option<Micros>,
}

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those of this requester.
    pub requester_id: Option<String>,
}

macro_rules! request_columns {
    () => {
        "r.tenant_id, r.task_id, r.state, r.digest, r.requester_human, r.quorum, r.roles, r.trace, r.blast, \
        r.created_at, r.expires_at, r.decided_at, r.valid_until, r.valid_for"
    };
}

macro_rules! decision_columns {
    () => {
        "tenant_id, task_id, person_id, human, name, decision, digest, note, via, decided_at, signature, revoked_at"
    };
}

sql! {
    INSERT = "INSERT INTO approval_request (tenant_id, task_id, state, digest, requester_human, quorum, roles, trace, \
        blast, created_at, expires_at, decided_at, valid_until, valid_for) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    GET = concat!("SELECT ", request_columns!(), " FROM approval_request r WHERE r.tenant_id = $1 AND r.task_id = $2");
    LIST = concat!("SELECT ", request_columns!(), " FROM approval_request r JOIN task t ON t.tenant_id = r.tenant_id \
        AND t.id = r.task_id WHERE r.tenant_id = $1 AND r.task_id < $2 AND (r.state = $3 OR CAST($3 AS TEXT) IS NULL) \
        AND (t.action = $4 OR CAST($4 AS TEXT) IS NULL) AND (t.requester_id = $5 OR CAST($5 AS TEXT) IS NULL) \
        ORDER BY r.task_id DESC LIMIT $6");
    LIST_OF_STATE = concat!("SELECT ", request_columns!(), " FROM approval_request r WHERE r.tenant_id = $1 \
        AND r.state = $2 AND r.task_id < $3 ORDER BY r.task_id DESC LIMIT $4");
    SETTLE = "UPDATE approval_request SET state = $4, decided_at = $5 WHERE tenant_id = $1 AND task_id = $2 AND state = $3";
    SET_VALIDITY = "UPDATE approval_request SET valid_until = $3 WHERE tenant_id = $1 AND task_id = $2";
    CLEAR_VALIDITY = "UPDATE approval_request SET valid_until = NULL WHERE tenant_id = $1 AND task_id = $2 \
        AND state IN ('approved', 'auto') AND valid_until IS NOT NULL";
    RUN_OUT = "SELECT tenant_id, task_id FROM approval_request WHERE state IN ('approved', 'auto') \
        AND valid_until IS NOT NULL AND valid_until <= $1 ORDER BY valid_until LIMIT $2";
    DECIDE = concat!("INSERT INTO approval_decision (", decision_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, \
        $8, $9, $10, $11, NULL) ON CONFLICT DO NOTHING");
    DECISIONS = concat!("SELECT ", decision_columns!(), " FROM approval_decision WHERE tenant_id = $1 AND task_id = $2 \
        ORDER BY decided_at, person_id");
    REVOKE = "UPDATE approval_decision SET revoked_at = $4 WHERE tenant_id = $1 AND task_id = $2 AND person_id = $3 \
        AND revoked_at IS NULL";
    SWEEP = "DELETE FROM approval_request WHERE created_at < $1 AND state <> 'pending' AND NOT EXISTS \
        (SELECT 1 FROM task t WHERE t.tenant_id = approval_request.tenant_id AND t.id = approval_request.task_id \
        AND t.ended_at IS NULL)";
}

fn read(mut row: Row) -> Result<Request, Error> {
    Ok(Request {
        tenant_id: row.take()?,
        task_id: row.take()?,
        state: row.take()?,
        digest: row.take()?,
        requester_human: row.take()?,
        quorum: row.take()?,
        roles: row.take()?,
        trace: row.take()?,
        blast: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        decided_at: row.take()?,
        valid_until: row.take()?,
        valid_for: row.take()?,
    })
}

fn read_decision(mut row: Row) -> Result<Decision, Error> {
    Ok(Decision {
        tenant_id: row.take()?,
        task_id: row.take()?,
        person_id: row.take()?,
        human: row.take()?,
        name: row.take()?,
        decision: row.take()?,
        digest: row.take()?,
        note: row.take()?,
        via: row.take()?,
        decided_at: row.take()?,
        signature: row.take()?,
        revoked_at: row.take()?,
    })
}

/// Adds a request.
pub fn insert(tx: &mut Tx<'_>, request: &Request) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &request.tenant_id,
            &request.task_id,
            &request.state,
            &request.digest,
            &request.requester_human,
            &request.quorum,
            &request.roles,
            &request.trace,
            &request.blast,
            &request.created_at,
            &request.expires_at,
            &request.decided_at,
            &request.valid_until,
            &request.valid_for,
        ],
    )
    .map(drop)
}

/// The request of this task.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<Option<Request>, Error> {
    tx.query_opt(GET, &[&tenant, &task], read)
}

/// A page of a tenant's requests, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, page: Page) -> Result<Paged<Request>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = match filter {
        Filter { state: Some(state), action: None, requester_id: None } => {
            tx.query(LIST_OF_STATE, &[&tenant, state, &after, &page.fetch()], read)?
        }
        Filter { state, action, requester_id } => {
            tx.query(LIST, &[&tenant, &after, state, action, requester_id, &page.fetch()], read)?
        }
    };
    Ok(page.cut(rows, |request| request.task_id))
}

/// A page of a tenant's requests in any of these states, newest first.
pub fn list_of_states(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    states: &[String],
    page: Page,
) -> Result<Paged<Request>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let lists = states
        .iter()
        .map(|state| tx.query(LIST_OF_STATE, &[&tenant, state, &after, &page.fetch()], read))
        .collect::<Result<_, _>>()?;
    Ok(page.merge(lists, |request| request.task_id))
}

/// Moves a request on. `false` when it is not in that state any more.
pub fn settle(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    task: Uuid,
    from: &str,
    to: &str,
    now: Micros,
) -> Result<bool, Error> {
    tx.execute(SETTLE, &[&tenant, &task, &from, &to, &now]).map(|rows| rows == 1)
}

/// Sets until when what was approved may begin and go on.
pub fn set_validity(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, until: Micros) -> Result<(), Error> {
    tx.change(SET_VALIDITY, &[&tenant, &task, &until], Error::NotFound("request"))
}

/// Forgets until when an approval is good: its task has ended, and nothing is left to begin or to go on.
pub fn clear_validity(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<(), Error> {
    tx.execute(CLEAR_VALIDITY, &[&tenant, &task]).map(drop)
}

/// Tenants and tasks of approvals, of people or of the settings, whose validity is over, at most `limit`.
pub fn run_out(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(RUN_OUT, &[&now, &limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Writes a decision down. `false` when the person decided before.
pub fn decide(tx: &mut Tx<'_>, decision: &Decision) -> Result<bool, Error> {
    tx.execute(
        DECIDE,
        &[
            &decision.tenant_id,
            &decision.task_id,
            &decision.person_id,
            &decision.human,
            &decision.name,
            &decision.decision,
            &decision.digest,
            &decision.note,
            &decision.via,
            &decision.decided_at,
            &decision.signature,
        ],
    )
    .map(|rows| rows == 1)
}

/// The decisions about a task, in their order.
pub fn decisions(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid) -> Result<Vec<Decision>, Error> {
    tx.query(DECISIONS, &[&tenant, &task], read_decision)
}

/// Takes a decision back. `false` when there is none that stands.
pub fn revoke(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, person: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(REVOKE, &[&tenant, &task, &person, &now]).map(|rows| rows == 1)
}

/// Removes requests that were made before this and are over, with their decisions and links.
pub fn sweep(tx: &mut Tx<'_>, before: Micros) -> Result<u64, Error> {
    tx.execute(SWEEP, &[&before])
}
