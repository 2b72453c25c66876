//! A world for each test: an engine on a file of its own, a clock that tests move, agents with real keys.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use quell_access::policy::Class;
use quell_store::{Micros, Options, Page, Store, Tx, audit, command::Command, endpoint, task::Task, tenant};
use quell_wire::{
    Outcome, SignedOrder, SignedOutcome, SigningKey, Status, Trust, VerifiedOrder,
    order::{Identity, check},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, Clock, CommandState, Engine, FileSigner, Limits, Parts, Receipt, Secrets, Submitted,
    SystemEntropy, Targets, TaskRequest, TaskState,
};

pub(crate) const TENANT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const DAY: Micros = 24 * 3600 * SECOND;

/// A clock that moves a microsecond at each look, and as far as a test says.
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Micros {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) hands: Arc<Hands>,
    pub(crate) signer: Arc<FileSigner>,
    /// Held so that the files go when the world goes.
    pub(crate) dir: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self::open(dir.path(), limits, 1_750_000_000 * SECOND).await;
        world.dir = Some(dir);
        world
    }

    /// A world on PostgreSQL, or why there is none.
    pub(crate) async fn on_postgres() -> Result<Self, String> {
        let url = tokio::task::spawn_blocking(super::postgres::database).await.unwrap()?;
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self::at(&url, dir.path(), Limits::default(), 1_750_000_000 * SECOND).await;
        world.dir = Some(dir);
        Ok(world)
    }

    /// An engine on what is in this directory.
    pub(crate) async fn open(dir: &Path, limits: Limits, now: Micros) -> Self {
        let url = format!("sqlite:{}", dir.join("quell.db").display());
        Self::at(&url, dir, limits, now).await
    }

    async fn at(url: &str, dir: &Path, limits: Limits, now: Micros) -> Self {
        let store = Store::open(url, Options::default(), now).await.unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(now)));
        let signer = Arc::new(FileSigner::open(&dir.join("order.key")).unwrap());
        let engine = Engine::new(Parts {
            store,
            clock: Arc::clone(&hands) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy),
            signer: Arc::clone(&signer) as Arc<dyn crate::Signer>,
            secrets: Secrets::new(&[7; 32]),
            own_machine: Some(OWN_MACHINE.to_owned()),
            limits,
        });
        let world = Self { engine, hands, signer, dir: None };
        if world.read(|tx| tenant::get(tx, TENANT)).await.is_none() {
            let row = tenant::Tenant { id: TENANT, name: "acme".to_owned(), created_at: now };
            world.write(move |tx| tenant::insert(tx, &row)).await;
        }
        world
    }

    pub(crate) fn now(&self) -> Micros {
        self.hands.0.load(Ordering::Relaxed)
    }

    pub(crate) fn pass(&self, time: Micros) {
        self.hands.0.fetch_add(time, Ordering::Relaxed);
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, quell_store::Error> + Send + 'static,
    ) -> T {
        self.engine.store().read(closure).await.unwrap()
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        closure: impl Fn(&mut Tx<'_>) -> Result<T, quell_store::Error> + Send + 'static,
    ) -> T {
        self.engine.store().write(closure).await.unwrap()
    }

    pub(crate) async fn agent(&self, name: &str) -> Agent {
        let key = SigningKey::generate().unwrap();
        self.enrol(name, Uuid::now_v7(), key).await
    }

    pub(crate) async fn enrol(&self, name: &str, id: Uuid, pkcs8: Vec<u8>) -> Agent {
        let key = SigningKey::from_pkcs8(&pkcs8).unwrap();
        let able: Vec<Value> = quell_catalog::ActionKind::ALL
            .iter()
            .map(|kind| json!({ "action": kind.id(), "revision": kind.spec().revision }))
            .collect();
        let row = endpoint::Endpoint {
            tenant_id: TENANT,
            id,
            name: name.to_owned(),
            state: "active".to_owned(),
            public_key: key.public(),
            cert_serial: "01".to_owned(),
            cert_not_after: i64::MAX,
            fingerprint: name.to_owned(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            agent_version: "0.1.0".to_owned(),
            facts: "{}".to_owned(),
            capabilities: Value::from(able).to_string(),
            isolation: None,
            tags: "[]".to_owned(),
            enrolled_at: 1,
            last_seen_at: None,
            alarm: None,
        };
        self.write(move |tx| endpoint::insert(tx, &row)).await;
        let trust = Trust::pinned(crate::Signer::key_set(&*self.signer)).unwrap();
        Agent { id, key, trust }
    }

    pub(crate) async fn submit(&self, request: TaskRequest) -> Submitted {
        self.engine.submit(&ann(), request).await.unwrap()
    }

    pub(crate) async fn task(&self, id: Uuid) -> Task {
        self.read(move |tx| quell_store::task::get(tx, TENANT, id)).await.unwrap()
    }

    pub(crate) async fn commands(&self, task: Uuid) -> Vec<Command> {
        self.read(move |tx| quell_store::command::of_task(tx, TENANT, task, -1, 100_000)).await
    }

    pub(crate) async fn all_tasks(&self) -> Vec<Task> {
        let page = Page { after: None, limit: 1000 };
        let filter = quell_store::task::Filter::default();
        self.read(move |tx| quell_store::task::list(tx, TENANT, &filter, page)).await.rows
    }

    /// Rows agree with each other at any time.
    pub(crate) async fn consistent(&self, ended: bool) {
        for task in self.all_tasks().await {
            let commands = self.commands(task.id).await;
            let states: Vec<CommandState> =
                commands.iter().map(|row| CommandState::parse(&row.state).unwrap()).collect();
            let open = states.iter().filter(|state| !state.is_end()).count() as i64;
            assert_eq!((task.target_count, task.open_count), (states.len() as i64, open));
            let state = TaskState::parse(&task.state).unwrap();
            assert_eq!(state.is_end(), open == 0);
            assert_eq!(state.is_end(), task.ended_at.is_some());
            if state.is_end() {
                let worst = states.iter().filter_map(|state| state.end()).max_by_key(|end| end.rank());
                assert_eq!(Some(state), worst);
            }
            for (row, state) in commands.iter().zip(&states) {
                assert_eq!(row.ended_at.is_some(), state.is_end());
                assert!(*state != CommandState::Succeeded || row.evidence.is_some());
            }
            assert!(!self.trail(task.id).await.is_empty(), "no task without an audit record");
            assert!(!ended || state.is_end(), "{task:?}");
        }
    }

    pub(crate) async fn command(&self, id: Uuid) -> Command {
        self.read(move |tx| quell_store::command::get(tx, TENANT, id)).await.unwrap()
    }

    /// (state, reason code) of the only command of a task.
    pub(crate) async fn only(&self, task: Uuid) -> (String, Option<String>) {
        let commands = self.commands(task).await;
        assert_eq!(commands.len(), 1);
        (commands[0].state.clone(), commands[0].reason_code.clone())
    }

    /// Verbs and outcomes of the audit trail about an object, oldest first.
    pub(crate) async fn trail(&self, object: Uuid) -> Vec<(String, String)> {
        let filter = audit::Filter { object_id: Some(object.to_string()), ..audit::Filter::default() };
        let page = Page { after: None, limit: 1000 };
        let mut rows = self.read(move |tx| audit::list(tx, TENANT, &filter, page)).await.rows;
        rows.reverse();
        rows.into_iter().map(|row| (row.verb, row.outcome)).collect()
    }

    /// The orders that an agent gets now, each accepted by the agent's own checks.
    pub(crate) async fn lease(&self, agent: &Agent) -> Vec<VerifiedOrder> {
        let work = self.engine.lease(TENANT, agent.id, 100).await.unwrap();
        work.orders.iter().map(|order| agent.check(order, self.now())).collect()
    }

    pub(crate) async fn outcome(&self, agent: &Agent, signed: &SignedOutcome) -> Receipt {
        self.engine.outcome(TENANT, agent.id, signed).await.unwrap()
    }

    /// Lets an agent carry out the one order that waits, to a verified end.
    pub(crate) async fn carry_out(&self, agent: &Agent, result: Value) -> Uuid {
        let orders = self.lease(agent).await;
        assert_eq!(orders.len(), 1);
        let id = id_of(&orders[0]);
        assert!(self.engine.started(TENANT, agent.id, id).await.unwrap());
        let receipt = self.outcome(agent, &agent.done(&orders[0], result)).await;
        assert_eq!(receipt, Receipt::Stored(CommandState::Succeeded));
        id
    }
}

pub(crate) struct Agent {
    pub(crate) id: Uuid,
    pub(crate) key: SigningKey,
    pub(crate) trust: Trust,
}

impl Agent {
    pub(crate) fn check(&self, order: &SignedOrder, now: Micros) -> VerifiedOrder {
        let me = Identity { tenant_id: TENANT.to_string(), endpoint_id: self.id.to_string() };
        check(order, &self.trust, None, &me, now).unwrap()
    }

    pub(crate) fn done(&self, order: &VerifiedOrder, result: Value) -> SignedOutcome {
        self.says(order, Status::Done, "", &result.to_string())
    }

    pub(crate) fn says(
        &self,
        order: &VerifiedOrder,
        status: Status,
        code: &str,
        result: &str,
    ) -> SignedOutcome {
        let order = order.order();
        self.sign(&Outcome {
            tenant_id: order.tenant_id.clone(),
            endpoint_id: self.id.to_string(),
            order_id: order.order_id.clone(),
            intent_digest: order.intent_digest.clone(),
            status: status.into(),
            reason_code: code.to_owned(),
            message: String::new(),
            result: result.as_bytes().to_vec(),
            started_at_us: 1,
            ended_at_us: 2,
        })
    }

    pub(crate) fn sign(&self, outcome: &Outcome) -> SignedOutcome {
        let _ = outcome.encoded_len();
        SignedOutcome::sign(&self.key, outcome)
    }
}

/// The fingerprint of the endpoint on the server's own machine.
pub(crate) const OWN_MACHINE: &str = "quell-server";

pub(crate) fn id_of(order: &VerifiedOrder) -> Uuid {
    order.order().order_id.parse().unwrap()
}

pub(crate) fn ann() -> Actor {
    Actor {
        kind: "api_key".to_owned(),
        id: "u1".to_owned(),
        name: "Ann".to_owned(),
        from: "cli".to_owned(),
        request_id: Some("r1".to_owned()),
        remote: Some("192.0.2.9".to_owned()),
        class: Class::Staff,
        human: None,
        access: None,
        confirmed: None,
    }
}

pub(crate) fn request(action: &str, params: Value, endpoints: &[&Agent]) -> TaskRequest {
    TaskRequest {
        tenant: TENANT,
        action: action.to_owned(),
        params,
        targets: Targets::Endpoints(endpoints.iter().map(|agent| agent.id).collect()),
        reason: "ransomware on the host".to_owned(),
        idempotency_key: None,
        expires_in: Some(Duration::from_hours(1)),
        revert_after: None,
        confirm_count: None,
    }
}

pub(crate) fn isolate(endpoints: &[&Agent]) -> TaskRequest {
    request("endpoint.isolate", json!({}), endpoints)
}

pub(crate) fn terminate(endpoints: &[&Agent]) -> TaskRequest {
    request("process.terminate", json!({ "pid": 4211, "start_time": 99 }), endpoints)
}

/// What an agent reports after a cut that was seen.
pub(crate) fn cut() -> Value {
    json!({
        "already_isolated": false, "servers": ["192.0.2.1:7443"], "egress_interfaces": ["eth0"],
        "sockets_destroyed": 3, "cut_ms": 4, "channel_alive": true, "warnings": [],
        "probes": [{ "subject": "tcp 198.51.100.7:443", "method": "connect", "before": "connected",
            "after": "unreachable", "held": true, "proves": true }],
    })
}

/// What an agent reports after an isolation was lifted.
pub(crate) fn restored() -> Value {
    json!({ "was_isolated": true, "rules_gone": true, "probes": [] })
}
