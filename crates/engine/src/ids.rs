//! Ids of version 7 (RFC 9562) that rise strictly within one engine, so that an id orders what it names.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::{Builder, Uuid};

use crate::{Clock, Entropy};

pub(crate) struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Milliseconds, then twelve bits of the fraction (RFC 9562, section 6.2, method 3).
    last: Mutex<u64>,
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
