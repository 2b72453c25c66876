//! A world for each test: an open store, a tenant, and what a row needs to exist.

use std::sync::atomic::{AtomicI64, Ordering};

use quell_store::{Error, Micros, Options, Store, command::Command, endpoint::Endpoint, task::Task, tenant};
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) tenant: Uuid,
    pub(crate) other: Uuid,
    clock: AtomicI64,
}

pub(crate) fn on_sqlite(body: impl AsyncFnOnce(&World)) {
    let dir = tempfile::tempdir().unwrap();
    run(&format!("sqlite:{}", dir.path().join("quell.db").display()), body);
}

pub(crate) fn on_postgres(body: impl AsyncFnOnce(&World)) {
    match crate::postgres::database() {
        Ok(url) => run(&url, body),
        Err(reason) => eprintln!("skipped: PostgreSQL: {reason}"),
    }
}

fn run(url: &str, body: impl AsyncFnOnce(&World)) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(
        async {
            let world = World::open(url).await;
            body(&world).await;
            world.store.close().await;
        },
    );
}

impl World {
    pub(crate) async fn open(url: &str) -> Self {
        let store = Store::open(url, Options::default(), 1).await.unwrap();
        let world = Self {
            store,
            url: url.to_owned(),
            tenant: Uuid::now_v7(),
            other: Uuid::now_v7(),
            clock: AtomicI64::new(1_000_000),
        };
        for id in [world.tenant, world.other] {
            let row = tenant::Tenant { id, name: id.to_string(), created_at: 1 };
            world.store.write(move |tx| tenant::insert(tx, &row)).await.unwrap();
        }
        world
    }

    /// A time that only goes forward.
    pub(crate) fn now(&self) -> Micros {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        closure: impl Fn(&mut quell_store::Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.store.write(closure).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&mut quell_store::Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.read(closure).await.unwrap()
    }

    pub(crate) async fn endpoint(&self, name: &str) -> Uuid {
        let row = endpoint(self.tenant, name);
        let id = row.id;
        self.write(move |tx| quell_store::endpoint::insert(tx, &row)).await.unwrap();
        id
    }

    /// A task with one command for each endpoint.
    pub(crate) async fn task(&self, endpoints: &[Uuid]) -> (Task, Vec<Command>) {
        let task = task(self.tenant, endpoints.len() as i64);
        let commands: Vec<Command> = endpoints
            .iter()
            .enumerate()
            .map(|(leaf, endpoint)| command(&task, leaf as i64, *endpoint))
            .collect();
        let (row, rows) = (task.clone(), commands.clone());
        self.write(move |tx| {
            assert!(quell_store::task::insert(tx, &row)?);
            rows.iter().try_for_each(|command| quell_store::command::insert(tx, command))
        })
        .await
        .unwrap();
        (task, commands)
    }
}

pub(crate) fn endpoint(tenant_id: Uuid, name: &str) -> Endpoint {
    Endpoint {
        tenant_id,
        id: Uuid::now_v7(),
        name: name.to_owned(),
        state: "active".to_owned(),
        public_key: vec![7; 32],
        cert_serial: "0a".to_owned(),
        cert_not_after: 9_000_000,
        fingerprint: format!("machine of {name}"),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        agent_version: "0.1.0".to_owned(),
        facts: "{}".to_owned(),
        capabilities: "[]".to_owned(),
        isolation: None,
        tags: "[]".to_owned(),
        enrolled_at: 5,
        last_seen_at: None,
        alarm: None,
    }
}

pub(crate) fn task(tenant_id: Uuid, targets: i64) -> Task {
    Task {
        tenant_id,
        id: Uuid::now_v7(),
        action: "endpoint.isolate".to_owned(),
        revision: 1,
        params: "{\"secret\":1}".to_owned(),
        params_public: "{}".to_owned(),
        intent: vec![0, 1, 2, 255],
        intent_digest: [9; 32],
        requester_kind: "api_key".to_owned(),
        requester_id: "k1".to_owned(),
        requester_name: "Ann".to_owned(),
        created_from: "api".to_owned(),
        reason: "malware – \u{1F980}".to_owned(),
        idempotency_key: None,
        request_digest: [8; 32],
        created_at: 10,
        expires_at: 1_000,
        state: "queued".to_owned(),
        reason_code: None,
        cancel_requested_at: None,
        revert_after: None,
        revert_at: None,
        undo_of: None,
        undone_by: None,
        target_count: targets,
        open_count: targets,
        succeeded_count: 0,
        worst: 0,
        ended_at: None,
        approval: "none".to_owned(),
        plan_id: None,
        incident_id: None,
        activity: None,
    }
}

pub(crate) fn command(task: &Task, leaf_index: i64, endpoint_id: Uuid) -> Command {
    Command {
        tenant_id: task.tenant_id,
        id: Uuid::now_v7(),
        task_id: task.id,
        target: vec![6; 80],
        leaf_index,
        proof: vec![3; 64],
        service: "agent".to_owned(),
        endpoint_id,
        action: task.action.clone(),
        exclusion: Some("network".to_owned()),
        priority: 0,
        is_held: false,
        nonce: vec![4; 16],
        not_before: 10,
        not_after: 1_000,
        state: "queued".to_owned(),
        reason_code: None,
        message: None,
        attempts: 0,
        dispatched_at: None,
        started_at: None,
        outcome_at: None,
        ended_at: None,
        deadline_at: 1_000,
        progress: None,
        outcome: None,
        evidence: None,
    }
}
