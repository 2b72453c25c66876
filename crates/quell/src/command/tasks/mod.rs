//! `quell tasks`: what was requested, how it ended and what proves it.

pub mod people;
mod rows;
mod show;
mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use self::show::show_ended;
use crate::act::WAIT;
use crate::cli::Context;
use crate::client::Client;
use crate::client::confirm::Source;
use crate::duration;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};
use crate::wait;

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "CREATED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "ACTION", cell: |row| field(row, "/action") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column {
        heading: "DONE",
        cell: |row| format!("{}/{}", field(row, "/succeeded_count"), field(row, "/target_count")),
    },
    Column { heading: "BY", cell: |row| field(row, "/requester/name") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
];

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List tasks, newest first
    List(List),
    /// Show a task with its commands and their evidence
    Show(One),
    /// Call a task off; what was done already is said, not undone
    Cancel(One),
    /// Request what takes a task back
    Undo(Undo),
    /// Follow a task to its end
    Watch(Watch),
    /// Show what a task found: rows of queries, matches of rules, processes, of all its endpoints
    Rows(rows::Rows),
}

/// Which tasks.
#[derive(Debug, Args)]
pub struct List {
    /// In this state
    #[arg(long)]
    state: Option<String>,
    /// Of this action, for example `endpoint.isolate`
    #[arg(long, value_name = "ID")]
    action: Option<String>,
    /// On this endpoint
    #[arg(long, short, value_name = "NAME|ID")]
    endpoint: Option<String>,
    /// Asked for by the requester of this id
    #[arg(long, value_name = "ID")]
    requester: Option<String>,
    /// Made at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Made before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// With this text in reason, requester or parameters
    #[arg(long)]
    text: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One task.
#[derive(Debug, Args)]
pub struct One {
    /// Id of the task
    task: String,
}

/// Which task to take back.
#[derive(Debug, Args)]
pub struct Undo {
    /// Id of the task
    task: String,
    /// Why; stands in the audit log
    #[arg(long, short)]
    reason: String,
    /// Wait for the end and show the evidence
    #[arg(long, short)]
    wait: bool,
    /// The longest that --wait waits; the task goes on
    #[arg(long, value_name = "SPAN", value_parser = duration::parse, default_value = WAIT)]
    wait_timeout: std::time::Duration,
    #[command(flatten)]
    confirmation: Source,
}

/// Which task to follow.
#[derive(Debug, Args)]
pub struct Watch {
    /// Id of the task; news of all tasks where it is absent
    task: Option<String>,
    /// The longest to follow it; the task goes on
    #[arg(long, value_name = "SPAN", value_parser = duration::parse, default_value = "1d")]
    wait_timeout: std::time::Duration,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Show(one) => {
            let client = context.client()?;
            let task = client.get(&path(&one.task, ""), &[]).await?;
            show::show(context, &client, &task).await
        }
        Command::Cancel(one) => cancel(&one.task, context).await,
        Command::Undo(undo) => undo.run(context).await,
        Command::Rows(rows) => rows.run(context).await,
        Command::Watch(watch) => watch::run(watch.task, watch.wait_timeout, context).await,
    }
}

/// The address of a task; an id cannot lead elsewhere.
fn path(id: &str, rest: &str) -> String {
    format!("/api/v1/tasks/{}{rest}", crate::client::segment(id))
}

impl List {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let filters = [
            ("state", &self.state),
            ("action", &self.action),
            ("endpoint", &self.endpoint),
            ("requester", &self.requester),
            ("since", &self.since),
            ("until", &self.until),
            ("text", &self.text),
        ];
        let query: Vec<(&str, String)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let items = context.client()?.list("/api/v1/tasks", &query, self.limit).await?;
        output::list(context.format, &items, COLUMNS)
    }
}

async fn cancel(id: &str, context: &Context) -> Result<(), Failure> {
    let doing = format!("canceling task {id}");
    let done = context
        .client()?
        .post(&path(id, "/cancel"), &json!({}), None)
        .await
        .map_err(|failure| failure.during(&doing))?;
    output::one(context.format, &done, |done| {
        let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or(0);
        format!(
            "{} commands that waited have ended; {} that run are asked to stop, and their outcomes say what was done",
            count("ended"),
            count("asked")
        )
    })
}

impl Undo {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let doing = format!("undoing task {}", self.task);
        let client = context.client()?;
        let body = json!({"reason": self.reason});
        let task = client
            .post_confirmed(&path(&self.task, "/undo"), &body, None, self.confirmation)
            .await
            .map_err(|failure| failure.during(&doing))?;
        let id = field(&task, "/id");
        if !self.wait {
            return show_accepted(context, &client, &task).await;
        }
        passed_over(&task).iter().try_for_each(|line| terminal::complain(line)).ok();
        terminal::remark(&format!("task {}", text::visible(&id)));
        let task = wait::until_ended(&client, &id, self.wait_timeout, context.format).await?;
        show_ended(context, &client, &task).await
    }
}

/// The endpoints on which an undo leaves something, and why; a line each.
fn passed_over(task: &Value) -> Vec<String> {
    let left = task.get("passed_over").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let line = |target: &Value| {
        let (endpoint, why) = (field(target, "/endpoint"), field(target, "/message"));
        format!("warning: {} stays as it is: {}", text::visible(&endpoint), text::visible(&why))
    };
    left.iter().map(line).collect()
}

/// Shows a task that was just accepted, and whom it waits for.
pub async fn show_accepted(context: &Context, client: &Client, task: &Value) -> Result<(), Failure> {
    let request = if context.format.is_for_people() { people::request(client, task).await } else { None };
    output::one(context.format, task, |task| accepted(task, request.as_ref()))
}

fn accepted(task: &Value, request: Option<&Value>) -> String {
    let mut lines = passed_over(task);
    if people::waits(task) {
        lines.push(people::waiting(task, request));
        return lines.join("\n");
    }
    lines.extend(request.and_then(|request| people::outcome(task, request)));
    let id = field(task, "/id");
    let (id, state) = (text::visible(&id), field(task, "/state"));
    let state = text::visible(&state);
    lines.push(format!("task {id} {state}\nquell tasks show {id}    quell tasks cancel {id}"));
    lines.join("\n")
}
