//! Threat development chains: stored once and in their turn, joined to incidents, and bounded whatever an agent sends.

use std::time::{Duration, Instant};

use quell_store::incident::Incident;
use quell_store::{chain, detection, incident};
use quell_wire::activity::{
    Activity, ChainStored, ChainUpdate, Deed, Detection, FileDeed, Gaps, Image, Process, ProcessKey,
    Severity, Source, Verdict,
};
use quell_wire::frame::{FromAgent, FromServer};
use quell_wire::limits;
use uuid::Uuid;

use super::agent::{Agent, Session};
use super::rig::{Rig, now, until};

/// A shell of somebody who logged in, which made a program and ran it.
pub fn update(chain: &str, serial: u64) -> ChainUpdate {
    let (shell, dropped) = (ProcessKey { pid: 100, start: 1000 }, ProcessKey { pid: 101, start: 2000 });
    let at = now();
    let image = |path: &str, hash: u8| Image {
        path: path.as_bytes().to_vec(),
        arguments: vec![path.as_bytes().to_vec()],
        sha256: vec![hash; 32],
        ..Image::default()
    };
    let process = |key, parent, image: Image| Process {
        key,
        parent,
        image,
        uid: 1000,
        user: "mallory".to_owned(),
        started_at_us: at,
        ..Process::default()
    };
    let file =
        FileDeed { path: b"/tmp/x".to_vec(), sha256: vec![7; 32], mode: 0o100_755, ..FileDeed::default() };
    ChainUpdate {
        chain_id: chain.to_owned(),
        serial,
        boot_id: "boot".to_owned(),
        root: shell,
        processes: vec![
            process(shell, None, image("/bin/bash", 1)),
            process(dropped, Some(shell), image("/tmp/x", 7)),
        ],
        activities: vec![
            Activity { id: 1, at_us: at, process: shell, deed: Some(Deed::FileCreate(file)) },
            Activity { id: 2, at_us: at + 1, process: dropped, deed: Some(Deed::Start(image("/tmp/x", 7))) },
        ],
        detections: vec![hit("hit-1", 2, Severity::High)],
        ..ChainUpdate::default()
    }
}

pub fn hit(id: &str, activity: u64, severity: Severity) -> Detection {
    Detection {
        id: id.to_owned(),
        at_us: now(),
        activity,
        source: Source::Behaviour.into(),
        rule: "3f6f0f9a-5f5f-4b6a-9c57-0b6f0f9a5f5f".to_owned(),
        title: "Program run from a world-writable directory".to_owned(),
        severity: severity.into(),
        techniques: vec!["T1059.004".to_owned()],
        verdict: Verdict::Detected.into(),
        ..Detection::default()
    }
}

pub(super) async fn stored(session: &mut Session, update: ChainUpdate) -> ChainStored {
    session.say(FromAgent::Chain(update)).await;
    acknowledged(session).await
}

async fn acknowledged(session: &mut Session) -> ChainStored {
    match session.hear().await {
        Some(FromServer::ChainStored(stored)) => stored,
        other => panic!("{other:?}"),
    }
}

pub(super) fn answer(chain: &str, serial: u64, close: bool) -> ChainStored {
    ChainStored { chain_id: chain.to_owned(), serial, close }
}

pub(super) async fn incidents(rig: &Rig) -> Vec<Incident> {
    let tenant = rig.tenant;
    let all = incident::list::Filter::default();
    rig.read(move |tx| incident::list::list(tx, tenant, &all, (incident::list::By::Number, true), None, 1000))
        .await
        .0
}

pub(super) async fn chain_of(rig: &Rig, endpoint: Uuid, name: &'static str) -> Option<chain::Chain> {
    let tenant = rig.tenant;
    rig.read(move |tx| chain::by_name(tx, tenant, endpoint, name)).await
}

#[tokio::test]
async fn a_chain_becomes_an_incident_and_grows() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let (tenant, mut news) = (rig.tenant, rig.engine.changes().watch(rig.tenant));
    assert_eq!(stored(&mut session, update("c", 1)).await, answer("c", 1, false));
    let made = incidents(&rig).await.remove(0);
    assert_eq!((made.number, made.severity, made.detections, made.state.as_str()), (1, 4, 1, "open"));
    assert_eq!(made.title, "Program run from a world-writable directory: x on web-1");
    assert_eq!(rig.audited("incident.create", "ok").await, 1);
    let mut told = Vec::new();
    while told.len() < 2 {
        match news.next().await {
            Some(quell_engine::Heard::Change(quell_engine::Change::Incident { number, .. })) => {
                told.push(number);
            }
            Some(quell_engine::Heard::Change(quell_engine::Change::Detection { severity, .. })) => {
                told.push(severity);
            }
            Some(_) => {}
            None => panic!("no news"),
        }
    }
    assert_eq!(told, [1, 4], "the incident, then what was detected");
    let id = made.id;
    let found = rig.read(move |tx| detection::of_incident(tx, tenant, id, 10)).await.remove(0);
    assert_eq!((found.path.as_deref(), found.sha256.as_deref()), (Some(&b"/tmp/x"[..]), Some(&[7; 32][..])));
    assert_eq!((found.user_name.as_deref(), found.source.as_str()), (Some("mallory"), "behaviour"));
    assert_eq!(found.source_id, format!("{}/hit-1", agent.id()));
    // A repeat is acknowledged and changes nothing; a gap is refused, and the chain goes on.
    assert_eq!(stored(&mut session, update("c", 1)).await, answer("c", 1, false));
    assert_eq!(stored(&mut session, update("c", 3)).await, answer("c", 1, false));
    assert_eq!(stored(&mut session, update("unknown", 5)).await, answer("unknown", 0, false));
    let mut second = update("c", 2);
    second.detections = vec![hit("hit-1", 2, Severity::High), hit("hit-2", 1, Severity::Critical)];
    second.gaps = Gaps { lost: 9, begins_late: true, vanished_files: 2, ..Gaps::default() };
    assert_eq!(stored(&mut session, second).await, answer("c", 2, false));
    let grown = incidents(&rig).await;
    assert_eq!((grown.len(), grown[0].severity, grown[0].detections), (1, 5, 2), "a detection counts once");
    let row = chain_of(&rig, agent.id(), "c").await.unwrap();
    assert_eq!((row.serial, row.processes, row.activities, row.detections), (2, 2, 2, 2));
    assert_eq!(
        (row.lost, row.vanished_files, row.begins_late, row.dropped, row.is_closed),
        (9, 2, true, 0, false)
    );
    // The last update; after it nothing is wanted.
    assert_eq!(
        stored(&mut session, ChainUpdate { closed: true, ..update("c", 3) }).await,
        answer("c", 3, true)
    );
    assert_eq!(stored(&mut session, update("c", 4)).await, answer("c", 4, true));
}

#[tokio::test]
async fn what_belongs_together_joins_one_incident_across_endpoints() {
    let rig = Rig::start().await;
    let (one, other) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let (mut first, mut second) = (one.session().await, other.session().await);
    stored(&mut first, update("c", 1)).await;
    // The same program elsewhere, and a chain that has nothing to do with it.
    stored(&mut second, update("c", 1)).await;
    let mut apart = update("d", 1);
    let key = ProcessKey { pid: 700, start: 70_000 };
    apart.root = key;
    apart.processes = vec![Process {
        key,
        image: Image { path: b"/opt/y".to_vec(), sha256: vec![9; 32], ..Image::default() },
        user: "nobody".to_owned(),
        uid: 65_534,
        started_at_us: now(),
        ..Process::default()
    }];
    apart.activities = vec![Activity {
        id: 9,
        at_us: now(),
        process: key,
        deed: Some(Deed::Start(apart.processes[0].image.clone())),
    }];
    apart.detections = vec![hit("hit-9", 9, Severity::Low)];
    stored(&mut second, apart).await;
    let all = incidents(&rig).await;
    assert_eq!(all.iter().map(|row| row.detections).collect::<Vec<_>>(), [2, 1]);
    let (tenant, id) = (rig.tenant, all[0].id);
    let found = rig.read(move |tx| detection::of_incident(tx, tenant, id, 10)).await;
    assert!(found[0].joined.is_none());
    assert!(found[1].joined.as_deref().unwrap().contains("the same content"), "{:?}", found[1].joined);
    assert_eq!(rig.audited("incident.create", "ok").await, 2);
}

#[tokio::test]
async fn agents_do_not_reach_each_others_chains_and_lie_about_no_time() {
    let rig = Rig::start().await;
    let (one, other) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let (mut first, mut second) = (one.session().await, other.session().await);
    stored(&mut first, update("c", 1)).await;
    // The other one goes on with a chain of this name: it is its own, and begins at 1.
    assert_eq!(stored(&mut second, update("c", 2)).await, answer("c", 0, false));
    let mut lies = update("c", 1);
    for activity in &mut lies.activities {
        activity.at_us = i64::MAX;
    }
    lies.processes[1].parent = Some(lies.processes[1].key);
    lies.processes[0].parent = Some(lies.processes[1].key);
    lies.detections[0].at_us = 0;
    assert_eq!(stored(&mut second, lies).await, answer("c", 1, false));
    let mine = chain_of(&rig, one.id(), "c").await.unwrap();
    let theirs = chain_of(&rig, other.id(), "c").await.unwrap();
    assert_ne!(mine.id, theirs.id);
    assert_eq!((mine.serial, theirs.serial), (1, 1));
    let (tenant, id) = (rig.tenant, theirs.id);
    let rows = rig.read(move |tx| chain::rows::activities(tx, tenant, id, 10)).await;
    assert!(rows.iter().all(|row| row.at <= now() + limits::CLOCK_SKEW_US), "{rows:?}");
    let found = rig.read(move |tx| detection::of_chain(tx, tenant, id, 10)).await.remove(0);
    assert!(found.told_at == 0 && found.at > now() - 91 * 86_400_000_000, "{found:?}");
}

#[tokio::test]
async fn what_is_malformed_is_sent_away() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    for spoil in [
        |update: &mut ChainUpdate| update.chain_id = "a b".to_owned(),
        |update: &mut ChainUpdate| update.serial = 0,
        |update: &mut ChainUpdate| update.activities[0].deed = None,
        |update: &mut ChainUpdate| update.processes[0].image.path = vec![b'a'; limits::PATH + 1],
        |update: &mut ChainUpdate| {
            update.detections = vec![hit("h", 1, Severity::Low); limits::UPDATE_DETECTIONS + 1];
        },
    ] {
        until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
        let mut session = agent.session().await;
        let mut bad = update("c", 1);
        spoil(&mut bad);
        session.say(FromAgent::Chain(bad)).await;
        assert_eq!(session.goodbye().await, "limit");
    }
    assert!(incidents(&rig).await.is_empty());
}

#[tokio::test]
async fn a_thousand_chains_make_few_incidents_and_stay_bounded() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let count = 200;
    for number in 0..count {
        // Nothing in common: each of its own root, program, user and hash.
        let mut one = update(&format!("c{number}"), 1);
        let key = ProcessKey { pid: 1000 + number, start: 1_000_000 + u64::from(number) };
        let image = Image {
            path: format!("/tmp/p{number}").into_bytes(),
            sha256: quell_wire::digest::sha256(&[&number.to_be_bytes()]).to_vec(),
            ..Image::default()
        };
        one.root = key;
        one.processes = vec![Process {
            key,
            image: image.clone(),
            user: format!("u{number}"),
            uid: number,
            started_at_us: now(),
            ..Process::default()
        }];
        one.activities = vec![Activity { id: 1, at_us: now(), process: key, deed: Some(Deed::Start(image)) }];
        one.detections = vec![hit(&format!("h{number}"), 1, Severity::Medium)];
        assert_eq!(stored(&mut session, one).await.serial, 1);
    }
    let made = incidents(&rig).await;
    assert_eq!(made.len(), 30, "what is beyond joins the newest");
    assert_eq!(made.iter().map(|row| row.detections).sum::<i64>(), i64::from(count));
    let (tenant, id) = (rig.tenant, agent.id());
    let mut open = 0;
    for number in 0..count {
        let name = format!("c{number}");
        let row = rig.read(move |tx| chain::by_name(tx, tenant, id, &name)).await.unwrap();
        open += i64::from(!row.is_closed);
    }
    assert_eq!(open, limits::OPEN_CHAINS as i64);
    // The chain that was silent for longest was closed: its agent is told when it goes on. What it detected is taken yet.
    let quiet = ChainUpdate { detections: Vec::new(), ..update("c0", 2) };
    assert_eq!(stored(&mut session, quiet).await, answer("c0", 2, true));
    assert_eq!(stored(&mut session, update("c0", 3)).await, answer("c0", 3, false));
}

#[tokio::test]
async fn one_chain_holds_no_more_than_its_limits() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    stored(&mut session, update("c", 1)).await;
    let (mut serial, mut number) = (1, 10_u64);
    let wanted = limits::CHAIN_ACTIVITIES as u64 + 300;
    while number < wanted {
        serial += 1;
        let mut more = update("c", serial);
        more.detections.clear();
        let key = more.root;
        more.activities = (0..limits::UPDATE_ACTIVITIES as u64)
            .map(|place| {
                let file = FileDeed { path: b"/tmp/flood".to_vec(), ..FileDeed::default() };
                Activity { id: number + place, at_us: now(), process: key, deed: Some(Deed::FileWrite(file)) }
            })
            .collect();
        number += limits::UPDATE_ACTIVITIES as u64;
        assert_eq!(stored(&mut session, more).await, answer("c", serial, false));
    }
    let row = chain_of(&rig, agent.id(), "c").await.unwrap();
    assert_eq!(row.activities, limits::CHAIN_ACTIVITIES as i64);
    assert!(row.dropped > 0, "what was beyond is counted: {}", row.dropped);
}

#[tokio::test]
async fn more_than_the_budget_waits_and_what_else_is_said_is_heard() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    stored(&mut session, update("c", 1)).await;
    let (began, mut serial, mut taken) = (Instant::now(), 1, 0_usize);
    // Half a MiB each, of one process again and again.
    let fat = |serial| {
        let mut more = update("c", serial);
        more.detections.clear();
        more.activities = (0..60)
            .map(|id| {
                let file = FileDeed {
                    path: vec![b'a'; limits::PATH],
                    from: vec![b'b'; limits::PATH],
                    ..FileDeed::default()
                };
                Activity { id: id + 10, at_us: now(), process: more.root, deed: Some(Deed::FileRename(file)) }
            })
            .collect();
        more
    };
    let refused = loop {
        serial += 1;
        session.say(FromAgent::Chain(fat(serial))).await;
        match tokio::time::timeout(Duration::from_secs(6), acknowledged(&mut session)).await {
            Ok(stored) => {
                assert_eq!(stored, answer("c", serial, false));
                taken += 1;
            }
            Err(_) => break true,
        }
        if began.elapsed() > Duration::from_mins(2) {
            break false;
        }
    };
    assert!(refused && (120..150).contains(&taken), "{taken} times half a MiB");
    let command = rig.submit(agent.id(), "process.list", serde_json::json!({})).await;
    assert!(!session.order().await.order.is_empty());
    assert_eq!(rig.command(command.id).await.state, "dispatched");
    // Seconds later there is room for what came too early, and it is taken without being sent once more.
    let stored =
        until(async || tokio::time::timeout(Duration::from_secs(9), acknowledged(&mut session)).await.ok());
    assert_eq!(stored.await, answer("c", serial, false));
}

/// From frame to acknowledgement, on an ordinary chain.
#[tokio::test]
async fn an_update_is_stored_far_within_a_second() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let mut times = Vec::new();
    for number in 0..60 {
        let mut one = update(&format!("c{number}"), 1);
        one.detections[0].id = format!("h{number}");
        let began = Instant::now();
        stored(&mut session, one).await;
        times.push(began.elapsed());
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("from frame to stored: median {median:?}, worst of {} {worst:?}", times.len());
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}
