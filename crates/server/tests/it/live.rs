//! Live news, probes and metrics.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::json;
use tokio::time::timeout;

use crate::world::World;

/// Reads until the text has come, or fails.
async fn until(stream: &mut Response, wanted: &str) -> String {
    until_event(stream, &[wanted]).await
}

/// Reads until an event has come with all of these texts in it, or fails.
pub(crate) async fn until_event(stream: &mut Response, wanted: &[&str]) -> String {
    let mut text = String::new();
    let found = timeout(Duration::from_secs(10), async {
        while let Some(piece) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&piece).unwrap());
            if text.split("\n\n").any(|event| wanted.iter().all(|part| event.contains(part))) {
                return true;
            }
        }
        false
    });
    let found = found.await;
    assert_eq!(found, Ok(true), "no {wanted:?} in {text:?}");
    text
}

/// A browser hears only of the kinds that it names.
#[test]
fn the_console_listens_to_every_kind_of_news() {
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (changes, console) = (read("crates/engine/src/change.rs"), read("console/src/api/stream.ts"));
    let body = changes.split("pub enum Change {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let variants = body.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let kind = |name: &str| {
        let words = name.chars().enumerate().flat_map(|(place, letter)| {
            (place > 0 && letter.is_uppercase()).then_some('_').into_iter().chain(letter.to_lowercase())
        });
        words.collect::<String>()
    };
    let mut kinds: Vec<String> = variants.map(kind).collect();
    assert!(kinds.len() >= 9 && kinds.contains(&"break_glass".to_owned()), "{kinds:?}");
    kinds.extend(["resync", "beat"].map(str::to_owned));
    let list = console.split("const KINDS = [").nth(1).unwrap().split("];").next().unwrap();
    for kind in kinds {
        assert!(list.contains(&format!("\"{kind}\"")), "the console does not listen to `{kind}`");
    }
}

#[tokio::test]
async fn news_come_as_they_happen_to_the_tenant_that_they_are_of() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let other = world.other_tenant().await;
    let foreign = world.key_of(other, "administrator").await;
    let mut mine = world.request(Method::GET, "/api/v1/events").send().await.unwrap();
    let mut theirs = world.with_key(Method::GET, "/api/v1/events", &foreign).send().await.unwrap();
    assert_eq!(mine.headers()["content-type"], "text/event-stream");
    until(&mut mine, "event: ready").await;
    until(&mut theirs, "event: ready").await;
    let task = world.isolate("web-1").await;
    let id = task["id"].as_str().unwrap();
    let text = until(&mut mine, id).await;
    assert!(text.contains("event: task") && text.contains("id: 2"), "{text}");
    assert!(!text.contains(&world.tenant.to_string()));
    // What comes to the other tenant next is its own.
    let their_endpoint = world.endpoint_of(other, "theirs").await;
    let body =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": [their_endpoint] }, "reason": "r" });
    let (status, theirs_made) = crate::world::answer(
        world.with_key(Method::POST, "/api/v1/tasks", &foreign).json(&body).send().await.unwrap(),
    )
    .await;
    assert_eq!(status, 201, "{theirs_made}");
    let text = until(&mut theirs, theirs_made["id"].as_str().unwrap()).await;
    assert!(!text.contains(id), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn requests_and_endpoints_are_told_with_what_lists_show_of_them() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let olga = world.person("olga", &["operations"]).await;
    let arno = world.person("arno", &["approver"]).await;
    let mut watching = arno.request(Method::GET, "/api/v1/events").send().await.unwrap();
    until(&mut watching, "event: ready").await;
    let body = json!({ "action": "process.terminate", "params": { "pid": 4001, "start_time": 7 },
        "targets": { "endpoints": [endpoint] }, "reason": "x" });
    let (status, task) = olga.post("/api/v1/tasks", body.clone()).await;
    assert_eq!(status, 201, "{task}");
    let told =
        |state: &str, task: &serde_json::Value| json!({ "task": task["id"], "state": state }).to_string();
    until_event(&mut watching, &["event: approval\n", &told("pending", &task)]).await;
    let path = format!("/api/v1/approvals/{}/reject", task["id"].as_str().unwrap());
    let (status, answer) = arno.post(&path, json!({ "digest": task["intent_sha256"] })).await;
    assert_eq!(status, 200, "{answer}");
    until_event(&mut watching, &["event: approval\n", &told("rejected", &task)]).await;
    // A request ends with its task.
    let (_, task) = olga.post("/api/v1/tasks", body).await;
    let path = format!("/api/v1/tasks/{}/cancel", task["id"].as_str().unwrap());
    assert_eq!(world.post(&path, json!({})).await.0, 200);
    until_event(&mut watching, &["event: approval\n", &told("canceled", &task)]).await;
    let path = format!("/api/v1/endpoints/{endpoint}/name");
    let renamed = world.request(Method::PUT, &path).json(&json!({ "name": "web-2" })).send().await.unwrap();
    assert_eq!(renamed.status(), 200);
    let data = json!({ "endpoint": endpoint, "connected": false, "state": "active", "isolated": false, "alarm": null });
    until_event(&mut watching, &["event: endpoint\n", &data.to_string()]).await;
    // Who loses the right to look hears nothing any more.
    let (tenant, id) = (world.tenant, arno.id);
    let demoted =
        world.request(Method::PUT, &format!("/api/v1/people/{id}/roles")).json(&json!({ "roles": [] }));
    assert_eq!(demoted.send().await.unwrap().status(), 403, "only a person changes roles");
    world.store.write(move |tx| quell_store::membership::delete_all(tx, tenant, id).map(drop)).await.unwrap();
    let ended =
        timeout(Duration::from_secs(20), async { while watching.chunk().await.unwrap().is_some() {} }).await;
    assert!(ended.is_ok(), "the stream of somebody without a role went on");
    world.stop().await;
}

#[tokio::test]
async fn one_task_can_be_watched_alone() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    world.endpoint("db-1").await;
    let (one, other) = (world.isolate("web-1").await, world.isolate("db-1").await);
    let id = |task: &serde_json::Value| task["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events?task={}", id(&one));
    let mut watching = world.request(Method::GET, &path).send().await.unwrap();
    until(&mut watching, "event: ready").await;
    for task in [&other, &one] {
        let (status, _) = world.post(&format!("/api/v1/tasks/{}/cancel", id(task)), json!({})).await;
        assert_eq!(status, 200);
    }
    let text = until(&mut watching, "event: task").await;
    assert!(text.contains(&id(&one)) && !text.contains(&id(&other)), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn who_comes_back_is_told_to_look_again() {
    let world = World::new().await;
    let mut back =
        world.request(Method::GET, "/api/v1/events").header("last-event-id", "7").send().await.unwrap();
    until(&mut back, "event: resync").await;
    // A stop ends the stream, and does not wait for it.
    let stopping = timeout(Duration::from_secs(4), world.stop());
    assert!(stopping.await.is_ok(), "an open stream kept the server from stopping");
}

#[tokio::test]
async fn a_revoked_key_takes_its_streams_with_it() {
    let world = World::new().await;
    let (_, made) = world.post("/api/v1/api-keys", json!({ "name": "watcher", "role": "auditor" })).await;
    let watching = world.with_key(Method::GET, "/api/v1/events", made["text"].as_str().unwrap());
    let mut watching = watching.send().await.unwrap();
    let mut staying = world.request(Method::GET, "/api/v1/events").send().await.unwrap();
    until(&mut watching, "event: ready").await;
    until(&mut staying, "event: ready").await;
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(world.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    let ended =
        timeout(Duration::from_secs(5), async { while watching.chunk().await.unwrap().is_some() {} }).await;
    assert!(ended.is_ok(), "the stream of a revoked key went on");
    until_event(&mut staying, &["event: beat\n", "data: {}"]).await;
    world.stop().await;
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let get = async |path: &str| {
        let response = world.http.get(format!("{}{path}", world.base)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(
        get("/readyz").await,
        (200, "{\"database\":\"ok\",\"gateway\":\"ok\",\"signer\":\"ok\"}".to_owned())
    );
    world.isolate("web-1").await;
    let metrics = timeout(Duration::from_secs(10), async {
        loop {
            let (_, metrics) = get("/metrics").await;
            if metrics.contains("quell_changes_total{kind=\"task\",state=\"queued\"} 1") {
                return metrics;
            }
            tokio::task::yield_now().await;
        }
    });
    let metrics = metrics.await.unwrap();
    assert!(metrics.contains("route=\"/api/v1/tasks\",status=\"201\"} 1"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
    world.stop().await;
}
