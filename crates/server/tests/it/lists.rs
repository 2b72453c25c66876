//! Lists: filters, pages, exports.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::world::World;

async fn many(world: &World, count: usize) {
    world.endpoint("web-1").await;
    for number in 0..count {
        let body = json!({
            "action": "process.terminate", "params": { "pid": 4000 + number, "start_time": 7 },
            "targets": { "endpoints": ["web-1"] }, "reason": format!("ticket {number}"),
        });
        let (status, answer) = world.post("/api/v1/tasks", body).await;
        assert_eq!(status, 201, "{answer}");
    }
}

#[tokio::test]
async fn pages_lead_through_everything_once() {
    let world = World::new().await;
    many(&world, 7).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/tasks?limit=3".to_owned();
    loop {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 200);
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|task| task["reason"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/tasks?limit=3&cursor={next}");
    }
    let expected: Vec<String> = (0..7).rev().map(|number| format!("ticket {number}")).collect();
    assert_eq!(seen, expected);
    let (_, exact) = world.get("/api/v1/tasks?limit=7").await;
    assert_eq!(exact["next"], Value::Null, "a page that holds the last row leads nowhere");
    world.stop().await;
}

#[tokio::test]
async fn filters_choose() {
    let world = World::new().await;
    many(&world, 4).await;
    world.endpoint("db-1").await;
    world.isolate("db-1").await;
    let count = async |query: &str| {
        let (status, page) = world.get(&format!("/api/v1/tasks?{query}")).await;
        assert_eq!(status, 200, "{query}: {page}");
        page["items"].as_array().unwrap().len()
    };
    let (_, first) = world.get("/api/v1/tasks?text=TICKET%202").await;
    let made = first["items"][0]["created_at"].as_str().unwrap();
    let requester = first["items"][0]["requester"]["id"].as_str().unwrap();
    for (query, expected) in [
        ("action=endpoint.isolate".to_owned(), 1),
        ("action=nothing".to_owned(), 0),
        ("state=queued".to_owned(), 5),
        ("state=failed".to_owned(), 0),
        ("endpoint=db-1".to_owned(), 1),
        ("text=TICKET%202".to_owned(), 1),
        ("text=4003".to_owned(), 1),
        (format!("requester={requester}"), 5),
        ("requester=nobody".to_owned(), 0),
        (format!("since={made}"), 3),
        (format!("until={made}"), 2),
        (format!("since={made}&until={made}"), 0),
        ("since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00%2B02:00".to_owned(), 5),
    ] {
        assert_eq!(count(&query).await, expected, "{query}");
    }
    world.stop().await;
}

#[tokio::test]
async fn exports_hold_everything_and_no_formula() {
    let world = World::new().await;
    many(&world, 3).await;
    let (status, _) = world.post("/api/v1/tasks", json!({
        "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "=HYPERLINK(\"http://x\",\"y\"), really",
    })).await;
    assert_eq!(status, 201);
    let csv = world
        .request(Method::GET, "/api/v1/tasks?limit=1")
        .header(header::ACCEPT, "text/csv")
        .send()
        .await
        .unwrap();
    assert!(csv.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(csv.headers()["content-disposition"], "attachment; filename=\"tasks.csv\"");
    let csv = csv.text().await.unwrap();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 6, "{csv}");
    assert!(lines[0].starts_with("id,action,state"));
    assert!(lines[1].contains("\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\"), really\""), "{}", lines[1]);
    let lines =
        world.request(Method::GET, "/api/v1/tasks?format=jsonl").send().await.unwrap().text().await.unwrap();
    let tasks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tasks.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn a_long_list_is_exported_whole() {
    let world = World::new().await;
    for number in 0..1203 {
        world.endpoint(&format!("n{number}")).await;
    }
    let lines = world
        .request(Method::GET, "/api/v1/endpoints?format=jsonl")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(lines.lines().count(), 1203);
    let body = json!({
        "action": "endpoint.isolate", "targets": { "all": true }, "reason": "drill", "confirm_count": 1203,
    });
    let (status, task) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{task}");
    let id = task["id"].as_str().unwrap();
    let mut path = format!("/api/v1/tasks/{id}/commands?limit=500");
    let mut places = Vec::new();
    loop {
        let (_, page) = world.get(&path).await;
        places.extend(
            page["items"].as_array().unwrap().iter().map(|command| command["index"].as_i64().unwrap()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/tasks/{id}/commands?limit=500&cursor={next}");
    }
    assert_eq!(places, (0..1203).collect::<Vec<_>>());
    world.stop().await;
}
