//! `quell incidents respond`: ask for what an incident, or one of its activity events, offers.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::path;
use crate::act::WAIT;
use crate::cli::Context;
use crate::client::Client;
use crate::client::confirm::Source;
use crate::command::tasks;
use crate::duration;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{terminal, text};
use crate::wait;

/// What is asked for.
#[derive(Debug, Args)]
pub struct Respond {
    /// Number or id of the incident
    incident: String,
    /// Id of the action, such as `file.quarantine`
    action: String,
    /// The activity event whose object is acted on: id of the chain, a slash, id of the event, as `show` prints it
    #[arg(long, value_name = "CHAIN/EVENT", conflicts_with_all = ["detection", "endpoint"])]
    event: Option<String>,
    /// The detection whose object is acted on
    #[arg(long, value_name = "ID", conflicts_with = "endpoint")]
    detection: Option<String>,
    /// The endpoint, by id, where the incident has several and neither event nor detection is named
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// What a person chooses: NAME=VALUE, several times for several. A value is JSON where it reads as such, else text
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Why; people read it
    #[arg(long, short)]
    reason: String,
    /// Undo it by itself this long after it took effect
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    revert_after: Option<Duration>,
    /// Wait for the end and show the evidence
    #[arg(long, short)]
    wait: bool,
    /// The longest that --wait waits; the task goes on
    #[arg(long, value_name = "SPAN", value_parser = duration::parse, default_value = WAIT)]
    wait_timeout: Duration,
    #[command(flatten)]
    confirmation: Source,
}

impl Respond {
    /// Asks for it; shows the task, or with `--wait` its end.
    pub async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let doing = format!("asking for {} from incident {}", self.action, self.incident);
        let body = self.body().map_err(|failure| failure.during(&doing))?;
        let key = uuid::Uuid::new_v4().to_string();
        let task = client
            .post_confirmed(&path(&self.incident, "/respond"), &body, Some(&key), self.confirmation)
            .await
            .map_err(|failure| failure.during(&doing))?;
        if !self.wait {
            return tasks::show_accepted(context, client, &task).await;
        }
        let id = field(&task, "/id");
        terminal::remark(&format!("task {}", text::visible(&id)));
        let task = wait::until_ended(client, &id, self.wait_timeout, context.format).await?;
        tasks::show_ended(context, client, &task).await
    }

    fn body(&self) -> Result<Value, Failure> {
        let mut body = json!({ "action": self.action, "params": params(&self.set)?, "reason": self.reason });
        if let Some(event) = &self.event {
            let (chain, activity) = event
                .split_once('/')
                .and_then(|(chain, activity)| Some((chain, activity.parse::<i64>().ok()?)))
                .ok_or_else(|| {
                    Failure::new("--event: must be the id of a chain, a slash, and the id of an event")
                        .hint("quell incidents show prints them at the end of each event")
                })?;
            body["chain"] = json!(chain);
            body["activity"] = json!(activity);
        }
        for (name, value) in [("detection", &self.detection), ("endpoint", &self.endpoint)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        if let Some(span) = self.revert_after {
            body["revert_after_seconds"] = json!(span.as_secs());
        }
        Ok(body)
    }
}

fn params(set: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut params = Map::new();
    for given in set {
        let (name, value) = given
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::new(format!("--set: `{given}` is not NAME=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        params.insert(name.to_owned(), value);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_json_where_it_reads_as_such() {
        let set =
            ["descendants=true", "path=/usr/bin/id", "arguments=[\"-u\"]", "note=a=b"].map(str::to_owned);
        let expected =
            json!({ "descendants": true, "path": "/usr/bin/id", "arguments": ["-u"], "note": "a=b" });
        assert_eq!(params(&set).map(Value::Object).ok(), Some(expected));
        assert!(params(&["x".to_owned()]).is_err() && params(&["=x".to_owned()]).is_err());
    }
}
