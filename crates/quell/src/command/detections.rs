//! `quell detections`: what agents detected and what other products told.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::Context;
use crate::client::segment;
use crate::command::incidents::{offers, pairs};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, text};

const COLUMNS: &[Column] = &[
    Column { heading: "AT", cell: |row| moment::of(row, "/at") },
    Column { heading: "SEVERITY", cell: |row| field(row, "/severity") },
    Column { heading: "VERDICT", cell: |row| field(row, "/verdict") },
    Column { heading: "SOURCE", cell: |row| field(row, "/source") },
    Column { heading: "ENDPOINT", cell: place },
    Column { heading: "TITLE", cell: |row| field(row, "/title") },
    Column { heading: "INCIDENT", cell: |row| field(row, "/incident/number") },
    Column { heading: "ID", cell: |row| field(row, "/id") },
];

/// What to do with detections.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was detected, latest first
    List(Box<List>),
    /// Show a detection, and what may be done about it
    Show(One),
}

/// Which detections.
#[derive(Debug, Args)]
pub struct List {
    /// Of this incident: its number or id, `any` or `none`
    #[arg(long)]
    incident: Option<String>,
    /// On this endpoint
    #[arg(long, short, value_name = "NAME|ID")]
    endpoint: Option<String>,
    /// `endpoint` for what agents detected, `product` for what other products told
    #[arg(long)]
    origin: Option<String>,
    /// Of any of these sources, with commas between: behaviour, yara, falco …
    #[arg(long)]
    source: Option<String>,
    /// Of any of these severities, with commas between
    #[arg(long)]
    severity: Option<String>,
    /// With any of these verdicts, with commas between: detected, prevented, `not_prevented`
    #[arg(long)]
    verdict: Option<String>,
    /// Naming this technique of ATT&CK, or a part of it
    #[arg(long, value_name = "ID")]
    technique: Option<String>,
    /// With this text in title, rule, endpoint, path, hash, user, command line or note
    #[arg(long)]
    text: Option<String>,
    /// At this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// `at`, `severity` or `received`, downwards with a `-` before it
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One detection.
#[derive(Debug, Args)]
pub struct One {
    /// Id of the detection
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List(list) => {
            let query = list.query();
            let items = client.list("/api/v1/detections", &query, list.limit).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Show(one) => {
            let found = client.get(&format!("/api/v1/detections/{}", segment(&one.id)), &[]).await?;
            output::one(context.format, &found, page)
        }
    }
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        pairs([
            ("incident", &self.incident),
            ("endpoint", &self.endpoint),
            ("origin", &self.origin),
            ("source", &self.source),
            ("severity", &self.severity),
            ("verdict", &self.verdict),
            ("technique", &self.technique),
            ("text", &self.text),
            ("since", &self.since),
            ("until", &self.until),
            ("sort", &self.sort),
        ])
    }
}

/// Where it happened: the endpoint's name, else what the product says.
fn place(row: &Value) -> String {
    let name = field(row, "/endpoint/name");
    if name.is_empty() { field(row, "/endpoint_hint") } else { name }
}

fn page(found: &Value) -> String {
    let mut lines = Vec::new();
    for (name, pointer) in [
        ("title", "/title"),
        ("severity", "/severity"),
        ("verdict", "/verdict"),
        ("source", "/source"),
        ("rule", "/rule"),
        ("techniques", "/techniques"),
        ("user", "/user"),
        ("path", "/path"),
        ("sha256", "/sha256"),
        ("note", "/note"),
        ("incident", "/incident/number"),
        ("joined since", "/joined"),
        ("what happened", "/key_activity/summary"),
        ("command line", "/process/image/command_line"),
        ("id", "/id"),
    ] {
        let value = field(found, pointer);
        if !value.is_empty() {
            lines.push(format!("{name:<14} {}", text::visible(&value)));
        }
    }
    lines.insert(1, format!("{:<14} {}", "endpoint", text::visible(&place(found))));
    lines.insert(1, format!("{:<14} {}", "at", moment::of(found, "/at")));
    if let Some(record) = found.get("record").filter(|record| !record.is_null()) {
        lines.push(text::plain_json(&serde_json::to_string_pretty(record).unwrap_or_default()));
    }
    let mut offered = found.pointer("/offers/items").map(offers).unwrap_or_default();
    let nothing = field(found, "/offers/nothing/text");
    if !nothing.is_empty() {
        offered.push(format!("nothing is offered: {}", text::visible(&nothing)));
    }
    let asked = field(found, "/can_ask_chain_of/name");
    if !asked.is_empty() {
        offered.push(format!("the agent of {} can be asked for its chain", text::visible(&asked)));
    }
    lines.extend(offered);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_detection_says_what_may_be_done_and_what_not() {
        let found = json!({
            "title": "A shell\u{1b}[2J", "severity": "high", "verdict": null, "source": "falco", "at": "2026-11-23T08:00:00Z",
            "endpoint": null, "endpoint_hint": "web-9", "offers": { "items": [], "nothing": { "text": "no chain was built" } },
            "can_ask_chain_of": { "name": "web-1" }, "techniques": ["T1059"],
        });
        let page = page(&found);
        assert!(!page.contains('\u{1b}'), "{page}");
        for part in ["web-9", "T1059", "nothing is offered: no chain was built", "web-1 can be asked"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
