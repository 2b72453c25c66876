//! Previews: they say what a request would do, in the words in which it is then refused or done, and write nothing.

use std::collections::BTreeMap;

use quell_store::{Error, endpoint};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Person, World, answer};

/// Tables that the sealer and the carrier of notices add to in their own time.
const BY_THEMSELVES: &[&str] = &["audit_checkpoint", "notice", "delivery", "notice_cursor"];

/// Rows by table.
async fn rows(world: &World) -> BTreeMap<String, i64> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let counted = world.store.read(move |tx| {
        let names: Vec<String> = tx.query(tables, &[], |mut row| row.take())?;
        let mut counts = BTreeMap::new();
        for name in names.into_iter().filter(|name| !BY_THEMSELVES.contains(&name.as_str())) {
            let sql: &'static str = Box::leak(format!("SELECT COUNT(*) FROM {name}").into_boxed_str());
            counts.insert(name, tx.query_opt(sql, &[], |mut row| row.take())?.unwrap_or(0));
        }
        Ok::<_, Error>(counts)
    });
    counted.await.unwrap()
}

/// The preview of a request, which writes nothing, and then what the request itself is answered.
async fn both(world: &World, who: &Person, body: Value) -> (Value, (u16, Value)) {
    let before = rows(world).await;
    let (status, preview) = who.post("/api/v1/tasks/preview", body.clone()).await;
    assert_eq!(status, 200, "{preview}");
    assert_eq!(rows(world).await, before, "a preview wrote something");
    (preview, who.post("/api/v1/tasks", body).await)
}

fn terminate(endpoint: impl ToString, pid: u32) -> Value {
    json!({ "action": "process.terminate", "params": { "pid": pid, "start_time": 99 },
        "targets": { "endpoints": [endpoint.to_string()] }, "reason": "beacon" })
}

async fn settings(world: &World, policy: Value) {
    let (status, set) = answer(
        world
            .person("ada", &["administrator"])
            .await
            .request(Method::PUT, "/api/v1/approval-policy")
            .json(&policy)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200, "{set}");
}

#[tokio::test]
async fn what_needs_nobody_begins_as_it_was_said() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let nora = world.person("nora", &["analyst"]).await;
    let isolate =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "x" });
    let (preview, (status, task)) = both(&world, &nora, isolate.clone()).await;
    assert_eq!(
        (status, &task["state"], &task["approval"]),
        (201, &preview["state"], &preview["approval"]["how"])
    );
    assert_eq!(preview["approval"]["how"], "none");
    assert_eq!((&preview["target_count"], &preview["refused"]), (&json!(1), &Value::Null));
    let target = &preview["targets"][0];
    assert_eq!(
        (&target["id"], &target["able"], &target["problem"]),
        (&json!(web), &json!(true), &Value::Null)
    );
    assert_eq!(
        preview["way_back"],
        json!({ "effect": "reversible", "undone_by": "endpoint.restore", "revert_after": true })
    );
    assert_eq!((&preview["confirm_count"], &preview["step_up"]["needed"]), (&Value::Null, &json!(false)));

    // The same once more is refused, in the same words.
    let (preview, (status, problem)) = both(&world, &nora, isolate).await;
    assert_eq!((status, &preview["refused"]["code"]), (409, &problem["code"]), "{problem}");
    assert_eq!(preview["refused"]["message"], problem["detail"]);
    assert_eq!(
        (&preview["refused"]["hint"], &preview["refused"]["fields"]),
        (&problem["hint"], &problem["fields"])
    );
    assert_eq!(preview["targets"][0]["problem"]["code"], "conflict");
    assert_eq!(preview["waits_for"][0]["task"], task["id"]);
    // What excludes it only waits for it.
    let restore = json!({ "action": "endpoint.restore", "targets": { "endpoints": [web] }, "reason": "x" });
    let (status, preview) = nora.post("/api/v1/tasks/preview", restore).await;
    assert_eq!((status, &preview["refused"]), (200, &Value::Null), "{preview}");
    assert_eq!(preview["waits_for"][0]["action"], "endpoint.isolate", "{preview}");
    world.stop().await;
}

#[tokio::test]
async fn an_outside_team_sees_who_is_asked() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let olga = world.person("olga", &["operations"]).await;
    let (preview, (status, task)) = both(&world, &olga, terminate(web, 4211)).await;
    assert_eq!((status, &task["state"]), (201, &preview["state"]), "{preview}");
    assert_eq!(preview["state"], "pending_approval");
    // Who decides on what is taken back piece by piece is told of the way back, as the one who asks is.
    let scan = json!({
        "action": "endpoint.scan_malware", "targets": { "endpoints": [web] }, "reason": "x",
        "params": { "paths": ["/srv"], "quarantine": true },
    });
    let (_, scan) = olga.post("/api/v1/tasks/preview", scan).await;
    assert_eq!(
        (&scan["blast"]["effect"], &scan["blast"]["undone_by"], &scan["blast"]["reversible_by"]),
        (&json!("piecewise"), &json!("file.restore"), &Value::Null),
        "{scan}"
    );
    let (_, request) = world.get(&format!("/api/v1/approvals/{}", task["id"].as_str().unwrap())).await;
    let approval = &preview["approval"];
    assert_eq!(approval["how"], "people");
    assert_eq!((&approval["quorum"], &approval["roles"]), (&request["quorum"], &request["roles"]));
    assert_eq!((&approval["trace"], &preview["blast"]), (&request["trace"], &request["blast"]));

    settings(&world, json!({ "managed": { "auto_approve": true } })).await;
    let (preview, (_, task)) = both(&world, &olga, terminate(web, 4212)).await;
    assert_eq!(
        (&preview["approval"]["how"], &preview["state"]),
        (&task["approval"], &task["state"]),
        "{preview}"
    );
    assert_eq!(preview["approval"]["how"], "auto");

    let rule = json!({ "actions": ["process.*"], "require": "refused" });
    let ada = world.person("ada-2", &["administrator"]).await;
    assert_eq!(ada.put("/api/v1/approval-policy", json!({ "rules": [rule] })).await.0, 200);
    let (preview, (status, problem)) = both(&world, &olga, terminate(web, 4213)).await;
    assert_eq!((status, &preview["refused"]["code"]), (403, &problem["code"]), "{problem}");
    assert_eq!(
        (&preview["refused"]["message"], &preview["approval"]["how"]),
        (&problem["detail"], &json!("refused"))
    );
    assert_eq!(preview["targets"][0]["name"], "web-1", "who refuses shows what it is about: {preview}");
    world.stop().await;
}

#[tokio::test]
async fn what_the_request_does_not_state_yet_is_asked_for() {
    let world = World::new().await;
    for name in ["web-1", "web-2"] {
        world.endpoint(name).await;
    }
    settings(&world, json!({ "step_up": ["endpoint.isolate"] })).await;
    let nora = world.person("nora", &["analyst"]).await;
    let body = |count: Option<u64>| json!({ "action": "endpoint.isolate", "targets": { "tags": ["lab", "other"] }, "reason": "x", "confirm_count": count });
    let (status, preview) = nora.post("/api/v1/tasks/preview", body(None)).await;
    assert_eq!(
        (status, &preview["confirm_count"], &preview["refused"]),
        (200, &json!(2), &Value::Null),
        "{preview}"
    );
    assert_eq!(preview["step_up"], json!({ "needed": true, "methods": ["password"] }));
    let (_, preview) = nora.post("/api/v1/tasks/preview", body(Some(3))).await;
    assert_eq!(preview["refused"]["code"], "count_not_confirmed", "{preview}");
    // A program cannot confirm.
    let (_, preview) = world.post("/api/v1/tasks/preview", body(Some(2))).await;
    assert_eq!(preview["refused"]["code"], "step_up_needed", "{preview}");
    assert_eq!(preview["step_up"], json!({ "needed": true, "methods": [] }));
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_is_wrong_in_itself_is_a_problem_and_a_name_that_leads_nowhere_is_not() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    for (wrong, code) in [
        (
            json!({ "action": "endpoint.explode", "targets": { "endpoints": ["web-1"] }, "reason": "x" }),
            "unknown_action",
        ),
        (
            json!({ "action": "process.terminate", "targets": { "endpoints": ["web-1"] }, "reason": "x" }),
            "invalid_params",
        ),
        (
            json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "" }),
            "invalid_field",
        ),
        (json!({ "action": "endpoint.isolate", "targets": {}, "reason": "x" }), "no_targets"),
    ] {
        let (status, problem) = world.post("/api/v1/tasks/preview", wrong.clone()).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some(code)), "{problem}");
        assert_eq!(world.post("/api/v1/tasks", wrong).await.1["code"], code);
    }
    let unknown =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-9"] }, "reason": "x" });
    let (status, preview) = world.post("/api/v1/tasks/preview", unknown).await;
    assert_eq!((status, preview["refused"]["code"].as_str()), (200, Some("unknown_target")), "{preview}");
    let nobody = json!({ "action": "endpoint.isolate", "targets": { "tags": ["none"] }, "reason": "x" });
    let (status, preview) = world.post("/api/v1/tasks/preview", nobody).await;
    assert_eq!((status, preview["refused"]["code"].as_str()), (200, Some("no_targets")), "{preview}");
    world.stop().await;
}

#[tokio::test]
async fn what_is_beyond_reach_is_not_shown() {
    let world = World::new().await;
    let (near, far) = (world.endpoint("near-1").await, world.endpoint("far-1").await);
    let tenant = world.tenant;
    world
        .store
        .write(move |tx| endpoint::set_tags(tx, tenant, far, &["secret".to_owned()], "[\"secret\"]"))
        .await
        .unwrap();
    let ada = world.person("ada", &["administrator"]).await;
    let grants = json!({ "permissions": ["task.submit", "endpoint.read"], "tags": ["lab"] });
    let (status, role) =
        ada.post("/api/v1/roles", json!({ "name": "lab", "description": "", "grants": grants })).await;
    assert_eq!(status, 201, "{role}");
    let lea = world.person("lea", &[role["id"].as_str().unwrap()]).await;
    let other = world.other_tenant().await;
    let foreign = world.endpoint_of(other, "foreign-1").await;
    let body = |ids: &[Uuid]| json!({ "action": "endpoint.isolate", "targets": { "endpoints": ids }, "reason": "x" });
    // What is under way there, and that it is protected, is nobody's business who does not reach it.
    let (status, task) = ada.post("/api/v1/tasks", body(&[far])).await;
    assert_eq!(status, 201, "{task}");
    let silent = |said: &Value| {
        for word in ["far-1", "under way", "secret", task["id"].as_str().unwrap()] {
            assert!(!said.to_string().contains(word), "{word}: {said}");
        }
    };
    let (preview, (status, problem)) = both(&world, &lea, body(&[near, far])).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")), "{problem}");
    assert_eq!(preview["refused"]["code"], problem["code"], "{preview}");
    assert_eq!((&preview["beyond_reach"], preview["targets"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(preview["targets"][0]["name"], "near-1");
    silent(&preview);
    silent(&problem);
    let grants = json!({ "permissions": ["task.submit", "endpoint.read"], "tags": ["nowhere"] });
    let (_, role) =
        ada.post("/api/v1/roles", json!({ "name": "none", "description": "", "grants": grants })).await;
    let nils = world.person("nils", &[role["id"].as_str().unwrap()]).await;
    let restore =
        json!({ "action": "endpoint.restore", "targets": { "endpoints": [far, near] }, "reason": "x" });
    for wanted in [body(&[far]), body(&[near, far]), restore] {
        let (preview, (status, problem)) = both(&world, &nils, wanted).await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")), "{problem}");
        assert_eq!((&preview["targets"], &preview["waits_for"]), (&json!([]), &json!([])), "{preview}");
        assert!(!preview.to_string().contains("near-1") && !problem.to_string().contains("near-1"));
        silent(&preview);
        silent(&problem);
    }
    let (_, preview) = lea.post("/api/v1/tasks/preview", body(&[foreign])).await;
    assert_eq!(preview["refused"]["code"], "unknown_target", "another tenant's is not there: {preview}");
    assert!(!preview.to_string().contains("foreign-1"));
    let auditor = world.person("udo", &["auditor"]).await;
    assert_eq!(auditor.post("/api/v1/tasks/preview", body(&[near])).await.0, 403);
    world.stop().await;
}
