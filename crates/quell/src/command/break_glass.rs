//! `quell break-glass`: acting without those who would have to agree, for a time, in sight of everybody.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::confirm::Source;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const PATH: &str = "/api/v1/break-glass";

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "WHO", cell: |row| field(row, "/name") },
    Column { heading: "STATE", cell: state },
    Column { heading: "BEGUN", cell: |row| moment::of(row, "/begun_at") },
    Column { heading: "ENDED", cell: ended },
    Column { heading: "REVIEWED BY", cell: |row| field(row, "/reviewed_by") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
    Column { heading: "FOUND", cell: |row| field(row, "/note") },
];

/// What to do about it.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List when the glass was broken, newest first
    List,
    /// Break the glass: what you ask for from now on waits for nobody
    ///
    /// Everybody who decides here is told at once, each act is marked, and somebody else reviews it. It passes over the
    /// people whom the approval settings would ask, never over what endpoints demand by their own trust policy.
    Begin(Begin),
    /// End it before its time; your own open one where none is named
    End(End),
    /// Say what a look at what was done has found; another person than the one who did it
    Review(Review),
}

/// A glass to break.
#[derive(Debug, Args)]
pub struct Begin {
    /// Why nobody can be asked; at least 10 characters, everybody who decides here reads it
    #[arg(long, short)]
    reason: String,
    /// For how long, 1 to 240 minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
    #[command(flatten)]
    confirmation: Source,
}

/// Which to end.
#[derive(Debug, Args)]
pub struct End {
    /// Its id
    id: Option<String>,
}

/// What was found.
#[derive(Debug, Args)]
pub struct Review {
    /// Its id
    id: String,
    /// In words
    #[arg(long)]
    note: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => {
            let items = client.list(PATH, &[], 1000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Begin(begin) => {
            let body = json!({"reason": begin.reason, "minutes": begin.minutes});
            let begun = client.post_confirmed(PATH, &body, None, begin.confirmation).await;
            let begun = begun.map_err(|failure| failure.during("breaking the glass"))?;
            output::one(context.format, &begun, |begun| banner(begun, terminal::coloured()))
        }
        Command::End(end) => {
            let id = match end.id {
                Some(id) => id,
                None => own(&client).await?,
            };
            let ended = client.post(&path(&id, "end"), &json!({}), None).await;
            let ended = ended.map_err(|failure| failure.during("ending break-glass"))?;
            output::one(context.format, &ended, over)
        }
        Command::Review(review) => {
            let reviewed =
                client.post(&path(&review.id, "review"), &json!({"note": review.note}), None).await;
            let reviewed = reviewed.map_err(|failure| failure.during("reviewing break-glass"))?;
            output::one(context.format, &reviewed, |reviewed| {
                format!("the break-glass of {} is reviewed", text::visible(&field(reviewed, "/name")))
            })
        }
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("{PATH}/{}/{rest}", segment(id))
}

/// The caller's own open one.
async fn own(client: &Client) -> Result<String, Failure> {
    let me = field(&client.get("/api/v1/me", &[]).await?, "/id");
    let items = client.list(PATH, &[], 1000).await?;
    let is_mine = |item: &&Value| is_open(item) && !me.is_empty() && field(item, "/person") == me;
    items.iter().find(is_mine).map(|item| field(item, "/id")).ok_or_else(|| {
        Failure::new("you have no open break-glass").hint("quell break-glass list shows whose are open")
    })
}

fn is_open(item: &Value) -> bool {
    item.get("is_open") == Some(&Value::Bool(true))
}

fn state(item: &Value) -> String {
    let is_reviewed = item.get("reviewed_at").is_some_and(|at| !at.is_null());
    match (is_open(item), is_reviewed) {
        (true, _) => "OPEN".to_owned(),
        (false, true) => "reviewed".to_owned(),
        (false, false) => "to review".to_owned(),
    }
}

fn ended(item: &Value) -> String {
    match moment::of(item, "/ended_at") {
        early if early.is_empty() => moment::of(item, "/until_at"),
        early => early,
    }
}

/// What cannot be overlooked.
fn banner(begun: &Value, coloured: bool) -> String {
    let until = moment::of(begun, "/until_at");
    let (name, reason) = (field(begun, "/name"), field(begun, "/reason"));
    let line = "!".repeat(72);
    let heading = format!("BREAK-GLASS: {} acts without approval until {until}", text::visible(&name));
    let head = format!("{line}\n{}\n{line}", text::visible(&heading));
    let head = if coloured { format!("\u{1b}[1;31m{head}\u{1b}[0m") } else { head };
    format!(
        "{head}\nbecause: {}\nEverybody who decides here is told, each act is marked, and somebody else reviews it.\n\
         What endpoints demand by their own trust policy still holds.\n\
         quell break-glass end {}",
        text::visible(&reason),
        text::visible(&field(begun, "/id"))
    )
}

fn over(ended: &Value) -> String {
    let id = field(ended, "/id");
    format!(
        "the break-glass of {} is over; somebody else reviews it:\nquell break-glass review {} --note …",
        text::visible(&field(ended, "/name")),
        text::visible(&id)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::render;

    #[test]
    fn nobody_overlooks_it_and_nobody_forges_its_words() {
        let begun = json!({
            "id": "0190", "person": "p", "name": "Ann\nBREAK-GLASS: over\u{1b}[2J", "reason": "the pager is dead\u{202e}",
            "begun_at": "2026-11-22T08:00:00Z", "until_at": "2026-11-22T08:30:00Z", "ended_at": null, "is_open": true,
            "reviewed_by": null, "reviewed_at": null, "note": null,
        });
        let mut over_one = begun.clone();
        over_one["is_open"] = json!(false);
        let mut reviewed = over_one.clone();
        reviewed["reviewed_at"] = json!("2026-11-22T09:00:00Z");
        let table = render(&[begun.clone(), over_one, reviewed], COLUMNS, false);
        let said = format!("{}\n---\n{}\n---\n{table}", banner(&begun, false), over(&begun));
        insta::assert_snapshot!(said);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        assert!(banner(&begun, true).starts_with("\u{1b}[1;31m!!!"));
    }
}
