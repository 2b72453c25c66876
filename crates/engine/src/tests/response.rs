//! Response plans: asked for, decided about, carried out in their order, stopped, called off and taken back as one.

use std::time::Duration;

use quell_store::response_plan as rows;
use quell_wire::Status;
use serde_json::json;
use uuid::Uuid;

use super::world::{Agent, SECOND, TENANT, World, ann, cut, isolate, restored, terminate};
use crate::{
    Actor, CommandState, Error, OnFailure, PlanBallot, PlanRequest, PlanState, Receipt, StepRequest,
    TaskRequest,
};

pub(super) fn plan(steps: Vec<(TaskRequest, OnFailure)>) -> PlanRequest {
    let steps = steps
        .into_iter()
        .map(|(task, on_failure)| StepRequest {
            task,
            on_failure,
            needs: Vec::new(),
            why: "it began here".to_owned(),
            origin: None,
        })
        .collect();
    PlanRequest { tenant: TENANT, incident: None, reason: "cut the chain".to_owned(), steps, repeat: None }
}

/// What an agent reports when nothing that was to be ended runs.
pub(super) fn nothing_ran() -> serde_json::Value {
    json!({ "ended": [], "spared": [], "truncated": false,
        "probes": [{ "subject": "process 4211", "method": "procfs", "before": "running", "after": "gone",
            "held": true, "proves": true }] })
}

impl World {
    pub(super) async fn row(&self, plan: Uuid) -> rows::Plan {
        self.read(move |tx| rows::get(tx, TENANT, plan)).await.unwrap()
    }

    pub(super) async fn fail(&self, agent: &Agent) {
        let order = self.lease(agent).await.remove(0);
        let receipt =
            self.outcome(agent, &agent.says(&order, Status::Refused, "journal_unavailable", "")).await;
        assert_eq!(receipt, Receipt::Stored(CommandState::Refused));
        self.engine.advance_plans().await.unwrap();
    }

    pub(super) async fn end(&self, agent: &Agent, result: serde_json::Value) {
        let order = self.lease(agent).await.remove(0);
        self.outcome(agent, &agent.done(&order, result)).await;
        self.engine.advance_plans().await.unwrap();
    }

    pub(super) async fn vote(&self, who: &Actor, plan: Uuid, approve: bool) -> Result<PlanState, Error> {
        let ballot = PlanBallot {
            digest: self.row(plan).await.digest,
            approve,
            note: "seen".to_owned(),
            via: "api".to_owned(),
            valid_for: None,
            signatures: Vec::new(),
        };
        self.engine.decide_plan(who, TENANT, plan, ballot).await
    }
}

#[tokio::test]
async fn a_step_begins_when_those_before_it_ended_well() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let steps = vec![
        (isolate(&[&a]), OnFailure::Stop),
        (terminate(&[&b]), OnFailure::Stop),
        (terminate(&[&a]), OnFailure::Stop),
    ];
    let made = world.engine.submit_plan(&ann(), plan(steps)).await.unwrap();
    assert_eq!((made.state, made.tasks.len()), (PlanState::Running, 3));
    assert!(world.lease(&b).await.is_empty(), "its turn has not come");
    let orders = world.lease(&a).await;
    assert_eq!(orders.len(), 1, "the third step waits for the second");
    world.engine.advance_plans().await.unwrap();
    assert!(world.lease(&b).await.is_empty());
    world.outcome(&a, &a.done(&orders[0], cut())).await;
    world.engine.advance_plans().await.unwrap();
    assert!(world.lease(&a).await.is_empty());
    world.end(&b, nothing_ran()).await;
    assert!(world.row(made.plan_id).await.ended_at.is_none());
    world.end(&a, nothing_ran()).await;
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    let verbs: Vec<_> = world.trail(made.plan_id).await;
    assert_eq!(verbs[0], ("plan.submit".to_owned(), "ok".to_owned()));
    assert_eq!(verbs.last().unwrap().0, "plan.end");
    world.consistent(true).await;
}

#[tokio::test]
async fn the_next_endpoint_is_rung_without_a_tick() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let steps = vec![(isolate(&[&a]), OnFailure::Stop), (terminate(&[&b]), OnFailure::Stop)];
    world.engine.submit_plan(&ann(), plan(steps)).await.unwrap();
    let bell = world.engine.bell().listen(TENANT, b.id);
    // Rung when the plan was made.
    let _ = tokio::time::timeout(Duration::from_millis(50), bell.rung()).await;
    world.carry_out(&a, cut()).await;
    tokio::time::timeout(Duration::from_secs(5), bell.rung()).await.unwrap();
    assert_eq!(world.lease(&b).await.len(), 1);
}

#[tokio::test]
async fn a_failure_calls_off_the_rest_or_is_passed_over() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let stopped = vec![(isolate(&[&a]), OnFailure::Stop), (terminate(&[&b]), OnFailure::Continue)];
    let made = world.engine.submit_plan(&ann(), plan(stopped)).await.unwrap();
    world.fail(&a).await;
    assert!(world.lease(&b).await.is_empty());
    assert_eq!(
        world.only(made.tasks[1].task_id).await,
        ("canceled".to_owned(), Some("plan_stopped".to_owned()))
    );
    let row = world.row(made.plan_id).await;
    assert_eq!((row.stopped_by, row.ended_at.is_some()), (Some(0), true));
    let passed = vec![(isolate(&[&a]), OnFailure::Continue), (terminate(&[&b]), OnFailure::Stop)];
    let made = world.engine.submit_plan(&ann(), plan(passed)).await.unwrap();
    world.fail(&a).await;
    world.end(&b, nothing_ran()).await;
    let row = world.row(made.plan_id).await;
    assert_eq!((row.stopped_by, row.ended_at.is_some()), (None, true));
    world.consistent(true).await;
}

#[tokio::test]
async fn what_needs_a_step_that_failed_is_called_off_and_the_rest_goes_on() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let mut asked = plan(vec![
        (isolate(&[&a]), OnFailure::Continue),
        (terminate(&[&a]), OnFailure::Continue),
        (terminate(&[&b]), OnFailure::Continue),
        (terminate(&[&b]), OnFailure::Continue),
    ]);
    asked.steps[1].needs = vec![0];
    asked.steps[2].needs = vec![1];
    let mut wrong = asked.clone();
    wrong.steps[0].needs = vec![0];
    assert!(matches!(world.engine.submit_plan(&ann(), wrong).await, Err(Error::Step { step: 0, .. })));
    let made = world.engine.submit_plan(&ann(), asked).await.unwrap();
    world.fail(&a).await;
    for number in [1, 2] {
        let ended = world.only(made.tasks[number].task_id).await;
        assert_eq!(ended, ("canceled".to_owned(), Some("plan_stopped".to_owned())), "step {number}");
    }
    world.end(&b, nothing_ran()).await;
    let row = world.row(made.plan_id).await;
    assert_eq!((row.stopped_by, row.ended_at.is_some()), (None, true));
    world.consistent(true).await;
}

#[tokio::test]
async fn one_decision_is_about_all_steps_and_about_what_was_seen() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let steps = || vec![(isolate(&[&a]), OnFailure::Stop), (terminate(&[&b]), OnFailure::Stop)];
    let made = world.engine.submit_plan(&ops, plan(steps())).await.unwrap();
    assert_eq!(made.state, PlanState::PendingApproval);
    let (first, second) = (made.tasks[0].task_id, made.tasks[1].task_id);
    let alone = world.ballot(second, true).await;
    let refused = world.engine.decide(&approver, TENANT, second, alone).await;
    assert!(matches!(refused, Err(Error::PartOfPlan(id)) if id == made.plan_id));
    let own = world.vote(&ops, made.plan_id, true).await;
    assert!(matches!(own, Err(Error::Step { step: 0, .. })), "{own:?}");
    let other = PlanBallot {
        digest: [0; 32],
        approve: true,
        note: String::new(),
        via: "api".to_owned(),
        valid_for: None,
        signatures: Vec::new(),
    };
    let other = world.engine.decide_plan(&approver, TENANT, made.plan_id, other).await;
    assert!(matches!(other, Err(Error::Digest)));
    assert!(world.lease(&a).await.is_empty());
    assert_eq!(world.vote(&approver, made.plan_id, true).await.unwrap(), PlanState::Running);
    assert!(matches!(world.vote(&approver, made.plan_id, true).await, Err(Error::State(_))));
    let verbs: Vec<String> = world.trail(first).await.into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs, ["task.submit", "approval.request", "approval.approve"]);
    world.end(&a, cut()).await;
    world.end(&b, nothing_ran()).await;
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    // Two plans of the same actions are two digests: tasks have ids of their own.
    let made = world.engine.submit_plan(&ops, plan(vec![(terminate(&[&b]), OnFailure::Stop)])).await.unwrap();
    assert_eq!(world.vote(&approver, made.plan_id, false).await.unwrap(), PlanState::Rejected);
    assert!(world.lease(&b).await.is_empty());
}

#[tokio::test]
async fn a_plan_with_a_step_that_cannot_be_is_not_there_at_all() {
    let world = World::new().await;
    let a = world.agent("a").await;
    let mut wrong = terminate(&[&a]);
    wrong.params = json!({ "pid": 1 });
    let steps = vec![(isolate(&[&a]), OnFailure::Stop), (wrong, OnFailure::Stop)];
    let refused = world.engine.submit_plan(&ann(), plan(steps)).await;
    assert!(matches!(refused, Err(Error::Step { step: 1, .. })), "{refused:?}");
    assert_eq!(refused.unwrap_err().code(), "invalid_params");
    assert!(world.all_tasks().await.is_empty());
    assert!(matches!(world.engine.submit_plan(&ann(), plan(Vec::new())).await, Err(Error::Request { .. })));
    let stranger = Agent { id: Uuid::now_v7(), ..world.agent("b").await };
    let unknown = vec![(isolate(&[&a]), OnFailure::Stop), (isolate(&[&stranger]), OnFailure::Stop)];
    assert!(matches!(
        world.engine.submit_plan(&ann(), plan(unknown)).await,
        Err(Error::Step { step: 1, .. })
    ));
    assert!(world.all_tasks().await.is_empty(), "nothing is left of the step that could be");
}

#[tokio::test]
async fn a_plan_is_called_off_as_one() {
    let world = World::new().await;
    let a = world.agent("a").await;
    let steps = vec![(isolate(&[&a]), OnFailure::Stop), (terminate(&[&a]), OnFailure::Stop)];
    let made = world.engine.submit_plan(&ann(), plan(steps)).await.unwrap();
    let order = world.lease(&a).await.remove(0);
    let canceled = world.engine.cancel_plan(&ann(), TENANT, made.plan_id).await.unwrap();
    assert_eq!((canceled.ended, canceled.asked), (1, 1), "what was handed over is asked to stop");
    world.outcome(&a, &a.done(&order, cut())).await;
    world.engine.advance_plans().await.unwrap();
    assert!(world.row(made.plan_id).await.ended_at.is_some());
    assert!(matches!(world.engine.cancel_plan(&ann(), TENANT, made.plan_id).await, Err(Error::State(_))));
    world.consistent(true).await;
}

#[tokio::test]
async fn a_plan_is_taken_back_last_step_first() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let steps = vec![
        (isolate(&[&a]), OnFailure::Stop),
        (terminate(&[&a]), OnFailure::Stop),
        (isolate(&[&b]), OnFailure::Stop),
    ];
    let made = world.engine.submit_plan(&ann(), plan(steps)).await.unwrap();
    let early = world.engine.undo_plan(&ann(), TENANT, made.plan_id, "too soon").await;
    assert!(matches!(early, Err(Error::State(_))));
    world.end(&a, cut()).await;
    world.end(&a, nothing_ran()).await;
    world.end(&b, cut()).await;
    world.pass(SECOND);
    let back = world.engine.undo_plan(&ann(), TENANT, made.plan_id, "it was a drill").await.unwrap();
    assert_eq!((back.tasks.len(), back.left.len()), (2, 1), "{back:?}");
    assert_eq!(back.left[0].0, 1, "an end of a process has no way back");
    assert!(world.lease(&a).await.is_empty(), "what was done first is taken back last");
    world.end(&b, restored()).await;
    world.end(&a, restored()).await;
    let row = world.row(made.plan_id).await;
    assert!(world.trail(made.plan_id).await.contains(&("plan.undo".to_owned(), "ok".to_owned())));
    assert_eq!(row.undone_by, Some(back.plan_id));
    assert!(world.row(back.plan_id).await.ended_at.is_some());
    let again = world.engine.undo_plan(&ann(), TENANT, made.plan_id, "again").await;
    assert!(matches!(again, Err(Error::Undone(_))));
    world.consistent(true).await;
}
