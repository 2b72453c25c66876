//! What a command still holds of its endpoint: the one decision behind undo, timer, audit and answer.

use quell_catalog::{ActionKind, Effect, OnFailure, Standing, Undo};
use quell_store::{
    Micros, Tx,
    command::{self, Command},
    endpoint::{self, Endpoint},
    task::{self, Task},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{CommandState, Error, Problem, service, settle, targets};

/// What a command left on its endpoint, and whose that is by now.
#[derive(Debug)]
pub(crate) enum Hold {
    /// It did nothing that could be taken back, or that was taken back already.
    Nothing,
    /// What it did stands, or may stand; this takes it back.
    Back(Undo),
    /// To be taken back, and the endpoint cannot do it at present.
    NotNow(Problem),
    /// Another task did the same since: what stands is that one's to take back.
    HeldBy(Problem),
    /// The endpoint was revoked and cannot be reached any more.
    Gone(Problem),
}

/// The isolation that an endpoint's row tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Isolation {
    pub(crate) task: Uuid,
    pub(crate) command: Uuid,
    pub(crate) since: Micros,
}

impl Isolation {
    /// The one that stands on this endpoint.
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Option<Self>, Error> {
        let read = |text| serde_json::from_str(text).map_err(|_| Error::Corrupt("isolation"));
        endpoint.isolation.as_deref().map(read).transpose()
    }

    /// Whether this command stands on record as what its endpoint is isolated by.
    pub(crate) fn is_by(tx: &mut Tx<'_>, command: &Command) -> Result<Option<bool>, Error> {
        Ok(Self::of(&read(tx, command)?)?.map(|isolation| isolation.command == command.id))
    }

    /// Keeps the endpoint's own row in step with what is known by the end of a command. Only its agent's report lifts
    /// what its agent told of: nobody else knows better.
    pub(crate) fn keep(
        tx: &mut Tx<'_>,
        task: &Task,
        command: &Command,
        end: CommandState,
        is_reported: bool,
        now: Micros,
    ) -> Result<(), Error> {
        let kind = ActionKind::from_id(&task.action).ok_or(Error::Corrupt("action"))?;
        let own = |since| Self { task: task.id, command: command.id, since };
        let stands = match (kind.spec().standing, end) {
            (Some(Standing::Isolated), CommandState::Succeeded) => Some(own(now)),
            (Some(Standing::Restored), CommandState::Succeeded) => None,
            // Its agent may have told of it before its outcome.
            (
                Some(Standing::Isolated),
                CommandState::Failed | CommandState::Refused | CommandState::Canceled,
            ) if is_reported && Self::is_by(tx, command)? == Some(true) => None,
            // The endpoint is isolated by this one or by the one before. That nobody can tell is no reason to let the
            // end of the one before end this one.
            (Some(Standing::Isolated), CommandState::Indeterminate) => match Self::of(&read(tx, command)?)? {
                Some(known) => Some(own(known.since)),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let text = stands.map(|stands| serde_json::to_string(&stands)).transpose();
        let text = text.map_err(|_| Error::Corrupt("isolation"))?;
        Ok(endpoint::set_isolation(tx, command.tenant_id, command.endpoint_id, text.as_deref())?)
    }
}

/// A task whose commands are looked at.
pub(crate) struct Deeds<'a> {
    task: &'a Task,
    pub(crate) kind: ActionKind,
    params: Value,
}

impl<'a> Deeds<'a> {
    pub(crate) fn of(task: &'a Task) -> Result<Self, Error> {
        let kind = ActionKind::from_id(&task.action).ok_or(Error::Corrupt("action"))?;
        let params = serde_json::from_str(&task.params).map_err(|_| Error::Corrupt("params"))?;
        Ok(Self { task, kind, params })
    }

    /// Looks at each command of the task, in the order of its targets, until `look` answers `false`.
    pub(crate) fn each(
        &self,
        tx: &mut Tx<'_>,
        mut look: impl FnMut(&mut Tx<'_>, &Command) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut after = -1;
        loop {
            let page = command::of_task(tx, self.task.tenant_id, self.task.id, after, 500)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.leaf_index;
            for command in &page {
                if !look(tx, command)? {
                    return Ok(());
                }
            }
        }
    }

    /// What a command holds, and whether its endpoint can give it back now.
    pub(crate) fn hold(&self, tx: &mut Tx<'_>, command: &Command) -> Result<Hold, Error> {
        let Some((undo, endpoint)) = self.left(tx, command)? else { return Ok(Hold::Nothing) };
        let problem = |(code, message)| Problem { endpoint: command.endpoint_id, code, message };
        if endpoint.state != "active" {
            return Ok(Hold::Gone(problem(("revoked", format!("{} was revoked", endpoint.name)))));
        }
        // Who does the same at this moment may hold the endpoint in the next. Asked before the endpoint is looked at
        // again: what is not under way any more is to be seen there.
        let not_now = targets::problem(tx, undo.action.spec(), &endpoint)?.or(targets::conflict(
            tx,
            self.kind.spec(),
            &endpoint,
        )?);
        let endpoint = read(tx, command)?;
        if let Some(task) = self.other(&endpoint, command)? {
            let message = format!("what stands on {} belongs to task {task} by now", endpoint.name);
            return Ok(Hold::HeldBy(problem(("superseded", message))));
        }
        Ok(not_now.map_or(Hold::Back(undo), |found| Hold::NotNow(problem(found))))
    }

    /// Whether anything of the task is left that is its own and can be reached, now or later.
    pub(crate) fn any_left(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        let mut found = false;
        self.each(tx, |tx, command| {
            if let Some((_, endpoint)) = self.left(tx, command)? {
                found |= endpoint.state == "active" && self.other(&endpoint, command)?.is_none();
            }
            Ok(!found)
        })?;
        Ok(found)
    }

    /// The way back of what a command left and nobody took back, and its endpoint.
    fn left(&self, tx: &mut Tx<'_>, command: &Command) -> Result<Option<(Undo, Endpoint)>, Error> {
        let state = settle::state_of(command)?;
        let began = command.started_at.is_some();
        let Some(undo) = self.way_back(state, began, command.outcome.as_deref()) else {
            return Ok(None);
        };
        let Task { tenant_id, id, .. } = *self.task;
        if task::is_taken_back(tx, tenant_id, id, command.endpoint_id, command.id)? {
            return Ok(None);
        }
        let endpoint = read(tx, command)?;
        // What was seen to stand and is on record no more was lifted in another way: by hand, or at the endpoint.
        let is_lifted = self.kind.spec().standing == Some(Standing::Isolated)
            && state == CommandState::Succeeded
            && endpoint.isolation.is_none();
        Ok((!is_lifted).then_some((undo, endpoint)))
    }

    /// The way back of a command that ended so; `None` where it did nothing, or nothing that can be taken back. An end
    /// other than success counts too: where the outcome tells what was done, and where nobody can tell.
    pub(crate) fn way_back(&self, state: CommandState, began: bool, outcome: Option<&str>) -> Option<Undo> {
        if let Some(outcome) = outcome {
            let outcome = serde_json::from_str(outcome).ok()?;
            return (self.kind.declared().undo)(&self.params, &outcome).ok().flatten();
        }
        let may_stand = match state {
            CommandState::Indeterminate => true,
            CommandState::Canceled | CommandState::Failed => began,
            CommandState::PendingApproval
            | CommandState::Queued
            | CommandState::Dispatched
            | CommandState::Running
            | CommandState::Verifying
            | CommandState::Succeeded
            | CommandState::Refused
            | CommandState::Rejected
            | CommandState::Expired => false,
        };
        may_stand.then(|| blind(self.kind)).flatten()
    }

    /// The task that holds the endpoint since, if it is another one.
    fn other(&self, endpoint: &Endpoint, command: &Command) -> Result<Option<Uuid>, Error> {
        let isolation = Isolation::of(endpoint)?;
        Ok(match self.kind.spec().standing {
            Some(Standing::Isolated) => isolation.filter(|by| by.command != command.id),
            // Whoever isolated it after it was restored chose how.
            Some(Standing::Restored) => isolation,
            None => None,
        }
        .map(|by| by.task))
    }
}

fn read(tx: &mut Tx<'_>, command: &Command) -> Result<Endpoint, Error> {
    service::or_endpoint(tx, command.tenant_id, command.endpoint_id)?
        .ok_or(Error::Corrupt("endpoint of a command"))
}

/// The way back where no outcome says what was done: for what its service would have taken back had it failed. Such a
/// way back does no harm where nothing is left.
fn blind(kind: ActionKind) -> Option<Undo> {
    let spec = kind.spec();
    match (spec.on_failure, spec.effect) {
        (OnFailure::Undo, Effect::Reversible { by }) => {
            Some(Undo { action: ActionKind::from_id(by)?, params: serde_json::json!({}) })
        }
        (OnFailure::Undo | OnFailure::Keep, _) => None,
    }
}
