//! What is protected, from the settings of people to the agents, and what agents say of it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use quell_engine::{Clock as _, SystemClock};
use quell_store::{detection, protection as rows};
use quell_wire::activity::Source;
use quell_wire::digest::{hex, sha256};
use quell_wire::enrol::Token;
use quell_wire::frame::{FromAgent, FromServer, Hello, RecorderState};
use quell_wire::keys::{KeySet, Trust};
use quell_wire::protection::{Mode, Protection, SignedProtection, documents};
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::gateway::agent::{Agent, Session};
use crate::world::{World, answer};

crate::both!(
    a_new_tenant_records_and_detects,
    rules_are_compiled_before_anything_is_stored,
    settings_are_changed_by_who_reaches_all_and_saw_them,
    of_two_at_once_none_is_lost,
    a_preview_says_what_would_be_and_changes_nothing,
    agents_get_the_document_and_its_rules_and_say_what_is_in_force,
    an_agent_that_lies_or_knows_no_protection_disturbs_nobody,
    what_the_signer_will_not_sign_is_told_and_changes_nothing,
    a_database_that_was_set_back_goes_on_under_a_later_version,
);

const PATH: &str = "/api/v1/protection";
const NET: &str = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b";
const TMP: &str = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6c";

fn rule(id: &str, level: &str, value: &str) -> String {
    format!(
        "title: Rule of {value}\nid: {id}\nlevel: {level}\ntags: [attack.t1059.004]\nlogsource: {{product: linux, \
        category: process_creation}}\ndetection:\n  selection:\n    CommandLine|contains: {value}\n  condition: selection\n"
    )
}

async fn add(world: &World, kind: &str, name: &str, body: &str) -> (u16, Value) {
    world.post(&format!("/api/v1/library/{kind}"), json!({ "name": name, "body": body })).await
}

async fn put(world: &World, settings: &Value) -> (u16, Value) {
    answer(world.request(Method::PUT, PATH).json(settings).send().await.unwrap()).await
}

/// The settings without what comes with the program: what they lead to is known here.
async fn bare(world: &World) -> Value {
    let (status, shown) = world.get(PATH).await;
    assert_eq!(status, 200, "{shown}");
    let mut settings = shown["settings"].clone();
    settings["behaviour"]["built_in"] = json!(false);
    settings
}

/// Waits until something holds of what is shown.
async fn until(world: &World, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let (_, shown) = world.get(PATH).await;
        if holds(&shown) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come about: {}", world.get(PATH).await.1);
}

async fn published(world: &World) -> Value {
    until(world, |shown| shown["published"] == json!(true)).await
}

async fn a_new_tenant_records_and_detects() {
    let world = World::new().await;
    let shown = published(&world).await;
    assert_eq!((&shown["version"], &shown["changed_by"]), (&json!(1), &json!("Quell")));
    let settings = &shown["settings"];
    assert_eq!(settings["record"], json!(true));
    assert_eq!(settings["modes"], json!({ "block_list": "detect", "behaviour": "detect", "yara": "detect" }));
    assert_eq!((&settings["prevent_from"], &settings["ring_bytes"]), (&json!("high"), &json!(64 << 20)));
    assert_eq!(settings["ring_age_seconds"], json!(7 * 24 * 3600));
    assert_eq!(shown["rules"]["prevent"], json!(0));
    // The rules that come with the program are the tenant's without a copy that anybody could change.
    let (_, rules) = world.get("/api/v1/protection/rules").await;
    assert_eq!(
        rules["items"].as_array().unwrap().len() as u64,
        shown["rules"]["behaviour"].as_u64().unwrap()
    );
    // A tenant that is made later has the same.
    let other = world.other_tenant().await;
    let ada = world.person_of(other, "ada", &["administrator"]).await;
    let (status, theirs) = ada.get(PATH).await;
    assert_eq!((status, &theirs["version"], &theirs["settings"]), (200, &json!(1), settings), "{theirs}");
}

async fn rules_are_compiled_before_anything_is_stored() {
    let world = World::new().await;
    let broken = rule(NET, "high", "/dev/tcp/").replace("condition: selection", "condition: selction");
    let (status, problem) = add(&world, "sigma", "net", &broken).await;
    let line = broken.lines().position(|line| line.contains("condition: ")).unwrap() + 1;
    assert_eq!((status, &problem["fields"][0]["line"]), (400, &json!(line)), "{problem}");
    let two = format!("{}---\n{}", rule(NET, "high", "/dev/tcp/"), rule(TMP, "low", "/tmp/x"));
    let (status, added) = add(&world, "sigma", "ours", &two).await;
    assert_eq!((status, &added["facts"]["rules"]), (201, &json!(2)), "{added}");
    assert_eq!(add(&world, "sigma", "twin", &rule(NET, "low", "other")).await.0, 201);
    assert_eq!(
        add(&world, "yara", "shells", "rule web { strings: $a = \"eval(base64\" condition: $a }").await.0,
        201
    );
    let before = bare(&world).await;
    // What names nothing, or does not go together, changes nothing, and says which field.
    let refused = async |change: &dyn Fn(&mut Value), field: &str| {
        let mut settings = before.clone();
        change(&mut settings);
        let (status, problem) = put(&world, &settings).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!(field)), "{problem}");
        problem
    };
    refused(&|s| s["behaviour"]["rules"] = json!(["nothing"]), "behaviour.rules[0]").await;
    refused(&|s| s["behaviour"]["rules"] = json!(["ours", "ours@1"]), "behaviour.rules[1]").await;
    let twice = refused(&|s| s["behaviour"]["rules"] = json!(["ours", "twin"]), "behaviour.rules[1]").await;
    assert!(twice["detail"].as_str().unwrap().starts_with("twin@1: line 1"), "{twice}");
    refused(&|s| s["ring_bytes"] = json!(1), "ring_bytes").await;
    refused(&|s| s["exclusions"] = json!([{ "uid": 0 }]), "exclusions[0]").await;
    refused(&|s| s["modes"]["yara"] = json!("kill"), "modes.yara").await;
    assert_eq!(world.get(PATH).await.1["version"], json!(1));

    let mut settings = before.clone();
    settings["behaviour"] = json!({ "built_in": false, "rules": ["ours"], "disabled": [TMP] });
    settings["yara"] = json!({ "rules": ["shells"] });
    settings["modes"]["behaviour"] = json!("prevent");
    settings["exclusions"] = json!([{ "path": "/opt/backup/", "note": "ours" }, { "rule": NET, "uid": 33 }]);
    let (status, stored) = put(&world, &settings).await;
    assert_eq!(
        (status, &stored["version"], &stored["published"]),
        (200, &json!(2), &json!(true)),
        "{stored}"
    );
    assert_eq!(stored["settings"]["behaviour"]["rules"], json!(["ours@1"]), "pinned");
    assert_eq!(stored["rules"], json!({ "behaviour": 1, "yara": 1, "disabled": 1, "prevent": 1 }));
    world.recorded("protection.set").await;
    let (_, rules) = world.get("/api/v1/protection/rules").await;
    let told: Vec<_> =
        rules["items"].as_array().unwrap().iter().map(|rule| (&rule["mode"], &rule["from"])).collect();
    let (ours, shells) = (json!("ours@1"), json!("shells@1"));
    assert_eq!(told, [(&json!("prevent"), &ours), (&json!("off"), &ours), (&json!("detect"), &shells)]);
    // The same once more is no change; a newer version in the library is told and changes nothing by itself.
    assert_eq!(put(&world, &stored["settings"]).await.1["version"], json!(2));
    assert_eq!(add(&world, "sigma", "ours", &rule(NET, "critical", "/dev/tcp/")).await.0, 201);
    let (_, shown) = world.get(PATH).await;
    assert_eq!((&shown["newer"][0]["set"], &shown["newer"][0]["latest"]), (&ours, &json!(2)));
    assert_eq!(shown["rules"]["behaviour"], json!(1));
    // What is archived stays in force, and is named by nothing new.
    let archived = json!({ "archived": true });
    let archive =
        world.request(Method::PATCH, "/api/v1/library/yara/shells").json(&archived).send().await.unwrap();
    assert_eq!(archive.status(), 200);
    let mut settings = shown["settings"].clone();
    settings["record"] = json!(false);
    let (status, stored) = put(&world, &settings).await;
    assert_eq!(
        (status, &stored["version"], &stored["rules"]["prevent"]),
        (200, &json!(3), &json!(0)),
        "{stored}"
    );
    settings["yara"]["rules"] = json!(["shells"]);
    assert_eq!(put(&world, &settings).await.0, 400);
}

async fn settings_are_changed_by_who_reaches_all_and_saw_them() {
    let world = World::new().await;
    let read = world.request(Method::GET, PATH).send().await.unwrap();
    let seen = read.headers()["etag"].clone();
    let (_, shown) = answer(read).await;
    let send = |days: u64| {
        let mut settings = shown["settings"].clone();
        settings["ring_age_seconds"] = json!(days * 24 * 3600);
        world.request(Method::PUT, PATH).header("if-match", seen.clone()).json(&settings).send()
    };
    assert_eq!(send(3).await.unwrap().status(), 200);
    assert_eq!(send(4).await.unwrap().status(), 409, "somebody else was there first");
    let grants = json!({ "permissions": ["*"], "tags": ["web"] });
    let ada = world.person("ada", &["administrator"]).await;
    let (status, role) =
        ada.post("/api/v1/roles", json!({ "name": "web", "description": "web", "grants": grants })).await;
    assert_eq!(status, 201, "{role}");
    let some = world.person("some", &[role["id"].as_str().unwrap()]).await;
    assert_eq!(some.put(PATH, shown["settings"].clone()).await.0, 403);
    let analyst = world.person("ann", &["analyst"]).await;
    assert_eq!(analyst.get(PATH).await.0, 200);
    assert_eq!(analyst.put(PATH, shown["settings"].clone()).await.0, 403);
}

async fn of_two_at_once_none_is_lost() {
    let world = World::new().await;
    let read = world.request(Method::GET, PATH).send().await.unwrap();
    let seen = read.headers()["etag"].clone();
    let (_, shown) = answer(read).await;
    let send = |days: u64, seen: Option<&reqwest::header::HeaderValue>| {
        let mut settings = shown["settings"].clone();
        settings["ring_age_seconds"] = json!(days * 24 * 3600);
        let request = world.request(Method::PUT, PATH).json(&settings);
        let request = if let Some(seen) = seen { request.header("if-match", seen.clone()) } else { request };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let (one, other) = tokio::join!(send(2, Some(&seen)), send(3, Some(&seen)));
    assert_eq!(one.min(other), 200, "{one} {other}");
    assert_eq!(one.max(other), 409, "only one of them saw what it changed");
    assert_eq!(tokio::join!(send(4, None), send(5, None), send(6, None)), (200, 200, 200));
    let shown = published(&world).await;
    assert_eq!(shown["version"], json!(5));
    let versions: Vec<_> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, [5, 4, 3, 2, 1]);
}

async fn detected(world: &World, rule: &str, at: i64) {
    let id = uuid::Uuid::now_v7();
    let row = detection::Detection {
        tenant_id: world.tenant,
        id,
        incident_id: None,
        origin: "endpoint".to_owned(),
        source: "behaviour".to_owned(),
        source_id: id.to_string(),
        endpoint_id: None,
        hint: None,
        chain_id: None,
        activity: None,
        at,
        told_at: at,
        received_at: at,
        rule: rule.to_owned(),
        title: "x".to_owned(),
        severity: 4,
        verdict: Some("detected".to_owned()),
        techniques: "[]".to_owned(),
        note: String::new(),
        path: None,
        sha256: None,
        user_name: None,
        protection: 1,
        joined: None,
        body: None,
        search: String::new(),
    };
    world.store.write(move |tx| detection::insert(tx, &row).map(drop)).await.unwrap();
}

async fn a_preview_says_what_would_be_and_changes_nothing() {
    let world = World::new().await;
    let two = format!("{}---\n{}", rule(NET, "high", "/dev/tcp/"), rule(TMP, "low", "/tmp/x"));
    assert_eq!(add(&world, "sigma", "ours", &two).await.0, 201);
    let mut settings = bare(&world).await;
    settings["behaviour"]["rules"] = json!(["ours"]);
    let (status, stored) = put(&world, &settings).await;
    assert_eq!(status, 200, "{stored}");
    world.endpoint("web").await;
    let preview = async |settings: &Value| world.post("/api/v1/protection/preview", settings.clone()).await;
    let (status, same) = preview(&stored["settings"]).await;
    assert_eq!((status, &same["changes"], &same["endpoints"]), (200, &json!(false), &json!(1)), "{same}");
    let days = |days: i64| SystemClock.now() - days * 24 * 3_600_000_000;
    for (rule, at) in [(NET, days(1)), (NET, days(6)), (NET, days(8)), (TMP, days(1))] {
        detected(&world, rule, at).await;
    }
    let mut settings = stored["settings"].clone();
    settings["modes"]["behaviour"] = json!("prevent");
    settings["exclusions"] = json!([{ "path": "/opt/backup/" }]);
    let (_, more) = preview(&settings).await;
    let prevented: Vec<_> =
        more["would_prevent"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(prevented, [&json!(NET)], "the other is not severe enough: {more}");
    assert_eq!(
        (&more["hits"], &more["would_prevent"][0]["hits"]),
        (&json!(2), &json!(2)),
        "of the last seven days: {more}"
    );
    assert_eq!(more["modes"], json!([{ "source": "behaviour", "before": "detect", "after": "prevent" }]));
    assert_eq!((&more["exclusions"]["added"], &more["changes"]), (&json!(1), &json!(true)));
    settings["behaviour"]["disabled"] = json!([NET]);
    let (_, less) = preview(&settings).await;
    assert_eq!((&less["removed"][0]["id"], &less["would_prevent"]), (&json!(NET), &json!([])), "{less}");
    settings["behaviour"]["rules"] = json!(["nothing"]);
    assert_eq!(preview(&settings).await.0, 400);
    assert_eq!(world.get(PATH).await.1["version"], stored["version"]);
}

/// An agent that takes protection.
struct Protected {
    agent: Agent,
    session: Session,
    trust: Trust,
    tenant: String,
}

impl Protected {
    async fn new(world: &World) -> Self {
        let (_, token) =
            world.post("/api/v1/enrolment-tokens", json!({ "name": "lab", "max_uses": 9 })).await;
        let token = Token::from_text(token["text"].as_str().unwrap()).unwrap();
        let ca = CertificateDer::from_pem_file(world.directory.path().join("ca.pem")).unwrap();
        let mut agent = Agent::to(world.gateway, ca.to_vec());
        assert_eq!(agent.enrol(&token).await.status, 200);
        let keys = &agent.response.as_ref().unwrap().order_keys;
        let set = <KeySet as prost::Message>::decode(keys.as_slice()).unwrap();
        let session = Self::session(&agent, 0).await;
        Self { agent, session, trust: Trust::pinned(set).unwrap(), tenant: world.tenant.to_string() }
    }

    async fn session(agent: &Agent, held: u64) -> Session {
        let mut session = agent.dial().await;
        session.say(FromAgent::Hello(Hello { protection: Some(held), ..agent.hello() })).await;
        assert!(session.welcome().await.takes_recorder_state);
        session
    }

    async fn heard(&mut self) -> SignedProtection {
        loop {
            match self.session.hear().await {
                Some(FromServer::Protection(signed)) => return signed,
                Some(_) => {}
                None => panic!("the session ended"),
            }
        }
    }

    /// Waits for a document of at least this version, and looks at it as an agent does.
    async fn document(&mut self, least: u64) -> Protection {
        loop {
            let signed = self.heard().await;
            let document = signed.open(&self.trust, &self.tenant, 0).unwrap();
            if document.version >= least {
                return document;
            }
        }
    }

    async fn body(&self, sha256: &[u8]) -> (u16, Vec<u8>) {
        let answer = self.agent.get(&format!("/agent/v1/library/{}", hex(sha256))).await;
        (answer.status.as_u16(), answer.body.to_vec())
    }

    async fn tell(&mut self, protection: u64, detail: &Value) {
        let detail = serde_json::to_vec(detail).unwrap();
        self.session.say(FromAgent::RecorderState(RecorderState { protection, at_us: 5, detail })).await;
    }
}

async fn agents_get_the_document_and_its_rules_and_say_what_is_in_force() {
    let world = World::new().await;
    published(&world).await;
    let mut agent = Protected::new(&world).await;
    let first = agent.document(1).await;
    assert!(first.record && first.mode(Source::Behaviour) == Mode::Detect);
    let text = rule(NET, "high", "/dev/tcp/");
    assert_eq!(add(&world, "sigma", "ours", &text).await.0, 201);
    let mut settings = bare(&world).await;
    settings["behaviour"]["rules"] = json!(["ours"]);
    settings["modes"]["behaviour"] = json!("prevent");
    assert_eq!(put(&world, &settings).await.0, 200);
    let second = agent.document(2).await;
    assert_eq!(second.mode(Source::Behaviour), Mode::Prevent);
    let named = second.behaviour.clone().unwrap();
    let (status, body) = agent.body(&named.sha256).await;
    assert_eq!(
        (status, body.len() as u64, sha256(&[&body]).to_vec()),
        (200, named.size, named.sha256.clone())
    );
    assert_eq!(documents(std::str::from_utf8(&body).unwrap()).len(), 1);
    // What is in the library alone, and what nobody has, is nothing that an agent gets.
    let alone = sha256(&[text.as_bytes()]);
    assert_eq!(agent.body(&alone).await.0, 404);
    assert_eq!(agent.body(&[7; 32]).await.0, 404);

    // What it says counts at once, costs a row once, and is shown with the endpoint.
    let id = agent.agent.id();
    let detail = json!({ "recording": true, "prevents": false, "sources": [{ "activity": "process", "means": "ebpf" }],
        "refused": [{ "source": "behaviour", "rule": NET, "problem": "too new" }] });
    agent.tell(2, &detail).await;
    let shown = until(&world, |shown| shown["endpoints"]["current"] == json!(1)).await;
    assert_eq!(shown["endpoints"]["versions"], json!([{ "version": 2, "endpoints": 1 }]));
    assert_eq!(shown["endpoints"]["refused"][0]["problem"], json!("too new"));
    assert_eq!(shown["endpoints"]["cannot_prevent"], json!(1));
    let (_, endpoint) = world.get(&format!("/api/v1/endpoints/{id}")).await;
    assert_eq!(
        (&endpoint["recorder"]["current"], &endpoint["recorder"]["detail"]),
        (&json!(true), &detail),
        "{endpoint}"
    );
    let tenant = world.tenant;
    let mut written = None;
    for _ in 0..600 {
        written = world.store.read(move |tx| rows::recorder(tx, tenant, id)).await.unwrap();
        if written.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(written.map(|row| row.protection), Some(2));

    // Who comes back with the newest hears nothing of it; who has an older one, does; bodies of before are gone.
    drop(agent.session);
    agent.session = Protected::session(&agent.agent, 2).await;
    assert!(agent.session.is_quiet(Duration::from_millis(200)).await);
    drop(agent.session);
    agent.session = Protected::session(&agent.agent, 1).await;
    assert_eq!(agent.document(2).await, second);
    settings["behaviour"]["rules"] = json!([]);
    assert_eq!(put(&world, &settings).await.0, 200);
    assert_eq!(agent.document(3).await.behaviour, None);
    assert_eq!(agent.body(&named.sha256).await.0, 404);
}

async fn an_agent_that_lies_or_knows_no_protection_disturbs_nobody() {
    let world = World::new().await;
    published(&world).await;
    let mut agent = Protected::new(&world).await;
    agent.document(1).await;
    // Another tenant's rules are none of its business.
    let other = world.other_tenant().await;
    let theirs = world.person_of(other, "theirs", &["administrator"]).await;
    let text = rule(TMP, "high", "/tmp/secret-of-theirs");
    assert_eq!(theirs.post("/api/v1/library/sigma", json!({ "name": "theirs", "body": text })).await.0, 201);
    let mut settings = theirs.get(PATH).await.1["settings"].clone();
    settings["behaviour"] = json!({ "built_in": false, "rules": ["theirs"], "disabled": [] });
    assert_eq!(theirs.put(PATH, settings).await.0, 200);
    let row = world.store.read(move |tx| rows::newest(tx, other)).await.unwrap().unwrap();
    assert_eq!(agent.body(&row.behaviour.unwrap()).await.0, 404);
    assert!(agent.session.is_quiet(Duration::from_millis(200)).await, "nor is their document");
    // Versions from nowhere, and words that are none.
    agent.tell(u64::MAX, &json!({})).await;
    agent.tell(1, &json!([])).await;
    agent.tell(1, &json!({ "lost": { "x": "y" } })).await;
    let shown = until(&world, |shown| shown["endpoints"]["current"] == json!(1)).await;
    assert_eq!(shown["endpoints"]["recording"], json!(0), "what cannot be read says nothing");
    for _ in 0..5 {
        agent.tell(1, &json!([])).await;
    }
    assert_eq!(agent.session.goodbye().await, "limit");
    // One of before this: it hears of nothing, and is counted apart.
    let mut old = Protected::new(&world).await;
    drop(old.session);
    old.session = old.agent.session().await;
    let mut settings = bare(&world).await;
    settings["ring_bytes"] = json!(8 << 20);
    assert_eq!(put(&world, &settings).await.0, 200);
    assert!(old.session.is_quiet(Duration::from_millis(200)).await);
    let (_, shown) = world.get(PATH).await;
    assert_eq!(shown["endpoints"]["takes_none"], json!(1), "{shown}");
    let laggards = shown["endpoints"]["laggards"].as_array().unwrap();
    let silent = laggards.iter().find(|one| one["takes_none"] == json!(true)).unwrap();
    assert_eq!((&silent["connected"], &silent["version"]), (&json!(true), &Value::Null), "{shown}");
    for _ in 0..5 {
        old.tell(1, &json!({})).await;
    }
    assert_eq!(old.session.goodbye().await, "limit", "it said that it takes none");
}

fn set_policy(directory: &Path, policy: &str) {
    let file = directory.join("signer/signer.json");
    std::fs::write(&file, policy).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

async fn what_the_signer_will_not_sign_is_told_and_changes_nothing() {
    let world = World::new().await;
    published(&world).await;
    let directory = world.stop().await;
    set_policy(directory.path(), r#"{"protection": "detect"}"#);
    let world = World::at(directory).await;
    published(&world).await;
    let mut settings = bare(&world).await;
    settings["modes"]["yara"] = json!("prevent");
    let (status, stored) = put(&world, &settings).await;
    assert_eq!(
        (status, &stored["published"], &stored["published_version"]),
        (200, &json!(false), &json!(1)),
        "{stored}"
    );
    assert!(stored["problem"].as_str().unwrap().contains("protection_not_allowed"), "{stored}");
    let mut agent = Protected::new(&world).await;
    assert_eq!(agent.document(1).await.version, 1, "agents are given what was signed");
    settings["modes"]["yara"] = json!("detect");
    let (_, stored) = put(&world, &settings).await;
    assert_eq!(
        (&stored["version"], &stored["published"], &stored["problem"]),
        (&json!(3), &json!(true), &Value::Null),
        "{stored}"
    );
    assert_eq!(agent.document(3).await.version, 3);
}

async fn a_database_that_was_set_back_goes_on_under_a_later_version() {
    let world = World::new().await;
    let mut settings = bare(&world).await;
    for days in 1..4 {
        settings["ring_age_seconds"] = json!(days * 24 * 3600);
        assert_eq!(put(&world, &settings).await.0, 200);
    }
    published(&world).await;
    let tenant = world.tenant;
    let gone =
        |tx: &mut quell_store::Tx<'_>| tx.execute("DELETE FROM protection WHERE version > 2", &[]).map(drop);
    world.store.write(gone).await.unwrap();
    let directory = world.stop().await;
    let world = World::at(directory).await;
    settings["ring_age_seconds"] = json!(9 * 24 * 3600);
    let (_, stored) = put(&world, &settings).await;
    assert!(
        stored["published"] == json!(true) && stored["version"].as_i64().unwrap() > 1_000_000,
        "{stored}"
    );
    assert_eq!(stored["settings"]["ring_age_seconds"], settings["ring_age_seconds"]);
    let mut agent = Protected::new(&world).await;
    assert_eq!(agent.document(5).await.ring_age_s, 9 * 24 * 3600);
    let kept = world.store.read(move |tx| rows::changes(tx, tenant, 99)).await.unwrap();
    assert_eq!(kept.len(), 4, "{kept:?}");
}
