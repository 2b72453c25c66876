//! What the overview calls changed and not undone: what stands, or may stand, and nothing else.

use std::sync::atomic::{AtomicI64, Ordering};

use quell_store::{Tx, command, endpoint};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// When commands end: later each time.
static CLOCK: AtomicI64 = AtomicI64::new(1);

/// An end of the only command of a task, as the engine would write it.
async fn ended(world: &World, task: &Value, state: &'static str, outcome: Option<&'static str>) {
    let tenant = world.tenant;
    let [task, command]: [Uuid; 2] =
        [&task["id"], &task["commands"]["items"][0]["id"]].map(|id| id.as_str().unwrap().parse().unwrap());
    let now = CLOCK.fetch_add(1, Ordering::Relaxed);
    let end = move |tx: &mut Tx<'_>| {
        let row = command::get(tx, tenant, command)?.unwrap();
        let change = command::Change {
            to: state,
            outcome,
            started_at: Some(now),
            ended_at: Some(now),
            ..Default::default()
        };
        assert!(command::transition(tx, tenant, command, &row.state, &change)?);
        let succeeded = i64::from(state == "succeeded");
        tx.execute(
            "UPDATE task SET state = $2, open_count = 0, succeeded_count = $3 WHERE id = $1",
            &[&task, &state, &succeeded],
        )?;
        match (row.action.as_str(), state) {
            ("endpoint.isolate", "succeeded") => {
                let isolation = json!({ "task": task, "command": command, "since": now }).to_string();
                endpoint::set_isolation(tx, tenant, row.endpoint_id, Some(&isolation))
            }
            ("endpoint.restore", "succeeded") => endpoint::set_isolation(tx, tenant, row.endpoint_id, None),
            _ => Ok(()),
        }
    };
    world.store.write(end).await.unwrap();
}

async fn asked(world: &World, action: &str) -> Value {
    let body = json!({ "action": action, "targets": { "endpoints": ["web-1"] }, "reason": "r" });
    let (status, made) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// Ids of the tasks that are said to be not undone.
async fn not_undone(world: &World) -> Vec<Value> {
    let (status, overview) = world.get("/api/v1/overview").await;
    assert_eq!(status, 200, "{overview}");
    overview["not_undone"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect()
}

#[tokio::test]
async fn what_is_not_undone_is_what_stands() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let first = asked(&world, "endpoint.isolate").await;
    ended(&world, &first, "succeeded", None).await;
    assert_eq!(not_undone(&world).await, [first["id"].clone()]);
    let second = asked(&world, "endpoint.isolate").await;
    ended(&world, &second, "succeeded", None).await;
    assert_eq!(not_undone(&world).await, [second["id"].clone()], "the second holds it alone");
    let restore = asked(&world, "endpoint.restore").await;
    ended(&world, &restore, "succeeded", None).await;
    assert_eq!(not_undone(&world).await, [] as [Value; 0], "a restore by hand took all of it back");
    world.stop().await;
}

#[tokio::test]
async fn what_may_stand_is_not_undone_until_it_is_known() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    let isolate = asked(&world, "endpoint.isolate").await;
    ended(&world, &isolate, "indeterminate", None).await;
    assert_eq!(not_undone(&world).await, [isolate["id"].clone()]);
    let canceled = asked(&world, "endpoint.isolate").await;
    ended(&world, &canceled, "canceled", None).await;
    assert_eq!(not_undone(&world).await, [canceled["id"].clone(), isolate["id"].clone()]);
    let restore = asked(&world, "endpoint.restore").await;
    ended(&world, &restore, "failed", None).await;
    assert_eq!(not_undone(&world).await.len(), 2, "a restore that failed proves nothing");
    let restore = asked(&world, "endpoint.restore").await;
    ended(&world, &restore, "succeeded", None).await;
    assert_eq!(not_undone(&world).await, [] as [Value; 0]);
    world.stop().await;
}

#[tokio::test]
async fn the_alarm_of_an_old_endpoint_is_seen() {
    let world = World::new().await;
    let (tenant, old) = (world.tenant, world.endpoint("old").await);
    world.store.write(move |tx| endpoint::set_alarm(tx, tenant, old, Some("copied"))).await.unwrap();
    for number in 0..1_001 {
        world.endpoint(&format!("n{number}")).await;
    }
    let (_, overview) = world.get("/api/v1/overview").await;
    assert_eq!(overview["alarms"][0]["name"], "old");
    let (_, listed) = world.get("/api/v1/endpoints?alarm=true").await;
    assert_eq!(listed["items"][0]["name"], "old", "{listed}");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}
