//! A swarm against one server, and what its agents saw.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quell_lab::swarm::{Effects, Options, Swarm};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::api::{Api, text};
use crate::run::Places;
use crate::server::Server;

/// Uses that one token may bear.
const TOKEN: usize = 1000;
/// New agents start within this time for each thousand of them.
const RAMP: Duration = Duration::from_secs(1);
/// Until all of a thousand agents are connected.
const CONNECT: Duration = Duration::from_mins(2);
/// Until a single command has begun or ended.
const SOON: Duration = Duration::from_secs(20);

/// When handlers began, as the agents' own process saw it.
#[derive(Default)]
pub struct Seen {
    begun: AtomicU64,
    recording: AtomicBool,
    when: Mutex<HashMap<String, Instant>>,
    bell: Notify,
}

impl Seen {
    fn note(&self, order_id: &str) {
        let now = Instant::now();
        self.begun.fetch_add(1, Ordering::Relaxed);
        if self.recording.load(Ordering::Relaxed) {
            self.when.lock().unwrap_or_else(PoisonError::into_inner).insert(order_id.to_owned(), now);
            self.bell.notify_waiters();
        }
    }

    /// Handlers that began so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether the moments of single orders are kept.
    pub fn record(&self, recording: bool) {
        self.recording.store(recording, Ordering::Relaxed);
    }

    /// When the handler of this order began; waits for it.
    pub async fn began(&self, order_id: &str) -> Result<Instant> {
        let wait = async {
            loop {
                let rung = self.bell.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                let found = self.when.lock().unwrap_or_else(PoisonError::into_inner).remove(order_id);
                if let Some(at) = found {
                    return at;
                }
                rung.await;
            }
        };
        tokio::time::timeout(SOON, wait).await.with_context(|| format!("order {order_id} did not begin"))
    }
}

/// Agents of one server.
pub struct Fleet {
    /// The server's API.
    pub api: Api,
    /// What the agents saw.
    pub seen: Arc<Seen>,
    swarm: Swarm,
    _state: TempDir,
}

impl Fleet {
    /// A fleet without agents; their journals go to a fresh folder on the disk.
    pub fn new(server: &Server, places: &Places) -> Result<Self> {
        let state = tempfile::Builder::new().prefix("agents-").tempdir_in(&places.work)?;
        let seen = Arc::new(Seen::default());
        let told = seen.clone();
        let effects = Effects {
            takes: Duration::ZERO,
            began: Some(Arc::new(move |_: &str, job: &quell_agent::runner::Job| told.note(&job.order_id))),
        };
        let swarm = Swarm::new(Options {
            server: server.gateway.to_string(),
            state: state.path().to_owned(),
            prefix: "sim".to_owned(),
            ramp: RAMP,
            effects: Arc::new(effects),
        });
        Ok(Self { api: server.api.clone(), seen, swarm, _state: state })
    }

    /// Adds agents until there are this many, and waits until all are connected; answers the seconds it took.
    pub async fn grow(&mut self, until: usize) -> Result<f64> {
        let began = Instant::now();
        while self.swarm.len() < until {
            let count = (until - self.swarm.len()).min(TOKEN);
            let token = self.api.token(count).await?;
            self.swarm.grow(&token, count).await?;
        }
        self.swarm.all_connected(CONNECT).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.swarm.len()
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.swarm.connected()
    }

    /// Their ids.
    pub fn endpoints(&self) -> Vec<String> {
        self.swarm.endpoints().map(str::to_owned).collect()
    }

    /// One task on all: each agent makes what its journal needs once.
    pub async fn warm_up(&self) -> Result<()> {
        let task = self.api.submit_all(self.len()).await?;
        let ended =
            self.ended(text(&task, "id")?, Duration::from_millis(100), Duration::from_mins(2)).await?;
        if text(&ended, "state")? != "succeeded" {
            bail!("the first task ended as {ended}");
        }
        Ok(())
    }

    /// Waits until a task has ended, looking at it every so often.
    pub async fn ended(&self, id: &str, every: Duration, limit: Duration) -> Result<serde_json::Value> {
        let end = Instant::now() + limit;
        loop {
            let task = self.api.task(id).await?;
            if !task["ended_at"].is_null() {
                return Ok(task);
            }
            if Instant::now() > end {
                bail!(
                    "task {id} did not end within {} s: {} of its commands are open",
                    limit.as_secs(),
                    task["open_count"]
                );
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Ends all agents.
    pub async fn stop(self) {
        self.swarm.stop().await;
    }
}
