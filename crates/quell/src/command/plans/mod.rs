//! `quell plans`: ordered actions under one approval, and what would stop an incident.

mod cut;
mod page;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::page::page;
use crate::cli::Context;
use crate::client::confirm::Source;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal};

/// Where response plans are.
const PATH: &str = "/api/v1/response-plans";

const COLUMNS: &[Column] = &[
    Column { heading: "PLAN", cell: |row| field(row, "/id") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "STEPS", cell: page::steps },
    Column { heading: "BY", cell: |row| field(row, "/requester/name") },
    Column { heading: "ASKED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "ENDED", cell: |row| moment::of(row, "/ended_at") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
];

/// What to do with response plans.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List plans, newest first
    List(List),
    /// Show a plan: its steps in their order, and how each stands
    Show(One),
    /// Show what would stop an incident: the actions in their order, each with its reason
    Propose(cut::Propose),
    /// Ask for what stops an incident, as one plan
    Cut(cut::Cut),
    /// Read a whole plan, and agree to it
    Approve(Decide),
    /// Read a whole plan, and decline it
    Reject(Decide),
    /// Call off every step that has not ended
    Cancel(One),
    /// Take back every step that has a way back, last step first
    Undo(Undo),
}

/// Which plans.
#[derive(Debug, Args)]
pub struct List {
    /// That answer the incident of this id
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One plan.
#[derive(Debug, Args)]
pub struct One {
    /// Id of the plan
    plan: String,
}

/// A decision about a plan.
#[derive(Debug, Args)]
pub struct Decide {
    /// Id of the plan
    plan: String,
    /// Why; those who asked read it
    #[arg(long, default_value = "")]
    note: String,
    /// Decide without being asked once more
    #[arg(long)]
    yes: bool,
}

/// A plan to take back.
#[derive(Debug, Args)]
pub struct Undo {
    /// Id of the plan
    plan: String,
    /// Why; it stays in the audit trail
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    confirm: Source,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Show(one) => show(context, &fetch(&context.client()?, &one.plan).await?),
        Command::Propose(propose) => propose.run(context).await,
        Command::Cut(cut) => cut.run(context).await,
        Command::Approve(decide) => decide.run(context, "approve").await,
        Command::Reject(decide) => decide.run(context, "reject").await,
        Command::Cancel(one) => {
            let answer = context.client()?.post(&path(&one.plan, "/cancel"), &json!({}), None).await;
            show(context, &answer.map_err(|failure| failure.during("calling the plan off"))?)
        }
        Command::Undo(undo) => undo.run(context).await,
    }
}

/// The address of a plan; an id cannot lead elsewhere.
fn path(plan: &str, rest: &str) -> String {
    format!("{PATH}/{}{rest}", segment(plan))
}

async fn fetch(client: &Client, plan: &str) -> Result<Value, Failure> {
    client.get(&path(plan, ""), &[]).await
}

fn show(context: &Context, plan: &Value) -> Result<(), Failure> {
    output::one(context.format, plan, |plan| page(plan, terminal::coloured()))
}

impl List {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let query: Vec<_> = self.incident.iter().map(|id| ("incident", id.clone())).collect();
        let items = context.client()?.list(PATH, &query, self.limit).await?;
        output::list(context.format, &items, COLUMNS)
    }
}

impl Decide {
    async fn run(&self, context: &Context, word: &'static str) -> Result<(), Failure> {
        let client = context.client()?;
        let plan = fetch(&client, &self.plan).await?;
        terminal::complain(&page(&plan, false))?;
        if !self.yes {
            let question = if word == "approve" { "Approve this plan?" } else { "Reject this plan?" };
            terminal::confirm(question, "read the plan above, then give --yes")?;
        }
        // What was shown is what is decided about.
        let body = json!({ "digest": plan["digest"], "note": self.note });
        let answer = client.post(&path(&self.plan, &format!("/{word}")), &body, None).await;
        let doing = if word == "approve" { "approving" } else { "rejecting" };
        show(context, &answer.map_err(|failure| failure.during(doing))?)
    }
}

impl Undo {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let body = json!({ "reason": self.reason });
        let client = context.client()?;
        let answer = client.post_confirmed(&path(&self.plan, "/undo"), &body, None, self.confirm).await;
        show(context, &answer.map_err(|failure| failure.during("taking the plan back"))?)
    }
}
