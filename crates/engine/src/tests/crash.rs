//! Death at every commit: a child process plays server and agent and dies right before or right after its
//! n-th commit; another takes up what it left, and nothing is lost and nothing is done twice.

use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use quell_store::endpoint;
use quell_wire::{Status, VerifiedOrder};
use serde_json::json;
use uuid::Uuid;

use super::world::{
    Agent, DAY, SECOND, TENANT, World, ann, cut, id_of, isolate, request, restored, terminate,
};
use crate::{CommandState, Error, Limits, Receipt, TaskRequest, TaskState};

const PATH: &str = "QUELL_ENGINE_TEST_PATH";
const DIE_AT: &str = "QUELL_ENGINE_TEST_DIE_AT";

/// Where a process may be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The closure ran, nothing is committed.
    BeforeCommit,
    /// It is committed, nobody was told.
    AfterCommit,
}

fn run_child(dir: &Path, die_at: u32) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--ignored", "--nocapture"])
        .env(PATH, dir)
        .env(DIE_AT, die_at.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn death_at_every_commit_loses_nothing_and_repeats_nothing() {
    let mut deaths = 0;
    for die_at in 1..200 {
        let dir = tempfile::tempdir().unwrap();
        let first = run_child(dir.path(), die_at);
        if first.success() {
            break;
        }
        deaths += 1;
        assert_eq!(first.code(), None, "it died by its own hand at {die_at}, and not by a failed test");
        assert!(run_child(dir.path(), 0).success(), "what death {die_at} left could not be taken up");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(consistent(dir.path(), die_at));
    }
    assert!((25..200).contains(&deaths), "{deaths}");
}

/// Everything that was asked for came to its one end, and each order had at most one effect.
async fn consistent(dir: &Path, die_at: u32) {
    let world = World::open(dir, Limits::default(), 1_750_000_000 * SECOND + 90 * DAY).await;
    let tasks = world.all_tasks().await;
    let mut ends: Vec<(String, String)> =
        tasks.iter().map(|task| (task.action.clone(), task.state.clone())).collect();
    ends.sort();
    let expected = [
        ("endpoint.isolate", "succeeded"),
        ("endpoint.restore", "succeeded"),
        ("process.terminate", "canceled"),
        ("process.terminate", "expired"),
    ];
    assert_eq!(ends, expected.map(|(action, state)| (action.to_owned(), state.to_owned())), "death {die_at}");
    let journal = Journal::read(&dir.join("journal"));
    for task in &tasks {
        assert_eq!(task.open_count, 0);
        for command in world.commands(task.id).await {
            let effects = journal.effects.get(&command.id).copied().unwrap_or(0);
            let state = CommandState::parse(&command.state).unwrap();
            let most = u32::from(matches!(state, CommandState::Succeeded));
            assert!(
                effects == most || state == CommandState::Canceled && effects <= 1,
                "{state:?} with {effects} effects"
            );
            assert_eq!(TaskState::parse(&task.state), state.end());
        }
        let trail = world.trail(task.id).await;
        let count = |wanted: &str| trail.iter().filter(|(verb, _)| verb == wanted).count();
        let made = if task.undo_of.is_some() { "task.undo" } else { "task.submit" };
        assert_eq!(count(made), 1, "one audit record for one task");
        assert_eq!(
            count("task.end"),
            usize::from(task.state != "succeeded"),
            "one for an end that went not well"
        );
    }
    let agents = world.read(|tx| endpoint::active_ids(tx, TENANT, 10)).await;
    for id in agents {
        let row = world.read(move |tx| endpoint::get(tx, TENANT, id)).await.unwrap();
        assert_eq!(row.isolation, None);
    }
}

#[test]
#[ignore = "run by death_at_every_commit_loses_nothing_and_repeats_nothing"]
fn child() {
    let dir = PathBuf::from(std::env::var(PATH).unwrap());
    let die_at: u32 = std::env::var(DIE_AT).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        // Whoever takes up what a dead one left comes later.
        let later = if die_at == 0 { 600 * SECOND } else { 0 };
        let world = World::open(&dir, Limits::default(), 1_750_000_000 * SECOND + later).await;
        let agents = [restored_agent(&world, &dir, 1).await, restored_agent(&world, &dir, 2).await];
        let count = AtomicU32::new(0);
        let hook = move |_: Moment| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == die_at {
                std::process::abort();
            }
        };
        assert!(world.engine.inner.commit_hook.set(Arc::new(hook)).is_ok());
        play(&world, &dir, &agents).await;
    });
}

/// An agent whose identity is in the directory.
async fn restored_agent(world: &World, dir: &Path, number: u128) -> Agent {
    let path = dir.join(format!("agent-{number}.key"));
    let key = std::fs::read(&path).unwrap_or_else(|_| {
        let key = quell_wire::SigningKey::generate().unwrap();
        std::fs::write(&path, &key).unwrap();
        key
    });
    let id = Uuid::from_u128(number);
    if world.read(move |tx| endpoint::get(tx, TENANT, id)).await.is_none() {
        return world.enrol(&format!("host-{number}"), id, key).await;
    }
    let trust = quell_wire::Trust::pinned(crate::Signer::key_set(&*world.signer)).unwrap();
    Agent { id, key: quell_wire::SigningKey::from_pkcs8(&key).unwrap(), trust }
}

/// Asks for four things and carries them out. May be played again from the beginning after any death.
async fn play(world: &World, dir: &Path, agents: &[Agent; 2]) {
    let [a, b] = agents;
    let keyed =
        |key: &str, asked: TaskRequest| TaskRequest { idempotency_key: Some(key.to_owned()), ..asked };
    let cut_off = world.submit(keyed("cut", isolate(&[a]))).await.task_id;
    serve(world, dir, a).await;
    let stop = world.submit(keyed("stop", terminate(&[a, b]))).await.task_id;
    serve(world, dir, a).await;
    match world.engine.cancel(&ann(), TENANT, stop).await {
        Ok(_) | Err(Error::State(_)) => {}
        Err(error) => panic!("{error}"),
    }
    serve(world, dir, a).await;
    match world.engine.undo(&ann(), TENANT, cut_off, "over").await {
        Ok(_) | Err(Error::Undone(_)) => {}
        Err(error) => panic!("{error}"),
    }
    serve(world, dir, a).await;
    let mut late = request("process.terminate", json!({ "path": "/usr/bin/x" }), &[b]);
    late.expires_in = Some(Duration::from_mins(1));
    world.submit(keyed("late", late)).await;
    world.pass(DAY);
    world.engine.tick().await.unwrap();
    assert!(world.all_tasks().await.iter().all(|task| task.open_count == 0));
}

/// What an agent keeps on its disk.
#[derive(Default)]
struct Journal {
    begun: HashSet<Uuid>,
    acknowledged: HashSet<Uuid>,
    effects: HashMap<Uuid, u32>,
}

impl Journal {
    fn read(path: &Path) -> Self {
        let mut journal = Self::default();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let (what, id) = line.split_once(' ').unwrap();
            let id = id.parse().unwrap();
            match what {
                "begun" => drop(journal.begun.insert(id)),
                "acknowledged" => drop(journal.acknowledged.insert(id)),
                "effect" => *journal.effects.entry(id).or_default() += 1,
                other => panic!("{other}"),
            }
        }
        journal
    }

    fn write(path: &Path, what: &str, id: Uuid) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{what} {id}").unwrap();
        file.sync_all().unwrap();
    }
}

/// One session of an agent: says what it holds, takes what it is given, carries it out, answers. Ending a
/// process takes for ever here, so that there is something to cancel.
async fn serve(world: &World, dir: &Path, agent: &Agent) {
    let path = dir.join("journal");
    let known = Journal::read(&path);
    let held: Vec<Uuid> = known.begun.difference(&known.acknowledged).copied().collect();
    let resumed = world.engine.resume(TENANT, agent.id, &held).await.unwrap();
    let work = world.engine.lease(TENANT, agent.id, 10).await.unwrap();
    let cancels: HashSet<Uuid> = resumed.cancels.iter().chain(&work.cancels).copied().collect();
    for signed in resumed.orders.iter().chain(&work.orders) {
        let order = agent.check(signed, world.now());
        let id = id_of(&order);
        if Journal::read(&path).begun.contains(&id) {
            assert!(
                !order.order().secrets.is_empty(),
                "given again although it was named as held, and not for its secrets"
            );
            continue;
        }
        std::fs::write(dir.join(format!("{id}.order")), prost::Message::encode_to_vec(signed)).unwrap();
        Journal::write(&path, "begun", id);
    }
    let journal = Journal::read(&path);
    for id in journal.begun.difference(&journal.acknowledged) {
        let bytes = std::fs::read(dir.join(format!("{id}.order"))).unwrap();
        let signed: quell_wire::SignedOrder = prost::Message::decode(bytes.as_slice()).unwrap();
        let order = agent.check(&signed, world.now());
        world.engine.started(TENANT, agent.id, *id).await.unwrap();
        let canceled = cancels.contains(id);
        if canceled || order.intent().action != "process.terminate" {
            answer(world, agent, &path, &order, canceled, &journal).await;
        }
    }
}

async fn answer(
    world: &World,
    agent: &Agent,
    path: &Path,
    order: &VerifiedOrder,
    canceled: bool,
    journal: &Journal,
) {
    let id = id_of(order);
    let signed = match order.intent().action.as_str() {
        _ if canceled => agent.says(order, Status::Canceled, "canceled", ""),
        "endpoint.restore" => agent.done(order, restored()),
        _ => agent.done(order, cut()),
    };
    if !canceled && !journal.effects.contains_key(&id) {
        Journal::write(path, "effect", id);
    }
    let receipt = world.outcome(agent, &signed).await;
    assert!(matches!(receipt, Receipt::Stored(_) | Receipt::Again), "{receipt:?}");
    Journal::write(path, "acknowledged", id);
}
