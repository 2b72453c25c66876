//! Ids of version 7 (RFC 9562) that rise strictly within one engine, so that an id orders what it names.

use std::sync::{Arc, Mutex, PoisonError};

use quell_store::Micros;
use uuid::{Builder, Uuid};

use crate::{Clock, Entropy};

pub(crate) struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Milliseconds, then twelve bits of the fraction (RFC 9562, section 6.2, method 3).
    last: Mutex<u64>,
}

/// An id of this moment for those who have no [`Ids`] at hand. It orders after what was made a moment before, and is
/// random beyond that.
pub(crate) fn of(now: Micros) -> Uuid {
    let micros = u64::try_from(now).unwrap_or(0);
    let mut random: [u8; 10] = *Uuid::new_v4().as_bytes().first_chunk().unwrap_or(&[0; 10]);
    let fraction = ((micros % 1000) * 4096 / 1000) as u16 | 3;
    random[..2].copy_from_slice(&fraction.to_be_bytes());
    Builder::from_unix_timestamp_millis(micros / 1000, &random).into_uuid()
}

impl Ids {
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: Mutex::new(0) }
    }

    /// The next id. Without randomness it still differs from every other of this engine.
    pub(crate) fn next(&self) -> Uuid {
        let micros = u64::try_from(self.clock.now()).unwrap_or(0);
        let now = ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = now.max(*last + 1);
        let stamp = *last;
        drop(last);
        let mut random = [0; 10];
        let _ = self.entropy.fill(&mut random[2..]);
        random[..2].copy_from_slice(&(stamp as u16 & 0x0fff).to_be_bytes());
        Builder::from_unix_timestamp_millis(stamp >> 12, &random).into_uuid()
    }

    /// Bytes that nobody can guess; `None` when there is no randomness to be had.
    pub(crate) fn nonce(&self) -> Option<[u8; 16]> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce).then_some(nonce)
    }
}
