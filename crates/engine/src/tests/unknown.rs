//! What began and ended without a word about what it did: the way back is there, and the clock of `revert_after` runs.

use std::time::Duration;

use quell_wire::Status;
use serde_json::json;

use super::world::{SECOND, TENANT, World, ann, cut, id_of, isolate, request, restored};
use crate::{Error, TaskState};

/// How an isolation may end that nobody knows the effect of.
#[derive(Clone, Copy, Debug)]
enum End {
    Says(Status, &'static str),
    Silence,
    JournalLost,
}

const ENDS: [End; 4] = [
    End::Says(Status::Indeterminate, "agent_crashed"),
    End::Says(Status::Canceled, "canceled"),
    End::Silence,
    End::JournalLost,
];

/// An isolation that began and ended so, and is to last ten seconds.
async fn isolated(world: &World, agent: &super::world::Agent, end: End) -> uuid::Uuid {
    let mut asked = isolate(&[agent]);
    asked.revert_after = Some(Duration::from_secs(10));
    let task = world.submit(asked).await.task_id;
    let order = world.lease(agent).await.remove(0);
    world.engine.started(TENANT, agent.id, id_of(&order)).await.unwrap();
    match end {
        End::Says(status, code) => {
            world.outcome(agent, &agent.says(&order, status, code, "")).await;
        }
        End::Silence => {
            world.pass(8 * 24 * 3600 * SECOND);
            world.engine.tick().await.unwrap();
        }
        End::JournalLost => {
            world.engine.resume(TENANT, agent.id, &[]).await.unwrap();
        }
    }
    assert!(TaskState::parse(&world.task(task).await.state).unwrap().is_end(), "{end:?}");
    task
}

#[tokio::test]
async fn what_may_stand_is_taken_back_when_its_time_is_over() {
    for end in ENDS {
        let world = World::new().await;
        let agent = world.agent("a").await;
        let task = isolated(&world, &agent, end).await;
        world.pass(11 * SECOND);
        assert_eq!(world.engine.tick().await.unwrap().reverted, 1, "{end:?}");
        let undo = world.task(task).await.undone_by.unwrap();
        assert_eq!(world.task(undo).await.action, "endpoint.restore", "{end:?}");
        world.carry_out(&agent, restored()).await;
    }
}

#[tokio::test]
async fn what_may_stand_can_be_undone_by_people() {
    for end in ENDS {
        let world = World::new().await;
        let agent = world.agent("a").await;
        let task = isolated(&world, &agent, end).await;
        world.engine.undo(&ann(), TENANT, task, "let it work again").await.unwrap();
        world.carry_out(&agent, restored()).await;
    }
}

#[tokio::test]
async fn what_an_agent_stopped_leaves_the_isolation_of_another_task_alone() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    world.carry_out(&agent, cut()).await;
    isolated(&world, &agent, End::Says(Status::Canceled, "canceled")).await;
    world.pass(11 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0);
    assert!(isolation(&world, &agent).await.is_some());
}

#[tokio::test]
async fn what_never_began_or_cannot_be_taken_back_has_no_way_back() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let refused = world.submit(isolate(&[&agent])).await.task_id;
    let order = world.lease(&agent).await.remove(0);
    world.outcome(&agent, &agent.says(&order, Status::Refused, "agent_busy", "")).await;
    let script = request("process.terminate", json!({ "pid": 4211, "start_time": 99 }), &[&agent]);
    let killed = world.submit(script).await.task_id;
    let order = world.lease(&agent).await.remove(0);
    world.outcome(&agent, &agent.says(&order, Status::Indeterminate, "agent_crashed", "")).await;
    for task in [refused, killed] {
        let undone = world.engine.undo(&ann(), TENANT, task, "why").await;
        assert!(matches!(undone, Err(Error::NoUndo(_))));
    }
}

#[tokio::test]
async fn an_isolation_that_its_agent_told_of_is_gone_when_it_failed() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    let order = world.lease(&agent).await.remove(0);
    let told = json!({ "task": order.intent().task_id, "command": id_of(&order), "since": world.now() });
    let (id, told) = (agent.id, told.to_string());
    world.write(move |tx| quell_store::endpoint::set_isolation(tx, TENANT, id, Some(&told))).await;
    world.outcome(&agent, &agent.says(&order, Status::Failed, "channel_lost", "")).await;
    assert_eq!(isolation(&world, &agent).await, None);
}

async fn isolation(world: &World, agent: &super::world::Agent) -> Option<String> {
    let id = agent.id;
    world.read(move |tx| quell_store::endpoint::get(tx, TENANT, id)).await.unwrap().isolation
}

#[tokio::test]
async fn a_planned_undo_passes_over_a_revoked_endpoint_and_ends() {
    let world = World::new().await;
    let (kept, gone) = (world.agent("kept").await, world.agent("gone").await);
    let mut asked = isolate(&[&kept, &gone]);
    asked.revert_after = Some(Duration::from_secs(10));
    let task = world.submit(asked).await.task_id;
    for agent in [&kept, &gone] {
        let orders = world.lease(agent).await;
        world.outcome(agent, &agent.done(&orders[0], cut())).await;
    }
    world.engine.revoke(&ann(), TENANT, gone.id, "stolen").await.unwrap();
    world.pass(11_000_000);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 1);
    let undo = world.task(task).await.undone_by.unwrap();
    let on: Vec<_> = world.commands(undo).await.into_iter().map(|row| row.endpoint_id).collect();
    assert_eq!(on, [kept.id]);
    // With nobody left to reach, the plan ends instead of being looked at for ever.
    let lone = world.agent("lone").await;
    let mut asked = isolate(&[&lone]);
    asked.revert_after = Some(Duration::from_secs(10));
    let task = world.submit(asked).await.task_id;
    let orders = world.lease(&lone).await;
    world.outcome(&lone, &lone.done(&orders[0], cut())).await;
    world.engine.revoke(&ann(), TENANT, lone.id, "stolen").await.unwrap();
    world.pass(11_000_000);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 0);
    assert_eq!(world.task(task).await.revert_at, None);
}
