//! A running server with a client, and the things that tests need in its database.

use std::net::SocketAddr;
use std::path::Path;

use quell_server::{Config, Listeners, Server};
use quell_store::{Store, api_key, endpoint, tenant};
use quell_wire::digest::sha256;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A server of its own, on ports of its own. Stops when told, or with the test.
pub struct World {
    pub base: String,
    /// The agents' port.
    pub gateway: SocketAddr,
    pub key: String,
    pub tenant: Uuid,
    pub store: Store,
    pub directory: TempDir,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// A set-up on free ports.
pub fn config(directory: &Path) -> Config {
    let mut config = Config::new(directory);
    config.api = "127.0.0.1:0".parse().unwrap();
    config.gateway = "127.0.0.1:0".parse().unwrap();
    config
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }

    /// A server on a directory, which may hold the data of an earlier one.
    pub async fn at(directory: TempDir) -> Self {
        set_private(directory.path());
        let server = Server::start(config(directory.path()), Listeners::default()).await.unwrap();
        let base = format!("http://{}", server.api_address());
        let gateway = server.gateway_address();
        let engine = server.engine().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let key = std::fs::read_to_string(directory.path().join("admin.key")).unwrap().trim().to_owned();
        let store = engine.store().clone();
        let tenant = store.read(|tx| tenant::by_name(tx, "default")).await.unwrap().unwrap().id;
        Self {
            base,
            gateway,
            key,
            tenant,
            store,
            directory,
            http: client(),
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// Stops the server and gives its directory back.
    pub async fn stop(mut self) -> TempDir {
        let _ = self.stop.take().unwrap().send(());
        self.running.take().unwrap().await.unwrap();
        self.directory
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.with_key(method, path, &self.key)
    }

    pub fn with_key(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(key)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    /// An endpoint that can do everything, without an agent.
    pub async fn endpoint(&self, name: &str) -> Uuid {
        self.endpoint_of(self.tenant, name).await
    }

    pub async fn endpoint_of(&self, tenant: Uuid, name: &str) -> Uuid {
        let id = Uuid::now_v7();
        let able: Vec<Value> = quell_catalog::ActionKind::ALL
            .iter()
            .map(|kind| serde_json::json!({ "action": kind.id(), "revision": kind.spec().revision }))
            .collect();
        let row = endpoint::Endpoint {
            tenant_id: tenant,
            id,
            name: name.to_owned(),
            state: "active".to_owned(),
            public_key: vec![7; 32],
            cert_serial: id.simple().to_string(),
            cert_not_after: i64::MAX,
            fingerprint: id.simple().to_string(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            agent_version: "0.1.0".to_owned(),
            facts: "{\"host\":\"x\"}".to_owned(),
            capabilities: Value::from(able).to_string(),
            isolation: None,
            tags: "[\"lab\"]".to_owned(),
            enrolled_at: 1,
            last_seen_at: None,
            alarm: None,
        };
        self.store
            .write(move |tx| {
                endpoint::insert(tx, &row)?;
                endpoint::set_tags(tx, row.tenant_id, row.id, &["lab".to_owned()], "[\"lab\"]")
            })
            .await
            .unwrap();
        id
    }

    /// A key of a role, in this tenant or another.
    pub async fn key_of(&self, tenant: Uuid, role: &str) -> String {
        let id = Uuid::now_v7();
        let prefix = format!("qk_{}", &id.simple().to_string()[20..]);
        let text = format!("{prefix}_{}", "x".repeat(43));
        let row = api_key::ApiKey {
            tenant_id: tenant,
            id,
            name: format!("test {role}"),
            prefix,
            hash: sha256(&[text.as_bytes()]),
            role: role.to_owned(),
            created_at: 1,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            owner: None,
            scope: None,
        };
        self.store.write(move |tx| api_key::insert(tx, &row)).await.unwrap();
        text
    }

    pub async fn other_tenant(&self) -> Uuid {
        let row = tenant::Tenant { id: Uuid::now_v7(), name: "other".to_owned(), created_at: 1 };
        let id = row.id;
        self.store.write(move |tx| tenant::insert(tx, &row)).await.unwrap();
        id
    }

    /// A task that isolates the endpoint.
    pub async fn isolate(&self, endpoint: &str) -> Value {
        let body = serde_json::json!({
            "action": "endpoint.isolate", "targets": { "endpoints": [endpoint] }, "reason": "ticket 1",
        });
        let (status, task) = self.post("/api/v1/tasks", body).await;
        assert_eq!(status, 201, "{task}");
        task
    }

    /// How many audit records there are.
    pub async fn audit_count(&self) -> usize {
        let tenant = self.tenant;
        let page = quell_store::Page { after: None, limit: 1000 };
        let filter = quell_store::audit::Filter::default();
        let page =
            self.store.read(move |tx| quell_store::audit::list(tx, tenant, &filter, page)).await.unwrap();
        page.rows.len()
    }
}

pub async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The answer for a snapshot: without what differs each time.
pub fn stable(mut problem: Value) -> Value {
    if let Some(id) = problem.get_mut("request_id") {
        *id = Value::from("[id]");
    }
    problem
}

pub fn set_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}
