//! Response plans over the API: asked for, decided about as a whole, and made from what an incident proposes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::incidents::seeded;
use crate::world::{Person, World, answer};

crate::both!(
    a_plan_is_decided_about_as_a_whole,
    what_an_incident_proposes_is_asked_for_by_its_digest,
    a_plan_says_what_it_waits_for,
    a_request_that_comes_again_makes_one_plan,
);

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

async fn a_plan_is_decided_about_as_a_whole() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let step = |pid: u32| {
        json!({ "action": "process.terminate", "params": { "pid": pid, "start_time": 9 },
            "targets": { "endpoints": [endpoint] }, "why": "it calls out" })
    };
    let mut bad = step(2);
    bad["needs"] = json!([1]);
    let asked = |steps: Value| json!({ "reason": "cut the chain", "steps": steps });
    let (status, refused) = ops.post("/api/v1/response-plans", asked(json!([bad]))).await;
    assert_eq!((status, &refused["fields"][0]["field"]), (400, &json!("steps[0].needs")), "{refused}");
    let mut unfit = step(3);
    unfit["params"] = json!({ "pid": 1 });
    let (status, refused) = ops.post("/api/v1/response-plans", asked(json!([step(2), unfit]))).await;
    assert_eq!((status, refused["code"].as_str().unwrap()), (400, "invalid_params"), "{refused}");
    assert!(refused["detail"].as_str().unwrap().starts_with("step 2: "), "{refused}");
    let (_, tasks) = ops.get("/api/v1/tasks").await;
    assert_eq!(tasks["items"], json!([]), "nothing is left of a plan that was refused");
    let mut second = step(5);
    second["needs"] = json!([1]);
    let (status, plan) = ops.post("/api/v1/response-plans", asked(json!([step(4), second]))).await;
    assert_eq!((status, plan["state"].as_str().unwrap()), (201, "pending_approval"), "{plan}");
    assert_eq!(plan["steps"][1]["needs"], json!([1]));
    assert_eq!(plan["approvals"][0]["you"]["can_decide"], false, "who asked does not decide");
    let path = format!("/api/v1/response-plans/{}", text(&plan, "id"));
    let task = text(&plan["steps"][0]["task"], "id");
    let intent = text(&plan["steps"][0]["task"], "intent_sha256");
    let alone =
        approver.post(&format!("/api/v1/approvals/{task}/approve"), json!({ "digest": intent })).await;
    assert_eq!((alone.0, alone.1["code"].as_str().unwrap()), (409, "conflict"), "{}", alone.1);
    let (_, request) = approver.get(&format!("/api/v1/approvals/{task}")).await;
    assert_eq!(request["plan"], plan["id"]);
    let wrong = approver.post(&format!("{path}/approve"), json!({ "digest": "0".repeat(64) })).await;
    assert_eq!(wrong.0, 409, "{}", wrong.1);
    let own = ops.post(&format!("{path}/approve"), json!({ "digest": plan["digest"] })).await;
    assert_eq!(own.0, 403, "{}", own.1);
    let (status, approved) =
        approver.post(&format!("{path}/approve"), json!({ "digest": plan["digest"] })).await;
    assert_eq!((status, approved["state"].as_str().unwrap()), (200, "running"), "{approved}");
    let early = ops.post(&format!("{path}/undo"), json!({ "reason": "x" })).await;
    assert_eq!((early.0, early.1["code"].as_str().unwrap()), (409, "task_open"), "{}", early.1);
    let (status, canceled) = ops.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((status, canceled["state"].as_str().unwrap()), (200, "canceled"), "{canceled}");
    let again = ops.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((again.0, again.1["code"].as_str().unwrap()), (409, "not_cancelable"), "{}", again.1);
    let nothing = ops.post(&format!("{path}/undo"), json!({ "reason": "x" })).await;
    assert_eq!((nothing.0, nothing.1["code"].as_str().unwrap()), (409, "not_undoable"), "{}", nothing.1);
    let (_, list) = ops.get("/api/v1/response-plans").await;
    assert_eq!(list["items"][0]["id"], plan["id"]);
    let tenant = world.other_tenant().await;
    let other = world.person_of(tenant, "eve", &["administrator"]).await;
    assert_eq!(other.get(&path).await.0, 404, "another tenant's plan is not there");
}

async fn what_an_incident_proposes_is_asked_for_by_its_digest() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let officer = world.person("olaf", &["security_officer"]).await;
    let analyst = world.person("nina", &["analyst"]).await;
    let incident = seeded(&world, endpoint, officer.id).await;
    let path = format!("/api/v1/incidents/{}/cut", incident.id);
    let (status, cut) = analyst.get(&path).await;
    assert_eq!(status, 200, "{cut}");
    let steps = cut["steps"].as_array().unwrap();
    assert!(!steps.is_empty(), "{cut:#}");
    for step in steps {
        assert!(!text(step, "reason").is_empty() && step["because"] != json!([]), "{step:#}");
    }
    let numbers: Vec<u64> = steps.iter().filter_map(|step| step["number"].as_u64()).collect();
    let wanted =
        |digest: &Value, steps: &[u64]| json!({ "digest": digest, "steps": steps, "reason": "cut it" });
    assert_eq!(
        analyst.post(&path, wanted(&cut["digest"], &numbers)).await.0,
        403,
        "an analyst does not respond"
    );
    let stale = officer.post(&path, wanted(&json!("0".repeat(64)), &numbers)).await;
    assert_eq!((stale.0, stale.1["code"].as_str().unwrap()), (409, "conflict"), "{}", stale.1);
    assert_eq!(officer.post(&path, wanted(&cut["digest"], &[99])).await.0, 400);
    let (status, plan) = officer.post(&path, wanted(&cut["digest"], &numbers)).await;
    assert_eq!(status, 201, "{plan}");
    assert_eq!(plan["incident"], json!(incident.id));
    let actions = |of: &Value, key: &str| -> Vec<String> {
        of["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step.pointer(key).unwrap().as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(actions(&plan, "/task/action"), actions(&cut, "/action"));
    let (_, tasks) = officer.get(&format!("/api/v1/tasks?incident={}", incident.id)).await;
    assert_eq!(tasks["items"].as_array().unwrap().len(), numbers.len());
    let (_, trail) = officer.get(&format!("/api/v1/audit?object={}", text(&plan, "id"))).await;
    assert_eq!(trail["items"][0]["verb"], "plan.submit", "{trail:#}");
}

async fn a_plan_says_what_it_waits_for() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let step = json!({ "action": "process.terminate", "params": { "pid": 2, "start_time": 9 },
        "targets": { "endpoints": [endpoint] } });
    let (_, plan) = ops.post("/api/v1/response-plans", json!({ "reason": "x", "steps": [step, step] })).await;
    assert_eq!(plan["waits_for"], json!({ "step": 1, "people": true, "endpoints": [] }), "{plan:#}");
    let path = format!("/api/v1/response-plans/{}", text(&plan, "id"));
    let (_, plan) = approver.post(&format!("{path}/approve"), json!({ "digest": plan["digest"] })).await;
    let wait = &plan["waits_for"];
    assert_eq!((&wait["step"], &wait["people"]), (&json!(1), &json!(false)), "{plan:#}");
    assert_eq!(wait["endpoints"][0]["name"], "web-1");
    assert_eq!(wait["endpoints"][0]["state"], "queued");
    let (_, plan) = ops.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(plan["waits_for"], json!(null));
}

async fn a_request_that_comes_again_makes_one_plan() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let officer = world.person("olaf", &["security_officer"]).await;
    let other = world.person("otto", &["security_officer"]).await;
    let keyed = async |who: &Person, path: &str, body: &Value| {
        answer(
            who.request(Method::POST, path).header("idempotency-key", "k-1").json(body).send().await.unwrap(),
        )
        .await
    };
    let step = json!({ "action": "process.terminate", "params": { "pid": 2, "start_time": 9 },
        "targets": { "endpoints": [endpoint] } });
    let body = json!({ "reason": "x", "steps": [step] });
    let (status, first) = keyed(&officer, "/api/v1/response-plans", &body).await;
    assert_eq!(status, 201, "{first}");
    let (status, again) = keyed(&officer, "/api/v1/response-plans", &body).await;
    assert_eq!((status, &again["id"]), (200, &first["id"]), "{again}");
    let mut changed = body.clone();
    changed["steps"][0]["on_failure"] = json!("continue");
    let (status, refused) = keyed(&officer, "/api/v1/response-plans", &changed).await;
    assert_eq!((status, refused["code"].as_str().unwrap()), (409, "idempotency_conflict"), "{refused}");
    assert_eq!(keyed(&other, "/api/v1/response-plans", &body).await.0, 201, "keys are each one's own");
    // What is proposed may be another once the first request was carried out: a repeat asks for no proposal.
    let incident = seeded(&world, endpoint, officer.id).await;
    let path = format!("/api/v1/incidents/{}/cut", incident.id);
    let (_, cut) = officer.get(&path).await;
    let wanted = json!({ "digest": cut["digest"], "steps": [1], "reason": "cut it" });
    let cutting = async |body: &Value| {
        let request = officer.request(Method::POST, &path).header("idempotency-key", "k-2").json(body);
        answer(request.send().await.unwrap()).await
    };
    let (status, plan) = cutting(&wanted).await;
    assert_eq!(status, 201, "{plan}");
    let (status, again) = cutting(&wanted).await;
    assert_eq!((status, &again["id"]), (200, &plan["id"]), "{again}");
    let other = json!({ "digest": "0".repeat(64), "steps": [1], "reason": "cut it" });
    assert_eq!(cutting(&other).await.1["code"], "idempotency_conflict");
    let (_, list) = officer.get(&format!("/api/v1/response-plans?incident={}", incident.id)).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}
