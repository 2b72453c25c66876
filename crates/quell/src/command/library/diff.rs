//! `quell library diff`: what changed from one version to another.

use clap::Args;
use serde_json::Value;
use similar::TextDiff;

use super::KindName;
use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{terminal, text};

/// Two versions.
#[derive(Debug, Args)]
pub struct Diff {
    /// What it is
    #[arg(value_enum)]
    kind: KindName,
    /// Its name
    name: String,
    /// The earlier version; the one before the newest where absent
    from: Option<i64>,
    /// The later version; the newest where absent
    to: Option<i64>,
}

impl Diff {
    /// Shows it as lines that were taken away and lines that came.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let item = client.get(&self.kind.item(&self.name), &[]).await?;
        let newest = item.pointer("/latest/version").and_then(Value::as_i64).unwrap_or(1);
        let to = self.to.unwrap_or(newest);
        let from = self.from.unwrap_or(to - 1);
        if from < 1 {
            return Err(Failure::new(format!("{} has one version only", self.name)));
        }
        let mut bodies = Vec::new();
        for number in [from, to] {
            let path = format!("{}/versions/{}", self.kind.item(&self.name), segment(&number.to_string()));
            let version = client.get(&path, &[]).await?;
            if version.get("body").is_none() {
                return Err(Failure::new(format!(
                    "{}@{number} is no text, or too large for this",
                    self.name
                )));
            }
            bodies.push(field(&version, "/body"));
        }
        let difference = TextDiff::configure()
            .timeout(std::time::Duration::from_secs(5))
            .diff_lines(&bodies[0], &bodies[1])
            .unified_diff()
            .context_radius(3)
            .header(&format!("{}@{from}", self.name), &format!("{}@{to}", self.name))
            .to_string();
        terminal::say(text::visible_lines(&difference).trim_end())
    }
}
