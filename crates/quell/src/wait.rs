//! Waiting for a task: the database is asked again and again, at a pace that slows down; nothing rests on a message
//! that may get lost.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::{Client, segment};
use crate::command::tasks::people::{self, Voice};
use crate::failure::{Failure, WAIT_OVER};
use crate::output::table::field;
use crate::output::{Format, progress, terminal, text};

const FIRST: Duration = Duration::from_millis(40);
const SLOWEST: Duration = Duration::from_secs(1);

/// Whether a task in this state may still change.
pub fn is_open(state: &str) -> bool {
    matches!(state, "pending_approval" | "queued" | "running")
}

/// The task once it has ended. After `limit` a failure with its own exit status; the task goes on. Where it waits for
/// people, that is told beside the result, and how they decided.
pub async fn until_ended(
    client: &Client,
    id: &str,
    limit: Duration,
    format: Format,
) -> Result<Value, Failure> {
    let end = Instant::now() + limit;
    let path = format!("/api/v1/tasks/{}", segment(id));
    let mut pause = FIRST;
    let mut bar = None;
    let mut voice = Voice::default();
    loop {
        let task = client.get(&path, &[]).await?;
        let state = field(&task, "/state");
        if let Some(news) = voice.hear(client, &task).await {
            match &bar {
                None => tell(&news, format),
                Some(bar) => indicatif::ProgressBar::suspend(bar, || tell(&news, format)),
            }
        }
        if !is_open(&state) {
            return Ok(task);
        }
        let total = task.get("target_count").and_then(Value::as_u64).unwrap_or(1);
        let open = task.get("open_count").and_then(Value::as_u64).unwrap_or(total);
        let bar = bar.get_or_insert_with(|| progress::commands(total));
        bar.set_position(total.saturating_sub(open));
        bar.set_message(format!("{} {}", field(&task, "/action"), text::visible(&state)));
        if Instant::now() >= end {
            let state = if people::waits(&task) { "waiting for people".to_owned() } else { state };
            let mut failure =
                Failure::new(format!("task {id} is still {state} after {}", crate::duration::words(limit)))
                    .hint(format!("it goes on: quell tasks watch {id}"));
            failure.exit = WAIT_OVER;
            return Err(failure);
        }
        sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
        pause = (pause * 3 / 2).min(SLOWEST);
    }
}

/// Programs that read the result as JSON may read the other stream as well.
fn tell(news: &str, format: Format) {
    if format.is_for_people() {
        // News that nobody can read are no loss; the end of the task is told again.
        let _ = terminal::complain(news);
    } else {
        terminal::remark(news);
    }
}
