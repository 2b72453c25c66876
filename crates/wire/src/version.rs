//! Protocol versions and how two ends agree on one.

/// The oldest version that this build speaks.
pub const OLDEST: u32 = 1;
/// The newest version that this build speaks.
pub const NEWEST: u32 = 1;

/// The newest version that both speak; `None` where the ranges do not meet. A range that is upside down meets nothing.
pub fn agree(peer_oldest: u32, peer_newest: u32) -> Option<u32> {
    let newest = peer_newest.min(NEWEST);
    (newest >= OLDEST && newest >= peer_oldest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_meet_or_do_not() {
        assert_eq!(agree(1, 1), Some(1));
        assert_eq!(agree(1, 9), Some(1), "a newer peer that still speaks ours");
        assert_eq!(agree(2, 9), None, "a peer that dropped ours");
        assert_eq!(agree(0, 0), None);
        assert_eq!(agree(5, 1), None, "upside down");
    }
}
