//! Threat development chains that agents send: each update is stored once, in its turn, and acknowledged.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use quell_store::Error as StoreError;
use quell_wire::activity::{ChainStored, ChainUpdate};
use quell_wire::frame::FromServer;

use super::link::Gone;
use super::{Flow, Session};
use crate::incident::budget::{ROW, UPDATE};
use crate::incident::take::{From, Taken, take};
use crate::incident::update::Update;
use crate::incident::{room, tell};

/// Updates that are put off at a time: more than an agent has on their way.
const PUT_OFF: usize = 8;
/// The longest pause until it is looked whether there is room.
const LONGEST: Duration = Duration::from_mins(1);

impl Session {
    /// Stores an update, or puts it off until there is room for it. An agent has few on their way, so that it waits too; what
    /// else it says is heard meanwhile.
    pub(super) async fn chain(&mut self, update: ChainUpdate) -> Flow {
        if !self.put_off.is_empty() {
            self.put_off(update);
            return Flow::Continue;
        }
        match self.spend(&update) {
            Ok(()) => self.store_chain(update).await,
            Err(wait) => {
                tracing::warn!(endpoint.id = %self.endpoint(), "an agent sends more of chains than is taken at once");
                self.put_off(update);
                self.wake(wait);
                Flow::Continue
            }
        }
    }

    /// Stores what was put off, as far as there is room now.
    pub(super) async fn chains_due(&mut self) -> Flow {
        while let Some(update) = self.put_off.pop_front() {
            if let Err(wait) = self.spend(&update) {
                self.put_off.push_front(update);
                self.wake(wait);
                break;
            }
            if self.store_chain(update).await == Flow::End {
                return Flow::End;
            }
        }
        Flow::Continue
    }

    fn spend(&self, update: &ChainUpdate) -> Result<(), Duration> {
        self.shared.chains.spend(self.endpoint(), update.encoded_len() + UPDATE, self.shared.now_us())
    }

    /// What is beyond is not acknowledged: the agent has it still, and sends it again in its next session.
    fn put_off(&mut self, update: ChainUpdate) {
        if self.put_off.len() < PUT_OFF {
            self.put_off.push_back(update);
        }
    }

    fn wake(&self, wait: Duration) {
        let handle = Arc::clone(self.seat.handle());
        tokio::spawn(async move {
            tokio::time::sleep(wait.min(LONGEST)).await;
            handle.tell(|mail| mail.chains_due = true);
        });
    }

    async fn store_chain(&mut self, update: ChainUpdate) -> Flow {
        let now = self.shared.now_us();
        let update = Update::of(update, now);
        let chain_id = update.name.clone();
        let from = From {
            tenant: self.tenant(),
            endpoint: self.endpoint(),
            name: self.name.to_string(),
            remote: Some(self.remote.ip().to_string()),
        };
        let whose = from.clone();
        match self.shared.store.write(move |tx| take(tx, &whose, &update)).await {
            Ok(Taken { serial, close, is_full, looked_at, news }) => {
                tell(self.shared.engine.changes(), news);
                let looked_at = usize::try_from(looked_at).unwrap_or(0);
                self.shared.chains.charge(from.endpoint, looked_at.saturating_mul(ROW), now);
                if is_full {
                    self.make_room(&from, now).await;
                }
                let stored = ChainStored { chain_id, serial: serial.unsigned_abs(), close };
                match self.link.say(FromServer::ChainStored(stored)).await {
                    Ok(()) => Flow::Continue,
                    Err(Gone) => Flow::End,
                }
            }
            Err(error) => self.not_stored(&error).await,
        }
    }

    /// Makes room for a chain that is stored. Its endpoint waits for that, and nobody else.
    async fn make_room(&self, from: &From, now: i64) {
        match room::make(&self.shared.store, from, now).await {
            Ok(news) => tell(self.shared.engine.changes(), news.into_iter().collect()),
            // The next chain that begins tries again.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, endpoint.id = %from.endpoint, "older chains were not given up");
            }
        }
    }

    async fn not_stored(&mut self, error: &StoreError) -> Flow {
        tracing::error!(error = error as &dyn std::error::Error, endpoint.id = %self.endpoint(), "a chain was not stored");
        if error.retry() {
            self.bye("busy", "the server cannot reach its database now", 5).await;
            return Flow::End;
        }
        // It would fail again at once: the agent keeps it, and what else it has to say is heard.
        Flow::Continue
    }

    /// Tells that no more updates of these chains are wanted.
    pub(super) async fn send_closed(&mut self, closed: Vec<ChainStored>) -> Result<(), Gone> {
        for chain in closed {
            self.link.say(FromServer::ChainStored(chain)).await?;
        }
        Ok(())
    }
}
