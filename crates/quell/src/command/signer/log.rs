//! `quell signer log`: what was signed, from the signer's own journal.

use std::collections::VecDeque;

use clap::Args;
use quell_signer::journal::{Entry, Report, verify};
use serde_json::{Value, json};

use super::Directory;
use crate::cli::Context;
use crate::failure::{Failure, PROBLEM};
use crate::output;
use crate::output::table::{Column, field};

const COLUMNS: &[Column] = &[
    Column { heading: "N", cell: |row| field(row, "/n") },
    Column { heading: "AT", cell: |row| moment(row["at"].as_i64().unwrap_or_default()) },
    Column { heading: "ACTION", cell: |row| field(row, "/action") },
    Column { heading: "TASK", cell: |row| field(row, "/task") },
    Column { heading: "ENDPOINT", cell: |row| field(row, "/endpoint") },
    Column { heading: "REQUESTER", cell: |row| field(row, "/requester") },
    Column { heading: "APPROVERS", cell: |row| row["approvers"].as_array().map_or(0, Vec::len).to_string() },
];

/// Which lines.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Verify the whole journal: that no line was changed, removed or put in
    #[arg(long)]
    verify: bool,
    /// Only orders of this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Shows them.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut newest: VecDeque<Entry> = VecDeque::new();
    let is_wanted = |entry: &Entry| arguments.task.as_ref().is_none_or(|task| *task == entry.task);
    let report = verify(&arguments.directory.path, |entry| {
        if !arguments.verify && is_wanted(entry) {
            newest.push_back(entry.clone());
            if newest.len() > arguments.limit {
                newest.pop_front();
            }
        }
    });
    let report = report.map_err(|error| Failure::of(&error).during("reading the signer's journal"))?;
    if arguments.verify {
        output::one(context.format, &value(&report), |_| sentence(&report))?;
        return if report.problem.is_none() { Ok(()) } else { Err(Failure::silent(PROBLEM)) };
    }
    let rows: Vec<Value> = newest.iter().map(|entry| json!(entry)).collect();
    output::list(context.format, &rows, COLUMNS)?;
    // Whoever reads a journal that is not whole has to know it.
    report.problem.map_or(Ok(()), |problem| Err(Failure::new(format!("the journal is not whole: {problem}"))))
}

fn moment(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map(|at| at.to_string()).unwrap_or_default()
}

fn head(report: &Report) -> Option<String> {
    report.head.as_ref().map(|(number, hash)| format!("{number}:{hash}"))
}

fn value(report: &Report) -> Value {
    json!({
        "intact": report.problem.is_none(), "files": report.files, "lines": report.lines, "first": report.first,
        "last": head(report), "problem": report.problem,
    })
}

fn sentence(report: &Report) -> String {
    let verdict = report
        .problem
        .as_ref()
        .map_or_else(|| "intact".to_owned(), |problem| format!("NOT INTACT: {problem}"));
    let from = report
        .first
        .filter(|first| *first > 1)
        .map_or_else(String::new, |first| format!(", from number {first}"));
    let last = head(report).map_or_else(String::new, |head| format!("\n  last line {head}"));
    format!("{verdict}; {} lines in {} files{from}{last}", report.lines, report.files)
}
