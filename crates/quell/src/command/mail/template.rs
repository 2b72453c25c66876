//! `quell mail template`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::PATH;
use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::input;
use crate::output::table::field;
use crate::output::{self, terminal, text};

/// The most of a text.
const TEXT: u64 = 32 << 10;

/// What to do with the words of a kind of notice.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show them
    Show(Kind),
    /// Change them; parts that are not named go back to those that come with Quell
    Set(Set),
    /// Go back to those that come with Quell
    Reset(Kind),
}

/// Which kind.
#[derive(Debug, Args)]
pub struct Kind {
    /// The kind of notice: approval_requested, task_failed …
    kind: String,
}

/// The words.
#[derive(Debug, Args)]
pub struct Set {
    /// The kind of notice: approval_requested, task_failed …
    kind: String,
    /// The subject
    #[arg(long, required_unless_present_any = ["text", "html"])]
    subject: Option<String>,
    /// A file with the plain text
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// A file with the HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let path = |kind: &str| format!("{PATH}/templates/{}", segment(kind));
        match self {
            Self::Show(Kind { kind }) => {
                output::one(context.format, &client.get(&path(&kind), &[]).await?, lines)
            }
            Self::Set(set) => {
                let read =
                    |file: &Option<PathBuf>| file.as_deref().map(|file| input::text(file, TEXT)).transpose();
                let mut body = json!({});
                for (name, value) in
                    [("subject", set.subject.clone()), ("text", read(&set.text)?), ("html", read(&set.html)?)]
                {
                    if let Some(value) = value {
                        body[name] = json!(value);
                    }
                }
                output::one(context.format, &client.put(&path(&set.kind), &body).await?, lines)
            }
            Self::Reset(Kind { kind }) => {
                client.delete(&path(&kind)).await?;
                terminal::say(&format!("{} has the words that come with Quell", text::visible(&kind)))
            }
        }
    }
}

fn lines(template: &Value) -> String {
    let part = |name: &str| text::visible_lines(&field(template, &format!("/{name}")));
    format!("subject: {}\n\n{}\n\n{}", part("subject"), part("text"), part("html"))
}
