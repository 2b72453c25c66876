#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]
//! What the packs make of real bodies, and what hostile ones do to them.

mod hostile;
mod packs;
mod samples;
mod suricata;

use quell_ingest::{Event, Limits, Pack, Refused};

/// Everything that a body becomes.
fn read(pack: &Pack, body: &[u8]) -> Vec<Result<Event, Refused>> {
    pack.read(body, Limits::default()).collect()
}
