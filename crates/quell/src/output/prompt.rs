//! Asking a person for what nobody may see: passwords, codes, keys. Never an argument, since arguments are seen by every
//! user of a machine.

use std::io::{BufRead, IsTerminal, Read};

use crate::failure::Failure;
use crate::output::terminal;

/// The most of one line.
const MOST: u64 = 4096;

/// A line that is typed unseen, or the next line of what is piped.
pub fn secret(question: &str) -> Result<String, Failure> {
    let input = std::io::stdin();
    let mut line = String::new();
    if input.is_terminal() {
        terminal::remark(&format!("{question} (not shown):"));
        let _unseen = Unseen::begin();
        input.lock().take(MOST).read_line(&mut line)?;
    } else {
        // Byte by byte, through the buffer that all share: what follows is for the next question.
        input.lock().take(MOST).read_line(&mut line)?;
    }
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    if line.is_empty() {
        return Err(Failure::new(format!("{question}: nothing was given"))
            .hint("type it, or send it on standard input, one line for each question"));
    }
    Ok(line)
}

/// A new password: typed twice by a person, once where it is piped.
pub fn new_password() -> Result<String, Failure> {
    let password = secret("New password, 12 characters or more")?;
    if std::io::stdin().is_terminal() && secret("The same again")? != password {
        return Err(Failure::new("the two differ; nothing was done"));
    }
    Ok(password)
}

/// The terminal without echo, until dropped.
#[cfg(unix)]
struct Unseen(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Unseen {
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut silent) = before.clone() {
            silent.local_modes.remove(LocalModes::ECHO);
            // Where it cannot be silenced, it is seen by who typed it.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent);
        }
        Self(before)
    }
}

#[cfg(unix)]
impl Drop for Unseen {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.0 {
            // Nothing more can be done for a terminal that refuses.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(not(unix))]
struct Unseen;

#[cfg(not(unix))]
impl Unseen {
    fn begin() -> Self {
        Self
    }
}
