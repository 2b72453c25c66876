//! Simulated agents against a real server: real enrolment, real orders, real journals, and no effect.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quell_lab::swarm::{Effects, Options, Swarm};
use quell_server::{Config, Listeners, Server};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const AGENTS: usize = 25;
const LIMIT: Duration = Duration::from_mins(1);

struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(&body);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Requests an action and waits for its end.
    async fn act(&self, task: Value) -> Value {
        let task = self.post("/tasks", task).await;
        let path = format!("/tasks/{}", task["id"].as_str().unwrap());
        let end = Instant::now() + LIMIT;
        loop {
            let task = self.get(&path).await;
            if !task["ended_at"].is_null() {
                return task;
            }
            assert!(Instant::now() < end, "the task did not end: {task}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn swarm(server: &str, state: &Path, begun: &Arc<AtomicUsize>) -> Swarm {
    let begun = begun.clone();
    let began: quell_lab::swarm::Began = Arc::new(move |_, _| {
        begun.fetch_add(1, Ordering::Relaxed);
    });
    Swarm::new(Options {
        server: server.to_owned(),
        state: state.to_owned(),
        prefix: "sim".to_owned(),
        ramp: Duration::from_millis(200),
        effects: Arc::new(Effects { takes: Duration::ZERO, began: Some(began) }),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_agents_enrol_act_and_come_back_as_themselves() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path().join("server"));
    config.api.set_port(0);
    config.gateway = "127.0.0.1:0".parse().unwrap();
    let server = Server::start(config, Listeners::default()).await.unwrap();
    let api = Api {
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        base: format!("http://{}/api/v1", server.api_address()),
        key: server.first_key().unwrap().text.clone(),
    };
    let gateway = server.gateway_address().to_string();
    let (shutdown, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));

    let (begun, agents) = (Arc::new(AtomicUsize::new(0)), folder.path().join("agents"));
    let token = api.post("/enrolment-tokens", json!({ "name": "swarm", "max_uses": AGENTS })).await;
    let mut first = swarm(&gateway, &agents, &begun);
    first.grow(token["text"].as_str().unwrap(), AGENTS).await.unwrap();
    first.all_connected(LIMIT).await.unwrap();
    let ids: BTreeSet<String> = first.endpoints().map(str::to_owned).collect();
    assert_eq!(ids.len(), AGENTS);

    let task = api.act(json!({
        "action": "process.terminate", "params": { "path": "/nonexistent" }, "reason": "a test",
        "targets": { "all": true }, "confirm_count": AGENTS,
    }));
    let task = task.await;
    assert_eq!((&task["state"], &task["succeeded_count"]), (&json!("succeeded"), &json!(AGENTS)));
    assert_eq!(begun.load(Ordering::Relaxed), AGENTS, "each began once");
    assert!(task["commands"]["items"][0]["evidence"].to_string().contains("simulated"), "{task}");

    let target = json!({ "endpoints": ["sim-3"] });
    for action in ["endpoint.isolate", "endpoint.restore"] {
        let task = api.act(json!({ "action": action, "reason": "a test", "targets": target })).await;
        assert_eq!(task["state"], "succeeded", "{task}");
    }

    first.stop().await;
    let journal = std::fs::metadata(agents.join("sim-3/journal")).unwrap();
    assert!(journal.len() > 1000, "three orders and their outcomes are written down");
    let mut again = swarm(&gateway, &agents, &begun);
    again.grow("no token is needed", AGENTS).await.unwrap();
    again.all_connected(LIMIT).await.unwrap();
    assert_eq!(again.endpoints().map(str::to_owned).collect::<BTreeSet<_>>(), ids);
    assert_eq!(begun.load(Ordering::Relaxed), AGENTS + 2, "nothing was done twice");
    again.stop().await;
    shutdown.send(()).unwrap();
    serving.await.unwrap();
}
