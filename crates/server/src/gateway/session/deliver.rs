//! Orders on their way out.

use quell_engine::{Error, Resumed, Work};
use quell_wire::frame::{Addresses, FromServer, OrderRef};
use uuid::Uuid;

use super::link::Gone;
use super::{Flow, Session};

/// Orders that are taken from the queue in one go; the engine bounds how many one agent holds.
const BATCH: usize = 16;

impl Session {
    /// Takes what waits and sends it.
    pub(super) async fn deliver(&mut self) -> Flow {
        let leased = self.shared.engine.lease(self.tenant(), self.endpoint(), BATCH).await;
        match leased {
            Ok(work) => self.send(work).await,
            Err(error) => self.give_up(&error).await,
        }
    }

    /// Settles with an agent that came back what it holds and what it lacks, then takes what waits.
    pub(super) async fn resume(&mut self, held: &[OrderRef]) -> Flow {
        let held: Vec<Uuid> = held.iter().filter_map(|order| order.order_id.parse().ok()).collect();
        let resumed = self.shared.engine.resume(self.tenant(), self.endpoint(), &held).await;
        match resumed {
            Ok(Resumed { orders, cancels, waiting }) => match self.send(Work { orders, cancels }).await {
                Flow::Continue if waiting => self.deliver().await,
                flow => flow,
            },
            Err(error) => self.give_up(&error).await,
        }
    }

    async fn send(&mut self, work: Work) -> Flow {
        // An agent takes no order of a key that it does not know. It may have been signed a moment after a rotation, before
        // the news of it came here by itself.
        let version = self.shared.engine.signer().key_set().version;
        if !work.orders.is_empty() && version > self.keys_told && self.send_keys().await.is_err() {
            return Flow::End;
        }
        for order in work.orders {
            if self.link.say(FromServer::Order(order)).await.is_err() {
                // What was taken and not sent is found again when the agent comes back.
                return Flow::End;
            }
        }
        for order in work.cancels {
            if self.link.say(FromServer::Cancel(OrderRef { order_id: order.to_string() })).await.is_err() {
                return Flow::End;
            }
        }
        Flow::Continue
    }

    /// Sends the agent away for a while. Orders may have been taken and not signed, or by a commit whose answer was lost:
    /// on this session nobody would look for them, when the agent comes back it is settled what it has.
    async fn give_up(&mut self, error: &Error) -> Flow {
        tracing::error!(error = error as &dyn std::error::Error, endpoint.id = %self.endpoint(), "no work could be taken");
        let why = match error {
            Error::Signer(_) => "the server cannot have orders signed now",
            _ => "the server cannot reach its database now",
        };
        self.bye("busy", why, 5).await;
        Flow::End
    }

    /// Hands the rotations of the order keys on, oldest first. An agent takes those that follow what it holds.
    pub(super) async fn send_keys(&mut self) -> Result<(), Gone> {
        let version = self.shared.engine.signer().key_set().version;
        for set in self.shared.engine.signer().rotations() {
            self.link.say(FromServer::Keys(set)).await?;
        }
        self.keys_told = version;
        Ok(())
    }

    /// Hands on what the tenant's root said since the bundle that the agent holds. One that pinned no root is handed nothing:
    /// it would take this server's word for whose signatures count.
    pub(super) async fn send_trust(&mut self) -> Result<(), Gone> {
        let held = self.trust_serial;
        for (serial, signed) in self.shared.trusts.of(self.tenant()).iter() {
            if held > 0 && *serial > held {
                self.link.say(FromServer::Trust(signed.clone())).await?;
                self.trust_serial = *serial;
            }
        }
        Ok(())
    }

    /// Tells where the gateway is to be found from now on.
    pub(super) async fn send_addresses(&mut self) -> Result<(), Gone> {
        let addresses = self.shared.addresses.current().to_vec();
        self.link.say(FromServer::Addresses(Addresses { addresses })).await
    }
}
