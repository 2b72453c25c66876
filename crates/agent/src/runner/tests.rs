//! Orders through the runner: what is refused, what runs once, what a crash leaves.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod restart;
mod told;

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use prost::Message;
use quell_wire::keys::KeySet;
use quell_wire::merkle::Tree;
use quell_wire::order::Secret;
use quell_wire::{Intent, Order, SignedOrder, SigningKey, Status, Target, intent};
use serde_json::json;

use super::*;
use crate::identity::Stored;
use crate::journal::Journal;
use crate::outbox::Next;
use crate::state::StateDir;

const NOW: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

/// What a test's handlers do and what they saw.
struct Play {
    runs: AtomicU32,
    now: AtomicU32,
    most: AtomicU32,
    gate: Semaphore,
    secret: Mutex<Option<String>>,
}

impl Play {
    /// Ordinary orders wait at a gate that lets so many through.
    fn new(open: usize) -> Arc<Self> {
        Arc::new(Self {
            runs: AtomicU32::new(0),
            now: AtomicU32::new(0),
            most: AtomicU32::new(0),
            gate: Semaphore::new(open),
            secret: Mutex::default(),
        })
    }
}

impl Actions for Play {
    fn capabilities(&self) -> Vec<Capability> {
        ActionKind::ALL.iter().map(|kind| Capability { action: kind.id().into(), revision: 1 }).collect()
    }

    fn carry<'a>(&'a self, job: &'a Job) -> Work<'a> {
        Box::pin(async move {
            self.runs.fetch_add(1, Ordering::SeqCst);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            for step in 0..1000 {
                job.progress(step, 1000, "step");
            }
            let ending = match job.params.get("path").and_then(serde_json::Value::as_str) {
                Some("/panic") => panic!("on purpose"),
                Some("/wait") => {
                    job.cancel.asked().await;
                    Ending::canceled("stopped")
                }
                _ => {
                    *self.secret.lock().unwrap() = job.secret(quell_catalog::Secret::ArchivePassword).await;
                    let _ = self.gate.acquire().await;
                    Ending::done(&json!({ "attempt": job.attempt }))
                }
            };
            self.now.fetch_sub(1, Ordering::SeqCst);
            ending
        })
    }
}

struct World {
    _dir: tempfile::TempDir,
    state: StateDir,
    identity: Arc<Identity>,
    key: SigningKey,
    clock: Clock,
    now: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let agent_key = SigningKey::generate().unwrap();
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &rustls::pki_types::PrivatePkcs8KeyDer::from(agent_key.as_slice()),
            &rcgen::PKCS_ED25519,
        )
        .unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let stored = Stored {
            tenant_id: "acme".into(),
            endpoint_id: "me".into(),
            server: "127.0.0.1:1".into(),
            addresses: Vec::new(),
            resolved: std::collections::BTreeMap::new(),
            proxy: None,
            ca: certificate.clone(),
            certificate,
            issued_at_us: NOW,
            not_after_us: NOW + HOUR,
            order_keys: KeySet { version: 1, keys: vec![key.public()] }.encode_to_vec(),
            trust: Vec::new(),
        };
        let identity = Arc::new(Identity::new(&state, stored, agent_key).unwrap());
        let now = Arc::new(AtomicI64::new(NOW));
        let read = now.clone();
        let clock = Clock::from_fn(move || read.load(Ordering::SeqCst));
        Journal::create(&state.join("journal")).unwrap();
        Self { _dir: dir, state, identity, key, clock, now }
    }

    /// The agent (again) with these handlers; what it says comes out of the outbox.
    fn runner(&self, play: &Arc<Play>) -> (Runner, Outbox) {
        let outbox = Outbox::new(self.clock.clone());
        outbox.online(Vec::new());
        let (journal, _) = Journal::open(&self.state.join("journal"), self.clock.now_us()).unwrap();
        let ledger = Ledger::new(journal, self.clock.clone());
        let runner =
            Runner::new(self.identity.clone(), ledger, self.clock.clone(), outbox.clone(), play.clone());
        (runner, outbox)
    }

    fn order(&self, id: &str, action: &str, params: &serde_json::Value) -> SignedOrder {
        let target = Target::endpoint("acme", "me").encode_to_vec();
        let intent = Intent {
            tenant_id: "acme".into(),
            task_id: "task".into(),
            action: action.into(),
            revision: 1,
            params: serde_json::to_vec(params).unwrap(),
            requester: None,
            created_at_us: NOW,
            expires_at_us: NOW + HOUR,
            targets_root: Tree::new(std::slice::from_ref(&target)).unwrap().root().to_vec(),
            target_count: 1,
            revert_after_us: 0,
            nonce: vec![7; 16],
        }
        .encode_to_vec();
        let order = Order {
            tenant_id: "acme".into(),
            endpoint_id: "me".into(),
            order_id: id.into(),
            intent_digest: intent::digest(&intent).to_vec(),
            intent,
            target,
            target_index: 0,
            proof: Vec::new(),
            not_before_us: NOW,
            not_after_us: NOW + HOUR,
            nonce: vec![1; 16],
            secrets: vec![Secret { name: "archive_password".into(), value: "pw".into() }],
            approvals: Vec::new(),
        };
        SignedOrder::sign(&self.key, &order)
    }

    fn collect(&self, id: &str, path: &str) -> SignedOrder {
        self.order(id, "file.collect", &json!({ "path": path }))
    }
}

/// What an agent said, until it said the end of `orders` orders.
async fn ends(runner: &Runner, outbox: &Outbox, orders: usize) -> (Vec<Outcome>, Vec<FromAgent>) {
    let (mut outcomes, mut frames) = (Vec::new(), Vec::new());
    while outcomes.len() < orders {
        match outbox.take() {
            Some(Next::Outcome(id)) => {
                let signed = runner.outcome(&id).unwrap();
                outcomes.push(signed.open(&runner.0.identity.key().public()).unwrap());
            }
            Some(Next::Signed(signed)) => {
                outcomes.push(signed.open(&runner.0.identity.key().public()).unwrap());
            }
            Some(Next::Frame(frame)) => frames.push(frame),
            None => tokio::time::timeout(Duration::from_secs(20), outbox.ready()).await.unwrap(),
        }
    }
    (outcomes, frames)
}

fn status(outcome: &Outcome) -> (Status, &str) {
    (Status::try_from(outcome.status).unwrap(), outcome.reason_code.as_str())
}

#[tokio::test]
async fn an_order_is_carried_out_once_however_often_it_comes() {
    let (world, play) = (World::new(), Play::new(100));
    let (runner, outbox) = world.runner(&play);
    for _ in 0..50 {
        runner.deliver(world.collect("a", "/etc/hostname"));
    }
    let (outcomes, frames) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Done, ""));
    assert_eq!(play.runs.load(Ordering::SeqCst), 1);
    assert_eq!(play.secret.lock().unwrap().as_deref(), Some("pw"));
    let told = frames.iter().filter(|frame| matches!(frame, FromAgent::Progress(_))).count();
    assert_eq!(told, 1, "progress is throttled");
    runner.stored("a");
    assert!(runner.unacknowledged().is_empty());
    runner.deliver(world.collect("a", "/etc/hostname"));
    let (again, _) = ends(&runner, &outbox, 1).await;
    assert_eq!((again[0] == outcomes[0], play.runs.load(Ordering::SeqCst)), (true, 1));
}

#[tokio::test]
async fn a_panic_ends_the_order_and_not_the_agent() {
    let (world, play) = (World::new(), Play::new(100));
    let (runner, outbox) = world.runner(&play);
    runner.deliver(world.collect("a", "/panic"));
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Failed, "handler_panicked"));
    runner.deliver(world.collect("b", "/etc/hostname"));
    assert_eq!(status(&ends(&runner, &outbox, 1).await.0[0]).0, Status::Done);
}

#[tokio::test]
async fn a_running_order_and_a_waiting_one_can_be_canceled() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, outbox) = world.runner(&play);
    for number in 0..PER_ACTION {
        runner.deliver(world.collect(&format!("run{number}"), "/wait"));
    }
    runner.deliver(world.collect("late", "/wait"));
    while play.runs.load(Ordering::SeqCst) < PER_ACTION as u32 || runner.running() <= PER_ACTION {
        tokio::task::yield_now().await;
    }
    runner.cancel("late");
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!((outcomes[0].order_id.as_str(), status(&outcomes[0]).0), ("late", Status::Canceled));
    assert_eq!(outcomes[0].started_at_us, 0, "it never began");
    runner.cancel("run3");
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(
        (outcomes[0].order_id.as_str(), status(&outcomes[0])),
        ("run3", (Status::Canceled, "canceled"))
    );
    assert_eq!(play.runs.load(Ordering::SeqCst), PER_ACTION as u32);
    runner.cancel("nobody");
}

#[tokio::test]
async fn network_orders_run_one_after_the_other_and_others_beside_them() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, outbox) = world.runner(&play);
    for number in 0..6 {
        let action = if number % 2 == 0 { "endpoint.restore" } else { "endpoint.isolate" };
        runner.deliver(world.order(&format!("n{number}"), action, &json!({})));
    }
    runner.deliver(world.collect("c", "/etc/hostname"));
    while play.runs.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    play.gate.add_permits(100);
    let (outcomes, _) = ends(&runner, &outbox, 7).await;
    assert!(outcomes.iter().all(|outcome| status(outcome).0 == Status::Done));
    assert_eq!(play.most.load(Ordering::SeqCst), 2, "one of the network, one file");
}

#[tokio::test]
async fn an_order_that_expires_while_it_waits_is_refused() {
    let (world, play) = (World::new(), Play::new(0));
    let (runner, outbox) = world.runner(&play);
    runner.deliver(world.order("first", "endpoint.restore", &json!({})));
    runner.deliver(world.order("second", "endpoint.restore", &json!({})));
    while play.runs.load(Ordering::SeqCst) < 1 || runner.running() < 2 {
        tokio::task::yield_now().await;
    }
    world.now.store(NOW + HOUR + 1, Ordering::SeqCst);
    play.gate.add_permits(100);
    let (outcomes, _) = ends(&runner, &outbox, 2).await;
    assert_eq!(status(&outcomes[0]).0, Status::Done);
    assert_eq!(status(&outcomes[1]), (Status::Refused, "order_expired"));
}

/// Leaves an order begun and not ended, as a kill would.
async fn die_in_the_middle(world: &World, order: SignedOrder) {
    let play = Play::new(0);
    let (runner, _) = world.runner(&play);
    runner.deliver(order);
    while play.runs.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_a_crash_work_begins_again_when_its_secrets_come_again() {
    let world = World::new();
    die_in_the_middle(&world, world.collect("a", "/etc/hostname")).await;
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    assert_eq!(runner.resume().unwrap(), 1);
    tokio::task::yield_now().await;
    assert_eq!(play.runs.load(Ordering::SeqCst), 0, "its password is not here");
    runner.deliver(world.collect("a", "/etc/hostname"));
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(outcomes[0].result, br#"{"attempt":2}"#);
    assert_eq!(outcomes[0].started_at_us, NOW);
    assert_eq!(play.secret.lock().unwrap().as_deref(), Some("pw"));
}

#[tokio::test]
async fn after_a_crash_work_without_secrets_begins_at_once_but_not_for_ever() {
    let world = World::new();
    die_in_the_middle(&world, world.order("a", "endpoint.restore", &json!({}))).await;
    // The tests' runtime outlives the runner; a process would not. Only the journal counts here.
    for attempt in 2..=3 {
        let play = Play::new(0);
        let (runner, _) = world.runner(&play);
        assert_eq!(runner.resume().unwrap(), 1);
        while play.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(play.runs.load(Ordering::SeqCst), 1, "attempt {attempt}");
    }
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    runner.resume().unwrap();
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Indeterminate, "agent_crashed"));
    assert_eq!(play.runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn after_a_crash_work_whose_window_is_over_ends_as_what_it_is() {
    let world = World::new();
    die_in_the_middle(&world, world.order("a", "endpoint.restore", &json!({}))).await;
    world.now.store(NOW + HOUR + 1, Ordering::SeqCst);
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    runner.resume().unwrap();
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Indeterminate, "interrupted"));
}

#[tokio::test]
async fn adopted_work_is_taken_up_whenever_and_without_its_secrets() {
    let world = World::new();
    let params = json!({ "script": format!("sha256:{}", "0".repeat(64)) });
    die_in_the_middle(&world, world.order("a", "endpoint.run_script", &params)).await;
    world.now.store(NOW + 2 * HOUR, Ordering::SeqCst);
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    runner.resume().unwrap();
    while play.runs.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The secret comes with a repeat, although the order has expired: its work began in time.
    runner.deliver(world.order("a", "endpoint.run_script", &params));
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]).0, Status::Done);
    assert_eq!(play.secret.lock().unwrap().as_deref(), Some("pw"));
}

#[tokio::test]
async fn a_damaged_journal_means_that_older_orders_may_have_been_carried_out() {
    let world = World::new();
    std::fs::write(world.state.join("journal"), b"not a journal").unwrap();
    let play = Play::new(100);
    let (runner, outbox) = world.runner(&play);
    runner.deliver(world.collect("a", "/etc/hostname"));
    let (outcomes, _) = ends(&runner, &outbox, 1).await;
    assert_eq!(status(&outcomes[0]), (Status::Indeterminate, "journal_damaged"));
    assert_eq!(play.runs.load(Ordering::SeqCst), 0);
}
