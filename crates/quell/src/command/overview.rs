//! `quell overview`: what is changed now and not undone, what is under way, what a person should look at.

use clap::Args;
use serde_json::Value;

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::{Column, field, render};
use crate::output::{self, moment, terminal, text};

const ENDPOINTS: &[Column] = &[
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    // An isolated endpoint that is revoked can be released at the machine alone.
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "ALARM", cell: |row| field(row, "/alarm") },
    Column { heading: "ID", cell: |row| field(row, "/id") },
];

const TASKS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "CREATED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "ACTION", cell: |row| field(row, "/action") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "REVERTS", cell: |row| moment::of(row, "/revert_at") },
    Column { heading: "REASON", cell: |row| field(row, "/reason") },
];

/// Nothing to say.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Shows it.
pub async fn run(_: &Arguments, context: &Context) -> Result<(), Failure> {
    let overview = context.client()?.get("/api/v1/overview", &[]).await?;
    output::one(context.format, &overview, page)
}

fn page(overview: &Value) -> String {
    let coloured = terminal::coloured();
    let parts = [
        ("isolated", "isolated now", ENDPOINTS),
        ("not_undone", "changed and not undone", TASKS),
        ("open", "under way", TASKS),
        ("alarms", "to look at", ENDPOINTS),
    ];
    let mut page = vec![format!("{} endpoints connected", text::visible(&field(overview, "/connected")))];
    for (name, heading, columns) in parts {
        let rows = overview.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        page.push(format!("\n{heading}: {}", rows.len()));
        if !rows.is_empty() {
            page.push(render(rows, columns, coloured));
        }
    }
    page.join("\n")
}
