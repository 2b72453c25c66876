//! The tenant's own root of trust: pinned at enrolment, obeyed against the server, replaced by its own word alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use quell_wire::approver::{self, ApproverKey};
use quell_wire::enrol::Token;
use quell_wire::frame::FromServer;
use quell_wire::trust::{Pin, Rule, SignedTrustBundle, TrustBundle};
use quell_wire::{Approval, Order, SigningKey, Status, intent};
use serde_json::{Value, json};

use crate::gateway::{Gateway, TENANT, key, until};
use crate::process::Endpoint;

/// A tenant's root, and one approver whom it trusts.
struct Root {
    key: SigningKey,
    ann: SigningKey,
    bundle: TrustBundle,
}

/// The root demands one signature to collect files.
fn root() -> Root {
    let (key, ann) = (key(), key());
    let approver = ApproverKey {
        person: "Ann".into(),
        human: "ann".into(),
        kind: approver::ED25519.into(),
        public: ann.public(),
        ..ApproverKey::default()
    };
    let bundle = TrustBundle {
        tenant_id: TENANT.into(),
        serial: 1,
        root_key: key.public(),
        keyring: vec![approver],
        rules: vec![Rule { actions: vec!["file.*".into()], quorum: 1 }],
        ..TrustBundle::default()
    };
    Root { key, ann, bundle }
}

impl Root {
    fn signed(&self) -> SignedTrustBundle {
        SignedTrustBundle::sign(&self.key, &self.bundle)
    }

    fn pin(&self) -> Pin {
        Pin::of(&self.key.public(), 1)
    }

    /// The next bundle, after a change.
    fn next(&mut self, change: impl FnOnce(&mut TrustBundle)) -> SignedTrustBundle {
        self.bundle.serial += 1;
        change(&mut self.bundle);
        self.signed()
    }
}

fn approve(order: &mut Order, key: &SigningKey) {
    let digest = intent::digest(&order.intent);
    order.approvals = vec![Approval {
        person_id: "ann".into(),
        name: "Ann".into(),
        decided_at_us: 1,
        signature: Some(approver::sign(key, &digest)),
    }];
}

/// An agent that was enrolled by a token with this root's pin, and connected.
fn connected(root: &Root) -> (Gateway, Endpoint) {
    let gateway = Gateway::start();
    gateway.entrust(&[root.signed()]);
    let token = Token { trust: Some(root.pin()), ..gateway.token() };
    let mut endpoint = Endpoint::new(None);
    let output = endpoint.try_enrol(&gateway.address.to_string(), &token.to_text());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    endpoint.connect(&gateway);
    (gateway, endpoint)
}

/// An order to collect a file that is not there: it can be carried out, and fails.
fn covered(gateway: &Gateway) -> Order {
    gateway.order("file.collect", &json!({ "path": "/nowhere/at all" }))
}

/// How the agent answers the order, which the server's own key signs.
fn answer(gateway: &Gateway, order: &Order) -> (i32, String) {
    gateway.send(FromServer::Order(gateway.sign(order)));
    let outcome = gateway.outcome(&order.order_id);
    (outcome.status, outcome.reason_code)
}

fn refused(code: &str) -> (i32, String) {
    (Status::Refused.into(), code.into())
}

#[test]
fn no_order_of_the_servers_key_does_what_needs_an_approvers_signature() {
    let root = root();
    let (gateway, mut endpoint) = connected(&root);
    let mut order = covered(&gateway);
    assert_eq!(answer(&gateway, &order), refused("order_not_approved"));
    approve(&mut order, &key());
    assert_eq!(answer(&gateway, &order), refused("order_not_approved"), "by a stranger's key");
    approve(&mut order, &root.ann);
    assert_eq!(answer(&gateway, &order).1, "not_found", "carried out: there is no such file");
    // What the root does not name is not held up.
    let other = gateway.order("endpoint.restore", &json!({ "unknown": 1 }));
    assert_eq!(answer(&gateway, &other), refused("params_invalid"));
    // After a restart, too.
    endpoint.kill();
    endpoint.connect(&gateway);
    assert_eq!(answer(&gateway, &covered(&gateway)), refused("order_not_approved"));
}

#[test]
fn one_signature_serves_for_one_order() {
    let root = root();
    let (gateway, mut endpoint) = connected(&root);
    let mut first = covered(&gateway);
    approve(&mut first, &root.ann);
    let mut second = Order { order_id: "another-id".into(), nonce: vec![9; 16], ..first.clone() };
    assert_eq!(answer(&gateway, &first).1, "not_found");
    assert_eq!(answer(&gateway, &second), refused("order_deed_repeated"));
    endpoint.kill();
    endpoint.connect(&gateway);
    second.order_id = "a-third-id".into();
    assert_eq!(answer(&gateway, &second), refused("order_deed_repeated"), "after a restart");
    let held = gateway.hello().held;
    assert!(held.iter().all(|order| !order.order_id.starts_with("deed")), "{held:?}");
}

#[test]
fn a_newer_bundle_of_the_root_is_taken_and_told_of() {
    let mut root = root();
    let (gateway, mut endpoint) = connected(&root);
    assert_eq!(gateway.hello().trust_serial, 1);
    let mut order = covered(&gateway);
    approve(&mut order, &root.ann);
    gateway.send(FromServer::Trust(root.next(|bundle| bundle.keyring.clear())));
    assert_eq!(gateway.event("trust_accepted")["serial"], 2);
    assert_eq!(answer(&gateway, &order), refused("order_not_approved"), "the key was taken out");
    // A root that names its successor is no root any more.
    let new = key();
    gateway.send(FromServer::Trust(root.next(|bundle| bundle.next_root = new.public())));
    assert_eq!(gateway.event("trust_accepted")["serial"], 3);
    gateway.send(FromServer::Trust(root.next(|bundle| bundle.rules.clear())));
    assert_eq!(gateway.event("trust_refused")["code"], "trust_other_root");
    root.key = new;
    let by_new =
        root.next(|bundle| (bundle.root_key, bundle.next_root) = (bundle.next_root.clone(), Vec::new()));
    gateway.send(FromServer::Trust(by_new));
    assert_eq!(gateway.event("trust_accepted")["serial"], 5);
    endpoint.kill();
    endpoint.connect(&gateway);
    assert_eq!(gateway.hello().trust_serial, 5);
    let facts: Value = serde_json::from_slice(&gateway.hello().facts).unwrap();
    assert_eq!(facts["trust"]["serial"], 5);
}

#[test]
fn what_the_server_makes_up_is_not_taken() {
    let mut root = root();
    let (gateway, _endpoint) = connected(&root);
    let mut own = self::root();
    own.bundle.rules.clear();
    gateway.send(FromServer::Trust(own.next(|_| {})));
    assert_eq!(gateway.event("trust_refused")["code"], "trust_other_root");
    let mut edited = root.next(|_| {});
    edited.bundle = own.bundle.encode_to_vec();
    gateway.send(FromServer::Trust(edited));
    assert_eq!(gateway.event("trust_refused")["code"], "trust_bad_signature");
    gateway.send(FromServer::Trust(root.next(|bundle| bundle.tenant_id = "globex".into())));
    assert_eq!(gateway.event("trust_refused")["code"], "trust_other_tenant");
    assert_eq!(answer(&gateway, &covered(&gateway)), refused("order_not_approved"));
}

#[test]
fn an_endpoint_that_is_to_trust_a_root_is_not_enrolled_without_it() {
    let (root, gateway) = (root(), Gateway::start());
    let server = gateway.address.to_string();
    let failed = |chain: &[SignedTrustBundle], token: &Token, more: &[&str], why: &str| {
        gateway.entrust(chain);
        let endpoint = Endpoint::new(None);
        let text = token.to_text();
        let output = endpoint
            .command(&[&["enrol", "--server", &server, "--token", &text], more].concat())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(why), "{error}");
        assert!(!endpoint.file("identity.json").exists(), "nothing is kept");
    };
    let pinned = Token { trust: Some(root.pin()), ..gateway.token() };
    failed(&[], &pinned, &[], "no trust bundle fits");
    failed(&[self::root().signed()], &pinned, &[], "not signed by the pinned root");
    let later = Token { trust: Some(Pin { serial: 2, ..root.pin() }), ..gateway.token() };
    failed(&[root.signed()], &later, &[], "not newer");
    // By the administrator's own word, whatever token the server made.
    let said = root.pin().to_text();
    failed(&[], &gateway.token(), &["--trust-root", &said], "no trust bundle fits");
    let other = Token { trust: Some(self::root().pin()), ..gateway.token() };
    failed(&[root.signed()], &other, &["--trust-root", &said], "another root");
}

#[test]
fn an_endpoint_without_a_pin_believes_nobody_until_its_administrator_says_whom() {
    let mut root = root();
    let gateway = Gateway::start();
    gateway.entrust(&[root.signed()]);
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    assert_eq!(gateway.hello().trust_serial, 0);
    gateway.send(FromServer::Trust(root.signed()));
    assert_eq!(gateway.event("trust_refused")["code"], "trust_not_pinned");
    assert_eq!(answer(&gateway, &covered(&gateway)).1, "not_found", "as before");
    let file = endpoint.file("bundle");
    std::fs::write(&file, STANDARD.encode(root.signed().encode_to_vec())).unwrap();
    let pin = |root: &Pin| {
        let arguments = ["trust", "--root", &root.to_text(), "--bundle", file.to_str().unwrap()];
        endpoint.command(&arguments).output().unwrap()
    };
    let wrong = pin(&self::root().pin());
    assert!(!wrong.status.success() && String::from_utf8(wrong.stderr).unwrap().contains("pinned root"));
    let right = pin(&root.pin());
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    assert_eq!(gateway.event("trust_pinned")["serial"], 1);
    assert_eq!(answer(&gateway, &covered(&gateway)), refused("order_not_approved"));
    gateway.send(FromServer::Trust(root.next(|bundle| bundle.rules.clear())));
    assert_eq!(gateway.event("trust_accepted")["serial"], 2);
    assert_eq!(answer(&gateway, &covered(&gateway)).1, "not_found");
}

#[test]
fn an_agent_whose_bundle_is_damaged_does_not_start() {
    let root = root();
    let (_gateway, mut endpoint) = connected(&root);
    endpoint.kill();
    let path = endpoint.file("identity.json");
    let mut stored = crate::process::json(&path);
    let mut edited = root.bundle.clone();
    edited.rules.clear();
    let edited = SignedTrustBundle { bundle: edited.encode_to_vec(), ..root.signed() };
    stored["trust"] = STANDARD.encode(edited.encode_to_vec()).into();
    std::fs::write(&path, stored.to_string()).unwrap();
    endpoint.start();
    until("the agent gives up", || !endpoint.is_running());
    assert!(endpoint.log().contains("the trust bundle cannot be read"), "{}", endpoint.log());
}
