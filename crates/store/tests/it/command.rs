//! Commands: the queue of an endpoint, transitions, deadlines.

use quell_store::{
    Page,
    command::{self, Change, Signed},
    task,
};
use uuid::Uuid;

use crate::backend::{self, World};

crate::both!(
    a_row_comes_back_as_it_went_in,
    the_queue_is_ordered_and_timed,
    of_two_transitions_one_happens,
    a_whole_life,
    deadlines
);

async fn a_row_comes_back_as_it_went_in(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let endpoint = world.endpoint("a").await;
    let (_, commands) = world.task(&[endpoint]).await;
    let id = commands[0].id;
    assert_eq!(world.read(move |tx| command::get(tx, tenant, id)).await, Some(commands[0].clone()));
    assert_eq!(world.read(move |tx| command::get(tx, other, id)).await, None);
    assert_eq!(
        world.read(move |tx| command::of_endpoint(tx, tenant, endpoint, Page::default())).await.rows,
        commands
    );
}

async fn the_queue_is_ordered_and_timed(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let row = backend::task(tenant, 4);
    let make = |leaf: i64, priority: i64, not_before: i64, not_after: i64| command::Command {
        priority,
        not_before,
        not_after,
        ..backend::command(&row, leaf, endpoint)
    };
    let rows = [make(0, 9, 10, 100), make(1, 5, 10, 100), make(2, 9, 50, 100), make(3, 0, 10, 20)];
    let ids: Vec<Uuid> = rows.iter().map(|command| command.id).collect();
    let task = row.clone();
    world
        .write(move |tx| {
            task::insert(tx, &task)?;
            rows.iter().try_for_each(|command| command::insert(tx, command))
        })
        .await
        .unwrap();
    let queued = async |now: i64| -> Vec<Uuid> {
        let found = world.read(move |tx| command::queued(tx, tenant, endpoint, now, 10)).await;
        found.into_iter().map(|command| command.id).collect()
    };
    assert!(queued(9).await.is_empty());
    assert_eq!(queued(10).await, [ids[3], ids[1], ids[0]]);
    assert_eq!(queued(60).await, [ids[1], ids[0], ids[2]]);
    assert!(queued(100).await.is_empty());
    assert_eq!(world.read(|tx| command::waiting(tx, 10)).await, [(tenant, endpoint)]);
    assert_eq!(world.read(move |tx| command::of_task(tx, tenant, row.id, 1, 10)).await.len(), 2);
}

async fn of_two_transitions_one_happens(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let (_, commands) = world.task(&[endpoint]).await;
    let id = commands[0].id;
    let mut tries = Vec::new();
    for _ in 0..20 {
        let store = world.store.clone();
        tries.push(tokio::spawn(async move {
            store
                .write::<_, _, quell_store::Error>(move |tx| {
                    let change = Change { to: "dispatched", attempt: true, ..Change::default() };
                    command::transition(tx, tenant, id, "queued", &change)
                })
                .await
                .unwrap()
        }));
    }
    let mut happened = 0;
    for attempt in tries {
        happened += i32::from(attempt.await.unwrap());
    }
    assert_eq!(happened, 1);
    assert_eq!(world.read(move |tx| command::get(tx, tenant, id)).await.unwrap().attempts, 1);
}

async fn a_whole_life(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let (task, commands) = world.task(&[endpoint]).await;
    let id = commands[0].id;
    let step = async |from: &'static str, change: Change<'static>| {
        world.write(move |tx| command::transition(tx, tenant, id, from, &change)).await.unwrap()
    };
    let sent = Change {
        to: "dispatched",
        attempt: true,
        dispatched_at: Some(20),
        deadline_at: Some(2_000),
        ..Change::default()
    };
    assert!(step("queued", sent).await);
    let active = world.read(move |tx| command::active(tx, tenant, endpoint)).await;
    assert_eq!((active[0].id, active[0].exclusion.as_deref()), (id, Some("network")));
    assert_eq!(world.read(move |tx| command::given(tx, tenant, endpoint)).await.len(), 1);
    assert!(world.read(move |tx| command::to_stop(tx, tenant, endpoint)).await.is_empty());
    world.write(move |tx| task::cancel(tx, tenant, task.id, 21)).await.unwrap();
    assert_eq!(world.read(move |tx| command::to_stop(tx, tenant, endpoint)).await, [id]);
    assert_eq!(
        world.read(move |tx| command::twin(tx, tenant, endpoint, "endpoint.isolate")).await,
        Some(task.id)
    );
    assert_eq!(world.read(move |tx| command::twin(tx, tenant, endpoint, "file.collect")).await, None);
    assert!(step("dispatched", Change { to: "running", started_at: Some(30), ..Change::default() }).await);
    assert!(world.write(move |tx| command::progress(tx, tenant, id, "{\"done\":1}")).await.unwrap());
    assert_eq!(world.read(move |tx| command::signed_outcome(tx, tenant, id)).await, None);
    let end = Change {
        to: "succeeded",
        reason_code: Some("verified"),
        message: Some("cut"),
        outcome_at: Some(40),
        ended_at: Some(41),
        outcome: Some("{}"),
        outcome_signed: Some(b"bytes"),
        outcome_signature: Some(b"signature"),
        evidence: Some("[]"),
        ..Change::default()
    };
    assert!(!step("dispatched", end.clone()).await, "it is running, not dispatched");
    assert!(step("running", end).await);
    assert!(!step("succeeded", Change { to: "queued", ..Change::default() }).await, "an end is an end");
    assert!(!world.write(move |tx| command::progress(tx, tenant, id, "{}")).await.unwrap());
    let found = world.read(move |tx| command::get(tx, tenant, id)).await.unwrap();
    assert_eq!(
        (found.dispatched_at, found.started_at, found.outcome_at, found.ended_at),
        (Some(20), Some(30), Some(40), Some(41))
    );
    assert_eq!(
        (found.state.as_str(), found.progress.as_deref(), found.attempts),
        ("succeeded", Some("{\"done\":1}"), 1)
    );
    let signed = Signed { bytes: b"bytes".to_vec(), signature: b"signature".to_vec() };
    assert_eq!(world.read(move |tx| command::signed_outcome(tx, tenant, id)).await, Some(signed));
    assert_eq!(
        world.read(move |tx| command::counts(tx, tenant, task.id)).await,
        [("succeeded".to_owned(), 1)]
    );
    assert!(world.read(move |tx| command::open_of_endpoint(tx, tenant, endpoint, 10)).await.is_empty());
}

async fn deadlines(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let (_, commands) = world.task(&[endpoint]).await;
    let id = commands[0].id;
    assert!(world.read(|tx| command::due(tx, 999, 10)).await.is_empty());
    assert_eq!(world.read(|tx| command::due(tx, 1_000, 10)).await[0].id, id);
    let end = Change { to: "expired", ended_at: Some(1_000), ..Change::default() };
    world.write(move |tx| command::transition(tx, tenant, id, "queued", &end)).await.unwrap();
    assert!(world.read(|tx| command::due(tx, 9_999, 10)).await.is_empty());
}
