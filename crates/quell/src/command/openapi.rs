//! `quell openapi`: the document that the server's routes make of themselves.

use crate::failure::Failure;
use crate::output::terminal;

/// Prints it.
pub fn run() -> Result<(), Failure> {
    terminal::say(quell_server::openapi::document().trim_end())
}
