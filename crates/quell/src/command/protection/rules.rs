//! The rules by which endpoints detect.

use clap::Args;
use serde_json::Value;

use super::RULES;
use crate::cli::Context;
use crate::failure::Failure;
use crate::output;
use crate::output::table::{Column, field};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "TITLE", cell: |row| field(row, "/title") },
    Column { heading: "SEVERITY", cell: |row| field(row, "/severity") },
    Column { heading: "HITS ARE", cell: hits },
    Column { heading: "TECHNIQUES", cell: techniques },
    Column { heading: "FROM", cell: |row| field(row, "/from") },
];

/// Which rules.
#[derive(Debug, Args)]
pub struct Rules {
    /// `behaviour` or `yara`
    #[arg(long, value_parser = ["behaviour", "yara"])]
    source: Option<String>,
    /// With this in the title, the id or the techniques
    #[arg(long)]
    text: Option<String>,
    /// Those that are disabled, in place of the others
    #[arg(long)]
    disabled: bool,
}

fn hits(row: &Value) -> String {
    match (row["enabled"].as_bool(), field(row, "/mode").as_str()) {
        (Some(false), _) => "disabled".to_owned(),
        (_, "prevent") => "prevented".to_owned(),
        (_, "detect") => "detected".to_owned(),
        _ => "passed over".to_owned(),
    }
}

fn techniques(row: &Value) -> String {
    let all = row["techniques"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

impl Rules {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let listed = context.client()?.get(RULES, &[]).await?;
        let mut items = listed["items"].as_array().cloned().unwrap_or_default();
        items.retain(|rule| self.is_wanted(rule));
        output::list(context.format, &items, COLUMNS)
    }

    fn is_wanted(&self, rule: &Value) -> bool {
        let is_disabled = rule["enabled"] == Value::Bool(false);
        let is_source = self.source.as_ref().is_none_or(|source| field(rule, "/source") == *source);
        let said = || {
            format!("{} {} {}", field(rule, "/id"), field(rule, "/title"), techniques(rule)).to_lowercase()
        };
        let is_said = self.text.as_ref().is_none_or(|text| said().contains(&text.to_lowercase()));
        is_disabled == self.disabled && is_source && is_said
    }
}
