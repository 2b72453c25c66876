//! Who may do what: every route, without a key, with a wrong one, with another tenant's, with a lesser role.

use quell_store::{Tx, endpoint};
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
    assert_eq!(world.post("/api/v1/scripts", script).await.0, 201);
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

/// Whether a path names one object that belongs to a tenant.
fn is_of_tenant(path: &str) -> bool {
    path.contains('{') && !path.contains("/actions/") && !path.contains("/problems/")
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
        let path = concrete(path, &objects);
        let url = format!("{}{path}", world.base);
        let bare = world.http.request(method(name), &url).send().await.unwrap();
        assert_eq!(bare.headers()["www-authenticate"], "Bearer realm=\"quell\"");
        assert_eq!(bare.status(), 401, "{name} {path} without a key");
        // The bucket of this address runs dry on the way; both answers are refusals.
        let guessed = world.with_key(method(name), &path, &other).send().await.unwrap().status().as_u16();
        assert!([401, 429].contains(&guessed), "{name} {path} with a wrong key: {guessed}");
    }
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v1/openapi.json", "/console"] {
        let status = world.http.get(format!("{}{path}", world.base)).send().await.unwrap().status();
        assert_eq!(status, 401, "{path}");
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
async fn another_tenants_objects_are_not_there() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let other = world.other_tenant().await;
    let key = world.key_of(other, "administrator").await;
    for (name, path, _) in operations() {
        let concrete = concrete(&path, &objects);
        if is_of_tenant(&path) {
            let body = match path.rsplit('/').next().unwrap() {
                "tags" => json!({ "tags": [] }),
                "name" => json!({ "name": "mine" }),
                _ => json!({ "reason": "trying" }),
            };
            let request = world.with_key(method(&name), &concrete, &key).json(&body);
            let (status, problem) = answer(request.send().await.unwrap()).await;
            assert_eq!(
                (status, &problem["code"]),
                (404, &json!("not_found")),
                "{name} {concrete}: {problem}"
            );
        } else if name == "GET"
            && !path.ends_with("/events")
            && !path.contains("/actions")
            && !path.contains("/problems")
        {
            let (status, list) =
                answer(world.with_key(Method::GET, &concrete, &key).send().await.unwrap()).await;
            assert_eq!(status, 200, "{concrete}");
            let text = list.to_string();
            for id in [
                &objects.task,
                &objects.command,
                &objects.endpoint,
                &objects.artifact,
                &objects.token,
                &objects.key,
            ] {
                assert!(!text.contains(id.as_str()), "{concrete} shows another tenant's {id}");
            }
        }
    }
    let (_, made) = answer(
        world
            .with_key(Method::POST, "/api/v1/tasks", &key)
            .json(&json!({ "action": "endpoint.isolate", "targets": { "endpoints": [objects.endpoint] }, "reason": "x" }))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(made["code"], "unknown_target");
    let (_, made) = answer(
        world
            .with_key(Method::POST, "/api/v1/tasks", &key)
            .json(&json!({ "action": "endpoint.isolate", "targets": { "all": true }, "reason": "x", "confirm_count": 1 }))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(made["code"], "no_targets");
    world.stop().await;
}

#[tokio::test]
async fn a_role_may_do_what_it_may_and_nothing_more() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let may = |role: &str, permission: &str| match role {
        "administrator" => true,
        "security_officer" => !permission.starts_with("key.") && permission != "gateway.manage",
        "analyst" => [
            "action.read",
            "task.read",
            "task.submit",
            "task.cancel",
            "secret.read",
            "endpoint.read",
            "endpoint.acknowledge",
            "artifact.read",
            "artifact.download",
            "script.read",
        ]
        .contains(&permission),
        "operations" => [
            "action.read",
            "task.read",
            "task.submit",
            "task.cancel",
            "endpoint.read",
            "artifact.read",
            "script.read",
        ]
        .contains(&permission),
        "approver" => ["action.read", "task.read", "endpoint.read", "artifact.read", "script.read"]
            .contains(&permission),
        "auditor" => {
            permission != "secret.read" && permission.split_once('.').is_some_and(|(_, verb)| verb == "read")
        }
        other => panic!("{other}"),
    };
    for role in quell_server::Role::ALL {
        let key = world.key_of(world.tenant, role.as_str()).await;
        for (name, path, permission) in operations() {
            if path.ends_with("/events") {
                continue;
            }
            // A body of the wrong media type: whoever passes the guard changes nothing.
            let request = world.with_key(
                method(&name),
                &concrete(&path, &objects).replace(&objects.key, &Uuid::nil().to_string()),
                &key,
            );
            let request = if name == "GET" { request } else { request.header("content-type", "text/plain") };
            let is_destructive = ["/cancel", "enrolment-tokens/{id}"].iter().any(|end| path.ends_with(end));
            if is_destructive && may(role.as_str(), &permission) {
                continue;
            }
            let (status, answer) = answer(request.send().await.unwrap()).await;
            let allowed = may(role.as_str(), &permission);
            assert_eq!(
                status != 403,
                allowed,
                "{} {name} {path} ({permission}): {status} {answer}",
                role.as_str()
            );
        }
    }
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
async fn every_change_is_recorded() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let script = json!({ "name": "other", "interpreter": "sh", "body": "echo other" });
    let second = world.endpoint("db-1").await;
    let (tenant, alarmed) = (world.tenant, objects.endpoint.parse().unwrap());
    let alarm = move |tx: &mut Tx<'_>| endpoint::set_alarm(tx, tenant, alarmed, Some("copied"));
    world.store.write(alarm).await.unwrap();
    for (name, path, _) in operations() {
        if name == "GET" {
            continue;
        }
        let last = path.rsplit('/').next().unwrap();
        let body = match (path.split('/').nth(3).unwrap(), last) {
            ("tasks", "tasks") => {
                json!({ "action": "endpoint.isolate", "targets": { "endpoints": [second] }, "reason": "x" })
            }
            ("scripts", _) => script.clone(),
            ("trust", _) => json!({ "bundle": crate::trust::Root::new(world.tenant).text() }),
            ("gateway", _) => json!({ "addresses": ["quell.example:8421"] }),
            (_, "tags") => json!({ "tags": ["a", "b", "a"] }),
            (_, "name") => json!({ "name": "reception" }),
            ("enrolment-tokens", _) => json!({ "name": "x" }),
            ("api-keys", _) => json!({ "name": "x", "role": "analyst" }),
            _ => json!({ "reason": "because" }),
        };
        // An isolation has no archive, nothing was done that could be undone, and revoking comes last.
        if ["archive-password", "undo", "revoke"].contains(&last) {
            continue;
        }
        let before = world.audit_count().await;
        let request = world.request(method(&name), &concrete(&path, &objects)).json(&body);
        let (status, answer) = answer(request.send().await.unwrap()).await;
        assert!((200..300).contains(&status), "{name} {path}: {status} {answer}");
        assert!(world.audit_count().await > before, "{name} {path} left no record");
    }
    let (_, tagged) = world.get("/api/v1/endpoints?tag=b").await;
    assert_eq!(tagged["items"][0]["tags"], json!(["a", "b"]));
    assert_eq!(tagged["items"].as_array().unwrap().len(), 1);
    let (status, _) =
        world.post(&format!("/api/v1/endpoints/{second}/revoke"), json!({ "reason": "lost" })).await;
    assert_eq!(status, 200);
    let (_, trail) = world.get("/api/v1/audit?verb=endpoint.revoke").await;
    assert_eq!(trail["items"][0]["object_id"], second.to_string());
    assert!(trail["items"][0]["remote"].as_str().unwrap().starts_with("127."));
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
