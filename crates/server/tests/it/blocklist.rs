//! The block list from a request to the agents that enforce it, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use quell_wire::blocklist::{Delta, Follower, Held, Step, unframe};
use quell_wire::enrol::Token;
use quell_wire::frame::{BlockListState, FromAgent, FromServer, Hello};
use quell_wire::keys::{KeySet, Trust};
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::gateway::agent::{Agent, Session};
use crate::world::{World, answer};

crate::both!(
    what_is_listed_reaches_the_agents_proves_itself_and_is_taken_back,
    of_two_words_in_one_request_the_stricter_counts,
    what_the_signer_lets_pass_is_published_also_where_a_weaker_word_stands_again,
    a_list_that_is_not_signed_is_told_and_keeps_what_was,
    exceptions_are_changed_by_who_reaches_all_and_saw_them,
    what_must_not_be_listed_is_not_and_exceptions_reach_the_agents,
    however_an_agent_comes_forward_it_ends_with_the_same_list,
    an_agent_that_lies_or_knows_no_lists_disturbs_nobody,
    what_is_over_or_not_yet_is_told_before_and_recorded_after,
);

/// What an agent holds: by kind and value, what is said of it.
type List = BTreeMap<(i32, Vec<u8>), (i32, i32, i64)>;

/// An agent that follows the list and enforces nothing.
struct Follows {
    agent: Agent,
    session: Session,
    follower: Follower,
    trust: Trust,
    list: List,
    excepts: BTreeSet<(i32, Vec<u8>)>,
    kept: Vec<Delta>,
}

impl Follows {
    async fn new(world: &World) -> Self {
        let (status, token) =
            world.post("/api/v1/enrolment-tokens", json!({ "name": "lab", "max_uses": 9 })).await;
        assert_eq!(status, 201, "{token}");
        let token = Token::from_text(token["text"].as_str().unwrap()).unwrap();
        let ca = CertificateDer::from_pem_file(world.directory.path().join("ca.pem")).unwrap();
        let mut agent = Agent::to(world.gateway, ca.to_vec());
        assert_eq!(agent.enrol(&token).await.status, 200);
        let keys = &agent.response.as_ref().unwrap().order_keys;
        let set = <KeySet as prost::Message>::decode(keys.as_slice()).unwrap();
        let session = Self::session(&agent, Held::default()).await;
        Self {
            follower: Follower::new(&world.tenant.to_string(), Held::default()),
            agent,
            session,
            trust: Trust::pinned(set).unwrap(),
            list: List::new(),
            excepts: BTreeSet::new(),
            kept: Vec::new(),
        }
    }

    async fn session(agent: &Agent, held: Held) -> Session {
        let mut session = agent.dial().await;
        session.say(FromAgent::Hello(Hello { block_list: Some(held), ..agent.hello() })).await;
        session.welcome().await;
        session
    }

    /// Waits until a version of at least this number is announced.
    async fn announced(&mut self, least: u64) -> Held {
        loop {
            match self.session.hear().await {
                Some(FromServer::BlockList(held)) if held.version >= least => return held,
                Some(_) => {}
                None => panic!("the session ended"),
            }
        }
    }

    /// Fetches and applies what is new.
    async fn fetch(&mut self, from: u64) {
        let answer = self.agent.get(&format!("/agent/v1/blocklist?from={from}")).await;
        if answer.status == 204 {
            return;
        }
        assert_eq!(answer.status, 200);
        let mut at = 0;
        while let Some((signed, taken)) = unframe(&answer.body[at..]).unwrap() {
            at += taken;
            match self.follower.take(&signed, &self.trust).unwrap() {
                Step::Change(delta) => self.apply(&delta),
                Step::Part { is_first, is_last, delta } => {
                    if is_first {
                        self.kept.clear();
                    }
                    self.kept.push(delta);
                    if is_last {
                        self.list.clear();
                        self.excepts.clear();
                        for delta in std::mem::take(&mut self.kept) {
                            self.apply(&delta);
                        }
                    }
                }
            }
        }
        assert_eq!(at, answer.body.len());
    }

    fn apply(&mut self, delta: &Delta) {
        for plain in &delta.removes {
            for value in &plain.values {
                assert!(
                    self.list.remove(&(plain.kind, value.clone())).is_some(),
                    "removes what is not there"
                );
            }
        }
        for group in &delta.adds {
            for value in &group.values {
                self.list
                    .insert((group.kind, value.clone()), (group.action, group.risk, group.expires_at_us));
            }
        }
        for plain in &delta.unexcepts {
            for value in &plain.values {
                self.excepts.remove(&(plain.kind, value.clone()));
            }
        }
        for plain in &delta.excepts {
            for value in &plain.values {
                self.excepts.insert((plain.kind, value.clone()));
            }
        }
    }

    async fn confirm(&mut self) {
        let kinds = json!([{ "kind": "sha256", "how": "enforced", "objects": 1 },
            { "kind": "url", "how": "not_here", "objects": 0, "why": "for services that see URLs" }]);
        let state = BlockListState {
            held: Some(self.follower.held().clone()),
            applied_at_us: 5,
            kinds: kinds.to_string().into_bytes(),
        };
        self.session.say(FromAgent::BlockListState(state)).await;
    }

    /// Follows to this version and says so.
    async fn follow(&mut self, least: u64) {
        if self.follower.held().version < least {
            self.announced(least).await;
            self.fetch(self.follower.held().version).await;
        }
        self.confirm().await;
    }
}

async fn submit(world: &World, action: &str, params: Value) -> String {
    let body = json!({ "action": action, "params": params, "reason": "ticket 7" });
    let (status, task) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{task}");
    task["id"].as_str().unwrap().to_owned()
}

async fn ended(world: &World, task: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (_, view) = world.get(&format!("/api/v1/tasks/{task}")).await;
        if !view["ended_at"].is_null() {
            return view;
        }
        assert!(begun.elapsed() < Duration::from_mins(4), "{view}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn outcome(task: &Value) -> &Value {
    &task["commands"]["items"][0]["outcome"]
}

async fn what_is_listed_reaches_the_agents_proves_itself_and_is_taken_back() {
    let world = World::new().await;
    let mut agent = Follows::new(&world).await;
    assert_eq!(agent.announced(0).await, Held::default(), "told at the beginning, also of nothing");
    let objects = json!([
        { "value": "hxxp://Evil[.]example/a" }, { "value": "192.0.2.0/24", "action": "log", "risk": "low" },
        { "value": "aa".repeat(32), "expires_in_days": 0 }, { "value": "bad@evil.example" },
    ]);
    let add = submit(&world, "blocklist.add", json!({ "objects": objects, "note": "a campaign" })).await;
    agent.follow(1).await;
    let task = ended(&world, &add).await;
    assert_eq!(task["state"], "succeeded", "{task}");
    let said = outcome(&task);
    assert_eq!(
        (&said["added"], &said["refused"], &said["version"]),
        (&json!(4), &json!(0), &json!(1)),
        "{said}"
    );
    assert_eq!(said["coverage"]["confirmed"], 1);
    assert_eq!(
        (agent.list.len(), task["commands"]["items"][0]["endpoint_name"].as_str()),
        (4, Some("agents"))
    );

    let (_, list) = world.get("/api/v1/blocklist/objects?kind=ip").await;
    assert_eq!(
        (&list["items"][0]["value"], &list["items"][0]["action"]),
        (&json!("192.0.2.0/24"), &json!("log"))
    );
    let (_, list) = world.get("/api/v1/blocklist/objects?text=EVIL.example").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let (_, stix) = world.get("/api/v1/blocklist/stix").await;
    assert_eq!(stix["objects"].as_array().unwrap().len(), 4, "{stix}");
    let (_, coverage) = world.get("/api/v1/blocklist/coverage").await;
    assert_eq!((&coverage["current"], &coverage["endpoints"]), (&json!(1), &json!(1)), "{coverage}");
    assert_eq!(coverage["kinds"]["url"]["not_here"], 1);

    // Somebody else lists one of them too, more strictly: it stays when the first is taken back.
    let second = submit(&world, "blocklist.add", json!({ "objects": [{ "value": "192.0.2.0/24" }] })).await;
    agent.follow(2).await;
    assert_eq!(outcome(&ended(&world, &second).await)["changed"], 1);
    let (status, undo) =
        world.post(&format!("/api/v1/tasks/{add}/undo"), json!({ "reason": "a mistake" })).await;
    assert_eq!(status, 201, "{undo}");
    agent.follow(3).await;
    let undo = ended(&world, undo["id"].as_str().or(undo["task"]["id"].as_str()).unwrap()).await;
    assert_eq!(undo["state"], "succeeded", "{undo}");
    let said = outcome(&undo);
    assert_eq!((&said["removed"], &said["kept"]), (&json!(3), &json!(1)), "{said}");
    assert_eq!(agent.list.len(), 1);
    let (_, whole) = world.get("/api/v1/blocklist").await;
    assert_eq!((&whole["objects"], &whole["version"]), (&json!(1), &json!(3)), "{whole}");

    // The undo is undone: what it took off stands again.
    let back = submit(&world, "blocklist.add", json!({ "restore": undo["id"] })).await;
    agent.follow(4).await;
    let back = ended(&world, &back).await;
    assert_eq!(outcome(&back)["added"], 3);
    assert_eq!(agent.list.len(), 4);

    // And this once more: it takes back what it brought back, and nothing else.
    let id = back["id"].as_str().unwrap();
    let (status, again) =
        world.post(&format!("/api/v1/tasks/{id}/undo"), json!({ "reason": "after all" })).await;
    assert_eq!(status, 201, "{again}");
    agent.follow(5).await;
    let again = ended(&world, again["id"].as_str().or(again["task"]["id"].as_str()).unwrap()).await;
    assert_eq!((&again["state"], agent.list.len()), (&json!("succeeded"), 1), "{again}");

    // What became an exception meanwhile does not come back.
    let items = json!({ "items": [{ "value": "evil.example", "reason": "ours" }, { "value": "bad@evil.example", "reason": "ours" }] });
    let put = world.request(Method::PUT, "/api/v1/blocklist/exceptions").json(&items).send().await.unwrap();
    assert_eq!(answer(put).await.0, 200);
    let last = submit(&world, "blocklist.add", json!({ "restore": again["id"] })).await;
    agent.follow(7).await;
    let last = ended(&world, &last).await;
    let said = outcome(&last);
    assert_eq!((&said["added"], &said["refused"]), (&json!(2), &json!(1)), "{said}");
    assert_eq!(said["refusals"][0]["code"], "excepted");

    // A task that is no such one is named by no other.
    for (action, params) in [
        ("blocklist.add", json!({ "restore": add })),
        ("blocklist.add", json!({ "restore": uuid::Uuid::now_v7() })),
        ("blocklist.remove", json!({ "task": again["id"] })),
    ] {
        let body = json!({ "action": action, "params": params, "reason": "x" });
        let (status, problem) = world.post("/api/v1/tasks", body).await;
        assert_eq!(status, 400, "{problem}");
    }
}

async fn of_two_words_in_one_request_the_stricter_counts() {
    let world = World::new().await;
    let mut agent = Follows::new(&world).await;
    let objects = json!([
        { "value": "evil.example", "risk": "low", "expires_in_days": 0 },
        { "value": "EVIL.example.", "action": "log", "risk": "medium", "expires_in_days": 3 },
    ]);
    let task = submit(&world, "blocklist.add", json!({ "objects": objects })).await;
    agent.follow(1).await;
    assert_eq!(outcome(&ended(&world, &task).await)["added"], 1);
    assert_eq!(agent.list.values().collect::<Vec<_>>(), [&(2, 2, 0)]);
}

fn set_policy(directory: &Path, policy: &str) {
    let file = directory.join("signer/signer.json");
    std::fs::write(&file, policy).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

async fn what_the_signer_lets_pass_is_published_also_where_a_weaker_word_stands_again() {
    let world = World::new().await;
    let weak = json!({ "objects": [{ "value": "fz.example", "action": "log", "risk": "low" }] });
    ended(&world, &submit(&world, "blocklist.add", weak).await).await;
    let strict = json!({ "objects": [{ "value": "fz.example" }] });
    let strict = submit(&world, "blocklist.add", strict).await;
    assert_eq!(ended(&world, &strict).await["state"], "succeeded");
    let directory = world.stop().await;
    set_policy(directory.path(), r#"{"actions": ["endpoint.*", "blocklist.remove"]}"#);
    let world = World::at(directory).await;
    let (status, undo) = world.post(&format!("/api/v1/tasks/{strict}/undo"), json!({ "reason": "x" })).await;
    assert_eq!(status, 201, "{undo}");
    let undo = ended(&world, undo["id"].as_str().or(undo["task"]["id"].as_str()).unwrap()).await;
    assert_eq!(undo["state"], "succeeded", "{undo}");
    let (_, whole) = world.get("/api/v1/blocklist").await;
    assert_eq!(whole["version"], whole["published"], "{whole}");
    let mut agent = Follows::new(&world).await;
    agent.fetch(0).await;
    assert_eq!(agent.list.values().map(|said| said.0).collect::<Vec<_>>(), [1], "it is only reported");
}

async fn a_list_that_is_not_signed_is_told_and_keeps_what_was() {
    let world = World::new().await;
    ended(&world, &submit(&world, "blocklist.add", json!({ "objects": [{ "value": "a.example" }] })).await)
        .await;
    let directory = world.stop().await;
    set_policy(directory.path(), &format!(r#"{{"tenants": ["{}"]}}"#, uuid::Uuid::now_v7()));
    let world = World::at(directory).await;
    let items = json!({ "items": [{ "value": "b.example", "reason": "ours" }] });
    let put = world.request(Method::PUT, "/api/v1/blocklist/exceptions").json(&items).send().await.unwrap();
    let (status, put) = answer(put).await;
    assert_eq!((status, &put["published"]), (200, &json!(false)), "{put}");
    let (_, whole) = world.get("/api/v1/blocklist").await;
    assert_eq!((&whole["version"], &whole["published"]), (&json!(2), &json!(1)), "{whole}");
}

async fn exceptions_are_changed_by_who_reaches_all_and_saw_them() {
    let world = World::new().await;
    let path = "/api/v1/blocklist/exceptions";
    let one = |value: &str| json!({ "items": [{ "value": value, "reason": "ours" }] });
    for wide in ["0.0.0.0/0", "::/0", "10.0.0.0/7"] {
        let (status, problem) =
            answer(world.request(Method::PUT, path).json(&one(wide)).send().await.unwrap()).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("items[0].value")), "{problem}");
    }
    let read = world.request(Method::GET, path).send().await.unwrap();
    let seen = read.headers()["etag"].clone();
    let put = |value: &str| {
        world.request(Method::PUT, path).header("if-match", seen.clone()).json(&one(value)).send()
    };
    assert_eq!(put("a.example").await.unwrap().status(), 200);
    assert_eq!(put("b.example").await.unwrap().status(), 409, "somebody else was there first");

    let grants = json!({ "permissions": ["*"], "tags": ["web"] });
    let role = json!({ "name": "web", "description": "web", "grants": grants });
    let ada = world.person("ada", &["administrator"]).await;
    let (status, role) = ada.post("/api/v1/roles", role).await;
    assert_eq!(status, 201, "{role}");
    let some = world.person("some", &[role["id"].as_str().unwrap()]).await;
    assert_eq!(some.put(path, one("c.example")).await.0, 403);
}

async fn what_must_not_be_listed_is_not_and_exceptions_reach_the_agents() {
    let world = World::new().await;
    let mut agent = Follows::new(&world).await;
    let bad = json!({ "action": "blocklist.add", "params": { "objects": [{ "value": "0.0.0.0/0" }] }, "reason": "x" });
    let (status, problem) = world.post("/api/v1/tasks", bad).await;
    assert_eq!(
        (status, problem["fields"][0]["field"].as_str()),
        (400, Some("params.objects[0].value")),
        "{problem}"
    );
    let named = json!({ "action": "blocklist.add", "params": { "objects": [{ "value": "a.example" }] },
        "targets": { "all": true }, "reason": "x" });
    assert!(world.post("/api/v1/tasks", named).await.0 >= 400, "for a service, and named endpoints");

    let items = json!({ "items": [{ "value": "*.corp.example", "reason": "ours" }] });
    let put = world.request(Method::PUT, "/api/v1/blocklist/exceptions").json(&items).send().await.unwrap();
    assert_eq!(answer(put).await.0, 200);
    world.recorded("blocklist.except").await;
    let objects =
        json!([{ "value": "mail.corp.example" }, { "value": "127.0.0.2" }, { "value": "evil.example" }]);
    let refused = json!({ "action": "blocklist.add", "params": { "objects": objects }, "reason": "x" });
    assert_eq!(world.post("/api/v1/tasks", refused).await.0, 400, "loopback");
    let objects = json!([{ "value": "mail.corp.example" }, { "value": "evil.example" }]);
    let task = submit(&world, "blocklist.add", json!({ "objects": objects })).await;
    agent.follow(2).await;
    let task = ended(&world, &task).await;
    assert_eq!(task["state"], "succeeded");
    assert_eq!(outcome(&task)["refusals"][0]["code"], "excepted", "{task}");
    assert_eq!((agent.list.len(), agent.excepts.len()), (1, 1));

    let only = submit(&world, "blocklist.add", json!({ "objects": [{ "value": "x.corp.example" }] })).await;
    let only = ended(&world, &only).await;
    assert_eq!(
        (&only["state"], &only["commands"]["items"][0]["reason_code"]),
        (&json!("failed"), &json!("all_refused"))
    );

    let file =
        "value,kind\nevil.example,domain\nx.corp.example,domain\n0.0.0.0/0,ip\nnonsense,\n192.0.2.9,ip\n";
    let request = world.request(Method::POST, "/api/v1/blocklist/check").header("content-type", "text/plain");
    let (status, checked) = answer(request.body(file).send().await.unwrap()).await;
    assert_eq!(status, 200, "{checked}");
    assert_eq!(
        (&checked["objects"], &checked["listed"], &checked["refused"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(
        (&checked["problem_count"], &checked["problems"][1]["line"]),
        (&json!(2), &json!(5)),
        "{checked}"
    );
}

async fn however_an_agent_comes_forward_it_ends_with_the_same_list() {
    let world = World::new().await;
    let mut step = Follows::new(&world).await;
    let mut late = Vec::new();
    let mut random = 7_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut added: Vec<String> = Vec::new();
    for round in 0..14_u64 {
        let name = |n: u64| format!("n{n}.example");
        let before = step.follower.held().version;
        let task = match next(4) {
            0 | 1 => {
                let objects: Vec<Value> = (0..=next(4))
                    .map(|_| {
                        json!({ "value": name(next(9)), "action": if next(2) == 0 { "log" } else { "block" },
                        "expires_in_days": next(3) })
                    })
                    .collect();
                let task = submit(&world, "blocklist.add", json!({ "objects": objects })).await;
                added.push(task.clone());
                task
            }
            2 => submit(&world, "blocklist.remove", json!({ "objects": [{ "value": name(next(9)) }] })).await,
            _ => match added.get(next(added.len().max(1) as u64) as usize) {
                Some(task) => submit(&world, "blocklist.remove", json!({ "task": task })).await,
                None => continue,
            },
        };
        // Confirmed as soon as there is something: a task without effect makes no version.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            step.fetch(step.follower.held().version).await;
            if step.follower.held().version > before {
                step.confirm().await;
            }
            let (_, view) = world.get(&format!("/api/v1/tasks/{task}")).await;
            if !view["ended_at"].is_null() {
                break;
            }
            assert!(Instant::now() < deadline, "{view}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        step.fetch(step.follower.held().version).await;
        if round % 5 == 0 {
            let mut other = Follows::new(&world).await;
            other.fetch(0).await;
            assert_eq!(other.list, step.list, "by a snapshot, after {round}");
            assert_eq!(other.follower.held(), step.follower.held());
            drop(other.session);
            late.push((other.agent, other.follower, other.list, other.trust, other.excepts));
        }
    }
    for (agent, follower, list, trust, excepts) in late {
        let session = Follows::session(&agent, follower.held().clone()).await;
        let mut other = Follows { agent, session, follower, trust, list, excepts, kept: Vec::new() };
        other.fetch(other.follower.held().version).await;
        assert_eq!(
            (&other.list, other.follower.held()),
            (&step.list, step.follower.held()),
            "by deltas, later"
        );
    }
    let (_, all) = world.get("/api/v1/blocklist/objects?limit=1000").await;
    assert_eq!(all["items"].as_array().unwrap().len(), step.list.len());
}

async fn an_agent_that_lies_or_knows_no_lists_disturbs_nobody() {
    let world = World::new().await;
    let mut agent = Follows::new(&world).await;
    assert_eq!(agent.agent.get("/agent/v1/blocklist").await.status, 400);
    assert_eq!(agent.agent.get("/agent/v1/blocklist?from=-1").await.status, 400);
    assert_eq!(agent.agent.get("/agent/v1/blocklist?from=99").await.status, 204, "there is nothing");
    let stranger = Agent {
        certificate: None,
        key_der: agent.agent.key_der.clone(),
        ca: agent.agent.ca.clone(),
        address: agent.agent.address,
        machine: [0; 32],
        response: None,
    };
    assert_eq!(stranger.get("/agent/v1/blocklist?from=0").await.status, 401);
    agent
        .session
        .say(FromAgent::BlockListState(BlockListState { kinds: b"{".to_vec(), ..BlockListState::default() }))
        .await;
    let held = Some(Held { version: u64::MAX / 4, digest: vec![1; 32] });
    agent
        .session
        .say(FromAgent::BlockListState(BlockListState { held, kinds: b"[]".to_vec(), applied_at_us: 1 }))
        .await;
    let (_, coverage) = world.get("/api/v1/blocklist/coverage").await;
    assert_eq!(coverage["version"], 0);
    // An old agent in place of it: it hears of nothing, and a task does not wait for it.
    drop(agent.session);
    let mut old = agent.agent.session().await;
    let task = submit(&world, "blocklist.add", json!({ "objects": [{ "value": "evil.example" }] })).await;
    let task = ended(&world, &task).await;
    assert_eq!(task["state"], "succeeded", "{task}");
    assert_eq!(outcome(&task)["coverage"]["incapable"], 1);
    // One that is away and was never told of a list is behind: it takes the list when it comes.
    world.endpoint("away").await;
    let (_, coverage) = world.get("/api/v1/blocklist/coverage").await;
    assert_eq!(
        (&coverage["endpoints"], &coverage["current"], &coverage["behind"], &coverage["silent"]),
        (&json!(2), &json!(0), &json!(1), &json!(1)),
        "{coverage}"
    );
    // Of the two that said nothing, only the one that is there is known to take none.
    let told = coverage["laggards"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|one| (&one["connected"], &one["takes_none"], &one["version"])).collect();
    assert_eq!(
        told,
        [(&json!(true), &json!(true), &Value::Null), (&json!(false), &json!(false), &Value::Null)],
        "{coverage}"
    );
    assert!(old.is_quiet(Duration::from_millis(200)).await);
}

async fn what_is_over_or_not_yet_is_told_before_and_recorded_after() {
    let world = World::new().await;
    let one = |name: &str, more: Value| {
        let mut object = json!({ "type": "indicator", "pattern_type": "stix",
            "pattern": format!("[domain-name:value = '{name}.example']") });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let bundle = json!({ "type": "bundle", "objects": [
        one("now", json!({ "valid_from": "2021-01-01T00:00:00Z" })),
        one("over", json!({ "valid_until": "2021-01-01T00:00:00Z" })),
        one("later", json!({ "valid_from": "2090-01-01T00:00:00Z" })),
        one("good", json!({ "indicator_types": ["benign"] })),
        one("odd", json!({ "pattern": 5 })),
    ] })
    .to_string();
    let check = world.request(Method::POST, "/api/v1/blocklist/check");
    let check = check.header("content-type", "application/octet-stream").body(bundle.clone());
    let (status, checked) = answer(check.send().await.unwrap()).await;
    assert_eq!(
        (status, &checked["objects"], &checked["refused"], &checked["problem_count"]),
        (200, &json!(3), &json!(2), &json!(2)),
        "{checked}"
    );
    let path = "/api/v1/library/indicators/feed/versions?note=first&description=feed";
    let upload = world.request(Method::POST, path).header("content-type", "text/plain");
    assert_eq!(answer(upload.body(bundle).send().await.unwrap()).await.0, 201);
    let task = ended(&world, &submit(&world, "blocklist.add", json!({ "list": "feed" })).await).await;
    let said = outcome(&task);
    assert_eq!((&said["added"], &said["refused"]), (&json!(1), &json!(4)), "{said}");
    assert!(said.to_string().contains("\"not_yet\"") && said.to_string().contains("\"expired\""), "{said}");
    // Its time passes.
    let tenant = world.tenant;
    let passed = world.store.write(move |tx| {
        tx.execute("UPDATE blocklist_source SET expires_at = 1 WHERE tenant_id = $1", &[&tenant])?;
        tx.execute("UPDATE blocklist_object SET expires_at = 1 WHERE tenant_id = $1", &[&tenant])?;
        Ok::<_, quell_store::Error>(())
    });
    passed.await.unwrap();
    let begun = Instant::now();
    let record = loop {
        let (_, trail) = world.get("/api/v1/audit?verb=blocklist.expire").await;
        if let Some(record) = trail["items"].get(0) {
            break record.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no record: {trail}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(
        (&record["detail"]["removed"], &record["detail"]["first"]),
        (&json!(1), &json!(["now.example"])),
        "{record}"
    );
    world.stop().await;
}

/// What the server itself takes, on a build without optimisation; agents have nothing to do with it.
const LONG: Duration = Duration::from_secs(15);

async fn a_hundred_thousand_hashes_are_listed_in_seconds() {
    let world = World::new().await;
    let hash = |number: u32| quell_wire::digest::hex(&quell_wire::digest::sha256(&[&number.to_be_bytes()]));
    let body = (0..100_000).map(hash).collect::<Vec<_>>().join("\n");
    let check = async || {
        let (began, body) = (Instant::now(), body.clone());
        let request =
            world.request(Method::POST, "/api/v1/blocklist/check").header("content-type", "text/plain");
        let (status, checked) = answer(request.body(body).send().await.unwrap()).await;
        assert_eq!(status, 200, "{checked}");
        (checked["listed"].as_u64().unwrap(), began.elapsed())
    };
    let path = "/api/v1/library/indicators/feed/versions?note=first&description=feed";
    let upload = world.request(Method::POST, path).header("content-type", "text/plain");
    assert_eq!(answer(upload.body(body.clone()).send().await.unwrap()).await.0, 201);
    let run = async |action: &str, params: Value, count: &str| {
        let began = Instant::now();
        let task = ended(&world, &submit(&world, action, params).await).await;
        assert_eq!(outcome(&task)[count], 100_000, "{count}: {task}");
        began.elapsed()
    };
    let (listed, checked) = check().await;
    assert_eq!(listed, 0);
    let added =
        run("blocklist.add", json!({ "list": "feed", "action": "log", "expires_in_days": 0 }), "added").await;
    let (listed, checked_again) = check().await;
    assert_eq!(listed, 100_000);
    let changed = run("blocklist.add", json!({ "list": "feed", "expires_in_days": 0 }), "changed").await;
    let same = run("blocklist.add", json!({ "list": "feed", "expires_in_days": 0 }), "unchanged").await;
    let removed = run("blocklist.remove", json!({ "list": "feed" }), "removed").await;
    eprintln!(
        "100,000 hashes: checked {checked:?}, listed {added:?}, checked again {checked_again:?}, changed {changed:?}, \
        listed a third time {same:?}, removed {removed:?}"
    );
    assert!(
        checked < LONG && added < LONG && checked_again < LONG,
        "{checked:?} {added:?} {checked_again:?}"
    );
    assert!([changed, same, removed].iter().all(|took| *took < LONG * 2), "{changed:?} {same:?} {removed:?}");
}

mod long {
    #[test]
    #[ignore = "half a minute; measured by name"]
    fn a_hundred_thousand_hashes_are_listed_in_seconds_on_sqlite() {
        crate::world::on_sqlite(super::a_hundred_thousand_hashes_are_listed_in_seconds());
    }

    #[test]
    #[ignore = "half a minute; measured by name"]
    fn a_hundred_thousand_hashes_are_listed_in_seconds_on_postgres() {
        crate::world::on_postgres(super::a_hundred_thousand_hashes_are_listed_in_seconds());
    }
}
