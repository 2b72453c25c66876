//! Approvals over the API: who is asked, who may answer, and what a link in a mail is good for.

use quell_store::approval_link::{self, Link};
use quell_store::{endpoint, person};
use quell_wire::digest::{hex, sha256};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::live::until_event;
use crate::world::{PASSWORD, Person, World, answer};

/// A request of an outside team that waits: its task and its digest.
async fn asked(world: &World, who: &Person, endpoint: Uuid) -> (String, String) {
    let body = json!({
        "action": "process.terminate", "params": { "pid": 4211, "start_time": 99 },
        "targets": { "endpoints": [endpoint] }, "reason": "beacon",
    });
    let (status, task) = who.post("/api/v1/tasks", body).await;
    assert_eq!((status, &task["state"]), (201, &json!("pending_approval")), "{task}");
    let id = task["id"].as_str().unwrap().to_owned();
    let (_, request) = world.get(&format!("/api/v1/approvals/{id}")).await;
    assert_eq!(request["state"], "pending", "{request}");
    (id, request["digest"].as_str().unwrap().to_owned())
}

async fn state(world: &World, task: &str) -> String {
    let (_, request) = world.get(&format!("/api/v1/approvals/{task}")).await;
    request["state"].as_str().unwrap_or_default().to_owned()
}

/// The header that proves that the person confirmed this body.
async fn proof(who: &Person, path: &str, body: &str) -> String {
    let request = hex(&sha256(&[format!("POST {path}\n{body}").as_bytes()]));
    let wanted = json!({ "request": request, "password": PASSWORD });
    let (status, made) = who.post("/api/v1/step-up", wanted).await;
    assert_eq!(status, 201, "{made}");
    made["proof"].as_str().unwrap().to_owned()
}

async fn confirmed(who: &Person, path: &str, body: &Value) -> (u16, Value) {
    let text = body.to_string();
    let proof = proof(who, path, &text).await;
    let request = who.request(Method::POST, path).header("content-type", "application/json");
    answer(request.header("quell-step-up", proof).body(text).send().await.unwrap()).await
}

#[tokio::test]
async fn a_person_of_the_tenant_decides_about_the_very_thing_that_was_asked() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let (task, digest) = asked(&world, &olga, web).await;
    let path = format!("/api/v1/approvals/{task}/approve");

    let (status, problem) = arno.post(&path, json!({ "digest": "0".repeat(64) })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "another digest: {problem}");
    let (status, problem) = arno.post(&path, json!({ "digest": "zz" })).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
    let (status, problem) = olga.post(&path, json!({ "digest": digest })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "who asks does not decide: {problem}");
    let (status, problem) = world.post(&path, json!({ "digest": digest })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "a program never decides: {problem}");
    assert!(problem["detail"].as_str().unwrap().contains("only a person"), "{problem}");
    assert_eq!(state(&world, &task).await, "pending");

    let (status, decided) = arno.post(&path, json!({ "digest": digest, "note": "go" })).await;
    assert_eq!((status, &decided["request"]["state"]), (200, &json!("approved")), "{decided}");
    assert_eq!(decided["is_new"], true);
    let (status, again) = arno.post(&path, json!({ "digest": digest, "note": "go" })).await;
    assert_eq!((status, &again["is_new"]), (200, &json!(false)), "a double click is one decision");
    let (_, view) = world.get(&format!("/api/v1/tasks/{task}")).await;
    assert_eq!(view["state"], "queued");
    let (_, trail) = world.get("/api/v1/audit?verb=approval.approve").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
    assert_eq!(trail["items"][0]["actor_name"], "arno");
    world.stop().await;
}

#[tokio::test]
async fn a_request_says_what_its_reader_can_do_about_it() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let ana = world.person("ana", &["analyst"]).await;
    let (task, digest) = asked(&world, &olga, web).await;
    let path = format!("/api/v1/approvals/{task}");

    let (_, request) = arno.get(&path).await;
    assert_eq!(request["you"], json!({ "can_decide": true, "hinders": null, "signing": null }));
    let (_, listed) = arno.get("/api/v1/approvals?state=pending").await;
    assert_eq!(listed["items"][0]["you"]["can_decide"], true, "{listed}");
    for (who, why) in [(&olga, "who asks does not decide"), (&ana, "may not decide")] {
        let (_, request) = who.get(&path).await;
        assert_eq!(request["you"]["can_decide"], false, "{request}");
        assert!(request["you"]["hinders"].as_str().unwrap().contains(why), "{request}");
    }
    let (_, request) = world.get(&path).await;
    assert_eq!(request["you"], Value::Null, "a program decides nothing");

    arno.post(&format!("{path}/approve"), json!({ "digest": digest })).await;
    let (_, request) = arno.get(&path).await;
    assert_eq!(request["you"]["hinders"], "you decided to approve it");
}

#[tokio::test]
async fn settings_answer_about_what_nobody_asks_for() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let arno = world.person("arno", &["approver"]).await;
    let ask = |body: Value| {
        let arno = &arno;
        async move { arno.post("/api/v1/approval-policy/try", body).await }
    };
    let plain = json!({ "action": "process.terminate", "requester": "staff", "endpoints": [web] });
    let (status, answer) = ask(plain.clone()).await;
    assert_eq!((status, &answer["how"]), (200, &json!("none")), "{answer}");
    let mut outside = plain.clone();
    outside["requester"] = json!("operations");
    let (_, answer) = ask(outside).await;
    assert_eq!((&answer["how"], &answer["quorum"]), (&json!("people"), &json!(1)), "{answer}");
    // Settings that nobody stored: they hold for the answer alone.
    let mut drafted = plain.clone();
    drafted["policy"] = json!({ "rules": [{ "actions": ["process.*"], "require": "refused" }] });
    let (_, answer) = ask(drafted).await;
    assert_eq!(answer["how"], "refused", "{answer}");
    assert!(answer["trace"][0].as_str().unwrap().starts_with("rule 1"), "{answer}");
    let (_, answer) = ask(plain).await;
    assert_eq!(answer["how"], "none", "{answer}");
    let (status, problem) = ask(json!({ "action": "no.such", "requester": "staff" })).await;
    assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("action")), "{problem}");
    let (status, _) =
        ask(json!({ "action": "file.collect", "requester": "staff", "endpoints": [Uuid::nil()] })).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn another_account_of_the_one_who_asks_decides_nothing() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let olga = world.person("olga", &["operations"]).await;
    let alias = world.person("olga-private", &["approver"]).await;
    let (from, into) = (alias.id, olga.id);
    world.store.write(move |tx| person::merge_humans(tx, from, into)).await.unwrap();
    let (task, digest) = asked(&world, &olga, web).await;
    for word in ["approve", "reject"] {
        let (status, problem) =
            alias.post(&format!("/api/v1/approvals/{task}/{word}"), json!({ "digest": digest })).await;
        assert_eq!((status, &problem["code"]), (403, &json!("not_eligible")), "{word}: {problem}");
    }
    assert_eq!(state(&world, &task).await, "pending");
    world.stop().await;
}

#[tokio::test]
async fn several_at_once_each_for_itself() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let other = world.other_tenant().await;
    let foreign_endpoint = world.endpoint_of(other, "foreign").await;
    let foreign = world.person_of(other, "fay", &["operations"]).await;
    let first = asked(&world, &olga, web).await;
    let second = asked(&world, &olga, web).await;
    let body = json!({
        "action": "process.terminate", "params": { "pid": 4212, "start_time": 9 },
        "targets": { "endpoints": [foreign_endpoint] }, "reason": "x",
    });
    let (status, hers) = foreign.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{hers}");
    let theirs =
        (hers["id"].as_str().unwrap().to_owned(), hers["intent_sha256"].as_str().unwrap().to_owned());
    let item = |(task, digest): &(String, String)| json!({ "task": task, "digest": digest });
    let requests = [
        item(&first),
        item(&theirs),
        json!({ "task": second.0, "digest": "0".repeat(64) }),
        json!({ "task": "x", "digest": first.1 }),
    ];
    let (status, done) = arno
        .post("/api/v1/approvals/decide", json!({ "decision": "reject", "requests": requests, "note": "no" }))
        .await;
    assert_eq!((status, &done["decided"]), (200, &json!(1)), "{done}");
    let codes: Vec<&str> = done["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["error"]["code"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(codes, ["", "not_found", "conflict", "not_found"], "{done}");
    assert_eq!(state(&world, &first.0).await, "rejected");
    assert_eq!(state(&world, &second.0).await, "pending");
    let (_, still) = foreign.get(&format!("/api/v1/tasks/{}", theirs.0)).await;
    assert_eq!(still["state"], "pending_approval", "another tenant's request is not there");
    let (_, list) = arno.get("/api/v1/approvals?state=rejected").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (_, list) = arno.get("/api/v1/approvals?text=WEB-1").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let csv =
        arno.request(Method::GET, "/api/v1/approvals?format=csv").send().await.unwrap().text().await.unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    world.stop().await;
}

#[tokio::test]
async fn what_was_given_can_be_taken_back_or_end() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let (task, digest) = asked(&world, &olga, web).await;
    let (_, _) = arno.post(&format!("/api/v1/approvals/{task}/approve"), json!({ "digest": digest })).await;
    let (status, request) = arno.post(&format!("/api/v1/approvals/{task}/revoke"), json!({})).await;
    assert_eq!(
        (status, &request["state"], &request["task_state"]),
        (200, &json!("revoked"), &json!("rejected")),
        "{request}"
    );
    let (task, digest) = asked(&world, &olga, web).await;
    let body = json!({ "digest": digest, "valid_for_seconds": 600 });
    let (_, decided) = arno.post(&format!("/api/v1/approvals/{task}/approve"), body).await;
    assert!(decided["request"]["valid_until"].is_string(), "{decided}");
    let (status, request) = arno.post(&format!("/api/v1/approvals/{task}/expire"), json!({})).await;
    assert_eq!((status, &request["state"]), (200, &json!("expired")), "{request}");
    let (status, problem) = arno.post(&format!("/api/v1/approvals/{task}/expire"), json!({})).await;
    assert_eq!(status, 409, "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn settings_cap_how_long_an_approval_is_good_and_it_is_told() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let admin = world.person("ada", &["administrator"]).await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let policy = json!({ "valid_for": [{ "actions": ["process.terminate"], "seconds": 1800 }] });
    let (status, settings) = admin.put("/api/v1/approval-policy", policy.clone()).await;
    assert_eq!((status, &settings["policy"]["valid_for"]), (200, &policy["valid_for"]), "{settings}");
    let trial = json!({ "action": "process.terminate", "requester": "operations" });
    let (_, verdict) = admin.post("/api/v1/approval-policy/try", trial).await;
    assert_eq!(verdict["valid_for_seconds"], 1800, "{verdict}");
    let body = json!({ "action": "process.terminate", "params": { "pid": 4001, "start_time": 7 },
        "targets": { "endpoints": [web] }, "reason": "x" });
    let (_, preview) = olga.post("/api/v1/tasks/preview", body).await;
    assert_eq!(preview["approval"]["valid_for_seconds"], 1800, "{preview}");
    let (task, digest) = asked(&world, &olga, web).await;
    let (_, request) = arno.get(&format!("/api/v1/approvals/{task}")).await;
    assert_eq!((&request["valid_for_seconds"], &request["valid_until"]), (&json!(1800), &json!(null)));
    let body = json!({ "digest": digest, "valid_for_seconds": 86400 });
    let (_, decided) = arno.post(&format!("/api/v1/approvals/{task}/approve"), body).await;
    let (_, request) = arno.get(&format!("/api/v1/approvals/{task}")).await;
    let (tenant, id) = (world.tenant, task.parse().unwrap());
    let row = world.store.read(move |tx| quell_store::approval::get(tx, tenant, id)).await.unwrap().unwrap();
    assert_eq!(row.valid_until.unwrap() - row.decided_at.unwrap(), 1_800_000_000, "{decided}");
    assert!(request["valid_until"].is_string(), "{request}");
    world.stop().await;
}

#[tokio::test]
async fn what_somebody_else_changed_is_not_overwritten() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let admin = world.person("ada", &["administrator"]).await;
    let tag = async |path: &str| {
        let response = admin.request(Method::GET, path).send().await.unwrap();
        response.headers()["etag"].to_str().unwrap().to_owned()
    };
    let put = async |path: &str, seen: &str, body: String, kind: &str| {
        let request = admin.request(Method::PUT, path).header("if-match", seen);
        let response = request.header("content-type", kind).body(body).send().await.unwrap();
        let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer(response).await, tag)
    };
    let policy = "/api/v1/approval-policy";
    let (first, wanted) = (tag(policy).await, json!({ "step_up": ["file.collect"] }).to_string());
    let list = "/api/v1/approval-policy/lists/except";
    let empty = tag(list).await;
    let ((status, _), _) = put(list, &empty, web.to_string(), "text/csv").await;
    assert_eq!(status, 200);
    let ((status, problem), _) = put(list, &empty, String::new(), "text/csv").await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    assert_eq!(tag(policy).await, first, "the tag is of the policy alone");
    let ((status, settings), second) = put(policy, &first, wanted.clone(), "application/json").await;
    assert_eq!(status, 200, "{settings}");
    assert_eq!(second.as_deref(), Some(tag(policy).await.as_str()));
    assert_ne!(second.as_deref(), Some(first.as_str()));
    let ((status, problem), _) = put(policy, &first, "{}".to_owned(), "application/json").await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    let ((status, problem), _) = put(policy, "nonsense", "{}".to_owned(), "application/json").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_header")), "{problem}");
    assert_eq!(put(policy, "*", "{}".to_owned(), "application/json").await.0.0, 200);
    assert_eq!(admin.put(policy, json!({})).await.0, 200, "without a condition");
    world.stop().await;
}

#[tokio::test]
async fn settings_are_checked_and_lists_are_pinned() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let db = world.endpoint("db-1").await;
    let admin = world.person("ada", &["administrator"]).await;
    let olga = world.person("olga", &["operations"]).await;
    for (body, field) in [
        (json!({ "managed": { "actions": [] } }), "managed.actions"),
        (json!({ "managed": { "people": { "roles": ["king"] } } }), "managed.people.roles"),
        (json!({ "rules": [{ "actions": ["a.b"], "require": "nothing" }] }), "rules[0].actions"),
    ] {
        let (status, problem) = admin.put("/api/v1/approval-policy", body).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    for (valid_for, field) in [
        (json!([{ "actions": ["*"], "seconds": 59 }]), "valid_for[0].seconds"),
        (json!([{ "actions": ["remote.fly"], "seconds": 60 }]), "valid_for[0].actions"),
    ] {
        let (status, problem) = admin.put("/api/v1/approval-policy", json!({ "valid_for": valid_for })).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    let (status, settings) =
        admin.put("/api/v1/approval-policy", json!({ "managed": { "auto_approve": true } })).await;
    assert_eq!(status, 200, "{settings}");
    assert!(settings["offered"].as_array().unwrap().iter().all(|one| one["is_ticked"] == true), "{settings}");

    let import = async |query: &str, csv: &str| {
        let path = format!("/api/v1/approval-policy/lists/except{query}");
        let request =
            admin.request(Method::PUT, &path).header("content-type", "text/csv").body(csv.to_owned());
        answer(request.send().await.unwrap()).await
    };
    let (status, list) = import("", "hostname\nweb-1\nnobody\n").await;
    assert_eq!(
        (status, &list["is_stored"], &list["errors"][0]["line"]),
        (200, &json!(false), &json!(3)),
        "{list}"
    );
    let (_, list) = import("?check=true", "web-1\n").await;
    assert_eq!((&list["is_stored"], &list["endpoints"][0]["id"]), (&json!(false), &json!(web)), "{list}");
    let (_, list) = import("?skip_errors=true", "web-1\nnobody\n").await;
    assert_eq!(
        (&list["is_stored"], list["endpoints"].as_array().unwrap().len()),
        (&json!(true), 1),
        "{list}"
    );

    // The endpoint that bore the name stands on the list, whatever it is called now, and whoever bears the name now does not.
    let tenant = world.tenant;
    world
        .store
        .write(move |tx| {
            endpoint::set_name(tx, tenant, web, "renamed")?;
            endpoint::set_name(tx, tenant, db, "web-1")
        })
        .await
        .unwrap();
    let ask = async |target: Uuid| {
        let body = json!({
            "action": "endpoint.isolate", "targets": { "endpoints": [target] }, "reason": "x",
        });
        olga.post("/api/v1/tasks", body).await.1["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(db).await, "queued");
    assert_eq!(ask(web).await, "pending_approval");
    let (_, auto) = admin.get("/api/v1/approvals?state=auto").await;
    assert_eq!(auto["items"].as_array().unwrap().len(), 1, "{auto}");
    let other = world.other_tenant().await;
    let theirs = world.endpoint_of(other, "theirs").await;
    let (_, list) = import("", &format!("{theirs}\ntheirs\n")).await;
    assert_eq!((&list["is_stored"], list["errors"].as_array().unwrap().len()), (&json!(false), 2), "{list}");
    world.stop().await;
}

/// A link as a mail would carry it.
pub async fn link(world: &World, task: &str, person: Uuid, expires_at: i64) -> String {
    let token = format!("ql_{}", Uuid::new_v4().simple());
    let row = Link {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        hash: sha256(&[token.as_bytes()]),
        task_id: task.parse().unwrap(),
        person_id: person,
        created_at: 1,
        expires_at,
        used_at: None,
    };
    world.store.write(move |tx| approval_link::insert(tx, &row)).await.unwrap();
    token
}

pub async fn open_call(world: &World, path: &str, body: Value) -> (u16, Value) {
    let request = world.http.post(format!("{}/api/v1/approval-links/{path}", world.base)).json(&body);
    answer(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_mailbox_alone_approves_nothing() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let (task, digest) = asked(&world, &olga, web).await;
    let token = link(&world, &task, arno.id, i64::MAX).await;

    // What a scanner of mail does, over and over: it fetches the page, and whatever it finds there.
    for path in ["/approve", "/approve/page.js", "/approve/page.css"] {
        let response = world.http.get(format!("{}{path}?{token}", world.base)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    }
    for _ in 0..3 {
        let (status, shown) = open_call(&world, "show", json!({ "token": token })).await;
        assert_eq!((status, &shown["request"]["state"]), (200, &json!("pending")), "{shown}");
        assert_eq!((&shown["person"], &shown["has_password"]), (&json!("arno"), &json!(true)));
    }
    let decide = |extra: Value| {
        let mut body = json!({ "token": token, "approve": true, "digest": digest });
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        open_call(&world, "decide", body)
    };
    let (status, problem) = decide(json!({})).await;
    assert_eq!((status, &problem["code"]), (403, &json!("step_up_needed")), "{problem}");
    let (status, problem) = decide(json!({ "password": "wrong horse battery" })).await;
    assert_eq!((status, &problem["code"]), (401, &json!("login_failed")), "{problem}");
    let (status, problem) = decide(json!({ "session": olga.token })).await;
    assert_eq!((status, &problem["code"]), (401, &json!("unauthenticated")), "another's session: {problem}");
    let (status, problem) = decide(json!({ "session": arno.token })).await;
    assert_eq!(
        (status, &problem["code"]),
        (401, &json!("unauthenticated")),
        "no passkey began it: {problem}"
    );
    let (status, problem) = decide(json!({ "password": PASSWORD, "digest": "0".repeat(64) })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    assert_eq!(state(&world, &task).await, "pending");

    let (status, done) = decide(json!({ "password": PASSWORD, "note": "from the train" })).await;
    assert_eq!((status, &done["request"]["state"]), (200, &json!("approved")), "{done}");
    assert_eq!(done["request"]["decisions"][0]["via"], "mail");
    let (status, problem) = decide(json!({ "password": PASSWORD })).await;
    assert_eq!((status, &problem["code"]), (410, &json!("link_gone")), "once: {problem}");
    let (status, problem) = open_call(&world, "show", json!({ "token": token })).await;
    assert_eq!((status, &problem["code"]), (410, &json!("link_gone")), "{problem}");
    let (_, trail) = world.get("/api/v1/audit").await;
    assert!(!trail.to_string().contains(&token), "a link's token stands in the audit trail");
    world.stop().await;
}

#[tokio::test]
async fn a_link_is_for_one_person_and_a_time() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let (task, digest) = asked(&world, &olga, web).await;
    let over = link(&world, &task, arno.id, 1).await;
    let hers = link(&world, &task, olga.id, i64::MAX).await;
    let body =
        |token: &str| json!({ "token": token, "approve": true, "digest": digest, "password": PASSWORD });
    assert_eq!(open_call(&world, "decide", body(&over)).await.0, 410);
    assert_eq!(open_call(&world, "decide", body("ql_nothing")).await.0, 410);
    let (status, problem) = open_call(&world, "decide", body(&hers)).await;
    assert_eq!(
        (status, &problem["code"]),
        (410, &json!("link_gone")),
        "a link gives nobody a right: {problem}"
    );
    assert_eq!(state(&world, &task).await, "pending");
    world.stop().await;
}

#[tokio::test]
async fn broken_glass_is_confirmed_marked_and_reviewed_by_another() {
    let world = World::new().await;
    let web = world.endpoint("web-1").await;
    let admin = world.person("ada", &["administrator"]).await;
    let olaf = world.person("olaf", &["security_officer"]).await;
    let every = json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] });
    assert_eq!(admin.put("/api/v1/approval-policy", every).await.0, 200);
    let reason = json!({ "reason": "nobody answers the phone", "minutes": 5 });
    let (status, problem) = olaf.post("/api/v1/break-glass", reason.clone()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("step_up_needed")), "{problem}");
    let mut news = admin.request(Method::GET, "/api/v1/events").send().await.unwrap();
    until_event(&mut news, &["event: ready"]).await;
    let (status, opened) = confirmed(&olaf, "/api/v1/break-glass", &reason).await;
    assert_eq!((status, &opened["is_open"]), (201, &json!(true)), "{opened}");
    let told = |state: &str| json!({ "id": opened["id"], "state": state }).to_string();
    until_event(&mut news, &["event: break_glass\n", &told("open")]).await;
    let isolate =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": [web] }, "reason": "worm" });
    let (_, task) = olaf.post("/api/v1/tasks", isolate).await;
    assert_eq!(task["state"], "queued", "{task}");
    let auto = json!({ "task": task["id"], "state": "auto" }).to_string();
    until_event(&mut news, &["event: approval\n", &auto]).await;
    let id = opened["id"].as_str().unwrap();
    let (status, _) = admin.post(&format!("/api/v1/break-glass/{id}/review"), json!({ "note": "x" })).await;
    assert_eq!(status, 409, "it still goes on");
    assert_eq!(olaf.post(&format!("/api/v1/break-glass/{id}/end"), json!({})).await.0, 200);
    let (status, problem) =
        olaf.post(&format!("/api/v1/break-glass/{id}/review"), json!({ "note": "fine" })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("not_eligible")), "{problem}");
    let (status, reviewed) =
        admin.post(&format!("/api/v1/break-glass/{id}/review"), json!({ "note": "fine" })).await;
    assert_eq!((status, &reviewed["reviewed_by"]), (200, &json!("ada")), "{reviewed}");
    let heard = until_event(&mut news, &["event: break_glass\n", &told("reviewed")]).await;
    assert!(heard.contains(&told("ended")), "{heard}");
    for verb in ["break_glass.begin", "approval.break_glass", "break_glass.end", "break_glass.review"] {
        let (_, trail) = world.get(&format!("/api/v1/audit?verb={verb}")).await;
        assert_eq!(trail["items"].as_array().unwrap().len(), 1, "{verb}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_confirmation_is_for_one_request_of_one_person() {
    let world = World::new().await;
    let (web, db) = (world.endpoint("web-1").await, world.endpoint("db-1").await);
    let admin = world.person("ada", &["administrator"]).await;
    let olaf = world.person("olaf", &["security_officer"]).await;
    assert_eq!(admin.put("/api/v1/approval-policy", json!({ "step_up": ["endpoint.isolate"] })).await.0, 200);
    let body = |target: Uuid| {
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": [target] }, "reason": "worm" })
            .to_string()
    };
    let (status, problem) = olaf.post("/api/v1/tasks", serde_json::from_str(&body(web)).unwrap()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("step_up_needed")), "{problem}");
    let (status, problem) = world.post("/api/v1/tasks", serde_json::from_str(&body(web)).unwrap()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("step_up_needed")), "a program: {problem}");
    let send = async |who: &Person, proof: &str, body: String| {
        let request = who.request(Method::POST, "/api/v1/tasks").header("content-type", "application/json");
        answer(request.header("quell-step-up", proof).body(body).send().await.unwrap()).await.0
    };
    let for_web = proof(&olaf, "/api/v1/tasks", &body(web)).await;
    assert_eq!(send(&olaf, &for_web, body(db)).await, 403, "another target");
    let for_web = proof(&olaf, "/api/v1/tasks", &body(web)).await;
    assert_eq!(send(&admin, &for_web, body(web)).await, 403, "another person");
    assert_eq!(send(&olaf, &for_web, body(web)).await, 201);
    assert_eq!(send(&olaf, &for_web, body(web)).await, 403, "used");
    let elsewhere = proof(&olaf, "/api/v1/break-glass", &body(web)).await;
    assert_eq!(send(&olaf, &elsewhere, body(web)).await, 403, "another route");
    world.recorded("step_up.create").await;
    world.stop().await;
}
