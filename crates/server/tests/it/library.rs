//! The library: items, versions, what it takes and what it refuses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, answer};

#[tokio::test]
async fn another_body_is_another_version_and_the_same_body_is_none() {
    let world = World::new().await;
    let add = async |name: &str, body: &str| {
        world
            .post(
                "/api/v1/library/script",
                json!({ "name": name, "interpreter": "bash", "body": body, "description": "d", "note": body }),
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
    let (_, script) = world.get("/api/v1/library/script/triage").await;
    assert_eq!(script["versions"].as_array().unwrap().len(), 2);
    assert_eq!((&script["latest"]["version"], &script["latest"]["note"]), (&json!(2), &json!("echo 2")));
    let (_, version) = world.get("/api/v1/library/script/triage/versions/1").await;
    assert_eq!(
        (version["body"].as_str(), &version["facts"]["interpreter"]),
        (Some("echo 1"), &json!("bash"))
    );
    let digest = first["sha256"].as_str().unwrap();
    let (_, versions) = world.get(&format!("/api/v1/library/versions/{digest}")).await;
    assert_eq!((&versions[0]["name"], &versions[0]["version"]), (&json!("triage"), &json!(1)));
    assert_eq!(world.get(&format!("/api/v1/library/versions/{}", "0f".repeat(32))).await.0, 404);
    for missing in
        ["script/triage/versions/9", "script/triage/versions/x", "yara/triage", "scripts", "script/x"]
    {
        assert_eq!(world.get(&format!("/api/v1/library/{missing}")).await.0, 404, "{missing}");
    }
    let (_, list) = world.get("/api/v1/library/script").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "a refused script left its name behind");
    let (_, found) = world.get("/api/v1/library/script?text=TRI").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let (_, found) = world.get("/api/v1/library/script?text=nothing").await;
    assert!(found["items"].as_array().unwrap().is_empty());

    world.endpoint("web-1").await;
    let run = async |script: &str| {
        let task = json!({ "action": "endpoint.run_script", "params": { "script": script, "arguments": ["secret"] },
            "targets": { "endpoints": ["web-1"] }, "reason": "r" });
        world.post("/api/v1/tasks", task).await
    };
    let (status, task) = run("triage@1").await;
    assert_eq!(status, 201, "{task}");
    assert_eq!(task["params"]["script"], format!("sha256:{}", first["sha256"].as_str().unwrap()));
    assert_eq!(
        (&task["params"]["arguments"], &task["params"]["interpreter"]),
        (&json!("***"), &json!("bash"))
    );

    let change = async |body: Value| {
        let request = world.request(Method::PATCH, "/api/v1/library/script/triage").json(&body);
        answer(request.send().await.unwrap()).await
    };
    let (status, archived) = change(json!({ "archived": true, "description": "old" })).await;
    assert_eq!((status, &archived["description"]), (200, &json!("old")));
    assert!(archived["archived_at"].is_string() && archived["archived_by"].is_string());
    let (status, problem) = run("triage").await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("archived"), "{problem}");
    assert_eq!(add("triage", "echo 3").await.0, 409);
    let (_, list) = world.get("/api/v1/library/script").await;
    assert!(list["items"].as_array().unwrap().is_empty());
    let (_, list) = world.get("/api/v1/library/script?archived=true").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        world.get("/api/v1/library/script/triage/versions/1").await.0,
        200,
        "what was done can be read"
    );
    assert_eq!(change(json!({ "archived": false })).await.0, 200);
    assert_eq!(run("triage").await.0, 201);
    let (_, trail) = world.get("/api/v1/audit?limit=100").await;
    for verb in ["library.add", "library.archive", "library.describe", "library.restore"] {
        assert!(trail["items"].as_array().unwrap().iter().any(|row| row["verb"] == verb), "{verb}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_body_is_bounded_and_named_plainly() {
    let world = World::new().await;
    let add = async |name: &str, body: String| {
        let script = json!({ "name": name, "interpreter": "sh", "body": body });
        world.post("/api/v1/library/script", script).await.1["code"].clone()
    };
    for name in ["", ".hidden", "a b", "a/b", "ä", &"x".repeat(101)] {
        assert_eq!(add(name, "true".to_owned()).await, "invalid_field", "{name}");
    }
    assert_eq!(add("empty", String::new()).await, "invalid_field");
    assert_eq!(add("nul", "a\0b".to_owned()).await, "invalid_field");
    assert_eq!(add("large", "x".repeat((1 << 20) + 1)).await, "invalid_field");
    assert_eq!(add("huge", "x".repeat(8 << 20)).await, "body_too_large");
    assert_eq!(add("fits", "\n".repeat(1 << 20)).await, json!(null));
    for interpreter in [json!("perl"), json!(null)] {
        let script = json!({ "name": "x", "interpreter": interpreter, "body": "1" });
        let (_, problem) = world.post("/api/v1/library/script", script).await;
        assert_eq!(problem["fields"][0]["field"], "interpreter");
    }
    let rules = json!({ "name": "x", "interpreter": "sh", "body": "1" });
    let (_, problem) = world.post("/api/v1/library/yara", rules).await;
    assert_eq!(problem["fields"][0]["field"], "interpreter", "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn a_large_body_is_uploaded_as_it_is() {
    let world = World::new().await;
    let send = async |path: &str, kind: &str, body: Vec<u8>| {
        let request = world.request(Method::POST, path).header("content-type", kind).body(body);
        answer(request.send().await.unwrap()).await
    };
    let path = "/api/v1/library/indicators/feed/versions?note=first&description=A%20feed";
    let body = b"192.0.2.1\n".repeat(200_000);
    let (status, version) = send(path, "text/plain", body.clone()).await;
    assert_eq!(
        (status, &version["size"], &version["note"]),
        (201, &json!(2_000_000), &json!("first")),
        "{version}"
    );
    let content = "/api/v1/library/indicators/feed/versions/1/content";
    let got = world.request(Method::GET, content).send().await.unwrap();
    assert_eq!(got.headers()["content-disposition"], "attachment; filename=\"feed-1.indicators\"");
    assert_eq!(got.headers()["content-type"], "application/octet-stream");
    assert_eq!(got.bytes().await.unwrap(), body);
    let (_, shown) = world.get("/api/v1/library/indicators/feed/versions/1").await;
    assert!(shown.get("body").is_none(), "too large to be shown");
    let (status, _) = send("/api/v1/library/indicators/feed/versions", "text/html", b"x".to_vec()).await;
    assert_eq!(status, 415);
    let (status, _) =
        send("/api/v1/library/script/s/versions?interpreter=sh", "text/plain", vec![b'x'; 2 << 20]).await;
    assert_eq!(status, 413);
    let (status, problem) =
        send("/api/v1/library/yara/r/versions", "text/plain", b"one\ntwo \xff".to_vec()).await;
    assert_eq!(status, 400);
    let field = &problem["fields"][0];
    assert_eq!((&field["line"], &field["column"]), (&json!(2), &json!(5)), "{problem}");
    let (status, _) = send("/api/v1/library/script/check", "text/plain", b"true\n".to_vec()).await;
    assert_eq!(status, 200);
    let (_, list) = world.get("/api/v1/library/script").await;
    assert!(list["items"].as_array().unwrap().is_empty(), "a check adds nothing");
    let (_, trail) = world.get("/api/v1/audit?verb=library.add").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn every_tenant_has_the_queries_that_come_with_quell() {
    let world = World::new().await;
    let item = "/api/v1/library/query/process-deleted-executable";
    let (status, shown) = world.get(item).await;
    assert_eq!((status, &shown["built_in"]), (200, &json!(true)), "{shown}");
    let count = async |world: &World| {
        let (_, list) = world.get("/api/v1/library/query?limit=200").await;
        list["items"].as_array().unwrap().len()
    };
    let before = count(&world).await;
    assert!(before >= 40, "{before}");
    let body = "title: Mine\ndescription: Mine.\nattack: T1082\nsql: SELECT 1\n";
    let mine = json!({ "name": "process-deleted-executable", "body": body });
    let (status, refused) = world.post("/api/v1/library/query", mine).await;
    assert_eq!(status, 409, "{refused}");
    let request = world.request(Method::PATCH, item).json(&json!({ "archived": true }));
    assert_eq!(answer(request.send().await.unwrap()).await.0, 200);
    // A tenant that is made later has them at once; a restart changes nothing.
    let tenant = json!({ "name": "later", "administrator": { "name": "Lea", "email": "lea@later.example" } });
    let (status, made) = world.post("/api/v1/tenants", tenant).await;
    assert_eq!(status, 201, "{made}");
    let later: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
    let has =
        world.store.read(move |tx| quell_store::library::by_name(tx, later, "query", "machine-overview"));
    assert!(has.await.unwrap().unwrap().built_in);
    let world = World::at(world.stop().await).await;
    assert_eq!(count(&world).await, before - 1);
    world.stop().await;
}

#[tokio::test]
async fn a_key_of_kits_that_is_gone_stands_in_the_trail_by_name() {
    let world = World::new().await;
    let ada = world.person("ada", &["administrator"]).await;
    let public = format!("ed25519:A{:A>41}A", 7);
    let (status, key) = ada.post("/api/v1/kit-keys", json!({ "name": "watch", "public": public })).await;
    assert_eq!(status, 201, "{key}");
    let path = format!("/api/v1/kit-keys/{}", key["id"].as_str().unwrap());
    assert_eq!(ada.delete(&path).await.0, 204);
    assert_eq!(ada.delete(&path).await.0, 404);
    let (_, added) = world.get("/api/v1/audit?verb=kit_key.add").await;
    let (_, removed) = world.get("/api/v1/audit?verb=kit_key.remove").await;
    let (added, removed) = (&added["items"][0]["detail"], &removed["items"][0]["detail"]);
    assert_eq!((removed["name"].as_str(), removed), (Some("watch"), added), "as it was added");
    world.stop().await;
}
