//! A remote shell on this endpoint: the terminal here, the line to the gateway, and the verbs that the agent answers.
//!
//! - [`line`](mod@line) keeps a WebSocket of its own to the gateway for as long as the shell lives, and takes it up again
//!   when it broke.
//! - [`session`] stands between that and the terminal: output is kept until the server has it ([`ring`]), input is given to
//!   the terminal once, and every limit is kept here, whatever the server says.
//! - [`verb`] answers `ls`, `get`, `ps` … beside the terminal, and notes what it moved ([`mod@moved`]).

mod bury;
mod line;
mod moved;
mod ring;
mod session;
mod verb;

pub(crate) use bury::bury;
pub(crate) use moved::read as moved;
pub(crate) use session::{Limits, Over, Session};
pub(crate) use verb::Tools;
