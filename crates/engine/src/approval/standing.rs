//! Whether what was approved is still approved: counted from the rows of this moment.

use prost::Message as _;
use std::collections::BTreeSet;

use quell_access::policy::People;
use quell_access::quorum::{Tally, Vote, eligible, tally};
use quell_access::{Access, Permission, Reach};
use quell_store::{
    Micros, Tx, api_key,
    approval::{self, Decision, Request},
    break_glass, person,
    task::Task,
};
use quell_wire::{Approval, ApproverSignature};
use uuid::Uuid;

use super::{state, tags};
use crate::{Actor, Error, TaskState, access::access_of, reference, targets};

/// What a request asks for.
pub(super) fn people(request: &Request) -> Result<People, Error> {
    let roles = serde_json::from_str(&request.roles).map_err(|_| Error::Corrupt("approval roles"))?;
    Ok(People { quorum: u32::try_from(request.quorum).map_err(|_| Error::Corrupt("quorum"))?, roles })
}

/// The vote of a person, with what they are now.
pub(super) fn vote(
    tx: &mut Tx<'_>,
    task: &Task,
    person: Uuid,
    is_approval: bool,
    is_standing: bool,
) -> Result<Option<Vote>, Error> {
    let Some(row) = person::get(tx, person)? else { return Ok(None) };
    let access = access_of(tx, task.tenant_id, person)?;
    // Whatever the accounts say of humans: who asked does not decide.
    let is_requester = task.requester_kind == Actor::PERSON && task.requester_id == person.to_string();
    let may_decide = row.state == "active" && !is_requester && may_decide(tx, &access, task)?;
    Ok(Some(Vote {
        human: row.human,
        is_approval,
        is_standing,
        may_decide,
        roles: access.roles().map(str::to_owned).collect(),
    }))
}

/// Whether the right to decide covers the action, and all of its targets.
fn may_decide(tx: &mut Tx<'_>, access: &Access, task: &Task) -> Result<bool, Error> {
    if !access.allows_action(Permission::ApprovalDecide, &task.action) {
        return Ok(false);
    }
    let reach = access.reach(Permission::ApprovalDecide, Some(&task.action));
    if reach == Reach::All {
        return Ok(true);
    }
    let endpoints = targets::of_task(tx, task)?;
    Ok(endpoints.iter().all(|endpoint| reach.has(tags(endpoint).iter().map(String::as_str))))
}

/// Counts the decisions about a request.
pub(super) fn count(
    tx: &mut Tx<'_>,
    request: &Request,
    task: &Task,
) -> Result<(Tally, Vec<Decision>), Error> {
    let decisions = approval::decisions(tx, request.tenant_id, request.task_id)?;
    let mut votes = Vec::with_capacity(decisions.len());
    for decision in &decisions {
        let is_standing = decision.revoked_at.is_none() && decision.digest == request.digest;
        let is_approval = decision.decision == "approve";
        votes.extend(vote(tx, task, decision.person_id, is_approval, is_standing)?);
    }
    Ok((tally(&people(request)?, requester(tx, request, task)?, &votes), decisions))
}

/// The human who asked, as the accounts say now: two that were linked since are one.
pub(super) fn requester(tx: &mut Tx<'_>, request: &Request, task: &Task) -> Result<Uuid, Error> {
    let Ok(id) = task.requester_id.parse::<Uuid>() else { return Ok(request.requester_human) };
    let person = match task.requester_kind.as_str() {
        Actor::PERSON => Some(id),
        "api_key" => api_key::get(tx, task.tenant_id, id)?.and_then(|key| key.owner),
        _ => None,
    };
    let row = match person {
        Some(person) => person::get(tx, person)?,
        None => None,
    };
    Ok(row.map_or(request.requester_human, |person| person.human))
}

/// Whether who asked may still ask for it: an account that was disabled, a key that was revoked, rights that were lost
/// take along what was approved for them.
pub(super) fn requester_stands(tx: &mut Tx<'_>, task: &Task, now: Micros) -> Result<bool, Error> {
    let Ok(id) = task.requester_id.parse::<Uuid>() else { return Ok(true) };
    let person = match task.requester_kind.as_str() {
        Actor::PERSON => id,
        "api_key" => {
            let Some(key) = api_key::get(tx, task.tenant_id, id)? else { return Ok(false) };
            if key.revoked_at.is_some() || key.expires_at.is_some_and(|expires| expires <= now) {
                return Ok(false);
            }
            let Some(owner) = key.owner else { return Ok(true) };
            owner
        }
        _ => return Ok(true),
    };
    let is_active = person::get(tx, person)?.is_some_and(|row| row.state == "active");
    let access = access_of(tx, task.tenant_id, person)?;
    Ok(is_active && access.allows_action(Permission::TaskSubmit, &task.action))
}

/// Whether an order of the task may be given out, as far as approval and the keys of kits go. An error code and words
/// where not.
pub(crate) fn still_holds(
    tx: &mut Tx<'_>,
    task: &Task,
    now: Micros,
) -> Result<Result<(), (&'static str, String)>, Error> {
    if let Some(words) = reference::lapsed(tx, task)? {
        return Ok(Err(("kit_key_lost", words)));
    }
    if task.approval == "none" {
        return Ok(Ok(()));
    }
    if !requester_stands(tx, task, now)? {
        return Ok(Err(("requester_lost", "who asked may not ask for it any more".to_owned())));
    }
    if task.approval == "break_glass" {
        let person = task.requester_id.parse().unwrap_or(Uuid::nil());
        if break_glass::open(tx, task.tenant_id, person, now)?.is_none() {
            return Ok(Err(("break_glass_over", "the break-glass is over".to_owned())));
        }
    }
    let over = || ("approval_expired", "the approval is not valid any more".to_owned());
    if task.approval != "people" {
        let request = approval::get(tx, task.tenant_id, task.id)?;
        let is_over = request.is_some_and(|request| {
            request.state != state::AUTO || request.valid_until.is_some_and(|until| until <= now)
        });
        return Ok(if is_over { Err(over()) } else { Ok(()) });
    }
    // Who decides, gives and takes waits for this one, and this one for them.
    tx.serialise(task.tenant_id, task.id)?;
    let request = approval::get(tx, task.tenant_id, task.id)?;
    let Some(request) = request.filter(|request| request.digest == task.intent_digest) else {
        return Ok(Err(("approval_missing", "no approval of this very intent is known".to_owned())));
    };
    if request.state != state::APPROVED {
        return Ok(Err(("approval_lost", format!("the approval is {}", request.state))));
    }
    if request.valid_until.is_some_and(|until| until <= now) {
        return Ok(Err(over()));
    }
    Ok(match count(tx, &request, task)?.0 {
        Tally::Approved => Ok(()),
        Tally::Rejected => Err(("approval_lost", "somebody who may decide declined".to_owned())),
        Tally::Waiting { have, need } => {
            Err(("approval_lost", format!("{have} of {need} who agreed may still decide about it")))
        }
    })
}

/// What travels with the orders of a task: who agreed, and their own signatures.
pub(crate) fn of_order(tx: &mut Tx<'_>, task: &Task) -> Result<Vec<Approval>, Error> {
    let Some(request) = approval::get(tx, task.tenant_id, task.id)? else { return Ok(Vec::new()) };
    let (people, requester) = (people(&request)?, requester(tx, &request, task)?);
    let (mut standing, mut humans) = (Vec::new(), BTreeSet::new());
    for decision in approval::decisions(tx, task.tenant_id, task.id)? {
        let is_standing = decision.revoked_at.is_none() && decision.digest == task.intent_digest;
        let vote = vote(tx, task, decision.person_id, decision.decision == "approve", is_standing)?;
        let Some(vote) = vote.filter(|vote| vote.is_standing && vote.is_approval) else { continue };
        // Those that count, and of several accounts of one human the first.
        if eligible(&people, requester, &vote).is_ok() && humans.insert(vote.human) {
            standing.push(decision);
        }
    }
    let approvals = standing.into_iter().take(quell_wire::limits::APPROVALS).map(|decision| {
        let signature = decision.signature.as_deref().map(ApproverSignature::decode);
        Ok(Approval {
            person_id: decision.person_id.to_string(),
            name: decision.name,
            decided_at_us: decision.decided_at,
            signature: signature.transpose().map_err(|_| Error::Corrupt("approver's signature"))?,
        })
    });
    approvals.collect()
}

/// The task ended: a request that was open ends with it. The state that it took.
pub(crate) fn ended(
    tx: &mut Tx<'_>,
    task: &Task,
    end: TaskState,
    now: Micros,
) -> Result<Option<&'static str>, Error> {
    if task.approval == "none" {
        return Ok(None);
    }
    approval::clear_validity(tx, task.tenant_id, task.id)?;
    if task.approval != "people" {
        return Ok(None);
    }
    let to = match end {
        TaskState::Rejected => state::REJECTED,
        TaskState::Expired => state::EXPIRED,
        TaskState::PendingApproval
        | TaskState::Queued
        | TaskState::Running
        | TaskState::Succeeded
        | TaskState::Failed
        | TaskState::Refused
        | TaskState::Canceled
        | TaskState::Indeterminate => state::CANCELED,
    };
    let is_settled = approval::settle(tx, task.tenant_id, task.id, state::PENDING, to, now)?;
    Ok(is_settled.then_some(to))
}
