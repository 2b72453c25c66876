//! The rights that a lab needs, and how they are had without root.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use quell_host::namespace::on_a_thread;

use crate::Error;

/// Set in the process that was started again inside a user namespace.
const INSIDE: &str = "QUELL_LAB_USER_NAMESPACE";

/// Whether this process may make the namespaces of a lab.
pub(crate) fn check() -> Result<(), Error> {
    let spaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    on_a_thread(|| unshare(spaces)).map_err(|errno| {
        Error::Privilege(format!("making namespaces was refused ({errno}); run it with sudo"))
    })
}

/// Whether root here is an ordinary user of the machine.
pub(crate) fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

/// Makes sure that this process can make a lab. With the rights it returns at once. Without, it starts the same
/// program again inside a user namespace, where it is root over what it makes, and does not return. Call it first thing
/// in `main`, before threads and files.
pub fn become_root() -> Result<(), Error> {
    let Err(refused) = check() else { return Ok(()) };
    if std::env::var_os(INSIDE).is_some() {
        return Err(refused);
    }
    let enter = ["--user", "--map-root-user", "--mount"];
    let trial = Command::new("unshare").args(enter).arg("true").stdin(Stdio::null()).output();
    let reason = match trial {
        Ok(output) if output.status.success() => match std::env::current_exe() {
            Ok(program) => {
                let arguments = std::env::args_os().skip(1);
                Command::new("unshare")
                    .args(enter)
                    .arg(program)
                    .args(arguments)
                    .env(INSIDE, "1")
                    .exec()
                    .to_string()
            }
            Err(error) => error.to_string(),
        },
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("the program unshare: {error}"),
    };
    Err(Error::Privilege(format!(
        "this process may not make namespaces, and a user namespace was refused too ({reason}); run it with sudo, or \
         let users make namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu \
         kernel.apparmor_restrict_unprivileged_userns=0)"
    )))
}
