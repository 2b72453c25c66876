//! New requests as they come, and how they end. The list is asked again and again: nothing rests on news that may get
//! lost.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{PATH, fetch, must_agree, page};
use crate::cli::Context;
use crate::client::Client;
use crate::duration;
use crate::failure::{Failure, WAIT_OVER};
use crate::output::table::field;
use crate::output::{Format, say_json, terminal, text};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Requests that are followed.
const MOST: usize = 1000;

/// How long to watch.
#[derive(Debug, Args)]
pub struct Watch {
    /// The longest to watch
    #[arg(long, value_name = "SPAN", value_parser = duration::parse, default_value = "1d")]
    wait_timeout: Duration,
}

impl Watch {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let end = Instant::now() + self.wait_timeout;
        // The first look is where a person who may not look is told so.
        let mut known = look(&client).await?;
        for request in known.values() {
            tell(request, context.format)?;
        }
        if known.is_empty() {
            terminal::remark("nothing waits; new requests show here");
        }
        while Instant::now() < end {
            sleep(PAUSE.min(end.saturating_duration_since(Instant::now()))).await;
            let now = match look(&client).await {
                Ok(now) => now,
                // No answer may become one; a refusal does not.
                Err(failure) if failure.advice.code.is_some() => return Err(failure),
                Err(_) => continue,
            };
            let is_new = now.keys().any(|task| !known.contains_key(task));
            for (task, request) in &now {
                if known.get(task) != Some(request) {
                    tell(request, context.format)?;
                }
            }
            for task in known.keys().filter(|task| !now.contains_key(*task)) {
                tell(&fetch(&client, task).await?, context.format)?;
            }
            if is_new {
                terminal::ring();
            }
            known = now;
        }
        Err(Failure { exit: WAIT_OVER, ..Failure::new("the wait is over") })
    }
}

/// What waits now, by task: in the order in which it was asked for.
async fn look(client: &Client) -> Result<BTreeMap<String, Value>, Failure> {
    let items = client.list(PATH, &[("state", "pending".to_owned())], MOST).await?;
    Ok(items.into_iter().map(|item| (field(&item, "/task"), item)).collect())
}

fn tell(request: &Value, format: Format) -> Result<(), Failure> {
    if format.is_for_people() { terminal::say(&line(request)) } else { say_json(request, false) }
}

/// A request in one line.
fn line(request: &Value) -> String {
    let safe = |pointer: &str| text::visible(&field(request, pointer)).into_owned();
    let deed = format!("{} by {}", page::deed(request), safe("/requester"));
    let state = safe("/state");
    if state == "pending" {
        let agree = must_agree(request);
        return format!(
            "{state:<9} {deed}: {}\n          must agree: {agree}    quell approvals approve {}",
            safe("/reason"),
            safe("/task")
        );
    }
    match super::decisions(request).last() {
        Some(last) => format!("{state:<9} {deed}: {last}"),
        None => format!("{state:<9} {deed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn news_stand_on_lines_of_their_own() {
        let mut request = super::super::example();
        let first = line(&request);
        request["state"] = json!("approved");
        let said = format!("{first}\n{}", line(&request));
        insta::assert_snapshot!(said);
        assert_eq!(said.lines().count(), 3);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    }
}
