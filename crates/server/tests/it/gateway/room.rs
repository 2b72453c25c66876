//! An endpoint with more chains than are kept of one, and what costs time: bodies go, detections never.

use std::time::{Duration, Instant};

use quell_store::chain::{Chain, batch, rows};
use quell_store::{chain, incident};
use quell_wire::activity::{Activity, ChainUpdate, Deed, FileDeed, Severity};
use quell_wire::limits;
use uuid::Uuid;

use super::agent::{Agent, Session};
use super::chain::{answer, chain_of, hit, incidents, stored, update};
use super::rig::{Rig, now};

/// Chains that are kept whole of one endpoint.
const KEPT: i64 = 5_000;

/// Lays as many chains into the database as are kept: the first hundred of an open incident, the next of a closed one.
async fn filled(rig: &Rig, endpoint: Uuid, (open, closed): (Uuid, Uuid)) {
    let tenant = rig.tenant;
    let lay = move |tx: &mut quell_store::Tx<'_>| {
        for number in 0..KEPT {
            let row = Chain {
                tenant_id: tenant,
                id: Uuid::now_v7(),
                endpoint_id: endpoint,
                name: format!("old-{number}"),
                incident_id: None,
                boot_id: "boot".to_owned(),
                root_pid: number,
                root_start: number,
                serial: 0,
                is_closed: false,
                opened_at: number + 1,
                updated_at: number + 1,
                processes: 0,
                activities: 0,
                detections: 1,
                bytes: 0,
                lost: 0,
                processes_beyond: 0,
                activities_beyond: 0,
                dropped: 0,
                begins_late: false,
                vanished_files: 0,
            };
            chain::insert(tx, &row)?;
            let of = [open, closed][usize::from((100..200).contains(&number))];
            let activity = rows::Activity {
                chain_id: row.id,
                activity: 1,
                at: 1,
                kind: "start".to_owned(),
                pid: 1,
                start: 1,
                received_at: 1,
                body: vec![1],
            };
            batch::put_activities(tx, tenant, row.id, &[activity], 1)?;
            let whole =
                Chain { serial: 1, is_closed: true, incident_id: Some(of), activities: 1, bytes: 9, ..row };
            chain::update(tx, &whole)?;
        }
        Ok(())
    };
    rig.write(lay).await;
}

#[tokio::test]
async fn where_no_room_is_left_older_bodies_go_and_what_is_detected_stays() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    // Two incidents that have nothing in common, one of them closed.
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        stored(&mut session, alone(name, ids.len() as u32)).await;
        ids.push(incidents(&rig).await.last().unwrap().id);
    }
    let mut row = incidents(&rig).await.pop().unwrap();
    (row.state, row.resolution) = ("closed".to_owned(), Some("benign".to_owned()));
    row.closed_at = Some(now());
    rig.write(move |tx| incident::change(tx, &row)).await;
    filled(&rig, agent.id(), (ids[0], ids[1])).await;
    for number in 0..3 {
        let name = format!("new-{number}");
        assert_eq!(stored(&mut session, alone(&name, 10 + number)).await, answer(&name, 1, false));
    }
    let all = incidents(&rig).await;
    assert_eq!(all.iter().map(|row| row.detections).sum::<i64>(), 5, "all that was detected is there");
    assert_eq!(all.len(), 5);
    let (tenant, id) = (rig.tenant, agent.id());
    let held = rig.read(move |tx| chain::held(tx, tenant, id)).await;
    assert!(held.chains <= KEPT, "{held:?}");
    for (name, is_kept) in [("old-0", true), ("old-100", false), ("old-140", false), ("old-4999", true)] {
        let row = chain_of(&rig, agent.id(), name).await.unwrap();
        let id = row.id;
        let body = rig.read(move |tx| rows::activities(tx, tenant, id, 10)).await;
        assert_eq!((row.bytes > 0, !body.is_empty(), row.dropped), (is_kept, is_kept, i64::from(!is_kept)));
        assert_eq!(row.detections, 1);
    }
    // A person is told, once.
    let alarm = rig.endpoint(agent.id()).await.alarm.unwrap();
    assert!(alarm.contains("more came of its chains than is kept"), "{alarm}");
    assert_eq!(rig.audited("endpoint.chains_given_up", "ok").await, 1);
}

/// A chain that has nothing in common with any other.
fn alone(name: &str, number: u32) -> ChainUpdate {
    let mut one = update(name, 1);
    let pids = [1000 + 2 * number, 1001 + 2 * number];
    let path = format!("/tmp/p{number}").into_bytes();
    let sha256 = quell_wire::digest::sha256(&[&number.to_be_bytes()]).to_vec();
    for (process, pid) in one.processes.iter_mut().zip(pids) {
        (process.key.pid, process.uid, process.user) = (pid, number, format!("u{number}"));
        process.image.sha256.clone_from(&sha256);
    }
    one.root = one.processes[0].key;
    one.processes[1].parent = Some(one.root);
    one.processes[1].image.path.clone_from(&path);
    let image = one.processes[1].image.clone();
    let file = FileDeed { path, sha256, mode: 0o100_755, ..FileDeed::default() };
    let deeds = [Deed::FileCreate(file), Deed::Start(image)];
    for ((activity, process), deed) in one.activities.iter_mut().zip(&one.processes).zip(deeds) {
        (activity.process, activity.deed) = (process.key, Some(deed));
    }
    one.detections = vec![hit(&format!("h-{name}"), 1, Severity::Medium)];
    one
}

/// An incident that a flood joins takes no more chains than one may have.
#[tokio::test]
async fn a_flood_fills_one_incident_after_the_other_and_none_beyond_its_bound() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let count = 260;
    for number in 0..count {
        assert_eq!(stored(&mut session, alone(&format!("c{number}"), number)).await.serial, 1);
    }
    let made = incidents(&rig).await;
    let (tenant, mut chains) = (rig.tenant, Vec::new());
    for row in &made {
        let id = row.id;
        chains.push(rig.read(move |tx| chain::count_of(tx, tenant, id)).await);
    }
    assert_eq!(chains.iter().sum::<i64>(), i64::from(count));
    assert_eq!((made.len(), chains.iter().max()), (31, Some(&200)), "{chains:?}");
    assert_eq!(made.iter().map(|row| row.detections).sum::<i64>(), i64::from(count));
}

async fn filled_chain(session: &mut Session, events: u64) -> u64 {
    let (mut serial, mut number) = (1, 10);
    while number < events {
        serial += 1;
        let mut more = ChainUpdate { detections: Vec::new(), ..update("c", serial) };
        more.activities = (number..number + limits::UPDATE_ACTIVITIES as u64)
            .map(|id| {
                let file = FileDeed { path: format!("/tmp/f{id}").into_bytes(), ..FileDeed::default() };
                Activity { id, at_us: now(), process: more.root, deed: Some(Deed::FileWrite(file)) }
            })
            .collect();
        number += limits::UPDATE_ACTIVITIES as u64;
        assert_eq!(stored(session, more).await.serial, serial);
    }
    serial
}

/// Some bytes again and again, of what a rule hit in a long chain: they are not worth a look at the whole.
#[tokio::test]
async fn what_changes_nothing_costs_next_to_nothing() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let first = update("c", 1);
    stored(&mut session, first.clone()).await;
    let mut serial = filled_chain(&mut session, 4_000).await;
    let key = first.activities[1].clone();
    let mut time = async |activities: Vec<Activity>| {
        let began = Instant::now();
        for _ in 0..50 {
            serial += 1;
            let again = ChainUpdate {
                serial,
                processes: Vec::new(),
                activities: activities.clone(),
                detections: Vec::new(),
                ..first.clone()
            };
            assert_eq!(stored(&mut session, again).await.serial, serial);
        }
        began.elapsed() / 50
    };
    let (empty, same) = (time(Vec::new()).await, time(vec![key]).await);
    eprintln!("an update of nothing: {empty:?}; of a key event as it was: {same:?}");
    assert!(same < empty * 2 + Duration::from_millis(5), "{same:?} and {empty:?}");
}
