//! What the guard may mark. A mark on a file system is met by everybody who uses it, in whatever mount namespace: right on a
//! machine of our own, and wrong for an agent that shares its file systems with machines that are not its business.

use std::path::{Path, PathBuf};

use quell_host::guard::Scope;

use crate::state::{DEFAULT, StateDir};

/// Says it, where it does not go without saying: `file_systems`, `mounts` or `off`.
const VARIABLE: &str = "QUELL_GUARD_SCOPE";
/// The first PID namespace of a kernel has this number (include/linux/proc_ns.h, `PROC_PID_INIT_INO`).
const FIRST: &str = "pid:[4026531836]";

/// The scope, or why there is none.
pub fn here(state: &StateDir) -> Result<Scope, String> {
    let said = std::env::var(VARIABLE).ok();
    let is_service = state.path() == Path::new(DEFAULT);
    let space = |path: &str| std::fs::read_link(path).ok();
    decide(said.as_deref(), is_service, space)
}

fn decide(
    said: Option<&str>,
    is_service: bool,
    space: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Scope, String> {
    match said {
        Some("file_systems") => return Ok(Scope::FileSystems),
        Some("mounts") => return Ok(Scope::Mounts),
        Some("off") => return Err(format!("{VARIABLE} is off")),
        Some(other) => return Err(format!("{VARIABLE} is {other:?}, not `file_systems`, `mounts` or `off`")),
        None => {}
    }
    if !is_service {
        return Err(format!(
            "this agent is not the machine's service (its state is not in {DEFAULT}); {VARIABLE} can say otherwise"
        ));
    }
    if space("/proc/self/ns/pid").is_none_or(|pid| pid != Path::new(FIRST)) {
        return Ok(Scope::Mounts);
    }
    let same = |kind: &str| {
        let own = space(&format!("/proc/self/ns/{kind}"));
        own.is_some() && own == space(&format!("/proc/1/ns/{kind}"))
    };
    if same("mnt") && same("net") {
        return Ok(Scope::FileSystems);
    }
    Err(format!(
        "this agent is in other namespaces than the machine's first process; {VARIABLE} can say what is its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_service_marks_whole_file_systems() {
        let machine =
            |path: &str| Some(if path.ends_with("pid") { FIRST.into() } else { PathBuf::from("same") });
        let namespaced = |path: &str| Some(PathBuf::from(if path.ends_with("pid") { FIRST } else { path }));
        let container = |path: &str| Some(PathBuf::from(path));
        assert_eq!(decide(None, true, machine), Ok(Scope::FileSystems));
        assert_eq!(decide(None, true, container), Ok(Scope::Mounts));
        assert!(decide(None, true, namespaced).is_err());
        assert!(decide(None, true, |_| None).is_ok_and(|scope| scope == Scope::Mounts));
        assert!(decide(None, false, machine).is_err() && decide(None, false, container).is_err());
        assert_eq!(decide(Some("mounts"), false, machine), Ok(Scope::Mounts));
        assert!(decide(Some("off"), true, machine).is_err() && decide(Some("all"), true, machine).is_err());
    }
}
