//! What is not accepted, from people and from agents: refused with a reason, and nothing changed.

use std::time::Duration;

use quell_store::{Page, endpoint, task};
use quell_wire::{Outcome, Status};
use serde_json::json;
use uuid::Uuid;

use super::world::{TENANT, World, ann, cut, id_of, isolate, request, terminate};
use crate::{Actor, CommandState, Error, Receipt, Targets};

#[tokio::test]
async fn requests_that_cannot_be_carried_out() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let codes = async |asked: crate::TaskRequest| -> &'static str {
        match world.engine.submit(&ann(), asked).await {
            Err(error) => error.code(),
            Ok(_) => "accepted",
        }
    };
    assert_eq!(codes(request("endpoint.explode", json!({}), &[&agent])).await, "unknown_action");
    assert_eq!(codes(request("endpoint.isolate", json!({ "alow": [] }), &[&agent])).await, "invalid_params");
    assert_eq!(codes(request("endpoint.isolate", json!([]), &[&agent])).await, "invalid_params");
    assert_eq!(
        codes(request("process.terminate", json!({ "pid": 1, "start_time": 1 }), &[&agent])).await,
        "invalid_params"
    );
    assert_eq!(codes(isolate(&[])).await, "no_targets");
    for reason in ["", "  ", "a\u{1b}[2J", &"x".repeat(3000)] {
        assert_eq!(
            codes(crate::TaskRequest { reason: reason.to_owned(), ..isolate(&[&agent]) }).await,
            "invalid_request"
        );
    }
    let forever = Some(Duration::from_hours(24 * 31));
    assert_eq!(
        codes(crate::TaskRequest { expires_in: forever, ..isolate(&[&agent]) }).await,
        "invalid_request"
    );
    let timer = Some(Duration::from_mins(1));
    assert_eq!(
        codes(crate::TaskRequest { revert_after: timer, ..terminate(&[&agent]) }).await,
        "invalid_request"
    );
    let everybody = crate::TaskRequest { targets: Targets::All, ..terminate(&[]) };
    assert_eq!(codes(everybody.clone()).await, "confirm_count");
    assert_eq!(
        codes(crate::TaskRequest { confirm_count: Some(2), ..everybody.clone() }).await,
        "confirm_count"
    );
    assert_eq!(codes(crate::TaskRequest { confirm_count: Some(1), ..everybody }).await, "accepted");
    assert_eq!(codes(isolate(&[&agent])).await, "accepted");
    assert_eq!(codes(isolate(&[&agent])).await, "targets_refused", "isolate while isolating");
    assert_eq!(
        world.read(|tx| task::list(tx, TENANT, &task::Filter::default(), Page::default())).await.rows.len(),
        2
    );
}

#[tokio::test]
async fn endpoints_that_cannot_carry_it_out_are_all_named() {
    let world = World::new().await;
    let (good, revoked, old) =
        (world.agent("good").await, world.agent("revoked").await, world.agent("old").await);
    let windows = world.agent("windows").await;
    let (a, b, c) = (revoked.id, old.id, windows.id);
    world
        .write(move |tx| {
            endpoint::revoke(tx, TENANT, a)?;
            let able = "[{\"action\":\"endpoint.isolate\",\"revision\":0}]";
            let facts = endpoint::Facts { agent_version: "0", facts: "{}", capabilities: able };
            endpoint::set_facts(tx, TENANT, b, &facts, 1)?;
            tx.execute("UPDATE endpoint SET os = 'windows' WHERE id = $1", &[&c])
        })
        .await;
    let mut asked = isolate(&[&good, &revoked, &old, &windows]);
    if let Targets::Endpoints(ids) = &mut asked.targets {
        ids.push(Uuid::from_u128(5));
        ids.push(good.id);
    }
    let Err(Error::Targets(problems)) = world.engine.submit(&ann(), asked).await else { panic!("accepted") };
    let codes: Vec<(Uuid, &str)> = problems.iter().map(|problem| (problem.endpoint, problem.code)).collect();
    let expected =
        [(a, "revoked"), (b, "incapable"), (c, "unsupported_system"), (Uuid::from_u128(5), "unknown")];
    assert_eq!(codes, expected);
    assert!(world.lease(&good).await.is_empty(), "and none was acted on");
    let foreign = crate::TaskRequest { tenant: Uuid::from_u128(9), ..isolate(&[&good]) };
    assert_eq!(world.engine.submit(&ann(), foreign).await.unwrap_err().code(), "targets_refused");
}

#[tokio::test]
async fn an_idempotency_key_makes_one_task() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let asked = crate::TaskRequest { idempotency_key: Some("k".to_owned()), ..isolate(&[&agent]) };
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (engine, asked) = (world.engine.clone(), asked.clone());
            tokio::spawn(async move { engine.submit(&ann(), asked).await.unwrap() })
        })
        .collect();
    let mut made = Vec::new();
    for attempt in tries {
        made.push(attempt.await.unwrap());
    }
    assert_eq!(made.iter().filter(|submitted| submitted.created).count(), 1);
    assert!(made.iter().all(|submitted| submitted.task_id == made[0].task_id));
    let other = crate::TaskRequest { reason: "another".to_owned(), ..asked.clone() };
    assert!(
        matches!(world.engine.submit(&ann(), other).await, Err(Error::KeyReused(id)) if id == made[0].task_id)
    );
    let bob = Actor { id: "u2".to_owned(), ..ann() };
    let his = crate::TaskRequest { action: "endpoint.restore".to_owned(), ..asked };
    assert!(world.engine.submit(&bob, his).await.unwrap().created, "another requester's key is another key");
}

#[tokio::test]
async fn outcomes_that_do_not_fit() {
    let world = World::new().await;
    let (agent, rogue) = (world.agent("a").await, world.agent("rogue").await);
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let queued = world.commands(task).await[0].clone();
    let digest = world.task(task).await.intent_digest;
    let outcome = |endpoint: Uuid, order: &str, digest: &[u8]| Outcome {
        tenant_id: TENANT.to_string(),
        endpoint_id: endpoint.to_string(),
        order_id: order.to_owned(),
        intent_digest: digest.to_vec(),
        status: Status::Done.into(),
        reason_code: String::new(),
        message: String::new(),
        result: cut().to_string().into_bytes(),
        started_at_us: 1,
        ended_at_us: 2,
    };
    let order = queued.id.to_string();
    let early = agent.sign(&outcome(agent.id, &order, &digest));
    assert_eq!(world.outcome(&agent, &early).await, Receipt::Refused("never_given"));
    let orders = world.lease(&agent).await;
    let foreign = rogue.sign(&outcome(rogue.id, &order, &digest));
    assert_eq!(world.outcome(&rogue, &foreign).await, Receipt::Refused("other_endpoint"));
    let posing = rogue.sign(&outcome(agent.id, &order, &digest));
    assert_eq!(world.outcome(&rogue, &posing).await, Receipt::Refused("other_endpoint"));
    assert_eq!(world.outcome(&agent, &posing).await, Receipt::Refused("bad_signature"));
    let unknown = agent.sign(&outcome(agent.id, &Uuid::from_u128(3).to_string(), &digest));
    assert_eq!(world.outcome(&agent, &unknown).await, Receipt::Refused("unknown_order"));
    let nonsense = agent.sign(&outcome(agent.id, "../../etc", &digest));
    assert_eq!(world.outcome(&agent, &nonsense).await, Receipt::Refused("unknown_order"));
    let other_deed = agent.sign(&outcome(agent.id, &order, &[0; 32]));
    assert_eq!(world.outcome(&agent, &other_deed).await, Receipt::Refused("other_intent"));
    assert_eq!(world.only(task).await.0, "dispatched", "nothing of this changed anything");
    assert_eq!(world.engine.started(TENANT, rogue.id, id_of(&orders[0])).await.ok(), Some(false));
    let refusals = world.trail(queued.id).await;
    assert_eq!(refusals.len(), 3, "and all of it is in the trail: {refusals:?}");
}

#[tokio::test]
async fn success_without_evidence_is_failure() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let mut bare = cut();
    bare["probes"] = json!([]);
    let mut dead = cut();
    dead["channel_alive"] = json!(false);
    let mut reached = cut();
    reached["probes"][0]["held"] = json!(false);
    let cases = [
        (bare.to_string(), "no_evidence"),
        (dead.to_string(), "channel_lost"),
        (reached.to_string(), "still_reachable"),
        ("{}".to_owned(), "malformed_outcome"),
        ("not json".to_owned(), "malformed_outcome"),
        (String::new(), "malformed_outcome"),
        ("[".repeat(100_000), "malformed_outcome"),
    ];
    for (result, code) in cases {
        let task = world.submit(isolate(&[&agent])).await.task_id;
        let orders = world.lease(&agent).await;
        let signed = agent.says(&orders[0], Status::Done, "", &result);
        assert_eq!(world.outcome(&agent, &signed).await, Receipt::Stored(CommandState::Failed));
        assert_eq!(world.only(task).await, ("failed".to_owned(), Some(code.to_owned())));
    }
    let id = agent.id;
    assert_eq!(world.read(move |tx| endpoint::get(tx, TENANT, id)).await.unwrap().isolation, None);
}

#[tokio::test]
async fn a_collected_file_must_be_on_the_server() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task =
        world.submit(request("file.collect", json!({ "path": "/etc/passwd" }), &[&agent])).await.task_id;
    let orders = world.lease(&agent).await;
    assert_eq!(orders[0].secret("archive_password").map(str::len), Some(26));
    let result = json!({
        "path": "/etc/passwd", "size": 10, "sha1": "0".repeat(40), "sha256": "0".repeat(64), "modified_us": 1,
        "uid": 0, "mode": 420, "changed_while_reading": false,
        "archive": { "artifact_id": Uuid::from_u128(1), "size": 20, "sha256": "0".repeat(64) },
    });
    let receipt = world.outcome(&agent, &agent.done(&orders[0], result)).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Failed));
    assert_eq!(world.only(task).await.1.as_deref(), Some("not_received"));
}

#[tokio::test]
async fn an_agents_words_are_stored_inert() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let orders = world.lease(&agent).await;
    let signed = agent.says(&orders[0], Status::Failed, "bad\u{1b}[31m\ncode\u{202e}", "");
    world.outcome(&agent, &signed).await;
    assert_eq!(world.only(task).await.1.as_deref(), Some("bad\u{fffd}[31m\u{fffd}code\u{fffd}"));
}
