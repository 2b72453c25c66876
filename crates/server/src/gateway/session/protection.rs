//! The protection document on its way to an agent, and what the agent says of its recorder.

use std::sync::atomic::Ordering;

use quell_store::protection::Recorder;
use quell_wire::frame::{FromServer, RecorderState};

use super::link::Gone;
use super::{Flow, Session};

impl Session {
    /// The agent takes documents, and holds this version.
    pub(super) async fn begin_protection(&mut self, held: u64) -> Result<(), Gone> {
        self.seat.handle().protects.store(true, Ordering::Relaxed);
        // Looked at only now: what is published from here on rings.
        match self.shared.protections.newest(self.tenant()) {
            Some(newest) if newest.version.unsigned_abs() > held => {
                self.link.say(FromServer::Protection(newest.signed.clone())).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Hands the newest document over, to an agent that takes documents.
    pub(super) async fn send_protection(&mut self) -> Result<(), Gone> {
        if !self.seat.handle().takes_protection() {
            return Ok(());
        }
        match self.shared.protections.newest(self.tenant()) {
            Some(newest) => self.link.say(FromServer::Protection(newest.signed.clone())).await,
            None => Ok(()),
        }
    }

    /// Keeps what the agent says.
    pub(super) async fn recorder_state(&mut self, state: RecorderState) -> Flow {
        if !self.seat.handle().takes_protection() {
            return self.strike("it said that it takes no protection").await;
        }
        let detail = serde_json::from_slice::<serde_json::Value>(&state.detail)
            .ok()
            .filter(serde_json::Value::is_object);
        let (Ok(protection), Some(detail)) = (i64::try_from(state.protection), detail) else {
            return self.strike("what it says of its recorder is malformed").await;
        };
        let report = Recorder {
            endpoint_id: self.endpoint(),
            protection,
            told_at: state.at_us,
            reported_at: self.shared.now_us(),
            detail: detail.to_string(),
        };
        self.shared.protections.note(self.tenant(), report);
        Flow::Continue
    }
}
