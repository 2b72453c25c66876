//! From the journal to the effect and back: turn, window, limits, outcome. And the same for orders that an
//! earlier run of the agent left unfinished.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use prost::Message;
use quell_catalog::{ActionKind, OnCrash};
use quell_wire::frame::{FromAgent, Started as StartedFrame};
use quell_wire::{Intent, SignedOutcome, Status, limits};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::receive::{Ticket, read_intent};
use super::{Cancel, Ending, Inner, Job, Runner, Running, Secrets, chain};
use crate::journal::record::{Accepted, Body, Finished, Started};
use crate::journal::{self, Stage};

/// What takes longer is told as begun. What ends sooner is told by its outcome, which says when it began: a frame, a
/// write and a row of the server's less for most orders.
const GRACE: Duration = Duration::from_millis(10);
/// A handler that was asked to stop has this long to say what it did.
const STOP: Duration = Duration::from_secs(10);
/// On top of the catalogue's longest time: the handler's own limit should strike first.
const MARGIN: Duration = Duration::from_secs(30);
/// An order that is begun anew and that the agent dies of is not tried more often.
const ATTEMPTS: u32 = 3;
/// Between tries to write an outcome down when the disk is full.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// The right to run: a slot of the action, and the turn in its exclusion group.
pub(super) struct Permit {
    _slot: Option<OwnedSemaphorePermit>,
    _turn: Option<OwnedSemaphorePermit>,
}

/// What the handler is asked for.
enum Deed {
    /// Begun first at this time, microseconds since 1970.
    Carry(i64),
    /// To end what an earlier run began; so where the handler knows nothing.
    Leave(Ending),
}

fn interrupted() -> Ending {
    Ending::indeterminate("interrupted", "the agent ended in the middle, and the order expired since")
}

impl Runner {
    /// Takes up what an earlier run left unfinished. Called once, before any order is received.
    pub fn resume(&self) -> Result<usize, journal::Error> {
        let left = self.0.ledger.with(crate::journal::Journal::unfinished)?;
        let count = left.len();
        for (accepted, stage) in left {
            let (attempts, first_us) = match stage {
                Stage::Started { attempts, first_us } => (attempts, first_us),
                Stage::Accepted | Stage::Finished | Stage::Acknowledged => (0, 0),
            };
            self.resume_one(accepted, attempts, first_us);
        }
        Ok(count)
    }

    fn resume_one(&self, accepted: Accepted, attempts: u32, first_us: i64) {
        let cancel = Cancel::default();
        let (sender, receiver) = watch::channel(None);
        let claim = Running {
            order_sha256: accepted.order_sha256.clone(),
            cancel: cancel.clone(),
            secrets: sender,
            started_us: (first_us > 0).then_some(first_us),
        };
        self.0.running().insert(accepted.order_id.clone(), claim);
        let runner = self.clone();
        tokio::spawn(async move {
            let digest = accepted.intent_digest.clone();
            let intent = Intent::decode(accepted.intent.as_slice())
                .map_err(|_| Ending::refused("order_malformed", "the intent cannot be read"));
            match intent.and_then(|intent| read_intent(&intent, &runner.0.can)) {
                Err(ending) => runner.0.finish(&accepted.order_id, &digest, ending, first_us).await,
                Ok((kind, params)) => {
                    let ticket = Ticket {
                        order_id: accepted.order_id,
                        kind,
                        params,
                        intent_digest: digest,
                        not_after_us: accepted.not_after_us,
                        attempts,
                        first_us,
                    };
                    runner.take_up(ticket, cancel, receiver).await;
                }
            }
        });
    }

    async fn take_up(&self, ticket: Ticket, cancel: Cancel, secrets: watch::Receiver<Option<Secrets>>) {
        let inner = &self.0;
        let spec = ticket.kind.spec();
        // Work that outlived the agent is not what the agent dies of, and its result is there to be fetched: however often
        // the agent was restarted, it is taken up.
        let adopts = spec.on_crash == OnCrash::Adopt && ticket.attempts > 0;
        if !adopts && ticket.attempts >= ATTEMPTS {
            let message = format!("the agent ended {} times while it carried the order out", ticket.attempts);
            let ending = Ending::indeterminate("agent_crashed", message);
            inner.finish(&ticket.order_id, &ticket.intent_digest, ending, ticket.first_us).await;
            return;
        }
        if !adopts && !spec.secrets.is_empty() && !inner.wait_for_secrets(&ticket, &cancel, &secrets).await {
            let ending = if ticket.attempts == 0 {
                Ending::refused(
                    "order_expired",
                    "the agent was restarted, and the order expired before it came again",
                )
            } else {
                let otherwise = if cancel.is_asked() {
                    Ending::canceled("canceled while the agent waited to take it up again after its restart")
                } else {
                    interrupted()
                };
                inner.run(inner.job(&ticket, cancel, secrets), Deed::Leave(otherwise)).await
            };
            inner.finish(&ticket.order_id, &ticket.intent_digest, ending, ticket.first_us).await;
            return;
        }
        self.carry(ticket, cancel, secrets, None).await;
    }

    /// Carries out what was written down.
    pub(super) async fn carry(
        &self,
        mut ticket: Ticket,
        cancel: Cancel,
        secrets: watch::Receiver<Option<Secrets>>,
        permit: Option<Permit>,
    ) {
        let inner = &self.0;
        let had_permit = permit.is_some();
        let _permit =
            if let Some(permit) = permit { permit } else { inner.permit(ticket.kind, &cancel).await };
        let ending = if !had_permit && inner.is_late(&ticket) {
            inner.run(inner.job(&ticket, cancel, secrets), Deed::Leave(interrupted())).await
        } else if let Err(ending) = inner.begin(&mut ticket, &cancel, had_permit).await {
            ending
        } else {
            inner.run(inner.job(&ticket, cancel, secrets), Deed::Carry(ticket.first_us)).await
        };
        inner.finish(&ticket.order_id, &ticket.intent_digest, ending, ticket.first_us).await;
    }
}

impl Inner {
    /// The right to run, if it is free right now.
    pub(super) fn permit_now(&self, kind: ActionKind) -> Option<Permit> {
        let slot = self.slots.get(&kind)?.clone().try_acquire_owned().ok()?;
        let turn = match self.exclusion(kind) {
            Some(group) => Some(group.try_acquire_owned().ok()?),
            None => None,
        };
        Some(Permit { _slot: Some(slot), _turn: turn })
    }

    /// Waits for the right to run, first come first served, or for the wish to stop.
    async fn permit(&self, kind: ActionKind, cancel: &Cancel) -> Permit {
        let wait = async {
            let turn = match self.exclusion(kind) {
                Some(group) => group.acquire_owned().await.ok(),
                None => None,
            };
            let slot = match self.slots.get(&kind) {
                Some(slots) => slots.clone().acquire_owned().await.ok(),
                None => None,
            };
            Permit { _slot: slot, _turn: turn }
        };
        tokio::select! {
            permit = wait => permit,
            () = cancel.asked() => Permit { _slot: None, _turn: None },
        }
    }

    async fn wait_for_secrets(
        &self,
        ticket: &Ticket,
        cancel: &Cancel,
        secrets: &watch::Receiver<Option<Secrets>>,
    ) -> bool {
        let left = ticket.not_after_us.saturating_sub(self.clock.now_us()).max(0);
        let mut secrets = secrets.clone();
        let arrived = async {
            tokio::select! {
                arrived = secrets.wait_for(Option::is_some) => arrived.is_ok(),
                () = cancel.asked() => false,
            }
        };
        timeout(Duration::from_micros(left.unsigned_abs()), arrived).await.unwrap_or(false)
    }

    /// Whether an earlier run began it, and its window is over for beginning anew. Work that outlived the agent is taken
    /// up whenever.
    fn is_late(&self, ticket: &Ticket) -> bool {
        let adopts = ticket.kind.spec().on_crash == OnCrash::Adopt;
        ticket.attempts > 0 && !adopts && self.clock.now_us() > ticket.not_after_us
    }

    fn job(&self, ticket: &Ticket, cancel: Cancel, secrets: watch::Receiver<Option<Secrets>>) -> Job {
        Job {
            order_id: ticket.order_id.clone(),
            kind: ticket.kind,
            params: ticket.params.clone(),
            attempt: ticket.attempts,
            not_after_us: ticket.not_after_us,
            cancel,
            secrets,
            outbox: self.outbox.clone(),
            told: Mutex::new(None),
        }
    }

    /// The last look before the effect, and the record that it begins.
    async fn begin(&self, ticket: &mut Ticket, cancel: &Cancel, written: bool) -> Result<(), Ending> {
        if cancel.is_asked() && ticket.attempts == 0 {
            return Err(Ending::canceled("canceled before it began"));
        }
        let now_us = self.clock.now_us();
        // Work that an earlier run began is taken up whenever; anything else begins within its window only.
        if ticket.attempts == 0 && !written && now_us > ticket.not_after_us {
            return Err(Ending::refused("order_expired", "the order expired before its turn came"));
        }
        if !written {
            ticket.attempts += 1;
            if ticket.first_us == 0 {
                ticket.first_us = now_us;
            }
            let started =
                Started { order_id: ticket.order_id.clone(), at_us: now_us, attempt: ticket.attempts };
            if let Err(error) = self.ledger.append(vec![Body::Started(started)]).await {
                let why = chain(error.as_ref());
                return Err(match ticket.attempts {
                    1 => Ending::refused("journal_unavailable", why),
                    _ => Ending::indeterminate("journal_unavailable", why),
                });
            }
        }
        if let Some(running) = self.running().get_mut(&ticket.order_id) {
            running.started_us = Some(ticket.first_us);
        }
        Ok(())
    }

    /// The handler within its limits. Its panic ends here.
    async fn run(&self, job: Job, deed: Deed) -> Ending {
        let limit = Duration::from_secs(u64::from(job.kind.spec().time_limit.max_s)) + MARGIN;
        let begun_us = match deed {
            Deed::Carry(at_us) => Some(at_us),
            Deed::Leave(_) => None,
        };
        // The job goes with the handler's future: nothing of either is looked at again after a panic.
        let work = AssertUnwindSafe(async {
            match deed {
                Deed::Carry(_) => self.actions.carry(&job).await,
                Deed::Leave(otherwise) => self.actions.leave(&job).await.unwrap_or(otherwise),
            }
        });
        let mut work = pin!(work.catch_unwind());
        // The work is asked before the clock: what ends at once sets no timer.
        if let Ok(ended) = timeout(GRACE, &mut work).await {
            return ended.unwrap_or_else(|_| panicked(&job.order_id));
        }
        if let Some(at_us) = begun_us {
            self.say(FromAgent::Started(StartedFrame { order_id: job.order_id.clone(), at_us }));
        }
        if let Ok(ended) = timeout(limit, &mut work).await {
            return ended.unwrap_or_else(|_| panicked(&job.order_id));
        }
        job.cancel.ask();
        match timeout(STOP, &mut work).await {
            Ok(Ok(ending)) if ending.status == Status::Canceled => Ending {
                status: Status::Failed,
                code: "time_limit".into(),
                message: format!("ended after {} s, the most that the action may take", limit.as_secs()),
                ..ending
            },
            Ok(ended) => ended.unwrap_or_else(|_| panicked(&job.order_id)),
            Err(_) => Ending::indeterminate(
                "time_limit",
                "it did not stop when it had to; what it did is not known",
            ),
        }
    }

    /// Writes the signed outcome down, then sends it. An outcome that the disk does not take is sent all the
    /// same, and written down as soon as there is room.
    pub(super) async fn finish(
        self: &Arc<Self>,
        id: &str,
        intent_digest: &[u8],
        ending: Ending,
        started_us: i64,
    ) {
        tracing::info!(order.id = id, status = ?ending.status, code = ending.code, "order ended");
        let signed = self.sign(id, intent_digest, ending, started_us);
        if let Err(error) = self.ledger.append(vec![finished(id, &signed)]).await {
            tracing::error!(
                order.id = id,
                error = chain(error.as_ref()),
                "an outcome cannot be written down"
            );
            self.unsaved().insert(id.to_owned(), signed.clone());
            tokio::spawn(self.clone().save_later(id.to_owned(), finished(id, &signed)));
        } else {
            self.actions.over(id);
        }
        self.running().remove(id);
        self.outbox.ended(id, signed);
    }

    async fn save_later(self: Arc<Self>, id: String, record: Body) {
        loop {
            tokio::time::sleep(SAVE_AGAIN).await;
            if self.ledger.append(vec![record.clone()]).await.is_ok() {
                self.unsaved().remove(&id);
                self.actions.over(&id);
                return;
            }
        }
    }
}

pub(super) fn finished(id: &str, signed: &SignedOutcome) -> Body {
    let (outcome, signature) = (signed.outcome.clone(), signed.signature.clone());
    Body::Finished(Finished { order_id: id.to_owned(), outcome, signature })
}

fn panicked(id: &str) -> Ending {
    tracing::error!(order.id = id, "a handler panicked");
    Ending::failed("handler_panicked", "the agent's handler of this action failed unexpectedly")
}

/// Kept here so that the two limits are seen to fit: an outcome with its frame is one record of the journal.
const _: () = assert!(limits::RESULT + limits::MESSAGE < journal::record::LONGEST);
