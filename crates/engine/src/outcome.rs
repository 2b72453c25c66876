//! Taking an agent's outcome: checked, judged from the evidence, and written with the end of the command.

use quell_catalog::{ActionKind, Observed, StoredArtifact, Verdict, is_clean_text};
use quell_store::{
    Micros, Tx, artifact, audit,
    command::{self, Command},
    endpoint,
    task::{self, Task},
};
use quell_wire::{
    Outcome, SignedOutcome, Status,
    digest::{hex, sha256},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, Change, CommandState, Engine, Error, Inner,
    actor::Deed,
    approval, order,
    settle::{self, Moved, Report, Step},
    state::Event,
};

/// Why an agent rejects an order under whose id it carried out one before.
const KNOWN_TO_AGENT: [&str; 2] = ["order_repeated", "order_id_reused"];

/// What became of an outcome. All but [`Receipt::Refused`] are to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It ended the command.
    Stored(CommandState),
    /// The same outcome was stored before.
    Again,
    /// The command had ended otherwise; what the agent says is in the audit trail.
    Late,
    /// It is not an outcome of this agent for an order that it was given. Nothing changed but the audit trail.
    Refused(&'static str),
}

impl Engine {
    /// Takes an outcome that came over the session of `endpoint`.
    ///
    /// # Errors
    /// Only when the database did not do it: then nothing is acknowledged and the agent sends it again.
    pub async fn outcome(
        &self,
        tenant: Uuid,
        endpoint: Uuid,
        signed: &SignedOutcome,
    ) -> Result<Receipt, Error> {
        let opened = match self.agent_key(tenant, endpoint).await? {
            Some(key) => signed.open(&key).map_err(|_| "bad_signature"),
            None => Err("unknown_endpoint"),
        };
        let opened = opened.and_then(|outcome| identify(tenant, endpoint, outcome));
        let (inner, signed) = (self.inner.clone(), signed.clone());
        let (receipt, moved) = self
            .write(move |tx| {
                let now = inner.clock.now();
                match &opened {
                    Ok((id, outcome)) => accept(tx, &inner, tenant, endpoint, *id, outcome, &signed, now),
                    Err(code) => refuse(tx, &inner, tenant, endpoint, endpoint, code, now),
                }
            })
            .await?;
        if let Some(moved) = moved {
            if moved.state == CommandState::Succeeded {
                self.inner.changes.tell(Change::Endpoint { tenant, endpoint });
            }
            self.announce(vec![moved]);
        }
        Ok(receipt)
    }

    /// Takes what a service of this server says of an order that it was given: nobody signs for it, since it never left.
    ///
    /// # Errors
    /// When the database did not do it.
    pub async fn service_outcome(
        &self,
        tenant: Uuid,
        service: Uuid,
        outcome: Outcome,
    ) -> Result<Receipt, Error> {
        let inner = self.inner.clone();
        let opened = identify(tenant, service, outcome);
        let (receipt, moved) = self
            .write(move |tx| {
                let now = inner.clock.now();
                match &opened {
                    Ok((id, outcome)) => {
                        let unsigned = SignedOutcome {
                            outcome: prost::Message::encode_to_vec(outcome),
                            ..SignedOutcome::default()
                        };
                        accept(tx, &inner, tenant, service, *id, outcome, &unsigned, now)
                    }
                    Err(code) => refuse(tx, &inner, tenant, service, service, code, now),
                }
            })
            .await?;
        self.announce(moved.into_iter().collect());
        Ok(receipt)
    }

    /// Takes an agent's word that it refused an order for its envelope, named by the SHA-256 of its bytes. Of one that it
    /// knows already nobody here can tell what became of it: this server was set back to an earlier state. `false` when the agent was given no such order.
    pub async fn rejected(
        &self,
        tenant: Uuid,
        endpoint: Uuid,
        order_sha256: &[u8],
        code: &str,
        message: &str,
    ) -> Result<bool, Error> {
        let inner = self.inner.clone();
        let (wanted, code, message) = (order_sha256.to_vec(), clean(code), clean(message));
        let moved = self
            .write(move |tx| {
                let now = inner.clock.now();
                for active in command::active(tx, tenant, endpoint)? {
                    let row = command::get(tx, tenant, active.id)?.ok_or(Error::Raced)?;
                    let task =
                        task::get(tx, tenant, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
                    let mut order = order::build(&inner, &task, &row)?;
                    if task.approval == "people" {
                        order.approvals = approval::of_order(tx, &task)?;
                    }
                    let bytes = prost::Message::encode_to_vec(&order);
                    if sha256(&[&bytes]).as_slice() != wanted.as_slice() {
                        continue;
                    }
                    let is_known = KNOWN_TO_AGENT.contains(&code.as_str());
                    let event = if is_known { Event::ReportedIndeterminate } else { Event::ReportedRefused };
                    let step = Step::because(event, &code, &message);
                    let moved = settle::apply(tx, &task, &row, &step, now)?;
                    let detail = json!({ "reason_code": code, "message": message });
                    let outcome = moved.as_ref().map_or("refused", |moved| moved.state.as_str());
                    note(tx, &inner, tenant, endpoint, row.id, outcome, detail, now)?;
                    return Ok(moved);
                }
                Ok(None)
            })
            .await?;
        let known = moved.is_some();
        self.announce(moved.into_iter().collect());
        Ok(known)
    }

    async fn agent_key(&self, tenant: Uuid, endpoint: Uuid) -> Result<Option<Vec<u8>>, Error> {
        let forgotten = match self.inner.keys.get(tenant, endpoint) {
            Ok(key) => return Ok(Some(key)),
            Err(forgotten) => forgotten,
        };
        let found = self.read(move |tx| Ok(endpoint::get(tx, tenant, endpoint)?)).await?;
        let key = found.filter(|row| row.state == "active").map(|row| row.public_key);
        if let Some(key) = &key {
            self.inner.keys.put(tenant, endpoint, key.clone(), forgotten);
        }
        Ok(key)
    }
}

/// Whether the outcome says to be of the endpoint whose session it came over.
fn identify(tenant: Uuid, endpoint: Uuid, outcome: Outcome) -> Result<(Uuid, Outcome), &'static str> {
    if outcome.tenant_id != tenant.to_string() || outcome.endpoint_id != endpoint.to_string() {
        return Err("other_endpoint");
    }
    match outcome.order_id.parse() {
        Ok(id) => Ok((id, outcome)),
        Err(_) => Err("unknown_order"),
    }
}

type Answer = (Receipt, Option<Moved>);

#[expect(clippy::too_many_arguments, reason = "everything that an outcome must fit, looked at in one place")]
fn accept(
    tx: &mut Tx<'_>,
    inner: &Inner,
    tenant: Uuid,
    endpoint: Uuid,
    id: Uuid,
    outcome: &Outcome,
    signed: &SignedOutcome,
    now: Micros,
) -> Result<Answer, Error> {
    let Some(row) = command::get(tx, tenant, id)? else {
        return refuse(tx, inner, tenant, endpoint, id, "unknown_order", now);
    };
    if row.endpoint_id != endpoint {
        return refuse(tx, inner, tenant, endpoint, id, "other_endpoint", now);
    }
    let task = task::get(tx, tenant, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
    if outcome.intent_digest != task.intent_digest {
        return refuse(tx, inner, tenant, endpoint, id, "other_intent", now);
    }
    let state = settle::state_of(&row)?;
    if state.is_end() {
        let known = command::signed_outcome(tx, tenant, id)?;
        if known.is_some_and(|known| known.bytes == signed.outcome) {
            return Ok((Receipt::Again, None));
        }
        let detail = json!({
            "state": row.state,
            "status": outcome.status,
            "reason_code": clean(&outcome.reason_code),
            "message": clean(&outcome.message),
            "outcome_sha256": hex(&sha256(&[&signed.outcome])),
        });
        note(tx, inner, tenant, endpoint, id, "late", detail, now)?;
        return Ok((Receipt::Late, None));
    }
    let step = began(&row, state, outcome, judge(tx, &task, &row, outcome, signed)?, now);
    let Some(moved) = settle::apply(tx, &task, &row, &step, now)? else {
        return refuse(tx, inner, tenant, endpoint, id, "never_given", now);
    };
    let detail = json!({
        "task": task.id,
        "action": task.action,
        "state": moved.state.as_str(),
        "reason_code": step.reason_code,
        "outcome_sha256": hex(&sha256(&[&signed.outcome])),
    });
    note(tx, inner, tenant, endpoint, id, moved.state.as_str(), detail, now)?;
    Ok((Receipt::Stored(moved.state), Some(moved)))
}

/// A service that is done before it told that it began tells both at once. Its clock is not believed beyond what can be.
fn began(row: &Command, state: CommandState, outcome: &Outcome, step: Step, now: Micros) -> Step {
    if state != CommandState::Dispatched || outcome.started_at_us <= 0 {
        return step;
    }
    let earliest = row.dispatched_at.unwrap_or(now).min(now);
    let events = std::iter::once(Event::Started).chain(step.events).collect();
    Step { events, started_at: Some(outcome.started_at_us.clamp(earliest, now)), ..step }
}

/// What the outcome means for the command.
fn judge(
    tx: &mut Tx<'_>,
    task: &Task,
    row: &Command,
    outcome: &Outcome,
    signed: &SignedOutcome,
) -> Result<Step, Error> {
    let result: Option<Value> = serde_json::from_slice(&outcome.result).ok();
    let mut report = Report {
        outcome: result.as_ref().map(Value::to_string),
        signed: signed.outcome.clone(),
        signature: signed.signature.clone(),
        evidence: None,
    };
    let mut step = Step {
        reason_code: Some(clean(&outcome.reason_code)).filter(|code| !code.is_empty()),
        message: Some(clean(&outcome.message)).filter(|message| !message.is_empty()),
        ..Step::default()
    };
    step.events = match Status::try_from(outcome.status) {
        Ok(Status::Done) => {
            let verdict = verdict(tx, task, row, result.as_ref())?;
            report.evidence = serde_json::to_string(&verdict).ok();
            let event = match verdict {
                Verdict::Verified { .. } => Event::Verified,
                Verdict::Unverified { code, reason } => {
                    (step.reason_code, step.message) = (Some(clean(&code)), Some(clean(&reason)));
                    Event::Unverified
                }
            };
            vec![Event::ReportedDone, event]
        }
        Ok(Status::Failed) => vec![Event::ReportedFailed],
        Ok(Status::Refused) => vec![Event::ReportedRefused],
        Ok(Status::Canceled) => vec![Event::ReportedCanceled],
        // `Unspecified` does not come past the checks of the protocol; nobody knows what it would mean.
        Ok(Status::Indeterminate | Status::Unspecified) | Err(_) => vec![Event::ReportedIndeterminate],
    };
    step.report = Some(report);
    Ok(step)
}

fn verdict(tx: &mut Tx<'_>, task: &Task, row: &Command, result: Option<&Value>) -> Result<Verdict, Error> {
    let kind = ActionKind::from_id(&task.action).ok_or(Error::Corrupt("action"))?;
    let params: Value = serde_json::from_str(&task.params).map_err(|_| Error::Corrupt("params"))?;
    let artifacts = artifact::of_command(tx, row.tenant_id, row.id)?
        .into_iter()
        .filter(|artifact| artifact.state == "stored")
        .map(|artifact| StoredArtifact {
            id: artifact.id.to_string(),
            size: u64::try_from(artifact.size).unwrap_or(0),
            sha256: hex(&artifact.sha256),
        })
        .collect();
    let Some(result) = result else {
        return Ok(Verdict::unverified(
            "malformed_outcome",
            "the agent said that it was done, and not what it saw",
        ));
    };
    let judged = (kind.declared().judge)(&params, result, &Observed { artifacts });
    Ok(judged.unwrap_or_else(|error| {
        Verdict::unverified("malformed_outcome", format!("the agent's outcome does not fit: {error}"))
    }))
}

fn refuse(
    tx: &mut Tx<'_>,
    inner: &Inner,
    tenant: Uuid,
    endpoint: Uuid,
    object: Uuid,
    code: &'static str,
    now: Micros,
) -> Result<Answer, Error> {
    note(tx, inner, tenant, endpoint, object, code, json!({ "refused": true }), now)?;
    Ok((Receipt::Refused(code), None))
}

#[expect(clippy::too_many_arguments, reason = "one line of the audit trail")]
fn note(
    tx: &mut Tx<'_>,
    inner: &Inner,
    tenant: Uuid,
    endpoint: Uuid,
    object: Uuid,
    outcome: &str,
    detail: Value,
    now: Micros,
) -> Result<(), Error> {
    let deed = Deed { verb: "command.outcome", kind: "command", object, outcome, detail };
    Ok(audit::append(tx, &Actor::endpoint(endpoint).record(&inner.ids, tenant, now, deed))?)
}

/// An agent's words without what could steer a terminal or make a text read otherwise than it is. Their length
/// was bounded by the protocol.
fn clean(text: &str) -> String {
    let is_clean = |c: char| is_clean_text(c.encode_utf8(&mut [0; 4]));
    text.chars().map(|c| if is_clean(c) { c } else { '\u{FFFD}' }).collect()
}
