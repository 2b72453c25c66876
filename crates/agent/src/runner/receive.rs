//! From the wire into the journal: every reason not to act on what arrived.

use std::sync::Arc;

use prost::Message;
use quell_catalog::ActionKind;
use quell_wire::digest::{hex, sha256};
use quell_wire::frame::{Capability, FromAgent, Rejected, Started as StartedFrame};
use quell_wire::order::{Refusal, VerifiedOrder, check};
use quell_wire::{Intent, Order, SignedOrder, limits};
use serde_json::Value;
use tokio::sync::watch;

use super::carry::finished;
use super::{Cancel, Ending, Inner, MOST, Runner, Running, Secrets, chain};
use crate::journal::Stage;
use crate::journal::record::{Accepted, Body, Spent, Started};

/// A new order that was written down, ready to be carried out.
pub(super) struct Ticket {
    pub order_id: String,
    pub kind: ActionKind,
    pub params: Value,
    pub intent_digest: Vec<u8>,
    pub not_after_us: i64,
    /// Attempts that were written down already.
    pub attempts: u32,
    /// When the first attempt began, 0 where none did.
    pub first_us: i64,
}

impl Runner {
    /// Takes an order from the wire. Returns at once; the rest happens in a task.
    pub fn deliver(&self, signed: SignedOrder) {
        let runner = self.clone();
        tokio::spawn(async move { runner.receive(signed).await });
    }

    async fn receive(&self, signed: SignedOrder) {
        let inner = &self.0;
        let digest = sha256(&[&signed.order]).to_vec();
        let now_us = inner.clock.now_us();
        let approvers = inner.identity.approvers();
        match check(&signed, &inner.identity.trust(), approvers.as_deref(), inner.identity.me(), now_us) {
            Ok(order) => self.accept(order, digest).await,
            Err(refusal) => inner.refuse(&signed, digest, refusal),
        }
    }

    async fn accept(&self, order: VerifiedOrder, digest: Vec<u8>) {
        let inner = &self.0;
        let id = order.order().order_id.clone();
        let secrets: Secrets = Arc::new(order.order().secrets.clone());
        if inner.again(&id, &digest, Some(secrets.clone())) {
            return;
        }
        // From here on this task owns the id: a second delivery meets the entry in `running`.
        let cancel = Cancel::default();
        let (sender, receiver) = watch::channel(Some(secrets));
        let claim = Running {
            order_sha256: digest.clone(),
            cancel: cancel.clone(),
            secrets: sender,
            started_us: None,
        };
        if !inner.claim(&id, claim) {
            inner.again(&id, &digest, None);
            return;
        }
        let deed = order.is_signed_for().then(|| Deed::of(&order));
        let judged = inner.judge(&order, deed.as_ref());
        let accepted = Body::Accepted(Accepted {
            order_id: id.clone(),
            order_sha256: digest,
            intent: order.order().intent.clone(),
            intent_digest: order.order().intent_digest.clone(),
            not_before_us: order.order().not_before_us,
            not_after_us: order.order().not_after_us,
        });
        match judged {
            Ok((kind, params)) => {
                let permit = inner.permit_now(kind);
                let mut records = vec![accepted];
                records.extend(deed.as_ref().map(Deed::record));
                let mut ticket = Ticket {
                    order_id: id.clone(),
                    kind,
                    params,
                    intent_digest: order.order().intent_digest.clone(),
                    not_after_us: order.order().not_after_us,
                    attempts: 0,
                    first_us: 0,
                };
                if permit.is_some() {
                    // It may begin at once: one sync serves for both records.
                    (ticket.attempts, ticket.first_us) = (1, inner.clock.now_us());
                    let started = Started { order_id: id.clone(), at_us: ticket.first_us, attempt: 1 };
                    records.push(Body::Started(started));
                }
                let written = inner.ledger.append(records).await;
                if let Some(deed) = &deed {
                    inner.deeds().remove(&deed.name);
                }
                match written {
                    Ok(()) => self.carry(ticket, cancel, receiver, permit).await,
                    Err(error) => inner.unable(&order, &chain(error.as_ref())),
                }
            }
            Err(ending) => {
                let signed = inner.sign(&id, &order.order().intent_digest, ending, 0);
                let written = inner.ledger.append(vec![accepted, finished(&id, &signed)]).await;
                inner.running().remove(&id);
                match written {
                    Ok(()) => inner.outbox.ended(&id, signed),
                    Err(error) => inner.unable(&order, &chain(error.as_ref())),
                }
            }
        }
    }
}

impl Inner {
    /// The envelope is not acceptable. What cannot be trusted to name an order is rejected by its hash; what
    /// can is answered with a signed outcome, or from the journal if it was carried out before it expired.
    fn refuse(&self, signed: &SignedOrder, digest: Vec<u8>, refusal: Refusal) {
        tracing::warn!(reason = refusal.code(), "order refused: {refusal}");
        let named = match refusal {
            Refusal::UnknownKey
            | Refusal::BadSignature
            | Refusal::Malformed
            | Refusal::OtherTenant
            | Refusal::OtherEndpoint => None,
            Refusal::NotYet
            | Refusal::Expired
            | Refusal::Window
            | Refusal::Intent
            | Refusal::NotATarget
            | Refusal::NotApproved { .. } => {
                Order::decode(signed.order.as_slice()).ok().filter(|order| order.intent_digest.len() == 32)
            }
        };
        let Some(order) = named else {
            self.reject(digest, refusal.code(), &refusal.to_string());
            return;
        };
        if self.again(&order.order_id, &digest, Some(Arc::new(order.secrets.clone()))) {
            return;
        }
        let ending = Ending::refused(refusal.code(), refusal.to_string());
        self.say(FromAgent::Outcome(self.sign(&order.order_id, &order.intent_digest, ending, 0)));
    }

    fn reject(&self, order_sha256: Vec<u8>, code: &str, message: &str) {
        self.say(FromAgent::Rejected(Rejected {
            order_sha256,
            reason_code: code.to_owned(),
            message: message.to_owned(),
        }));
    }

    /// The order could not be written down, so it was not carried out; nothing remembers it, and the server
    /// may send it again.
    fn unable(&self, order: &VerifiedOrder, why: &str) {
        tracing::error!(order.id = order.order().order_id, why, "an order cannot be written down");
        self.running().remove(&order.order().order_id);
        let ending = Ending::refused("journal_unavailable", why);
        let signed = self.sign(&order.order().order_id, &order.order().intent_digest, ending, 0);
        self.say(FromAgent::Outcome(signed));
    }

    /// Answers an order that is known already; `false` where it is not.
    fn again(&self, id: &str, digest: &[u8], secrets: Option<Secrets>) -> bool {
        if let Some(running) = self.running().get(id) {
            if running.order_sha256 != digest {
                self.reject(digest.to_vec(), "order_id_reused", "another order had this id");
                return true;
            }
            if let Some(secrets) = secrets {
                running.secrets.send_if_modified(|held| {
                    let arrives = held.is_none();
                    if arrives {
                        *held = Some(secrets);
                    }
                    arrives
                });
            }
            if let Some(at_us) = running.started_us {
                self.say(FromAgent::Started(StartedFrame { order_id: id.to_owned(), at_us }));
            }
            return true;
        }
        let known =
            self.ledger.with(|journal| journal.entry(id).map(|e| (e.order_sha256 == digest, e.stage)));
        match known {
            None => false,
            Some((false, _)) => {
                self.reject(digest.to_vec(), "order_id_reused", "another order had this id");
                true
            }
            Some((true, stage)) => {
                let kept =
                    self.ledger.with(|journal| journal.has_outcome(id)) || self.unsaved().contains_key(id);
                if kept {
                    self.outbox.outcome(id);
                } else if stage == Stage::Acknowledged {
                    let message = "the order was carried out and its outcome acknowledged before";
                    self.reject(digest.to_vec(), "order_repeated", message);
                }
                true
            }
        }
    }

    fn claim(&self, id: &str, claim: Running) -> bool {
        let mut running = self.running();
        if running.contains_key(id) {
            return false;
        }
        running.insert(id.to_owned(), claim);
        true
    }

    /// Whether this agent can do what the order says, now.
    fn judge(&self, order: &VerifiedOrder, deed: Option<&Deed>) -> Result<(ActionKind, Value), Ending> {
        // Of what people signed, the time when it was asked is known for certain; the window is the server's word.
        let asked_us = deed.map_or(i64::MAX, |_| order.intent().created_at_us);
        let not_before_us = order.order().not_before_us.min(asked_us);
        let damaged_us = self.ledger.with(|journal| journal.damaged_us());
        if damaged_us.is_some_and(|at| not_before_us <= at.saturating_add(limits::CLOCK_SKEW_US)) {
            return Err(Ending::indeterminate(
                "journal_damaged",
                "the endpoint's journal was damaged or lost after this order was made, so it may have been carried out already",
            ));
        }
        if self.running().len() > MOST {
            return Err(Ending::refused(
                "agent_busy",
                format!("more than {MOST} orders wait on this endpoint"),
            ));
        }
        let read = read_intent(order.intent(), &self.can)?;
        match deed {
            Some(deed) if !self.claim_deed(deed) => Err(Ending::refused(
                "order_deed_repeated",
                "the approvers' signatures served for another order on this endpoint already",
            )),
            Some(_) | None => Ok(read),
        }
    }

    /// Whether no other order brought these signatures here. Claimed until it is in the journal.
    fn claim_deed(&self, deed: &Deed) -> bool {
        let mut deeds = self.deeds();
        let known = self.ledger.with(|journal| journal.entry(&deed.name).is_some());
        !known && deeds.insert(deed.name.clone())
    }
}

/// What approvers signed for. They signed for it once: whoever holds the order key can give the same intent a second order
/// with another id, and must not have it carried out twice.
struct Deed {
    /// Longer than any order's id may be, so that it is none.
    name: String,
    order_sha256: Vec<u8>,
    expires_at_us: i64,
}

impl Deed {
    fn of(order: &VerifiedOrder) -> Self {
        Self {
            name: format!("deed.{}", hex(&order.order().intent_digest)),
            order_sha256: order.order().intent_digest.clone(),
            expires_at_us: order.intent().expires_at_us,
        }
    }

    /// Kept in the journal as an order that is over, for as long as the intent can bring another.
    fn record(&self) -> Body {
        Body::Spent(Spent {
            order_id: self.name.clone(),
            order_sha256: self.order_sha256.clone(),
            not_after_us: self.expires_at_us,
        })
    }
}

/// The action and its checked parameters of an intent that this agent can carry out.
pub(super) fn read_intent(intent: &Intent, can: &[Capability]) -> Result<(ActionKind, Value), Ending> {
    let kind = ActionKind::from_id(&intent.action)
        .filter(|kind| can.iter().any(|c| c.action == kind.id() && c.revision == intent.revision))
        .ok_or_else(|| {
            let (action, revision) = (&intent.action, intent.revision);
            Ending::refused(
                "action_unknown",
                format!("this agent does not speak {action} revision {revision}"),
            )
        })?;
    let params: Value = serde_json::from_slice(&intent.params)
        .map_err(|error| Ending::refused("params_invalid", error.to_string()))?;
    let params = (kind.declared().check_params)(&params)
        .map_err(|error| Ending::refused("params_invalid", error.to_string()))?;
    Ok((kind, params))
}
