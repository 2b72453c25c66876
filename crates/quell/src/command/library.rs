//! `quell library`: what orders name by digest: scripts, rules, queries, definitions of evidence, kits, indicators.

pub mod add;
mod diff;
mod import;

use clap::{Args, Subcommand, ValueEnum};
use quell_catalog::library::Kind;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, Format, moment, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "KIND", cell: |row| field(row, "/kind") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "VERSION", cell: |row| field(row, "/latest/version") },
    Column { heading: "WHAT", cell: facts },
    Column { heading: "BYTES", cell: |row| field(row, "/latest/size") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/latest/created_at") },
    Column { heading: "BY", cell: |row| field(row, "/latest/created_by") },
    Column { heading: "SHA-256", cell: |row| field(row, "/latest/sha256") },
];

const VERSION_COLUMNS: &[Column] = &[
    Column { heading: "VERSION", cell: |row| field(row, "/version") },
    Column { heading: "WHAT", cell: facts },
    Column { heading: "BYTES", cell: |row| field(row, "/size") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "BY", cell: |row| field(row, "/created_by") },
    Column { heading: "NOTE", cell: |row| field(row, "/note") },
    Column { heading: "SHA-256", cell: |row| field(row, "/sha256") },
];

/// What is known of a body, in a few words.
fn facts(row: &Value) -> String {
    let facts = row.pointer("/facts").or_else(|| row.pointer("/latest/facts")).and_then(Value::as_object);
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(words) => words.clone(),
        Value::Number(number) => format!("{number} {name}"),
        _ => name.clone(),
    };
    facts.map(|facts| facts.iter().map(word).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// What to do with the library.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what the library has, with the latest version of each
    List(List),
    /// Add something, or a new version of it
    Add(add::Add),
    /// Show versions, or with NAME@VERSION a body
    Show(Show),
    /// Show what changed from one version to another
    Diff(diff::Diff),
    /// Check a file without adding it
    Check(add::Check),
    /// Add every file of a folder, each under its name without the extension
    Import(import::Import),
    /// Put something out of use: no new task names it
    Archive(One),
    /// Put something into use again
    Restore(One),
}

/// Which items.
#[derive(Debug, Args)]
pub struct List {
    /// Of this kind; all kinds where absent
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// With this in the name or the description
    #[arg(long)]
    text: Option<String>,
    /// Those out of use, in place of the others
    #[arg(long)]
    archived: bool,
}

/// One item.
#[derive(Debug, Args)]
pub struct One {
    /// What it is
    #[arg(value_enum)]
    kind: KindName,
    /// Its name
    name: String,
}

/// Something to show.
#[derive(Debug, Args)]
pub struct Show {
    /// What it is
    #[arg(value_enum)]
    kind: KindName,
    /// NAME, or NAME@VERSION
    name: String,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindName(pub Kind);

impl ValueEnum for KindName {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(Kind::Script),
            Self(Kind::Yara),
            Self(Kind::Query),
            Self(Kind::Evidence),
            Self(Kind::Kit),
            Self(Kind::Indicators),
            Self(Kind::Sigma),
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.as_str()))
    }
}

impl KindName {
    /// Where its items are.
    fn path(self) -> String {
        format!("/api/v1/library/{}", self.0.as_str())
    }

    /// Where one of them is.
    fn item(self, name: &str) -> String {
        format!("{}/{}", self.path(), segment(name))
    }
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Add(add) => add.run(context).await,
        Command::Show(show) => show.run(context).await,
        Command::Diff(diff) => diff.run(context).await,
        Command::Check(check) => check.run(context).await,
        Command::Import(import) => import.run(context).await,
        Command::Archive(one) => one.put(context, true).await,
        Command::Restore(one) => one.put(context, false).await,
    }
}

impl List {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let one = self.kind.as_slice();
        let mut items = Vec::new();
        for kind in if one.is_empty() { KindName::value_variants() } else { one } {
            let mut query = vec![("archived", self.archived.to_string())];
            query.extend(self.text.iter().map(|text| ("text", text.clone())));
            items.extend(client.list(&kind.path(), &query, 10_000).await?);
        }
        output::list(context.format, &items, COLUMNS)
    }
}

impl One {
    async fn put(&self, context: &Context, archived: bool) -> Result<(), Failure> {
        let changed = json!({ "archived": archived });
        let item = context.client()?.patch(&self.kind.item(&self.name), &changed).await?;
        output::one(context.format, &item, |item| {
            let state = if archived { "is out of use" } else { "is in use" };
            format!("{} {state}", text::visible(&field(item, "/name")))
        })
    }
}

impl Show {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let Some((name, version)) = self.name.split_once('@') else {
            let item = client.get(&self.kind.item(&self.name), &[]).await?;
            if context.format != Format::Table {
                return output::one(context.format, &item, |_| String::new());
            }
            let description = field(&item, "/description");
            if !description.is_empty() {
                terminal::say(&text::visible(&description))?;
            }
            let versions = item.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
            return output::list(context.format, &versions, VERSION_COLUMNS);
        };
        let path = format!("{}/versions/{}", self.kind.item(name), segment(version));
        let version = client.get(&path, &[]).await?;
        output::one(context.format, &version, |version| text::visible_lines(&field(version, "/body")))
    }
}
