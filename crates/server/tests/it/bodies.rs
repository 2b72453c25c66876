//! Requests that are not what they should be: refused in words, nothing changed.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::world::{World, answer, stable};

async fn raw(world: &World, path: &str, body: impl Into<reqwest::Body>) -> Value {
    let request =
        world.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json").body(body);
    stable(answer(request.send().await.unwrap()).await.1)
}

#[tokio::test]
async fn problems_say_what_is_wrong() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    world.endpoint("twin").await;
    world.endpoint("twin").await;
    let path = "/api/v1/tasks";
    let of = |action: &str, params: Value, targets: Value| {
        json!({ "action": action, "params": params, "targets": targets, "reason": "r" }).to_string()
    };
    let web = json!({ "endpoints": ["web-1"] });
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("cut off", b"{\"action\": \"endpoint.isolate\",".to_vec()),
        ("empty", Vec::new()),
        ("more after the end", b"{} {}".to_vec()),
        ("not UTF-8", b"{\"action\": \"\xff\"}".to_vec()),
        ("unknown field", br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]},"reason":"r","resaon":"x"}"#.to_vec()),
        ("unknown nested field", br#"{"action":"endpoint.isolate","targets":{"endpoint":["web-1"]},"reason":"r"}"#.to_vec()),
        ("wrong type", br#"{"action":"endpoint.isolate","targets":{"endpoints":[1]},"reason":"r"}"#.to_vec()),
        ("missing field", br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]}}"#.to_vec()),
        ("negative seconds", br#"{"action":"endpoint.isolate","targets":{"all":true},"reason":"r","expires_in_seconds":-1}"#.to_vec()),
        ("array for an object", b"[]".to_vec()),
        ("unknown action", of("endpoint.explode", json!({}), web.clone()).into_bytes()),
        ("unknown parameter", of("endpoint.isolate", json!({ "alow": [] }), web.clone()).into_bytes()),
        ("bad parameter", of("endpoint.isolate", json!({ "allow": [{ "network": "0.0.0.0/0" }] }), web.clone()).into_bytes()),
        ("params that are no object", of("endpoint.isolate", json!([1]), web.clone()).into_bytes()),
        ("unknown endpoints", of("endpoint.isolate", json!({}), json!({ "endpoints": ["nobody", "web-1", "\u{1b}[2J"] })).into_bytes()),
        ("a name of two", of("endpoint.isolate", json!({}), json!({ "endpoints": ["twin"] })).into_bytes()),
        ("no target", of("endpoint.isolate", json!({}), json!({})).into_bytes()),
        ("two kinds of target", of("endpoint.isolate", json!({}), json!({ "endpoints": ["web-1"], "all": true })).into_bytes()),
        ("unconfirmed", of("endpoint.isolate", json!({}), json!({ "all": true })).into_bytes()),
        ("a tag of nobody", of("endpoint.isolate", json!({}), json!({ "tags": ["nobody"] })).into_bytes()),
        ("two tags, unconfirmed", of("endpoint.isolate", json!({}), json!({ "tags": ["lab", "x"] })).into_bytes()),
        ("unknown script", of("endpoint.run_script", json!({ "script": "nothing" }), web.clone()).into_bytes()),
        ("a deadline that is none", br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]},"reason":"r","expires_in_seconds":99999999}"#.to_vec()),
        ("an undo of what has none", br#"{"action":"file.collect","params":{"path":"/etc/hosts"},"targets":{"endpoints":["web-1"]},"reason":"r","revert_after_seconds":60}"#.to_vec()),
        ("a reason with an escape", br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]},"reason":"\u001b[31mred"}"#.to_vec()),
    ];
    let mut answers = serde_json::Map::new();
    for (name, body) in bodies {
        answers.insert(name.to_owned(), raw(&world, path, body).await);
    }
    let (_, list) = world.get("/api/v1/tasks").await;
    assert_eq!(list["items"], json!([]), "something was begun");
    insta::assert_json_snapshot!(answers);
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_its_kind() {
    let world = World::new().await;
    let mut answers = serde_json::Map::new();
    let plain =
        world.request(Method::POST, "/api/v1/tasks").header(header::CONTENT_TYPE, "text/plain").body("{}");
    let untyped = world.request(Method::POST, "/api/v1/tasks").body("{}");
    let huge = world
        .request(Method::POST, "/api/v1/tasks")
        .header(header::CONTENT_TYPE, "application/json")
        .body(format!("{{\"action\":\"{}\"}}", "x".repeat(1 << 20)));
    let key = world
        .request(Method::POST, "/api/v1/tasks")
        .header("idempotency-key", "")
        .json(&json!({ "action": "endpoint.isolate", "targets": { "all": true }, "reason": "r" }));
    let requests = [
        ("plain text", plain),
        ("no media type", untyped),
        ("huge", huge),
        ("empty idempotency key", key),
        ("wrong method", world.request(Method::PUT, "/api/v1/tasks")),
        ("no such path", world.request(Method::GET, "/api/v1/nothing")),
        ("no such task", world.request(Method::GET, "/api/v1/tasks/0190b0a0-0000-7000-8000-000000000000")),
        ("no id", world.request(Method::GET, "/api/v1/tasks/..%2f..")),
        ("another format", world.request(Method::GET, "/api/v1/tasks").header(header::ACCEPT, "image/png")),
        ("unknown format", world.request(Method::GET, "/api/v1/tasks?format=xml")),
        ("bad cursor", world.request(Method::GET, "/api/v1/tasks?cursor=xyz")),
        ("bad limit", world.request(Method::GET, "/api/v1/tasks?limit=0")),
        ("limit that is no number", world.request(Method::GET, "/api/v1/tasks?limit=many")),
        ("unknown filter", world.request(Method::GET, "/api/v1/tasks?stat=queued")),
        ("filter twice", world.request(Method::GET, "/api/v1/tasks?state=queued&state=failed")),
        ("unknown state", world.request(Method::GET, "/api/v1/tasks?state=done")),
        ("bad time", world.request(Method::GET, "/api/v1/tasks?since=yesterday")),
    ];
    for (name, request) in requests {
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "application/problem+json", "{name}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{name}");
        let (_, problem) = answer(response).await;
        assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap(), "{name}");
        answers.insert(name.to_owned(), stable(problem));
    }
    insta::assert_json_snapshot!(answers);
    world.stop().await;
}

#[tokio::test]
async fn deep_json_and_many_targets_are_no_trouble() {
    let world = World::new().await;
    let deep = format!("{{\"action\":\"endpoint.isolate\",\"params\":{}", "[".repeat(100_000));
    assert_eq!(raw(&world, "/api/v1/tasks", deep).await["code"], "malformed_json");
    let names: Vec<String> = (0..20_001).map(|number| format!("n{number}")).collect();
    let many = json!({ "action": "endpoint.isolate", "targets": { "endpoints": names }, "reason": "r" });
    assert_eq!(raw(&world, "/api/v1/tasks", many.to_string()).await["code"], "invalid_field");
    world.stop().await;
}

/// PostgreSQL keeps no text with NUL.
#[tokio::test]
async fn nul_is_refused_wherever_it_stands() {
    let world = World::new().await;
    for (path, status, code) in [
        ("/api/v1/library/script/a%00b", 404, "not_found"),
        ("/api/v1/endpoints?text=a%00b", 400, "invalid_query"),
        ("/api/v1/endpoints?text=a%2500b", 200, ""),
    ] {
        let (got, answer) = world.get(path).await;
        assert_eq!((got, answer["code"].as_str().unwrap_or_default()), (status, code), "{path}: {answer}");
    }
    let body = json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["a\0b"] }, "reason": "r" });
    let refused = raw(&world, "/api/v1/tasks", body.to_string()).await;
    assert!(refused["detail"].as_str().unwrap().contains("NUL"), "{refused}");
    world.stop().await;
}
