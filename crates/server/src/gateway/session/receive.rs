//! What an agent says while it is connected.

use quell_engine::{Progress, Receipt};
use quell_wire::frame::{FromAgent, FromServer, OrderRef, Rejected};
use quell_wire::{Outcome, SignedOutcome, limits};
use uuid::Uuid;

use super::super::facts::clean;
use super::{Flow, Session};

/// Things that only a broken or hostile agent says; after this many it is sent away.
const STRIKES: u32 = 5;

impl Session {
    pub(super) async fn receive(&mut self, frame: FromAgent) -> Flow {
        match frame {
            FromAgent::Hello(_) => self.strike("Hello was said already").await,
            FromAgent::Started(started) => self.started(&started.order_id).await,
            FromAgent::Progress(progress) => {
                if let Ok(order) = progress.order_id.parse::<Uuid>() {
                    let note = clean(&progress.note, limits::MESSAGE).unwrap_or_default();
                    let progress = Progress { done: progress.done, total: progress.total, note };
                    self.shared.engine.report_progress(self.tenant(), self.endpoint(), order, progress);
                }
                Flow::Continue
            }
            FromAgent::Outcome(signed) => self.outcome(signed).await,
            FromAgent::Event(event) => self.note_event(event).await,
            FromAgent::Rejected(rejected) => self.rejected(rejected).await,
            FromAgent::BlockListState(state) => self.block_list_state(state).await,
            FromAgent::Chain(update) => self.chain(update).await,
            FromAgent::RecorderState(state) => self.recorder_state(state).await,
        }
    }

    async fn started(&mut self, order: &str) -> Flow {
        let Ok(order) = order.parse::<Uuid>() else {
            return self.strike("an order id is malformed").await;
        };
        // `false` is no offence: a repeat, or the order ended meanwhile.
        if let Err(error) = self.shared.engine.started(self.tenant(), self.endpoint(), order).await {
            tracing::error!(error = &error as &dyn std::error::Error, command.id = %order, "a start was not noted");
        }
        Flow::Continue
    }

    async fn outcome(&mut self, signed: SignedOutcome) -> Flow {
        // Named before it is checked, for the answer only; what is stored goes by the checked bytes.
        let named =
            <Outcome as prost::Message>::decode(signed.outcome.as_slice()).map(|outcome| outcome.order_id);
        match self.shared.engine.outcome(self.tenant(), self.endpoint(), &signed).await {
            Ok(Receipt::Stored(_) | Receipt::Again | Receipt::Late) => {
                let stored = OrderRef { order_id: named.unwrap_or_default() };
                // What it makes room for is rung for by the engine: the bell is heard next.
                match self.link.say(FromServer::OutcomeStored(stored)).await {
                    Ok(()) => Flow::Continue,
                    Err(_) => Flow::End,
                }
            }
            Ok(Receipt::Refused(code)) => self.strike(code).await,
            // Not acknowledged: the agent keeps it and sends it again when it comes back.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, endpoint.id = %self.endpoint(), "an outcome was not stored");
                self.bye("busy", "the server cannot reach its database now", 5).await;
                Flow::End
            }
        }
    }

    /// An order was refused for its envelope: a wrong clock, a key that the agent does not know, or somebody in
    /// between. It ends the command only if the digest is that of an order which this agent was given.
    async fn rejected(&mut self, rejected: Rejected) -> Flow {
        let Rejected { order_sha256, reason_code, message } = &rejected;
        let (tenant, endpoint) = (self.tenant(), self.endpoint());
        let noted = self.shared.engine.rejected(tenant, endpoint, order_sha256, reason_code, message).await;
        match noted {
            Ok(true) => Flow::Continue,
            // An order that nobody here made: worth a look by people.
            Ok(false) => self.note_stray(&rejected).await,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, endpoint.id = %endpoint, "a refusal was not stored");
                Flow::Continue
            }
        }
    }

    /// Counts something that must not happen; sends the agent away when it goes on.
    pub(super) async fn strike(&mut self, why: &str) -> Flow {
        self.strikes += 1;
        tracing::warn!(endpoint.id = %self.endpoint(), remote = %self.remote, why, "an agent broke the rules");
        if self.strikes < STRIKES {
            return Flow::Continue;
        }
        self.shared.sessions.banish(self.endpoint(), self.shared.now_us());
        self.bye("limit", why, 300).await;
        Flow::End
    }
}
