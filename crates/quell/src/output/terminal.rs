//! The two streams. Nothing here panics when the other side has gone.

use std::io::{BufRead, IsTerminal, Read, Write};

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

/// Asks a person, and goes on only when they type yes. `unasked` is what to try where nobody can be asked.
pub fn confirm(question: &str, unasked: &str) -> Result<(), Failure> {
    if says_yes(question)?.ok_or_else(|| Failure::new("nobody is there to say yes").hint(unasked))? {
        Ok(())
    } else {
        Err(Failure::new("nothing was done: yes was not typed"))
    }
}

/// Whether a person types yes; `None` where nobody can be asked.
pub fn says_yes(question: &str) -> Result<Option<bool>, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(None);
    }
    complain(&format!("{question} Type yes:"))?;
    let mut answer = String::new();
    input.lock().take(64).read_line(&mut answer)?;
    Ok(Some(answer.trim() == "yes"))
}

/// Rings the terminal's bell, where there is one.
pub fn ring() {
    if std::io::stderr().is_terminal() {
        // A bell that nobody hears is no loss.
        let _ = std::io::stderr().lock().write_all(b"\x07");
    }
}
