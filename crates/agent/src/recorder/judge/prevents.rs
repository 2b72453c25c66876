//! Whether what a rule has kept from running is to be kept from it still: protection may say otherwise by now.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use quell_wire::activity::Source;
use quell_wire::digest::hex;
use quell_wire::protection::{Exclusion, Mode};

use super::is_at;
use crate::guard::{Cause, KeptRule};
use crate::recorder::settings::Current;

/// What holds, for a thread that may wait for the guard. By default nothing is kept from running.
#[derive(Debug, Default)]
pub struct Prevents {
    pub(super) current: Arc<Current>,
    /// Ids of behaviour rules in force.
    pub(super) rules: HashSet<String>,
}

impl Prevents {
    /// Whether that content is kept from running still.
    pub fn still(&self, cause: &Cause, kept: &KeptRule) -> bool {
        let document = &self.current.document;
        let source = Source::try_from(cause.source).unwrap_or(Source::Unspecified);
        let is_there = match source {
            Source::Behaviour => self.rules.contains(&cause.rule),
            Source::Yara => {
                self.current.yara.as_deref().is_some_and(|body| holds(body, cause.rule.as_bytes()))
            }
            Source::BlockList | Source::Asked | Source::Unspecified => false,
        };
        is_there
            && document.mode(source) == Mode::Prevent
            && cause.severity >= document.prevent_from
            && !document.exclusions.iter().any(|exclusion| excludes(exclusion, cause, kept))
    }
}

/// Whoever ran it is not asked any more: an exclusion of a user alone says nothing here.
fn excludes(exclusion: &Exclusion, cause: &Cause, kept: &KeptRule) -> bool {
    let is_path = |path: &std::ffi::OsString| is_at(&exclusion.path, path.as_bytes());
    exclusion.uid.is_none()
        && (exclusion.rule.is_empty() || exclusion.rule == cause.rule)
        && (exclusion.sha256.is_empty() || hex(&exclusion.sha256) == kept.hash)
        && (exclusion.path.is_empty() || !kept.paths.is_empty() && kept.paths.iter().all(is_path))
}

/// Whether a text holds a name, as a word of its own.
fn holds(text: &[u8], name: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.split(|byte| !is_word(byte)).any(|word| word == name)
}
