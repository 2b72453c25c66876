//! A running server with a client, and the things that tests need in its database.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;

use quell_server::{Config, Listeners, Server};
use quell_store::{Store, api_key, endpoint, membership, person, tenant};
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

/// A set-up on free ports, with passwords that cost little.
pub fn config(directory: &Path) -> Config {
    let mut config = Config::new(directory);
    config.limits.password_cost = quell_access::password::Cost { memory_kib: 64, passes: 1, lanes: 1 };
    config.api = "127.0.0.1:0".parse().unwrap();
    config.gateway = "127.0.0.1:0".parse().unwrap();
    config.database = DATABASE.with_borrow(Clone::clone);
    config
}

thread_local! {
    /// What the worlds of this thread's test are on; SQLite where `None`.
    static DATABASE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a test whose worlds are on SQLite.
pub fn on_sqlite(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

/// Runs a test whose worlds are on one database of PostgreSQL, the same for all of them.
pub fn on_postgres(body: impl Future<Output = ()>) {
    match crate::postgres::database() {
        Ok(url) => {
            DATABASE.set(Some(url));
            on_sqlite(body);
        }
        Err(reason) => eprintln!("skipped: PostgreSQL: {reason}"),
    }
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
        Self::at_with(directory, |_| {}).await
    }

    /// A server that is set up otherwise.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at_with(tempfile::tempdir().unwrap(), change).await
    }

    pub async fn at_with(directory: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        set_private(directory.path());
        let mut config = config(directory.path());
        change(&mut config);
        let server = Server::start(config, Listeners::default()).await.unwrap();
        let base = format!("http://{}", server.api_address());
        let gateway = server.gateway_address();
        let engine = server.engine().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let key = std::fs::read_to_string(directory.path().join("admin.key")).unwrap().trim().to_owned();
        let store = engine.store().clone();
        let tenant = store.read(|tx| tenant::by_setting(tx, "server.first")).await.unwrap().unwrap().id;
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

    /// Somebody with these roles in the world's tenant, signed in. `name` is also the name in `name@quell.example`.
    pub async fn person(&self, name: &str, roles: &[&str]) -> Person {
        self.person_of(self.tenant, name, roles).await
    }

    /// The same at home in another tenant.
    pub async fn person_of(&self, tenant: Uuid, name: &str, roles: &[&str]) -> Person {
        let id = self.account(tenant, name, roles).await;
        self.signed_in(id, &format!("{name}@quell.example")).await
    }

    /// An account with the password [`PASSWORD`], not signed in.
    pub async fn account(&self, tenant: Uuid, name: &str, roles: &[&str]) -> Uuid {
        let id = Uuid::now_v7();
        let email = format!("{name}@quell.example");
        let cost = config(Path::new("/")).limits.password_cost;
        let row = person::Person {
            tenant_id: tenant,
            id,
            human: id,
            name: name.to_owned(),
            email: email.clone(),
            email_key: email.clone(),
            local_key: Some(email),
            password: Some(quell_access::password::hash(PASSWORD, &[7; 16], cost).unwrap()),
            password_changed_at: Some(1),
            totp: None,
            totp_step: None,
            recovery: None,
            state: "active".to_owned(),
            created_at: 1,
            last_login_at: None,
        };
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        self.store
            .write(move |tx| {
                person::insert(tx, &row)?;
                roles.iter().try_for_each(|role| give(tx, tenant, id, role))
            })
            .await
            .unwrap();
        id
    }

    /// Signs an account in that has the password [`PASSWORD`].
    pub async fn signed_in(&self, id: Uuid, email: &str) -> Person {
        let body = serde_json::json!({ "email": email, "password": PASSWORD, "deliver": "token" });
        let request = self.http.post(format!("{}/api/v1/session", self.base)).json(&body);
        let (status, begun) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{begun}");
        Person {
            id,
            email: email.to_owned(),
            session: begun["session"].as_str().unwrap().to_owned(),
            token: begun["token"].as_str().unwrap().to_owned(),
            base: self.base.clone(),
            http: self.http.clone(),
        }
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

    /// Sees to it that the trail of the world's tenant has a record of this verb.
    pub async fn recorded(&self, verb: &str) {
        let (status, trail) = self.get(&format!("/api/v1/audit?verb={verb}")).await;
        assert!(status == 200 && !trail["items"].as_array().unwrap().is_empty(), "no record of {verb}");
    }

    /// The ids of all audit records of the world's tenant.
    pub async fn audit_ids(&self) -> std::collections::BTreeSet<Uuid> {
        let tenant = self.tenant;
        let (mut ids, mut after) = (std::collections::BTreeSet::new(), None);
        loop {
            let page = quell_store::Page { after, limit: 500 };
            let filter = quell_store::audit::Filter::default();
            let page =
                self.store.read(move |tx| quell_store::audit::list(tx, tenant, &filter, page)).await.unwrap();
            ids.extend(page.rows.iter().map(|row| row.id));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    }
}

/// The password of every account that tests make.
pub const PASSWORD: &str = "correct horse battery";

fn give(
    tx: &mut quell_store::Tx<'_>,
    tenant: Uuid,
    person: Uuid,
    role: &str,
) -> Result<(), quell_store::Error> {
    let row = membership::Membership {
        tenant_id: tenant,
        person_id: person,
        role: role.to_owned(),
        source: membership::MANUAL.to_owned(),
        granted_at: 1,
        granted_by: "test".to_owned(),
    };
    membership::insert(tx, &row).map(drop)
}

/// Somebody who is signed in, by a token.
#[derive(Clone)]
pub struct Person {
    pub id: Uuid,
    pub email: String,
    pub session: String,
    pub token: String,
    pub base: String,
    pub http: reqwest::Client,
}

impl Person {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::PUT, path).json(&body).send().await.unwrap()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::PATCH, path).json(&body).send().await.unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::DELETE, path).send().await.unwrap()).await
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
