//! Orders that are taken from the queue and do not get onto the wire.

use std::time::Duration;

use quell_engine::{Actor, Targets, TaskRequest};
use serde_json::json;

use super::agent::Agent;
use super::rig::Rig;

/// What waits is taken in one transaction and signed after it. Here the second fails: the order cannot be put together.
#[tokio::test]
async fn a_session_ends_when_what_it_took_could_not_be_sent() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    rig.write(|tx| {
        tx.execute(
            "CREATE TRIGGER spoil AFTER INSERT ON command BEGIN UPDATE command SET leaf_index = -1 WHERE id = NEW.id; END",
            &[],
        )
    })
    .await;
    let request = TaskRequest {
        tenant: rig.tenant,
        action: "process.terminate".to_owned(),
        params: json!({ "pid": 4242, "start_time": 1 }),
        targets: Targets::Endpoints(vec![agent.id()]),
        reason: "test".to_owned(),
        idempotency_key: None,
        expires_in: Some(Duration::from_hours(1)),
        revert_after: None,
        confirm_count: None,
    };
    let task = rig.engine.submit(&Actor::system(), request).await.unwrap().task_id;
    assert_eq!(session.goodbye().await, "busy", "instead of a session on which nobody looks for it");
    rig.write(|tx| tx.execute("DROP TRIGGER spoil", &[])).await;
    rig.write(|tx| tx.execute("UPDATE command SET leaf_index = 0", &[])).await;
    let tenant = rig.tenant;
    let command = rig.read(move |tx| quell_store::command::of_task(tx, tenant, task, -1, 1)).await.remove(0);
    assert_eq!(command.state, "dispatched", "taken");
    let order = agent.session().await.order().await;
    let order = <quell_wire::Order as prost::Message>::decode(order.order.as_slice()).unwrap();
    assert_eq!(order.order_id, command.id.to_string());
}
