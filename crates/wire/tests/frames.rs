//! Whatever bytes arrive, decoding ends in a checked frame or an error; proofs hold for their leaf alone.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use quell_wire::enrol::Token;
use quell_wire::frame::{self, FrameError, FromAgent, FromServer, Hello, OrderRef, Progress};
use quell_wire::keys::SigningKey;
use quell_wire::merkle::{Tree, includes};
use quell_wire::outcome::{Outcome, OutcomeError, SignedOutcome, Status};
use quell_wire::{SignedOrder, limits};

#[test]
fn frames_beyond_a_limit_are_refused_by_name() {
    let hello = |change: fn(&mut Hello)| {
        let mut hello = Hello { machine: vec![0; 32], instance: vec![0; 16], ..Hello::default() };
        change(&mut hello);
        frame::decode_from_agent(&frame::encode_from_agent(FromAgent::Hello(hello))).err()
    };
    assert_eq!(hello(|_| ()), None);
    assert_eq!(hello(|h| h.facts = vec![b' '; limits::FACTS + 1]), Some(FrameError::Limit("facts")));
    assert_eq!(hello(|h| h.machine = vec![0; 33]), Some(FrameError::Limit("machine")));
    assert_eq!(hello(|h| h.held = vec![OrderRef::default()]), Some(FrameError::Limit("id")));
    assert_eq!(
        hello(|h| h.held = vec![OrderRef { order_id: "x".into() }; limits::HELD + 1]),
        Some(FrameError::Limit("held"))
    );
    let progress = Progress { order_id: "a\nb".into(), ..Progress::default() };
    let bytes = frame::encode_from_agent(FromAgent::Progress(progress));
    assert_eq!(frame::decode_from_agent(&bytes), Err(FrameError::Limit("id")));
    assert_eq!(frame::decode_from_agent(&vec![0; limits::FRAME + 1]), Err(FrameError::TooLarge));
    assert_eq!(frame::decode_from_agent(&[]), Err(FrameError::Malformed), "a frame without a body");
}

#[test]
fn an_outcome_is_read_only_with_the_agents_signature_and_a_known_status() {
    let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let good = Outcome {
        order_id: "o".into(),
        intent_digest: vec![0; 32],
        status: Status::Done.into(),
        ..Outcome::default()
    };
    let signed = SignedOutcome::sign(&key, &good);
    assert_eq!(signed.open(&key.public()), Ok(good.clone()));
    assert_eq!(signed.open(&[0; 32]), Err(OutcomeError::BadSignature));
    let signed_with = |change: fn(&mut Outcome)| {
        let mut outcome = good.clone();
        change(&mut outcome);
        SignedOutcome::sign(&key, &outcome).open(&key.public())
    };
    assert_eq!(signed_with(|o| o.status = 99), Err(OutcomeError::Malformed));
    assert_eq!(signed_with(|o| o.status = 0), Err(OutcomeError::Malformed));
    assert_eq!(signed_with(|o| o.result = vec![0; limits::RESULT + 1]), Err(OutcomeError::Malformed));
    assert_eq!(signed_with(|o| o.intent_digest.clear()), Err(OutcomeError::Malformed));
}

#[test]
fn a_token_is_128_characters_and_prints_nothing() {
    let token = Token { secret: [1; 32], ca: [2; 32], order_key: [3; 32], trust: None };
    let text = token.to_text();
    assert_eq!(text.len(), 5 + 128);
    assert_eq!(Token::from_text(&format!(" {text}\n")), Some(token.clone()));
    assert_eq!(format!("{token:?}"), "Token(***)");
    for bad in ["", "qle1.", &text[..text.len() - 1], &text.replace("qle1", "qle2"), &format!("{text}AA")] {
        assert_eq!(Token::from_text(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(body) = frame::decode_from_agent(&bytes) {
            prop_assert_eq!(frame::decode_from_agent(&frame::encode_from_agent(body.clone())), Ok(body));
        }
        if let Ok(body) = frame::decode_from_server(&bytes) {
            prop_assert_eq!(frame::decode_from_server(&frame::encode_from_server(body.clone())), Ok(body));
        }
        let order = SignedOrder { order: bytes.clone(), signature: bytes, key_id: "k".into() };
        let body = FromServer::Order(order);
        prop_assert_eq!(frame::decode_from_server(&frame::encode_from_server(body.clone())), Ok(body));
    }

    #[test]
    fn a_proof_holds_for_its_leaf_and_place_alone(count in 1_usize..70, other in any::<prop::sample::Index>()) {
        let leaves: Vec<[u8; 8]> = (0..count as u64).map(u64::to_be_bytes).collect();
        let tree = Tree::new(&leaves).unwrap();
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = tree.proof(index).unwrap();
            prop_assert!(includes(&tree.root(), leaf, index as u64, count as u64, &proof));
            let elsewhere = other.index(count);
            if elsewhere != index {
                prop_assert!(!includes(&tree.root(), leaf, elsewhere as u64, count as u64, &proof));
                prop_assert!(!includes(&tree.root(), &leaves[elsewhere], index as u64, count as u64, &proof));
            }
        }
        prop_assert!(tree.proof(count).is_none());
    }
}
