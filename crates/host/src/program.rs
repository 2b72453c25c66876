//! Programs that a person at a terminal uses beside ours: an editor, a browser.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// Runs a program on this terminal, to its end.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> io::Result<ExitStatus> {
    Command::new(program).args(arguments).status()
}

/// Starts a program that is left to itself and says nothing here.
pub fn start<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_end_of_a_program_is_told() {
        assert!(run("sh", ["-c", "exit 0"]).unwrap().success());
        assert_eq!(run("sh", ["-c", "exit 7"]).unwrap().code(), Some(7));
        assert!(run("/nonexistent/program", [""; 0]).is_err());
        assert!(start("/nonexistent/program", [""; 0]).is_err());
    }
}
