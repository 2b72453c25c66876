//! Response plans: ordered tasks under one approval.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7, so that the id orders the list.
    pub id: Uuid,
    /// What approvers saw.
    pub digest: [u8; 32],
    /// The incident that it answers.
    pub incident_id: Option<Uuid>,
    /// Why, in the words of who asked.
    pub reason: String,
    /// What kind of actor asked.
    pub requester_kind: String,
    /// Which actor.
    pub requester_id: String,
    /// Its name at that time.
    pub requester_name: String,
    /// When it was accepted.
    pub created_at: Micros,
    /// When its last task ended.
    pub ended_at: Option<Micros>,
    /// The step whose end stopped it.
    pub stopped_by: Option<i64>,
    /// The plan that this one takes back.
    pub undo_of: Option<Uuid>,
    /// The plan that takes this one back.
    pub undone_by: Option<Uuid>,
    /// Unique per tenant and requester, with the SHA-256 of the request that was made under it.
    pub key: Option<(String, [u8; 32])>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From 0, in the order in which they begin.
    pub step: i64,
    /// Its task.
    pub task_id: Uuid,
    /// `stop` or `continue`.
    pub on_failure: String,
    /// Numbers of earlier steps, a JSON array: it is called off where one of them did not succeed.
    pub needs: String,
    /// Why it is part of the plan.
    pub why: String,
}

macro_rules! columns {
    () => {
        "tenant_id, id, digest, incident_id, reason, requester_kind, requester_id, requester_name, created_at, ended_at, \
        stopped_by, undo_of, undone_by, idempotency_key, request_digest"
    };
}

sql! {
    INSERT = "INSERT INTO response_plan (tenant_id, id, digest, incident_id, reason, requester_kind, requester_id, \
        requester_name, created_at, undo_of, idempotency_key, request_digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
        $11, $12) ON CONFLICT DO NOTHING";
    INSERT_STEP = "INSERT INTO response_step (tenant_id, plan_id, step, task_id, on_failure, needs, why) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = concat!("SELECT ", columns!(), " FROM response_plan WHERE tenant_id = $1 AND id = $2");
    BY_KEY = concat!("SELECT ", columns!(), " FROM response_plan WHERE tenant_id = $1 AND requester_kind = $2 \
        AND requester_id = $3 AND idempotency_key = $4");
    LIST = concat!("SELECT ", columns!(), " FROM response_plan WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    LIST_OF_INCIDENT = concat!("SELECT ", columns!(), " FROM response_plan WHERE tenant_id = $1 AND incident_id = $2 \
        AND id < $3 ORDER BY id DESC LIMIT $4");
    OPEN = "SELECT tenant_id, id FROM response_plan WHERE ended_at IS NULL ORDER BY tenant_id, id LIMIT $1";
    STEPS = "SELECT step, task_id, on_failure, needs, why FROM response_step WHERE tenant_id = $1 AND plan_id = $2 ORDER BY step";
    STOP = "UPDATE response_plan SET stopped_by = $3 WHERE tenant_id = $1 AND id = $2 AND stopped_by IS NULL";
    END = "UPDATE response_plan SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL";
    UNDONE = "UPDATE response_plan SET undone_by = $3 WHERE tenant_id = $1 AND id = $2 AND undone_by IS NULL";
    REOPEN_UNDO = "UPDATE response_plan SET undone_by = NULL WHERE tenant_id = $1 AND id = $2 AND undone_by = $3";
    HAS_BEGUN = "SELECT 1 FROM response_step s JOIN command c ON c.tenant_id = s.tenant_id AND c.task_id = s.task_id \
        WHERE s.tenant_id = $1 AND s.plan_id = $2 AND c.dispatched_at IS NOT NULL LIMIT 1";
}

fn read(mut row: Row) -> Result<Plan, Error> {
    Ok(Plan {
        tenant_id: row.take()?,
        id: row.take()?,
        digest: row.take()?,
        incident_id: row.take()?,
        reason: row.take()?,
        requester_kind: row.take()?,
        requester_id: row.take()?,
        requester_name: row.take()?,
        created_at: row.take()?,
        ended_at: row.take()?,
        stopped_by: row.take()?,
        undo_of: row.take()?,
        undone_by: row.take()?,
        key: {
            let (key, digest): (Option<String>, Option<[u8; 32]>) = (row.take()?, row.take()?);
            key.zip(digest)
        },
    })
}

/// Adds one. `false` when its idempotency key is taken: [`by_key`] finds the plan that is there.
pub fn insert(tx: &mut Tx<'_>, plan: &Plan) -> Result<bool, Error> {
    let Plan { tenant_id, id, digest, incident_id, reason, created_at, undo_of, .. } = plan;
    let Plan { requester_kind: kind, requester_id, requester_name: name, .. } = plan;
    let row = [tenant_id as &dyn crate::Param, id, digest, incident_id, reason];
    let (key, digest) = (plan.key.as_ref().map(|(key, _)| key), plan.key.as_ref().map(|(_, digest)| *digest));
    let row = [&row[..], &[kind, requester_id, name, created_at, undo_of, &key, &digest]].concat();
    tx.execute(INSERT, &row).map(|rows| rows == 1)
}

/// Adds a step.
pub fn insert_step(tx: &mut Tx<'_>, tenant: Uuid, plan: Uuid, step: &Step) -> Result<(), Error> {
    let Step { step, task_id, on_failure, needs, why } = step;
    tx.execute(INSERT_STEP, &[&tenant, &plan, step, task_id, on_failure, needs, why]).map(drop)
}

/// The plan with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Plan>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The plan that this requester asked for under this idempotency key.
pub fn by_key(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    (kind, requester): (&str, &str),
    key: &str,
) -> Result<Option<Plan>, Error> {
    tx.query_opt(BY_KEY, &[&tenant, &kind, &requester, &key], read)
}

/// A page of a tenant's plans, newest first: all, or those that answer one incident.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, incident: Option<Uuid>, page: Page) -> Result<Paged<Plan>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = match incident {
        Some(incident) => tx.query(LIST_OF_INCIDENT, &[&tenant, &incident, &after, &page.fetch()], read)?,
        None => tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?,
    };
    Ok(page.cut(rows, |plan| plan.id))
}

/// Plans of all tenants that did not end: (tenant, plan).
pub fn open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(Uuid, Uuid)>, Error> {
    tx.query(OPEN, &[&limit], |mut row| Ok((row.take()?, row.take()?)))
}

/// Its steps, in their order.
pub fn steps(tx: &mut Tx<'_>, tenant: Uuid, plan: Uuid) -> Result<Vec<Step>, Error> {
    tx.query(STEPS, &[&tenant, &plan], |mut row| {
        let (step, task_id, on_failure) = (row.take()?, row.take()?, row.take()?);
        Ok(Step { step, task_id, on_failure, needs: row.take()?, why: row.take()? })
    })
}

/// Notes which step stopped it. `false` when that was noted before.
pub fn stop(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, step: i64) -> Result<bool, Error> {
    tx.execute(STOP, &[&tenant, &id, &step]).map(|rows| rows == 1)
}

/// Notes its end. `false` when that was noted before.
pub fn end(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(END, &[&tenant, &id, &now]).map(|rows| rows == 1)
}

/// Notes which plan takes it back. `false` when another does already.
pub fn undone(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, by: Uuid) -> Result<bool, Error> {
    tx.execute(UNDONE, &[&tenant, &id, &by]).map(|rows| rows == 1)
}

/// Takes back that `by` takes this plan back, since `by` ended without doing so; another undo may be asked for.
pub fn reopen_undo(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, by: Uuid) -> Result<bool, Error> {
    tx.execute(REOPEN_UNDO, &[&tenant, &id, &by]).map(|rows| rows == 1)
}

/// Whether any order of its steps was ever handed out.
pub fn has_begun(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<bool, Error> {
    tx.query_opt(HAS_BEGUN, &[&tenant, &id], |mut row| row.take::<i64>()).map(|found| found.is_some())
}
