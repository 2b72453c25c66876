//! Who decides, about what, and what becomes of it when they change their mind or are not who they were.

use std::{sync::Arc, time::Duration};

use quell_access::{Access, Policy, Role, policy::Class};
use quell_store::{
    approval, approval_list, audit, break_glass, endpoint, kit_key, library, membership,
    person::{self, Person},
    setting,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{
    Agent, OWN_MACHINE, SECOND, TENANT, World, ann, cut, isolate, request, restored, terminate,
};
use crate::{Actor, Ballot, CommandState, Decided, Error, Limits, Receipt, TaskState, approval::POLICY};

const HOUR: i64 = 3600 * SECOND;

impl World {
    /// A person with these roles, as they act after signing in.
    pub(super) async fn person(&self, name: &str, roles: &[&str]) -> Actor {
        self.account(name, Uuid::now_v7(), roles).await
    }

    /// Another account of the same human.
    async fn account(&self, name: &str, human: Uuid, roles: &[&str]) -> Actor {
        let id = Uuid::now_v7();
        let row = Person {
            tenant_id: TENANT,
            id,
            human,
            name: name.to_owned(),
            email: format!("{name}@acme.example"),
            email_key: format!("{name}@acme.example"),
            local_key: None,
            password: None,
            password_changed_at: None,
            totp: None,
            totp_step: None,
            recovery: None,
            state: "active".to_owned(),
            created_at: 1,
            last_login_at: None,
        };
        self.write(move |tx| person::insert(tx, &row)).await;
        for role in roles {
            self.give(id, role).await;
        }
        let mut access = Access::default();
        for role in roles {
            access.add(role, quell_access::Grant::of_role(Role::from_name(role).unwrap()));
        }
        Actor {
            kind: Actor::PERSON.to_owned(),
            id: id.to_string(),
            name: name.to_owned(),
            class: access.class(),
            human: Some(human),
            access: Some(Arc::new(access)),
            ..ann()
        }
    }

    async fn give(&self, person: Uuid, role: &str) {
        let row = membership::Membership {
            tenant_id: TENANT,
            person_id: person,
            role: role.to_owned(),
            source: membership::MANUAL.to_owned(),
            granted_at: 1,
            granted_by: "test".to_owned(),
        };
        self.write(move |tx| membership::insert(tx, &row)).await;
    }

    async fn take(&self, actor: &Actor) {
        let id = actor.person().unwrap();
        self.write(move |tx| membership::delete_all(tx, TENANT, id)).await;
    }

    pub(super) async fn policy(&self, value: Value) {
        let policy: Policy = serde_json::from_value(value.clone()).unwrap();
        policy.check(|_| false).unwrap();
        self.write(move |tx| setting::set(tx, TENANT, POLICY, &value.to_string(), 1)).await;
    }

    async fn list(&self, list: &'static str, agent: &Agent) {
        let entry = approval_list::Entry {
            tenant_id: TENANT,
            list: list.to_owned(),
            endpoint_id: agent.id,
            written: "by name".to_owned(),
            added_at: 1,
        };
        self.write(move |tx| approval_list::insert(tx, &entry)).await;
    }

    /// Half an hour in which a person acts without approval.
    async fn break_glass(&self, who: &Actor) -> Uuid {
        let (id, now) = (Uuid::now_v7(), self.now());
        let row = break_glass::BreakGlass {
            tenant_id: TENANT,
            id,
            person_id: who.person().unwrap(),
            human: who.human.unwrap(),
            name: who.name.clone(),
            reason: "nobody answers".to_owned(),
            begun_at: now,
            until_at: now + HOUR / 2,
            ended_at: None,
            reviewed_by: None,
            reviewed_at: None,
            note: None,
        };
        self.write(move |tx| break_glass::insert(tx, &row)).await;
        id
    }

    pub(super) async fn ballot(&self, task: Uuid, approve: bool) -> Ballot {
        Ballot {
            digest: self.task(task).await.intent_digest,
            approve,
            note: "seen".to_owned(),
            via: "api".to_owned(),
            valid_for: None,
            signature: None,
        }
    }

    async fn decide(&self, who: &Actor, task: Uuid, approve: bool) -> Result<Decided, Error> {
        let ballot = self.ballot(task, approve).await;
        self.engine.decide(who, TENANT, task, ballot).await
    }

    async fn asked(&self, who: &Actor, agents: &[&Agent]) -> Uuid {
        let made = self.engine.submit(who, terminate(agents)).await.unwrap();
        assert_eq!(made.state, TaskState::PendingApproval);
        made.task_id
    }

    async fn request_of(&self, task: Uuid) -> approval::Request {
        self.read(move |tx| approval::get(tx, TENANT, task)).await.unwrap()
    }
}

fn gone() -> Value {
    json!({ "terminated": [{ "pid": 4211, "start_time": 99, "path": "/bin/x", "signal": "KILL" }], "probes": [] })
}

#[tokio::test]
async fn an_outside_team_waits_for_a_person_of_the_tenant() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    assert_eq!(ops.class, Class::Operations);
    let task = world.asked(&ops, &[&agent]).await;
    assert!(world.lease(&agent).await.is_empty());
    let wrong = Ballot { digest: [0; 32], ..world.ballot(task, true).await };
    assert!(matches!(world.engine.decide(&approver, TENANT, task, wrong).await, Err(Error::Digest)));
    assert!(world.lease(&agent).await.is_empty());
    let decided = world.decide(&approver, task, true).await.unwrap();
    assert_eq!(
        (decided.state, decided.task_state, decided.have, decided.need),
        ("approved", TaskState::Queued, 1, 1)
    );
    let orders = world.lease(&agent).await;
    let approvals = &orders[0].order().approvals;
    assert_eq!((approvals.len(), approvals[0].name.as_str()), (1, "arno"));
    let verbs: Vec<String> = world.trail(task).await.into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs, ["task.submit", "approval.request", "approval.approve"]);
    let request = world.request_of(task).await;
    assert!(request.trace.contains("automatic approval is off"), "{}", request.trace);
    assert!(request.blast.contains("\"name\":\"a\""), "{}", request.blast);
}

#[tokio::test]
async fn a_kit_runs_no_more_once_its_key_is_taken_away() {
    let world = World::new().await;
    let (first, second) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let (item, key, signer) = (Uuid::now_v7(), Uuid::now_v7(), "ab".repeat(32));
    let facts = json!({ "title": "first-look 1", "signer": signer }).to_string();
    let public = signer.clone();
    world
        .write(move |tx| {
            let row = library::Item {
                tenant_id: TENANT,
                id: item,
                kind: "kit".to_owned(),
                name: "first-look".to_owned(),
                description: String::new(),
                built_in: false,
                created_at: 1,
                archived_at: None,
                archived_by: None,
            };
            library::insert(tx, &row)?;
            let version = library::Version {
                tenant_id: TENANT,
                item_id: item,
                version: 0,
                kind: "kit".to_owned(),
                facts: facts.clone(),
                note: String::new(),
                size: 0,
                sha256: [1; 32],
                created_by: "Ann".to_owned(),
                created_at: 1,
            };
            library::add_version(tx, &version, b"kit")?;
            let key = kit_key::KitKey {
                tenant_id: TENANT,
                id: key,
                name: "Watch".to_owned(),
                public: public.clone(),
                created_by: "Ann".to_owned(),
                created_at: 1,
            };
            kit_key::insert(tx, &key)
        })
        .await;
    let ask = async |params: Value, agent: &Agent| {
        let asked = request("endpoint.run_investigation_kit", params, &[agent]);
        world.engine.submit(&ops, asked).await
    };
    let foreign = ask(json!({ "kit": "first-look", "signer": "cd".repeat(32) }), &first).await;
    assert!(matches!(&foreign, Err(Error::Params(error)) if error.field == "signer"), "{foreign:?}");
    let approved = ask(json!({ "kit": "first-look", "signer": signer }), &first).await.unwrap().task_id;
    let waits = ask(json!({ "kit": "first-look" }), &second).await.unwrap().task_id;
    world.decide(&approver, approved, true).await.unwrap();
    world.write(move |tx| kit_key::delete(tx, TENANT, key)).await;
    let refused = world.decide(&approver, waits, true).await;
    assert!(matches!(&refused, Err(Error::NotEligible(why)) if why.contains("taken no more")), "{refused:?}");
    assert!(world.lease(&first).await.is_empty());
    assert_eq!(world.only(approved).await, ("rejected".to_owned(), Some("kit_key_lost".to_owned())));
    assert!(matches!(ask(json!({ "kit": "first-look" }), &first).await, Err(Error::Params(_))));
    // Whoever declines is not held up by it.
    world.decide(&approver, waits, false).await.unwrap();
}

#[tokio::test]
async fn nobody_decides_about_their_own_request_under_any_name() {
    let world = World::new().await;
    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] })).await;
    let agent = world.agent("a").await;
    let human = Uuid::now_v7();
    let asker = world.account("ines", human, &["security_officer"]).await;
    let alias = world.account("ines2", human, &["approver"]).await;
    let task = world.asked(&asker, &[&agent]).await;
    for who in [&asker, &alias] {
        assert!(matches!(world.decide(who, task, true).await, Err(Error::NotEligible(_))), "{}", who.name);
        assert!(matches!(world.decide(who, task, false).await, Err(Error::NotEligible(_))), "{}", who.name);
    }
    // Their program asks: neither of their accounts decides.
    let key = Actor { kind: "api_key".to_owned(), class: Class::Automation, ..asker.clone() };
    let by_key = world.asked(&key, &[&agent]).await;
    assert!(matches!(world.decide(&alias, by_key, true).await, Err(Error::NotEligible(_))));
    // A program never decides.
    assert!(matches!(world.decide(&key, task, true).await, Err(Error::NotEligible(_))));
    // Who may not decide, or is not of the role that is asked for, does not either.
    let analyst = world.person("ada", &["analyst"]).await;
    assert!(matches!(world.decide(&analyst, task, true).await, Err(Error::NotEligible(_))));
    assert!(world.lease(&agent).await.is_empty());
}

#[tokio::test]
async fn as_many_humans_as_the_policy_wants() {
    let world = World::new().await;
    world
        .policy(json!({ "rules": [{ "actions": ["process.*"],
            "require": { "people": { "quorum": 2, "roles": ["approver"] } } }] }))
        .await;
    let agent = world.agent("a").await;
    let human = Uuid::now_v7();
    let (one, twin) =
        (world.account("one", human, &["approver"]).await, world.account("twin", human, &["approver"]).await);
    let two = world.person("two", &["approver"]).await;
    let officer = world.person("officer", &["security_officer"]).await;
    let task = world.asked(&ann(), &[&agent]).await;
    assert!(matches!(world.decide(&officer, task, true).await, Err(Error::NotEligible(_))), "another role");
    assert_eq!(world.decide(&one, task, true).await.unwrap().have, 1);
    assert_eq!(world.decide(&twin, task, true).await.unwrap().have, 1, "the same human counts once");
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.decide(&two, task, true).await.unwrap().state, "approved");
    assert_eq!(world.lease(&agent).await.len(), 1);
}

#[tokio::test]
async fn one_who_declines_ends_it() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&agent]).await;
    assert_eq!(world.decide(&approver, task, false).await.unwrap().task_state, TaskState::Rejected);
    assert_eq!(world.only(task).await, ("rejected".to_owned(), Some("rejected".to_owned())));
    assert_eq!(world.request_of(task).await.state, "rejected");
    let late = world.person("late", &["approver"]).await;
    assert!(matches!(world.decide(&late, task, true).await, Err(Error::State(_))));
    assert!(
        matches!(world.decide(&approver, task, true).await, Err(Error::State(_))),
        "no change of mind after the end"
    );
}

#[tokio::test]
async fn a_double_click_and_two_at_once_decide_once() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let (one, two) = (world.person("one", &["approver"]).await, world.person("two", &["approver"]).await);
    let task = world.asked(&ops, &[&agent]).await;
    let (first, second, third) = tokio::join!(
        world.decide(&one, task, true),
        world.decide(&one, task, true),
        world.decide(&two, task, true),
    );
    let results = [first, second, third];
    let news = results.iter().filter(|result| result.as_ref().is_ok_and(|decided| decided.is_new)).count();
    assert_eq!(news, 1, "{results:?}");
    // Whoever came second on the same side is told how it stands, or that it is decided.
    assert!(
        results.iter().all(|result| result.is_ok() || matches!(result, Err(Error::State(_)))),
        "{results:?}"
    );
    assert_eq!(world.lease(&agent).await.len(), 1);
    let approvals =
        world.trail(task).await.into_iter().filter(|(verb, _)| verb == "approval.approve").count();
    assert_eq!(approvals, 1);
}

#[tokio::test]
async fn nothing_is_decided_after_the_end() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&agent]).await;
    world.pass(HOUR + SECOND);
    assert!(
        matches!(world.decide(&approver, task, true).await, Err(Error::State(_))),
        "before the tick saw it"
    );
    world.engine.tick().await.unwrap();
    assert!(matches!(world.decide(&approver, task, true).await, Err(Error::State(_))));
    assert_eq!(world.request_of(task).await.state, "expired");
    assert_eq!(world.only(task).await, ("expired".to_owned(), Some("not_approved".to_owned())));
    assert!(world.lease(&agent).await.is_empty());
}

#[tokio::test]
async fn an_approver_who_lost_the_role_does_not_count_at_dispatch() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&agent]).await;
    world.decide(&approver, task, true).await.unwrap();
    world.take(&approver).await;
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.only(task).await, ("rejected".to_owned(), Some("approval_lost".to_owned())));
    // Disabled between the two: the same.
    let other = world.person("otto", &["approver"]).await;
    let task = world.asked(&ops, &[&agent]).await;
    world.decide(&other, task, true).await.unwrap();
    let id = other.person().unwrap();
    world.write(move |tx| person::set_state(tx, id, "disabled")).await;
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.only(task).await.1.as_deref(), Some("approval_lost"));
}

#[tokio::test]
async fn taken_back_before_dispatch_it_does_not_begin() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&agent]).await;
    world.decide(&approver, task, true).await.unwrap();
    assert_eq!(world.engine.revoke_approval(&approver, TENANT, task).await.unwrap(), "revoked");
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.only(task).await, ("rejected".to_owned(), Some("approval_revoked".to_owned())));
    assert!(matches!(world.engine.revoke_approval(&approver, TENANT, task).await, Err(Error::State(_))));
}

#[tokio::test]
async fn taken_back_during_dispatch_it_is_asked_to_stop() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&a, &b]).await;
    world.decide(&approver, task, true).await.unwrap();
    let orders = world.lease(&a).await;
    world.engine.revoke_approval(&approver, TENANT, task).await.unwrap();
    assert!(world.lease(&b).await.is_empty(), "what waited does not begin");
    let work = world.engine.lease(TENANT, a.id, 10).await.unwrap();
    assert_eq!(work.cancels.len(), 1, "what was handed over is asked to stop");
    // An agent that never had it is not given it again.
    let resumed = world.engine.resume(TENANT, a.id, &[]).await.unwrap();
    assert!(resumed.orders.is_empty());
    let states: Vec<String> = world.commands(task).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["canceled", "rejected"]);
    drop(orders);
}

#[tokio::test]
async fn two_of_three_may_lose_one() {
    let world = World::new().await;
    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": { "quorum": 2 } } }] })).await;
    let agent = world.agent("a").await;
    let (one, two) = (world.person("one", &["approver"]).await, world.person("two", &["approver"]).await);
    let task = world.asked(&ann(), &[&agent]).await;
    world.decide(&one, task, true).await.unwrap();
    assert_eq!(world.engine.revoke_approval(&one, TENANT, task).await.unwrap(), "pending");
    assert_eq!(
        world.decide(&two, task, true).await.unwrap().state,
        "pending",
        "the one taken back does not count"
    );
    let three = world.person("three", &["approver"]).await;
    assert_eq!(world.decide(&three, task, true).await.unwrap().state, "approved");
    assert_eq!(world.lease(&agent).await.len(), 1);
}

#[tokio::test]
async fn an_approval_is_good_for_a_time() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let task = world.asked(&ops, &[&a, &b]).await;
    let ballot = Ballot { valid_for: Some(Duration::from_mins(10)), ..world.ballot(task, true).await };
    world.engine.decide(&approver, TENANT, task, ballot).await.unwrap();
    assert_eq!(world.lease(&a).await.len(), 1);
    world.pass(601 * SECOND);
    assert!(world.lease(&b).await.is_empty());
    assert_eq!(world.commands(task).await[1].reason_code.as_deref(), Some("approval_expired"));
    world.engine.tick().await.unwrap();
    assert_eq!(world.request_of(task).await.state, "expired");
    assert_eq!(
        world.engine.lease(TENANT, a.id, 10).await.unwrap().cancels.len(),
        1,
        "what runs is asked to stop"
    );
    // Set to expire by hand.
    let task = world.asked(&ops, &[&b]).await;
    world.decide(&approver, task, true).await.unwrap();
    world.engine.expire_approval(&approver, TENANT, task).await.unwrap();
    assert!(world.lease(&b).await.is_empty());
    assert!(matches!(world.engine.expire_approval(&approver, TENANT, task).await, Err(Error::State(_))));
}

#[tokio::test]
async fn settings_say_how_long_an_approval_is_good_at_most() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let (one, two) = (world.person("one", &["approver"]).await, world.person("two", &["approver"]).await);
    let cap = |seconds: u32| {
        json!({ "managed": { "people": { "quorum": 2 } },
            "valid_for": [{ "actions": ["process.*"], "seconds": seconds }] })
    };
    world.policy(cap(600)).await;
    let until = async |task: Uuid| world.request_of(task).await.valid_until;
    let vote = async |who: &Actor, task: Uuid, seconds: Option<u64>| {
        let ballot = Ballot { valid_for: seconds.map(Duration::from_secs), ..world.ballot(task, true).await };
        world.engine.decide(who, TENANT, task, ballot).await.unwrap()
    };
    // It counts from the moment when enough agreed, by the settings of the moment when it was asked for.
    let task = world.asked(&ops, &[&a, &b]).await;
    vote(&one, task, None).await;
    assert_eq!(until(task).await, None);
    world.policy(cap(6000)).await;
    world.pass(700 * SECOND);
    assert_eq!(vote(&two, task, Some(7200)).await.state, "approved", "more than they may: less is given");
    let request = world.request_of(task).await;
    assert_eq!(request.valid_until.unwrap() - request.decided_at.unwrap(), 600 * SECOND);
    assert_eq!(world.lease(&a).await.len(), 1);
    world.pass(601 * SECOND);
    assert!(world.lease(&b).await.is_empty());
    world.engine.tick().await.unwrap();
    assert_eq!(world.request_of(task).await.state, "expired");
    // A shorter wish counts.
    let task = world.asked(&ops, &[&b]).await;
    vote(&one, task, Some(60)).await;
    let wished = until(task).await;
    world.pass(10 * SECOND);
    vote(&two, task, None).await;
    let request = world.request_of(task).await;
    assert_eq!((request.state.as_str(), request.valid_until), ("approved", wished));
    assert!(wished.unwrap() < request.decided_at.unwrap() + 60 * SECOND);
}

#[tokio::test]
async fn what_settings_or_broken_glass_approve_is_good_for_a_time() {
    let world = World::new().await;
    let valid_for = json!([{ "actions": ["process.terminate"], "seconds": 600 }]);
    world.policy(json!({ "managed": { "auto_approve": true }, "valid_for": valid_for })).await;
    let agents = [world.agent("a").await, world.agent("b").await];
    let ops = world.person("olga", &["operations"]).await;
    let auto = world.engine.submit(&ops, terminate(&[&agents[0], &agents[1]])).await.unwrap().task_id;
    let request = world.request_of(auto).await;
    assert_eq!(request.valid_until, Some(request.created_at + 600 * SECOND));
    assert_eq!(world.lease(&agents[0]).await.len(), 1);
    world.pass(601 * SECOND);
    assert!(world.lease(&agents[1]).await.is_empty());
    assert_eq!(world.commands(auto).await[1].reason_code.as_deref(), Some("approval_expired"));
    world.engine.tick().await.unwrap();
    assert_eq!(world.request_of(auto).await.state, "expired");
    let cancels = world.engine.lease(TENANT, agents[0].id, 10).await.unwrap().cancels;
    assert_eq!(cancels.len(), 1, "what runs is asked to stop");
    // Under a break-glass that goes on for longer.
    world.policy(json!({ "valid_for": valid_for })).await;
    let olaf = world.person("olaf", &["operations", "security_officer"]).await;
    world.break_glass(&olaf).await;
    let made = world.engine.submit(&olaf, terminate(&[&agents[1]])).await.unwrap();
    assert_eq!(
        (made.request, world.task(made.task_id).await.approval.as_str()),
        (Some("auto"), "break_glass")
    );
    world.pass(601 * SECOND);
    world.engine.tick().await.unwrap();
    assert_eq!(world.commands(made.task_id).await[0].reason_code.as_deref(), Some("approval_expired"));
    // What nobody approves is good until it ends.
    let task = world.engine.submit(&ann(), terminate(&[&agents[1]])).await.unwrap();
    assert_eq!(task.request, None);
    world.pass(601 * SECOND);
    assert_eq!(world.lease(&agents[1]).await.len(), 1);
}

#[tokio::test]
async fn settings_approve_but_not_what_is_excepted() {
    let world = World::new().await;
    world.policy(json!({ "managed": { "auto_approve": true } })).await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    world.list("except", &b).await;
    let ops = world.person("olga", &["operations"]).await;
    let made = world.engine.submit(&ops, terminate(&[&a])).await.unwrap();
    assert_eq!(made.state, TaskState::Queued);
    assert_eq!(world.task(made.task_id).await.approval, "auto");
    let verbs: Vec<String> = world.trail(made.task_id).await.into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs, ["task.submit", "approval.auto"]);
    assert_eq!(world.engine.submit(&ops, terminate(&[&b])).await.unwrap().state, TaskState::PendingApproval);
    assert_eq!(
        world.engine.submit(&ops, terminate(&[&a, &b])).await.unwrap().state,
        TaskState::PendingApproval
    );
}

#[tokio::test]
async fn what_is_protected_asks_everybody() {
    let world = World::new().await;
    let (dc, listed, own, plain) = (
        world.agent("dc").await,
        world.agent("listed").await,
        world.agent(OWN_MACHINE).await,
        world.agent("plain").await,
    );
    let tagged = dc.id;
    world
        .write(move |tx| {
            endpoint::set_tags(
                tx,
                TENANT,
                tagged,
                &["domain-controller".to_owned()],
                "[\"domain-controller\"]",
            )
        })
        .await;
    world.list("protected", &listed).await;
    for agent in [&dc, &listed, &own] {
        let made = world.engine.submit(&ann(), isolate(&[agent])).await.unwrap();
        assert_eq!(made.state, TaskState::PendingApproval);
        let request = world.request_of(made.task_id).await;
        assert!(request.blast.contains("\"protected_count\":1"), "{}", request.blast);
    }
    assert_eq!(world.engine.submit(&ann(), isolate(&[&plain])).await.unwrap().state, TaskState::Queued);
    let reading = request("file.collect", json!({ "path": "/etc/hosts" }), &[&dc]);
    assert_eq!(world.engine.submit(&ann(), reading).await.unwrap().state, TaskState::Queued);
}

#[tokio::test]
async fn a_tag_that_comes_later_changes_nothing_that_was_approved() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let (first, second) = (a.id, b.id);
    world.write(move |tx| endpoint::set_tags(tx, TENANT, first, &["web".to_owned()], "[\"web\"]")).await;
    let mut wanted = terminate(&[]);
    wanted.targets = crate::Targets::Tag("web".to_owned());
    wanted.confirm_count = Some(1);
    let task = world.engine.submit(&ops, wanted).await.unwrap().task_id;
    world.write(move |tx| endpoint::set_tags(tx, TENANT, second, &["web".to_owned()], "[\"web\"]")).await;
    world.decide(&approver, task, true).await.unwrap();
    assert_eq!(world.lease(&a).await.len(), 1);
    assert!(world.lease(&b).await.is_empty(), "the selector does not grow after it was approved");
}

#[tokio::test]
async fn an_edited_row_is_not_what_was_approved() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let first = world.asked(&ops, &[&agent]).await;
    world.decide(&approver, first, true).await.unwrap();
    // Somebody with the database at hand makes an approved request stand for another task.
    let second = world.asked(&ops, &[&agent]).await;
    let forged =
        approval::Request { task_id: second, state: "approved".to_owned(), ..world.request_of(first).await };
    world
        .write(move |tx| {
            tx.execute("UPDATE task SET state = 'queued' WHERE id = $1", &[&second])?;
            tx.execute("UPDATE command SET state = 'queued' WHERE task_id = $1", &[&second])?;
            let forge = "UPDATE approval_request SET state = 'approved', digest = $2 WHERE task_id = $1";
            tx.execute(forge, &[&second, &forged.digest])
        })
        .await;
    assert_eq!(world.lease(&agent).await.len(), 1, "the first, which was approved");
    assert_eq!(world.only(second).await, ("rejected".to_owned(), Some("approval_missing".to_owned())));
}

#[tokio::test]
async fn broken_glass_is_for_one_person_and_a_time_and_leaves_its_mark() {
    let world = World::new().await;
    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] })).await;
    let agent = world.agent("a").await;
    let officer = world.person("olaf", &["security_officer"]).await;
    let other = world.person("other", &["security_officer"]).await;
    world.break_glass(&officer).await;
    let made = world.engine.submit(&officer, isolate(&[&agent])).await.unwrap();
    assert_eq!(made.state, TaskState::Queued);
    assert_eq!(world.task(made.task_id).await.approval, "break_glass");
    assert!(world.trail(made.task_id).await.iter().any(|(verb, _)| verb == "approval.break_glass"));
    world.carry_out(&agent, cut()).await;
    world.asked(&other, &[&agent]).await;
    world.pass(HOUR);
    world.asked(&officer, &[&agent]).await;
}

#[tokio::test]
async fn a_timer_takes_back_what_people_approved_with_its_end() {
    let world = World::new().await;
    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] })).await;
    let agent = world.agent("a").await;
    let approver = world.person("arno", &["approver"]).await;
    let mut wanted = isolate(&[&agent]);
    wanted.revert_after = Some(Duration::from_mins(5));
    let task = world.engine.submit(&ann(), wanted).await.unwrap().task_id;
    world.decide(&approver, task, true).await.unwrap();
    world.carry_out(&agent, cut()).await;
    world.pass(301 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 1);
    world.carry_out(&agent, restored()).await;
}

#[tokio::test]
async fn rights_end_where_they_end() {
    let world = World::new().await;
    let (web, db) = (world.agent("web").await, world.agent("db").await);
    let id = web.id;
    world.write(move |tx| endpoint::set_tags(tx, TENANT, id, &["web".to_owned()], "[\"web\"]")).await;
    let grants =
        json!({ "permissions": ["task.submit", "task.cancel"], "actions": ["endpoint.*"], "tags": ["web"] });
    let mut access = Access::default();
    access.add("own", quell_access::Grant::read(&serde_json::from_value(grants).unwrap()).unwrap());
    let narrow = Actor { access: Some(Arc::new(access)), ..world.person("nora", &[]).await };
    let beyond = |result: Result<_, Error>| matches!(result, Err(Error::Beyond(_)));
    assert!(beyond(world.engine.submit(&narrow, isolate(&[&db])).await));
    assert!(beyond(world.engine.submit(&narrow, isolate(&[&web, &db])).await), "mixed into a batch");
    assert!(beyond(world.engine.submit(&narrow, terminate(&[&web])).await), "another action");
    let made = world.engine.submit(&narrow, isolate(&[&web])).await.unwrap();
    let others = world.submit(isolate(&[&db])).await;
    assert!(matches!(world.engine.cancel(&narrow, TENANT, others.task_id).await, Err(Error::Beyond(_))));
    world.engine.cancel(&narrow, TENANT, made.task_id).await.unwrap();
    // Nor does it undo what lies beyond.
    world.carry_out(&db, cut()).await;
    assert!(matches!(
        world.engine.undo(&narrow, TENANT, others.task_id, "mine").await,
        Err(Error::Beyond(_))
    ));
}

#[tokio::test]
async fn what_asks_for_confirmation_is_refused_without() {
    let world = World::new().await;
    world.policy(json!({ "step_up": ["endpoint.*"] })).await;
    let agent = world.agent("a").await;
    let officer = world.person("olaf", &["security_officer"]).await;
    assert!(matches!(
        world.engine.submit(&officer, isolate(&[&agent])).await,
        Err(Error::StepUp("endpoint.isolate"))
    ));
    world.engine.submit(&officer, terminate(&[&agent])).await.unwrap();
    let confirmed = Actor { confirmed: Some("password".to_owned()), ..officer.clone() };
    let mut wanted = isolate(&[&agent]);
    wanted.revert_after = Some(Duration::from_mins(5));
    let task = world.engine.submit(&confirmed, wanted).await.unwrap().task_id;
    let orders = world.lease(&agent).await;
    for order in &orders {
        let result = if order.intent().action == "endpoint.isolate" { cut() } else { gone() };
        world.outcome(&agent, &agent.done(order, result)).await;
    }
    assert!(matches!(world.engine.undo(&officer, TENANT, task, "enough").await, Err(Error::StepUp(_))));
    // The timer was confirmed with what it takes back.
    world.pass(301 * SECOND);
    assert_eq!(world.engine.tick().await.unwrap().reverted, 1);
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_lets_nothing_pass() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    world.write(|tx| setting::set(tx, TENANT, POLICY, "{\"rules\": 7}", 1)).await;
    assert!(matches!(world.engine.submit(&ann(), isolate(&[&agent])).await, Err(Error::Corrupt(_))));
    world.policy(json!({ "rules": [{ "actions": ["endpoint.*"], "require": "refused" }] })).await;
    assert!(matches!(world.engine.submit(&ann(), isolate(&[&agent])).await, Err(Error::Refused { .. })));
    assert!(world.all_tasks().await.is_empty());
    let filter = audit::Filter::default();
    let page = quell_store::Page { after: None, limit: 10 };
    assert!(world.read(move |tx| audit::list(tx, TENANT, &filter, page)).await.rows.is_empty());
}

#[tokio::test]
async fn two_limits_hold_for_a_task_that_people_approved() {
    let world = World::with(Limits { in_flight: 1, ..Limits::default() }).await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let approver = world.person("arno", &["approver"]).await;
    let first = world.asked(&ops, &[&agent]).await;
    world.decide(&approver, first, true).await.unwrap();
    let orders = world.lease(&agent).await;
    let receipt = world.outcome(&agent, &agent.done(&orders[0], gone())).await;
    assert!(
        matches!(receipt, Receipt::Stored(CommandState::Succeeded | CommandState::Failed)),
        "{receipt:?}"
    );
    assert!(TaskState::parse(&world.task(first).await.state).unwrap().is_end());
    assert_eq!(world.request_of(first).await.state, "approved");
}

#[tokio::test]
async fn accounts_that_are_linked_later_are_one_human_all_the_same() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let (alias, late) = (world.person("o2", &["approver"]).await, world.person("o3", &["approver"]).await);
    let task = world.asked(&ops, &[&agent]).await;
    let (from, into) = (alias.human.unwrap(), ops.human.unwrap());
    world.write(move |tx| person::merge_humans(tx, from, into)).await;
    assert!(matches!(world.decide(&alias, task, true).await, Err(Error::NotEligible(_))));
    world.decide(&late, task, true).await.unwrap();
    let (from, into) = (ops.human.unwrap(), late.human.unwrap());
    world.write(move |tx| person::merge_humans(tx, from, into)).await;
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.only(task).await, ("rejected".to_owned(), Some("approval_lost".to_owned())));
    // Linking does not make the requester another human than themselves either.
    let officer = world.person("olaf", &["security_officer"]).await;
    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] })).await;
    let task = world.asked(&officer, &[&agent]).await;
    let (from, into) = (officer.human.unwrap(), Uuid::now_v7());
    world.write(move |tx| person::merge_humans(tx, from, into)).await;
    assert!(matches!(world.decide(&officer, task, true).await, Err(Error::NotEligible(_))));
}

#[tokio::test]
async fn what_was_allowed_ends_with_who_asked_and_with_the_broken_glass() {
    let world = World::new().await;
    world.policy(json!({ "managed": { "auto_approve": true } })).await;
    let agent = world.agent("a").await;
    let ops = world.person("olga", &["operations"]).await;
    let made = world.engine.submit(&ops, terminate(&[&agent])).await.unwrap();
    assert_eq!(made.state, TaskState::Queued);
    let id = ops.person().unwrap();
    world.write(move |tx| person::set_state(tx, id, "disabled")).await;
    assert!(world.lease(&agent).await.is_empty());
    assert_eq!(world.only(made.task_id).await.1.as_deref(), Some("requester_lost"));

    world.policy(json!({ "rules": [{ "actions": ["*"], "require": { "people": {} } }] })).await;
    let officer = world.person("olaf", &["security_officer"]).await;
    let now = world.now();
    let glass = world.break_glass(&officer).await;
    let made = world.engine.submit(&officer, isolate(&[&agent])).await.unwrap();
    assert_eq!(made.state, TaskState::Queued);
    let now = now + SECOND;
    world.write(move |tx| break_glass::end(tx, TENANT, glass, now)).await;
    assert!(world.lease(&agent).await.is_empty(), "the endpoint came for it after the end");
    assert_eq!(world.only(made.task_id).await.1.as_deref(), Some("break_glass_over"));
}
