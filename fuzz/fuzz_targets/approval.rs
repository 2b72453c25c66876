//! Trust bundles under a good signature, and passkeys' assertions: any bytes are refused, or are sound and within limits.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use quell_wire::keys::{Domain, SigningKey, key_id};
use quell_wire::trust::{Pin, Pinned, SignedTrustBundle};
use quell_wire::webauthn::{Assertion, Party, verify};
use quell_wire::{Approval, Intent};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    SigningKey::from_pkcs8(&SigningKey::generate().expect("randomness")).expect("a key of our own")
});

fuzz_target!(|bytes: &[u8]| {
    let signed = SignedTrustBundle {
        signature: KEY.sign(Domain::Trust, bytes),
        bundle: bytes.to_vec(),
        key_id: key_id(&KEY.public()),
    };
    if let Ok(bundle) = signed.open() {
        assert_eq!(bundle.check(), Ok(()));
        let pinned = Pinned::first(&Pin::of(&bundle.root_key, 0), &bundle.tenant_id, &[signed]).expect("it fits");
        let intent = Intent { action: "endpoint.run_script".into(), ..Intent::default() };
        let approved = pinned.check(&intent, &[0; 32], &[Approval::default()]);
        assert_eq!(approved.is_ok(), bundle.quorum(&intent.action).is_none());
    }
    if let Ok(approval) = Approval::decode(bytes) {
        let _ = approval.is_bounded();
    }
    let (head, rest) = bytes.split_at(bytes.len().min(77));
    let (data, client) = rest.split_at(rest.len().min(37));
    let assertion = Assertion { authenticator_data: data, client_data: client, signature: head };
    let origins = ["https://quell.example".to_owned()];
    assert!(verify(assertion, head, Party { id: "quell.example", origins: &origins }, &[7; 32]).is_err());
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(pin) = Pin::from_text(text)
    {
        assert_eq!(Pin::from_text(&pin.to_text()), Some(pin));
    }
});
