//! Where activity is recorded: on a machine by its service, and elsewhere by whom it is told to.

use std::path::Path;

use quell_host::recorder::Settings;

use crate::guard;
use crate::state::{DEFAULT, StateDir};

/// Says it, where it does not go without saying: `on` or `off`.
const VARIABLE: &str = "QUELL_RECORDER";

/// Whether, else why not.
pub fn is_wanted(state: &StateDir) -> Result<(), String> {
    decide(std::env::var(VARIABLE).ok().as_deref(), state.path() == Path::new(DEFAULT))
}

fn decide(said: Option<&str>, is_service: bool) -> Result<(), String> {
    match said {
        Some("on") => Ok(()),
        Some("off") => Err(format!("{VARIABLE} is off")),
        Some(other) => Err(format!("{VARIABLE} is {other:?}, not `on` or `off`")),
        None if is_service => Ok(()),
        None => Err(format!(
            "this agent is not the machine's service (its state is not in {DEFAULT}); {VARIABLE} can say otherwise"
        )),
    }
}

/// What is listened to. Files where the execution guard may mark them too: it asks the same.
pub fn sources(state: &StateDir) -> Settings {
    let files = guard::scope(state);
    if let Err(why) = &files {
        tracing::info!(why, "files are not recorded");
    }
    Settings { files: files.ok(), ..Settings::default() }
}

/// Why files are not listened to.
pub fn why_no_files(state: &StateDir) -> Option<String> {
    guard::scope(state).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_service_records_unasked() {
        assert!(decide(None, true).is_ok() && decide(None, false).is_err());
        assert!(decide(Some("on"), false).is_ok() && decide(Some("off"), true).is_err());
        assert!(decide(Some("yes"), true).is_err());
    }
}
