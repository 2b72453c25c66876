//! Whom an endpoint believes about approvals, and what it takes until a deed is approved.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use prost::Message;
use quell_wire::approver::{self, ApproverKey};
use quell_wire::keys::{Domain, KeySet, SigningKey, Trust, key_id};
use quell_wire::merkle::Tree;
use quell_wire::order::{Identity, Order, Refusal, SignedOrder, check};
use quell_wire::trust::{Error, Pin, Pinned, Rule, SignedTrustBundle, TrustBundle, is_pattern};
use quell_wire::{Approval, Intent, Requester, Target, intent, limits};

const NOW: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn approver(key: &SigningKey, human: &str) -> ApproverKey {
    ApproverKey {
        person: human.to_uppercase(),
        human: human.into(),
        requester_ids: vec![format!("id-of-{human}")],
        kind: approver::ED25519.into(),
        public: key.public(),
        ..ApproverKey::default()
    }
}

fn rule(actions: &[&str], quorum: u32) -> Rule {
    Rule { actions: actions.iter().map(|action| (*action).into()).collect(), quorum }
}

/// A tenant's root, its approvers and a deed that two of them must sign.
struct World {
    root: SigningKey,
    ann: SigningKey,
    ann_too: SigningKey,
    bob: SigningKey,
    server: SigningKey,
    bundle: TrustBundle,
    order: Order,
}

fn world() -> World {
    let (root, ann, ann_too, bob, server) = (key(), key(), key(), key(), key());
    let bundle = TrustBundle {
        tenant_id: "acme".into(),
        serial: 3,
        created_at_us: NOW,
        root_key: root.public(),
        keyring: vec![approver(&ann, "ann"), approver(&ann_too, "ann"), approver(&bob, "bob")],
        rules: vec![rule(&["endpoint.run_script", "file.*"], 1), rule(&["endpoint.run_script"], 2)],
        next_root: Vec::new(),
        kit_keys: Vec::new(),
    };
    World {
        root,
        ann,
        ann_too,
        bob,
        server,
        bundle,
        order: order("endpoint.run_script", "id-of-carl", b"{}"),
    }
}

fn order(action: &str, requester: &str, params: &[u8]) -> Order {
    let target = Target::endpoint("acme", "me").encode_to_vec();
    let intent = Intent {
        tenant_id: "acme".into(),
        task_id: "task".into(),
        action: action.into(),
        revision: 1,
        params: params.to_vec(),
        requester: Some(Requester { kind: "person".into(), id: requester.into(), name: requester.into() }),
        created_at_us: NOW,
        expires_at_us: NOW + HOUR,
        targets_root: Tree::new(std::slice::from_ref(&target)).unwrap().root().to_vec(),
        target_count: 1,
        revert_after_us: 0,
        nonce: vec![7; 16],
    }
    .encode_to_vec();
    Order {
        tenant_id: "acme".into(),
        endpoint_id: "me".into(),
        order_id: "order".into(),
        intent_digest: intent::digest(&intent).to_vec(),
        intent,
        target,
        not_before_us: NOW,
        not_after_us: NOW + HOUR,
        nonce: vec![1; 16],
        ..Order::default()
    }
}

impl World {
    fn pinned(&self) -> Pinned {
        let signed = SignedTrustBundle::sign(&self.root, &self.bundle);
        Pinned::first(&Pin::of(&self.root.public(), 1), "acme", &[signed]).unwrap()
    }

    /// Adds somebody's signature over the deed, as the server would.
    fn approve(&mut self, key: &SigningKey, name: &str) {
        let digest = intent::digest(&self.order.intent);
        self.order.approvals.push(Approval {
            person_id: name.into(),
            name: name.into(),
            decided_at_us: NOW,
            signature: Some(approver::sign(key, &digest)),
        });
    }

    /// What an endpoint says to the order, signed by the server's own key.
    fn verdict(&self, pinned: &Pinned) -> Result<bool, Refusal> {
        let trust = Trust::pinned(KeySet { version: 1, keys: vec![self.server.public()] }).unwrap();
        let me = Identity { tenant_id: "acme".into(), endpoint_id: "me".into() };
        let signed = SignedOrder::sign(&self.server, &self.order);
        check(&signed, &trust, Some(pinned), &me, NOW).map(|order| order.is_signed_for())
    }
}

fn lacks(valid: u32) -> Result<bool, Refusal> {
    Err(Refusal::NotApproved { needed: 2, valid })
}

#[test]
fn a_deed_that_the_root_names_runs_with_the_signatures_of_its_quorum_alone() {
    let mut world = world();
    let pinned = world.pinned();
    assert_eq!(world.verdict(&pinned), lacks(0), "none");
    let (ann, bob) = (std::mem::replace(&mut world.ann, key()), std::mem::replace(&mut world.bob, key()));
    world.approve(&ann, "ann");
    assert_eq!(world.verdict(&pinned), lacks(1), "one of two");
    world.approve(&bob, "bob");
    assert_eq!(world.verdict(&pinned), Ok(true));
}

#[test]
fn what_the_root_does_not_name_runs_as_before() {
    let mut world = world();
    let pinned = world.pinned();
    world.order = order("endpoint.isolate", "id-of-carl", b"{}");
    assert_eq!(world.verdict(&pinned), Ok(false));
    world.order = order("file.collect", "id-of-carl", b"{}");
    assert_eq!(world.verdict(&pinned), Err(Refusal::NotApproved { needed: 1, valid: 0 }), "its whole group");
    world.order = order("files.collect", "id-of-carl", b"{}");
    assert_eq!(world.verdict(&pinned), Ok(false), "another group");
}

#[test]
fn the_servers_word_that_people_approved_is_not_enough() {
    let mut world = world();
    let pinned = world.pinned();
    for name in ["ann", "bob"] {
        world.order.approvals.push(Approval {
            person_id: name.into(),
            name: name.into(),
            decided_at_us: NOW,
            signature: None,
        });
    }
    assert_eq!(world.verdict(&pinned), lacks(0));
}

#[test]
fn two_keys_of_one_human_count_once() {
    let mut world = world();
    let pinned = world.pinned();
    let (ann, too) = (std::mem::replace(&mut world.ann, key()), std::mem::replace(&mut world.ann_too, key()));
    world.approve(&ann, "ann");
    world.approve(&too, "somebody else, says the server");
    world.approve(&ann, "ann");
    assert_eq!(world.verdict(&pinned), lacks(1));
}

#[test]
fn who_asks_does_not_approve_by_any_of_their_keys() {
    let mut world = world();
    let pinned = world.pinned();
    let (too, bob) = (std::mem::replace(&mut world.ann_too, key()), std::mem::replace(&mut world.bob, key()));
    world.order = order("endpoint.run_script", "id-of-ann", b"{}");
    world.approve(&too, "ann");
    world.approve(&bob, "bob");
    assert_eq!(world.verdict(&pinned), lacks(1));
    // Only one of the human's keys names what they are as a requester.
    let mut world = self::world();
    world.bundle.keyring[1].requester_ids.clear();
    let (pinned, too) = (world.pinned(), std::mem::replace(&mut world.ann_too, key()));
    world.order = order("endpoint.run_script", "id-of-ann", b"{}");
    world.approve(&too, "ann");
    assert_eq!(world.verdict(&pinned), lacks(0));
}

#[test]
fn a_signature_over_something_else_does_not_count() {
    let mut world = world();
    let pinned = world.pinned();
    let (ann, bob) = (std::mem::replace(&mut world.ann, key()), std::mem::replace(&mut world.bob, key()));
    world.approve(&ann, "ann");
    world.approve(&bob, "bob");
    let approvals = world.order.approvals.clone();
    world.order = order("endpoint.run_script", "id-of-carl", br#"{"script":"another"}"#);
    world.order.approvals.clone_from(&approvals);
    assert_eq!(world.verdict(&pinned), lacks(0), "replayed for another intent");
    world.order = order("endpoint.run_script", "id-of-carl", b"{}");
    world.order.approvals = approvals;
    let digest = intent::digest(&world.order.intent);
    let wrong = world.order.approvals[0].signature.as_mut().unwrap();
    wrong.signature = ann.sign(Domain::Order, &digest);
    assert_eq!(world.verdict(&pinned), lacks(1), "signed in another domain");
    world.order.approvals[0].signature.as_mut().unwrap().signature = ann.sign(Domain::Approval, &[0; 32]);
    assert_eq!(world.verdict(&pinned), lacks(1), "another digest");
    let named = world.order.approvals[0].signature.as_mut().unwrap();
    *named = approver::sign(&bob, &digest);
    named.key_id = key_id(&ann.public());
    assert_eq!(world.verdict(&pinned), lacks(1), "under the id of another's key");
    let kind = world.order.approvals[1].signature.as_mut().unwrap();
    kind.kind = approver::WEBAUTHN.into();
    assert_eq!(world.verdict(&pinned), lacks(0), "as a passkey's");
}

#[test]
fn a_key_outside_the_keyring_does_not_count_and_neither_does_one_that_was_taken_out() {
    let mut world = world();
    let pinned = world.pinned();
    let (stranger, ann, bob) =
        (key(), std::mem::replace(&mut world.ann, key()), std::mem::replace(&mut world.bob, key()));
    world.approve(&stranger, "ann");
    world.approve(&bob, "bob");
    assert_eq!(world.verdict(&pinned), lacks(1), "unknown");
    world.approve(&ann, "ann");
    assert_eq!(world.verdict(&pinned), Ok(true));
    world.bundle.serial += 1;
    world.bundle.keyring.retain(|held| held.public != bob.public());
    let newer = pinned.accept(&SignedTrustBundle::sign(&world.root, &world.bundle)).unwrap();
    assert_eq!(world.verdict(&newer), lacks(1), "taken out by a newer bundle");
}

#[test]
fn the_first_bundle_must_be_of_the_pinned_root_and_of_this_tenant() {
    let world = world();
    let signed = SignedTrustBundle::sign(&world.root, &world.bundle);
    let first = |root: &SigningKey, serial, tenant: &str, chain: &[SignedTrustBundle]| {
        Pinned::first(&Pin::of(&root.public(), serial), tenant, chain).map(|pinned| pinned.bundle().serial)
    };
    let chain = std::slice::from_ref(&signed);
    assert_eq!(first(&world.root, 0, "acme", chain), Ok(3));
    assert_eq!(first(&world.root, 3, "acme", chain), Ok(3));
    assert_eq!(first(&world.root, 4, "acme", chain), Err(Error::Stale), "older than the pin allows");
    assert_eq!(first(&world.root, 0, "globex", chain), Err(Error::OtherTenant));
    assert_eq!(first(&key(), 0, "acme", chain), Err(Error::OtherRoot));
    assert_eq!(first(&world.root, 0, "acme", &[]), Err(Error::Missing));
    // The server's own root, whatever it writes into the bundle.
    let forged = SignedTrustBundle::sign(&world.server, &world.bundle);
    assert_eq!(first(&world.root, 0, "acme", &[forged]), Err(Error::Signature));
    let own = TrustBundle { root_key: world.server.public(), ..world.bundle.clone() };
    let own = SignedTrustBundle::sign(&world.server, &own);
    assert_eq!(first(&world.root, 0, "acme", &[own]), Err(Error::OtherRoot));
}

#[test]
fn a_later_bundle_must_be_of_the_same_root_and_rise() {
    let world = world();
    let pinned = world.pinned();
    let next = |change: &dyn Fn(&mut TrustBundle)| {
        let mut bundle = TrustBundle { serial: 4, ..world.bundle.clone() };
        change(&mut bundle);
        let signed = SignedTrustBundle::sign(&world.root, &bundle);
        pinned.accept(&signed).map(|pinned| pinned.bundle().serial)
    };
    assert_eq!(next(&|_| {}), Ok(4));
    assert_eq!(next(&|bundle| bundle.serial = 9), Ok(9), "some were missed");
    assert_eq!(next(&|bundle| bundle.serial = 3), Err(Error::Stale), "the same again");
    assert_eq!(next(&|bundle| bundle.serial = 2), Err(Error::Stale));
    assert_eq!(next(&|bundle| bundle.tenant_id = "globex".into()), Err(Error::OtherTenant));
    let stranger = key();
    let foreign = TrustBundle { serial: 4, root_key: stranger.public(), ..world.bundle.clone() };
    assert_eq!(pinned.accept(&SignedTrustBundle::sign(&stranger, &foreign)), Err(Error::OtherRoot));
}

#[test]
fn the_old_root_names_the_new_one_and_is_no_root_any_more() {
    let world = world();
    let pinned = world.pinned();
    let new = key();
    let mut bundle = TrustBundle { serial: 4, next_root: new.public(), ..world.bundle.clone() };
    let rotation = SignedTrustBundle::sign(&world.root, &bundle);
    let rotated = pinned.accept(&rotation).unwrap();
    (bundle.serial, bundle.next_root) = (5, Vec::new());
    let by_old = SignedTrustBundle::sign(&world.root, &bundle);
    assert_eq!(rotated.accept(&by_old), Err(Error::OtherRoot));
    bundle.root_key = new.public();
    let by_new = SignedTrustBundle::sign(&new, &bundle);
    assert_eq!(pinned.accept(&by_new), Err(Error::OtherRoot), "before the old one said so");
    assert_eq!(rotated.accept(&by_new).unwrap().bundle().serial, 5);
    // An endpoint that is enrolled by an older pin, or was away, gets both; one of the new pin needs the last alone.
    let old_pin = Pin::of(&world.root.public(), 3);
    let chain = [rotation.clone(), by_new.clone()];
    assert_eq!(Pinned::first(&old_pin, "acme", &chain).unwrap().bundle().serial, 5);
    let last = rotated.accept(&by_new).unwrap();
    assert_eq!(Pinned::first(&last.pin(), "acme", &chain).unwrap().bundle().serial, 5);
    assert_eq!(Pinned::first(&rotated.pin(), "acme", &[rotation]).unwrap().bundle().next_root, new.public());
}

#[test]
fn what_is_kept_is_checked_again() {
    let world = world();
    let mut signed = SignedTrustBundle::sign(&world.root, &world.bundle);
    assert_eq!(Pinned::kept("acme", signed.clone()).unwrap(), world.pinned());
    assert_eq!(Pinned::kept("globex", signed.clone()), Err(Error::OtherTenant));
    let at = signed.bundle.len() / 2;
    signed.bundle[at] ^= 1;
    assert!(Pinned::kept("acme", signed).is_err());
}

#[test]
fn a_bundle_beyond_its_limits_is_refused_by_name() {
    let world = world();
    let changed = |change: &dyn Fn(&mut TrustBundle)| {
        let mut bundle = world.bundle.clone();
        change(&mut bundle);
        SignedTrustBundle::sign(&world.root, &bundle).open().unwrap_err()
    };
    assert_eq!(changed(&|b| b.tenant_id = "a/b".into()), Error::Limit("tenant_id"));
    assert_eq!(changed(&|b| b.serial = 0), Error::Limit("serial"));
    assert_eq!(changed(&|b| b.next_root = vec![1; 31]), Error::Limit("next_root"));
    assert_eq!(changed(&|b| b.next_root = b.root_key.clone()), Error::Limit("next_root"));
    assert_eq!(changed(&|b| b.keyring.push(b.keyring[0].clone())), Error::Limit("keyring"));
    assert_eq!(changed(&|b| b.keyring[0].public = vec![0; 31]), Error::Limit("keyring"));
    assert_eq!(changed(&|b| b.keyring[0].kind = "rsa".into()), Error::Limit("keyring"));
    assert_eq!(changed(&|b| b.keyring[0].kind = "webauthn".into()), Error::Limit("keyring"));
    assert_eq!(changed(&|b| b.keyring[0].human.clear()), Error::Limit("keyring"));
    assert_eq!(changed(&|b| b.keyring[0].requester_ids = vec!["a b".into()]), Error::Limit("keyring"));
    for (actions, quorum) in [
        (&["*"][..], 0),
        (&["*"], 17),
        (&[], 1),
        (&[""], 1),
        (&["endpoint"], 1),
        (&["*.run"], 1),
        (&["a.*b"], 1),
    ] {
        assert_eq!(changed(&|b| b.rules = vec![rule(actions, quorum)]), Error::Limit("rules"), "{actions:?}");
    }
    assert_eq!(changed(&|b| b.rules = vec![rule(&["*"], 1); limits::RULES + 1]), Error::Limit("rules"));
    assert_eq!(
        changed(&|b| b.keyring[0].requester_ids = vec!["x".repeat(limits::TRUST)]),
        Error::Limit("bundle")
    );
}

#[test]
fn a_bundle_that_says_more_than_is_understood_is_refused() {
    let world = world();
    let mut signed = SignedTrustBundle::sign(&world.root, &world.bundle);
    // Field 9, a number: what a newer version may say.
    signed.bundle.extend([0x48, 1]);
    signed.signature = world.root.sign(Domain::Trust, &signed.bundle);
    assert_eq!(signed.open(), Err(Error::Malformed));
}

#[test]
fn patterns_are_all_a_group_or_an_action() {
    for good in ["*", "endpoint.*", "endpoint.run_script", "a.b.c", "a.b.*"] {
        assert!(is_pattern(good), "{good}");
    }
    for bad in [
        "",
        "**",
        ".*",
        "endpoint",
        "Endpoint.isolate",
        "endpoint.",
        ".isolate",
        "e*",
        "a..b",
        "a.*.b",
        "a b.c",
    ] {
        assert!(!is_pattern(bad), "{bad}");
    }
}

#[test]
fn pins_are_carried_as_text() {
    let pin = Pin::of(b"root", 12);
    assert_eq!(Pin::from_text(&pin.to_text()), Some(pin));
    let text = pin.to_text();
    assert_eq!(Pin::from_text(&text[..64]), Some(Pin { serial: 0, ..pin }), "any serial");
    for bad in [
        "",
        "ab",
        &text[1..],
        &text[..65],
        &format!("{text}x"),
        &text.replace(':', ":+"),
        &"+1".repeat(32),
        &"é".repeat(32),
    ] {
        assert_eq!(Pin::from_text(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_under_a_good_signature_end_in_a_sound_bundle_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let root = key();
        let signed = SignedTrustBundle {
            signature: root.sign(Domain::Trust, &bytes), bundle: bytes, key_id: key_id(&root.public()),
        };
        prop_assert!(signed.open().is_err() || signed.open().unwrap().check().is_ok());
    }

    #[test]
    fn no_single_bit_of_a_bundle_may_change(at in 0_usize..1000, bit in 0..8_u8) {
        let world = world();
        let mut signed = SignedTrustBundle::sign(&world.root, &world.bundle);
        let at = at % signed.bundle.len();
        signed.bundle[at] ^= 1 << bit;
        prop_assert!(signed.open().is_err());
    }
}
