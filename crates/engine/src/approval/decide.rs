//! A person's decision about a request: counted at once, and bound to the digest that they saw.

use std::time::Duration;

use prost::Message as _;
use quell_access::policy::People;
use quell_access::quorum::{Tally, eligible};
use quell_catalog::is_clean_text;
use quell_store::{
    Micros, Tx,
    approval::{self, Decision, Request},
    audit,
    task::{self, Task},
};
use quell_wire::ApproverSignature;
use serde_json::json;
use uuid::Uuid;

use super::{ask, standing, state, trust};
use crate::{
    Actor, Change, Engine, Error, TaskState,
    actor::Deed,
    plan::micros,
    reference,
    settle::{self, Moved, Step},
    state::Event,
};

/// Bytes of a note.
const NOTE: usize = 2000;

/// What a person decides.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// The digest of the intent that they saw.
    pub digest: [u8; 32],
    /// Whether they agree.
    pub approve: bool,
    /// Why; may be empty.
    pub note: String,
    /// `api`, `console` or `mail`.
    pub via: String,
    /// How long it is good, from this decision on; as long as the settings let it where absent, and never longer. The
    /// shortest wish counts.
    pub valid_for: Option<Duration>,
    /// Their own signature over the digest.
    pub signature: Option<ApproverSignature>,
}

/// How the request stands after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The state of the request.
    pub state: &'static str,
    /// The state of the task.
    pub task_state: TaskState,
    /// Who agreed and counts.
    pub have: u32,
    /// How many it takes.
    pub need: u32,
    /// `false` when this person had decided the same before, and nothing changed.
    pub is_new: bool,
}

impl Engine {
    /// Records the decision of a person (`actor`) on a task that waits for people. A repeat of the same decision is
    /// answered alike and changes nothing.
    ///
    /// # Errors
    /// [`Error::NotEligible`] where this person's decision would not count, [`Error::Digest`] where they saw something
    /// else than what is stored, [`Error::State`] where nothing waits any more.
    pub async fn decide(
        &self,
        actor: &Actor,
        tenant: Uuid,
        task: Uuid,
        ballot: Ballot,
    ) -> Result<Decided, Error> {
        check(&ballot.note, ballot.valid_for, ballot.signature.iter())?;
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (decided, moved) = self
            .write(move |tx| {
                let now = inner.clock.now();
                if let Some(plan) = task::get(tx, tenant, task)?.and_then(|task| task.plan_id) {
                    return Err(Error::PartOfPlan(plan));
                }
                decide(tx, &actor, (tenant, task), &ballot, now, |deed| {
                    actor.record(&inner.ids, tenant, now, deed)
                })
            })
            .await?;
        if decided.is_new {
            self.inner.changes.tell(Change::task(tenant, task, decided.task_state));
            self.inner.changes.tell(Change::Approval { tenant, task, state: decided.state });
        }
        self.announce(moved);
        Ok(decided)
    }

    /// What hinders this person from deciding about a request now, in words; `None` where nothing does. To be said
    /// beforehand: [`Engine::decide`] asks again.
    ///
    /// # Errors
    /// Where the store fails, or holds what cannot be read.
    pub fn hinders(
        tx: &mut Tx<'_>,
        request: &Request,
        task: &Task,
        person: Uuid,
        now: Micros,
    ) -> Result<Option<String>, Error> {
        if let Some(before) = mine(tx, request, person)? {
            let back = if before.revoked_at.is_some() { ", and took it back" } else { "" };
            return Ok(Some(format!("you decided to {} it{back}", before.decision)));
        }
        if request.state != state::PENDING {
            return Ok(Some(format!("it is {} already", request.state)));
        }
        if task.expires_at <= now || request.expires_at <= now {
            return Ok(Some("its time is over".to_owned()));
        }
        let Some(vote) = standing::vote(tx, task, person, true, true)? else {
            return Ok(Some("this account is unknown".to_owned()));
        };
        let people = standing::people(request)?;
        let may = eligible(&people, standing::requester(tx, request, task)?, &vote);
        Ok(may.err().map(|why| why.to_string()))
    }
}

/// What can be checked of a decision without the database.
pub(crate) fn check<'a>(
    note: &str,
    valid_for: Option<Duration>,
    mut signatures: impl Iterator<Item = &'a ApproverSignature>,
) -> Result<(), Error> {
    if note.len() > NOTE || !is_clean_text(&note.replace('\n', " ")) {
        return Err(Error::request("note", format!("must be up to {NOTE} bytes without control characters")));
    }
    if let Some(time) = valid_for
        && !(Duration::from_secs(1)..=Duration::from_micros(ask::LONGEST as u64)).contains(&time)
    {
        return Err(Error::request("valid_for", "must be one second to 30 days"));
    }
    if signatures.any(|signature| !signature.is_bounded()) {
        return Err(Error::request("signature", "longer than a signature is"));
    }
    Ok(())
}

pub(crate) fn decide(
    tx: &mut Tx<'_>,
    actor: &Actor,
    (tenant, id): (Uuid, Uuid),
    ballot: &Ballot,
    now: Micros,
    record: impl Fn(Deed<'_>) -> audit::Record,
) -> Result<(Decided, Vec<Moved>), Error> {
    let person = actor.person().ok_or(Error::NotEligible("only a person decides".to_owned()))?;
    tx.serialise(tenant, id)?;
    let task = task::get(tx, tenant, id)?.ok_or(Error::NotFound("task"))?;
    let request = approval::get(tx, tenant, id)?.ok_or(Error::NotFound("request for approval"))?;
    if request.digest != ballot.digest || task.intent_digest != ballot.digest {
        return Err(Error::Digest);
    }
    let vote = standing::vote(tx, &task, person, ballot.approve, true)?.ok_or(Error::NotFound("person"))?;
    let people = standing::people(&request)?;
    eligible(&people, standing::requester(tx, &request, &task)?, &vote)
        .map_err(|error| Error::NotEligible(error.to_string()))?;
    let word = if ballot.approve { "approve" } else { "reject" };
    if let Some(before) = mine(tx, &request, person)? {
        return repeated(tx, &request, &task, &before, word);
    }
    if request.state != state::PENDING {
        return Err(Error::State(request.state));
    }
    if ballot.approve && !standing::requester_stands(tx, &task, now)? {
        return Err(Error::State("asked for by somebody who may not ask for it any more".to_owned()));
    }
    if task.expires_at <= now || request.expires_at <= now {
        return Err(Error::State(state::EXPIRED.to_owned()));
    }
    if ballot.approve
        && let Some(words) = reference::lapsed(tx, &task)?
    {
        return Err(Error::NotEligible(format!("the kit may not run: {words}")));
    }
    if ballot.approve {
        trust::check(tx, &task, ballot.signature.as_ref())?;
    }
    let row = Decision {
        tenant_id: tenant,
        task_id: id,
        person_id: person,
        human: vote.human,
        name: actor.name.clone(),
        decision: word.to_owned(),
        digest: ballot.digest,
        note: ballot.note.clone(),
        via: ballot.via.clone(),
        decided_at: now,
        signature: ballot.signature.as_ref().map(ApproverSignature::encode_to_vec),
        revoked_at: None,
    };
    if !approval::decide(tx, &row)? {
        return Err(Error::Raced);
    }
    let (tally, _) = standing::count(tx, &request, &task)?;
    let until = narrow(tx, &request, &task, (ballot, tally), now)?;
    let detail = json!({
        "action": task.action,
        "requester": task.requester_name,
        "requester_id": task.requester_id,
        "digest": quell_wire::digest::hex(&ballot.digest),
        "note": ballot.note,
        "via": ballot.via,
        "signed": ballot.signature.is_some(),
        "tally": said(tally),
        "valid_until": until,
    });
    let verb = if ballot.approve { "approval.approve" } else { "approval.reject" };
    audit::append(tx, &record(Deed { verb, kind: "task", object: id, outcome: "ok", detail }))?;
    let moved = carry(tx, &task, tally, now)?;
    Ok((of(tally, &people), moved))
}

/// What the tally does to request and task.
fn carry(tx: &mut Tx<'_>, task: &Task, tally: Tally, now: Micros) -> Result<Vec<Moved>, Error> {
    let (tenant, id) = (task.tenant_id, task.id);
    let settled = |tx: &mut Tx<'_>, to| -> Result<(), Error> {
        if approval::settle(tx, tenant, id, state::PENDING, to, now)? { Ok(()) } else { Err(Error::Raced) }
    };
    match tally {
        Tally::Waiting { .. } => Ok(Vec::new()),
        Tally::Approved => {
            settled(tx, state::APPROVED)?;
            let moved = settle::every_open(tx, task, now, |_| Some(Step::of(Event::Approved)))?;
            if task::approved(tx, tenant, id)? { Ok(moved) } else { Err(Error::Raced) }
        }
        Tally::Rejected => {
            settled(tx, state::REJECTED)?;
            settle::every_open(tx, task, now, |_| {
                Some(Step::because(Event::Rejected, "rejected", "somebody who may decide declined"))
            })
        }
    }
}

/// Until when it is good: the shortest wish, and from the moment when enough agreed no longer than the settings let it.
fn narrow(
    tx: &mut Tx<'_>,
    request: &Request,
    task: &Task,
    (ballot, tally): (&Ballot, Tally),
    now: Micros,
) -> Result<Option<Micros>, Error> {
    let wish = ballot.valid_for.filter(|_| ballot.approve).map(micros);
    let most = request.valid_for.filter(|_| tally == Tally::Approved);
    let times = [wish, most].into_iter().flatten();
    let until = times.map(|time| now.saturating_add(time).min(task.expires_at)).min();
    let Some(until) = until.filter(|until| request.valid_until.is_none_or(|before| *until < before)) else {
        return Ok(request.valid_until);
    };
    approval::set_validity(tx, task.tenant_id, task.id, until)?;
    Ok(Some(until))
}

fn mine(tx: &mut Tx<'_>, request: &Request, person: Uuid) -> Result<Option<Decision>, Error> {
    let decisions = approval::decisions(tx, request.tenant_id, request.task_id)?;
    Ok(decisions.into_iter().find(|decision| decision.person_id == person))
}

/// A double click says the same twice; another decision than before is none.
fn repeated(
    tx: &mut Tx<'_>,
    request: &Request,
    task: &Task,
    before: &Decision,
    word: &str,
) -> Result<(Decided, Vec<Moved>), Error> {
    if before.decision != word || before.revoked_at.is_some() {
        return Err(Error::State(format!("{}; you decided to {} it before", request.state, before.decision)));
    }
    let (tally, _) = standing::count(tx, request, task)?;
    let people = standing::people(request)?;
    let state = state::ALL.iter().find(|state| **state == request.state).copied();
    let decided = Decided {
        state: state.ok_or(Error::Corrupt("request state"))?,
        task_state: TaskState::parse(&task.state).ok_or(Error::Corrupt("task state"))?,
        is_new: false,
        ..of(tally, &people)
    };
    Ok((decided, Vec::new()))
}

fn of(tally: Tally, people: &People) -> Decided {
    let need = people.quorum.max(1);
    let (state, task_state, have) = match tally {
        Tally::Approved => (state::APPROVED, TaskState::Queued, need),
        Tally::Rejected => (state::REJECTED, TaskState::Rejected, 0),
        Tally::Waiting { have, .. } => (state::PENDING, TaskState::PendingApproval, have),
    };
    Decided { state, task_state, have, need, is_new: true }
}

fn said(tally: Tally) -> String {
    match tally {
        Tally::Approved => "approved".to_owned(),
        Tally::Rejected => "rejected".to_owned(),
        Tally::Waiting { have, need } => format!("{have} of {need}"),
    }
}
