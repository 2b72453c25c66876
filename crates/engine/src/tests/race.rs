//! What is overtaken: a session's last write by the next session's look, a look by a revocation.

use std::{future::Future, pin::pin, sync::mpsc, task::Poll};

use tokio::task::JoinHandle;

use super::world::{TENANT, World, ann, cut, isolate};
use crate::Receipt;

/// Looks once whether it is done.
async fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Enough looks for every reader to have had its turn.
async fn readers_had_their_turn(world: &World) {
    for _ in 0..64 {
        world.read(|_| Ok(())).await;
    }
}

/// Keeps the writer busy until it is released.
async fn busy_writer(world: &World) -> (mpsc::Sender<()>, JoinHandle<Result<(), quell_store::Error>>) {
    let (release, held) = mpsc::channel::<()>();
    let store = world.engine.store().clone();
    let held = std::sync::Mutex::new(held);
    let writing = tokio::spawn(async move {
        let wait = move |_: &mut quell_store::Tx<'_>| {
            let _ = held.lock().unwrap().recv();
            Ok::<_, quell_store::Error>(())
        };
        store.write(wait).await
    });
    tokio::task::yield_now().await;
    (release, writing)
}

#[tokio::test]
async fn what_a_dying_session_still_takes_is_given_to_the_next_one() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    let (release, busy) = busy_writer(&world).await;
    // A session takes its work and dies before it is told: the write waits its turn all the same.
    assert!(once(world.engine.lease(TENANT, agent.id, 10)).await.is_pending());
    let (resumed, ()) = tokio::join!(world.engine.resume(TENANT, agent.id, &[]), async {
        readers_had_their_turn(&world).await;
        release.send(()).unwrap();
    });
    let resumed = resumed.unwrap();
    busy.await.unwrap().unwrap();
    assert_eq!(resumed.orders.len(), 1, "taken and never sent");
    let order = agent.check(&resumed.orders[0], world.now());
    assert!(matches!(world.outcome(&agent, &agent.done(&order, cut())).await, Receipt::Stored(_)));
}

#[tokio::test]
async fn one_who_comes_back_waits_for_no_write_but_its_own() {
    let world = World::new().await;
    let (agent, other) = (world.agent("a").await, world.agent("b").await);
    world.submit(isolate(&[&agent, &other])).await;
    let (release, busy) = busy_writer(&world).await;
    assert!(once(world.engine.lease(TENANT, other.id, 10)).await.is_pending());
    assert!(world.engine.resume(TENANT, agent.id, &[]).await.unwrap().waiting, "while the writer is busy");
    release.send(()).unwrap();
    busy.await.unwrap().unwrap();
    assert_eq!(world.engine.resume(TENANT, other.id, &[]).await.unwrap().orders.len(), 1);
    assert!(world.engine.resume(TENANT, other.id, &[]).await.is_ok(), "nothing is waited for any more");
}

#[tokio::test]
async fn a_key_that_was_read_before_a_revocation_is_not_kept_after_it() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.submit(isolate(&[&agent])).await;
    let order = world.lease(&agent).await.remove(0);
    let signed = agent.done(&order, cut());
    let mut before = pin!(world.engine.outcome(TENANT, agent.id, &signed));
    assert!(once(before.as_mut()).await.is_pending());
    readers_had_their_turn(&world).await;
    world.engine.revoke(&ann(), TENANT, agent.id, "stolen").await.unwrap();
    before.await.unwrap();
    let after = world.engine.outcome(TENANT, agent.id, &signed).await.unwrap();
    assert_eq!(after, Receipt::Refused("unknown_endpoint"));
}
