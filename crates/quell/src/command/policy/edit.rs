//! The approval settings in an editor. What was written is never lost: where it cannot be stored, the file stays.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{fetch, set, store_change};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output::{Format, terminal};
use crate::{input, profile};

/// Edits until it is stored, or the person gives up.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let before = fetch(&client).await?["policy"].clone();
    let draft = Draft::new("policy", &before)?;
    loop {
        let tried = match draft.edited(set::MOST).and_then(|text| set::read(&text)) {
            Ok(after) if after == before => {
                draft.remove();
                return terminal::say("nothing was changed");
            }
            Ok(after) => store_change(context, &client, (&before, &after)).await,
            Err(failure) => Err(failure),
        };
        let Err(failure) = tried else {
            draft.remove();
            return Ok(());
        };
        // Shown now, since the editor comes between; the last one is shown by whoever called.
        if let Some(text) = failure.render(Format::Table) {
            terminal::complain(&text)?;
        }
        if terminal::says_yes("Edit it once more?")? != Some(true) {
            return Err(Failure::new("the approval settings are as they were")
                .hint(format!("what you wrote is in {}: quell policy set takes it", draft.0.display())));
        }
    }
}

/// A file that only its owner reads.
pub(in crate::command) struct Draft(pub(in crate::command) PathBuf);

impl Draft {
    /// With this in it.
    pub(in crate::command) fn new(name: &str, value: &serde_json::Value) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("quell-{name}-{}.json", uuid::Uuid::new_v4()));
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of(&error))?;
        let written = profile::private_file(&path).and_then(|mut file| writeln!(file, "{text}"));
        written.map_err(|error| Failure::new(format!("writing {}: {error}", path.display())))?;
        Ok(Self(path))
    }

    /// What stands in it once the person's editor has ended.
    pub(in crate::command) fn edited(&self, most: u64) -> Result<String, Failure> {
        let editor = ["VISUAL", "EDITOR"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|e| !e.trim().is_empty()));
        open(&editor.unwrap_or_else(|| "vi".to_owned()), &self.0)?;
        input::text(&self.0, most)
    }

    /// Takes it away.
    pub(in crate::command) fn remove(&self) {
        // What stays behind is the person's own and holds no secret.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs an editor, which may have arguments (`code --wait`), to its end.
fn open(editor: &str, path: &Path) -> Result<(), Failure> {
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let words = words.map(OsStr::new).chain([path.as_os_str()]);
    let status = quell_host::program::run(program, words);
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("the editor `{editor}` ended with {status}"))),
        Err(error) => Err(Failure::new(format!("the editor `{editor}`: {error}")).hint("export EDITOR=…")),
    }
}
