//! The library of scripts.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn another_body_is_another_version_and_the_same_body_is_none() {
    let world = World::new().await;
    let add = async |name: &str, body: &str| {
        world
            .post(
                "/api/v1/scripts",
                json!({ "name": name, "interpreter": "bash", "body": body, "description": "d" }),
            )
            .await
    };
    let (status, first) = add("triage", "echo 1").await;
    assert_eq!((status, &first["version"]), (201, &json!(1)));
    let (status, same) = add("triage", "echo 1").await;
    assert_eq!((status, &same["version"], &same["sha256"]), (200, &json!(1), &first["sha256"]));
    let (status, second) = add("triage", "echo 2").await;
    assert_eq!((status, &second["version"]), (201, &json!(2)));
    let (status, problem) = add("copy", "echo 2").await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("conflict")));
    let (_, script) = world.get("/api/v1/scripts/triage").await;
    assert_eq!(script["versions"].as_array().unwrap().len(), 2);
    let (_, version) = world.get("/api/v1/scripts/triage/versions/1").await;
    assert_eq!(version["body"], "echo 1");
    assert_eq!(world.get("/api/v1/scripts/triage/versions/9").await.0, 404);
    assert_eq!(world.get("/api/v1/scripts/triage/versions/x").await.0, 404);
    let (_, list) = world.get("/api/v1/scripts").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "a refused script left its name behind");

    world.endpoint("web-1").await;
    let (status, task) = world
        .post(
            "/api/v1/tasks",
            json!({
                "action": "endpoint.run_script", "params": { "script": "triage@1", "arguments": ["secret"] },
                "targets": { "endpoints": ["web-1"] }, "reason": "r",
            }),
        )
        .await;
    assert_eq!(status, 201, "{task}");
    assert_eq!(task["params"]["script"], format!("sha256:{}", first["sha256"].as_str().unwrap()));
    assert_eq!(task["params"]["arguments"], "***");
    world.stop().await;
}

#[tokio::test]
async fn a_script_is_bounded_and_named_plainly() {
    let world = World::new().await;
    let add = async |name: &str, body: String| {
        world.post("/api/v1/scripts", json!({ "name": name, "interpreter": "sh", "body": body })).await.1["code"].clone()
    };
    for name in ["", ".hidden", "a b", "a/b", "ä", &"x".repeat(101)] {
        assert_eq!(add(name, "true".to_owned()).await, "invalid_field", "{name}");
    }
    assert_eq!(add("empty", String::new()).await, "invalid_field");
    assert_eq!(add("nul", "a\0b".to_owned()).await, "invalid_field");
    assert_eq!(add("large", "x".repeat((1 << 20) + 1)).await, "invalid_field");
    assert_eq!(add("huge", "x".repeat(8 << 20)).await, "body_too_large");
    assert_eq!(add("fits", "\n".repeat(1 << 20)).await, json!(null));
    let (_, problem) =
        world.post("/api/v1/scripts", json!({ "name": "x", "interpreter": "perl", "body": "1" })).await;
    assert_eq!(problem["fields"][0]["field"], "interpreter");
    world.stop().await;
}
