//! `quell blocklist import`: a file of indicators, listed in one go.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quell_catalog::library::Kind;
use quell_catalog::{AGENTS, ActionKind};
use serde_json::{Map, Value, json};

use crate::act::{Request, Targets, WAIT};
use crate::cli::Context;
use crate::client::confirm::Source;
use crate::command::library::{KindName, add};
use crate::duration;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::terminal;

/// A file to list.
#[derive(Debug, Args)]
pub struct Import {
    /// One value a line, CSV with a header, or a STIX 2.1 bundle; at most 100,000 objects
    file: PathBuf,
    /// Its name in the library; the file's, without its extension, where absent
    #[arg(long)]
    name: Option<String>,
    /// `block` or `log`, where the file does not say
    #[arg(long)]
    action: Option<String>,
    /// `low`, `medium` or `high`, where the file does not say
    #[arg(long)]
    risk: Option<String>,
    /// Days until they count no more, where the file does not say; 0 for never
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
    /// Why
    #[arg(long)]
    reason: String,
    /// The longest that is waited for the task's end; it goes on
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = WAIT)]
    wait_timeout: Duration,
    /// Do not wait
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    confirmation: Source,
}

impl Import {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let kind = KindName(Kind::Indicators);
        let stem = self.file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-");
        let name = self.name.as_deref().or(stem);
        let name = name.ok_or_else(|| Failure::new("the list needs a name").hint("give --name NAME"))?;
        let body = add::read(&self.file, kind)?;
        let with = add::With { interpreter: None, description: "", note: &self.reason };
        let version = add::send(&context.client()?, kind, name, (&self.file, body), with).await?;
        terminal::remark(&add::named(&version));
        let mut params = Map::new();
        params.insert("list".into(), json!(format!("{name}@{}", field(&version, "/version"))));
        let given = [("action", &self.action), ("risk", &self.risk)];
        params.extend(
            given.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?)))),
        );
        params.extend(self.expires_in_days.map(|days| ("expires_in_days".to_owned(), Value::from(days))));
        let request = Request {
            action: ActionKind::BlocklistAdd,
            params,
            targets: Targets::Service(AGENTS),
            reason: self.reason,
            expires_in: None,
            revert_after: None,
            confirm_count: None,
            idempotency_key: None,
            wait: (!self.no_wait).then_some(self.wait_timeout),
            confirmation: self.confirmation,
        };
        request.run(context).await
    }
}
