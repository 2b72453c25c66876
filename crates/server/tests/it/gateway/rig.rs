//! A gateway on a port of its own, with everything behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quell_engine::{
    Actor, Clock, Engine, Entropy, FileSigner, Limits, Parts, Secrets, SystemClock, SystemEntropy, Targets,
    TaskRequest,
};
use quell_server::gateway::{self, Gateway, Settings};
use quell_server::pki::{Authority, token};
use quell_store::{ArtifactStore, Options, Store, audit, command, endpoint, enrolment, tenant};
use quell_wire::enrol::Token;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub struct Rig {
    pub store: Store,
    pub engine: Engine,
    pub gateway: Gateway,
    pub authority: Arc<Authority>,
    pub address: SocketAddr,
    pub tenant: Uuid,
    pub signer: Arc<FileSigner>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    directory: TempDir,
}

pub fn now() -> i64 {
    SystemClock.now()
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let url = format!("sqlite:{}", path.join("quell.db").display());
        let store = Store::open(&url, Options::default(), now()).await.unwrap();
        let tenant = Uuid::now_v7();
        store
            .write(move |tx| {
                tenant::insert(tx, &tenant::Tenant { id: tenant, name: "test".to_owned(), created_at: now() })
            })
            .await
            .map_err(|e: quell_store::Error| e)
            .unwrap();
        let authority = Arc::new(Authority::open(path, now()).unwrap());
        let artifacts = ArtifactStore::open(&path.join("artifacts")).await.unwrap();
        let mut key = [0; 32];
        assert!(SystemEntropy.fill(&mut key));
        let signer = Arc::new(FileSigner::open(&path.join("order.key")).unwrap());
        let engine = Engine::new(Parts {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: signer.clone(),
            secrets: Secrets::new(&key),
            own_machine: None,
            limits: Limits::default(),
        });
        let mut settings =
            Settings { artifact_directory: path.to_owned(), reserved_bytes: 0, ..Settings::default() };
        change(&mut settings);
        let gateway = Gateway::new(gateway::Parts {
            engine: engine.clone(),
            store: store.clone(),
            artifacts,
            authority: Arc::clone(&authority),
            clock: Arc::new(SystemClock),
            settings,
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = gateway.clone();
        let served = tokio::spawn(async move {
            serving
                .serve(listener, async {
                    let _ = stopped.await;
                })
                .await;
        });
        Self {
            store,
            engine,
            gateway,
            authority,
            address,
            tenant,
            signer,
            stop: Some(stop),
            served,
            directory,
        }
    }

    /// Stops the gateway as a shutdown does.
    /// Where files that come in are kept.
    pub fn artifacts(&self) -> std::path::PathBuf {
        self.directory.path().join("artifacts")
    }

    pub async fn stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        tokio::time::timeout(Duration::from_secs(10), &mut self.served).await.unwrap().unwrap();
    }

    pub async fn token(&self, max_uses: i64) -> Token {
        self.token_until(max_uses, now() + 3_600_000_000).await.0
    }

    pub async fn token_until(&self, max_uses: i64, expires_at: i64) -> (Token, Uuid) {
        let keys = self.engine.signer().key_set();
        let token = token::mint(&self.authority, &keys.keys[0], None).unwrap();
        let id = Uuid::now_v7();
        let row = enrolment::Token {
            tenant_id: self.tenant,
            id,
            name: "test".to_owned(),
            hash: token.secret_hash(),
            tags: r#"["lab"]"#.to_owned(),
            max_uses,
            uses: 0,
            created_by: "test".to_owned(),
            created_at: now(),
            expires_at,
            revoked_at: None,
        };
        self.write(move |tx| enrolment::insert(tx, &row)).await;
        (token, id)
    }

    pub async fn write<T: Send + 'static>(
        &self,
        f: impl Fn(&mut quell_store::Tx<'_>) -> Result<T, quell_store::Error> + Send + 'static,
    ) -> T {
        self.store.write(f).await.unwrap()
    }

    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut quell_store::Tx<'_>) -> Result<T, quell_store::Error> + Send + 'static,
    ) -> T {
        self.store.read(f).await.unwrap()
    }

    /// Asks for an action on one endpoint, and answers the command that it became.
    pub async fn submit(&self, endpoint: Uuid, action: &str, params: Value) -> command::Command {
        let request = TaskRequest {
            tenant: self.tenant,
            action: action.to_owned(),
            params,
            targets: Targets::Endpoints(vec![endpoint]),
            reason: "a test".to_owned(),
            idempotency_key: None,
            expires_in: None,
            revert_after: None,
            confirm_count: None,
        };
        let submitted = self.engine.submit(&Actor::system(), request).await.unwrap();
        let (tenant, task) = (self.tenant, submitted.task_id);
        self.read(move |tx| command::of_task(tx, tenant, task, -1, 1)).await.remove(0)
    }

    pub async fn command(&self, id: Uuid) -> command::Command {
        let tenant = self.tenant;
        self.read(move |tx| command::get(tx, tenant, id)).await.unwrap()
    }

    pub async fn endpoint(&self, id: Uuid) -> endpoint::Endpoint {
        let tenant = self.tenant;
        self.read(move |tx| endpoint::get(tx, tenant, id)).await.unwrap()
    }

    /// How many audit records have this verb and outcome.
    pub async fn audited(&self, verb: &str, outcome: &str) -> usize {
        let tenant = self.tenant;
        let filter = audit::Filter { verb: Some(verb.to_owned()), ..audit::Filter::default() };
        let page = quell_store::Page { after: None, limit: 1000 };
        let found = self.read(move |tx| audit::list(tx, tenant, &filter, page)).await;
        found.rows.iter().filter(|record| record.outcome == outcome).count()
    }

    /// Waits until a condition on a command holds.
    pub async fn until_command(
        &self,
        id: Uuid,
        what: impl Fn(&command::Command) -> bool,
    ) -> command::Command {
        until(async || {
            let command = self.command(id).await;
            what(&command).then_some(command)
        })
        .await
    }
}

/// Asks again and again, at most ten seconds.
pub async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking)
        .await
        .expect("the condition did not come true in 10 s")
}
