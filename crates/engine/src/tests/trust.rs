//! What the tenant's root of trust demands is asked for, and nothing is taken that the endpoints would not count.

use quell_store::{break_glass, setting, trust};
use quell_wire::approver::{self, ApproverKey};
use quell_wire::trust::{Rule, SignedTrustBundle, TrustBundle};
use quell_wire::{ApproverSignature, SigningKey};
use serde_json::json;
use uuid::Uuid;

use super::world::{SECOND, TENANT, World, isolate, terminate};
use crate::{Actor, Ballot, Decided, Error, TaskState, approval::POLICY};

const HOUR: i64 = 3600 * SECOND;

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn approver(key: &SigningKey, human: &str, asks_as: &[&Actor]) -> ApproverKey {
    ApproverKey {
        person: human.to_owned(),
        human: human.to_owned(),
        requester_ids: asks_as.iter().map(|actor| actor.id.clone()).collect(),
        kind: approver::ED25519.to_owned(),
        public: key.public(),
        ..ApproverKey::default()
    }
}

impl World {
    /// The root says that ending processes takes the signatures of this many of these.
    async fn root(&self, quorum: u32, keyring: Vec<ApproverKey>) {
        let root = key();
        let bundle = TrustBundle {
            tenant_id: TENANT.to_string(),
            serial: 1,
            root_key: root.public(),
            keyring,
            rules: vec![Rule { actions: vec!["process.*".to_owned()], quorum }],
            ..TrustBundle::default()
        };
        let signed = SignedTrustBundle::sign(&root, &bundle);
        let row = trust::Bundle {
            tenant_id: TENANT,
            serial: 1,
            bundle: signed.bundle,
            signature: signed.signature,
            key_id: signed.key_id,
            rotates: false,
            published_by: "test".to_owned(),
            published_at: 1,
        };
        self.write(move |tx| trust::add(tx, &row)).await;
    }

    async fn signed(&self, who: &Actor, task: Uuid, key: &SigningKey) -> Result<Decided, Error> {
        let digest = self.task(task).await.intent_digest;
        self.with_signature(who, task, Some(approver::sign(key, &digest))).await
    }

    async fn with_signature(
        &self,
        who: &Actor,
        task: Uuid,
        signature: Option<ApproverSignature>,
    ) -> Result<Decided, Error> {
        let ballot = Ballot { signature, ..self.ballot(task, true).await };
        self.engine.decide(who, TENANT, task, ballot).await
    }
}

fn refused(decided: Result<Decided, Error>, why: &str) {
    match decided {
        Err(Error::NotEligible(said)) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_root_names_waits_for_signatures_whatever_the_policy_says() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let admin = world.person("anna", &["administrator"]).await;
    let (carl, dora) = (world.person("carl", &["approver"]).await, world.person("dora", &["approver"]).await);
    let (carls, doras) = (key(), key());
    world.root(2, vec![approver(&carls, "carl", &[]), approver(&doras, "dora", &[])]).await;
    let made = world.engine.submit(&admin, terminate(&[&agent])).await.unwrap();
    assert_eq!(made.state, TaskState::PendingApproval);
    let request = world.read(move |tx| quell_store::approval::get(tx, TENANT, made.task_id)).await.unwrap();
    assert_eq!(request.quorum, 2);
    assert!(request.trace.contains("root of trust demands signatures of 2"), "{}", request.trace);
    assert!(world.signed(&carl, made.task_id, &carls).await.is_ok());
    assert!(world.lease(&agent).await.is_empty(), "one of two");
    assert_eq!(world.signed(&dora, made.task_id, &doras).await.unwrap().task_state, TaskState::Queued);
    let orders = world.lease(&agent).await;
    let brought: Vec<String> = orders[0]
        .order()
        .approvals
        .iter()
        .filter_map(|approval| Some(approval.signature.as_ref()?.key_id.clone()))
        .collect();
    assert_eq!(brought.len(), 2, "they travel with the order");
    // What no rule names is as it was.
    let made = world.engine.submit(&admin, isolate(&[&agent])).await.unwrap();
    assert_eq!(made.state, TaskState::Queued);
}

#[tokio::test]
async fn an_approval_that_endpoints_would_not_count_is_not_taken() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let admin = world.person("anna", &["administrator"]).await;
    let (carl, dora) = (world.person("carl", &["approver"]).await, world.person("dora", &["approver"]).await);
    let (annas, carls, spare) = (key(), key(), key());
    let keyring = vec![
        approver(&annas, "anna", &[&admin]),
        approver(&carls, "carl", &[]),
        approver(&spare, "carl", &[]),
    ];
    world.root(2, keyring).await;
    let task = world.engine.submit(&admin, terminate(&[&agent])).await.unwrap().task_id;
    refused(world.with_signature(&carl, task, None).await, "your own signature");
    refused(world.signed(&carl, task, &key()).await, "does not name the key");
    refused(world.signed(&carl, task, &annas).await, "who asks does not approve");
    let other = approver::sign(&carls, &[0; 32]);
    refused(world.with_signature(&carl, task, Some(other)).await, "does not fit");
    assert!(world.signed(&carl, task, &carls).await.is_ok());
    refused(world.signed(&dora, task, &spare).await, "same human");
    assert_eq!(world.task(task).await.state, "pending_approval");
    // To decline needs no signature.
    let ballot = world.ballot(task, false).await;
    let decided = world.engine.decide(&dora, TENANT, task, ballot).await.unwrap();
    assert_eq!(decided.task_state, TaskState::Rejected);
}

#[tokio::test]
async fn a_policy_that_asks_for_more_still_does_and_a_broken_glass_does_not_help() {
    let world = World::new().await;
    let agent = world.agent("a").await;
    let admin = world.person("anna", &["administrator"]).await;
    let policy = json!({ "rules": [{ "actions": ["process.*"], "require": { "people": { "quorum": 3 } } }] });
    world.write(move |tx| setting::set(tx, TENANT, POLICY, &policy.to_string(), 1)).await;
    world.root(1, vec![approver(&key(), "carl", &[])]).await;
    let quorum = async || {
        let task = world.engine.submit(&admin, terminate(&[&agent])).await.unwrap().task_id;
        world.read(move |tx| quell_store::approval::get(tx, TENANT, task)).await.map(|request| request.quorum)
    };
    assert_eq!(quorum().await, Some(3));
    let row = break_glass::BreakGlass {
        tenant_id: TENANT,
        id: Uuid::now_v7(),
        person_id: admin.person().unwrap(),
        human: admin.human.unwrap(),
        name: "anna".to_owned(),
        reason: "fire".to_owned(),
        begun_at: world.now(),
        until_at: world.now() + HOUR,
        ended_at: None,
        reviewed_at: None,
        reviewed_by: None,
        note: None,
    };
    world.write(move |tx| break_glass::insert(tx, &row)).await;
    assert_eq!(quorum().await, Some(1), "the server's own policy is passed over, the root's is not");
}
