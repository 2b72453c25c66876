//! Tasks: idempotency, lists, counters, cancel, undo, revert.

use quell_store::{
    Error, Page,
    command::{self, Change},
    task::{self, Filter, Tally},
};
use uuid::Uuid;

use crate::backend::{self, World};

crate::both!(
    a_row_comes_back_as_it_went_in,
    an_idempotency_key_is_taken_once,
    counters,
    lists,
    undo_and_revert,
    what_an_undo_took_back_is_known
);

async fn a_row_comes_back_as_it_went_in(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let endpoint = world.endpoint("a").await;
    let (written, _) = world.task(&[endpoint]).await;
    let id = written.id;
    assert_eq!(world.read(move |tx| task::get(tx, tenant, id)).await, Some(written));
    assert_eq!(world.read(move |tx| task::get(tx, other, id)).await, None);
}

async fn an_idempotency_key_is_taken_once(world: &World) {
    let tenant = world.tenant;
    let with = |id: Uuid, requester: &str, key: Option<&str>| task::Task {
        id,
        requester_id: requester.to_owned(),
        idempotency_key: key.map(str::to_owned),
        ..backend::task(tenant, 1)
    };
    let first = Uuid::now_v7();
    let insert = async |row: task::Task| world.write(move |tx| task::insert(tx, &row)).await.unwrap();
    assert!(insert(with(first, "k1", Some("once"))).await);
    assert!(!insert(with(Uuid::now_v7(), "k1", Some("once"))).await);
    assert!(insert(with(Uuid::now_v7(), "k2", Some("once"))).await, "another requester's key is another key");
    assert!(insert(with(Uuid::now_v7(), "k1", None)).await);
    assert!(insert(with(Uuid::now_v7(), "k1", None)).await, "no key is no key");
    let found = world.read(move |tx| task::by_key(tx, tenant, "api_key", "k1", "once")).await;
    assert_eq!(found.map(|task| task.id), Some(first));
}

async fn counters(world: &World) {
    let tenant = world.tenant;
    let endpoints = [world.endpoint("a").await, world.endpoint("b").await];
    let (task, _) = world.task(&endpoints).await;
    let id = task.id;
    assert!(world.write(move |tx| task::running(tx, tenant, id)).await.unwrap());
    assert!(!world.write(move |tx| task::running(tx, tenant, id)).await.unwrap());
    let early = world.write(move |tx| task::finish(tx, tenant, id, "failed", None, 5)).await;
    assert!(matches!(early, Err(Error::Conflict(_))), "a task with open commands does not end");
    let tally = world.write(move |tx| task::tally(tx, tenant, id, false, 40)).await.unwrap();
    assert_eq!(tally, Tally { target_count: 2, open_count: 1, succeeded_count: 0, worst: 40 });
    let tally = world.write(move |tx| task::tally(tx, tenant, id, true, 0)).await.unwrap();
    assert_eq!(tally, Tally { target_count: 2, open_count: 0, succeeded_count: 1, worst: 40 });
    assert!(
        world.write(move |tx| task::tally(tx, tenant, id, true, 0)).await.is_err(),
        "no command is left to end"
    );
    world.write(move |tx| task::finish(tx, tenant, id, "failed", Some("partial"), 9)).await.unwrap();
    assert!(world.write(move |tx| task::finish(tx, tenant, id, "succeeded", None, 9)).await.is_err());
    assert!(!world.write(move |tx| task::cancel(tx, tenant, id, 10)).await.unwrap());
    let found = world.read(move |tx| task::get(tx, tenant, id)).await.unwrap();
    assert_eq!(
        (found.state.as_str(), found.reason_code.as_deref(), found.ended_at),
        ("failed", Some("partial"), Some(9))
    );
}

async fn lists(world: &World) {
    let tenant = world.tenant;
    let (a, b) = (world.endpoint("a").await, world.endpoint("b").await);
    let (on_both, _) = world.task(&[a, b]).await;
    let (on_a, _) = world.task(&[a]).await;
    let id = on_a.id;
    world.write(move |tx| task::running(tx, tenant, id)).await.unwrap();
    let list = async |filter: Filter| -> Vec<Uuid> {
        let found = world.read(move |tx| task::list(tx, tenant, &filter, Page::default())).await;
        found.rows.into_iter().map(|task| task.id).collect()
    };
    assert_eq!(list(Filter::default()).await, [on_a.id, on_both.id]);
    assert_eq!(list(Filter { endpoint_id: Some(b), ..Filter::default() }).await, [on_both.id]);
    assert_eq!(list(Filter { state: Some("running".to_owned()), ..Filter::default() }).await, [on_a.id]);
    let both = Filter { state: Some("queued".to_owned()), endpoint_id: Some(a), ..Filter::default() };
    assert_eq!(list(both).await, [on_both.id]);
    assert!(list(Filter { action: Some("file.collect".to_owned()), ..Filter::default() }).await.is_empty());
    assert_eq!(list(Filter { requester_id: Some("k1".to_owned()), ..Filter::default() }).await.len(), 2);
    let of_states = async |page: Page| {
        let states = ["queued", "running", "failed"].map(str::to_owned);
        world.read(move |tx| task::list_of_states(tx, tenant, &states, page)).await
    };
    let first = of_states(Page { after: None, limit: 1 }).await;
    assert_eq!((first.rows[0].id, first.rows.len(), first.next), (on_a.id, 1, Some(on_a.id)));
    let last = of_states(Page { after: first.next, limit: 1 }).await;
    assert_eq!((last.rows[0].id, last.rows.len(), last.next), (on_both.id, 1, None));
}

async fn undo_and_revert(world: &World) {
    let tenant = world.tenant;
    let endpoint = world.endpoint("a").await;
    let (task, _) = world.task(&[endpoint]).await;
    let (id, undo) = (task.id, Uuid::now_v7());
    assert!(world.write(move |tx| task::cancel(tx, tenant, id, 3)).await.unwrap());
    assert!(!world.write(move |tx| task::cancel(tx, tenant, id, 4)).await.unwrap());
    assert!(world.write(move |tx| task::plan_revert(tx, tenant, id, Some(500))).await.unwrap());
    assert!(world.read(|tx| task::due_reverts(tx, 499, 10)).await.is_empty());
    assert_eq!(world.read(|tx| task::due_reverts(tx, 500, 10)).await, [(tenant, id)]);
    assert!(world.write(move |tx| task::undone(tx, tenant, id, undo)).await.unwrap());
    assert!(!world.write(move |tx| task::undone(tx, tenant, id, Uuid::now_v7())).await.unwrap());
    assert!(
        world.read(|tx| task::due_reverts(tx, 500, 10)).await.is_empty(),
        "undone once, it does not undo itself"
    );
    assert!(!world.write(move |tx| task::plan_revert(tx, tenant, id, Some(1))).await.unwrap());
    assert!(!world.write(move |tx| task::reopen_undo(tx, tenant, id, id)).await.unwrap());
    assert!(world.write(move |tx| task::reopen_undo(tx, tenant, id, undo)).await.unwrap());
    let found = world.read(move |tx| task::get(tx, tenant, id)).await.unwrap();
    assert_eq!((found.cancel_requested_at, found.undone_by, found.revert_at), (Some(3), None, None));
}

async fn what_an_undo_took_back_is_known(world: &World) {
    let tenant = world.tenant;
    let (a, b) = (world.endpoint("a").await, world.endpoint("b").await);
    let (original, commands) = world.task(&[a, b]).await;
    let undo = task::Task { undo_of: Some(original.id), ..backend::task(tenant, 2) };
    let (on_a, on_b) = (backend::command(&undo, 0, a), backend::command(&undo, 1, b));
    let ends = [(on_a.id, "succeeded"), (on_b.id, "failed")];
    world
        .write(move |tx| {
            task::insert(tx, &undo)?;
            command::insert(tx, &on_a)?;
            command::insert(tx, &on_b)?;
            for (id, to) in ends {
                let change = Change { to, ended_at: Some(5), ..Change::default() };
                assert!(command::transition(tx, tenant, id, "queued", &change)?);
            }
            Ok(())
        })
        .await
        .unwrap();
    let original = original.id;
    for (command, is_taken_back) in commands.iter().zip([true, false]) {
        let (id, endpoint) = (command.id, command.endpoint_id);
        let found = world.read(move |tx| task::is_taken_back(tx, tenant, original, endpoint, id)).await;
        assert_eq!(found, is_taken_back);
    }
    let (endpoint, after) = (commands[0].endpoint_id, ends[0].0);
    let later = world.read(move |tx| task::is_taken_back(tx, tenant, original, endpoint, after)).await;
    assert!(!later, "what came before the command is not its undo");
}
