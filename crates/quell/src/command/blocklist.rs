//! `quell blocklist`: what is listed, who enforces it, what is never blocked. It is changed by `quell act blocklist`.

mod import;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, Format, moment, terminal, text};

const ROOT: &str = "/api/v1/blocklist";
const OBJECTS: &str = "/api/v1/blocklist/objects";
const EXCEPTIONS: &str = "/api/v1/blocklist/exceptions";

const COLUMNS: &[Column] = &[
    Column { heading: "KIND", cell: |row| field(row, "/kind") },
    Column { heading: "VALUE", cell: |row| field(row, "/value") },
    Column { heading: "ACTION", cell: |row| field(row, "/action") },
    Column { heading: "RISK", cell: |row| field(row, "/risk") },
    Column { heading: "EXPIRES", cell: |row| moment::of(row, "/expires_at") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/added_at") },
    Column { heading: "BY", cell: |row| field(row, "/added_by") },
    Column { heading: "NOTE", cell: |row| field(row, "/note") },
];

const LAGGARDS: &[Column] = &[
    Column { heading: "ENDPOINT", cell: |row| field(row, "/name") },
    Column { heading: "CONNECTED", cell: |row| field(row, "/connected") },
    Column { heading: "VERSION", cell: held },
    Column { heading: "SAID", cell: |row| moment::of(row, "/reported_at") },
];

const EXCEPTED: &[Column] = &[
    Column { heading: "KIND", cell: |row| field(row, "/kind") },
    Column { heading: "VALUE", cell: |row| field(row, "/value") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
    Column { heading: "BY", cell: |row| field(row, "/added_by") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/added_at") },
];

/// What to do with the block list.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what is listed; with `--output json`, `csv` or `jsonl` to a file of yours
    List(List),
    /// Show version, objects by kind and the newest versions
    Show,
    /// Show which endpoints enforce which version, and who is behind
    Coverage,
    /// Write the list as a STIX 2.1 bundle
    Export,
    /// Show what a file of indicators would list: one value a line, CSV with a header, or a STIX 2.1 bundle
    Check(File),
    /// List what a file of indicators names: put it into the library, and request `blocklist.add` with it
    Import(import::Import),
    /// Show what is never blocked, or change it
    Exceptions(Exceptions),
}

/// Which objects.
#[derive(Debug, Default, Args)]
pub struct List {
    /// `sha1`, `sha256`, `ip`, `domain`, `url` or `sender`
    #[arg(long)]
    kind: Option<String>,
    /// `block` or `log`
    #[arg(long)]
    action: Option<String>,
    /// `low`, `medium` or `high`
    #[arg(long)]
    risk: Option<String>,
    /// With this in the value or the note
    #[arg(long)]
    text: Option<String>,
    /// Listed by this task
    #[arg(long)]
    task: Option<String>,
    /// That expire within so many days
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
    /// The most that are shown
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// A file.
#[derive(Debug, Args)]
pub struct File {
    /// The file
    file: PathBuf,
}

/// What is never blocked.
#[derive(Debug, Args)]
pub struct Exceptions {
    /// Add this; with --reason
    #[arg(long, value_name = "VALUE", requires = "reason")]
    add: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Take this away
    #[arg(long, value_name = "VALUE", conflicts_with = "add")]
    remove: Option<String>,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Show => {
            let whole = context.client()?.get(ROOT, &[]).await?;
            output::one(context.format, &whole, words)
        }
        Command::Coverage => coverage(context).await,
        Command::Export => {
            let bundle = context.client()?.get(&format!("{ROOT}/stix"), &[]).await?;
            terminal::say(&serde_json::to_string_pretty(&bundle).unwrap_or_default())
        }
        Command::Check(file) => check(&file.file, context).await,
        Command::Import(import) => import.run(context).await,
        Command::Exceptions(exceptions) => exceptions.run(context).await,
    }
}

impl List {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut query = Vec::new();
        let given = [
            ("kind", &self.kind),
            ("action", &self.action),
            ("risk", &self.risk),
            ("text", &self.text),
            ("task", &self.task),
        ];
        for (name, value) in given {
            query.extend(value.iter().map(|value| (name, value.clone())));
        }
        query.extend(self.expires_in_days.iter().map(|days| ("expires_in_days", days.to_string())));
        let items = context.client()?.list(OBJECTS, &query, self.limit).await?;
        output::list(context.format, &items, COLUMNS)
    }
}

fn words(whole: &Value) -> String {
    let kinds = whole.get("by_kind").and_then(Value::as_object);
    let kinds: Vec<String> = kinds
        .into_iter()
        .flatten()
        .filter(|(_, count)| **count != json!(0))
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let listed = if kinds.is_empty() { "nothing is listed".to_owned() } else { kinds.join(", ") };
    format!("version {} ({} handed out): {listed}", field(whole, "/version"), field(whole, "/published"))
}

/// What an endpoint enforces, as far as it is known.
fn held(row: &Value) -> String {
    match field(row, "/version") {
        _ if row["takes_none"] == Value::Bool(true) => "takes no list".to_owned(),
        version if version.is_empty() => "not said yet".to_owned(),
        version => version,
    }
}

async fn coverage(context: &Context) -> Result<(), Failure> {
    let coverage = context.client()?.get(&format!("{ROOT}/coverage"), &[]).await?;
    if context.format != Format::Table {
        return output::one(context.format, &coverage, |_| String::new());
    }
    terminal::say(&format!(
        "version {}: {} of {} endpoints enforce it, {} are behind, {} take no block list",
        field(&coverage, "/version"),
        field(&coverage, "/current"),
        field(&coverage, "/endpoints"),
        field(&coverage, "/behind"),
        field(&coverage, "/silent"),
    ))?;
    let behind = coverage.get("laggards").and_then(Value::as_array).cloned().unwrap_or_default();
    if behind.is_empty() { Ok(()) } else { output::list(context.format, &behind, LAGGARDS) }
}

async fn check(file: &Path, context: &Context) -> Result<(), Failure> {
    let most = quell_catalog::blocklist::import::MAX_BYTES as u64;
    let body = read(file, most)?;
    let checked = context.client()?.post_bytes(&format!("{ROOT}/check"), &[], body).await?;
    output::one(context.format, &checked, |checked| {
        let mut lines = vec![format!(
            "{} objects ({}), {} listed already, {} would be refused, {} there twice, {} places not understood",
            field(checked, "/objects"),
            field(checked, "/format"),
            field(checked, "/listed"),
            field(checked, "/refused"),
            field(checked, "/duplicates"),
            field(checked, "/problem_count"),
        )];
        for problem in checked.get("problems").and_then(Value::as_array).into_iter().flatten() {
            let shown = text::visible(&field(problem, "/text")).into_owned();
            lines.push(format!("  {}: {}: {shown}", field(problem, "/line"), field(problem, "/problem")));
        }
        lines.join("\n")
    })
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(Failure::new(format!("{}: more than {most} bytes", path.display())));
    }
    Ok(bytes)
}

impl Exceptions {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (mut exceptions, seen) = client.get_tagged(EXCEPTIONS).await?;
        if self.add.is_some() || self.remove.is_some() {
            let kept = items(&exceptions)
                .into_iter()
                .filter(|item| self.remove.as_ref().is_none_or(|gone| field(item, "/value") != *gone));
            let mut wanted: Vec<Value> = kept
                .map(|item| json!({ "value": item["value"], "kind": item["kind"], "reason": item["reason"] }))
                .collect();
            if let Some(value) = &self.add {
                wanted.push(json!({ "value": value, "reason": self.reason }));
            }
            exceptions = client.put_seen(EXCEPTIONS, seen, &json!({ "items": wanted })).await?;
            if exceptions.get("published") == Some(&Value::Bool(false)) {
                terminal::remark(
                    "stored, but not published yet: agents keep the list that they have until it is",
                );
            }
        }
        output::list(context.format, &items(&exceptions), EXCEPTED)
    }
}

fn items(answer: &Value) -> Vec<Value> {
    answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default()
}
