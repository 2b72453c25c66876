//! What is to be recorded, detected and prevented, as the recorder takes it.

use std::sync::Arc;

use quell_wire::activity::{Severity, Source};
use quell_wire::protection::{Mode, Protection, SourceMode};

pub use crate::protection::Current;

/// Bytes and seconds of the ring, where no document says otherwise.
const BYTES: u64 = 64 << 20;
const AGE_S: u64 = 7 * 24 * 3600;

/// What counts: while no document has come, activity is recorded, and what the block list meets is told with its chain. There
/// are no rules yet.
pub fn effective(current: Arc<Current>) -> Arc<Current> {
    if current.document.version > 0 {
        return current;
    }
    let detect = |source: Source| SourceMode { source: source.into(), mode: Mode::Detect.into() };
    let document = Protection {
        record: true,
        ring_bytes: BYTES,
        ring_age_s: AGE_S,
        modes: vec![detect(Source::BlockList), detect(Source::Behaviour), detect(Source::Yara)],
        prevent_from: Severity::High.into(),
        ..Protection::default()
    };
    Arc::new(Current { document, behaviour: None, yara: None })
}
