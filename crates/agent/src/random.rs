//! Randomness of the system.

use ring::rand::{SecureRandom, SystemRandom};

/// The system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// `N` random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A random number below `bound`; 0 where `bound` is 0. For jitter, where a slight bias does not matter.
pub fn below(bound: u64) -> u64 {
    bytes::<8>().map_or(0, u64::from_le_bytes).checked_rem(bound).unwrap_or(0)
}
