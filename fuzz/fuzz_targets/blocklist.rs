//! Deltas of a block list as an agent hears them: any bytes end in a checked delta or an error, and no bytes change what is
//! held without a signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use quell_wire::blocklist::{Delta, Follower, Held, unframe};
use quell_wire::keys::{KeySet, Trust};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(delta) = Delta::read(bytes) {
        assert_eq!(Delta::read(&delta.encode_to_vec()).as_ref(), Ok(&delta));
    }
    let Ok(trust) = Trust::pinned(KeySet { version: 1, keys: vec![vec![1; 32]] }) else { return };
    let mut follower = Follower::new("t", Held::default());
    let mut rest = bytes;
    while let Ok(Some((signed, taken))) = unframe(rest) {
        assert!(follower.take(&signed, &trust).is_err());
        rest = &rest[taken..];
    }
    assert_eq!(follower.held(), &Held::default());
});
