//! The whole life of tasks that go well.

use std::time::Duration;

use prost::Message as _;
use quell_store::{command::Command, endpoint, library};
use quell_wire::{Outcome, Status};
use serde_json::json;
use uuid::Uuid;

use super::world::{DAY, SECOND, TENANT, World, ann, cut, id_of, isolate, request, restored, terminate};
use crate::{Change, CommandState, Error, Heard, Limits, Receipt, Targets};

#[tokio::test]
async fn an_isolation_from_request_to_verified_end() {
    let world = World::new().await;
    let agent = world.agent("web-1").await;
    let mut news = world.engine.changes().watch(TENANT);
    let bell = world.engine.bell().listen(TENANT, agent.id);
    let task = world.submit(isolate(&[&agent])).await;
    bell.rung().await;
    let orders = world.lease(&agent).await;
    assert_eq!(orders[0].intent().action, "endpoint.isolate");
    assert_eq!(orders[0].intent().task_id, task.task_id.to_string());
    assert!(orders[0].secret("release_code").is_some());
    assert!(world.lease(&agent).await.is_empty(), "handed over once");
    let id = id_of(&orders[0]);
    assert!(world.engine.started(TENANT, agent.id, id).await.unwrap());
    assert!(!world.engine.started(TENANT, agent.id, id).await.unwrap());
    let done = agent.done(&orders[0], cut());
    assert_eq!(world.outcome(&agent, &done).await, Receipt::Stored(CommandState::Succeeded));
    assert_eq!(world.outcome(&agent, &done).await, Receipt::Again);
    let other = agent.says(&orders[0], Status::Failed, "changed_my_mind", "");
    assert_eq!(world.outcome(&agent, &other).await, Receipt::Late);

    let row = world.task(task.task_id).await;
    assert_eq!((row.state.as_str(), row.open_count, row.succeeded_count), ("succeeded", 0, 1));
    let command = &world.commands(task.task_id).await[0];
    assert_eq!(command.state, "succeeded");
    assert!(
        command.evidence.as_ref().unwrap().contains("198.51.100.7:443"),
        "the evidence names what was seen"
    );
    let id_ = agent.id;
    let endpoint = world.read(move |tx| endpoint::get(tx, TENANT, id_)).await.unwrap();
    assert!(endpoint.isolation.unwrap().contains(&task.task_id.to_string()));
    assert_eq!(world.trail(task.task_id).await, [("task.submit".to_owned(), "ok".to_owned())]);
    let outcomes: Vec<String> = world.trail(id).await.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["succeeded", "late"]);
    let mut states = Vec::new();
    while let Ok(Some(Heard::Change(change))) =
        tokio::time::timeout(Duration::from_millis(50), news.next()).await
    {
        match change {
            Change::Task { state, .. } => states.push(format!("task {state}")),
            Change::Command { state, .. } => states.push(state.to_owned()),
            Change::Progress { .. }
            | Change::Endpoint { .. }
            | Change::Approval { .. }
            | Change::BreakGlass { .. }
            | Change::Artifact { .. }
            | Change::Shell { .. }
            | Change::Incident { .. }
            | Change::Detection { .. } => {}
        }
    }
    assert_eq!(
        states,
        ["task queued", "dispatched", "task running", "running", "succeeded", "task succeeded"]
    );
}

/// Lets a service end the one command that waits, without a word before that it began; its row, and what was received.
async fn end_at_once(
    world: &World,
    status: Status,
    result: &str,
    passes: i64,
    started_at: impl Fn(i64) -> i64,
) -> (Command, Receipt) {
    let agent = world.agent(&Uuid::now_v7().to_string()).await;
    world.submit(isolate(&[&agent])).await;
    let orders = world.lease(&agent).await;
    let id = id_of(&orders[0]);
    let given = world.command(id).await;
    assert_eq!((given.state.as_str(), given.started_at), ("dispatched", None));
    let says = agent.says(&orders[0], status, "", result);
    let mut outcome = Outcome::decode(says.outcome.as_slice()).unwrap();
    outcome.started_at_us = started_at(given.dispatched_at.unwrap());
    world.pass(passes);
    let receipt = world.outcome(&agent, &agent.sign(&outcome)).await;
    (world.command(id).await, receipt)
}

#[tokio::test]
async fn what_ends_at_once_is_told_by_its_outcome_which_says_when_it_began() {
    let world = World::new().await;
    let cut = cut().to_string();
    let done =
        |passes: i64, started_at: fn(i64) -> i64| end_at_once(&world, Status::Done, &cut, passes, started_at);
    let (row, receipt) = done(60 * SECOND, |dispatched| dispatched + 7 * SECOND).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
    assert_eq!(row.state, "succeeded");
    let (dispatched, ended) = (row.dispatched_at.unwrap(), row.ended_at.unwrap());
    assert_eq!(row.started_at, Some(dispatched + 7 * SECOND));
    assert!(dispatched < row.started_at.unwrap() && row.started_at.unwrap() < ended);
    // Its clock is not believed beyond what can be.
    for early in [|_: i64| 1, |dispatched: i64| dispatched - DAY] {
        let (row, receipt) = done(60 * SECOND, early).await;
        assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
        assert_eq!(row.started_at, row.dispatched_at, "not before it was given");
    }
    for late in [|_: i64| i64::MAX, |dispatched: i64| dispatched + DAY] {
        let (row, receipt) = done(60 * SECOND, late).await;
        assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
        assert_eq!((row.started_at, row.ended_at), (row.outcome_at, row.outcome_at), "not after it was done");
    }
    // Nor is our own, which may have been set back since.
    let (row, _) = done(-3600 * SECOND, |dispatched| dispatched + SECOND).await;
    assert!(row.outcome_at < row.dispatched_at && row.started_at == row.outcome_at);
    world.consistent(true).await;
}

#[tokio::test]
async fn what_was_refused_never_began() {
    let world = World::new().await;
    for (status, end) in
        [(Status::Refused, CommandState::Refused), (Status::Canceled, CommandState::Canceled)]
    {
        let (row, receipt) = end_at_once(&world, status, "", SECOND, |_| 0).await;
        assert_eq!(receipt, Receipt::Stored(end));
        assert_eq!((row.state.as_str(), row.started_at), (end.as_str(), None));
        assert!(row.ended_at.is_some() && row.dispatched_at.is_some());
    }
    // What failed at once did begin.
    let (row, _) = end_at_once(&world, Status::Failed, "", SECOND, |dispatched| dispatched + 9).await;
    assert_eq!((row.state.as_str(), row.started_at), ("failed", row.dispatched_at.map(|at| at + 9)));
    world.consistent(true).await;
}

#[tokio::test]
async fn targets_are_pinned_when_the_task_is_made() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let (first, later) = (a.id, b.id);
    let tag = move |id: Uuid| {
        move |tx: &mut quell_store::Tx<'_>| {
            endpoint::set_tags(tx, TENANT, id, &["dmz".to_owned()], "[\"dmz\"]")
        }
    };
    world.write(tag(first)).await;
    let mut asked = terminate(&[]);
    (asked.targets, asked.confirm_count) = (Targets::Tag("dmz".to_owned()), Some(1));
    let task = world.submit(asked).await;
    world.write(tag(later)).await;
    assert_eq!(task.target_count, 1);
    assert!(world.lease(&b).await.is_empty());
    assert_eq!(world.lease(&a).await.len(), 1);
}

#[tokio::test]
async fn five_hundred_targets_each_prove_their_place() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for number in 0..500 {
        agents.push(world.agent(&format!("host-{number}")).await);
    }
    let mut asked = terminate(&[]);
    (asked.targets, asked.confirm_count) = (Targets::All, Some(500));
    let task = world.submit(asked).await;
    // The agent's own check verifies the inclusion proof against the intent's root.
    for agent in &agents {
        let orders = world.lease(agent).await;
        assert_eq!(orders.len(), 1);
        let failed = agent.says(&orders[0], Status::Refused, "not_here", "");
        assert_eq!(world.outcome(agent, &failed).await, Receipt::Stored(CommandState::Refused));
    }
    let row = world.task(task.task_id).await;
    assert_eq!((row.state.as_str(), row.open_count), ("refused", 0));
}

#[tokio::test]
async fn commands_that_exclude_each_other_go_one_at_a_time() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    world.submit(request("endpoint.restore", json!({}), &[&agent])).await;
    world.submit(terminate(&[&agent])).await;
    let bell = world.engine.bell().listen(TENANT, agent.id);
    let first = world.lease(&agent).await;
    let actions: Vec<&str> = first.iter().map(|order| order.intent().action.as_str()).collect();
    assert_eq!(actions, ["endpoint.isolate", "process.terminate"]);
    world.outcome(&agent, &agent.done(&first[0], cut())).await;
    bell.rung().await;
    let second = world.lease(&agent).await;
    assert_eq!(second[0].intent().action, "endpoint.restore");
}

#[tokio::test]
async fn an_endpoint_holds_a_bounded_number() {
    let limits = Limits { in_flight: 3, ..Limits::default() };
    let world = World::with(limits).await;
    let agent = world.agent("a").await;
    for _ in 0..5 {
        world.submit(terminate(&[&agent])).await;
    }
    let held = world.lease(&agent).await;
    assert_eq!(held.len(), 3);
    assert!(world.lease(&agent).await.is_empty());
    world.outcome(&agent, &agent.says(&held[0], Status::Failed, "x", "")).await;
    assert_eq!(world.lease(&agent).await.len(), 1);
}

#[tokio::test]
async fn a_task_is_taken_back_by_another() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let early = world.engine.undo(&ann(), TENANT, task, "mistake").await;
    assert!(matches!(early, Err(Error::State(_))), "while it is open it is canceled, not undone");
    world.carry_out(&agent, cut()).await;
    let undo = world.engine.undo(&ann(), TENANT, task, "mistake").await.unwrap().submitted;
    assert!(
        matches!(world.engine.undo(&ann(), TENANT, task, "again").await, Err(Error::Undone(by)) if by == undo.task_id)
    );
    let row = world.task(undo.task_id).await;
    assert_eq!((row.action.as_str(), row.undo_of), ("endpoint.restore", Some(task)));
    // The first try fails: another may be asked for.
    let orders = world.lease(&agent).await;
    world.outcome(&agent, &agent.says(&orders[0], Status::Failed, "nft_failed", "")).await;
    assert_eq!(world.task(task).await.undone_by, None);
    let second = world.engine.undo(&ann(), TENANT, task, "again").await.unwrap().submitted;
    world.carry_out(&agent, restored()).await;
    assert_eq!(world.task(task).await.undone_by, Some(second.task_id));
    let id = agent.id;
    assert_eq!(world.read(move |tx| endpoint::get(tx, TENANT, id)).await.unwrap().isolation, None);
    let nothing = world.submit(terminate(&[&agent])).await.task_id;
    world.engine.cancel(&ann(), TENANT, nothing).await.unwrap();
    assert!(matches!(world.engine.undo(&ann(), TENANT, nothing, "why").await, Err(Error::NoUndo(_))));
}

#[tokio::test]
async fn a_planned_undo_comes_by_itself() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let mut asked = isolate(&[&a, &b]);
    (asked.revert_after, asked.expires_in) = (Some(Duration::from_mins(10)), Some(Duration::from_hours(200)));
    let task = world.submit(asked).await.task_id;
    world.pass(DAY);
    assert_eq!(
        world.engine.tick().await.unwrap().reverted,
        0,
        "the time counts from the act, not from the request"
    );
    world.carry_out(&a, cut()).await;
    world.pass(599 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0);
    world.pass(2 * SECOND);
    // `b` never came for it: it must not be isolated after the time is over.
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0);
    assert!(world.lease(&b).await.is_empty());
    world.pass(20 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 1);
    let undone_by = world.task(task).await.undone_by.unwrap();
    assert_eq!(world.commands(undone_by).await.iter().map(|row| row.endpoint_id).collect::<Vec<_>>(), [a.id]);
    assert_eq!(world.task(undone_by).await.requester_kind, "system");
    world.carry_out(&a, restored()).await;
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0, "once");
}

#[tokio::test]
async fn a_script_is_pinned_by_its_digest() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let script_id = Uuid::now_v7();
    let add = |body: &'static [u8], digest: u8| {
        move |tx: &mut quell_store::Tx<'_>| {
            let version = library::Version {
                tenant_id: TENANT,
                item_id: script_id,
                version: 0,
                kind: "script".to_owned(),
                facts: r#"{"interpreter":"bash"}"#.to_owned(),
                note: String::new(),
                size: 0,
                sha256: [digest; 32],
                created_by: "Ann".to_owned(),
                created_at: 1,
            };
            library::add_version(tx, &version, body)
        }
    };
    world
        .write(move |tx| {
            let row = library::Item {
                tenant_id: TENANT,
                id: script_id,
                kind: "script".to_owned(),
                name: "triage".to_owned(),
                description: String::new(),
                built_in: false,
                created_at: 1,
                archived_at: None,
                archived_by: None,
            };
            library::insert(tx, &row)
        })
        .await;
    world.write(add(b"id", 1)).await;
    let newest = world.submit(request("endpoint.run_script", json!({ "script": "triage" }), &[&agent])).await;
    world.write(add(b"uname", 2)).await;
    let first =
        world.submit(request("endpoint.run_script", json!({ "script": "triage@2" }), &[&agent])).await;
    let by_digest = json!({ "script": format!("sha256:{}", "01".repeat(32)) });
    world.submit(request("endpoint.run_script", by_digest, &[&agent])).await;
    for (task, digest) in [(newest.task_id, "01"), (first.task_id, "02")] {
        let params: serde_json::Value = serde_json::from_str(&world.task(task).await.params).unwrap();
        assert_eq!(params["script"], format!("sha256:{}", digest.repeat(32)));
        assert_eq!(params["interpreter"], "bash");
    }
    let refused = async |script: &str| {
        let asked = request("endpoint.run_script", json!({ "script": script }), &[&agent]);
        matches!(world.engine.submit(&ann(), asked).await, Err(Error::Params(_)))
    };
    for unknown in ["other", "triage@9", "sha256:00"] {
        assert!(refused(unknown).await, "{unknown}");
    }
    world.write(move |tx| library::archive(tx, TENANT, script_id, Some((2, "Ann")))).await;
    for archived in ["triage", "triage@1", &format!("sha256:{}", "01".repeat(32))] {
        assert!(refused(archived).await, "{archived} is out of use");
    }
    world.write(move |tx| library::archive(tx, TENANT, script_id, None)).await;
    assert!(!refused("triage").await);
}
