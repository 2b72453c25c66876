//! The two streams. Nothing here panics when the other side has gone.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Writes a text and a line end to standard output.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Writes a text and a line end to standard error.
pub fn complain(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}")
}

/// A remark for a person beside the result: on standard error, and only where somebody may read it.
pub fn remark(text: &str) {
    if std::io::stderr().is_terminal() {
        // A remark that nobody can read is no loss.
        let _ = complain(text);
    }
}

/// Whether standard output may be coloured (<https://no-color.org>).
pub fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
