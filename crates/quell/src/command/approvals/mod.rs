//! `quell approvals`: what waits for people, and their decisions about it.

mod decide;
mod page;
mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use self::page::{decisions, must_agree, page};
use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

/// Where requests for approval are.
const PATH: &str = "/api/v1/approvals";

const COLUMNS: &[Column] = &[
    Column { heading: "TASK", cell: |row| field(row, "/task") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "ACTION", cell: |row| field(row, "/action") },
    Column { heading: "TARGETS", cell: page::targets },
    Column { heading: "BY", cell: |row| field(row, "/requester") },
    Column { heading: "AGREED", cell: agreed },
    Column { heading: "ASKED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "UNTIL", cell: |row| moment::of(row, "/expires_at") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
];

/// What to do with requests for approval.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List requests, newest first
    List(List),
    /// Show a request: the deed, whom it would touch, who must agree, what was decided
    Show(One),
    /// Read what tasks would do, and agree to them
    Approve(decide::Approve),
    /// Read what tasks would do, and decline them
    Reject(decide::Reject),
    /// Take your own approval back; what waits does not begin, what runs is asked to stop
    Revoke(One),
    /// End an approval's validity now; what waits does not begin, what runs is asked to stop
    Expire(One),
    /// Tell of new requests as they come, and of how they end
    Watch(watch::Watch),
}

/// Which requests.
#[derive(Debug, Args)]
pub struct List {
    /// `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`
    #[arg(long)]
    state: Option<String>,
    /// Of this action, for example `process.terminate`
    #[arg(long, value_name = "ID")]
    action: Option<String>,
    /// Asked for by the requester of this id
    #[arg(long, value_name = "ID")]
    requester: Option<String>,
    /// With this text in a target's name, the reason or the requester's name
    #[arg(long)]
    text: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One request.
#[derive(Debug, Args)]
pub struct One {
    /// Id of the task
    task: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Show(one) => show(context, &fetch(&context.client()?, &one.task).await?),
        Command::Approve(approve) => approve.run(context).await,
        Command::Reject(reject) => reject.run(context).await,
        Command::Revoke(one) => withdraw(context, &one.task, "revoke").await,
        Command::Expire(one) => withdraw(context, &one.task, "expire").await,
        Command::Watch(watch) => watch.run(context).await,
    }
}

/// The request about a task.
pub async fn fetch(client: &Client, task: &str) -> Result<Value, Failure> {
    client.get(&path(task, ""), &[]).await
}

/// The address of a request; an id cannot lead elsewhere.
fn path(task: &str, rest: &str) -> String {
    format!("{PATH}/{}{rest}", segment(task))
}

fn show(context: &Context, request: &Value) -> Result<(), Failure> {
    output::one(context.format, request, |request| {
        let page = page(request, terminal::coloured());
        if field(request, "/state") != "pending" {
            return page;
        }
        let task = field(request, "/task");
        format!("{page}\nquell approvals approve {0}    quell approvals reject {0}", text::visible(&task))
    })
}

fn agreed(request: &Value) -> String {
    match request.get("quorum").and_then(Value::as_u64) {
        Some(quorum) if quorum > 0 => format!("{}/{quorum}", page::agreed(request)),
        _ => String::new(),
    }
}

async fn withdraw(context: &Context, task: &str, how: &str) -> Result<(), Failure> {
    let answer = context.client()?.post(&path(task, &format!("/{how}")), &json!({}), None).await;
    let doing = if how == "revoke" { "taking the approval back" } else { "setting the approval to expire" };
    let request = answer.map_err(|failure| failure.during(doing))?;
    show(context, &request)
}

impl List {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let filters = [
            ("state", &self.state),
            ("action", &self.action),
            ("requester", &self.requester),
            ("text", &self.text),
        ];
        let query: Vec<(&str, String)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let items = context.client()?.list(PATH, &query, self.limit).await?;
        output::list(context.format, &items, COLUMNS)
    }
}

/// A request with hostile names in every place that somebody else fills.
#[cfg(test)]
fn example() -> Value {
    json!({
        "task": "0190b0a0-0000-7000-8000-000000000001", "state": "pending", "action": "process.terminate",
        "title": "End a process", "params": {"pid": 4211, "name": "gpj.\u{202e}exe\u{1b}[2J"},
        "reason": "beacon\n  must agree nobody\u{1b}]0;x\u{7}", "requester_kind": "person", "requester_id": "0191",
        "requester": "Ops\u{200b} Team\u{1b}[1A", "task_state": "pending_approval", "digest": "ab".repeat(32), "quorum": 2,
        "roles": ["approver", "security_officer"],
        "trace": ["automatic approval is off: a person agrees", "protected: db\u{202e}1 (tag protected)"],
        "blast": {
            "targets": 23, "endpoints": [{"id": "e1", "name": "web-1\r\n"}, {"id": "e2", "name": "db\u{202e}1"}],
            "protected": [{"endpoint": "db\u{202e}1", "why": "tag protected"}], "protected_count": 3,
            "logged_on": [{"endpoint": "web-1", "users": ["ann", "root\u{1b}[31m"]}], "pending_commands": 3,
            "isolated": 1, "read_only": false, "reversible_by": null, "risk": "high",
        },
        "decisions": [
            {"person": "p1", "name": "Cara\u{9b}2J", "decision": "approve", "note": "on call\nagreed", "via": "mail",
             "decided_at": "2026-11-22T08:03:00Z", "signed": true, "revoked_at": null},
            {"person": "p2", "name": "Dan", "decision": "approve", "note": "", "via": "console",
             "decided_at": "2026-11-22T08:02:00Z", "signed": false, "revoked_at": "2026-11-22T08:02:30Z"},
        ],
        "created_at": "2026-11-22T08:01:02Z", "expires_at": "2026-11-23T08:01:02Z", "decided_at": null, "valid_until": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_listed_and_nothing_leaves_its_cell() {
        let table = output::table::render(&[example()], COLUMNS, false);
        insta::assert_snapshot!(table);
        assert!(table.chars().all(|c| c == '\n' || !c.is_control()), "{table:?}");
    }
}
