//! Which incident a chain belongs to: what comes after the last rule hit, what shows a moment too late, what a person asks for
//! and what other products told.

use quell_store::{detection, incident};
use quell_wire::activity::{
    Activity, ChainUpdate, Deed, Detection, FileDeed, Image, Process, ProcessKey, Severity, Source,
};
use uuid::Uuid;

use super::agent::Agent;
use super::chain::{answer, chain_of, hit, incidents, stored, update};
use super::rig::{Rig, now};

/// A chain of root's, below cron: `sh -c` and what that runs, which a rule hit.
fn by_cron(chain: &str, program: &Image) -> ChainUpdate {
    let (shell, run) = (ProcessKey { pid: 900, start: 90_000 }, ProcessKey { pid: 901, start: 90_100 });
    let sh = Image {
        path: b"/usr/bin/dash".to_vec(),
        arguments: vec![b"sh".to_vec(), b"-c".to_vec(), program.path.clone()],
        sha256: vec![0xda; 32],
        package: "dash 0.5.12-2".to_owned(),
        ..Image::default()
    };
    let process = |key, parent, image: &Image| Process {
        key,
        parent,
        image: image.clone(),
        user: "root".to_owned(),
        started_at_us: now(),
        ..Process::default()
    };
    let start = |id, key, image: &Image| Activity {
        id,
        at_us: now(),
        process: key,
        deed: Some(Deed::Start(image.clone())),
    };
    ChainUpdate {
        chain_id: chain.to_owned(),
        serial: 1,
        boot_id: "boot".to_owned(),
        root: shell,
        processes: vec![process(shell, None, &sh), process(run, Some(shell), program)],
        activities: vec![start(50, shell, &sh), start(51, run, program)],
        detections: vec![Detection {
            title: "Job of cron".to_owned(),
            ..hit(&format!("{chain}-hit"), 50, Severity::Medium)
        }],
        ..ChainUpdate::default()
    }
}

/// The one detection that a chain of this agent has, as it is kept.
async fn only_hit(rig: &Rig, agent: &Agent, chain: &'static str) -> detection::Detection {
    let (tenant, chain) = (rig.tenant, chain_of(rig, agent.id(), chain).await.unwrap().id);
    let mut found = rig.read(move |tx| detection::of_chain(tx, tenant, chain, 10)).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What an intruder leaves behind after the last rule hit, and cron runs: another tree, of another user.
#[tokio::test]
async fn what_is_left_behind_and_run_later_is_of_the_same_incident() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let mut first = update("c", 1);
    let dropped = first.processes[1].key;
    assert_eq!(stored(&mut session, std::mem::take(&mut first)).await, answer("c", 1, false));
    let file = FileDeed {
        path: b"/usr/local/lib/.update".to_vec(),
        sha256: vec![0x44; 32],
        mode: 0o100_755,
        ..FileDeed::default()
    };
    let left = ChainUpdate {
        activities: vec![Activity {
            id: 3,
            at_us: now(),
            process: dropped,
            deed: Some(Deed::FileCreate(file)),
        }],
        detections: Vec::new(),
        ..update("c", 2)
    };
    assert_eq!(stored(&mut session, left).await, answer("c", 2, false));
    let program =
        Image { path: b"/usr/local/lib/.update".to_vec(), sha256: vec![0x44; 32], ..Image::default() };
    assert_eq!(stored(&mut session, by_cron("cron", &program)).await, answer("cron", 1, false));
    let all = incidents(&rig).await;
    assert_eq!((all.len(), all[0].detections), (1, 2), "{all:?}");
    let joined = only_hit(&rig, &agent, "cron").await.joined.unwrap_or_default();
    assert!(
        joined.starts_with("the same content was met before: /usr/local/lib/.update (SHA-256 444444444444…)"),
        "{joined}"
    );
    // Another program that cron runs is another matter.
    let mut other = by_cron(
        "other",
        &Image { path: b"/opt/backup".to_vec(), sha256: vec![0x55; 32], ..Image::default() },
    );
    for process in &mut other.processes {
        process.key.start += 7;
    }
    for activity in &mut other.activities {
        activity.process.start += 7;
    }
    other.processes[1].parent = Some(other.processes[0].key);
    other.root = other.processes[0].key;
    stored(&mut session, other).await;
    assert_eq!(incidents(&rig).await.len(), 2);
}

/// A detection goes ahead of the events around it: what it belongs to may show a moment after it made an incident.
#[tokio::test]
async fn what_turns_out_to_be_of_an_older_incident_becomes_a_part_of_it() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    stored(&mut session, update("c", 1)).await;
    let program = Image { path: b"/tmp/x".to_vec(), sha256: vec![7; 32], ..Image::default() };
    let halves = |chain: &str| {
        let (mut ahead, mut rest) = (by_cron(chain, &program), by_cron(chain, &program));
        (ahead.activities, ahead.processes) = (ahead.activities[..1].to_vec(), ahead.processes[..1].to_vec());
        (rest.serial, rest.activities) = (2, rest.activities[1..].to_vec());
        rest.detections.clear();
        (ahead, rest)
    };
    let (ahead, rest) = halves("cron");
    stored(&mut session, ahead).await;
    let states = async || {
        let all = incidents(&rig).await;
        all.into_iter().map(|row| (row.state, row.detections, row.merged_into)).collect::<Vec<_>>()
    };
    let first = incidents(&rig).await[0].id;
    assert_eq!(states().await, [("open".to_owned(), 1, None), ("open".to_owned(), 1, None)]);
    stored(&mut session, rest).await;
    assert_eq!(states().await, [("open".to_owned(), 2, None), ("closed".to_owned(), 0, Some(first))]);
    let found = only_hit(&rig, &agent, "cron").await;
    assert_eq!(found.incident_id, Some(first));
    assert!(found.joined.as_deref().unwrap_or_default().contains("the same content"), "{:?}", found.joined);
    assert_eq!(
        (rig.audited("incident.merge", "ok").await, rig.audited("incident.close", "ok").await),
        (1, 1)
    );
    assert_eq!(chain_of(&rig, agent.id(), "cron").await.unwrap().incident_id, Some(first));
    // It goes on there.
    let mut more = by_cron("cron", &program);
    (more.serial, more.detections[0].id) = (3, "again".to_owned());
    assert_eq!(stored(&mut session, more).await, answer("cron", 3, false));
    assert_eq!(states().await[0].1, 3);
}

/// Where somebody works on an incident already, it stays theirs.
#[tokio::test]
async fn an_incident_that_somebody_works_on_is_not_taken_away() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    stored(&mut session, update("c", 1)).await;
    let program = Image { path: b"/tmp/x".to_vec(), sha256: vec![7; 32], ..Image::default() };
    let mut ahead = by_cron("cron", &program);
    (ahead.activities, ahead.processes) = (ahead.activities[..1].to_vec(), ahead.processes[..1].to_vec());
    stored(&mut session, ahead).await;
    let mut own = incidents(&rig).await.remove(1);
    own.state = "in_progress".to_owned();
    rig.write(move |tx| incident::change(tx, &own)).await;
    let rest = ChainUpdate { serial: 2, detections: Vec::new(), ..by_cron("cron", &program) };
    stored(&mut session, rest).await;
    let states: Vec<String> = incidents(&rig).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["open", "in_progress"]);
}

fn asked(id: &str, activity: u64) -> Detection {
    Detection {
        rule: String::new(),
        title: "Asked for".to_owned(),
        source: Source::Asked.into(),
        techniques: Vec::new(),
        ..hit(id, activity, Severity::Informational)
    }
}

/// A chain that a person asks for is of the incident that has its process, and takes along what a product told of it.
#[tokio::test]
async fn a_chain_that_is_asked_for_is_of_what_is_known_already() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let image = |path: &str| Image { path: path.as_bytes().to_vec(), ..Image::default() };
    let mut first = update("c", 1);
    first.processes[1].image = image("/usr/bin/id");
    first.activities[1].deed = Some(Deed::Start(image("/usr/bin/id")));
    let process = first.processes[1].clone();
    stored(&mut session, ChainUpdate { closed: true, ..first }).await;
    // The same process in another chain, which has neither tree nor content in common with the first one.
    let lone = |chain: &str, process: &Process, path: &str| ChainUpdate {
        root: process.key,
        processes: vec![Process { parent: None, uid: 0, image: image(path), ..process.clone() }],
        activities: vec![Activity {
            id: 9,
            at_us: now(),
            process: process.key,
            deed: Some(Deed::Start(image(path))),
        }],
        detections: vec![asked(&format!("{chain}-asked"), 9)],
        ..update(chain, 1)
    };
    stored(&mut session, lone("asked", &process, "/usr/bin/id")).await;
    let all = incidents(&rig).await;
    assert_eq!((all.len(), all[0].detections), (1, 2), "{all:?}");
    let joined = only_hit(&rig, &agent, "asked").await.joined;
    assert_eq!(joined.as_deref(), Some("it goes through id (101), which is of a chain there"));
    // What a product told of a program of the system, and the chain that was asked for because of it.
    let told = product(&rig, agent.id(), "/usr/bin/nc", None);
    let (id, tenant) = (told.id, rig.tenant);
    rig.write(move |tx| detection::insert(tx, &told)).await;
    let mut stranger = process.clone();
    (stranger.key, stranger.user) = (ProcessKey { pid: 700, start: 70_000 }, "root".to_owned());
    stored(&mut session, lone("nc", &stranger, "/usr/bin/nc")).await;
    let all = incidents(&rig).await;
    assert_eq!((all.len(), all[1].detections, all[1].title.as_str()), (2, 2, "Chain asked for: nc on web-1"));
    let row = rig.read(move |tx| detection::get(tx, tenant, id)).await.unwrap();
    assert_eq!(row.incident_id, Some(all[1].id));
    assert_eq!(row.joined.as_deref(), Some("the chain was asked for because of it"));
    // Once that is known, the next chain that is asked for because of the record goes there too.
    stranger.key = ProcessKey { pid: 800, start: 80_000 };
    stored(&mut session, lone("again", &stranger, "/usr/bin/nc")).await;
    assert_eq!(incidents(&rig).await.len(), 2);
    let joined = only_hit(&rig, &agent, "again").await.joined;
    assert_eq!(joined.as_deref(), Some("falco told of it: the chain was asked for because of it"));
}

/// What a product told before an agent of ours detected the same content.
#[tokio::test]
async fn what_a_product_told_before_is_of_the_incident_of_the_same_file() {
    let rig = Rig::start().await;
    let (agent, other) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let (mut session, tenant) = (agent.session().await, rig.tenant);
    let told = [
        product(&rig, agent.id(), "/tmp/x", None),
        product(&rig, agent.id(), "/tmp/y", None),
        product(&rig, other.id(), "/tmp/x", None),
        product(&rig, agent.id(), "/elsewhere", Some(7)),
    ];
    let ids = told.clone().map(|row| row.id);
    rig.write(move |tx| told.iter().try_for_each(|row| detection::insert(tx, row).map(drop))).await;
    stored(&mut session, update("c", 1)).await;
    let made = incidents(&rig).await.remove(0);
    assert_eq!((made.detections, made.severity), (3, 4), "a product's word makes it no worse");
    let mut joined = Vec::new();
    for id in ids {
        joined.push(rig.read(move |tx| detection::get(tx, tenant, id)).await.unwrap().incident_id.is_some());
    }
    assert_eq!(joined, [true, false, false, true]);
}

/// A record of a product that names an endpoint and a file, and belongs to nothing yet.
fn product(rig: &Rig, endpoint: Uuid, path: &str, content: Option<u8>) -> detection::Detection {
    detection::Detection {
        tenant_id: rig.tenant,
        id: Uuid::now_v7(),
        incident_id: None,
        origin: detection::OF_PRODUCT.to_owned(),
        source: "falco".to_owned(),
        source_id: Uuid::now_v7().to_string(),
        endpoint_id: Some(endpoint),
        hint: None,
        chain_id: None,
        activity: None,
        at: now(),
        told_at: now(),
        received_at: now(),
        rule: "r".to_owned(),
        title: "Unexpected program".to_owned(),
        severity: 5,
        verdict: None,
        techniques: "[]".to_owned(),
        note: String::new(),
        path: Some(path.as_bytes().to_vec()),
        sha256: content.map(|byte| vec![byte; 32]),
        user_name: None,
        protection: 0,
        joined: None,
        body: None,
        search: "unexpected program".to_owned(),
    }
}
