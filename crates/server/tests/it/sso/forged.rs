//! Through a provider of the test's own, which says what no honest one would, and with settings that must not be.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{add, provider, public, world};
use crate::world::{World, answer};

/// A provider: publishes one key, and gives out whatever token it was told to.
struct Forger {
    issuer: String,
    key: EcdsaKeyPair,
    token: Arc<Mutex<String>>,
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

impl Forger {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (key, token) = (key(), Arc::new(Mutex::new(String::new())));
        let point = key.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        });
        let discovery = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        });
        let given = token.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 16 << 10];
                let length = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let body = match head.split(' ').nth(1).unwrap_or_default() {
                    "/jwks" => json!({ "keys": [jwk.clone(), { "kty": "unheard-of" }] }),
                    "/token" => json!({ "access_token": "at", "token_type": "Bearer", "id_token": *given.lock().unwrap() }),
                    _ => discovery.clone(),
                }
                .to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { issuer, key, token }
    }

    /// Begins a sign-in, gives out the token that `make` makes for its nonce, and answers status and page of the end.
    async fn signs(&self, world: &World, make: impl FnOnce(&str) -> String) -> (u16, String) {
        crate::world::client();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let begun =
            http.get(format!("{}/api/v1/sso/start/default/staff", public(world))).send().await.unwrap();
        assert_eq!(begun.status(), 303);
        let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let url = Url::parse(begun.headers()["location"].to_str().unwrap()).unwrap();
        let query = |name: &str| url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
        assert_eq!(query("code_challenge_method"), "S256");
        *self.token.lock().unwrap() = make(&query("nonce"));
        let callback = format!("{}/api/v1/sso/callback?code=c&state={}", public(world), query("state"));
        let answer = http.get(callback).header("cookie", cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        json!({
            "iss": self.issuer, "sub": "eve", "aud": "quell", "exp": now + 300, "iat": now, "nonce": nonce,
            "email": "eve@quell.example", "email_verified": true, "name": "Eve <b>", "groups": ["ir-lead"],
        })
    }
}

fn signed(key: &EcdsaKeyPair, head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(head), part(claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn head() -> Value {
    json!({ "alg": "ES256", "kid": "one" })
}

#[tokio::test]
async fn only_a_true_token_is_believed() {
    let (world, forger) = (world().await, Forger::start().await);
    add(&world, provider(&forger.issuer, "quell", "secret")).await;
    let (status, page) =
        forger.signs(&world, |nonce| signed(&forger.key, &head(), &forger.claims(nonce))).await;
    assert_eq!(status, 200, "{page}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let wrong: [(&str, Value, &str); 15] = [
        ("iss", json!("https://other.example"), "another issuer"),
        ("aud", json!("another"), "somebody else"),
        ("aud", json!(["quell", "another"]), "somebody else"),
        ("aud", json!([]), "somebody else"),
        ("azp", json!("another"), "somebody else"),
        ("exp", json!(now - 120), "expired"),
        ("exp", Value::Null, "not a signed token"),
        ("iat", json!(now + 3600), "expired"),
        ("iat", json!(now - 3600), "expired"),
        ("nbf", json!(now + 3600), "expired"),
        ("nonce", json!("another"), "this sign-in"),
        ("nonce", Value::Null, "this sign-in"),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "access token"),
        ("sub", json!(""), "subject"),
        ("sub", json!("x".repeat(300)), "subject"),
    ];
    for (name, value, said) in wrong {
        let (status, page) = forger
            .signs(&world, |nonce| {
                let mut claims = forger.claims(nonce);
                claims[name] = value.clone();
                signed(&forger.key, &head(), &claims)
            })
            .await;
        assert!(status == 403 && page.contains(said), "{name} = {value}: {status} {page}");
    }
    world.stop().await;
}

#[tokio::test]
async fn only_the_published_key_signs() {
    let (world, forger) = (world().await, Forger::start().await);
    add(&world, provider(&forger.issuer, "quell", "secret")).await;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let other = key();
    let (status, page) = forger.signs(&world, |nonce| signed(&other, &head(), &forger.claims(nonce))).await;
    assert!(status == 403 && page.contains("signature is wrong"), "{page}");
    for (head, said) in [
        (json!({ "alg": "none" }), "not accepted"),
        (json!({ "alg": "None", "kid": "one" }), "not accepted"),
        (json!({ "alg": "HS256", "kid": "one" }), "not accepted"),
        (json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }), "not accepted"),
        (json!({ "alg": "ES256", "kid": "two" }), "does not publish"),
        (json!({ "alg": "RS256", "kid": "one" }), "does not publish"),
        // A key that the token brings along is nobody's.
        (json!({ "alg": "ES256", "kid": "one", "jwk": { "kty": "EC" } }), ""),
    ] {
        let (status, page) = forger
            .signs(&world, |nonce| {
                let claims = forger.claims(nonce);
                match head["alg"].as_str() {
                    Some("none" | "None") => format!("{}.{}.", part(&head), part(&claims)),
                    Some("HS256") => {
                        let message = format!("{}.{}", part(&head), part(&claims));
                        let secret =
                            ring::hmac::Key::new(ring::hmac::HMAC_SHA256, forger.key.public_key().as_ref());
                        let tag = ring::hmac::sign(&secret, message.as_bytes());
                        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
                    }
                    _ if head["jwk"].is_object() => signed(&other, &head, &claims),
                    _ => signed(&forger.key, &head, &claims),
                }
            })
            .await;
        assert!(status == 403 && page.contains(said), "{head}: {status} {page}");
    }
    for token in ["", "x", "a.b", "a.b.c.d", "!!.!!.!!"] {
        let (status, _) = forger.signs(&world, |_| token.to_owned()).await;
        assert_eq!(status, 403, "{token}");
    }
    // Nobody came in, and what the provider says of a name is shown as text.
    let sessions = super::trail(&world, "session.create").await;
    assert!(sessions.iter().all(|record| record["detail"]["method"] == "password"), "{sessions:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_provider_is_only_where_the_server_may_be_sent() {
    let world = World::new().await;
    for issuer in [
        "http://login.example",
        "http://127.0.0.1:1",
        "https://127.0.0.1",
        "https://[::1]",
        "https://10.0.0.1",
        "https://169.254.169.254/latest",
        "https://a:b@login.example",
        "https://login.example/?x",
        "file:///etc/passwd",
        "login.example",
    ] {
        let (status, problem) = world.post("/api/v1/sso/providers", provider(issuer, "quell", "s")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{issuer}: {problem}");
    }
    // A name is looked at when it is asked for: one that leads here is not.
    add(&world, provider("https://localhost:1", "quell", "s")).await;
    let start = format!("{}/api/v1/sso/start/default/staff", public(&world));
    let answer = world.http.get(start).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    world.stop().await;
}

#[tokio::test]
async fn nobody_maps_a_group_to_more_than_they_have() {
    let world = super::world().await;
    let grants = json!({ "permissions": ["sso.read", "sso.manage", "task.read"] }).to_string();
    let (tenant, id) = (world.tenant, uuid::Uuid::now_v7());
    let role = quell_store::role::Role {
        tenant_id: tenant,
        id,
        name: "sign-on".to_owned(),
        description: String::new(),
        grants,
        created_at: 1,
        updated_at: 1,
    };
    world.store.write(move |tx| quell_store::role::insert(tx, &role)).await.unwrap();
    let keeper = world.person("keeper", &[&id.to_string()]).await;
    let body = provider("http://127.0.0.1:1", "quell", "s");
    let (status, problem) = keeper.post("/api/v1/sso/providers", body.clone()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{problem}");
    let mut own = body.clone();
    own["mapping"] = json!([{ "group": "g", "role": id.to_string() }]);
    let (status, made) = keeper.post("/api/v1/sso/providers", own.clone()).await;
    assert_eq!(status, 201, "{made}");
    // Nor by changing one that an administrator made, nor to a role that is not there.
    own["name"] = json!("second");
    own["mapping"] = body["mapping"].clone();
    let made = add(&world, own.clone()).await;
    let path = format!("/api/v1/sso/providers/{}", made["id"].as_str().unwrap());
    own["issuer"] = json!("http://127.0.0.1:2");
    let (status, problem) = keeper.put(&path, own.clone()).await;
    assert_eq!(status, 403, "{problem}");
    own["mapping"] = json!([{ "group": "g", "role": uuid::Uuid::now_v7().to_string() }]);
    let (status, problem) = keeper.put(&path, own.clone()).await;
    assert_eq!(status, 400, "{problem}");
    // The secret is not sent to another issuer than it was given for.
    own["mapping"] = json!([]);
    own.as_object_mut().unwrap().remove("client_secret");
    let (status, problem) = keeper.put(&path, own).await;
    assert_eq!((status, problem["fields"][0]["field"].as_str()), (400, Some("client_secret")), "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn the_sign_in_page_names_only_what_a_tenant_offers() {
    let world = world().await;
    let offered = async || {
        let asked = world.http.get(format!("{}/api/v1/sso/offered", world.base)).send().await.unwrap();
        answer(asked).await
    };
    let mut body = provider("http://127.0.0.1:1", "quell", "s");
    let made = add(&world, body.clone()).await;
    assert_eq!(offered().await, (200, json!({ "items": [] })), "who may come in where is nobody's business");
    let path = format!("/api/v1/sso/providers/{}", made["id"].as_str().unwrap());
    let keeper = world.person("keeper", &["administrator"]).await;
    body["offered"] = json!(true);
    assert_eq!(keeper.put(&path, body.clone()).await.1["offered"], json!(true));
    let (_, shown) = offered().await;
    let tenant = world.tenant;
    let item =
        json!({ "name": "staff", "tenant": "default", "path": format!("/api/v1/sso/start/{tenant}/staff") });
    assert_eq!(shown, json!({ "items": [item] }));
    body["enabled"] = json!(false);
    assert_eq!(keeper.put(&path, body).await.0, 200);
    assert_eq!(offered().await.1, json!({ "items": [] }), "it is switched off");
    world.stop().await;
}

/// From a provider's own address to what it answers.
type Answer = Box<dyn Fn(&str) -> String + Send>;

/// A provider that answers every question with these bytes, and counts the questions.
async fn says(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let (own, asked) = (issuer.clone(), Arc::new(Mutex::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *count.lock().unwrap() += 1;
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer(&own).as_bytes()).await;
        }
    });
    (issuer, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_provider_that_misbehaves_is_let_alone() {
    let world = world().await;
    let document = |issuer: &str, own: &str, methods: &str| -> String {
        json!({
            "issuer": issuer, "authorization_endpoint": format!("{own}/auth"), "token_endpoint": format!("{own}/token"),
            "jwks_uri": format!("{own}/jwks"), "code_challenge_methods_supported": [methods],
        })
        .to_string()
    };
    let elsewhere = world.base.clone();
    let wrong: [(&str, Answer); 6] = [
        ("no whole answer", Box::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned())),
        ("longer than", Box::new(|_| ok(&" ".repeat(600 << 10)))),
        ("not what it should be", Box::new(|_| ok("[]"))),
        (
            "answered 302",
            Box::new(move |_| {
                format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}/metrics\r\ncontent-length: 0\r\n\r\n")
            }),
        ),
        ("another issuer", Box::new(move |own| ok(&document("http://127.0.0.1:1", own, "S256")))),
        ("PKCE", Box::new(move |own| ok(&document(own, own, "plain")))),
    ];
    for (number, (said, answer)) in wrong.into_iter().enumerate() {
        let (issuer, asked) = says(answer).await;
        let mut body = provider(&issuer, "quell", "s");
        body["name"] = json!(format!("p{number}"));
        add(&world, body).await;
        let start = format!("{}/api/v1/sso/start/default/p{number}", public(&world));
        for _ in 0..3 {
            let answer = world.http.get(&start).send().await.unwrap();
            assert_eq!(answer.status(), 502);
            let page = answer.text().await.unwrap();
            assert!(page.contains(said) || page.contains("a moment ago"), "{said}: {page}");
        }
        assert_eq!(*asked.lock().unwrap(), 1, "{said}: asked again at once");
    }
    world.stop().await;
}
