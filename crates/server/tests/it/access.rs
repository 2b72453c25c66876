//! Who may do what: every route, without a key, with a wrong one, with another tenant's, with a lesser role.

use quell_store::endpoint;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::document::operations;
use crate::world::{World, answer};

/// One object of each kind, of the tenant of the world.
struct Objects {
    task: String,
    command: String,
    endpoint: String,
    artifact: String,
    token: String,
    key: String,
}

async fn objects(world: &World) -> Objects {
    let endpoint = world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let command = task["commands"]["items"][0]["id"].as_str().unwrap().to_owned();
    let (_, token) = world.post("/api/v1/enrolment-tokens", json!({ "name": "t" })).await;
    let (_, key) = world.post("/api/v1/api-keys", json!({ "name": "k", "role": "auditor" })).await;
    let script = json!({ "name": "hello", "interpreter": "sh", "body": "echo hello" });
    assert_eq!(world.post("/api/v1/library/script", script).await.0, 201);
    let task_id: Uuid = task["id"].as_str().unwrap().parse().unwrap();
    let artifact =
        crate::artifacts::stored(world, task_id, command.parse().unwrap(), endpoint, b"content").await;
    Objects {
        task: task_id.to_string(),
        command,
        endpoint: endpoint.to_string(),
        artifact: artifact.to_string(),
        token: token["id"].as_str().unwrap().to_owned(),
        key: key["id"].as_str().unwrap().to_owned(),
    }
}

fn concrete(path: &str, objects: &Objects) -> String {
    let id = match path.split('/').nth(3).unwrap() {
        "tasks" => &objects.task,
        "commands" => &objects.command,
        "endpoints" => &objects.endpoint,
        "artifacts" => &objects.artifact,
        "enrolment-tokens" => &objects.token,
        "api-keys" => &objects.key,
        "actions" => "endpoint.isolate",
        _ => "",
    };
    path.replace("{id}", id)
        .replace("{name}", "hello")
        .replace("{version}", "1")
        .replace("{code}", "not_found")
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn every_route_wants_a_key() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let operations = operations();
    assert!(operations.len() >= 30, "{}", operations.len());
    let other = format!("qk_aaaaaaaaaaaa_{}", "A".repeat(43));
    for (name, path, permission) in &operations {
        assert_ne!(permission, "NONE", "{path} declares no permission");
        if permission == "none" {
            continue;
        }
        let path = concrete(path, &objects);
        let url = format!("{}{path}", world.base);
        let bare = world.http.request(method(name), &url).send().await.unwrap();
        assert_eq!(bare.headers()["www-authenticate"], "Bearer realm=\"quell\"");
        assert_eq!(bare.status(), 401, "{name} {path} without a key");
        // The bucket of this address runs dry on the way; both answers are refusals.
        let guessed = world.with_key(method(name), &path, &other).send().await.unwrap().status().as_u16();
        assert!([401, 429].contains(&guessed), "{name} {path} with a wrong key: {guessed}");
    }
    for path in ["/api", "/api/v1", "/api/v1/nothing", "/api/v1/openapi.json", "/install", "/metrics/x"] {
        let status = world.http.get(format!("{}{path}", world.base)).send().await.unwrap().status();
        assert_eq!(status, 401, "{path}");
    }
    for path in ["/", "/console"] {
        let status = world.http.get(format!("{}{path}", world.base)).send().await.unwrap().status();
        assert_eq!(status, 404, "{path} of a server without a console");
        let status = world.http.post(format!("{}{path}", world.base)).send().await.unwrap().status();
        assert_eq!(status, 401, "a change at {path}");
    }
    let wrong = world.with_key(Method::GET, "/metrics", &other).send().await.unwrap().status().as_u16();
    assert!([401, 429].contains(&wrong), "metrics with a wrong key, from loopback: {wrong}");
    let local = world.http.get(format!("{}/metrics", world.base)).send().await.unwrap().status();
    assert_eq!(local, 200, "metrics without a key, from loopback");
    // A key that was good before is not locked out by the guesses of its neighbours.
    assert_eq!(world.get("/api/v1/tasks").await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn another_tenants_endpoints_are_no_targets() {
    let world = World::new().await;
    let own = world.endpoint("web-1").await;
    let other = world.other_tenant().await;
    let key = world.key_of(other, "administrator").await;
    let theirs = world.endpoint_of(other, "theirs").await;
    let ask = async |targets: serde_json::Value| {
        let body = json!({ "action": "endpoint.isolate", "targets": targets, "reason": "x" });
        let request = world.with_key(Method::POST, "/api/v1/tasks", &key).json(&body);
        answer(request.send().await.unwrap()).await.1["code"].clone()
    };
    assert_eq!(ask(json!({ "endpoints": [own] })).await, "unknown_target");
    assert_eq!(ask(json!({ "endpoints": [theirs, own] })).await, "unknown_target", "mixed into a batch");
    assert_eq!(ask(json!({ "endpoints": ["web-1"] })).await, "unknown_target");
    assert_eq!(ask(json!({ "tags": ["lab"] })).await, "count_not_confirmed");
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_of_a_role_is_recorded() {
    let world = World::new().await;
    let key = world.key_of(world.tenant, "auditor").await;
    let response =
        world.with_key(Method::POST, "/api/v1/api-keys", &key).json(&json!({})).send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (status, problem) = answer(response).await;
    assert_eq!((status, problem["request_id"].as_str()), (403, Some(id.as_str())));
    let (_, trail) = world.get("/api/v1/audit?verb=request.denied").await;
    assert_eq!(trail["items"][0]["request_id"], id.as_str());
    assert_eq!(trail["items"][0]["outcome"], "forbidden");
    world.stop().await;
}

#[tokio::test]
async fn a_key_has_no_more_than_its_scope_and_its_owner() {
    let world = World::new().await;
    let (web, db) = (world.endpoint("web-1").await, world.endpoint("db-1").await);
    let tenant = world.tenant;
    world
        .store
        .write(move |tx| endpoint::set_tags(tx, tenant, web, &["web".to_owned()], "[\"web\"]"))
        .await
        .unwrap();
    let ada = world.person("ada", &["administrator"]).await;
    let olaf = world.person("olaf", &["security_officer"]).await;
    let scope =
        json!({ "permissions": ["task.submit", "task.read"], "actions": ["endpoint.*"], "tags": ["web"] });
    let (status, made) =
        ada.post("/api/v1/api-keys", json!({ "name": "robot", "role": "analyst", "scope": scope })).await;
    assert_eq!((status, &made["owner"]), (201, &json!(ada.id)), "{made}");
    let key = made["text"].as_str().unwrap().to_owned();
    let ask = async |action: &str, params: serde_json::Value, target: Uuid| {
        let body = json!({ "action": action, "params": params, "targets": { "endpoints": [target] }, "reason": "x" });
        let request = world.with_key(Method::POST, "/api/v1/tasks", &key).json(&body);
        answer(request.send().await.unwrap()).await
    };
    assert_eq!(ask("endpoint.isolate", json!({}), web).await.0, 201);
    let (status, problem) = ask("endpoint.isolate", json!({}), db).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "another endpoint: {problem}");
    let (status, problem) = ask("file.collect", json!({ "path": "/etc/hosts" }), web).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "another action: {problem}");
    for path in ["/api/v1/endpoints", "/api/v1/api-keys", "/api/v1/audit"] {
        assert_eq!(world.with_key(Method::GET, path, &key).send().await.unwrap().status(), 403, "{path}");
    }
    // Nobody hands out what they do not have.
    let (status, problem) =
        olaf.post("/api/v1/api-keys", json!({ "name": "x", "role": "administrator" })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{problem}");
    // What the owner loses, the key loses.
    let id = ada.id;
    world.store.write(move |tx| quell_store::membership::delete_all(tx, tenant, id).map(drop)).await.unwrap();
    let began = std::time::Instant::now();
    while world.with_key(Method::GET, "/api/v1/tasks", &key).send().await.unwrap().status() == 200 {
        assert!(began.elapsed().as_secs() < 10, "the key outlives what its owner was");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_role_ends_at_the_tags_that_it_reaches() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let ada = world.person("ada", &["administrator"]).await;
    let grants = json!({ "permissions": ["*"], "tags": ["web"] });
    let (_, role) =
        ada.post("/api/v1/roles", json!({ "name": "web", "description": "", "grants": grants })).await;
    let nora = world.person("nora", &[role["id"].as_str().unwrap()]).await;
    let tried = async |who: &crate::world::Person, method: Method, path: String, body: serde_json::Value| {
        who.request(method, &format!("/api/v1{path}")).json(&body).send().await.unwrap().status().as_u16()
    };
    let (endpoint, command, artifact) = (&objects.endpoint, &objects.command, &objects.artifact);
    let beyond = [
        (Method::PUT, format!("/endpoints/{endpoint}/tags"), json!({ "tags": ["web"] })),
        (Method::PUT, format!("/endpoints/{endpoint}/name"), json!({ "name": "mine" })),
        (Method::POST, format!("/endpoints/{endpoint}/revoke"), json!({ "reason": "x" })),
        (Method::POST, format!("/endpoints/{endpoint}/acknowledge"), json!({ "reason": "x" })),
        (Method::POST, format!("/commands/{command}/release-code"), json!({})),
        (Method::GET, format!("/artifacts/{artifact}/content"), json!({})),
        (Method::POST, format!("/tasks/{}/cancel", objects.task), json!({ "reason": "x" })),
    ];
    for (method, path, body) in &beyond {
        assert_eq!(tried(&nora, method.clone(), path.clone(), body.clone()).await, 403, "{path}");
    }
    let tags = json!({ "tags": ["web"] });
    assert_eq!(tried(&ada, Method::PUT, format!("/endpoints/{endpoint}/tags"), tags).await, 200);
    assert_eq!(
        tried(&nora, Method::PUT, format!("/endpoints/{endpoint}/name"), json!({ "name": "ours" })).await,
        200
    );
    assert_eq!(tried(&nora, Method::POST, format!("/commands/{command}/release-code"), json!({})).await, 200);
    assert_eq!(tried(&nora, Method::GET, format!("/artifacts/{artifact}/content"), json!({})).await, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked() {
    let world = World::new().await;
    let (status, made) = world.post("/api/v1/api-keys", json!({ "name": "robot", "role": "analyst" })).await;
    assert_eq!(status, 201);
    let text = made["text"].as_str().unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(world.with_key(Method::GET, "/api/v1/tasks", text).send().await.unwrap().status(), 200);
    let (_, list) = world.get("/api/v1/api-keys").await;
    assert!(!list.to_string().contains(text));
    let revoked = world.request(Method::DELETE, &format!("/api/v1/api-keys/{id}")).send().await.unwrap();
    assert_eq!(revoked.status(), 204);
    assert_eq!(world.with_key(Method::GET, "/api/v1/tasks", text).send().await.unwrap().status(), 401);
    let (_, trail) = world.get("/api/v1/audit").await;
    assert!(!trail.to_string().contains(text), "a key stands in the audit trail");
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_a_guess_like_any_other() {
    let world = World::new().await;
    let (_, made) = world.post("/api/v1/api-keys", json!({ "name": "robot", "role": "analyst" })).await;
    let (text, id) = (made["text"].as_str().unwrap(), made["id"].as_str().unwrap());
    let tried = async || {
        let response = world.with_key(Method::GET, "/api/v1/tasks", text).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(tried().await, 200);
    let revoked = world.request(Method::DELETE, &format!("/api/v1/api-keys/{id}")).send().await.unwrap();
    assert_eq!(revoked.status(), 204);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        statuses.push(tried().await);
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.contains(&429), "sixty tries with a revoked key, and no end: {statuses:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_guesser_locks_no_good_key_out() {
    let world = World::new().await;
    let tried = async |key: &str| {
        let response = world.with_key(Method::GET, "/api/v1/tasks", key).send().await.unwrap();
        response.status().as_u16()
    };
    for number in 0..60 {
        tried(&format!("qk_aaaaaaaaaa{number:02}_{}", "A".repeat(43))).await;
    }
    assert_eq!(tried("nonsense").await, 429);
    // Never seen by this process, and of the same address.
    let key = world.key_of(world.tenant, "auditor").await;
    let began = std::time::Instant::now();
    while tried(&key).await == 429 {
        assert!(began.elapsed().as_secs() < 10, "a good key is locked out");
        tried("nonsense").await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(tried(&key).await, 200);
    // It earns a try back each second.
    let guesses = [tried("nonsense").await, tried("nonsense").await, tried("nonsense").await];
    assert!(guesses.contains(&429), "the guesser is where it was: {guesses:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_forwarding_header_is_never_believed() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for number in 0..60 {
        let request = world.http.get(format!("{}/api/v1/tasks", world.base)).bearer_auth("nonsense");
        let response = request.header("x-forwarded-for", format!("192.0.2.{number}")).send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.contains(&429), "sixty guesses, and no end: {statuses:?}");
    let bare = world.http.get(format!("{}/api/v1/tasks", world.base)).send().await.unwrap();
    assert_eq!(bare.status(), 401, "no key is no guess");
    let local = world.http.get(format!("{}/metrics", world.base)).send().await.unwrap();
    assert_eq!(local.status(), 200);
    let proxied = world.http.get(format!("{}/metrics", world.base)).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(proxied.send().await.unwrap().status(), 401);
    world.stop().await;
}

#[tokio::test]
async fn what_is_meant_for_another_tenant_is_refused_before_anything_is_done() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let other = world.other_tenant().await;
    let body = json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "r" });
    let ask = async |meant: &[&str]| {
        let mut request = world.request(Method::POST, "/api/v1/tasks").json(&body);
        for tenant in meant {
            request = request.header("quell-tenant", *tenant);
        }
        let (status, problem) = answer(request.send().await.unwrap()).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    let (own, other) = (world.tenant.to_string(), other.to_string());
    assert_eq!(ask(&[&other]).await, (409, "tenant_changed".to_owned()));
    for malformed in [&["x"][..], &[""], &[&own.to_uppercase()], &[&own, &own], &["\u{e9}"]] {
        assert_eq!(ask(malformed).await, (400, "invalid_header".to_owned()), "{malformed:?}");
    }
    let (_, tasks) = world.get("/api/v1/tasks").await;
    assert_eq!(tasks["items"], json!([]), "something was done");
    assert_eq!(ask(&[&own]).await.0, 201);
    // Reading too; and who has no credential learns nothing by it.
    let read = world.request(Method::GET, "/api/v1/tasks").header("quell-tenant", &other);
    assert_eq!(read.send().await.unwrap().status(), 409);
    let bare = world.http.get(format!("{}/api/v1/tasks", world.base)).header("quell-tenant", &other);
    assert_eq!(bare.send().await.unwrap().status(), 401);
    world.stop().await;
}
