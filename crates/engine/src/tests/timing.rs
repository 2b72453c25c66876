//! What time alone brings about.

use quell_wire::Status;

use super::world::{DAY, SECOND, TENANT, World, cut, isolate, terminate};
use crate::{CommandState, Receipt};

#[tokio::test]
async fn what_waits_expires_and_what_was_given_is_not_known() {
    let world = World::new().await;
    let (gone, silent) = (world.agent("gone").await, world.agent("silent").await);
    let task = world.submit(terminate(&[&gone, &silent])).await.task_id;
    let orders = world.lease(&silent).await;
    world.pass(3590 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().ended, 0);
    world.pass(20 * SECOND);
    let ticked = world.engine.tick().await.unwrap();
    assert_eq!((ticked.ended, ticked.waiting), (1, 0));
    assert!(world.lease(&gone).await.is_empty());
    assert_eq!(world.task(task).await.state, "running", "the other one may still answer");
    // The agent may begin until the end of the window, then work for as long as the action may take.
    world.pass(600 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().ended, 0);
    world.pass(DAY);
    assert_eq!(world.engine.tick().await.unwrap().ended, 1);
    let commands = world.commands(task).await;
    let ends: Vec<(&str, Option<&str>)> =
        commands.iter().map(|row| (row.state.as_str(), row.reason_code.as_deref())).collect();
    assert_eq!(ends, [("expired", Some("not_delivered")), ("indeterminate", Some("no_outcome"))]);
    assert_eq!(world.task(task).await.state, "indeterminate", "worst first");
    assert_eq!(
        world.trail(commands[1].id).await,
        [("command.deadline".to_owned(), "indeterminate".to_owned())]
    );
    let late = silent.says(&orders[0], Status::Failed, "x", "");
    assert_eq!(world.outcome(&silent, &late).await, Receipt::Late);
    assert_eq!(world.task(task).await.state, "indeterminate", "an end is an end");
}

#[tokio::test]
async fn nothing_is_handed_over_after_its_time() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    world.pass(3601 * SECOND);
    assert!(world.lease(&agent).await.is_empty(), "even before a tick ended it");
}

#[tokio::test]
async fn a_tick_ends_more_than_one_group() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for number in 0..450 {
        agents.push(world.agent(&number.to_string()).await);
    }
    let mut asked = terminate(&agents.iter().collect::<Vec<_>>());
    asked.confirm_count = Some(450);
    let task = world.submit(asked).await.task_id;
    world.pass(DAY);
    assert_eq!(world.engine.tick().await.unwrap().ended, 450);
    let row = world.task(task).await;
    assert_eq!((row.state.as_str(), row.open_count), ("expired", 0));
}

#[tokio::test]
async fn the_poll_rings_what_a_lost_bell_did_not() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    let bell = world.engine.bell().listen(TENANT, agent.id);
    assert_eq!(world.engine.tick().await.unwrap().waiting, 1);
    bell.rung().await;
    let orders = world.lease(&agent).await;
    let receipt = world.outcome(&agent, &agent.done(&orders[0], cut())).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
    // Of two sessions the newer one has the bell, also when the older one leaves after it came.
    let newer = world.engine.bell().listen(TENANT, agent.id);
    drop(bell);
    assert!(world.engine.bell().ring(TENANT, agent.id));
    newer.rung().await;
    drop(newer);
    assert!(!world.engine.bell().ring(TENANT, agent.id));
}
