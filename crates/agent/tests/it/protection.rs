//! What is protected here: taken from the session, kept, and in force once it is whole.

use prost::Message as _;
use quell_wire::activity::{Severity, Source};
use quell_wire::digest::sha256;
use quell_wire::frame::{FromAgent, FromServer};
use quell_wire::protection::{Mode, Protection, Rules, SignedProtection, SourceMode};

use crate::gateway::{Gateway, TENANT, key, until};
use crate::process::Endpoint;

fn document(version: u64, rules: Option<&str>) -> Protection {
    let named = |text: &str| Rules { sha256: sha256(&[text.as_bytes()]).to_vec(), size: text.len() as u64 };
    Protection {
        tenant_id: TENANT.to_owned(),
        version,
        made_at_us: 1,
        record: true,
        ring_bytes: 64 << 20,
        ring_age_s: 86_400,
        modes: vec![SourceMode { source: Source::Behaviour.into(), mode: Mode::Detect.into() }],
        prevent_from: Severity::High.into(),
        behaviour: rules.map(named),
        ..Protection::default()
    }
}

fn give(gateway: &Gateway, document: &Protection) {
    let signed = SignedProtection::sign(gateway.order_key(), &document.encode_to_vec());
    gateway.send(FromServer::Protection(signed));
}

/// Waits until the agent says that a version is in force.
fn in_force(gateway: &Gateway, version: u64) {
    gateway.expect("the protection in force", |frame| match frame {
        FromAgent::RecorderState(state) if state.protection == version => Some(()),
        _ => None,
    });
}

fn status(endpoint: &Endpoint) -> serde_json::Value {
    let output = endpoint.command(&["status"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    status["protection"].clone()
}

/// Begins a new session and answers what it holds by its own word.
fn holds(gateway: &Gateway) -> Option<u64> {
    let before = gateway.sessions();
    gateway.kick();
    gateway.wait_for_session(before + 1);
    gateway.hello().protection
}

fn connected(gateway: &Gateway) -> Endpoint {
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(gateway);
    endpoint.connect(gateway);
    endpoint
}

#[test]
fn a_document_counts_once_its_rules_are_here_and_outlives_the_agent() {
    let gateway = Gateway::start();
    let mut endpoint = connected(&gateway);
    assert_eq!(gateway.hello().protection, Some(0));
    in_force(&gateway, 0);
    gateway.files().script("title: first");
    give(&gateway, &document(3, Some("title: first")));
    in_force(&gateway, 3);
    assert_eq!(status(&endpoint)["behaviour_bytes"], 12);
    endpoint.kill();
    endpoint.connect(&gateway);
    assert_eq!(gateway.hello().protection, Some(3));
    in_force(&gateway, 3);
    let fetched = gateway.files().fetched();
    // The next one names rules that nobody has yet.
    give(&gateway, &document(4, Some("title: second")));
    until("it holds the newer one", || status(&endpoint)["held"] == 4);
    assert_eq!((holds(&gateway), status(&endpoint)["in_force"].as_u64()), (Some(4), Some(3)));
    endpoint.kill();
    endpoint.connect(&gateway);
    assert_eq!(gateway.hello().protection, Some(4), "it is not asked for again");
    assert_eq!(status(&endpoint)["in_force"], 3);
    gateway.files().script("title: second");
    in_force(&gateway, 4);
    // One without rules of its own needs nothing, and leaves nothing.
    give(&gateway, &document(5, None));
    in_force(&gateway, 5);
    assert!(gateway.files().fetched() > fetched);
    let left = std::fs::read_dir(endpoint.file("protection")).unwrap().count();
    assert_eq!((left, status(&endpoint)["behaviour_bytes"].as_u64()), (0, None));
}

#[test]
fn what_is_forged_stale_or_for_others_is_refused_and_told() {
    let gateway = Gateway::start();
    let _endpoint = connected(&gateway);
    give(&gateway, &document(7, None));
    in_force(&gateway, 7);
    let refused = |signed: SignedProtection, code: &str| {
        gateway.send(FromServer::Protection(signed));
        let event = gateway.expect("a refusal", |frame| match frame {
            FromAgent::Event(event) if event.kind == "protection_refused" => {
                let detail: serde_json::Value = serde_json::from_slice(&event.detail).unwrap();
                (detail["code"] == code).then_some(detail)
            }
            _ => None,
        });
        assert_eq!(event["held"], 7);
    };
    let sign = |document: &Protection| SignedProtection::sign(gateway.order_key(), &document.encode_to_vec());
    refused(sign(&document(6, None)), "protection_stale");
    refused(SignedProtection::sign(&key(), &document(9, None).encode_to_vec()), "protection_bad_signature");
    let mut changed = sign(&document(9, None));
    changed.protection[5] ^= 1;
    refused(changed, "protection_bad_signature");
    refused(
        sign(&Protection { tenant_id: "other".to_owned(), ..document(9, None) }),
        "protection_other_tenant",
    );
    refused(sign(&Protection { ring_bytes: 1, ..document(9, None) }), "protection_limit");
    refused(SignedProtection::sign(gateway.order_key(), b"\xff"), "protection_malformed");
    assert_eq!(holds(&gateway), Some(7));
}

#[test]
fn a_body_that_is_not_what_is_named_is_not_used() {
    let gateway = Gateway::start();
    let endpoint = connected(&gateway);
    gateway.files().false_script("title: named", "title: other");
    give(&gateway, &document(2, Some("title: named")));
    until("it says why it has none", || {
        status(&endpoint)["problem"].as_str().is_some_and(|problem| problem.contains("SHA-256"))
    });
    assert_eq!(status(&endpoint)["in_force"], 0);
    // A newer document does not wait for what the older one lacks.
    give(&gateway, &document(3, None));
    in_force(&gateway, 3);
    assert!(status(&endpoint)["problem"].is_null());
}

#[test]
fn what_is_damaged_is_begun_anew() {
    let gateway = Gateway::start();
    let mut endpoint = connected(&gateway);
    gateway.files().script("title: first");
    let whole = document(3, Some("title: first"));
    give(&gateway, &whole);
    in_force(&gateway, 3);
    let body = std::fs::read_dir(endpoint.file("protection")).unwrap().next().unwrap().unwrap().path();
    for (file, bytes) in [(endpoint.file("protection.current"), &b"\xff\xff"[..]), (body, b"title: other")] {
        endpoint.stop();
        std::fs::write(&file, bytes).unwrap();
        endpoint.connect(&gateway);
        assert_eq!(gateway.hello().protection, Some(0), "{}", file.display());
        gateway.event("protection_damaged");
        give(&gateway, &whole);
        in_force(&gateway, 3);
    }
    // The document of before is in force although the newer one is damaged.
    endpoint.stop();
    std::fs::write(endpoint.file("protection.held"), b"\xff").unwrap();
    endpoint.connect(&gateway);
    assert_eq!((gateway.hello().protection, status(&endpoint)["in_force"].as_u64()), (Some(3), Some(3)));
}
