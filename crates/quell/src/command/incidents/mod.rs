//! `quell incidents`: what belongs together of what was detected, and what people do about it.

mod export;
mod page;
mod respond;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

pub use page::offers;

const COLUMNS: &[Column] = &[
    Column { heading: "NUMBER", cell: |row| field(row, "/number") },
    Column { heading: "SEVERITY", cell: |row| field(row, "/severity") },
    Column { heading: "STATE", cell: state },
    Column { heading: "LAST", cell: |row| moment::of(row, "/last_at") },
    Column { heading: "TITLE", cell: |row| field(row, "/title") },
    Column { heading: "ENDPOINTS", cell: endpoints },
    Column { heading: "TECHNIQUES", cell: |row| field(row, "/techniques") },
    Column { heading: "ASSIGNEE", cell: |row| field(row, "/assignee/name") },
];

/// What to do with incidents.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List incidents, those with the latest detection first
    List(List),
    /// Show an incident: its chain, what was detected, what may be done
    Show(Show),
    /// Say whose work an incident is
    Assign(Assign),
    /// Close an incident, and say what it turned out to be
    Close(Close),
    /// Open a closed incident again
    Reopen(One),
    /// Write about an incident, or read what was written
    Note(Note),
    /// Ask for an action that an incident offers
    Respond(respond::Respond),
    /// Write an incident out as JSON, STIX or a page to read
    Export(export::Export),
    /// Merge incidents into one
    Merge(Merge),
}

/// Which incidents.
#[derive(Debug, Args)]
pub struct List {
    /// In any of these states, with commas between: open, `in_progress`, closed
    #[arg(long, default_value = "open,in_progress")]
    state: String,
    /// Of any of these severities, with commas between
    #[arg(long)]
    severity: Option<String>,
    /// The work of this person: an id, `me` or `none`
    #[arg(long)]
    assignee: Option<String>,
    /// On this endpoint
    #[arg(long, short, value_name = "NAME|ID")]
    endpoint: Option<String>,
    /// With this technique of ATT&CK, or a part of it
    #[arg(long, value_name = "ID")]
    technique: Option<String>,
    /// With this text in title, endpoints, detections, paths, hashes or users
    #[arg(long)]
    text: Option<String>,
    /// With a detection at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// With a detection before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// `last`, `severity` or `number`, downwards with a `-` before it
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One incident.
#[derive(Debug, Args)]
pub struct One {
    /// Its number or id
    incident: String,
}

/// One incident, and how much of it.
#[derive(Debug, Args)]
pub struct Show {
    /// Its number or id
    incident: String,
    /// All activity events too, in order of time
    #[arg(long)]
    activity: bool,
}

/// Whose work it is.
#[derive(Debug, Args)]
pub struct Assign {
    /// Number or id of the incident
    incident: String,
    /// Id of the person; `me` for yourself, `none` for nobody
    #[arg(default_value = "me")]
    person: String,
}

/// What it turned out to be.
#[derive(Debug, Args)]
pub struct Close {
    /// Number or id of the incident
    incident: String,
    /// `true_positive`, `false_positive`, `benign` or `duplicate`
    #[arg(long = "as", value_name = "RESOLUTION")]
    resolution: String,
    /// Write this beside it
    #[arg(long)]
    note: Option<String>,
}

/// What is written.
#[derive(Debug, Args)]
pub struct Note {
    /// Number or id of the incident
    incident: String,
    /// The words; the notes are listed where there are none
    body: Option<String>,
}

/// Incidents that are one.
#[derive(Debug, Args)]
pub struct Merge {
    /// The incident that takes the others over: its number or id
    into: String,
    /// Those that it takes over
    #[arg(required = true)]
    incidents: Vec<String>,
    /// Why they are one; people read it
    #[arg(long, short)]
    reason: String,
}

/// The address of an incident, or of a part of it.
fn path(incident: &str, part: &str) -> String {
    format!("/api/v1/incidents/{}{part}", segment(incident))
}

/// The parameters of a query that were given.
pub fn pairs<const N: usize>(given: [(&'static str, &Option<String>); N]) -> Vec<(&'static str, String)> {
    given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List(list) => {
            let items = client.list("/api/v1/incidents", &list.query(), list.limit).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Show(show) => page::show(&client, context, &show.incident, show.activity).await,
        Command::Assign(assign) => {
            let whom = if assign.person == "none" { Value::Null } else { json!(assign.person) };
            change(&client, context, &assign.incident, json!({ "assignee": whom })).await
        }
        Command::Close(close) => {
            if let Some(note) = &close.note {
                client.post(&path(&close.incident, "/notes"), &json!({ "body": note }), None).await?;
            }
            let body = json!({ "state": "closed", "resolution": close.resolution });
            change(&client, context, &close.incident, body).await
        }
        Command::Reopen(one) => change(&client, context, &one.incident, json!({ "state": "open" })).await,
        Command::Note(note) => note.run(&client, context).await,
        Command::Respond(respond) => respond.run(&client, context).await,
        Command::Export(export) => export.run(&client).await,
        Command::Merge(merge) => {
            let Merge { into, incidents, reason } = merge;
            let body = json!({ "into": into, "incidents": incidents, "reason": reason });
            let merged = client.post("/api/v1/incidents/merge", &body, None).await?;
            output::one(context.format, &merged, page::head)
        }
    }
}

async fn change(client: &Client, context: &Context, incident: &str, body: Value) -> Result<(), Failure> {
    let changed = client.patch(&path(incident, ""), &body).await;
    let changed = changed.map_err(|failure| failure.during(&format!("changing incident {incident}")))?;
    output::one(context.format, &changed, page::head)
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        let state = Some(self.state.clone()).filter(|state| state != "all");
        pairs([
            ("state", &state),
            ("severity", &self.severity),
            ("assignee", &self.assignee),
            ("endpoint", &self.endpoint),
            ("technique", &self.technique),
            ("text", &self.text),
            ("since", &self.since),
            ("until", &self.until),
            ("sort", &self.sort),
        ])
    }
}

impl Note {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let notes = path(&self.incident, "/notes");
        let Some(body) = &self.body else {
            let items = client.list(&notes, &[], 1000).await?;
            if context.format.is_for_people() {
                return terminal::say(&page::notes(&items));
            }
            return output::list(context.format, &items, &[]);
        };
        let mut wanted = Map::new();
        wanted.insert("body".to_owned(), json!(body));
        let made = client.post(&notes, &Value::Object(wanted), None).await?;
        output::one(context.format, &made, |made| format!("note {}", text::visible(&field(made, "/id"))))
    }
}

/// How it stands, with what it turned out to be.
fn state(row: &Value) -> String {
    let (state, resolution) = (field(row, "/state"), field(row, "/resolution"));
    if resolution.is_empty() { state } else { format!("{state}: {resolution}") }
}

fn endpoints(row: &Value) -> String {
    let list = row.get("endpoints").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = list.iter().map(|endpoint| field(endpoint, "/name")).collect();
    names.join(", ")
}
