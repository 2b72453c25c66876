//! Tasks through the API, as far as they go without an agent.

use reqwest::Method;
use serde_json::json;

use crate::world::{World, answer};

#[tokio::test]
async fn a_task_is_accepted_once_under_its_key() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let body = json!({
        "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "ticket 42",
        "revert_after_seconds": 3600,
    });
    let send = |body: serde_json::Value| {
        let request =
            world.request(Method::POST, "/api/v1/tasks").header("idempotency-key", "k-1").json(&body);
        async { request.send().await.unwrap() }
    };
    let first = send(body.clone()).await;
    let location = first.headers()["location"].to_str().unwrap().to_owned();
    let (status, task) = answer(first).await;
    assert_eq!(status, 201);
    assert_eq!(location, format!("/api/v1/tasks/{}", task["id"].as_str().unwrap()));
    assert_eq!(task["state"], "queued");
    assert_eq!(task["states"], json!({ "queued": 1 }));
    assert_eq!(task["commands"]["items"][0]["endpoint_name"], "web-1");
    assert_eq!(task["revert_after_seconds"], 3600);

    let (status, again) = answer(send(body.clone()).await).await;
    assert_eq!((status, &again["id"]), (200, &task["id"]));
    let mut other = body;
    other["reason"] = json!("another");
    let (status, problem) = answer(send(other).await).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("idempotency_conflict")));
    world.stop().await;
}

#[tokio::test]
async fn a_task_survives_a_restart() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let key = world.key.clone();
    let world = World::at(world.stop().await).await;
    assert_eq!(world.key, key, "the first key changed");
    let (status, found) = world.get(&format!("/api/v1/tasks/{}", task["id"].as_str().unwrap())).await;
    assert_eq!((status, &found["state"]), (200, &json!("queued")));
    world.stop().await;
}

#[tokio::test]
async fn what_waits_is_canceled_at_once_and_only_once() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    let (status, refused) = world
        .post(
            "/api/v1/tasks",
            json!({
                "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "twice",
            }),
        )
        .await;
    assert_eq!((status, refused["code"].as_str()), (409, Some("target_refused")), "{refused}");
    let (status, open) = world.post(&format!("{path}/undo"), json!({ "reason": "wrong" })).await;
    assert_eq!((status, open["code"].as_str()), (409, Some("task_open")));
    assert_eq!(open["title"], "Commands of the task are open");
    let (status, canceled) = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((status, canceled), (200, json!({ "ended": 1, "asked": 0 })));
    assert_eq!(world.get(&path).await.1["state"], "canceled");
    let (status, again) = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((status, again["code"].as_str()), (409, Some("not_cancelable")));
    let (status, nothing) = world.post(&format!("{path}/undo"), json!({ "reason": "wrong" })).await;
    assert_eq!((status, nothing["code"].as_str()), (409, Some("not_undoable")));
    world.stop().await;
}

#[tokio::test]
async fn secrets_are_told_to_those_who_may_and_recorded() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let isolation = world.isolate("web-1").await;
    let command = isolation["commands"]["items"][0]["id"].as_str().unwrap().to_owned();
    let (status, code) = world.post(&format!("/api/v1/commands/{command}/release-code"), json!({})).await;
    assert_eq!(status, 200);
    let code = code["release_code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 19);
    let (_, again) = world.post(&format!("/api/v1/commands/{command}/release-code"), json!({})).await;
    assert_eq!(again["release_code"], code.as_str());
    let password = format!("/api/v1/tasks/{}/archive-password", isolation["id"].as_str().unwrap());
    assert_eq!(world.post(&password, json!({})).await.0, 404, "an isolation has no archive");
    let (_, collection) = world.post("/api/v1/tasks", json!({
        "action": "file.collect", "params": { "path": "/etc/hosts" }, "targets": { "endpoints": ["web-1"] }, "reason": "r",
    })).await;
    let password = format!("/api/v1/tasks/{}/archive-password", collection["id"].as_str().unwrap());
    let (status, told) = world.post(&password, json!({})).await;
    assert_eq!((status, told["password"].as_str().unwrap().len()), (200, 26));
    let (_, trail) = world.get("/api/v1/audit").await;
    let trail = trail.to_string();
    assert!(trail.contains("release_code.read") && trail.contains("archive_password.read"));
    assert!(!trail.contains(&code) && !trail.contains(told["password"].as_str().unwrap()));
    world.stop().await;
}

#[tokio::test]
async fn a_selector_needs_the_number() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    world.endpoint("web-2").await;
    let body = |count: Option<u64>| json!({ "action": "endpoint.isolate", "targets": { "tags": ["lab", "other"] }, "reason": "r", "confirm_count": count });
    let (_, problem) = world.post("/api/v1/tasks", body(Some(3))).await;
    assert_eq!(problem["code"], "count_not_confirmed");
    assert_eq!(problem["fields"][0]["problem"], "must be 2");
    let (status, task) = world.post("/api/v1/tasks", body(Some(2))).await;
    assert_eq!((status, &task["target_count"]), (201, &json!(2)), "{task}");
    world.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_is_one_header() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let body =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "ticket 42" });
    let request = world.request(Method::POST, "/api/v1/tasks").json(&body);
    let request = request.header("idempotency-key", "k-1").header("idempotency-key", "k-2");
    let (status, problem) = answer(request.send().await.unwrap()).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_header")), "{problem}");
    assert_eq!(problem["fields"][0]["field"], "Idempotency-Key");
    world.stop().await;
}

#[tokio::test]
async fn the_overview_tells_what_is_open() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let tenant = world.tenant;
    let isolated = move |tx: &mut quell_store::Tx<'_>| {
        quell_store::endpoint::set_isolation(tx, tenant, endpoint, Some("{\"since\":1}"))?;
        quell_store::endpoint::set_alarm(tx, tenant, endpoint, Some("a copied identity"))
    };
    world.store.write(isolated).await.unwrap();
    world.isolate("web-1").await;
    let (status, overview) = world.get("/api/v1/overview").await;
    assert_eq!(status, 200);
    for (part, count) in [("isolated", 1), ("open", 1), ("alarms", 1), ("not_undone", 0)] {
        assert_eq!(overview[part].as_array().unwrap().len(), count, "{part}");
    }
    world.stop().await;
}
