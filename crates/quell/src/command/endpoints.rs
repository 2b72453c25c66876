//! `quell endpoints`: machines with our agent, and the tokens that let new ones in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::duration;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "STATE", cell: state },
    Column { heading: "OS", cell: |row| field(row, "/os") },
    Column { heading: "AGENT", cell: |row| field(row, "/agent_version") },
    Column { heading: "LAST SEEN", cell: |row| moment::of(row, "/last_seen_at") },
    Column { heading: "TAGS", cell: |row| field(row, "/tags") },
    Column { heading: "ALARM", cell: |row| field(row, "/alarm") },
    Column { heading: "ID", cell: |row| field(row, "/id") },
];

const TOKEN_COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "USES", cell: |row| format!("{}/{}", field(row, "/uses"), field(row, "/max_uses")) },
    Column { heading: "EXPIRES", cell: |row| moment::of(row, "/expires_at") },
    Column { heading: "REVOKED", cell: |row| moment::of(row, "/revoked_at") },
    Column { heading: "BY", cell: |row| field(row, "/created_by") },
];

/// What to do with endpoints.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List endpoints
    List(List),
    /// Show all that is known of an endpoint
    Show(One),
    /// Give an endpoint the name by which people act on it; agents cannot change it
    Rename(Rename),
    /// Say that an endpoint's alarm was looked at, so that it ends
    Acknowledge(Acknowledge),
    /// End an endpoint's identity: its session ends, its certificate is void, what is queued for it is dropped
    ///
    /// An isolation stays on the machine, and no order can lift it any more: restore the endpoint first, or have the
    /// release code (quell release-code) typed in at the machine.
    Revoke(Revoke),
    /// Make a token that enrols endpoints; it is shown this once
    EnrolToken(EnrolToken),
    /// List enrolment tokens, without their text
    Tokens,
    /// Revoke an enrolment token
    RevokeToken(Token),
}

/// Which endpoints.
#[derive(Debug, Args)]
pub struct List {
    /// `active` or `revoked`
    #[arg(long)]
    state: Option<String>,
    /// Of exactly this name
    #[arg(long)]
    name: Option<String>,
    /// `linux`, `windows` or `macos`
    #[arg(long)]
    os: Option<String>,
    /// Isolated now (true) or not (false)
    #[arg(long, value_name = "true|false")]
    isolated: Option<bool>,
    /// With an alarm (true) or without (false)
    #[arg(long, value_name = "true|false")]
    alarm: Option<bool>,
    /// With an agent that is connected now (true) or not (false)
    #[arg(long, value_name = "true|false")]
    connected: Option<bool>,
    /// With this text in name, tags, host name, addresses, people logged on or system
    #[arg(long)]
    text: Option<String>,
    /// With this tag (several times for several, which it must all have)
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// `name`, `last_seen` or `enrolled`, downwards with a `-` before it
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
}

/// One endpoint.
#[derive(Debug, Args)]
pub struct One {
    /// Name or id
    endpoint: String,
}

/// Which endpoint gets which name.
#[derive(Debug, Args)]
pub struct Rename {
    /// Name or id
    endpoint: String,
    /// What it is called from now on; no other active endpoint may have it
    name: String,
}

/// Whose alarm was looked at.
#[derive(Debug, Args)]
pub struct Acknowledge {
    /// Name or id
    endpoint: String,
    /// What was found; stands in the audit log beside the alarm
    #[arg(long, short)]
    reason: String,
}

/// Whose identity ends.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Name or id
    endpoint: String,
    /// Why; stands in the audit log
    #[arg(long, short)]
    reason: String,
}

/// A token to make.
#[derive(Debug, Args)]
pub struct EnrolToken {
    /// What people call it
    #[arg(long, default_value = "command line")]
    name: String,
    /// How many endpoints it may enrol
    #[arg(long, value_name = "N", default_value_t = 1)]
    max_uses: u32,
    /// When it ends, at most 7d
    #[arg(long, value_name = "SPAN", value_parser = duration::parse, default_value = "1h")]
    expires_in: std::time::Duration,
    /// Tags of the endpoints that it enrols
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

/// One token.
#[derive(Debug, Args)]
pub struct Token {
    /// Id of the token
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List(list) => list.run(&client, context).await,
        Command::Show(one) => {
            let endpoint = find(&client, &one.endpoint).await?;
            output::one(context.format, &endpoint, page)
        }
        Command::Rename(rename) => {
            let endpoint = find(&client, &rename.endpoint).await?;
            let path = format!("/api/v1/endpoints/{}/name", segment(&field(&endpoint, "/id")));
            let answer = client.put(&path, &json!({"name": rename.name})).await;
            let answer =
                answer.map_err(|failure| failure.during(&format!("renaming {}", rename.endpoint)))?;
            output::one(context.format, &answer, |answer| {
                format!(
                    "{} is now {}",
                    text::visible(&rename.endpoint),
                    text::visible(&field(answer, "/name"))
                )
            })
        }
        Command::Acknowledge(acknowledge) => acknowledge.run(&client, context).await,
        Command::Revoke(revoke) => revoke.run(&client, context).await,
        Command::EnrolToken(token) => token.run(&client, context).await,
        Command::Tokens => {
            let items = client.list("/api/v1/enrolment-tokens", &[], 1000).await?;
            output::list(context.format, &items, TOKEN_COLUMNS)
        }
        Command::RevokeToken(token) => {
            client.delete(&format!("/api/v1/enrolment-tokens/{}", segment(&token.id))).await?;
            terminal::say(&format!("token {} is revoked", text::visible(&token.id)))
        }
    }
}

fn state(row: &Value) -> String {
    let state = field(row, "/state");
    if state != "active" {
        return state;
    }
    if row.get("isolation").is_some_and(|isolation| !isolation.is_null()) {
        return "isolated".to_owned();
    }
    if row.get("connected") == Some(&Value::Bool(true)) { "online".to_owned() } else { "offline".to_owned() }
}

impl List {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let isolated = self.isolated.map(|isolated| isolated.to_string());
        let alarm = self.alarm.map(|alarm| alarm.to_string());
        let connected = self.connected.map(|connected| connected.to_string());
        let tag = (!self.tag.is_empty()).then(|| self.tag.join(","));
        let filters = [
            ("state", &self.state),
            ("name", &self.name),
            ("os", &self.os),
            ("isolated", &isolated),
            ("alarm", &alarm),
            ("connected", &connected),
            ("text", &self.text),
            ("tag", &tag),
            ("sort", &self.sort),
        ];
        let query: Vec<(&str, String)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let items = client.list("/api/v1/endpoints", &query, self.limit).await?;
        output::list(context.format, &items, COLUMNS)
    }
}

impl Acknowledge {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let endpoint = find(client, &self.endpoint).await?;
        // What is shown here is what was looked at; another alarm that comes meanwhile stays.
        let alarm = endpoint.get("alarm").cloned().unwrap_or_default();
        let path = format!("/api/v1/endpoints/{}/acknowledge", segment(&field(&endpoint, "/id")));
        let answer = client.post(&path, &json!({"reason": self.reason, "alarm": alarm}), None).await;
        let answer = answer
            .map_err(|failure| failure.during(&format!("acknowledging the alarm of {}", self.endpoint)))?;
        output::one(context.format, &answer, |_| {
            let alarm = field(&endpoint, "/alarm");
            format!("{}: acknowledged: {}", text::visible(&self.endpoint), text::visible(&alarm))
        })
    }
}

impl Revoke {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let endpoint = find(client, &self.endpoint).await?;
        let path = format!("/api/v1/endpoints/{}/revoke", segment(&field(&endpoint, "/id")));
        let answer = client.post(&path, &json!({"reason": self.reason}), None).await;
        let answer = answer.map_err(|failure| failure.during(&format!("revoking {}", self.endpoint)))?;
        output::one(context.format, &answer, |answer| revoked(&self.endpoint, answer))
    }
}

/// What to say of an endpoint that was revoked, and of the isolation that is left on it.
fn revoked(name: &str, answer: &Value) -> String {
    let mut said = format!("{} is revoked", text::visible(name));
    let command = field(answer, "/isolation/command");
    if !command.is_empty() {
        let warning = field(answer, "/isolation/warning");
        let command = text::visible(&command);
        said = format!("{said}\nwarning: {}\nquell release-code {command}", text::visible(&warning));
    }
    said
}

/// The endpoint with this id, or the one with this name.
async fn find(client: &Client, name: &str) -> Result<Value, Failure> {
    if uuid::Uuid::try_parse(name).is_ok() {
        return client.get(&format!("/api/v1/endpoints/{}", segment(name)), &[]).await;
    }
    let mut found = client.list("/api/v1/endpoints", &[("name", name.to_owned())], 2).await?;
    match (found.pop(), found.pop()) {
        (Some(endpoint), None) => Ok(endpoint),
        (Some(_), Some(_)) => Err(Failure::new(format!("several endpoints are named `{name}`"))
            .hint("quell endpoints list shows their ids")),
        (None, _) => Err(Failure::new(format!("no endpoint is named `{name}`"))
            .hint("quell endpoints list shows their names")),
    }
}

fn page(endpoint: &Value) -> String {
    let facts = endpoint.get("facts").map(|facts| serde_json::to_string_pretty(facts).unwrap_or_default());
    let moments = ["enrolled_at", "last_seen_at", "certificate_not_after"];
    let names = ["name", "id", "os", "arch", "agent_version", "tags", "capabilities", "alarm", "fingerprint"];
    let mut lines = vec![format!("{:<22} {}", "state", state(endpoint))];
    for name in names {
        lines.push(format!("{name:<22} {}", text::visible(&field(endpoint, &format!("/{name}")))));
    }
    let host_name = field(endpoint, "/facts/hostname");
    lines.push(format!("{:<22} {}", "host name, as it says", text::visible(&host_name)));
    for name in moments {
        lines.push(format!("{name:<22} {}", moment::of(endpoint, &format!("/{name}"))));
    }
    if let Some(isolation) = endpoint.get("isolation").filter(|isolation| !isolation.is_null()) {
        lines.push(format!("{:<22} {}", "isolation", text::plain_json(&isolation.to_string())));
    }
    lines.push(text::plain_json(&facts.unwrap_or_default()));
    lines.join("\n")
}

impl EnrolToken {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let body = json!({
            "name": self.name, "max_uses": self.max_uses, "expires_in_seconds": self.expires_in.as_secs(), "tags": self.tag,
        });
        let made = client.post("/api/v1/enrolment-tokens", &body, None).await;
        let made = made.map_err(|failure| failure.during("making an enrolment token"))?;
        output::one(context.format, &made, |made| text::visible(&field(made, "/text")).into_owned())?;
        let install = field(&made, "/install/curl");
        if install.is_empty() {
            terminal::remark(
                "shown this once; on the new endpoint: quell-agent enrol --server HOST:8421 --token …",
            );
        } else {
            terminal::remark(&format!(
                "shown this once; on a new Linux endpoint, as root, this installs the agent and enrols it:\n{}",
                text::visible(&install)
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isolation_that_is_left_behind_is_told_with_its_way_out() {
        assert_eq!(revoked("web-1", &json!({"voided": 0, "isolation": null})), "web-1 is revoked");
        let left = json!({"isolation": {"command": "c-7", "warning": "web-1 stays isolated\u{1b}[2J"}});
        let said = revoked("web-1", &left);
        assert!(
            said.ends_with("\nquell release-code c-7") && said.contains("warning: web-1 stays"),
            "{said}"
        );
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}
