//! Response plans: their keys, what holds a step back, and whose incident they answer.

use quell_store::incident::group;
use quell_store::response_plan::{self as rows, Plan, Step};
use quell_store::{Page, command, task};
use uuid::Uuid;

use crate::backend::{self, World};

crate::both!(
    a_key_is_used_once_by_each_requester,
    what_is_held_is_in_nobodys_queue,
    a_plan_goes_over_with_its_incident,
    an_undo_is_taken_back_by_its_own_end_alone,
);

fn plan(tenant_id: Uuid, requester: &str, key: Option<&str>) -> Plan {
    Plan {
        tenant_id,
        id: Uuid::now_v7(),
        digest: [1; 32],
        incident_id: None,
        reason: "cut the chain".to_owned(),
        requester_kind: "person".to_owned(),
        requester_id: requester.to_owned(),
        requester_name: requester.to_owned(),
        created_at: 1,
        ended_at: None,
        stopped_by: None,
        undo_of: None,
        undone_by: None,
        key: key.map(|key| (key.to_owned(), [2; 32])),
    }
}

async fn a_key_is_used_once_by_each_requester(world: &World) {
    let tenant = world.tenant;
    let insert = async |plan: &Plan| {
        let plan = plan.clone();
        world.write(move |tx| rows::insert(tx, &plan)).await.unwrap()
    };
    let first = plan(tenant, "ann", Some("k"));
    assert!(insert(&first).await);
    assert!(!insert(&plan(tenant, "ann", Some("k"))).await);
    assert!(insert(&plan(tenant, "ann", Some("l"))).await);
    assert!(insert(&plan(tenant, "bob", Some("k"))).await);
    assert!(insert(&plan(tenant, "ann", None)).await && insert(&plan(tenant, "ann", None)).await);
    let found = world.read(move |tx| rows::by_key(tx, tenant, ("person", "ann"), "k")).await;
    assert_eq!(found, Some(first));
    assert_eq!(world.read(move |tx| rows::by_key(tx, tenant, ("api_key", "ann"), "k")).await, None);
}

async fn what_is_held_is_in_nobodys_queue(world: &World) {
    let (tenant, endpoint) = (world.tenant, world.endpoint("a").await);
    let made = plan(tenant, "ann", None);
    let id = made.id;
    let step = backend::task(tenant, 1);
    let held = command::Command { is_held: true, ..backend::command(&step, 0, endpoint) };
    let (step_id, held_id) = (step.id, held.id);
    let row = Step {
        step: 0,
        task_id: step_id,
        on_failure: "stop".to_owned(),
        needs: "[]".to_owned(),
        why: String::new(),
    };
    world
        .write(move |tx| {
            task::insert(tx, &step)?;
            command::insert(tx, &held)?;
            rows::insert(tx, &made)?;
            rows::insert_step(tx, tenant, id, &row)
        })
        .await
        .unwrap();
    let seen = async || {
        world
            .read(move |tx| {
                let queued = command::queued(tx, tenant, endpoint, 50, 10)?.len();
                let waits = command::is_waiting(tx, tenant, endpoint)?;
                Ok::<_, quell_store::Error>((queued, waits, command::waiting(tx, 10)?.len()))
            })
            .await
    };
    assert_eq!(seen().await, (0, false, 0));
    assert!(world.read(move |tx| command::is_held(tx, tenant, step_id)).await);
    assert!(!world.read(move |tx| rows::has_begun(tx, tenant, id)).await);
    world.write(move |tx| command::release(tx, tenant, step_id)).await.unwrap();
    assert_eq!(seen().await, (1, true, 1));
    assert!(!world.read(move |tx| command::is_held(tx, tenant, step_id)).await);
    let targets = world.read(move |tx| command::open_targets(tx, tenant, step_id, 5)).await;
    assert_eq!((targets.len(), targets[0].name.as_str()), (1, "a"));
    let given = command::Change { to: "dispatched", dispatched_at: Some(60), ..command::Change::default() };
    assert!(world.write(move |tx| command::transition(tx, tenant, held_id, "queued", &given)).await.unwrap());
    assert!(world.read(move |tx| rows::has_begun(tx, tenant, id)).await);
}

async fn a_plan_goes_over_with_its_incident(world: &World) {
    let (tenant, one, two) = (world.tenant, Uuid::now_v7(), Uuid::now_v7());
    let made = Plan { incident_id: Some(one), ..plan(tenant, "ann", None) };
    let id = made.id;
    world.write(move |tx| rows::insert(tx, &made)).await.unwrap();
    world.write(move |tx| group::move_all(tx, tenant, one, two)).await.unwrap();
    let of = async |incident: Uuid| {
        world.read(move |tx| rows::list(tx, tenant, Some(incident), Page::default())).await.rows
    };
    assert!(of(one).await.is_empty());
    assert_eq!(of(two).await[0].id, id);
}

async fn an_undo_is_taken_back_by_its_own_end_alone(world: &World) {
    let tenant = world.tenant;
    let (made, by, other) = (plan(tenant, "ann", None), Uuid::now_v7(), Uuid::now_v7());
    let id = made.id;
    world.write(move |tx| rows::insert(tx, &made)).await.unwrap();
    assert!(world.write(move |tx| rows::undone(tx, tenant, id, by)).await.unwrap());
    assert!(!world.write(move |tx| rows::undone(tx, tenant, id, other)).await.unwrap());
    assert!(!world.write(move |tx| rows::reopen_undo(tx, tenant, id, other)).await.unwrap());
    assert!(world.write(move |tx| rows::reopen_undo(tx, tenant, id, by)).await.unwrap());
    assert!(world.write(move |tx| rows::undone(tx, tenant, id, other)).await.unwrap());
}
