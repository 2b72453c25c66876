//! A shell that the agent's restart ended.

use std::time::Duration;

use quell_catalog::endpoint::remote_shell::Ended as Why;
use quell_wire::shell::{Begin, Ended, FromAgent, FromServer, Recorded};
use tokio::sync::mpsc;

use super::line::{self, Heard};
use crate::transfer::Gateway;

/// After a restart of the agent there is no terminal any more; the server is told so, and says what it recorded.
pub(crate) async fn bury(
    gateway: Gateway,
    order_id: String,
    began_us: i64,
    away: Duration,
) -> Option<Recorded> {
    let (sender, mut heard) = mpsc::channel(16);
    let line = tokio::spawn(line::keep(gateway, order_id, sender));
    let told = async {
        while let Some(heard) = heard.recv().await {
            match heard {
                Heard::Up(frames) => {
                    let (program, user) = (String::new(), String::new());
                    let (output_from, input_taken, size) = (0, 0, None);
                    let begin =
                        Begin { program, user, began_us, output_from, input_taken, size, is_over: true };
                    let reason = Why::AgentStopped.as_str().to_owned();
                    let ended = Ended { reason, exit_code: None, signal: None, by: String::new() };
                    let _ = frames.send(FromAgent::Begin(begin)).await;
                    let _ = frames.send(FromAgent::Ended(ended)).await;
                    // Dropped when the line breaks; until then it is held by a task that waits for that.
                    tokio::spawn(async move { frames.closed().await });
                }
                Heard::Frame(FromServer::Recorded(recorded)) => return Some(recorded),
                Heard::Frame(_) | Heard::Down => {}
                Heard::Refused(_) => return None,
            }
        }
        None
    };
    let recorded = tokio::time::timeout(away, told).await.ok().flatten();
    line.abort();
    recorded
}
