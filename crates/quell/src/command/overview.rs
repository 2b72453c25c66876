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
    page.extend(incidents(overview));
    for (name, heading, columns) in parts {
        let rows = overview.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        page.push(format!("\n{heading}: {}", rows.len()));
        if !rows.is_empty() {
            page.push(render(rows, columns, coloured));
        }
    }
    page.join("\n")
}

/// How many incidents are not closed; nothing for who may not read them.
fn incidents(overview: &Value) -> Option<String> {
    let rows = overview.get("incidents")?.as_array()?;
    let counts = rows.iter().map(|row| format!("{} {}", field(row, "/count"), field(row, "/severity")));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let counts = if counts.is_empty() { "none" } else { &counts };
    Some(text::visible(&format!("incidents not closed: {counts}")).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn incidents_are_told_by_severity_to_who_may_read_them() {
        let told = |overview: Value| incidents(&overview);
        let two = json!({ "incidents": [{ "severity": "critical", "count": 1 }, { "severity": "low", "count": 12 }] });
        assert_eq!(told(two).as_deref(), Some("incidents not closed: 1 critical, 12 low"));
        assert_eq!(told(json!({ "incidents": [] })).as_deref(), Some("incidents not closed: none"));
        assert_eq!(told(json!({})), None);
    }
}
