//! What a tenant's offline root signed: taken by its own rules, handed on to agents, never made here.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use prost::Message;
use quell_wire::approver::{self, ApproverKey};
use quell_wire::digest::hex;
use quell_wire::enrol::Token;
use quell_wire::frame::{FromAgent, FromServer, Hello};
use quell_wire::trust::{Pin, Pinned, Rule, SignedTrustBundle, TrustBundle};
use quell_wire::{Intent, SigningKey, intent};
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::approval::{link, open_call};
use crate::gateway::agent::{Agent, Session};
use crate::passkeys::added;
use crate::world::{PASSWORD, World, answer};

const PATH: &str = "/api/v1/trust";

/// A root, away from the server.
pub struct Root {
    key: SigningKey,
    bundle: TrustBundle,
}

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

impl Root {
    pub fn new(tenant: Uuid) -> Self {
        let root = key();
        let ann = ApproverKey {
            person: "Ann".into(),
            human: "ann".into(),
            kind: approver::ED25519.into(),
            public: key().public(),
            ..ApproverKey::default()
        };
        let bundle = TrustBundle {
            tenant_id: tenant.to_string(),
            serial: 1,
            created_at_us: 1_800_000_000_000_000,
            root_key: root.public(),
            keyring: vec![ann],
            rules: vec![Rule { actions: vec!["endpoint.run_script".into()], quorum: 1 }],
            next_root: Vec::new(),
            kit_keys: Vec::new(),
        };
        Self { key: root, bundle }
    }

    fn signed(&self) -> SignedTrustBundle {
        SignedTrustBundle::sign(&self.key, &self.bundle)
    }

    /// As it is carried.
    pub fn text(&self) -> String {
        self.signed().to_text()
    }

    fn at(mut self, serial: u64) -> Self {
        self.bundle.serial = serial;
        self
    }

    /// Names another root, which signs from then on.
    fn rotate(&mut self) -> SignedTrustBundle {
        let new = key();
        self.bundle.serial += 1;
        self.bundle.next_root = new.public();
        let signed = self.signed();
        self.bundle.serial += 1;
        (self.bundle.root_key, self.bundle.next_root) = (new.public(), Vec::new());
        self.key = new;
        signed
    }
}

async fn put(world: &World, body: Value) -> (u16, Value) {
    answer(world.request(Method::PUT, PATH).json(&body).send().await.unwrap()).await
}

async fn publish(world: &World, signed: &SignedTrustBundle) -> (u16, Value) {
    put(world, json!({ "bundle": signed.to_text() })).await
}

async fn token(world: &World) -> Token {
    let (status, token) =
        world.post("/api/v1/enrolment-tokens", json!({ "name": "lab", "max_uses": 9 })).await;
    assert_eq!(status, 201, "{token}");
    Token::from_text(token["text"].as_str().unwrap()).unwrap()
}

async fn enrolled(world: &World, token: &Token) -> Agent {
    let ca = CertificateDer::from_pem_file(world.directory.path().join("ca.pem")).unwrap();
    let mut agent = Agent::to(world.gateway, ca.to_vec());
    assert_eq!(agent.enrol(token).await.status, 200);
    agent
}

async fn session(agent: &Agent, trust_serial: u64) -> Session {
    let mut session = agent.dial().await;
    session.say(FromAgent::Hello(Hello { trust_serial, ..agent.hello() })).await;
    session.welcome().await;
    session
}

async fn handed(session: &mut Session) -> u64 {
    match session.hear().await {
        Some(FromServer::Trust(signed)) => signed.open().unwrap().serial,
        other => panic!("no trust bundle: {other:?}"),
    }
}

#[tokio::test]
async fn a_bundle_is_taken_by_the_rules_of_an_endpoint() {
    let world = World::new().await;
    assert_eq!(world.get(PATH).await, (200, json!({ "tenant_id": world.tenant, "trust": null })));
    let mut root = Root::new(world.tenant).at(3);
    let (status, shown) = publish(&world, &root.signed()).await;
    assert_eq!((status, &shown["trust"]["serial"]), (200, &json!(3)), "{shown}");
    assert_eq!(shown["trust"]["pin"], Pin::of(&root.key.public(), 3).to_text());
    assert_eq!(shown["trust"]["rules"], json!([{ "actions": ["endpoint.run_script"], "quorum": 1 }]));
    assert_eq!(world.get(PATH).await.1, shown);
    let (_, trail) = world.get("/api/v1/audit?verb=trust.publish").await;
    assert_eq!(trail["items"][0]["detail"]["serial"], 3, "{trail}");
    // The same once more is no change.
    assert_eq!(publish(&world, &root.signed()).await.0, 200);
    let (_, trail) = world.get("/api/v1/audit?verb=trust.publish").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);

    root.bundle.rules.clear();
    let (status, problem) = publish(&world, &root.signed()).await;
    assert_eq!(status, 409, "another under the same serial: {problem}");
    assert!(problem["detail"].as_str().unwrap().contains("trust_stale"), "{problem}");
    let stranger = Root::new(world.tenant).at(9);
    let (status, problem) = publish(&world, &stranger.signed()).await;
    assert_eq!(status, 409, "{problem}");
    let foreign = Root::new(Uuid::now_v7());
    let mut edited = root.signed();
    edited.signature[0] ^= 1;
    for (wrong, why) in [(foreign.signed(), "trust_stale"), (edited, "trust_bad_signature")] {
        let (status, problem) = publish(&world, &wrong).await;
        assert!([400, 409].contains(&status), "{why}: {problem}");
    }
    assert_eq!(put(&world, json!({ "bundle": "AAAA" })).await.0, 400);

    // The root names another, and only that one goes on.
    let rotation = root.rotate();
    assert_eq!(publish(&world, &root.signed()).await.0, 409, "the rotation comes first");
    assert_eq!(publish(&world, &rotation).await.0, 200);
    assert_eq!(publish(&world, &root.signed()).await.0, 200);

    // A lost root is replaced aloud, and only so.
    let fresh = Root::new(world.tenant);
    assert_eq!(publish(&world, &fresh.signed()).await.0, 409);
    assert_eq!(put(&world, json!({ "bundle": fresh.text(), "replace": true })).await.0, 200);
    let (_, trail) = world.get("/api/v1/audit?verb=trust.publish").await;
    assert_eq!(trail["items"][0]["detail"]["replaces"]["serial"], 5, "{trail}");
    let world = World::at(world.stop().await).await;
    assert_eq!(world.get(PATH).await.1["trust"]["serial"], 1, "after a restart");
    world.stop().await;
}

#[tokio::test]
async fn tokens_and_enrolments_carry_it_and_sessions_hand_it_on() {
    let world = World::new().await;
    assert_eq!(token(&world).await.trust, None);
    let mut root = Root::new(world.tenant);
    publish(&world, &root.signed()).await;
    let early = token(&world).await;
    assert_eq!(early.trust, Some(Pin::of(&root.key.public(), 1)));
    let agent = enrolled(&world, &early).await;
    let mut live = session(&agent, 1).await;
    let rotation = root.rotate();
    publish(&world, &rotation).await;
    assert_eq!(handed(&mut live).await, 2, "while connected");
    publish(&world, &root.signed()).await;
    assert_eq!(handed(&mut live).await, 3);
    drop(live);

    // Who comes with an older pin finds the way from it to the newest bundle.
    let late = enrolled(&world, &early).await;
    let chain = late.response.as_ref().unwrap().trust.clone();
    let tenant = world.tenant.to_string();
    assert_eq!(Pinned::first(&early.trust.unwrap(), &tenant, &chain).unwrap().bundle().serial, 3);
    let newest = token(&world).await.trust.unwrap();
    assert_eq!(newest, Pin::of(&root.key.public(), 3));
    assert_eq!(Pinned::first(&newest, &tenant, &chain).unwrap().bundle().serial, 3);
    let mut away = session(&late, 1).await;
    assert_eq!((handed(&mut away).await, handed(&mut away).await), (2, 3), "after it was away");
    drop(away);

    // Who pinned nothing is handed nothing, and who has the newest neither.
    for serial in [0, 3] {
        let agent = enrolled(&world, &token(&world).await).await;
        let mut session = session(&agent, serial).await;
        assert!(session.is_quiet(std::time::Duration::from_millis(200)).await, "with {serial}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_intent_is_shown_as_the_bytes_that_were_stored() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let path = format!("/api/v1/tasks/{}/intent", task["id"].as_str().unwrap());
    let (status, shown) = world.get(&path).await;
    assert_eq!(status, 200, "{shown}");
    let bytes = STANDARD.decode(shown["intent"].as_str().unwrap()).unwrap();
    assert_eq!(shown["sha256"], hex(&intent::digest(&bytes)));
    assert_eq!(shown["sha256"], task["intent_sha256"]);
    let intent = Intent::decode(bytes.as_slice()).unwrap();
    assert_eq!((intent.action.as_str(), intent.tenant_id), ("endpoint.isolate", world.tenant.to_string()));
    let auditor = world.key_of(world.tenant, "auditor").await;
    let shown = world.with_key(Method::GET, &path, &auditor).send().await.unwrap();
    assert_eq!(shown.status(), 200, "an isolation has no parameter that is hidden");

    let script = json!({ "name": "hello", "interpreter": "sh", "body": "echo hello" });
    assert_eq!(world.post("/api/v1/library/script", script).await.0, 201);
    let (status, task) = world
        .post(
            "/api/v1/tasks",
            json!({ "action": "endpoint.run_script", "targets": { "endpoints": ["web-1"] }, "reason": "x",
                "params": { "script": "hello@1", "arguments": ["--password", "hunter2"] } }),
        )
        .await;
    assert_eq!(status, 201, "{task}");
    let path = format!("/api/v1/tasks/{}/intent", task["id"].as_str().unwrap());
    for (role, expected) in [("auditor", 403), ("operations", 403), ("approver", 200), ("analyst", 200)] {
        let key = world.key_of(world.tenant, role).await;
        let shown = world.with_key(Method::GET, &path, &key).send().await.unwrap();
        assert_eq!(shown.status(), expected, "{role}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_passkey_signs_on_the_page_behind_a_link() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let ann = world.person("ann", &["approver"]).await;
    let mut authenticator = added(&world, &ann).await;
    let (_, list) = ann.get("/api/v1/passkeys").await;
    let key = &list["items"][0]["approver_key"];
    let mut root = Root::new(world.tenant);
    root.bundle.rules[0].actions = vec!["endpoint.isolate".into()];
    root.bundle.keyring[0] = ApproverKey {
        person: "Ann".into(),
        human: "ann".into(),
        kind: approver::WEBAUTHN.into(),
        public: URL_SAFE_NO_PAD.decode(key["public_key"].as_str().unwrap()).unwrap(),
        rp_id: key["rp_id"].as_str().unwrap().into(),
        origins: serde_json::from_value(key["origins"].clone()).unwrap(),
        ..ApproverKey::default()
    };
    assert_eq!(publish(&world, &root.signed()).await.0, 200);
    let task = world.isolate("web-1").await;
    assert_eq!(task["state"], "pending_approval", "{task}");
    let (id, digest) = (task["id"].as_str().unwrap(), task["intent_sha256"].as_str().unwrap());
    let token = link(&world, id, ann.id, i64::MAX).await;
    let (_, shown) = open_call(&world, "show", json!({ "token": token })).await;
    let signing = &shown["signing"];
    assert_eq!(signing["keys"][0]["credential"], authenticator.id(), "{shown}");

    let bytes = quell_wire::digest::unhex::<32>(digest).unwrap();
    let mut decide = async |over: &[u8]| {
        let [data, client, signature] = authenticator.sign(over);
        let signature = json!({
            "key_id": signing["keys"][0]["key_id"], "kind": "webauthn", "signature": STANDARD.encode(signature),
            "authenticator_data": STANDARD.encode(data), "client_data": STANDARD.encode(client),
        });
        let body = json!({
            "token": token, "approve": true, "digest": digest, "password": PASSWORD, "signature": signature,
        });
        open_call(&world, "decide", body).await
    };
    let (status, problem) = decide(&[0; 32]).await;
    assert_eq!((status, &problem["code"]), (403, &json!("not_eligible")), "over something else: {problem}");
    let (status, decided) = decide(&bytes).await;
    assert_eq!((status, &decided["request"]["state"]), (200, &json!("approved")), "{decided}");

    // What travels with the order is what an endpoint that pinned the root takes.
    let (tenant, task) = (world.tenant, id.parse().unwrap());
    let rows = world.store.read(move |tx| quell_store::approval::decisions(tx, tenant, task)).await.unwrap();
    let signature = rows[0].signature.as_deref().map(quell_wire::ApproverSignature::decode).unwrap().unwrap();
    let (_, shown) = world.get(&format!("/api/v1/tasks/{id}/intent")).await;
    let intent = Intent::read(&STANDARD.decode(shown["intent"].as_str().unwrap()).unwrap()).unwrap();
    let pinned = Pinned::kept(&tenant.to_string(), root.signed()).unwrap();
    assert_eq!(pinned.signer(&intent, &bytes, &signature).unwrap().human, "ann");
    world.stop().await;
}
