//! A signer that is not there, comes back, or refuses.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quell_signer::{Client, Place, Policy, Service};
use quell_wire::{Order, SignedOrder};
use uuid::Uuid;

use super::world::{TENANT, World, cut, isolate, terminate};
use crate::{
    Clock as _, CommandState, Engine, Error, FileSigner, Limits, Parts, Receipt, RemoteSigner, Secrets,
    Signer, SystemEntropy,
    signer::{Error as SignerError, Signing},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Gone,
    Refuses,
}

/// A signer whose mood a test sets.
struct Moody {
    inner: Arc<FileSigner>,
    mood: Mutex<Mood>,
}

impl Moody {
    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl Signer for Moody {
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a> {
        let refused =
            || SignerError::Refused { code: "too_many_targets".to_owned(), message: "too many".to_owned() };
        match *self.mood.lock().unwrap() {
            Mood::Well => self.inner.sign(order),
            Mood::Gone => Box::pin(std::future::ready(Err(SignerError::Unreachable("gone".to_owned())))),
            Mood::Refuses => Box::pin(std::future::ready(Err(refused()))),
        }
    }

    fn sign_delta<'a>(&'a self, delta: &'a [u8]) -> crate::signer::SigningDelta<'a> {
        self.inner.sign_delta(delta)
    }

    fn sign_protection<'a>(&'a self, document: &'a [u8]) -> crate::signer::SigningProtection<'a> {
        self.inner.sign_protection(document)
    }

    fn key_set(&self) -> quell_wire::keys::KeySet {
        self.inner.key_set()
    }

    fn rotations(&self) -> Vec<quell_wire::keys::SignedKeySet> {
        self.inner.rotations()
    }
}

/// The world with another signer.
fn with(world: &mut World, signer: Arc<dyn Signer>) {
    world.engine = Engine::new(Parts {
        store: world.engine.store().clone(),
        clock: Arc::clone(&world.hands) as Arc<dyn crate::Clock>,
        entropy: Arc::new(SystemEntropy),
        signer,
        secrets: Secrets::new(&[7; 32]),
        own_machine: None,
        limits: Limits::default(),
    });
}

async fn moody() -> (World, Arc<Moody>) {
    let mut world = World::new().await;
    let moody = Arc::new(Moody { inner: Arc::clone(&world.signer), mood: Mutex::new(Mood::Well) });
    with(&mut world, Arc::clone(&moody) as Arc<dyn Signer>);
    (world, moody)
}

fn id_of_signed(order: &SignedOrder) -> Uuid {
    let order: Order = prost::Message::decode(order.order.as_slice()).unwrap();
    order.order_id.parse().unwrap()
}

#[tokio::test]
async fn a_signer_that_dies_between_lease_and_signature_costs_nothing() {
    let (world, signer) = moody().await;
    let agent = world.agent("a").await;
    let task = world.submit(isolate(&[&agent])).await.task_id;
    signer.be(Mood::Gone);
    for _ in 0..3 {
        let error = world.engine.lease(TENANT, agent.id, 10).await.err();
        // The second and third find nothing in the queue: it was taken, and was never sent.
        assert!(error.is_none_or(|error| matches!(error, Error::Signer(SignerError::Unreachable(_)))));
        assert!(world.engine.resume(TENANT, agent.id, &[]).await.is_err(), "still gone");
        assert_eq!(world.only(task).await.0, "dispatched");
    }
    signer.be(Mood::Well);
    let resumed = world.engine.resume(TENANT, agent.id, &[]).await.unwrap();
    assert_eq!(resumed.orders.len(), 1, "given when the agent comes back");
    assert!(world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders.is_empty(), "and only once");
    let order = agent.check(&resumed.orders[0], world.now());
    let receipt = world.outcome(&agent, &agent.done(&order, cut())).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
    let held = [id_of_signed(&resumed.orders[0])];
    assert!(world.engine.resume(TENANT, agent.id, &held).await.unwrap().orders.is_empty());
    world.consistent(true).await;
}

#[tokio::test]
async fn what_the_signer_refuses_ends_and_is_on_record() {
    let (world, signer) = moody().await;
    let agent = world.agent("a").await;
    let task = world.submit(isolate(&[&agent])).await.task_id;
    signer.be(Mood::Refuses);
    assert!(world.engine.lease(TENANT, agent.id, 10).await.unwrap().orders.is_empty());
    assert_eq!(world.only(task).await, ("refused".to_owned(), Some("signer_refused".to_owned())));
    let command = world.commands(task).await.remove(0);
    assert_eq!(command.message.as_deref(), Some("too many (too_many_targets)"));
    assert_eq!(world.trail(command.id).await, [("command.refuse".to_owned(), "refused".to_owned())]);
    assert_eq!(world.task(task).await.state, "refused");
    // Its exclusion group is free again.
    signer.be(Mood::Well);
    let behind = world.submit(isolate(&[&agent])).await.task_id;
    assert_eq!(world.lease(&agent).await.len(), 1);
    assert_eq!(world.only(behind).await.0, "dispatched");
    assert!(
        world.engine.resume(TENANT, agent.id, &[]).await.unwrap().orders.len() == 1,
        "the refused one is over"
    );
}

#[tokio::test]
async fn a_refusal_ends_nothing_that_an_agent_may_have() {
    let (world, signer) = moody().await;
    let agent = world.agent("a").await;
    // An isolation carries a secret: an agent that holds its order is given it again.
    let task = world.submit(isolate(&[&agent])).await.task_id;
    let order = world.lease(&agent).await.remove(0);
    signer.be(Mood::Refuses);
    let held = [order.order().order_id.parse().unwrap()];
    assert!(world.engine.resume(TENANT, agent.id, &held).await.unwrap().orders.is_empty());
    assert_eq!(world.only(task).await.0, "dispatched", "it may be at work there");
    let receipt = world.outcome(&agent, &agent.done(&order, cut())).await;
    assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
}

/// The world with a real signer, which holds the key that the world's agents know and reads the world's clock.
async fn guarded(policy: &Policy) -> World {
    let mut world = World::new().await;
    let here = world.dir.as_ref().unwrap().path();
    let directory = here.join("signer");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(here.join("order.key"), directory.join("order.key")).unwrap();
    policy.save(&directory.join("signer.json")).unwrap();
    let hands = Arc::clone(&world.hands);
    let service = Arc::new(Service::open(&directory, Arc::new(move || hands.now())).unwrap());
    let client = Client::start(Place::Inside(service), Box::new(|_| Ok(())));
    client.ready(Duration::from_secs(5)).await.unwrap();
    with(&mut world, Arc::new(RemoteSigner::new(client)));
    world
}

#[tokio::test]
async fn the_signer_signs_what_the_engine_makes() {
    let world = guarded(&Policy::default()).await;
    let agents = [world.agent("a").await, world.agent("b").await, world.agent("c").await];
    let all: Vec<_> = agents.iter().collect();
    let first = world.submit(isolate(&all)).await.task_id;
    for _ in 0..5 {
        world.submit(terminate(&all)).await;
    }
    for agent in &agents {
        assert_eq!(world.lease(agent).await.len(), 6, "each accepted by the agent's own checks");
        assert_eq!(
            world.engine.resume(TENANT, agent.id, &[]).await.unwrap().orders.len(),
            6,
            "the same again"
        );
    }
    assert_eq!(world.task(first).await.state, "running");
    let directory = world.dir.as_ref().unwrap().path().join("signer");
    let report = quell_signer::journal::verify(&directory, |_| ()).unwrap();
    assert_eq!((report.lines, report.problem), (36, None));
}

#[tokio::test]
async fn the_signers_own_policy_stands_above_the_engine() {
    let world = guarded(&Policy { max_targets: Some(1), ..Policy::default() }).await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let task = world.submit(isolate(&[&a, &b])).await.task_id;
    assert!(world.lease(&a).await.is_empty() && world.lease(&b).await.is_empty());
    let task = world.task(task).await;
    assert_eq!(task.state, "refused");
    let alone = world.submit(isolate(&[&a])).await.task_id;
    assert_eq!(world.lease(&a).await.len(), 1);
    assert_eq!(world.only(alone).await.0, "dispatched");
}

#[tokio::test]
async fn approvals_of_people_reach_the_signer_and_nothing_passes_it_without() {
    let approvals = std::collections::BTreeMap::from([("process.terminate".to_owned(), 1)]);
    let world = guarded(&Policy { approvals, ..Policy::default() }).await;
    let agent = world.agent("a").await;
    let (olga, arno) =
        (world.person("olga", &["operations"]).await, world.person("arno", &["approver"]).await);
    let asked = world.engine.submit(&olga, terminate(&[&agent])).await.unwrap();
    let ballot = world.ballot(asked.task_id, true).await;
    world.engine.decide(&arno, TENANT, asked.task_id, ballot).await.unwrap();
    let orders = world.lease(&agent).await;
    assert_eq!(orders[0].order().approvals.len(), 1);
    // What the server lets through by itself, for whatever reason, the signer does not.
    let alone = world.submit(terminate(&[&agent])).await.task_id;
    assert!(world.lease(&agent).await.is_empty());
    let command = world.commands(alone).await.remove(0);
    assert_eq!((command.state.as_str(), command.reason_code.as_deref()), ("refused", Some("signer_refused")));
    assert!(command.message.unwrap().contains("approval_missing"));
}
