//! Orders and outcomes whose signature holds but whose content is arbitrary: what a stolen key could send.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quell_wire::keys::{Domain, KeySet, SignedKeySet, SigningKey, Trust, key_id};
use quell_wire::order::{Identity, SignedOrder, check};
use quell_wire::outcome::SignedOutcome;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    SigningKey::from_pkcs8(&SigningKey::generate().expect("randomness")).expect("a key of our own")
});

fuzz_target!(|bytes: &[u8]| {
    let public = KEY.public();
    let trust = Trust::pinned(KeySet { version: 1, keys: vec![public.clone()] }).expect("one key");
    let me = Identity { tenant_id: "t".into(), endpoint_id: "e".into() };
    let order = SignedOrder {
        order: bytes.to_vec(),
        signature: KEY.sign(Domain::Order, bytes),
        key_id: key_id(&public),
    };
    if let Ok(verified) = check(&order, &trust, None, &me, 1_800_000_000_000_000) {
        assert_eq!(verified.order().endpoint_id, "e");
        assert_eq!(verified.intent().tenant_id, "t");
    }
    let outcome = SignedOutcome { outcome: bytes.to_vec(), signature: KEY.sign(Domain::Outcome, bytes) };
    let _ = outcome.open(&public);
    let keys = SignedKeySet { set: bytes.to_vec(), signature: KEY.sign(Domain::KeySet, bytes) };
    if let Ok(next) = trust.rotate(&keys) {
        assert!(next.set().version > 1 && !next.set().keys.is_empty());
    }
});
