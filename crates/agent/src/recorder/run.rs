//! Beginning, going on and ending: as protection says, and again after something failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::alarm::Pause;
use super::flight::Input;
use super::judge::Prevents;
use super::settings::{Current, effective};
use super::{Recorder, scope};
use crate::runner::chain;

/// Between two words to the server about how the recorder does, where nothing happened to it.
const TOLD: Duration = Duration::from_mins(5);

impl Recorder {
    /// Records as far as protection says so, until the agent stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if let Err(why) = scope::is_wanted(&self.0.state) {
            self.stands().why = Some(why);
            self.report();
            return;
        }
        let mut protection = self.0.protection.current();
        let (mut pause, mut has_fallen) = (Pause::default(), false);
        loop {
            let current = effective(protection.borrow_and_update().clone());
            // What fell may fall again at once: it rests first.
            let is_settled = !has_fallen && self.settle(current).await;
            self.report();
            let rest = (!is_settled).then(|| pause.next(Instant::now()));
            let (again, fallen) = tokio::select! {
                changed = protection.changed() => (changed.is_ok(), Vec::new()),
                () = self.report_now_and_then() => (false, Vec::new()),
                () = passed(rest) => (true, Vec::new()),
                fallen = self.fallen() => (true, fallen),
                _ = stop.wait_for(|stop| *stop) => (false, Vec::new()),
            };
            has_fallen = !fallen.is_empty();
            if has_fallen {
                self.take_down(&fallen).await;
            }
            if !again {
                break;
            }
        }
        self.end().await;
    }

    /// Waits until a thread of what runs falls.
    async fn fallen(&self) -> Vec<&'static str> {
        let alarm = self.stands().engine.as_ref().map(|engine| engine.alarm.clone());
        match alarm {
            Some(alarm) => alarm.rung().await,
            None => std::future::pending().await,
        }
    }

    /// Ends what is left of it, and counts what it had been given.
    async fn take_down(&self, fallen: &[&str]) {
        self.stands().falls += 1;
        self.end().await;
        self.failed(format!("its thread `{}` fell; why is in the agent's log", fallen.join("`, `")));
    }

    /// Nothing is recorded, for now.
    fn failed(&self, why: String) {
        tracing::error!(why, "activity is not recorded");
        let mut stands = self.stands();
        // Each try may fail alike.
        if stands.why.as_ref() != Some(&why) {
            self.0.outbox.event("recorder_failed", &serde_json::json!({ "problem": why }));
            stands.why = Some(why);
        }
    }

    async fn report_now_and_then(&self) {
        loop {
            tokio::time::sleep(TOLD).await;
            self.report();
        }
    }

    /// How it does, for the server.
    fn report(&self) {
        self.0.protection.tell(self.described());
    }

    /// Whether what is to run does.
    async fn settle(&self, current: Arc<Current>) -> bool {
        if !current.document.record {
            self.end().await;
            self.0.hand.renew(Prevents::default());
            self.stands().why = Some("the tenant's protection says so".to_owned());
            return true;
        }
        if let Some(engine) = &self.stands().engine {
            engine.door.tell(Input::Current(current));
            return true;
        }
        let recorder = self.clone();
        let begun = tokio::task::spawn_blocking(move || recorder.begin(current)).await;
        match begun {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => self.failed(chain(&error)),
            Err(_) => self.failed("the work was interrupted".to_owned()),
        }
        false
    }

    /// Ends what runs; what was recorded is on the disk then.
    async fn end(&self) {
        let Some(mut engine) = self.stands().engine.take() else { return };
        let ended = tokio::task::spawn_blocking(move || {
            // First the sources, whose last events still come in.
            drop(engine.sources.take());
            engine.door.tell(Input::Stop);
            let _ = engine.flight.join();
            // It says so itself where it ends well.
            engine.disk.stop();
            let _ = engine.writer.join();
            // What is left has nobody who takes it.
            (engine.door.waiting() + engine.disk.waiting()) as u64
        });
        let missed = ended.await.unwrap_or(0);
        let mut stands = self.stands();
        stands.missed += missed;
        stands.missed_untold += missed;
    }
}

/// Waits for so long; forever where there is nothing to wait for.
async fn passed(rest: Option<Duration>) {
    match rest {
        Some(rest) => tokio::time::sleep(rest).await,
        None => std::future::pending().await,
    }
}
