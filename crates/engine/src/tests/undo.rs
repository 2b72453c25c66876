//! Whose an effect is by now, and that an undo which took back a part leaves the rest to be taken back.

use std::time::Duration;

use quell_store::{endpoint, task};
use quell_wire::Status;
use serde_json::json;
use uuid::Uuid;

use super::world::{Agent, SECOND, TENANT, World, ann, cut, id_of, isolate, request, restored};
use crate::Error;

/// An isolation that is to last ten seconds, seen on all of these.
async fn isolated_for_ten_seconds(world: &World, agents: &[&Agent]) -> Uuid {
    let mut asked = isolate(agents);
    asked.revert_after = Some(Duration::from_secs(10));
    let task = world.submit(asked).await.task_id;
    for agent in agents {
        world.carry_out(agent, cut()).await;
    }
    task
}

async fn isolation(world: &World, agent: &Agent) -> Option<String> {
    let id = agent.id;
    world.read(move |tx| endpoint::get(tx, TENANT, id)).await.unwrap().isolation
}

/// The endpoints on which a task acts.
async fn endpoints(world: &World, task: Uuid) -> Vec<Uuid> {
    world.commands(task).await.into_iter().map(|row| row.endpoint_id).collect()
}

/// Lets time pass until something is undone, and answers what undoes the task.
async fn reverted(world: &World, task: Uuid) -> Option<Uuid> {
    for _ in 0..50 {
        world.pass(11 * SECOND);
        if world.engine.tick().await.unwrap().reverted > 0 {
            return world.task(task).await.undone_by;
        }
    }
    None
}

async fn refuses(world: &World, agent: &Agent) {
    let order = world.lease(agent).await.remove(0);
    world.outcome(agent, &agent.says(&order, Status::Refused, "journal_unavailable", "")).await;
}

#[tokio::test]
async fn the_timer_of_an_isolation_leaves_a_newer_one_alone() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let older = isolated_for_ten_seconds(&world, &[&agent]).await;
    world.submit(isolate(&[&agent])).await;
    let newer = world.carry_out(&agent, cut()).await;
    assert_eq!(reverted(&world, older).await, None);
    assert!(isolation(&world, &agent).await.unwrap().contains(&newer.to_string()));
    let row = world.task(older).await;
    assert_eq!((row.undone_by, row.revert_at), (None, None), "its timer is over");
    assert!(world.trail(older).await.contains(&("task.revert".to_owned(), "no_undo".to_owned())));
}

#[tokio::test]
async fn undoing_an_isolation_names_the_newer_one_that_holds_the_endpoint() {
    let world = World::new().await;
    let (shared, own) = (world.agent("shared").await, world.agent("own").await);
    let older = isolated_for_ten_seconds(&world, &[&shared, &own]).await;
    let newer = world.submit(isolate(&[&shared])).await.task_id;
    world.carry_out(&shared, cut()).await;
    // What is its own is taken back, and the answer names what is not.
    let undo = world.engine.undo(&ann(), TENANT, older, "over").await.unwrap();
    assert_eq!(endpoints(&world, undo.submitted.task_id).await, [own.id]);
    assert_eq!(undo.passed_over.len(), 1);
    assert_eq!((undo.passed_over[0].endpoint, undo.passed_over[0].code), (shared.id, "superseded"));
    assert!(undo.passed_over[0].message.contains(&newer.to_string()));
    assert!(world.trail(older).await.contains(&("task.undo".to_owned(), "passed_over".to_owned())));
    world.carry_out(&own, restored()).await;
    assert!(isolation(&world, &shared).await.is_some());
    assert_eq!(world.task(older).await.undone_by, Some(undo.submitted.task_id), "nothing of it is left");
    // Where nothing is its own, the answer is the other task.
    let lone = isolated_for_ten_seconds(&world, &[&own]).await;
    let newer = world.submit(isolate(&[&own])).await.task_id;
    world.carry_out(&own, cut()).await;
    let Err(Error::NoUndo(why)) = world.engine.undo(&ann(), TENANT, lone, "over").await else {
        panic!("undone")
    };
    assert!(why.contains(&newer.to_string()), "{why}");
    // Whose it is may take it back.
    world.engine.undo(&ann(), TENANT, newer, "over").await.unwrap();
    world.carry_out(&own, restored()).await;
    assert_eq!(isolation(&world, &own).await, None);
}

#[tokio::test]
async fn a_timer_waits_for_a_newer_isolation_that_is_under_way() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let older = isolated_for_ten_seconds(&world, &[&agent]).await;
    world.submit(isolate(&[&agent])).await;
    let order = world.lease(&agent).await.remove(0);
    world.pass(11 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0);
    assert!(world.task(older).await.revert_at.is_some(), "who will hold it is not known yet");
    world.outcome(&agent, &agent.done(&order, cut())).await;
    assert_eq!(reverted(&world, older).await, None);
    assert!(isolation(&world, &agent).await.is_some());
    assert_eq!(world.task(older).await.revert_at, None);
}

/// Nobody can tell whether it stands, so nobody else ends it.
#[tokio::test]
async fn a_newer_isolation_of_which_nobody_knows_holds_the_endpoint_too() {
    for silent in [true, false] {
        let world = World::new().await;
        let agent = world.agent("a").await;
        let older = isolated_for_ten_seconds(&world, &[&agent]).await;
        let newer = world.submit(isolate(&[&agent])).await.task_id;
        let order = world.lease(&agent).await.remove(0);
        if silent {
            world.engine.started(TENANT, agent.id, id_of(&order)).await.unwrap();
            world.engine.resume(TENANT, agent.id, &[]).await.unwrap();
        } else {
            world.outcome(&agent, &agent.says(&order, Status::Indeterminate, "agent_crashed", "")).await;
        }
        assert_eq!(world.task(newer).await.state, "indeterminate");
        assert_eq!(reverted(&world, older).await, None);
        assert!(isolation(&world, &agent).await.is_some());
        world.engine.undo(&ann(), TENANT, newer, "over").await.unwrap();
        world.carry_out(&agent, restored()).await;
        assert_eq!(isolation(&world, &agent).await, None);
    }
}

#[tokio::test]
async fn what_was_restored_by_hand_is_nothing_to_undo() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = isolated_for_ten_seconds(&world, &[&agent]).await;
    world.submit(request("endpoint.restore", json!({}), &[&agent])).await;
    world.carry_out(&agent, restored()).await;
    assert!(matches!(world.engine.undo(&ann(), TENANT, task, "over").await, Err(Error::NoUndo(_))));
    assert_eq!(reverted(&world, task).await, None);
    assert_eq!(world.task(task).await.revert_at, None);
}

#[tokio::test]
async fn one_endpoint_that_cannot_be_restored_now_does_not_hold_up_the_others() {
    let world = World::new().await;
    let (able, old, busy) = (world.agent("able").await, world.agent("old").await, world.agent("busy").await);
    let task = isolated_for_ten_seconds(&world, &[&able, &old, &busy]).await;
    can(&world, &old, "[]").await;
    world.submit(request("endpoint.restore", json!({}), &[&busy])).await;
    let undo = reverted(&world, task).await.unwrap();
    assert_eq!(endpoints(&world, undo).await, [able.id]);
    assert!(world.trail(task).await.contains(&("task.undo".to_owned(), "passed_over".to_owned())));
    world.carry_out(&able, restored()).await;
    assert_eq!(world.task(task).await.undone_by, None, "two are left");
    world.carry_out(&busy, restored()).await;
    // While none can be done, the timer is put off, and one record says so.
    assert_eq!(reverted(&world, task).await, None);
    let trail = world.trail(task).await;
    assert_eq!(trail.iter().filter(|(verb, _)| verb == "task.revert").count(), 1, "{trail:?}");
    let by_hand = world.engine.undo(&ann(), TENANT, task, "over").await;
    let Err(Error::Targets(problems)) = by_hand else { panic!("undone") };
    assert_eq!((problems.len(), problems[0].endpoint, problems[0].code), (1, old.id, "incapable"));
    // Able again, it is done without anybody asking.
    can(&world, &old, r#"[{"action":"endpoint.restore","revision":1}]"#).await;
    world.pass(3600 * SECOND);
    let undo = reverted(&world, task).await.unwrap();
    assert_eq!(endpoints(&world, undo).await, [old.id]);
    world.carry_out(&old, restored()).await;
    assert_eq!(world.task(task).await.undone_by, Some(undo));
    assert_eq!(reverted(&world, task).await, None);
}

async fn can(world: &World, agent: &Agent, capabilities: &'static str) {
    let id = agent.id;
    let write = move |tx: &mut quell_store::Tx<'_>| {
        let facts = endpoint::Facts { agent_version: "0", facts: "{}", capabilities };
        endpoint::set_facts(tx, TENANT, id, &facts, 1)
    };
    world.write(write).await;
}

#[tokio::test]
async fn a_planned_undo_that_failed_in_part_is_tried_again_where_it_failed() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let task = isolated_for_ten_seconds(&world, &[&a, &b]).await;
    let first = reverted(&world, task).await.unwrap();
    world.carry_out(&a, restored()).await;
    refuses(&world, &b).await;
    assert_eq!(world.task(first).await.state, "refused");
    let row = world.task(task).await;
    assert_eq!(row.undone_by, None);
    assert!(row.revert_at.is_some_and(|at| at > world.now()), "{row:?}");
    let second = reverted(&world, task).await.unwrap();
    assert_eq!(endpoints(&world, second).await, [b.id]);
    world.carry_out(&b, restored()).await;
    let row = world.task(task).await;
    assert_eq!((row.undone_by, row.revert_at), (Some(second), None));
    assert_eq!(isolation(&world, &b).await, None);
}

#[tokio::test]
async fn a_planned_undo_that_fails_everywhere_is_tried_again_less_and_less_often() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = isolated_for_ten_seconds(&world, &[&agent]).await;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let due = world.task(task).await.revert_at.unwrap();
        world.pass(due - world.now());
        assert_eq!(world.engine.tick().await.unwrap().reverted, 1);
        refuses(&world, &agent).await;
        let row = world.task(task).await;
        assert_eq!(row.undone_by, None);
        waits.push((row.revert_at.unwrap() - world.now()) / SECOND);
    }
    assert!(waits.is_sorted() && waits[0] <= 15 && waits[11] > 600 && waits[11] <= 900, "{waits:?}");
}

#[tokio::test]
async fn an_undo_by_hand_that_failed_in_part_can_be_asked_for_again() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let task = world.submit(isolate(&[&a, &b])).await.task_id;
    for agent in [&a, &b] {
        world.carry_out(agent, cut()).await;
    }
    world.engine.undo(&ann(), TENANT, task, "over").await.unwrap();
    world.carry_out(&a, restored()).await;
    refuses(&world, &b).await;
    let again = world.engine.undo(&ann(), TENANT, task, "over").await.unwrap();
    assert_eq!(endpoints(&world, again.submitted.task_id).await, [b.id]);
    assert_eq!(world.task(task).await.revert_at, None, "nobody asked for a timer");
}

/// Where no row says what stands: what an undo took back is known from the undo.
#[tokio::test]
async fn what_may_stand_is_not_taken_back_twice() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let task = world.submit(isolate(&[&a, &b])).await.task_id;
    for agent in [&a, &b] {
        let order = world.lease(agent).await.remove(0);
        world.outcome(agent, &agent.says(&order, Status::Indeterminate, "agent_crashed", "")).await;
    }
    world.engine.undo(&ann(), TENANT, task, "over").await.unwrap();
    world.carry_out(&a, restored()).await;
    refuses(&world, &b).await;
    let again = world.engine.undo(&ann(), TENANT, task, "over").await.unwrap();
    assert_eq!(endpoints(&world, again.submitted.task_id).await, [b.id]);
}

#[tokio::test]
async fn who_calls_a_planned_undo_off_ends_the_plan_and_who_calls_off_their_own_does_not() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = isolated_for_ten_seconds(&world, &[&agent]).await;
    // By hand, and thought better of: the timer is still wound.
    let due = world.task(task).await.revert_at.unwrap();
    let undo = world.engine.undo(&ann(), TENANT, task, "over").await.unwrap().submitted.task_id;
    world.engine.cancel(&ann(), TENANT, undo).await.unwrap();
    let row = world.task(task).await;
    assert_eq!(row.undone_by, None);
    assert!(row.revert_at.is_some_and(|at| at >= due), "{row:?}");
    // The timer's own, called off by a person: it stays as it is until somebody undoes it.
    let undo = reverted(&world, task).await.unwrap();
    world.engine.cancel(&ann(), TENANT, undo).await.unwrap();
    let row = world.task(task).await;
    assert_eq!((row.undone_by, row.revert_at), (None, None));
    world.engine.undo(&ann(), TENANT, task, "over").await.unwrap();
    world.carry_out(&agent, restored()).await;
}

/// A server that was set back gives an order again that was carried out and acknowledged, or another under its id.
#[tokio::test]
async fn an_order_that_its_agent_knows_already_may_have_been_carried_out() {
    for code in ["order_repeated", "order_id_reused"] {
        let world = World::new().await;
        let agent = world.agent("a").await;
        let mut asked = isolate(&[&agent]);
        asked.revert_after = Some(Duration::from_secs(10));
        let task = world.submit(asked).await.task_id;
        let order = world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders.remove(0);
        let digest = quell_wire::digest::sha256(&[&order.order]);
        assert!(world.engine.rejected(TENANT, agent.id, &digest, code, "known").await.unwrap());
        assert_eq!(world.only(task).await, ("indeterminate".to_owned(), Some(code.to_owned())));
        let id = id_of(&agent.check(&order, world.now()));
        assert_eq!(world.trail(id).await, [("command.outcome".to_owned(), "indeterminate".to_owned())]);
        let undo = reverted(&world, task).await.unwrap();
        assert_eq!(
            world.read(move |tx| task::get(tx, TENANT, undo)).await.unwrap().action,
            "endpoint.restore"
        );
    }
}
