//! The lists of endpoints that the approval settings name. Names count at the moment of the import: then they are
//! pinned to the endpoints that have them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::cli::Context;
use crate::failure::{Failure, PROBLEM};
use crate::input;
use crate::output::table::{Column, field, render};
use crate::output::{self, Format, terminal, text};

/// No list is larger, bytes.
const MOST: u64 = 16 << 20;

const COLUMNS: &[Column] = &[
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "IMPORTED AS", cell: |row| field(row, "/written") },
];

/// What to do with a list.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the endpoints on a list
    Show(Show),
    /// Replace a list by a CSV file: ids, or names that one active endpoint has now, in the first column
    ///
    /// Where a line names no endpoint, nothing is changed and each such line is told.
    Import(Import),
}

/// Which list.
#[derive(Debug, Args)]
pub struct Show {
    /// except, only or protected
    #[arg(value_enum)]
    list: List,
}

/// Which list, and what it is replaced by.
#[derive(Debug, Args)]
pub struct Import {
    /// except, only or protected
    #[arg(value_enum)]
    list: List,
    /// The CSV file; `-` is standard input. An empty one empties the list
    file: PathBuf,
    /// Only show what the lines stand for
    #[arg(long)]
    check: bool,
    /// Store what was understood, also when lines were not
    #[arg(long, conflicts_with = "check")]
    skip_errors: bool,
}

/// A list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum List {
    /// What the settings never approve by themselves
    Except,
    /// What the settings approve where their scope is `selected`
    Only,
    /// What asks for the people of protected targets
    Protected,
}

impl List {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Except => "except",
            Self::Only => "only",
            Self::Protected => "protected",
        }
    }

    fn path(self) -> String {
        format!("{}/lists/{}", super::PATH, self.as_str())
    }
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Show(show) => {
            let list = context.client()?.get(&show.list.path(), &[]).await?;
            match context.format {
                Format::Table | Format::Csv => output::list(context.format, endpoints(&list), COLUMNS),
                Format::Json | Format::Jsonl => output::one(context.format, &list, |_| String::new()),
            }
        }
        Command::Import(import) => import.run(context).await,
    }
}

impl Import {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let csv = input::text(&self.file, MOST)?;
        let flags = [("check", self.check), ("skip_errors", self.skip_errors)];
        let query: Vec<(&str, String)> = flags
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| (name, "true".to_owned()))
            .collect();
        let answer = context.client()?.put_text(&self.list.path(), &query, ("text/csv", &csv)).await;
        let doing = format!("importing the list {}", self.list.as_str());
        let answer = answer.map_err(|failure| failure.during(&doing))?;
        output::one(context.format, &answer, |answer| said(self.list, answer, self.check))?;
        let errors = answer["errors"].as_array().map_or(0, Vec::len);
        if errors == 0 || answer["is_stored"] == Value::Bool(true) {
            return Ok(());
        }
        if context.format != Format::Table || self.check {
            return Err(Failure::silent(PROBLEM));
        }
        Err(Failure::new(format!("{doing}: nothing was changed"))
            .hint("mend the lines, or import the others with --skip-errors"))
    }
}

fn endpoints(list: &Value) -> &[Value] {
    list["endpoints"].as_array().map_or(&[][..], Vec::as_slice)
}

/// What became of an import.
fn said(list: List, answer: &Value, is_check: bool) -> String {
    let found = endpoints(answer);
    let mut lines = Vec::new();
    if is_check && !found.is_empty() {
        lines.push(render(found, COLUMNS, terminal::coloured()));
    }
    let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    lines.extend(errors.iter().map(|error| {
        let (line, line_text, problem) =
            (field(error, "/line"), field(error, "/text"), field(error, "/problem"));
        format!("line {}: {}: {}", text::visible(&line), text::visible(&line_text), text::visible(&problem))
    }));
    let count = match found.len() {
        1 => "1 endpoint".to_owned(),
        count => format!("{count} endpoints"),
    };
    let list = list.as_str();
    lines.push(if answer["is_stored"] == Value::Bool(true) {
        format!("{count} on the list {list}, pinned by id")
    } else if errors.is_empty() {
        format!("{count} would be on the list {list}; nothing was changed")
    } else {
        match errors.len() {
            1 => "1 line names no endpoint".to_owned(),
            count => format!("{count} lines name no endpoint"),
        }
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_import_tells_each_line_that_names_nothing() {
        let mut answer = json!({
            "list": "except", "is_stored": false,
            "endpoints": [{"id": "0190", "name": "web\u{202e}1", "written": "web-1"}],
            "errors": [{"line": 3, "text": "db\u{1b}[2J", "problem": "no active endpoint has this name"}],
        });
        let mut told = vec![said(List::Except, &answer, true), said(List::Except, &answer, false)];
        answer["is_stored"] = json!(true);
        told.push(said(List::Except, &answer, false));
        answer["errors"] = json!([]);
        answer["is_stored"] = json!(false);
        told.push(said(List::Protected, &answer, true));
        let told = told.join("\n---\n");
        insta::assert_snapshot!(told);
        assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
    }
}
