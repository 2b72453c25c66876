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
        ("state=failed,queued".to_owned(), 5),
        ("state=open".to_owned(), 5),
        ("state=ended".to_owned(), 0),
        ("state=ended,queued&action=endpoint.isolate,file.collect".to_owned(), 1),
        ("state=open&endpoint=web-1".to_owned(), 4),
        ("action=endpoint.isolate,process.terminate".to_owned(), 5),
        ("created_from=api".to_owned(), 5),
        ("created_from=console".to_owned(), 0),
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

#[tokio::test]
async fn pages_of_several_states_lead_through_everything_once() {
    let world = World::new().await;
    many(&world, 6).await;
    let (_, all) = world.get("/api/v1/tasks").await;
    let ids: Vec<&str> =
        all["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    for id in [ids[1], ids[2], ids[5]] {
        let (status, answer) = world.post(&format!("/api/v1/tasks/{id}/cancel"), json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/tasks?state=canceled,queued&limit=2".to_owned());
    loop {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/tasks?state=canceled,queued&limit=2&cursor={next}");
    }
    assert_eq!(seen, ids);
    let (_, ended) = world.get("/api/v1/tasks?state=ended").await;
    assert_eq!(ended["items"].as_array().unwrap().len(), 3);
    for wrong in ["state=", "state=queued,", "state=queued,nothing", "action=,"] {
        let (status, problem) = world.get(&format!("/api/v1/tasks?{wrong}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_query")), "{wrong}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_task_says_with_what_it_was_asked_for() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    for (pid, said) in [(1, "console/endpoints"), (2, "cli"), (3, "console"), (4, "<script>"), (5, "timer")] {
        let body = json!({ "action": "process.terminate", "params": { "pid": 4000 + pid, "start_time": 7 },
            "targets": { "endpoints": [endpoint] }, "reason": said });
        let request = world.request(Method::POST, "/api/v1/tasks").header("quell-client", said).json(&body);
        let (status, task) = crate::world::answer(request.send().await.unwrap()).await;
        assert_eq!(status, 201, "{task}");
        let kept = if pid > 3 { "api" } else { said };
        assert_eq!(task["created_from"], kept);
    }
    for (filter, count) in [("console", 2), ("console/endpoints", 1), ("cli", 1), ("api", 2), ("consol", 0)] {
        let (_, page) = world.get(&format!("/api/v1/tasks?created_from={filter}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{filter}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_inbox_is_filtered_before_it_is_cut_into_pages() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let olga = world.person("olga", &["operations"]).await;
    let oleg = world.person("oleg", &["operations"]).await;
    let arno = world.person("arno", &["approver"]).await;
    for number in 0..6 {
        let who = if number < 4 { &olga } else { &oleg };
        let body = json!({ "action": "process.terminate", "params": { "pid": 4000 + number, "start_time": 7 },
            "targets": { "endpoints": [endpoint] }, "reason": format!("ticket {number}") });
        let (status, task) = who.post("/api/v1/tasks", body).await;
        assert_eq!(status, 201, "{task}");
        if number == 1 {
            let path = format!("/api/v1/approvals/{}/reject", task["id"].as_str().unwrap());
            let (status, answer) = arno.post(&path, json!({ "digest": task["intent_sha256"] })).await;
            assert_eq!(status, 200, "{answer}");
        }
    }
    let reasons = async |who: &crate::world::Person, query: &str| {
        let (status, page) = who.get(&format!("/api/v1/approvals?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&arno, "text=TICKET%200&limit=1").await, ["ticket 0"], "behind the first page");
    assert_eq!(reasons(&arno, "text=web-1&limit=2").await.len(), 2);
    assert_eq!(reasons(&arno, "state=rejected,expired").await, ["ticket 1"]);
    assert_eq!(reasons(&arno, "state=pending,rejected").await.len(), 6);
    assert_eq!(reasons(&arno, "mine=true").await.len(), 0);
    assert_eq!(reasons(&oleg, "mine=true&state=pending,rejected").await, ["ticket 5", "ticket 4"]);
    assert_eq!(reasons(&olga, "mine=true&state=pending").await.len(), 3);
    let (status, _) = oleg.get(&format!("/api/v1/approvals?mine=true&requester={}", olga.id)).await;
    assert_eq!(status, 400);
    world.stop().await;
}

#[tokio::test]
async fn artifacts_come_newest_first_and_the_trail_can_be_searched() {
    let world = World::new().await;
    let (web, db) = (world.endpoint("web-1").await, world.endpoint("db-1").await);
    let mut made = Vec::new();
    for (name, endpoint) in [("web-1", web), ("db-1", db)] {
        let task = world.isolate(name).await;
        let task_id = task["id"].as_str().unwrap().parse().unwrap();
        let command = task["commands"]["items"][0]["id"].as_str().unwrap().parse().unwrap();
        made.push(crate::artifacts::stored(&world, task_id, command, endpoint, b"content").await);
        made.push(crate::artifacts::stored(&world, task_id, command, endpoint, b"content").await);
    }
    // As if they had come the other way round: the time counts, not the id.
    for (at, id) in [(40_i64, made[0]), (30, made[1]), (20, made[2]), (10, made[3])] {
        let tenant = world.tenant;
        world
            .store
            .write(move |tx| {
                let sql = "UPDATE artifact SET created_at = $3 WHERE tenant_id = $1 AND id = $2";
                tx.execute(sql, &[&tenant, &id, &at]).map(drop)
            })
            .await
            .unwrap();
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/artifacts?limit=3".to_owned());
    loop {
        let (_, page) = world.get(&path).await;
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/artifacts?limit=3&cursor={next}");
    }
    assert_eq!(seen, made.iter().map(ToString::to_string).collect::<Vec<_>>());
    let (_, of_db) = world.get("/api/v1/artifacts?endpoint=db-1").await;
    assert_eq!(of_db["items"].as_array().unwrap().len(), 2);
    assert_eq!(of_db["items"][0]["id"], json!(made[2]));
    let count = async |query: &str| {
        let (status, page) = world.get(&format!("/api/v1/audit?{query}")).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("text=TASK.submit").await, 2);
    assert_eq!(count("text=isolate&verb=task.submit").await, 2);
    assert_eq!(count("text=nothing-of-this").await, 0);
    let (_, one) = world.get("/api/v1/audit?verb=task.submit&limit=1").await;
    assert_eq!(count(&format!("text={}", one["items"][0]["request_id"].as_str().unwrap())).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn rows_name_their_first_targets_and_commands_are_chosen_by_state() {
    let world = World::new().await;
    for name in ["web-1", "web-2", "web-3", "web-4"] {
        world.endpoint(name).await;
    }
    let body = json!({
        "action": "process.terminate", "params": { "pid": 4000, "start_time": 7 },
        "targets": { "endpoints": ["web-1", "web-2", "web-3", "web-4"] }, "reason": "sweep",
    });
    let (status, task) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{task}");
    let (_, page) = world.get("/api/v1/tasks").await;
    let targets = page["items"][0]["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 3, "{page}");
    let of_task = |query: &str| format!("/api/v1/tasks/{}/commands?{query}", task["id"].as_str().unwrap());
    let mut seen = Vec::new();
    let mut path = of_task("state=queued&limit=3&view=row");
    loop {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["endpoint_name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = of_task(&format!("state=queued&limit=3&view=row&cursor={next}"));
    }
    seen.sort_by_key(|name| name.as_str().unwrap_or_default().to_owned());
    assert_eq!(seen, ["web-1", "web-2", "web-3", "web-4"], "each once");
    assert!(targets.iter().all(|target| seen.contains(&target["name"]) && target["state"] == "queued"));
    let (_, none) = world.get(&of_task("state=failed,succeeded")).await;
    assert_eq!(none["items"], json!([]));
    assert_eq!(none["next"], Value::Null);
    for wrong in ["state=nothing", "view=long", "state="] {
        assert_eq!(world.get(&of_task(wrong)).await.0, 400, "{wrong}");
    }
    world.stop().await;
}
