//! `quell library import`: every file of a folder.

use std::path::{Path, PathBuf};

use clap::Args;
use quell_catalog::library::Kind;
use serde_json::Value;

use super::KindName;
use super::add::{With, named, read, send};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::Column;
use crate::output::{self, Format, terminal};

/// Files of one folder that are looked at.
const MOST: usize = 10_000;

/// A folder.
#[derive(Debug, Args)]
pub struct Import {
    /// The folder; what begins with a dot, and what is no file, is passed over
    folder: PathBuf,
    /// What its files are
    #[arg(long, value_enum)]
    kind: KindName,
    /// Why these versions are added
    #[arg(long, default_value = "")]
    note: String,
}

impl Import {
    /// Adds them in the order of their names. One that is refused is told and does not hold up the others.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (mut added, mut refused) = (Vec::new(), 0);
        for file in self.files()? {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let with = With { interpreter: None, description: "", note: &self.note };
            let sent = match read(&file, self.kind) {
                Ok(body) => send(&client, self.kind, &name, (&file, body), with).await,
                Err(failure) => Err(failure),
            };
            match sent {
                Ok(version) => {
                    if context.format == Format::Table {
                        terminal::say(&named(&version))?;
                    }
                    added.push(version);
                }
                Err(failure) => {
                    refused += 1;
                    terminal::remark(&failure.render(context.format).unwrap_or_default());
                }
            }
        }
        if context.format != Format::Table {
            const COLUMNS: &[Column] = &[Column { heading: "VERSION", cell: |row: &Value| named(row) }];
            output::list(context.format, &added, COLUMNS)?;
        }
        if refused > 0 {
            return Err(Failure::new(format!("{refused} of {} files were refused", refused + added.len())));
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let failed =
            |error: std::io::Error| Failure::new(format!("reading {}: {error}", self.folder.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() && is_meant(&path, self.kind.0) {
                files.push(path);
            }
            if files.len() > MOST {
                return Err(Failure::new(format!("{}: more than {MOST} files", self.folder.display())));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Whether a file is what the folder was given for: a licence or a page beside rules is not.
fn is_meant(path: &Path, kind: Kind) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let known: &[&str] = match kind {
        Kind::Script => &["sh", "bash", "py", "ps1", ""],
        Kind::Yara => &["yar", "yara"],
        Kind::Query | Kind::Evidence | Kind::Sigma => &["yaml", "yml"],
        Kind::Kit => &["kit", "zip", "tar"],
        Kind::Indicators => &["csv", "txt", "json"],
    };
    !is_hidden && known.contains(&extension)
}
