//! What an agent accepts as an order, and every way in which one may be wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use prost::Message;
use quell_wire::keys::{KeySet, SignedKeySet, SigningKey, Trust};
use quell_wire::merkle::Tree;
use quell_wire::order::{Identity, Order, Refusal, SignedOrder, check};
use quell_wire::{Intent, Target, intent, limits};

const NOW: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

struct World {
    key: SigningKey,
    trust: Trust,
    me: Identity,
    order: Order,
}

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn trust_in(key: &SigningKey) -> Trust {
    Trust::pinned(KeySet { version: 1, keys: vec![key.public()] }).unwrap()
}

/// An order for the third of five endpoints, and the agent that it is for.
fn world() -> World {
    let key = key();
    let targets: Vec<Vec<u8>> =
        (0..5).map(|n| Target::endpoint("acme", &format!("endpoint-{n}")).encode_to_vec()).collect();
    let tree = Tree::new(&targets).unwrap();
    let intent = Intent {
        tenant_id: "acme".into(),
        task_id: "task".into(),
        action: "endpoint.isolate".into(),
        revision: 1,
        params: b"{}".to_vec(),
        requester: None,
        created_at_us: NOW,
        expires_at_us: NOW + HOUR,
        targets_root: tree.root().to_vec(),
        target_count: 5,
        revert_after_us: 0,
        nonce: vec![7; 16],
    }
    .encode_to_vec();
    let order = Order {
        tenant_id: "acme".into(),
        endpoint_id: "endpoint-2".into(),
        order_id: "order".into(),
        intent_digest: intent::digest(&intent).to_vec(),
        intent,
        target: targets[2].clone(),
        target_index: 2,
        proof: tree.proof(2).unwrap().iter().map(|hash| hash.to_vec()).collect(),
        not_before_us: NOW,
        not_after_us: NOW + HOUR,
        nonce: vec![1; 16],
        secrets: vec![],
        approvals: Vec::new(),
    };
    let me = Identity { tenant_id: "acme".into(), endpoint_id: "endpoint-2".into() };
    World { trust: trust_in(&key), key, me, order }
}

impl World {
    fn verdict(&self) -> Result<String, Refusal> {
        self.verdict_at(NOW)
    }

    fn verdict_at(&self, now: i64) -> Result<String, Refusal> {
        let signed = SignedOrder::sign(&self.key, &self.order);
        check(&signed, &self.trust, None, &self.me, now).map(|verified| verified.intent().action.clone())
    }
}

#[test]
fn a_good_order_is_accepted_and_says_what_the_intent_says() {
    assert_eq!(world().verdict(), Ok("endpoint.isolate".into()));
}

#[test]
fn another_endpoint_or_tenant_refuses_it() {
    let mut world = world();
    world.me.endpoint_id = "endpoint-3".into();
    assert_eq!(world.verdict(), Err(Refusal::OtherEndpoint));
    world.me = Identity { tenant_id: "globex".into(), endpoint_id: "endpoint-2".into() };
    assert_eq!(world.verdict(), Err(Refusal::OtherTenant));
}

#[test]
fn the_window_is_kept_with_the_skew_allowed_before_it_and_none_after() {
    let world = world();
    assert_eq!(world.verdict_at(NOW - limits::CLOCK_SKEW_US), Ok("endpoint.isolate".into()));
    assert_eq!(world.verdict_at(NOW - limits::CLOCK_SKEW_US - 1), Err(Refusal::NotYet));
    assert_eq!(world.verdict_at(NOW + HOUR), Ok("endpoint.isolate".into()));
    assert_eq!(world.verdict_at(NOW + HOUR + 1), Err(Refusal::Expired));
    assert_eq!(
        world.verdict_at(NOW + 24 * HOUR),
        Err(Refusal::Expired),
        "an agent whose clock is a day ahead"
    );
    assert_eq!(
        world.verdict_at(NOW - 24 * HOUR),
        Err(Refusal::NotYet),
        "an agent whose clock is a day behind"
    );
    assert_eq!(world.verdict_at(i64::MIN), Err(Refusal::NotYet));
    assert_eq!(world.verdict_at(i64::MAX), Err(Refusal::Expired));
}

#[test]
fn windows_that_are_too_long_or_upside_down_are_refused() {
    for (from, to) in [(NOW, NOW - 1), (NOW, NOW + limits::ORDER_WINDOW_US + 1), (i64::MIN, i64::MAX)] {
        let mut world = world();
        (world.order.not_before_us, world.order.not_after_us) = (from, to);
        assert_eq!(world.verdict(), Err(Refusal::Window), "{from}..{to}");
    }
}

#[test]
fn an_order_may_not_outlive_its_intent() {
    let mut world = world();
    world.order.not_after_us += 1;
    assert_eq!(world.verdict(), Err(Refusal::Intent));
}

#[test]
fn another_intent_under_the_same_digest_is_refused() {
    let mut world = world();
    let mut other = Intent::decode(world.order.intent.as_slice()).unwrap();
    other.params = br#"{"allow":[{"network":"198.51.100.0/24"}]}"#.to_vec();
    world.order.intent = other.encode_to_vec();
    assert_eq!(world.verdict(), Err(Refusal::Intent));
}

#[test]
fn a_target_outside_the_intent_is_refused() {
    let mut world = world();
    world.order.target = Target::endpoint("acme", "endpoint-9").encode_to_vec();
    world.order.endpoint_id = "endpoint-9".into();
    world.me.endpoint_id = "endpoint-9".into();
    assert_eq!(world.verdict(), Err(Refusal::NotATarget));
}

#[test]
fn a_proof_for_another_place_is_refused() {
    let mut world = world();
    world.order.target_index = 3;
    assert_eq!(world.verdict(), Err(Refusal::NotATarget));
    world.order.target_index = u64::MAX;
    assert_eq!(world.verdict(), Err(Refusal::NotATarget));
    world.order.target_index = 2;
    world.order.proof.push(vec![0; 32]);
    assert_eq!(world.verdict(), Err(Refusal::NotATarget), "a longer proof");
    world.order.proof[0] = vec![0; 31];
    assert_eq!(world.verdict(), Err(Refusal::Malformed));
}

#[test]
fn no_single_bit_may_change() {
    let world = world();
    let signed = SignedOrder::sign(&world.key, &world.order);
    for at in 0..signed.order.len() {
        let mut altered = signed.clone();
        altered.order[at] ^= 1 << (at % 8);
        assert_eq!(
            check(&altered, &world.trust, None, &world.me, NOW).unwrap_err(),
            Refusal::BadSignature,
            "byte {at}"
        );
    }
    for at in 0..signed.signature.len() {
        let mut altered = signed.clone();
        altered.signature[at] ^= 1;
        assert_eq!(check(&altered, &world.trust, None, &world.me, NOW).unwrap_err(), Refusal::BadSignature);
    }
}

#[test]
fn a_signature_of_another_kind_or_key_does_not_pass() {
    let mut world = world();
    let signed = SignedOrder::sign(&world.key, &world.order);
    let mut as_outcome = signed.clone();
    as_outcome.signature = world.key.sign(quell_wire::keys::Domain::Outcome, &signed.order);
    assert_eq!(check(&as_outcome, &world.trust, None, &world.me, NOW).unwrap_err(), Refusal::BadSignature);
    world.key = key();
    assert_eq!(world.verdict(), Err(Refusal::UnknownKey));
}

#[test]
fn ids_that_could_become_paths_are_refused() {
    for id in ["", "../x", "a/b", "a\0b", "a b", "é", &"x".repeat(65)] {
        let mut world = world();
        world.order.order_id = id.into();
        assert_eq!(world.verdict(), Err(Refusal::Malformed), "{id:?}");
    }
}

#[test]
fn keys_rotate_forward_only_and_only_by_a_trusted_key() {
    let (old, new, stranger) = (key(), key(), key());
    let trust = trust_in(&old);
    let both = KeySet { version: 2, keys: vec![old.public(), new.public()] };
    let next = trust.rotate(&SignedKeySet::sign(&old, &both)).unwrap();
    assert!(next.key(&quell_wire::keys::key_id(&new.public())).is_some());
    assert!(trust.rotate(&SignedKeySet::sign(&stranger, &both)).is_err());
    assert!(next.rotate(&SignedKeySet::sign(&old, &both)).is_err(), "the same version again");
    let only_new = KeySet { version: 3, keys: vec![new.public()] };
    let last = next.rotate(&SignedKeySet::sign(&new, &only_new)).unwrap();
    assert!(
        last.rotate(&SignedKeySet::sign(&old, &KeySet { version: 4, keys: vec![old.public()] })).is_err()
    );
    assert!(trust.rotate(&SignedKeySet::sign(&old, &KeySet { version: 9, keys: vec![] })).is_err());
}

#[test]
fn approvals_travel_within_their_limits() {
    let approval = |name: &str| quell_wire::Approval {
        person_id: "person".into(),
        name: name.into(),
        decided_at_us: NOW,
        signature: Some(quell_wire::ApproverSignature { signature: vec![0; 64], ..Default::default() }),
    };
    let mut world = world();
    world.order.approvals = vec![approval("Ann"); limits::APPROVALS];
    assert_eq!(world.verdict(), Ok("endpoint.isolate".into()));
    world.order.approvals.push(approval("Ann"));
    assert_eq!(world.verdict(), Err(Refusal::Malformed), "one too many");
    world.order.approvals = vec![approval(&"x".repeat(limits::NAME + 1))];
    assert_eq!(world.verdict(), Err(Refusal::Malformed), "a name without end");
    let mut large = approval("Ann");
    large.signature.as_mut().unwrap().client_data = vec![b' '; limits::CLIENT_DATA + 1];
    world.order.approvals = vec![large];
    assert_eq!(world.verdict(), Err(Refusal::Malformed), "a signature without end");
}
