//! The block list's doorbell, and what the agent says of the list that it enforces.

use std::sync::atomic::Ordering;

use quell_store::blocklist::Report;
use quell_wire::frame::{BlockListState, FromServer};

use super::link::Gone;
use super::{Flow, Session};

impl Session {
    /// Tells the newest version, to an agent that takes lists.
    pub(super) async fn send_block_list(&mut self) -> Result<(), Gone> {
        if !self.seat.handle().takes_block_list() {
            return Ok(());
        }
        let held = self.shared.block_lists.newest(self.tenant());
        self.link.say(FromServer::BlockList(held)).await
    }

    /// Keeps what the agent says. It may say less than before: it lost its list.
    pub(super) async fn block_list_state(&mut self, state: BlockListState) -> Flow {
        if !self.seat.handle().takes_block_list() {
            return self.strike("it said that it takes no block list").await;
        }
        let kinds = serde_json::from_slice::<serde_json::Value>(&state.kinds)
            .ok()
            .filter(serde_json::Value::is_array);
        let version = state.held.map_or(0, |held| held.version);
        let (Ok(version), Some(kinds)) = (i64::try_from(version), kinds) else {
            return self.strike("what it says of its block list is malformed").await;
        };
        self.seat.handle().block_list.store(version, Ordering::Relaxed);
        let report = Report {
            endpoint_id: self.endpoint(),
            version,
            applied_at: state.applied_at_us,
            reported_at: self.shared.now_us(),
            kinds: kinds.to_string(),
        };
        self.shared.block_lists.note(self.tenant(), report);
        Flow::Continue
    }
}
