//! The state machine, first alone, then within the engine, under whatever comes.

use proptest::prelude::*;
use quell_store::task::Task;
use quell_wire::{Status, VerifiedOrder};

use super::world::{
    Agent, DAY, SECOND, TENANT, World, ann, cut, id_of, isolate, request, restored, terminate,
};
use crate::{
    CommandState, TaskState,
    state::{Event, next},
};

fn event() -> impl Strategy<Value = Event> {
    prop::sample::select(Event::ALL)
}

proptest! {
    #[test]
    fn an_end_is_never_left(events in prop::collection::vec(event(), 0..60), pending in any::<bool>()) {
        let mut state = if pending { CommandState::PendingApproval } else { CommandState::Queued };
        for event in events {
            match next(state, event) {
                Some(_) if state.is_end() => prop_assert!(false, "{state:?} was left by {event:?}"),
                Some(after) => state = after,
                None => {}
            }
        }
        // Whatever came before, time alone brings it to an end.
        if !state.is_end() {
            state = next(state, Event::DeadlinePassed).unwrap();
        }
        prop_assert!(state.is_end());
    }
}

#[test]
fn the_table_keeps_its_promises() {
    for state in CommandState::ALL {
        assert_eq!(CommandState::parse(state.as_str()), Some(*state));
        for event in Event::ALL {
            let after = next(*state, *event);
            assert!(!state.is_end() || after.is_none());
            // Only a verified effect is a success.
            if after == Some(CommandState::Succeeded) {
                assert_eq!((*state, *event), (CommandState::Verifying, Event::Verified));
            }
            // What was handed over is never quietly called off.
            let given =
                matches!(state, CommandState::Dispatched | CommandState::Running | CommandState::Verifying);
            if given && matches!(event, Event::CancelAsked) {
                assert_eq!(after, Some(*state));
            }
            if given && matches!(event, Event::DeadlinePassed | Event::Voided) {
                assert_eq!(after, Some(CommandState::Indeterminate));
            }
        }
        if !state.is_end() {
            assert!(next(*state, Event::DeadlinePassed).is_some_and(CommandState::is_end));
            assert!(next(*state, Event::Voided).is_some_and(CommandState::is_end));
        }
    }
    for state in TaskState::ALL {
        assert_eq!(TaskState::parse(state.as_str()), Some(*state));
        if state.is_end() {
            assert_eq!(TaskState::of_rank(state.rank()), Some(*state), "ranks are distinct");
        }
    }
}

/// What may happen to an engine with three endpoints.
#[derive(Debug, Clone)]
enum Happening {
    Isolate(usize),
    Restore(usize),
    Terminate,
    Lease(usize),
    Start(usize),
    Say(usize, u8),
    Repeat(usize),
    Resume(usize, bool),
    Cancel(usize),
    Undo(usize),
    Revoke(usize),
    Pass(i64),
    Tick,
}

fn happening() -> impl Strategy<Value = Happening> {
    let agent = 0..3_usize;
    let any_task = 0..40_usize;
    prop_oneof![
        3 => agent.clone().prop_map(Happening::Isolate),
        2 => agent.clone().prop_map(Happening::Restore),
        2 => Just(Happening::Terminate),
        6 => agent.clone().prop_map(Happening::Lease),
        4 => agent.clone().prop_map(Happening::Start),
        6 => (agent.clone(), 0..6_u8).prop_map(|(agent, how)| Happening::Say(agent, how)),
        2 => agent.clone().prop_map(Happening::Repeat),
        2 => (agent.clone(), any::<bool>()).prop_map(|(agent, knows)| Happening::Resume(agent, knows)),
        2 => any_task.clone().prop_map(Happening::Cancel),
        2 => any_task.prop_map(Happening::Undo),
        1 => agent.prop_map(Happening::Revoke),
        3 => (1..4000_i64).prop_map(Happening::Pass),
        2 => Just(Happening::Tick),
    ]
}

struct Play {
    world: World,
    agents: Vec<Agent>,
    held: Vec<Vec<VerifiedOrder>>,
    said: Vec<Vec<quell_wire::SignedOutcome>>,
    tasks: Vec<uuid::Uuid>,
}

impl Play {
    async fn step(&mut self, happening: Happening) {
        let engine = self.world.engine.clone();
        match happening {
            Happening::Isolate(agent) => {
                let mut asked = isolate(&[&self.agents[agent]]);
                asked.revert_after =
                    self.tasks.len().is_multiple_of(2).then_some(std::time::Duration::from_mins(5));
                self.tasks.extend(engine.submit(&ann(), asked).await.map(|task| task.task_id));
            }
            Happening::Restore(agent) => {
                let asked = request("endpoint.restore", serde_json::json!({}), &[&self.agents[agent]]);
                self.tasks.extend(engine.submit(&ann(), asked).await.map(|task| task.task_id));
            }
            Happening::Terminate => {
                let asked = terminate(&self.agents.iter().collect::<Vec<_>>());
                self.tasks.extend(engine.submit(&ann(), asked).await.map(|task| task.task_id));
            }
            Happening::Lease(agent) => {
                let orders = self.world.lease(&self.agents[agent]).await;
                for order in orders {
                    assert!(
                        self.held[agent].iter().all(|held| id_of(held) != id_of(&order)),
                        "handed over twice"
                    );
                    self.held[agent].push(order);
                }
            }
            Happening::Start(agent) => {
                if let Some(order) = self.held[agent].last() {
                    engine.started(TENANT, self.agents[agent].id, id_of(order)).await.unwrap();
                }
            }
            Happening::Say(agent, how) => {
                let Some(order) = self.held[agent].pop() else { return };
                let good = if order.intent().action == "endpoint.restore" { restored() } else { cut() };
                let signed = match how {
                    0 | 1 => self.agents[agent].done(&order, good),
                    2 => self.agents[agent].says(&order, Status::Failed, "x", ""),
                    3 => self.agents[agent].says(&order, Status::Refused, "x", ""),
                    4 => self.agents[agent].says(&order, Status::Canceled, "x", ""),
                    _ => self.agents[agent].says(&order, Status::Indeterminate, "x", ""),
                };
                self.world.outcome(&self.agents[agent], &signed).await;
                self.said[agent].push(signed);
            }
            Happening::Repeat(agent) => {
                if let Some(signed) = self.said[agent].last() {
                    self.world.outcome(&self.agents[agent], signed).await;
                }
            }
            Happening::Resume(agent, knows) => {
                let held: Vec<_> = self.held[agent].iter().map(id_of).filter(|_| knows).collect();
                if !knows {
                    self.held[agent].clear();
                }
                let resumed = engine.resume(TENANT, self.agents[agent].id, &held).await.unwrap();
                let now = self.world.now();
                let again: Vec<_> =
                    resumed.orders.iter().map(|order| self.agents[agent].check(order, now)).collect();
                // What it holds comes again for its secrets: a repeat.
                let held = &mut self.held[agent];
                let again: Vec<_> =
                    again.into_iter().filter(|order| held.iter().all(|h| id_of(h) != id_of(order))).collect();
                held.extend(again);
            }
            Happening::Cancel(task) => {
                if let Some(task) = self.tasks.get(task) {
                    let _ = engine.cancel(&ann(), TENANT, *task).await;
                }
            }
            Happening::Undo(task) => {
                if let Some(task) = self.tasks.get(task) {
                    self.tasks.extend(
                        engine.undo(&ann(), TENANT, *task, "back").await.map(|undo| undo.submitted.task_id),
                    );
                }
            }
            Happening::Revoke(agent) => {
                let _ = engine.revoke(&ann(), TENANT, self.agents[agent].id, "test").await;
            }
            Happening::Pass(seconds) => self.world.pass(seconds * SECOND),
            Happening::Tick => {
                engine.tick().await.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_every_command_comes_to_one_end(happenings in prop::collection::vec(happening(), 20..90)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let agents = vec![world.agent("a").await, world.agent("b").await, world.agent("c").await];
            let mut play = Play {
                world,
                agents,
                held: vec![Vec::new(), Vec::new(), Vec::new()],
                said: vec![Vec::new(), Vec::new(), Vec::new()],
                tasks: Vec::new(),
            };
            for happening in happenings {
                play.step(happening).await;
            }
            play.world.consistent(false).await;
            // Planned undos make tasks of their own, which end in their turn, and come again until nothing is left that
            // could be reached.
            for _ in 0..4 {
                play.world.pass(40 * DAY);
                play.world.engine.tick().await.unwrap();
            }
            let by_timer = |task: &Task| task.requester_kind == "system";
            assert!(play.world.all_tasks().await.iter().all(|task| task.open_count == 0 || by_timer(task)));
            for agent in 0..3 {
                play.step(Happening::Revoke(agent)).await;
            }
            play.world.pass(DAY);
            play.world.engine.tick().await.unwrap();
            play.world.consistent(true).await;
            assert!(play.world.all_tasks().await.iter().all(|task| task.revert_at.is_none()));
        });
    }
}
