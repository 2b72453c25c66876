//! Webhooks: signed, tried again, given up, switched off, and kept from where they must not lead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quell_lab::receiver::{Manner, Receiver, Request};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

use super::{LIMIT, failed, nearby, notices, put};
use crate::world::{World, answer};

pub async fn created(world: &World, url: &str) -> Value {
    let (status, made) = world.post("/api/v1/webhooks", json!({ "name": "siem", "url": url })).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// Whether the request is signed with the secret, by the words of the specification alone.
fn is_signed(request: &Request, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let head = |name| request.header(name).unwrap();
    let mut signed = format!("{}.{}.", head("webhook-id"), head("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&request.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    let wanted = format!("v1,{}", STANDARD.encode(tag));
    head("webhook-signature").split(' ').any(|signature| signature == wanted)
}

#[tokio::test]
async fn a_receiver_is_told_and_can_verify_it() {
    let world = World::with(nearby).await;
    let receiver = Receiver::start(Manner::status("204 No Content")).await.unwrap();
    let hook = created(&world, &receiver.url()).await;
    let (id, secret) = (hook["id"].as_str().unwrap(), hook["secret"].as_str().unwrap());
    let notice = failed(&world, "endpoint.isolate").await;
    let request = receiver.wait_for(1, LIMIT).await.remove(0);
    assert!(is_signed(&request, secret), "{}", request.head);
    let body = request.json();
    assert_eq!(body["type"], "task.failed");
    assert_eq!(body["timestamp"], "2026-11-22T08:00:00.000000Z");
    assert_eq!(body["data"]["headline"], "Isolate Endpoint: failed, 1 of 3 succeeded");
    assert_eq!(body["data"]["severity"], "warning");
    let sent = notices(&world, "?state=sent", |list| !list.is_empty()).await;
    assert_eq!(sent[0]["id"], notice.to_string());
    assert_eq!(sent[0]["deliveries"][0]["id"], request.header("webhook-id").unwrap());
    // For a day both secrets sign.
    let (status, rotated) = world.post(&format!("/api/v1/webhooks/{id}/rotate"), json!({})).await;
    assert_eq!(status, 200, "{rotated}");
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, secret);
    let (_, tried) = world.post(&format!("/api/v1/webhooks/{id}/test"), json!({})).await;
    assert_eq!(tried["sent"], true, "{tried}");
    let request = receiver.wait_for(2, LIMIT).await.remove(1);
    assert!(is_signed(&request, secret) && is_signed(&request, new));
    for path in ["/api/v1/webhooks", "/api/v1/audit"] {
        let (_, list) = world.get(path).await;
        let text = list.to_string();
        assert!(!text.contains(new) && !text.contains(secret), "{path} shows a secret");
    }
    // It asks for other kinds from now on.
    let change = json!({ "name": "siem", "url": receiver.url(), "kinds": ["break_glass"] });
    assert_eq!(put(&world, &format!("/api/v1/webhooks/{id}"), change).await.0, 200);
    failed(&world, "endpoint.isolate").await;
    notices(&world, "", |list| list.len() == 2).await;
    assert_eq!(receiver.requests().len(), 2);
    let removed = world.request(Method::DELETE, &format!("/api/v1/webhooks/{id}")).send().await.unwrap();
    assert_eq!(removed.status(), 204);
    assert_eq!(world.get("/api/v1/webhooks").await.1["items"], json!([]));
    world.recorded("webhook.test").await;
    world.stop().await;
}

#[tokio::test]
async fn a_receiver_that_was_down_is_told_once_when_it_is_back() {
    let world = World::with(nearby).await;
    let receiver = Receiver::start(Manner::status("503 Later")).await.unwrap();
    let (port, url) = (receiver.address().port(), receiver.url());
    created(&world, &url).await;
    failed(&world, "endpoint.isolate").await;
    let first = receiver.wait_for(2, LIMIT).await;
    assert_eq!(first[0].header("webhook-id"), first[1].header("webhook-id"), "a repeat can be told");
    drop(receiver);
    notices(&world, "?state=pending", |list| {
        let error = list.first().map(|notice| notice["deliveries"][0]["last_error"].to_string());
        error.is_some_and(|error| error.contains("no connection"))
    })
    .await;
    let receiver = Receiver::at(port, Manner::status("200 OK")).await.unwrap();
    assert_eq!(receiver.wait_for(1, LIMIT * 2).await.len(), 1);
    notices(&world, "?state=sent", |list| !list.is_empty()).await;
    assert_eq!(receiver.requests().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off_and_that_is_told() {
    let world = World::with(nearby).await;
    let gone = Receiver::start(Manner::status("410 Gone")).await.unwrap();
    let other = Receiver::start(Manner::status("200 OK")).await.unwrap();
    let hook = created(&world, &gone.url()).await;
    let second = json!({ "name": "soar", "url": other.url(), "kinds": ["webhook_disabled"] });
    assert_eq!(world.post("/api/v1/webhooks", second).await.0, 201);
    failed(&world, "endpoint.isolate").await;
    let told = other.wait_for(1, LIMIT).await.remove(0).json();
    assert_eq!((&told["type"], &told["data"]["object"]["id"]), (&json!("webhook.disabled"), &hook["id"]));
    let (_, list) = world.get("/api/v1/webhooks").await;
    let states: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|hook| &hook["state"]).collect();
    assert_eq!(states, ["active", "disabled"]);
    failed(&world, "endpoint.isolate").await;
    notices(&world, "?kind=task_failed", |list| list.len() == 2).await;
    assert_eq!(gone.requests().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn what_a_receiver_refuses_is_given_up_shown_and_sent_when_asked() {
    let world = World::with(nearby).await;
    let receiver = Receiver::start(Manner::status("404 Not Found")).await.unwrap();
    created(&world, &receiver.url()).await;
    let id = failed(&world, "endpoint.isolate").await;
    let dead = notices(&world, "?state=dead", |list| !list.is_empty()).await;
    assert_eq!(dead[0]["deliveries"][0]["last_error"], "the receiver answered 404");
    assert_eq!(receiver.requests().len(), 3);
    receiver.turn(Manner::status("200 OK"));
    let (status, _) = world.post(&format!("/api/v1/notices/{id}/retry"), json!({})).await;
    assert_eq!(status, 200);
    notices(&world, "?state=sent", |list| !list.is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_webhook_does_not_lead_into_the_servers_own_network() {
    let world = World::new().await;
    let inside = Receiver::start(Manner::status("200 OK")).await.unwrap();
    for url in [
        inside.url(),
        inside.url().replace("http://", "https://"),
        "https://[::1]/".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://10.0.0.1/".to_owned(),
        "https://2130706433/".to_owned(),
        "https://user:password@hooks.example/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let (status, problem) = world.post("/api/v1/webhooks", json!({ "name": "x", "url": url })).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("url")), "{url}: {problem}");
    }
    // A name may be written down, since what it leads to changes; it is looked at when it is used.
    let named = format!("https://localhost:{}/hook", inside.address().port());
    let hook = created(&world, &named).await;
    let (_, tried) =
        world.post(&format!("/api/v1/webhooks/{}/test", hook["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(tried["sent"], false);
    assert!(tried["problem"].as_str().unwrap().contains("public Internet"), "{tried}");
    assert!(inside.requests().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn another_tenants_webhooks_are_not_there() {
    let world = World::with(nearby).await;
    let receiver = Receiver::start(Manner::status("200 OK")).await.unwrap();
    let hook = created(&world, &receiver.url()).await;
    let id = hook["id"].as_str().unwrap();
    let other = world.other_tenant().await;
    let key = world.key_of(other, "administrator").await;
    let body = json!({ "name": "mine", "url": "http://127.0.0.1:9/" });
    for (method, path) in [
        (Method::PUT, format!("/api/v1/webhooks/{id}")),
        (Method::DELETE, format!("/api/v1/webhooks/{id}")),
        (Method::POST, format!("/api/v1/webhooks/{id}/test")),
        (Method::POST, format!("/api/v1/webhooks/{id}/rotate")),
        (Method::POST, format!("/api/v1/notices/{id}/retry")),
    ] {
        let request = world.with_key(method.clone(), &path, &key).json(&body);
        let (status, problem) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 404, "{method} {path}: {problem}");
    }
    failed(&world, "endpoint.isolate").await;
    receiver.wait_for(1, LIMIT).await;
    for path in ["/api/v1/notices", "/api/v1/webhooks"] {
        let (_, list) = answer(world.with_key(Method::GET, path, &key).send().await.unwrap()).await;
        assert_eq!(list["items"], json!([]), "{path}");
    }
    world.stop().await;
}
