//! Taking an approval back: by the person who gave it, by setting it to expire, by time. What waits does not begin any
//! more; what was handed over is asked to stop.

use quell_access::policy::Class;
use quell_access::quorum::Tally;
use quell_store::{
    Micros, Tx, approval, audit,
    task::{self, Task},
};
use serde_json::json;
use uuid::Uuid;

use super::{standing, state};
use crate::{
    Actor, Change, CommandState, Engine, Error, Inner,
    actor::Deed,
    settle::{self, Moved, Step},
    state::Event,
};

/// Approvals that end in one tick.
const GROUP: i64 = 100;

impl Engine {
    /// Takes the person's own approval back. Where too few are left, the task is called off.
    ///
    /// # Errors
    /// [`Error::State`] where there is nothing to take back.
    pub async fn revoke_approval(
        &self,
        actor: &Actor,
        tenant: Uuid,
        task: Uuid,
    ) -> Result<&'static str, Error> {
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (state, moved) = self
            .write(move |tx| {
                let now = inner.clock.now();
                let person = actor.person().ok_or(Error::NotEligible("only a person decides".to_owned()))?;
                tx.serialise(tenant, task)?;
                let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
                let request =
                    approval::get(tx, tenant, task)?.ok_or(Error::NotFound("request for approval"))?;
                if row.ended_at.is_some()
                    || ![state::PENDING, state::APPROVED].contains(&request.state.as_str())
                {
                    return Err(Error::State(row.state));
                }
                if !approval::revoke(tx, tenant, task, person, now)? {
                    return Err(Error::State(format!("{} without a decision of yours", request.state)));
                }
                let (tally, _) = standing::count(tx, &request, &row)?;
                let is_lost = request.state == state::APPROVED && tally != Tally::Approved;
                let moved = if is_lost {
                    let why = ("approval_revoked", "the approval was taken back");
                    lose(tx, &row, (state::APPROVED, state::REVOKED), why, now)?
                } else {
                    Vec::new()
                };
                let detail = json!({ "action": row.action, "requester": row.requester_name,
                    "requester_id": row.requester_id, "lost": is_lost, "commands": moved.len() });
                let deed =
                    Deed { verb: "approval.revoke", kind: "task", object: task, outcome: "ok", detail };
                audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
                Ok((if is_lost { state::REVOKED } else { state::PENDING }, moved))
            })
            .await?;
        self.tell_lost(tenant, task, state, moved);
        Ok(state)
    }

    /// Ends the validity of an approval now ("set to expire"). A new request is needed after it.
    ///
    /// # Errors
    /// [`Error::State`] where none is valid.
    pub async fn expire_approval(&self, actor: &Actor, tenant: Uuid, task: Uuid) -> Result<(), Error> {
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let moved = self.write(move |tx| expire(tx, &inner, &actor, (tenant, task))).await?;
        self.tell_lost(tenant, task, state::EXPIRED, moved);
        Ok(())
    }

    fn tell_lost(&self, tenant: Uuid, task: Uuid, request: &'static str, moved: Vec<Moved>) {
        self.inner.changes.tell(Change::Approval { tenant, task, state: request });
        for step in moved.iter().filter(|step| !step.state.is_end()) {
            self.inner.bell.ring(step.tenant, step.endpoint);
        }
        if let Some(state) = moved.iter().find_map(|step| step.task_state) {
            self.inner.changes.tell(Change::task(tenant, task, state));
        }
        self.announce(moved);
    }
}

fn expire(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    (tenant, task): (Uuid, Uuid),
) -> Result<Vec<Moved>, Error> {
    let now = inner.clock.now();
    tx.serialise(tenant, task)?;
    let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
    let request = approval::get(tx, tenant, task)?.ok_or(Error::NotFound("request for approval"))?;
    // What the settings approved ends by time alone.
    let from = match request.state.as_str() {
        state::APPROVED => state::APPROVED,
        state::AUTO if actor.class == Class::System => state::AUTO,
        _ => return Err(Error::State(request.state)),
    };
    if row.ended_at.is_some() {
        return Err(Error::State(request.state));
    }
    if let Some(person) = actor.person()
        && !standing::vote(tx, &row, person, true, true)?.is_some_and(|vote| vote.may_decide)
    {
        return Err(Error::NotEligible("it is beyond what this person may decide about".to_owned()));
    }
    if request.valid_until.is_none_or(|until| until > now) {
        approval::set_validity(tx, tenant, task, now)?;
    }
    let why = ("approval_expired", "the approval is not valid any more");
    let moved = lose(tx, &row, (from, state::EXPIRED), why, now)?;
    let detail = json!({ "action": row.action, "requester": row.requester_name,
        "requester_id": row.requester_id, "commands": moved.len() });
    let deed = Deed { verb: "approval.expire", kind: "task", object: task, outcome: "ok", detail };
    audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
    Ok(moved)
}

/// Ends approvals whose validity is over. Answers what moved, and whether there may be more.
pub(crate) fn run_out(tx: &mut Tx<'_>, inner: &Inner) -> Result<Vec<Moved>, Error> {
    let mut moved = Vec::new();
    for of in approval::run_out(tx, inner.clock.now(), GROUP)? {
        match expire(tx, inner, &Actor::system(), of) {
            Ok(mut steps) => {
                // Told with the first that moved by it.
                if let Some(first) = steps.first_mut() {
                    first.request = Some(state::EXPIRED);
                }
                moved.extend(steps);
            }
            // The task has ended: the approval has nothing to be good for.
            Err(Error::State(_)) => approval::clear_validity(tx, of.0, of.1)?,
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

/// The approval is gone: what waits is rejected, what was handed over is asked to stop.
fn lose(
    tx: &mut Tx<'_>,
    task: &Task,
    (from, to): (&str, &str),
    (code, message): (&str, &str),
    now: Micros,
) -> Result<Vec<Moved>, Error> {
    let (tenant, id) = (task.tenant_id, task.id);
    if !approval::settle(tx, tenant, id, from, to, now)? {
        return Err(Error::Raced);
    }
    task::cancel(tx, tenant, id, now)?;
    settle::every_open(tx, task, now, |command| {
        let state = CommandState::parse(&command.state)?;
        Some(if state == CommandState::Queued {
            Step::because(Event::ApprovalLost, code, message)
        } else {
            Step::because(Event::CancelAsked, code, message)
        })
    })
}
