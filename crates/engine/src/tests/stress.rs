//! Many at the same time, on both databases: sessions that lease and answer, people who cancel, the timer.

use std::{collections::HashSet, sync::Arc};

use quell_wire::Status;
use serde_json::json;

use super::world::{TENANT, World, ann, id_of, isolate, terminate};
use crate::{CommandState, Error, Receipt};

const AGENTS: usize = 24;
const TASKS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_sqlite() {
    stress(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_postgresql() {
    match World::on_postgres().await {
        Ok(world) => stress(world).await,
        Err(reason) => eprintln!("skipped: PostgreSQL: {reason}"),
    }
}

async fn stress(world: World) {
    let world = Arc::new(world);
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        agents.push(Arc::new(world.agent(&format!("host-{number}")).await));
    }
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let refs: Vec<_> = agents.iter().map(AsRef::as_ref).collect();
        tasks.push(world.submit(terminate(&refs)).await.task_id);
    }
    let sessions: Vec<_> =
        agents.iter().map(|agent| tokio::spawn(session(Arc::clone(&world), Arc::clone(agent)))).collect();
    let canceler = {
        let (world, tasks) = (Arc::clone(&world), tasks.clone());
        tokio::spawn(async move {
            for task in tasks.iter().step_by(3) {
                match world.engine.cancel(&ann(), TENANT, *task).await {
                    Ok(_) | Err(Error::State(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                world.engine.tick().await.unwrap();
            }
        })
    };
    // Twenty isolations of one endpoint at once: one is accepted, or none while the endpoint is busy with one.
    let isolations: Vec<_> = (0..20)
        .map(|_| {
            let (world, agent) = (Arc::clone(&world), Arc::clone(&agents[0]));
            tokio::spawn(async move { world.engine.submit(&ann(), isolate(&[&agent])).await.is_ok() })
        })
        .collect();
    canceler.await.unwrap();
    let mut accepted = 0;
    for isolation in isolations {
        accepted += usize::from(isolation.await.unwrap());
    }
    assert!(accepted >= 1);
    let mut given = HashSet::new();
    for session in sessions {
        for id in session.await.unwrap() {
            assert!(given.insert(id), "handed over twice");
        }
    }
    // What was asked for after its session had left.
    given.extend(session(Arc::clone(&world), Arc::clone(&agents[0])).await);
    world.consistent(true).await;
    let isolations = world.all_tasks().await.iter().filter(|task| task.action == "endpoint.isolate").count();
    assert_eq!(isolations, accepted);
    let canceled = world.all_tasks().await.iter().filter(|task| task.cancel_requested_at.is_some()).count();
    assert!(canceled >= 1);
}

/// Takes and answers until nothing is left; two at a time, as after a reconnect.
async fn session(world: Arc<World>, agent: Arc<super::world::Agent>) -> Vec<uuid::Uuid> {
    let mut given = Vec::new();
    loop {
        let (one, two) = tokio::join!(world.lease(&agent), world.lease(&agent));
        let orders: Vec<_> = one.into_iter().chain(two).collect();
        let excluding = orders.iter().filter(|order| order.intent().action == "endpoint.isolate").count();
        assert!(excluding <= 1, "two of one exclusion group at a time");
        if orders.is_empty() {
            return given;
        }
        for order in orders {
            let id = id_of(&order);
            assert!(world.engine.started(TENANT, agent.id, id).await.unwrap());
            let gone = json!({
                "ended": [], "spared": [], "truncated": false,
                "probes": [{ "subject": "process 4211", "method": "pidfd", "after": "gone", "held": true, "proves": true }],
            });
            let signed = match order.intent().action.as_str() {
                "process.terminate" => agent.done(&order, gone),
                _ => agent.says(&order, Status::Failed, "x", ""),
            };
            let (first, second) =
                tokio::join!(world.outcome(&agent, &signed), world.outcome(&agent, &signed));
            let stored =
                [&first, &second].iter().filter(|receipt| matches!(receipt, Receipt::Stored(_))).count();
            assert_eq!(stored, 1, "{first:?} {second:?}");
            assert!([first, second].contains(&Receipt::Again), "an outcome counts once");
            assert_eq!(
                CommandState::parse(&world.command(id).await.state).map(CommandState::is_end),
                Some(true)
            );
            given.push(id);
        }
    }
}
