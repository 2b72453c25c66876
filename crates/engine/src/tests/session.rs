//! Sessions that break and come back: what is given again, what ends, what is stopped.

use prost::Message as _;
use quell_wire::{Status, digest::sha256};
use uuid::Uuid;

use super::world::{DAY, SECOND, TENANT, World, ann, cut, id_of, isolate, terminate};
use crate::{CommandState, Error, Receipt};

#[tokio::test]
async fn what_never_arrived_is_given_again_byte_for_byte() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    let sent = world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders;
    world.pass(60 * SECOND);
    let again = world.engine.resume(TENANT, agent.id, &[]).await.unwrap();
    assert_eq!(again.orders, sent);
    let order = agent.check(&sent[0], world.now());
    assert_eq!(
        world.outcome(&agent, &agent.done(&order, cut())).await,
        Receipt::Stored(CommandState::Succeeded)
    );
    assert!(world.engine.resume(TENANT, agent.id, &[]).await.unwrap().orders.is_empty());
}

#[tokio::test]
async fn what_is_held_is_given_again_only_for_its_secrets() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    world.submit(terminate(&[&agent])).await;
    let sent = world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders;
    let held: Vec<Uuid> = sent.iter().map(|order| id_of(&agent.check(order, world.now()))).collect();
    assert_eq!(held.len(), 2);
    for id in &held {
        world.engine.started(TENANT, agent.id, *id).await.unwrap();
    }
    let again = world.engine.resume(TENANT, agent.id, &held).await.unwrap().orders;
    let isolation = sent.iter().find(|order| !agent.check(order, world.now()).order().secrets.is_empty());
    assert_eq!(again.iter().collect::<Vec<_>>(), isolation.into_iter().collect::<Vec<_>>());
    assert_eq!(again.len(), 1, "the release code is never in a journal");
    world.pass(3601 * SECOND);
    assert!(
        world.engine.resume(TENANT, agent.id, &held).await.unwrap().orders.is_empty(),
        "its time is over"
    );
}

#[tokio::test]
async fn what_never_began_in_time_has_expired_and_what_was_forgotten_is_not_known() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let (never, begun) =
        (world.submit(isolate(&[&agent])).await.task_id, world.submit(terminate(&[&agent])).await.task_id);
    let orders = world.lease(&agent).await;
    assert!(world.engine.started(TENANT, agent.id, id_of(&orders[1])).await.unwrap());
    world.pass(3601 * SECOND);
    let resumed = world.engine.resume(TENANT, agent.id, &[]).await.unwrap();
    assert!(resumed.orders.is_empty());
    assert_eq!(world.only(never).await, ("expired".to_owned(), Some("never_began".to_owned())));
    assert_eq!(world.only(begun).await, ("indeterminate".to_owned(), Some("journal_lost".to_owned())));
    let late = agent.says(&orders[1], Status::Failed, "x", "");
    assert_eq!(world.outcome(&agent, &late).await, Receipt::Late);
}

#[tokio::test]
async fn canceling_reaches_what_was_given() {
    let world = World::new().await;
    let (agent, waiting) = (world.agent("a").await, world.agent("b").await);
    let task = world.submit(terminate(&[&agent, &waiting])).await.task_id;
    let orders = world.lease(&agent).await;
    let bell = world.engine.bell().listen(TENANT, agent.id);
    let canceled = world.engine.cancel(&ann(), TENANT, task).await.unwrap();
    assert_eq!((canceled.ended, canceled.asked), (1, 1));
    bell.rung().await;
    let id = id_of(&orders[0]);
    assert_eq!(world.engine.lease(TENANT, agent.id, 10).await.unwrap().cancels, [id]);
    assert_eq!(
        world.engine.resume(TENANT, agent.id, &[id]).await.unwrap().cancels,
        [id],
        "also after a reconnect"
    );
    assert!(world.lease(&waiting).await.is_empty());
    world.outcome(&agent, &agent.says(&orders[0], Status::Canceled, "canceled", "")).await;
    assert_eq!(world.task(task).await.state, "canceled");
    assert!(matches!(world.engine.cancel(&ann(), TENANT, task).await, Err(Error::State(_))));
    let verbs: Vec<String> = world.trail(task).await.into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs, ["task.submit", "task.cancel", "task.end"]);
    assert!(world.engine.cancel(&ann(), Uuid::from_u128(9), task).await.is_err(), "another tenant's task");
}

#[tokio::test]
async fn a_cancel_may_come_too_late() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let orders = world.lease(&agent).await;
    world.engine.cancel(&ann(), TENANT, task).await.unwrap();
    let receipt = world.outcome(&agent, &agent.done(&orders[0], cut())).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded), "the outcome says what was done");
    // What was canceled before the agent had it is not given again.
    let lost = world.submit(terminate(&[&agent])).await.task_id;
    world.lease(&agent).await;
    world.engine.cancel(&ann(), TENANT, lost).await.unwrap();
    assert!(world.engine.resume(TENANT, agent.id, &[]).await.unwrap().orders.is_empty());
    assert_eq!(world.only(lost).await.0, "canceled");
}

#[tokio::test]
async fn revoking_voids_what_is_open() {
    let world = World::new().await;
    let (agent, other) = (world.agent("a").await, world.agent("b").await);
    let given = world.submit(terminate(&[&agent, &other])).await.task_id;
    let orders = world.lease(&agent).await;
    let waiting = world.submit(isolate(&[&agent])).await.task_id;
    assert_eq!(world.engine.revoke(&ann(), TENANT, agent.id, "stolen").await.unwrap(), 2);
    assert_eq!(world.only(waiting).await, ("canceled".to_owned(), Some("endpoint_revoked".to_owned())));
    let states: Vec<String> = world.commands(given).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["indeterminate", "queued"]);
    assert!(world.lease(&agent).await.is_empty());
    let signed = agent.says(&orders[0], Status::Done, "", "{}");
    assert_eq!(world.outcome(&agent, &signed).await, Receipt::Refused("unknown_endpoint"));
    assert!(world.engine.submit(&ann(), isolate(&[&agent])).await.is_err());
}

#[tokio::test]
async fn an_order_refused_for_its_envelope_is_found_by_its_bytes() {
    let world = World::new().await;
    let (agent, other) = (world.agent("a").await, world.agent("b").await);
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let sent = world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders;
    let name = sha256(&[&sent[0].order]);
    assert!(sent[0].encoded_len() > 0);
    assert!(!world.engine.rejected(TENANT, other.id, &name, "order_expired", "").await.unwrap());
    assert!(!world.engine.rejected(TENANT, agent.id, &[0; 32], "order_expired", "").await.unwrap());
    assert!(
        world.engine.rejected(TENANT, agent.id, &name, "order_unknown_key", "no such key").await.unwrap()
    );
    assert_eq!(world.only(task).await, ("refused".to_owned(), Some("order_unknown_key".to_owned())));
}

#[tokio::test]
async fn progress_is_told_and_not_stored() {
    let world = World::new().await;
    let (agent, rogue) = (world.agent("a").await, world.agent("rogue").await);
    world.submit(isolate(&[&agent])).await;
    let id = id_of(&world.lease(&agent).await[0]);
    let report = |done: u64| crate::Progress { done, total: 100, note: "cutting".to_owned() };
    world.engine.report_progress(TENANT, agent.id, id, report(7));
    world.engine.report_progress(TENANT, rogue.id, id, report(99));
    assert_eq!(world.engine.progress(TENANT, id).map(|progress| progress.done), Some(7));
    let mut news = world.engine.changes().watch(TENANT);
    for done in 8..50 {
        world.engine.report_progress(TENANT, agent.id, id, report(done));
    }
    world.pass(SECOND);
    world.engine.report_progress(TENANT, agent.id, id, report(50));
    let heard = news.next().await;
    assert!(
        matches!(heard, Some(crate::Heard::Change(crate::Change::Progress { progress, .. })) if progress.done == 50)
    );
    world.pass(DAY);
}

#[tokio::test]
async fn an_agent_that_has_nothing_to_settle_comes_back_without_a_write() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(terminate(&[&agent])).await;
    let held = [id_of(&world.lease(&agent).await[0])];
    world.engine.started(TENANT, agent.id, held[0]).await.unwrap();
    // Whoever writes waits for this one.
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let store = world.engine.store().clone();
    let writing = tokio::spawn(async move {
        store
            .write(move |_| {
                let _ = begun.send(());
                let _ = released.recv();
                Ok::<_, quell_store::Error>(())
            })
            .await
    });
    has_begun.recv().await.unwrap();
    let resuming = world.engine.resume(TENANT, agent.id, &held);
    let resumed = tokio::time::timeout(std::time::Duration::from_secs(20), resuming).await;
    release.send(()).unwrap();
    writing.await.unwrap().unwrap();
    let resumed = resumed.unwrap().unwrap();
    assert!(resumed.orders.is_empty() && resumed.cancels.is_empty());
    // What is to be settled is.
    assert!(world.engine.resume(TENANT, agent.id, &[]).await.unwrap().orders.is_empty());
    assert_eq!(world.command(held[0]).await.state, CommandState::Indeterminate.as_str());
}
