//! `quell tasks rows`: what the commands of a task found, of all endpoints together.

use clap::Args;
use serde_json::Value;

use super::path;
use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, terminal, text};

/// Rows of one page.
const PAGE: usize = 1000;

/// Which rows.
#[derive(Debug, Args)]
pub struct Rows {
    /// Id of the task
    task: String,
    /// Of this command alone
    #[arg(long, value_name = "ID")]
    command: Option<String>,
    /// With this text in any value
    #[arg(long)]
    text: Option<String>,
    /// With this value in this column
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    column: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
}

impl Rows {
    /// Shows them, and says of which endpoints some are missing.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (mut items, mut columns, mut cursor) = (Vec::new(), Vec::<String>::new(), None::<String>);
        let mut warnings = Vec::new();
        loop {
            let filters = [("command", &self.command), ("text", &self.text), ("where", &self.column)];
            let mut query: Vec<(&str, String)> =
                filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
            query.push(("limit", (self.limit - items.len()).clamp(1, PAGE).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = client.get(&path(&self.task, "/rows"), &query).await?;
            let of = |name: &str| page.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            for column in of("columns") {
                let name = field(&column, "/name");
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            warnings.extend(
                of("commands")
                    .iter()
                    .filter_map(warning)
                    .filter(|words| !warnings.contains(words))
                    .collect::<Vec<_>>(),
            );
            items.extend(of("items"));
            cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= self.limit {
                break;
            }
        }
        items.truncate(self.limit);
        let headings: Vec<String> =
            std::iter::once("ENDPOINT".to_owned()).chain(columns.iter().cloned()).collect();
        output::rows(context.format, &items, &headings, |item| {
            let value = |name: &String| match item.get("row").and_then(|row| row.get(name)) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            std::iter::once(field(item, "/endpoint")).chain(columns.iter().map(value)).collect()
        })?;
        if cursor.is_some() {
            warnings.push(format!("there are more than {} rows: raise --limit", self.limit));
        }
        for words in warnings {
            terminal::remark(&words);
        }
        Ok(())
    }
}

/// What is missing of a command's rows; nothing where all are here, or it has not ended.
fn warning(command: &Value) -> Option<String> {
    let fault = field(command, "/fault");
    let endpoint = field(command, "/endpoint");
    let endpoint = text::visible(&endpoint);
    if !fault.is_empty() {
        return Some(format!("{endpoint}: {}", text::visible(&fault)));
    }
    let is_truncated = command.get("truncated").and_then(Value::as_bool).unwrap_or(false);
    is_truncated.then(|| format!("{endpoint}: there were more, beyond a limit"))
}
