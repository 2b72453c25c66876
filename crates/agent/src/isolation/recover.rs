//! The start of the agent: what was cut stays cut, from before the first connection on.

use std::time::Duration;

use serde_json::json;

use super::change::Failure;
use super::kept::{self, Kept, Last, Phase, What};
use super::{Error, Isolation};
use crate::runner::chain;
use crate::{facts, ready};

/// For the self-test that an earlier run of the agent owes.
const SAME_BOOT: Duration = Duration::from_secs(10);
/// The same after a reboot, when the network is still coming up.
const NEXT_BOOT: Duration = Duration::from_secs(90);

impl Isolation {
    /// Puts the rules back where the state says that the endpoint is isolated. An isolation that was never
    /// confirmed is tested now, and taken back if the server does not answer.
    pub async fn recover(&self) -> Result<(), Error> {
        let mut live = self.0.live.lock().await;
        let Some(kept) = kept::load(&self.0.state)? else { return Ok(()) };
        self.set(&mut live, Some(kept.clone()))?;
        if let Some(Last { order_id, what: What::Reverted { code, message } }) = kept::last(&self.0.state)?
            && order_id == kept.order_id
        {
            // The agent died while it took this one back.
            let failure = Failure { code, message, outcome: None, untried: false };
            self.give_up(&mut live, kept, failure).await;
            return Ok(());
        }
        let installed = self.install(&mut live, &kept.plan).await;
        // The network may come up from here on; a self-test needs it.
        ready::tell();
        match (kept.phase, installed) {
            (Phase::Confirmed, Ok(_)) => {
                tracing::info!(order.id = kept.order_id, "isolation put back");
                Ok(())
            }
            (Phase::Confirmed, Err(error)) => {
                // The state stays: the guard tries again, and the server is told.
                let detail = json!({ "order_id": kept.order_id, "problem": chain(&error) });
                self.0.outbox.event("isolation_broken", &detail);
                Ok(())
            }
            (Phase::Testing, Err(error)) => {
                let failure = Failure::from(error);
                self.give_up(&mut live, kept, failure).await;
                Ok(())
            }
            (Phase::Testing, Ok(_)) => {
                let limit = if kept.boot_id == facts::boot_id() { SAME_BOOT } else { NEXT_BOOT };
                match self.self_test(limit).await {
                    Ok(()) => {
                        let confirmed = Kept { phase: Phase::Confirmed, previous: None, ..kept };
                        self.set(&mut live, Some(confirmed))
                    }
                    Err(why) => {
                        let message = format!(
                            "the server could not be reached after the cut, so it was taken back: {why}"
                        );
                        let failure =
                            Failure { code: "channel_lost".into(), message, outcome: None, untried: false };
                        self.give_up(&mut live, kept, failure).await;
                        Ok(())
                    }
                }
            }
        }
    }

    async fn give_up(&self, live: &mut super::Live, kept: Kept, failure: Failure) {
        let order_id = kept.order_id.clone();
        let failure = self.revert(live, kept, failure).await;
        let detail = json!({ "order_id": order_id, "code": failure.code, "message": failure.message });
        // The one that it replaced may stand again.
        let kind = if live.kept.is_none() { "isolation_reverted" } else { "isolation_change_reverted" };
        self.0.outbox.event(kind, &detail);
    }
}
