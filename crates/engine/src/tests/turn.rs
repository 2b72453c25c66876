//! When a step of a plan may begin: not before people agreed to all of it, not in another order than they saw, and not in the
//! way of what others ask of the endpoint.

use quell_store::Tx;
use serde_json::json;
use uuid::Uuid;

use super::response::{nothing_ran, plan};
use super::world::{Agent, SECOND, TENANT, World, ann, cut, isolate, restored, terminate};
use crate::{Actor, Error, OnFailure, PlanState, PlanSubmitted, Repeat};

/// People are asked about isolations, and about nothing else.
async fn asking() -> World {
    let world = World::new().await;
    let rule = json!({ "actions": ["endpoint.isolate"], "require": { "people": {} } });
    world.policy(json!({ "rules": [rule] })).await;
    world
}

impl World {
    /// A plan whose first step needs nobody, and whose second and third do.
    async fn mixed(&self, a: &Agent, b: &Agent) -> PlanSubmitted {
        let steps = vec![
            (terminate(&[a]), OnFailure::Continue),
            (isolate(&[a]), OnFailure::Continue),
            (isolate(&[b]), OnFailure::Continue),
        ];
        self.engine.submit_plan(&ann(), plan(steps)).await.unwrap()
    }

    async fn ends(&self, made: &PlanSubmitted) -> Vec<(String, Option<String>)> {
        let mut ends = Vec::new();
        for task in &made.tasks {
            ends.push(self.only(task.task_id).await);
        }
        ends
    }

    /// What somebody with the database in their hands does to it.
    async fn edit(&self, sql: &'static str, plan: Uuid) {
        let changed = self.write(move |tx: &mut Tx<'_>| tx.execute(sql, &[&plan])).await;
        assert!(changed > 0);
    }
}

fn end(state: &str, code: &str) -> (String, Option<String>) {
    (state.to_owned(), Some(code.to_owned()))
}

#[tokio::test]
async fn nothing_of_a_plan_begins_while_anybody_is_asked() {
    let world = asking().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let approver = world.person("arno", &["approver"]).await;
    let made = world.mixed(&a, &b).await;
    assert_eq!(made.state, PlanState::PendingApproval);
    assert!(world.lease(&a).await.is_empty());
    world.engine.advance_plans().await.unwrap();
    world.engine.tick().await.unwrap();
    assert!(world.lease(&a).await.is_empty(), "the first step needs nobody, and waits for the plan");
    let bell = world.engine.bell().listen(TENANT, a.id);
    assert_eq!(world.vote(&approver, made.plan_id, true).await.unwrap(), PlanState::Running);
    tokio::time::timeout(std::time::Duration::from_secs(5), bell.rung()).await.unwrap();
    world.end(&a, nothing_ran()).await;
    world.end(&a, cut()).await;
    world.end(&b, cut()).await;
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    world.consistent(true).await;
}

#[tokio::test]
async fn a_plan_that_is_declined_ends_with_all_of_its_steps() {
    let world = asking().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let approver = world.person("arno", &["approver"]).await;
    let made = world.mixed(&a, &b).await;
    assert_eq!(world.vote(&approver, made.plan_id, false).await.unwrap(), PlanState::Rejected);
    let rejected = end("rejected", "rejected");
    assert_eq!(world.ends(&made).await, [end("canceled", "plan_rejected"), rejected.clone(), rejected]);
    assert!(world.lease(&a).await.is_empty());
    world.engine.advance_plans().await.unwrap();
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    world.consistent(true).await;
}

#[tokio::test]
async fn an_approval_that_is_lost_before_the_plan_began_ends_all_of_it() {
    let world = asking().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let approver = world.person("arno", &["approver"]).await;
    let made = world.mixed(&a, &b).await;
    world.vote(&approver, made.plan_id, true).await.unwrap();
    let last = made.tasks[2].task_id;
    world.engine.revoke_approval(&approver, TENANT, last).await.unwrap();
    // Before anybody looked at the plan again.
    assert!(world.lease(&a).await.is_empty(), "the first step waited in the queue");
    world.engine.advance_plans().await.unwrap();
    let off = end("canceled", "plan_rejected");
    assert_eq!(world.ends(&made).await, [off.clone(), off, end("rejected", "approval_revoked")]);
    assert_eq!(world.row(made.plan_id).await.stopped_by, Some(2));
    // Once it began, a step that is lost is a step that failed.
    let made = world.mixed(&a, &b).await;
    world.vote(&approver, made.plan_id, true).await.unwrap();
    let order = world.lease(&a).await.remove(0);
    world.engine.revoke_approval(&approver, TENANT, made.tasks[2].task_id).await.unwrap();
    world.outcome(&a, &a.done(&order, nothing_ran())).await;
    world.engine.advance_plans().await.unwrap();
    world.end(&a, cut()).await;
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    world.consistent(true).await;
}

#[tokio::test]
async fn nobody_decided_in_time_and_nothing_begins() {
    let world = asking().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let mut asked = plan(vec![
        (terminate(&[&a]), OnFailure::Continue),
        (isolate(&[&a]), OnFailure::Continue),
        (terminate(&[&b]), OnFailure::Continue),
    ]);
    asked.steps[1].task.expires_in = Some(std::time::Duration::from_mins(1));
    let made = world.engine.submit_plan(&ann(), asked).await.unwrap();
    world.pass(61 * SECOND);
    world.engine.tick().await.unwrap();
    assert!(world.lease(&a).await.is_empty());
    world.engine.advance_plans().await.unwrap();
    let states: Vec<_> = world.ends(&made).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["canceled", "expired", "canceled"]);
    assert!(world.lease(&b).await.is_empty());
    world.consistent(true).await;
}

#[tokio::test]
async fn a_plan_that_waits_does_not_stand_before_what_is_asked_apart() {
    let world = asking().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    // One plan waits for people, one for an endpoint that is away.
    let mut asked: Vec<_> = (0..199).map(|_| (terminate(&[&a]), OnFailure::Continue)).collect();
    asked.push((isolate(&[&b]), OnFailure::Continue));
    world.engine.submit_plan(&ann(), plan(asked)).await.unwrap();
    let mut asked = vec![(terminate(&[&b]), OnFailure::Continue)];
    asked.extend((0..199).map(|_| (terminate(&[&a]), OnFailure::Continue)));
    let made = world.engine.submit_plan(&ann(), plan(asked)).await.unwrap();
    world.policy(json!({})).await;
    assert!(!world.engine.resume(TENANT, a.id, &[]).await.unwrap().waiting, "nothing to ring for");
    let apart = world.submit(isolate(&[&a])).await.task_id;
    let orders = world.lease(&a).await;
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].intent().task_id, apart.to_string());
    let order = world.lease(&b).await.remove(0);
    world.outcome(&b, &b.done(&order, nothing_ran())).await;
    world.engine.advance_plans().await.unwrap();
    let orders = world.lease(&a).await;
    assert_eq!(orders[0].intent().task_id, made.tasks[1].task_id.to_string());
}

#[tokio::test]
async fn who_is_in_a_hurry_need_not_wait_for_a_plan_that_would_do_the_same() {
    let world = asking().await;
    let a = world.agent("a").await;
    let steps = || vec![(terminate(&[&a]), OnFailure::Continue), (isolate(&[&a]), OnFailure::Continue)];
    let waits = world.engine.submit_plan(&ann(), plan(steps())).await.unwrap();
    world.policy(json!({})).await;
    let runs = world.engine.submit_plan(&ann(), plan(steps())).await.unwrap();
    let order = world.lease(&a).await.remove(0);
    assert_eq!(order.intent().task_id, runs.tasks[0].task_id.to_string());
    // Apart, before the turn of either plan's step.
    let apart = world.submit(isolate(&[&a])).await.task_id;
    let hurried = world.lease(&a).await.remove(0);
    assert_eq!(hurried.intent().task_id, apart.to_string());
    // The turn of a step comes meanwhile: not beside the other, and no third beside the two.
    world.outcome(&a, &a.done(&order, nothing_ran())).await;
    world.engine.advance_plans().await.unwrap();
    assert!(world.lease(&a).await.is_empty(), "one at a time");
    let refused = world.engine.submit(&ann(), isolate(&[&a])).await;
    assert!(
        matches!(&refused, Err(Error::Targets(problems)) if problems[0].code == "conflict"),
        "{refused:?}"
    );
    world.outcome(&a, &a.done(&hurried, cut())).await;
    let order = world.lease(&a).await.remove(0);
    assert_eq!(order.intent().task_id, runs.tasks[1].task_id.to_string());
    world.outcome(&a, &a.done(&order, cut())).await;
    world.engine.advance_plans().await.unwrap();
    assert!(world.row(runs.plan_id).await.ended_at.is_some());
    // What stands is the step's now.
    let back = world.engine.undo(&ann(), TENANT, apart, "enough").await;
    assert!(back.is_err(), "{back:?}");
    world.engine.undo(&ann(), TENANT, runs.tasks[1].task_id, "enough").await.unwrap();
    assert!(world.row(waits.plan_id).await.ended_at.is_none());
    world.consistent(false).await;
}

#[tokio::test]
async fn a_plan_that_was_edited_in_the_database_is_not_carried_out() {
    for sql in [
        "UPDATE response_step SET on_failure = 'continue' WHERE plan_id = $1 AND step = 1",
        "UPDATE response_step SET needs = '[]' WHERE plan_id = $1 AND step = 1",
        "UPDATE response_step SET needs = 'none' WHERE plan_id = $1 AND step = 0",
        "DELETE FROM response_step WHERE plan_id = $1 AND step = 0",
        "UPDATE response_step SET step = 7 WHERE plan_id = $1 AND step = 0",
    ] {
        let world = World::new().await;
        let a = world.agent("a").await;
        let mut asked = plan(vec![(terminate(&[&a]), OnFailure::Stop), (isolate(&[&a]), OnFailure::Stop)]);
        asked.steps[1].needs = vec![0];
        let made = world.engine.submit_plan(&ann(), asked).await.unwrap();
        world.edit(sql, made.plan_id).await;
        let apart = world.submit(terminate(&[&a])).await.task_id;
        let orders = world.lease(&a).await;
        let given: Vec<_> = orders.iter().map(|order| order.intent().task_id.clone()).collect();
        assert_eq!(given, [apart.to_string()], "{sql}: others are not held up by it");
        assert_eq!(world.only(made.tasks[0].task_id).await, end("rejected", "plan_changed"), "{sql}");
        world.engine.advance_plans().await.unwrap();
        let (state, code) = world.only(made.tasks[1].task_id).await;
        assert_eq!((state.as_str(), code.as_deref()), ("canceled", Some("plan_changed")), "{sql}");
        assert!(world.row(made.plan_id).await.ended_at.is_some(), "{sql}");
    }
}

#[tokio::test]
async fn an_undo_that_did_nothing_does_not_keep_another_from_it() {
    let world = asking().await;
    world
        .policy(json!({ "rules": [{ "actions": ["endpoint.restore"], "require": { "people": {} } }] }))
        .await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let approver = world.person("arno", &["approver"]).await;
    let steps = vec![(isolate(&[&a]), OnFailure::Stop), (isolate(&[&b]), OnFailure::Stop)];
    let made = world.engine.submit_plan(&ann(), plan(steps)).await.unwrap();
    world.end(&a, cut()).await;
    world.end(&b, cut()).await;
    let undo = async || world.engine.undo_plan(&ann(), TENANT, made.plan_id, "a drill").await;
    let back = undo().await.unwrap();
    assert!(matches!(undo().await, Err(Error::Undone(by)) if by == back.plan_id));
    world.vote(&approver, back.plan_id, false).await.unwrap();
    world.engine.advance_plans().await.unwrap();
    assert_eq!(world.row(made.plan_id).await.undone_by, None, "declined");
    let back = undo().await.unwrap();
    world.engine.cancel_plan(&ann(), TENANT, back.plan_id).await.unwrap();
    world.engine.advance_plans().await.unwrap();
    assert_eq!(world.row(made.plan_id).await.undone_by, None, "called off");
    let back = undo().await.unwrap();
    world.pass(8 * 24 * 3600 * SECOND);
    world.engine.tick().await.unwrap();
    world.engine.advance_plans().await.unwrap();
    assert!(world.row(back.plan_id).await.ended_at.is_some());
    assert_eq!(world.row(made.plan_id).await.undone_by, None, "nobody decided in time");
    let back = undo().await.unwrap();
    world.vote(&approver, back.plan_id, true).await.unwrap();
    world.fail(&b).await;
    world.end(&a, restored()).await;
    assert_eq!(world.row(made.plan_id).await.undone_by, None, "one of two is left");
    let back = undo().await.unwrap();
    assert_eq!(back.tasks.len(), 1, "what was taken back stays so");
    world.vote(&approver, back.plan_id, true).await.unwrap();
    world.end(&b, restored()).await;
    assert_eq!(world.row(made.plan_id).await.undone_by, Some(back.plan_id));
    assert!(matches!(undo().await, Err(Error::Undone(_))));
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_answered_with_the_first_plan() {
    let world = World::new().await;
    let a = world.agent("a").await;
    let asked = |key: &str, request: u8| {
        let repeat = Some(Repeat { key: key.to_owned(), request: [request; 32] });
        crate::PlanRequest { repeat, ..plan(vec![(terminate(&[&a]), OnFailure::Stop)]) }
    };
    let first = world.engine.submit_plan(&ann(), asked("k", 1)).await.unwrap();
    let again = world.engine.submit_plan(&ann(), asked("k", 1)).await.unwrap();
    assert_eq!((first.created, again.created), (true, false));
    assert_eq!((again.plan_id, again.tasks[0].task_id), (first.plan_id, first.tasks[0].task_id));
    assert_eq!(world.all_tasks().await.len(), 1);
    let other = world.engine.submit_plan(&ann(), asked("k", 2)).await;
    assert!(matches!(other, Err(Error::KeyReused(plan)) if plan == first.plan_id));
    let bob = Actor { id: "u2".to_owned(), ..ann() };
    assert!(world.engine.submit_plan(&bob, asked("k", 2)).await.unwrap().created, "keys are each one's own");
    assert!(world.engine.submit_plan(&ann(), asked("", 1)).await.is_err());
}
