//! Orders over a real session: carried out once, answered always, refused for every reason there is.

use quell_wire::Status;
use quell_wire::frame::{FromAgent, FromServer};
use quell_wire::keys::{KeySet, SignedKeySet};
use quell_wire::{SignedOrder, limits};
use serde_json::json;

use crate::gateway::{Gateway, key, now_us};
use crate::process::Endpoint;

/// An order that changes nothing here: the endpoint is not isolated, so nothing is to be restored. Its parameters
/// are refused by the catalogue, so that no rule of this machine is ever looked at.
fn harmless() -> (&'static str, serde_json::Value) {
    ("endpoint.restore", json!({ "unknown": 1 }))
}

fn connected() -> (Gateway, Endpoint) {
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    (gateway, endpoint)
}

#[test]
fn what_cannot_be_trusted_is_rejected_by_its_hash() {
    let (gateway, _endpoint) = connected();
    let (action, params) = harmless();
    let good = gateway.order(action, &params);
    let signed = gateway.sign(&good);
    let mut altered = signed.clone();
    let last = altered.order.len() - 1;
    altered.order[last] ^= 1;
    gateway.send(FromServer::Order(altered));
    assert_eq!(gateway.rejection(), "order_bad_signature");
    gateway.send(FromServer::Order(SignedOrder::sign(&key(), &good)));
    assert_eq!(gateway.rejection(), "order_unknown_key");
    let mut foreign = good.clone();
    foreign.tenant_id = "globex".into();
    gateway.send(FromServer::Order(gateway.sign(&foreign)));
    assert_eq!(gateway.rejection(), "order_other_tenant");
    let mut foreign = good.clone();
    foreign.endpoint_id = "b".into();
    gateway.send(FromServer::Order(gateway.sign(&foreign)));
    assert_eq!(gateway.rejection(), "order_other_endpoint");
}

#[test]
fn what_is_not_to_be_done_is_refused_with_a_signed_reason() {
    let (gateway, _endpoint) = connected();
    let (action, params) = harmless();
    let refused = |order: &quell_wire::Order, code: &str| {
        gateway.send(FromServer::Order(gateway.sign(order)));
        let outcome = gateway.outcome(&order.order_id);
        assert_eq!((outcome.status, outcome.reason_code.as_str()), (i32::from(Status::Refused), code));
        assert_eq!(outcome.intent_digest, order.intent_digest);
        assert_eq!(outcome.started_at_us, 0);
    };
    let mut expired = gateway.order(action, &params);
    expired.not_before_us = now_us() - 20_000_000;
    expired.not_after_us = now_us() - 10_000_000;
    refused(&expired, "order_expired");
    let mut early = gateway.order(action, &params);
    early.not_before_us = now_us() + limits::CLOCK_SKEW_US + 60_000_000;
    early.not_after_us = early.not_before_us + 1;
    refused(&early, "order_not_yet_valid");
    let mut other = gateway.order(action, &params);
    other.target_index = 1;
    refused(&other, "order_not_a_target");
    refused(&gateway.order(action, &params), "params_invalid");
    refused(&gateway.order("endpoint.format", &json!({})), "action_unknown");
}

#[test]
fn a_repeat_is_answered_from_the_journal_and_a_reused_id_is_rejected() {
    let (gateway, mut endpoint) = connected();
    let (action, params) = harmless();
    let order = gateway.order(action, &params);
    let signed = gateway.sign(&order);
    gateway.send(FromServer::Order(signed.clone()));
    let first = gateway.outcome_unacknowledged(&order.order_id);
    gateway.send(FromServer::Order(signed.clone()));
    assert_eq!(gateway.outcome_unacknowledged(&order.order_id), first, "byte for byte the same");
    let mut other = order.clone();
    other.nonce = vec![2; 16];
    gateway.send(FromServer::Order(gateway.sign(&other)));
    assert_eq!(gateway.rejection(), "order_id_reused");

    // What was not acknowledged is sent again in the next session, also after a kill.
    endpoint.kill();
    endpoint.connect(&gateway);
    assert!(gateway.hello().held.iter().any(|held| held.order_id == order.order_id));
    assert_eq!(gateway.outcome(&order.order_id), first);
    gateway.send(FromServer::Order(signed));
    assert_eq!(gateway.outcome(&order.order_id), first);
}

#[test]
fn a_lost_session_comes_back() {
    let (gateway, _endpoint) = connected();
    for number in 2..5 {
        gateway.kick();
        gateway.wait_for_session(number);
    }
    let (action, params) = harmless();
    let id = gateway.give(action, &params);
    gateway.outcome(&id);
}

#[test]
fn order_keys_rotate_and_stay_rotated() {
    let (gateway, mut endpoint) = connected();
    let next = key();
    let set = KeySet { version: 2, keys: vec![next.public()] };
    let stranger = SignedKeySet::sign(&key(), &KeySet { version: 9, keys: vec![key().public()] });
    gateway.send(FromServer::Keys(stranger));
    gateway.send(FromServer::Keys(SignedKeySet::sign(gateway.order_key(), &set)));
    let (action, params) = harmless();
    let order = gateway.order(action, &params);
    gateway.send(FromServer::Order(gateway.sign(&order)));
    assert_eq!(gateway.rejection(), "order_unknown_key");
    endpoint.kill();
    endpoint.connect(&gateway);
    gateway.send(FromServer::Order(SignedOrder::sign(&next, &order)));
    gateway.outcome(&order.order_id);
}

#[test]
fn an_agent_enrolled_after_a_rotation_takes_no_harm_from_older_keys() {
    let (gateway, _endpoint) = connected();
    // What it pinned is the third set: the second was signed by a key that it never trusted, the third is its own.
    let (first, now) = (key(), gateway.order_key());
    let second = KeySet { version: 1, keys: vec![first.public(), now.public()] };
    let pinned = KeySet { version: 1, keys: vec![now.public()] };
    let older = KeySet { version: 0, keys: vec![first.public()] };
    gateway.send(FromServer::Keys(SignedKeySet::sign(&first, &second)));
    gateway.send(FromServer::Keys(SignedKeySet::sign(now, &pinned)));
    gateway.send(FromServer::Keys(SignedKeySet::sign(now, &older)));
    let (action, params) = harmless();
    let order = gateway.order(action, &params);
    gateway.send(FromServer::Order(SignedOrder::sign(&first, &order)));
    assert_eq!(gateway.rejection(), "order_unknown_key");
    // The same session goes on, with the key that it had.
    gateway.send(FromServer::Order(gateway.sign(&order)));
    gateway.outcome(&order.order_id);
    assert_eq!(gateway.sessions(), 1, "the session was not broken off");
}

#[test]
fn a_thousand_orders_at_once_are_all_answered_over_kills() {
    let (gateway, mut endpoint) = connected();
    let (action, params) = harmless();
    let orders: Vec<_> = (0..1000).map(|_| gateway.order(action, &params)).collect();
    let deliver = |from: usize| {
        for order in &orders[from..] {
            gateway.send(FromServer::Order(gateway.sign(order)));
        }
    };
    deliver(0);
    gateway.expect("any outcome", |frame| matches!(frame, FromAgent::Outcome(_)).then_some(()));
    endpoint.kill();
    endpoint.connect(&gateway);
    deliver(0);
    for order in &orders[1..] {
        gateway.outcome(&order.order_id);
    }
}

#[test]
fn a_lost_journal_means_that_what_was_done_may_not_be_done_again() {
    let (gateway, mut endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"here").unwrap();
    let order = gateway.order("file.collect", &json!({ "path": path }));
    gateway.send(FromServer::Order(gateway.sign(&order)));
    assert_eq!(gateway.outcome(&order.order_id).status, i32::from(Status::Done));
    endpoint.kill();
    let journal = endpoint.file("journal");
    std::fs::remove_file(&journal).unwrap();
    endpoint.connect(&gateway);
    assert_eq!(gateway.event("journal_damaged"), json!({ "missing": true }));
    gateway.send(FromServer::Order(gateway.sign(&order)));
    let outcome = gateway.outcome(&order.order_id);
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (i32::from(Status::Indeterminate), "journal_damaged")
    );
}
