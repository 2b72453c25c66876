//! What the signer does not sign, and by which code it says so.

use std::collections::BTreeMap;

use prost::Message as _;
use quell_catalog::ActionKind;
use quell_signer::{Policy, Service};
use quell_wire::{Intent, Order, intent};
use serde_json::json;

use crate::world::{Asked, HOUR, NOW, SECOND, TENANT, World, agent_takes, approval};

/// The order with another intent, and the digest that belongs to it.
fn edited(mut order: Order, edit: impl FnOnce(&mut Intent)) -> Order {
    let mut asked = Intent::decode(order.intent.as_slice()).unwrap();
    edit(&mut asked);
    order.intent = asked.encode_to_vec();
    order.intent_digest = intent::digest(&order.intent).to_vec();
    order
}

#[test]
fn what_is_as_it_says_is_signed_and_an_agent_takes_it() {
    let world = World::new();
    let order = Asked::isolate().order();
    let signed = world.sign(&order).unwrap();
    assert!(agent_takes(&world, &order, &signed.signature, &signed.key_id));
    assert_eq!(world.sign(&order).unwrap(), signed, "the same order, the same signature");
}

#[test]
fn an_order_that_was_edited_is_refused() {
    let world = World::new();
    let good = Asked::isolate().order();
    let change = |edit: fn(&mut Order)| {
        let mut order = good.clone();
        edit(&mut order);
        world.code(&order)
    };
    assert_eq!(change(|order| order.intent[5] ^= 1), "order_intent_mismatch");
    assert_eq!(change(|order| order.intent_digest[0] ^= 1), "order_intent_mismatch");
    assert_eq!(change(|order| order.endpoint_id = "endpoint-0".into()), "order_not_a_target");
    assert_eq!(change(|order| order.target_index = 0), "order_not_a_target");
    assert_eq!(change(|order| order.proof[0][0] ^= 1), "order_not_a_target");
    assert_eq!(change(|order| order.tenant_id = "other".into()), "order_intent_mismatch");
    assert_eq!(change(|order| order.not_after_us += 1), "order_intent_mismatch", "longer than was asked");
    assert_eq!(change(|order| order.not_before_us = NOW - 31 * 24 * HOUR), "order_window");
    assert_eq!(change(|order| order.not_after_us = order.not_before_us - 1), "order_window");
    assert_eq!(change(|order| order.nonce.clear()), "order_malformed");
    assert_eq!(change(|order| order.order_id = "../x y".into()), "order_malformed");
    // Parameters, with a digest that was made anew for them: nobody approved it, but that the signer cannot know without
    // approvals that bind it. What it can know is that they do not fit.
    let params = edited(good.clone(), |asked| asked.params = br#"{"pid": 1}"#.to_vec());
    assert_eq!(world.code(&params), "action_params");
    let garbage = edited(good, |asked| asked.params = vec![0xff; 10]);
    assert_eq!(world.code(&garbage), "action_params");
}

#[test]
fn the_signers_own_clock_counts() {
    let world = World::new();
    let order = Asked::isolate().order();
    assert!(world.sign(&order).is_ok());
    world.pass(HOUR + SECOND);
    assert_eq!(world.code(&order), "order_expired");
    world.pass(-2 * HOUR);
    assert_eq!(world.code(&order), "order_not_yet_valid");
    let mut early = order.clone();
    early.not_before_us = NOW - 2 * HOUR;
    assert_eq!(world.code(&early), "intent_window", "made after the signer's now");
}

#[test]
fn what_the_catalogue_does_not_have_is_refused() {
    let world = World::new();
    let good = Asked::isolate().order();
    assert_eq!(
        world.code(&edited(good.clone(), |asked| asked.action = "endpoint.explode".into())),
        "unknown_action"
    );
    assert_eq!(world.code(&edited(good.clone(), |asked| asked.revision += 1)), "action_revision");
    assert_eq!(world.code(&edited(good.clone(), |asked| asked.requester = None)), "no_requester");
    let nobody = edited(good, |asked| asked.requester.as_mut().unwrap().id.clear());
    assert_eq!(world.code(&nobody), "no_requester");
}

#[test]
fn nothing_is_signed_unread() {
    let world = World::new();
    let good = Asked::isolate().order();
    let mut bytes = good.encode_to_vec();
    // Field 99, a varint: what a newer agent might understand.
    bytes.extend([0x98, 0x06, 0x01]);
    assert_eq!(world.service.sign(&[&bytes])[0].as_ref().unwrap_err().code, "order_unknown_field");
    let mut order = good;
    order.intent.extend([0x98, 0x06, 0x01]);
    order.intent_digest = intent::digest(&order.intent).to_vec();
    assert_eq!(world.code(&order), "order_unknown_field");
    for garbage in [&[][..], &[0xff; 40], &vec![0; 2 << 20]] {
        assert_eq!(world.service.sign(&[garbage])[0].as_ref().unwrap_err().code, "order_malformed");
    }
}

#[test]
fn the_policy_names_tenants_actions_and_a_most_of_targets() {
    let only = |tenants: &[&str], actions: &[&str]| Policy {
        tenants: Some(tenants.iter().map(|name| (*name).to_owned()).collect()),
        actions: Some(actions.iter().map(|name| (*name).to_owned()).collect()),
        ..Policy::default()
    };
    let order = Asked::isolate().order();
    assert!(World::with(&only(&[TENANT], &["endpoint.isolate"])).sign(&order).is_ok());
    assert_eq!(World::with(&only(&["other"], &["*"])).code(&order), "tenant_not_allowed");
    assert_eq!(World::with(&only(&[TENANT], &["file.*"])).code(&order), "action_not_allowed");
    let few = |most| World::with(&Policy { max_targets: Some(most), ..Policy::default() });
    assert!(few(3).sign(&order).is_ok());
    assert_eq!(few(2).code(&order), "too_many_targets");
}

fn approvals(action: &str, count: u32) -> Policy {
    Policy { approvals: BTreeMap::from([(action.to_owned(), count)]), ..Policy::default() }
}

#[test]
fn approvals_travel_with_the_order_or_it_is_refused() {
    let world = World::with(&approvals("endpoint.isolate", 2));
    let with = |people: &[&str]| {
        let mut order = Asked::isolate().order();
        order.approvals = people.iter().map(|person| approval(person)).collect();
        order
    };
    assert_eq!(world.code(&with(&[])), "approval_missing");
    assert_eq!(world.code(&with(&["bob"])), "approval_missing");
    assert_eq!(world.code(&with(&["bob", "bob"])), "approval_duplicate");
    assert_eq!(world.code(&with(&["bob", "ann"])), "approval_by_requester");
    assert!(world.sign(&with(&["bob", "cy"])).is_ok());
    let mut early = with(&["bob", "cy"]);
    early.approvals[0].decided_at_us = NOW - 2 * SECOND;
    assert_eq!(world.code(&early), "approval_time", "before it was asked");
    let mut late = with(&["bob", "cy"]);
    late.approvals[0].decided_at_us = NOW + HOUR + 1;
    assert_eq!(world.code(&late), "approval_time", "after its end");
    let script = Asked::new(ActionKind::ProcessTerminate, json!({ "pid": 7, "start_time": 9 })).order();
    assert!(world.sign(&script).is_ok(), "another action");
}

#[test]
fn approvals_that_are_no_approvals_are_refused_even_where_none_is_asked_for() {
    let world = World::new();
    let mut order = Asked::isolate().order();
    order.approvals = vec![approval("ann")];
    assert_eq!(world.code(&order), "approval_by_requester");
}

#[test]
fn a_signature_that_nobody_can_check_does_not_count() {
    let world = World::with(&Policy { signatures: true, ..approvals("*", 1) });
    let mut order = Asked::isolate().order();
    order.approvals = vec![approval("bob")];
    assert_eq!(world.code(&order), "approval_signature");
}

#[test]
fn a_minute_holds_so_many_orders_and_more_wait() {
    let world = World::with(&Policy { orders_per_minute_per_tenant: Some(2), ..Policy::default() });
    let order = Asked::isolate().order();
    let batch: Vec<Vec<u8>> = (0..3).map(|_| order.encode_to_vec()).collect();
    let answers = world.service.sign(&batch);
    assert!(answers[0].is_ok() && answers[1].is_ok());
    let refusal = answers[2].as_ref().unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after.is_some()), ("rate", true));
    world.pass(30 * SECOND);
    assert!(world.sign(&order).is_ok());
}

#[test]
fn a_directory_or_key_that_others_may_use_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, open, closed) in
        [("", 0o750, 0o700), ("order.key", 0o640, 0o600), ("signer.json", 0o604, 0o600)]
    {
        let world = World::new();
        let directory = world.directory();
        let folder = world.folder;
        drop(world.service);
        set(&directory.join(name), open);
        let error = Service::open(&directory, quell_signer::system_clock()).unwrap_err().to_string();
        let told = format!("{error} {:?}", Service::open(&directory, quell_signer::system_clock()));
        assert!(told.contains("Exposed"), "{name}: {told}");
        set(&directory.join(name), closed);
        assert!(Service::open(&directory, quell_signer::system_clock()).is_ok());
        drop(folder);
    }
}

#[test]
fn two_signers_do_not_share_a_directory() {
    let world = World::new();
    let error = Service::open(&world.directory(), quell_signer::system_clock()).unwrap_err();
    assert!(error.to_string().contains("another signer"), "{error}");
}

mod signed {
    use quell_signer::Bundles;
    use quell_wire::approver::{self, ApproverKey};
    use quell_wire::trust::{Rule, SignedTrustBundle, TrustBundle};
    use quell_wire::{Approval, SigningKey};

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
    }

    fn approver(key: &SigningKey, human: &str) -> ApproverKey {
        ApproverKey {
            person: human.to_owned(),
            human: human.to_owned(),
            kind: "ed25519".to_owned(),
            public: key.public(),
            requester_ids: vec![human.to_owned()],
            ..ApproverKey::default()
        }
    }

    fn bundle(root: &SigningKey, keyring: Vec<ApproverKey>, serial: u64, rules: Vec<Rule>) -> String {
        let bundle = TrustBundle {
            tenant_id: TENANT.to_owned(),
            serial,
            created_at_us: NOW,
            root_key: root.public(),
            keyring,
            rules,
            ..TrustBundle::default()
        };
        bundle.check().unwrap();
        SignedTrustBundle::sign(root, &bundle).to_text()
    }

    fn by(key: &SigningKey, person: &str, order: &Order) -> Approval {
        let digest = intent::digest(&order.intent);
        Approval { signature: Some(approver::sign(key, &digest)), ..approval(person) }
    }

    #[test]
    fn approvers_own_signatures_are_demanded_by_policy_or_by_the_tenants_root() {
        let (root, ann, bob, cy) = (key(), key(), key(), key());
        let keyring = vec![approver(&ann, "ann"), approver(&bob, "bob"), approver(&cy, "cy")];
        let rule = Rule { actions: vec!["endpoint.*".to_owned()], quorum: 2 };
        for (policy, rules) in [
            (Policy { signatures: true, ..approvals("endpoint.isolate", 2) }, Vec::new()),
            (Policy::default(), vec![rule]),
        ] {
            let world = World::with(&policy);
            let text = bundle(&root, keyring.clone(), 1, rules);
            assert_eq!(Bundles::add(&world.directory(), text.as_bytes()).unwrap(), (TENANT.to_owned(), 1));
            world.service.reload().unwrap();
            let order = Asked::isolate().order();
            let with = |approvals: Vec<Approval>| Order { approvals, ..order.clone() };
            let unsigned = with(vec![approval("bob"), approval("cy")]);
            assert_eq!(world.code(&unsigned), "approval_signature");
            let one = with(vec![by(&bob, "bob", &order), approval("cy")]);
            assert_eq!(world.code(&one), "approval_signature");
            let twice = with(vec![by(&bob, "bob", &order), by(&bob, "cy", &order)]);
            assert_eq!(world.code(&twice), "approval_signature", "one human under two names");
            let own = with(vec![by(&bob, "bob", &order), by(&ann, "dee", &order)]);
            assert_eq!(world.code(&own), "approval_signature", "the requester's own key");
            let other = Asked::isolate().order_of(1, "order-2");
            let mut fresh = Asked::isolate();
            fresh.intent.nonce = vec![9; 16];
            let replayed = with(vec![by(&bob, "bob", &order), by(&cy, "cy", &fresh.order())]);
            assert_eq!(world.code(&replayed), "approval_signature", "of another intent");
            assert!(world.sign(&with(vec![by(&bob, "bob", &order), by(&cy, "cy", &order)])).is_ok());
            let same_intent =
                Order { approvals: vec![by(&bob, "bob", &order), by(&cy, "cy", &order)], ..other };
            assert!(world.sign(&same_intent).is_ok(), "each order of the intent");
        }
    }

    #[test]
    fn a_bundle_of_another_root_or_an_older_one_is_not_taken() {
        let (root, other, bob) = (key(), key(), key());
        let world = World::new();
        let keyring = || vec![approver(&bob, "bob")];
        Bundles::add(&world.directory(), bundle(&root, keyring(), 2, Vec::new()).as_bytes()).unwrap();
        for (root, serial) in [(&root, 2), (&root, 1), (&other, 3)] {
            let text = bundle(root, keyring(), serial, Vec::new());
            assert!(Bundles::add(&world.directory(), text.as_bytes()).is_err(), "{serial}");
        }
        assert!(Bundles::add(&world.directory(), b"nonsense").is_err());
        Bundles::add(&world.directory(), bundle(&root, keyring(), 3, Vec::new()).as_bytes()).unwrap();
        std::fs::write(world.directory().join("trust/x.trust"), "nonsense").unwrap();
        assert!(world.service.reload().is_err(), "what stands stays");
    }
}
