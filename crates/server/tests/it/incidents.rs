//! Incidents as people work on them: lists, what is offered, what is asked for, notes, merging, files.

use prost::Message as _;
use quell_store::chain::rows as chain_rows;
use quell_store::incident::{group, note};
use quell_store::{Tx, chain, detection, endpoint, incident};
use quell_wire::activity::{self as wire, Deed, FileDeed, Image, ProcessKey, Severity};
use quell_wire::enrol::Token;
use quell_wire::frame::{FromAgent, FromServer};
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::agent::{Agent, Session};
use crate::gateway::chain::{hit, update};
use crate::world::{PASSWORD, Person, World, answer};

crate::both!(
    incidents_are_listed_shown_and_worked_on,
    what_an_activity_event_offers_becomes_a_task,
    incidents_are_merged_into_one,
);

/// An incident of an endpoint, with a chain, a detection and a note.
pub struct Seeded {
    pub id: Uuid,
    pub detection: Uuid,
    pub chain: Uuid,
    pub note: Uuid,
}

/// Lays one into the database: `bash` wrote `/tmp/x` (event 1) and ran it (event 2), which was detected.
pub async fn seeded(world: &World, endpoint: Uuid, author: Uuid) -> Seeded {
    let (tenant, ids) = (world.tenant, [(); 4].map(|()| Uuid::now_v7()));
    let [id, chain_id, found, noted] = ids;
    let told = update("c", 1);
    let write = move |tx: &mut Tx<'_>| {
        let row = incident::Incident {
            tenant_id: tenant,
            id,
            number: 0,
            title: "bash ran /tmp/x".to_owned(),
            is_titled: false,
            severity: 4,
            is_graded: false,
            state: "open".to_owned(),
            resolution: None,
            assignee_id: None,
            assignee_name: None,
            created_at: 1_800_000_000_000_000,
            first_at: 1_800_000_000_000_000,
            last_at: 1_800_000_000_000_000,
            closed_at: None,
            closed_by: None,
            merged_into: None,
            detections: 1,
            revision: 1,
            search: "bash ran /tmp/x".to_owned(),
        };
        incident::insert(tx, &row)?;
        incident::grow(tx, &row)?;
        let row = chain::Chain {
            tenant_id: tenant,
            id: chain_id,
            endpoint_id: endpoint,
            name: chain_id.to_string(),
            incident_id: Some(id),
            boot_id: "boot".to_owned(),
            root_pid: 100,
            root_start: 1000,
            serial: 1,
            is_closed: false,
            opened_at: 1,
            updated_at: 1,
            processes: 2,
            activities: 2,
            detections: 1,
            bytes: 1,
            lost: 3,
            processes_beyond: 0,
            activities_beyond: 0,
            dropped: 0,
            begins_late: false,
            vanished_files: 0,
        };
        chain::insert(tx, &row)?;
        chain::update(tx, &row)?;
        let processes: Vec<chain_rows::Process> = told.processes.iter().map(process_row).collect();
        let activities: Vec<chain_rows::Activity> = told.activities.iter().map(activity_row).collect();
        chain::batch::put_processes(tx, tenant, chain_id, &processes, 10)?;
        chain::batch::put_activities(tx, tenant, chain_id, &activities, 10)?;
        group::put_member(tx, (tenant, id), endpoint, 1, 1)?;
        group::put_technique(tx, tenant, id, "T1059.004")?;
        detection::insert(tx, &detection_row(tenant, found, endpoint, (id, chain_id)))?;
        let row = note::Note {
            tenant_id: tenant,
            incident_id: id,
            id: noted,
            author_kind: "person".to_owned(),
            author_id: author.to_string(),
            author_name: "ada".to_owned(),
            body: "looked at it".to_owned(),
            created_at: 1,
            edited_at: None,
        };
        note::insert(tx, &row)
    };
    world.store.write(write).await.unwrap();
    Seeded { id, detection: found, chain: chain_id, note: noted }
}

fn process_row(process: &wire::Process) -> chain_rows::Process {
    chain_rows::Process {
        pid: process.key.pid.into(),
        start: process.key.start as i64,
        parent: process.parent.map(|key| (key.pid.into(), key.start as i64)),
        started_at: process.started_at_us,
        body: process.encode_to_vec(),
    }
}

fn activity_row(activity: &wire::Activity) -> chain_rows::Activity {
    let kind = match activity.deed.as_ref().unwrap() {
        Deed::Start(_) => "start",
        _ => "file_create",
    };
    chain_rows::Activity {
        chain_id: Uuid::nil(),
        activity: activity.id as i64,
        at: activity.at_us,
        kind: kind.to_owned(),
        pid: activity.process.pid.into(),
        start: activity.process.start as i64,
        received_at: activity.at_us,
        body: activity.encode_to_vec(),
    }
}

fn detection_row(
    tenant_id: Uuid,
    id: Uuid,
    endpoint: Uuid,
    (incident, chain): (Uuid, Uuid),
) -> detection::Detection {
    detection::Detection {
        tenant_id,
        id,
        incident_id: Some(incident),
        origin: "endpoint".to_owned(),
        source: "behaviour".to_owned(),
        source_id: id.to_string(),
        endpoint_id: Some(endpoint),
        hint: None,
        chain_id: Some(chain),
        activity: Some(2),
        at: 1_800_000_000_000_000,
        told_at: 1_800_000_000_000_000,
        received_at: 1_800_000_000_000_000,
        rule: "r".to_owned(),
        title: "Program run from a world-writable directory".to_owned(),
        severity: 4,
        verdict: Some("detected".to_owned()),
        techniques: r#"["T1059.004"]"#.to_owned(),
        note: String::new(),
        path: Some(b"/tmp/x".to_vec()),
        sha256: Some(vec![7; 32]),
        user_name: Some("mallory".to_owned()),
        protection: 1,
        joined: None,
        body: None,
        search: "program run from a world-writable directory".to_owned(),
    }
}

/// An agent of a world's server.
async fn agent(world: &World) -> (Agent, Session) {
    let (status, token) = world.post("/api/v1/enrolment-tokens", json!({ "name": "lab" })).await;
    assert_eq!(status, 201, "{token}");
    let token = Token::from_text(token["text"].as_str().unwrap()).unwrap();
    let ca = CertificateDer::from_pem_file(world.directory.path().join("ca.pem")).unwrap();
    let mut agent = Agent::to(world.gateway, ca.to_vec());
    assert_eq!(agent.enrol(&token).await.status, 200);
    let session = agent.session().await;
    (agent, session)
}

/// Sends an update and waits until it is stored.
async fn send(session: &mut Session, update: wire::ChainUpdate) -> wire::ChainStored {
    session.say(FromAgent::Chain(update)).await;
    stored(session).await
}

async fn stored(session: &mut Session) -> wire::ChainStored {
    loop {
        match session.hear().await {
            Some(FromServer::ChainStored(stored)) => return stored,
            Some(_) => {}
            None => panic!("the session ended"),
        }
    }
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

async fn incidents_are_listed_shown_and_worked_on() {
    let world = World::new().await;
    let (agent, mut session) = agent(&world).await;
    assert!(!send(&mut session, update("c", 1)).await.close);
    let admin = world.person("ada", &["administrator"]).await;
    let analyst = world.person("ann", &["analyst"]).await;
    let auditor = world.person("uma", &["auditor"]).await;
    let (status, list) = analyst.get("/api/v1/incidents?count=true&state=open&severity=high,critical").await;
    assert_eq!((status, &list["total"]), (200, &json!(1)), "{list}");
    let row = items(&list).remove(0);
    assert_eq!(row["title"], "Program run from a world-writable directory: x on web-1");
    assert_eq!(
        (&row["number"], &row["severity"], &row["state"]),
        (&json!(1), &json!("high"), &json!("open"))
    );
    assert_eq!(row["techniques"], json!(["T1059.004"]));
    let member = &row["endpoints"][0];
    assert_eq!((&member["id"], &member["connected"]), (&json!(agent.id()), &json!(true)));
    for (query, count) in [
        ("state=closed", 0),
        ("severity=low", 0),
        ("endpoint=web-1", 1),
        ("technique=T1059", 1),
        ("technique=T1003", 0),
        ("text=MALLORY", 1),
        ("text=/tmp/x", 1),
        ("text=nothing", 0),
        ("assignee=none", 1),
        ("assignee=me", 0),
        ("sort=severity", 1),
    ] {
        let (status, list) = analyst.get(&format!("/api/v1/incidents?{query}")).await;
        assert_eq!((status, items(&list).len()), (200, count), "{query}");
    }
    for query in
        ["state=shut", "severity=bad", "technique=x", "sort=color", "assignee=x", "nothing=1", "cursor=x"]
    {
        let (status, problem) = analyst.get(&format!("/api/v1/incidents?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_query")), "{query}");
    }
    // The overview counts them, for who may read them.
    let overview = analyst.get("/api/v1/overview").await.1;
    assert_eq!(overview["incidents"], json!([{ "severity": "high", "count": 1 }]));
    let outside = world.person("olga", &["operations"]).await;
    let (status, overview) = outside.get("/api/v1/overview").await;
    assert_eq!((status, overview.get("incidents")), (200, None));
    let csv = analyst.request(Method::GET, "/api/v1/incidents?format=csv").send().await.unwrap();
    assert!(
        csv.text().await.unwrap().contains("\"Program run from a world-writable directory: x on web-1\"")
    );
    // By number and by id.
    let id = row["id"].as_str().unwrap();
    let (status, shown) = analyst.get("/api/v1/incidents/1").await;
    assert_eq!((status, &shown["id"]), (200, &json!(id)));
    assert_eq!(shown["not_yours"], "only administrators and security officers respond from an incident");
    assert_eq!(admin.get(&format!("/api/v1/incidents/{id}")).await.1["not_yours"], Value::Null);
    let offered: Vec<&str> =
        shown["offers"].as_array().unwrap().iter().map(|offer| offer["action"].as_str().unwrap()).collect();
    assert_eq!(offered, ["endpoint.isolate", "process.start"]);
    assert_eq!(shown["chains"][0]["gaps"]["lost"], 0);
    chain_and_activity(&analyst, id).await;
    work(&world, &analyst, &auditor, id).await;
    // Closed by somebody: the agent is told at once. Where it was true and goes on, it is open again.
    let close = async |resolution: &str| {
        let body = json!({ "state": "closed", "resolution": resolution });
        analyst.patch(&format!("/api/v1/incidents/{id}"), body).await
    };
    let (status, closed) = close("true_positive").await;
    assert_eq!((status, &closed["closed_by"]), (200, &json!("ann")), "{closed}");
    let told = stored(&mut session).await;
    assert_eq!((told.chain_id.as_str(), told.serial, told.close), ("c", 1, true));
    let mut more = update("c", 2);
    more.detections = vec![hit("hit-2", 2, Severity::Critical)];
    assert!(!send(&mut session, more).await.close);
    let (_, opened) = analyst.get(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!((&opened["state"], &opened["resolution"]), (&json!("open"), &Value::Null));
    assert_eq!(opened["severity"], "critical");
    assert_eq!(close("benign").await.0, 200);
    assert!(stored(&mut session).await.close);
    let mut more = update("c", 3);
    more.detections = vec![hit("hit-3", 2, Severity::Critical)];
    assert!(send(&mut session, more).await.close);
    world.recorded("incident.reopen").await;
    world.recorded("incident.close").await;
    world.stop().await;
}

async fn chain_and_activity(analyst: &Person, id: &str) {
    let (status, chain) = analyst.get(&format!("/api/v1/incidents/{id}/chain")).await;
    assert_eq!(status, 200, "{chain}");
    let processes = chain["processes"].as_array().unwrap();
    let brief: Vec<(&Value, &Value, &Value)> = processes
        .iter()
        .map(|process| (&process["depth"], &process["image"]["path"], &process["place"]))
        .collect();
    assert_eq!(
        brief,
        [(&json!(0), &json!("/bin/bash"), &json!("root")), (&json!(1), &json!("/tmp/x"), &json!("child"))]
    );
    assert_eq!(processes[0]["activity_counts"], json!({ "file_create": 1 }));
    assert_eq!((&processes[1]["is_key"], &processes[1]["severity"]), (&json!(true), &json!("high")));
    assert_eq!(chain["key_activities"].as_array().unwrap().len(), 1);
    let (_, page) = analyst.get(&format!("/api/v1/incidents/{id}/activity")).await;
    let all = items(&page);
    assert_eq!(all.iter().map(|event| &event["id"]).collect::<Vec<_>>(), [&json!(1), &json!(2)]);
    assert_eq!(all[0]["summary"], "bash created /tmp/x");
    assert_eq!(all[0]["file"]["sha256"], "07".repeat(32));
    assert_eq!((&all[1]["is_key"], &all[1]["detections"][0]["severity"]), (&json!(true), &json!("high")));
    let of = all[0]["chain"].as_str().unwrap();
    for (query, expected) in [
        ("key=true".to_owned(), vec![2]),
        ("kind=file_create,file_write".to_owned(), vec![1]),
        ("technique=T1059".to_owned(), vec![2]),
        ("sort=-at".to_owned(), vec![2, 1]),
        (format!("chain={of}&process=100:1000"), vec![1]),
        (format!("chain={of}"), vec![1, 2]),
    ] {
        let (status, page) = analyst.get(&format!("/api/v1/incidents/{id}/activity?{query}")).await;
        let ids: Vec<i64> = items(&page).iter().map(|event| event["id"].as_i64().unwrap()).collect();
        assert_eq!((status, ids), (200, expected), "{query}");
    }
    let (_, first) = analyst.get(&format!("/api/v1/incidents/{id}/activity?limit=1")).await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = analyst.get(&format!("/api/v1/incidents/{id}/activity?limit=1&cursor={next}")).await;
    assert_eq!((&second["items"][0]["id"], &second["next"]), (&json!(2), &Value::Null));
    let other = Uuid::nil();
    assert_eq!(analyst.get(&format!("/api/v1/incidents/{id}/activity?chain={other}")).await.0, 404);
    assert_eq!(analyst.get(&format!("/api/v1/incidents/{id}/activity?process=1:1")).await.0, 400);
}

/// Assignment, notes, races.
async fn work(world: &World, analyst: &Person, auditor: &Person, id: &str) {
    let path = format!("/api/v1/incidents/{id}");
    assert_eq!(auditor.patch(&path, json!({ "title": "x" })).await.0, 403);
    for (body, field) in [
        (json!({ "state": "closed" }), "resolution"),
        (json!({ "resolution": "benign" }), "resolution"),
        (json!({ "severity": "bad" }), "severity"),
        (json!({ "title": "" }), "title"),
        (json!({ "assignee": Uuid::nil() }), "assignee"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        let (status, problem) = analyst.patch(&path, body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
    // Two saw the same: the second one is told, and nothing of theirs is stored.
    let seen = analyst.request(Method::GET, &path).send().await.unwrap();
    let tag = seen.headers()["etag"].clone();
    let change = async |body: Value| {
        let request = analyst.request(Method::PATCH, &path).header("if-match", tag.clone()).json(&body);
        answer(request.send().await.unwrap()).await
    };
    let (status, changed) =
        change(json!({ "assignee": "me", "state": "in_progress", "title": "A dropper" })).await;
    assert_eq!((status, &changed["assignee"]["name"]), (200, &json!("ann")), "{changed}");
    let (status, problem) = change(json!({ "title": "Another" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert_eq!(analyst.get(&path).await.1["title"], "A dropper");
    let (_, freed) = analyst.patch(&path, json!({ "assignee": null })).await;
    assert_eq!((&freed["assignee"], &freed["state"]), (&Value::Null, &json!("in_progress")));
    // Notes: one's own alone.
    let notes = format!("{path}/notes");
    let (status, note) = analyst.post(&notes, json!({ "body": "line one\nline two" })).await;
    assert_eq!((status, &note["is_own"]), (201, &json!(true)), "{note}");
    assert_eq!(analyst.post(&notes, json!({ "body": "bell \u{7}" })).await.0, 400);
    let own = format!("{notes}/{}", note["id"].as_str().unwrap());
    let admin = world.person("eve", &["administrator"]).await;
    assert_eq!(admin.patch(&own, json!({ "body": "other words" })).await.0, 403);
    assert_eq!(admin.delete(&own).await.0, 403);
    let (_, edited) = analyst.patch(&own, json!({ "body": "line three" })).await;
    assert_eq!((&edited["body"], edited["edited_at"].is_string()), (&json!("line three"), true));
    let (_, listed) = admin.get(&notes).await;
    assert_eq!(
        (&listed["items"][0]["body"], &listed["items"][0]["is_own"]),
        (&json!("line three"), &json!(false))
    );
    assert_eq!(analyst.delete(&own).await.0, 204);
    assert!(items(&analyst.get(&notes).await.1).is_empty());
    for verb in ["incident.assign", "incident_note.add", "incident_note.edit", "incident_note.remove"] {
        world.recorded(verb).await;
    }
}

/// The proof that a person gives with a request.
async fn proven(who: &Person, path: &str, body: &str) -> String {
    let digest = quell_wire::digest::sha256(&[format!("POST {path}\n{body}").as_bytes()]);
    let wanted = json!({ "request": quell_wire::digest::hex(&digest), "password": PASSWORD });
    let (status, made) = who.post("/api/v1/step-up", wanted).await;
    assert!((200..300).contains(&status), "{made}");
    made["proof"].as_str().unwrap().to_owned()
}

async fn what_an_activity_event_offers_becomes_a_task() {
    let world = World::new().await;
    let (agent, mut session) = agent(&world).await;
    send(&mut session, update("c", 1)).await;
    let officer = world.person("olaf", &["security_officer"]).await;
    let analyst = world.person("ann", &["analyst"]).await;
    let (_, shown) = officer.get("/api/v1/incidents/1").await;
    let chain = shown["chains"][0]["id"].as_str().unwrap().to_owned();
    let event = |id: u64| format!("/api/v1/incidents/1/activity/{chain}/{id}");
    let offered = async |id| {
        let (status, event) = officer.get(&event(id)).await;
        assert_eq!(status, 200, "{event}");
        let offers = event["offers"]["items"].as_array().unwrap().clone();
        offers.into_iter().map(|offer| offer["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered(1).await, ["file.prevent_run", "file.quarantine", "file.delete"]);
    assert_eq!(offered(2).await, ["file.prevent_run", "file.quarantine", "file.delete", "process.terminate"]);
    let path = "/api/v1/incidents/1/respond";
    // An analyst acts, but not from an incident; and what is not offered is not done.
    let body = json!({ "action": "process.terminate", "chain": chain, "activity": 2,
        "params": { "descendants": true }, "reason": "it runs" });
    let (status, problem) = analyst.post(path, body.clone()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let (status, preview) = officer.post(&format!("{path}/preview"), body.clone()).await;
    assert_eq!(
        (status, &preview["target_count"], &preview["refused"]),
        (200, &json!(1), &Value::Null),
        "{preview}"
    );
    let (status, task) = officer.post(path, body).await;
    assert_eq!(status, 201, "{task}");
    let params = &task["params"];
    assert_eq!(
        (&params["pid"], &params["start_time"], &params["boot_id"]),
        (&json!(101), &json!(2000), &json!("boot"))
    );
    assert_eq!((&params["descendants"], &task["targets"][0]["id"]), (&json!(true), &json!(agent.id())));
    assert_eq!(task["incident"], json!({ "id": shown["id"], "number": 1, "chain": chain, "activity": 2 }));
    for (body, status, code) in [
        (
            json!({ "action": "process.terminate", "chain": chain, "activity": 1, "reason": "x" }),
            409,
            "not_offered",
        ),
        (
            json!({ "action": "endpoint.isolate", "chain": chain, "activity": 1, "reason": "x" }),
            409,
            "not_offered",
        ),
        (
            json!({ "action": "file.delete", "chain": chain, "activity": 99, "reason": "x" }),
            409,
            "not_offered",
        ),
        (
            json!({ "action": "file.delete", "chain": Uuid::nil(), "activity": 1, "reason": "x" }),
            404,
            "not_found",
        ),
        (json!({ "action": "file.delete", "chain": chain, "reason": "x" }), 400, "invalid_field"),
        (json!({ "action": "no.such", "reason": "x" }), 400, "unknown_action"),
        // Nobody says on which file: it is the one that was told of.
        (
            json!({ "action": "file.quarantine", "chain": chain, "activity": 1, "params": { "path": "/etc/passwd" }, "reason": "x" }),
            400,
            "invalid_params",
        ),
        (
            json!({ "action": "endpoint.isolate", "endpoint": Uuid::nil(), "reason": "x" }),
            400,
            "invalid_field",
        ),
        (json!({ "action": "process.start", "params": {}, "reason": "x" }), 400, "invalid_params"),
    ] {
        let (got, problem) = officer.post(path, body.clone()).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{body}: {problem}");
    }
    // A process that is started asks for the person's own confirmation.
    let start =
        json!({ "action": "process.start", "params": { "path": "/usr/bin/id" }, "reason": "who is it" });
    let (status, problem) = officer.post(path, start.clone()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("step_up_needed")), "{problem}");
    let text = start.to_string();
    let proof = proven(&officer, path, &text).await;
    let request = officer.request(Method::POST, path).header("quell-step-up", proof);
    let (status, started) =
        answer(request.header("content-type", "application/json").body(text).send().await.unwrap()).await;
    assert_eq!((status, &started["incident"]["activity"]), (201, &Value::Null), "{started}");
    // All of it, and what is about one event.
    let (_, tasks) = analyst.get("/api/v1/tasks?incident=1").await;
    assert_eq!(items(&tasks).len(), 2);
    let (_, whole) = officer.get(&event(2)).await;
    assert_eq!(whole["tasks"][0]["id"], task["id"]);
    assert!(analyst.get(&event(2)).await.1["not_yours"].is_string());
    assert_eq!(officer.get("/api/v1/incidents/1").await.1["task_count"], 2);
    beyond_reach(&world, agent.id(), &chain).await;
    world.stop().await;
}

/// An endpoint beyond the reach of whoever asks.
async fn beyond_reach(world: &World, id: Uuid, chain: &str) {
    let tenant = world.tenant;
    let tags =
        move |tx: &mut Tx<'_>| endpoint::set_tags(tx, tenant, id, &["other".to_owned()], "[\"other\"]");
    world.store.write(tags).await.unwrap();
    let grants = json!({ "permissions": ["incident.read", "incident.respond", "task.submit", "task.read"], "tags": ["lab"] });
    let (status, role) =
        world.post("/api/v1/roles", json!({ "name": "lab", "description": "", "grants": grants })).await;
    assert_eq!(status, 201, "{role}");
    let bounded = world.person("bea", &[role["id"].as_str().unwrap()]).await;
    let body = json!({ "action": "file.delete", "chain": chain, "activity": 1, "reason": "x" });
    assert_eq!(bounded.post("/api/v1/incidents/1/respond", body).await.0, 403);
}

async fn incidents_are_merged_into_one() {
    let world = World::new().await;
    let (one, other) = (world.endpoint("web-1").await, world.endpoint("web-2").await);
    let analyst = world.person("ann", &["analyst"]).await;
    let (first, second) = (seeded(&world, one, analyst.id).await, seeded(&world, other, analyst.id).await);
    let foreign = world.other_tenant().await;
    let stranger = world.person_of(foreign, "foreign", &["administrator"]).await;
    let body = json!({ "into": first.id, "incidents": [second.id], "reason": "one dropper" });
    assert_eq!(stranger.post("/api/v1/incidents/merge", body.clone()).await.0, 404);
    let (status, merged) = analyst.post("/api/v1/incidents/merge", body.clone()).await;
    assert_eq!(status, 200, "{merged}");
    let counts =
        ["detection_count", "chain_count", "endpoint_count", "note_count"].map(|count| merged[count].clone());
    assert_eq!(counts, [2, 2, 2, 2].map(Value::from));
    let (_, over) = analyst.get(&format!("/api/v1/incidents/{}", second.id)).await;
    assert_eq!((&over["state"], &over["resolution"]), (&json!("closed"), &json!("duplicate")));
    assert_eq!(over["merged_into"]["number"], 1);
    assert_eq!(over["detection_count"], 0);
    let path = format!("/api/v1/incidents/{}", second.id);
    let (status, problem) = analyst.patch(&path, json!({ "state": "open" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    assert_eq!(analyst.post("/api/v1/incidents/merge", body).await.0, 409, "once");
    let itself = json!({ "into": first.id, "incidents": [1], "reason": "x" });
    assert_eq!(analyst.post("/api/v1/incidents/merge", itself).await.0, 400);
    let (_, found) = analyst.get("/api/v1/detections?incident=1&count=true").await;
    assert_eq!(found["total"], 2);
    world.recorded("incident.merge").await;
    world.stop().await;
}

#[tokio::test]
async fn detections_are_listed_and_say_what_may_be_done() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let analyst = world.person("ann", &["analyst"]).await;
    let seeded = seeded(&world, endpoint, analyst.id).await;
    let product = detection::Detection {
        id: Uuid::now_v7(),
        incident_id: None,
        origin: "product".to_owned(),
        source: "falco".to_owned(),
        source_id: "f-1".to_owned(),
        chain_id: None,
        activity: None,
        severity: 2,
        verdict: None,
        hint: Some("web-1".to_owned()),
        body: Some(r#"{"title":"A shell in a container"}"#.to_owned()),
        path: Some(b"/tmp/\xff".to_vec()),
        ..detection_row(world.tenant, Uuid::nil(), endpoint, (Uuid::nil(), Uuid::nil()))
    };
    let id = product.id;
    world.store.write(move |tx| detection::insert(tx, &product)).await.unwrap();
    for (query, count) in [
        ("", 2),
        ("?origin=product", 1),
        ("?source=falco,wazuh", 1),
        ("?severity=low", 1),
        ("?verdict=detected", 1),
        ("?incident=none", 1),
        ("?incident=any", 1),
        ("?incident=1", 1),
        ("?endpoint=web-1", 2),
        ("?technique=T1059", 2),
        ("?text=WORLD-writable", 2),
        ("?since=2100-01-01T00:00:00Z", 0),
        ("?sort=-severity", 2),
        ("?sort=received&limit=2", 2),
    ] {
        let (status, list) = analyst.get(&format!("/api/v1/detections{query}")).await;
        assert_eq!((status, items(&list).len()), (200, count), "{query}: {list}");
    }
    let (_, first) = analyst.get("/api/v1/detections?sort=severity&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = analyst.get(&format!("/api/v1/detections?sort=severity&limit=1&cursor={next}")).await;
    assert_eq!(
        (&first["items"][0]["severity"], &second["items"][0]["severity"]),
        (&json!("low"), &json!("high"))
    );
    assert_eq!(analyst.get(&format!("/api/v1/detections?sort=at&cursor={next}")).await.0, 400);
    let (_, own) = analyst.get(&format!("/api/v1/detections/{}", seeded.detection)).await;
    assert_eq!((&own["is_edr"], &own["process"]["image"]["path"]), (&json!(true), &json!("/tmp/x")), "{own}");
    assert_eq!((&own["key_activity"]["id"], &own["incident"]["number"]), (&json!(2), &json!(1)));
    assert_eq!(own["offers"]["items"].as_array().unwrap().len(), 4);
    let (_, foreign) = analyst.get(&format!("/api/v1/detections/{id}")).await;
    assert_eq!((&foreign["is_edr"], &foreign["path_hex"]), (&json!(false), &json!("2f746d702fff")));
    assert_eq!(foreign["offers"]["nothing"]["code"], "no_chain");
    assert_eq!(foreign["record"]["title"], "A shell in a container");
    let text = analyst.request(Method::GET, "/api/v1/detections?format=jsonl").send().await.unwrap();
    assert_eq!(text.text().await.unwrap().lines().count(), 2);
    world.stop().await;
}

#[tokio::test]
async fn an_incident_leaves_as_a_file() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let analyst = world.person("ann", &["analyst"]).await;
    let seeded = seeded(&world, endpoint, analyst.id).await;
    let file = async |format: &str| {
        let path = format!("/api/v1/incidents/{}/export?format={format}", seeded.id);
        let answer = analyst.request(Method::GET, &path).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let (status, kind, text) = file("json").await;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    assert!(text.contains("/tmp/x") && text.contains("looked at it"), "{text}");
    let (_, kind, text) = file("stix").await;
    assert_eq!(kind, "application/stix+json;version=2.1");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "bundle");
    let (_, kind, text) = file("html").await;
    assert!(kind.starts_with("text/html") && text.contains("<html") && !text.contains("<script"), "{kind}");
    assert_eq!(file("pdf").await.0, 406);
    world.stop().await;
}

#[tokio::test]
async fn names_that_are_no_text_and_circles_of_parents_are_shown() {
    let world = World::new().await;
    let (_agent, mut session) = agent(&world).await;
    let mut odd = update("c", 1);
    let keys = [ProcessKey { pid: 1, start: 1 }, ProcessKey { pid: 2, start: 2 }];
    odd.root = keys[0];
    odd.processes = keys
        .iter()
        .enumerate()
        .map(|(place, key)| wire::Process {
            key: *key,
            parent: Some(keys[1 - place]),
            image: Image {
                path: b"/tmp/\xff\x1b[31m".to_vec(),
                arguments: vec![vec![0xfe; 2000], vec![0; 2000]],
                arguments_cut: true,
                ..Image::default()
            },
            user: "\u{202e}root\0".to_owned(),
            container: "a\0b".to_owned(),
            ..wire::Process::default()
        })
        .collect();
    let file =
        FileDeed { path: b"/tmp/\xff".to_vec(), from: b"\0".to_vec(), mode: u32::MAX, ..FileDeed::default() };
    odd.activities =
        vec![wire::Activity { id: 5, at_us: 0, process: keys[0], deed: Some(Deed::FileRename(file)) }];
    odd.detections = vec![wire::Detection {
        title: "\0\u{202e}<script>".to_owned(),
        note: "\0".to_owned(),
        rule: "\0".to_owned(),
        ..hit("h", 5, Severity::Critical)
    }];
    assert_eq!(send(&mut session, odd).await.serial, 1);
    let admin = world.person("ada", &["administrator"]).await;
    for path in
        ["", "/chain", "/activity", "/export?format=html", "/export?format=stix", "/export?format=json"]
    {
        let answer = admin.request(Method::GET, &format!("/api/v1/incidents/1{path}")).send().await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, 200, "{path}: {}", answer.text().await.unwrap());
    }
    let (_, chain) = admin.get("/api/v1/incidents/1/chain").await;
    assert_eq!(chain["processes"].as_array().unwrap().len(), 2);
    assert_eq!(chain["processes"][0]["image"]["path_hex"], "2f746d702fff1b5b33316d");
    let of = chain["chains"][0]["id"].as_str().unwrap();
    let (status, event) = admin.get(&format!("/api/v1/incidents/1/activity/{of}/5")).await;
    assert_eq!((status, &event["file"]["path_hex"]), (200, &json!("2f746d702fff")), "{event}");
    world.stop().await;
}

#[tokio::test]
async fn what_other_products_tell_is_taken_once_and_placed_where_it_belongs() {
    let world = World::new().await;
    let (agent, mut session) = agent(&world).await;
    send(&mut session, update("c", 1)).await;
    let key = world.key_of(world.tenant, "security_officer").await;
    let auditor = world.key_of(world.tenant, "auditor").await;
    let path = "/api/v1/ingest/generic";
    let hand_in = async |key: &str, body: String| {
        let request = world.with_key(Method::POST, path, key).header("content-type", "text/plain");
        answer(request.body(body).send().await.unwrap()).await
    };
    let hash = "07".repeat(32);
    let body = [
        json!({ "id": "1", "time": "2026-11-23T06:50:00Z", "title": "A known file\u{202e}", "severity": "high",
            "endpoint": { "host": "WEB-1" }, "file": { "path": "/tmp/x", "sha256": hash } }),
        json!({ "id": "2", "time": "2026-11-23T06:51:00Z", "title": "Server room opened" }),
        json!({ "id": "2", "time": "2026-11-23T06:51:00Z", "title": "Server room opened" }),
        json!({ "id": "3", "title": "When was this?" }),
    ];
    let text = body.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(hand_in(&auditor, text.clone()).await.0, 403);
    let (status, told) = hand_in(&key, text.clone()).await;
    assert_eq!(status, 200, "{told}");
    let counts = ["taken", "repeated", "joined", "refused_count"].map(|name| told[name].as_u64().unwrap());
    assert_eq!((counts, &told["refused"][0]["index"]), ([2, 1, 1, 1], &json!(3)), "{told}");
    let (_, again) = hand_in(&key, text).await;
    assert_eq!((&again["taken"], &again["repeated"]), (&json!(0), &json!(3)));
    let (_, listed) = world.get("/api/v1/detections?origin=product&sort=received").await;
    let rows = items(&listed);
    assert_eq!(
        (&rows[0]["endpoint"]["id"], &rows[0]["incident"]["number"]),
        (&json!(agent.id()), &json!(1)),
        "{rows:?}"
    );
    assert!(rows[0]["joined"].as_str().unwrap().contains("the same content"), "{rows:?}");
    assert!(!rows[0]["title"].as_str().unwrap().contains('\u{202e}'));
    assert_eq!(
        (&rows[1]["endpoint"], &rows[1]["incident"], &rows[1]["severity"]),
        (&Value::Null, &Value::Null, &json!("medium"))
    );
    let (_, incident) = world.get("/api/v1/incidents/1").await;
    assert_eq!((&incident["detection_count"], &incident["severity"]), (&json!(2), &json!("high")));
    let (_, whole) = world.get(&format!("/api/v1/detections/{}", rows[0]["id"].as_str().unwrap())).await;
    assert_eq!(
        (&whole["offers"]["nothing"]["code"], &whole["record"]["file"]["path"]),
        (&json!("no_chain"), &json!("/tmp/x"))
    );
    for (body, status) in [("", 200), ("[]", 200), ("{", 400), ("7", 400), ("{}", 400)] {
        assert_eq!(hand_in(&key, body.to_owned()).await.0, status, "{body:?}");
    }
    assert_eq!(hand_in(&key, "x".repeat((8 << 20) + 1)).await.0, 413);
    let (status, _) = world.post("/api/v1/ingest/nothing", json!({})).await;
    assert_eq!(status, 404);
    world.recorded("detection.ingest").await;
    world.stop().await;
}
