//! The first contact, and every way in which it must not succeed.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quell_wire::SignedOrder;
use quell_wire::enrol::{Problem, Token};
use quell_wire::frame::FromServer;
use quell_wire::keys::{KeySet, SignedKeySet};

use crate::gateway::{ENDPOINT, Gateway, key, until};
use crate::process::{Endpoint, json};

fn failure(endpoint: &Endpoint, server: &str, token: &str) -> String {
    let output = endpoint.try_enrol(server, token);
    assert!(!output.status.success());
    assert!(
        !endpoint.file("identity.json").exists() && !endpoint.file("key.der").exists(),
        "nothing is kept"
    );
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_endpoint_is_taken_in_and_connects() {
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    assert_eq!(json(&endpoint.file("identity.json"))["endpoint_id"], ENDPOINT);
    let mode = std::fs::metadata(endpoint.file("key.der")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    endpoint.connect(&gateway);
    let hello = gateway.hello();
    assert_eq!(hello.machine.len(), 32);
    assert!(hello.capabilities.iter().any(|c| c.action == "endpoint.isolate" && c.revision == 1));
    let facts: serde_json::Value = serde_json::from_slice(&hello.facts).unwrap();
    assert_eq!((facts["os"].as_str(), facts["isolation"].is_null()), (Some("linux"), true));
    let status = endpoint.command(&["status"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (status["endpoint_id"].as_str(), status["link"]["connected"].as_bool()),
        (Some(ENDPOINT), Some(true))
    );
    endpoint.stop();
}

#[test]
fn a_server_under_another_ca_is_refused() {
    let (gateway, impostor) = (Gateway::start(), Gateway::start());
    let endpoint = Endpoint::new(None);
    let error = failure(&endpoint, &impostor.address.to_string(), &gateway.token().to_text());
    assert!(error.contains("not the one that this agent was enrolled with"), "{error}");
}

#[test]
fn a_server_with_another_order_key_is_refused() {
    let gateway = Gateway::start();
    let token = Token { order_key: [1; 32], ..gateway.token() };
    let error = failure(&Endpoint::new(None), &gateway.address.to_string(), &token.to_text());
    assert!(error.contains("order key"), "{error}");
}

#[test]
fn no_order_key_is_trusted_but_the_tokens() {
    let gateway = Gateway::start();
    let stranger = key();
    gateway.claim_order_key(&stranger);
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    let order = gateway.order("endpoint.restore", &serde_json::json!({ "unknown": 1 }));
    gateway.send(FromServer::Order(SignedOrder::sign(&stranger, &order)));
    assert_eq!(gateway.rejection(), "order_unknown_key");
    // The key of the token may take it in: even by the first set of all, whatever version the answer named.
    let set = KeySet { version: 1, keys: vec![gateway.order_key().public(), stranger.public()] };
    gateway.send(FromServer::Keys(SignedKeySet::sign(gateway.order_key(), &set)));
    gateway.send(FromServer::Order(SignedOrder::sign(&stranger, &order)));
    gateway.outcome(&order.order_id);
}

#[test]
fn an_enrolment_that_cannot_be_used_leaves_nothing_in_the_way_of_the_next() {
    let (gateway, another) = (Gateway::start(), Gateway::start());
    let mut endpoint = Endpoint::new(None);
    let try_enrol = || failure(&endpoint, &gateway.address.to_string(), &gateway.token().to_text());
    gateway.certify_by(Some(b"no certificate".to_vec()));
    try_enrol();
    let other = Endpoint::new(None);
    other.enrol(&another);
    let of_another_key = json(&other.file("identity.json"))["certificate"].as_str().unwrap().to_owned();
    gateway.certify_by(Some(STANDARD.decode(of_another_key).unwrap()));
    try_enrol();
    gateway.certify_by(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
}

#[test]
fn the_servers_refusal_is_shown() {
    let gateway = Gateway::start();
    let token = Token { secret: [1; 32], ..gateway.token() };
    let error = failure(&Endpoint::new(None), &gateway.address.to_string(), &token.to_text());
    assert!(error.contains("token_invalid"), "{error}");
    let error = failure(&Endpoint::new(None), &gateway.address.to_string(), "qle1.nonsense");
    assert!(error.contains("not an enrolment token"), "{error}");
}

#[test]
fn an_enrolled_endpoint_is_not_enrolled_again() {
    let gateway = Gateway::start();
    let endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    let again = endpoint.try_enrol(&gateway.address.to_string(), &gateway.token().to_text());
    assert!(String::from_utf8(again.stderr).unwrap().contains("enrolled already"));
}

#[test]
fn certificates_are_renewed_before_they_end() {
    let gateway = Gateway::start();
    gateway.certificates_last(Duration::from_secs(4));
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    let before = json(&endpoint.file("identity.json"))["certificate"].clone();
    endpoint.connect(&gateway);
    until("a renewal", || gateway.renewals() >= 1);
    gateway.wait_for_session(2);
    assert_ne!(json(&endpoint.file("identity.json"))["certificate"], before);
}

#[test]
fn a_revoked_agent_gives_up_and_says_so() {
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    gateway.refuse_sessions(Some(Problem {
        code: "revoked".into(),
        message: "this endpoint was revoked".into(),
    }));
    endpoint.start();
    let status = || {
        let output = endpoint.command(&["status"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    until("the agent knows", || status()["link"]["revoked"] == true);
    assert!(endpoint.log().contains("no longer connects"));
    assert!(endpoint.is_running());
}
