//! Simulated agents in bulk: everything of a real agent but the effect.
//!
//! Each member is the agent's own library with a state directory of its own: it enrols with a token, holds a
//! certificate, keeps one TLS session, checks each order's signature, writes its journal down and syncs it, and
//! signs its outcomes. Only the handlers are [`effect::Simulated`]. All members share the caller's runtime, so
//! a swarm costs no thread per agent; syncs run on the runtime's blocking threads, which the caller bounds.

mod effect;
mod member;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use effect::{Began, Effects};
use quell_agent::link::LinkState;
use quell_agent::{enrol, state};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use member::Member;

/// Agents that enrol or connect for the first time at one time; the rest waits its turn.
const OPENING: usize = 64;
/// Descriptors of one agent: its lock, its journal, its socket.
const DESCRIPTORS: u64 = 3;
/// Descriptors for the rest of the process, and for files that agents write at the moment.
const RESERVED: u64 = 1024;

/// Why agents could not be added, or did not do what was awaited.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An agent could not be enrolled.
    #[error("the simulated endpoint {name} was not enrolled")]
    Enrol {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<enrol::Error>,
    },
    /// An agent's state directory cannot be used.
    #[error("the state of the simulated endpoint {name} cannot be used")]
    State {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: state::Error,
    },
    /// An agent could not be put together.
    #[error("the simulated endpoint {name} did not start")]
    Agent {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<quell_agent::agent::Error>,
    },
    /// The process may not open that many files.
    #[error(
        "{wanted} agents need more files than the {limit} that this process may open; raise it with `ulimit -n`"
    )]
    Files {
        /// Agents asked for, with those that are there.
        wanted: usize,
        /// The limit.
        limit: u64,
    },
    /// Not all connected in time.
    #[error("{connected} of {wanted} agents are connected after {seconds} s; the last failure: {last}")]
    Late {
        /// How many are connected.
        connected: usize,
        /// How many should be.
        wanted: usize,
        /// How long was waited.
        seconds: u64,
        /// The last failure of one that is not.
        last: String,
    },
    /// A task of the swarm panicked.
    #[error("a task of the swarm failed")]
    Broken(#[source] tokio::task::JoinError),
}

/// Where the swarm connects and what it is called.
#[derive(Clone, Debug)]
pub struct Options {
    /// The gateway, `host:port`.
    pub server: String,
    /// A directory for the agents' state, one folder each. A folder with an identity is taken up again.
    pub state: PathBuf,
    /// Names are this, a hyphen and a number from 0.
    pub prefix: String,
    /// New agents start spread at random over this time.
    pub ramp: Duration,
    /// What the agents do instead of their actions.
    pub effects: Arc<Effects>,
}

/// Running simulated agents. They end when it is dropped; [`Swarm::stop`] ends them in good order.
#[derive(Debug)]
pub struct Swarm {
    options: Options,
    members: Vec<Member>,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Swarm {
    /// A swarm without agents.
    pub fn new(options: Options) -> Self {
        Self { options, members: Vec::new(), stop: watch::channel(false).0, running: JoinSet::new() }
    }

    /// Adds agents: enrols each with the token (which must bear that many uses) unless its folder has an
    /// identity, and starts it. Returns when all are enrolled and started, not when all are connected.
    ///
    /// # Errors
    /// The first that failed; those that were started by then keep running.
    pub async fn grow(&mut self, token: &str, count: usize) -> Result<(), Error> {
        let wanted = self.members.len() + count;
        check_files(wanted)?;
        let opening = Arc::new(Semaphore::new(OPENING));
        let mut starting = JoinSet::new();
        for number in self.members.len()..wanted {
            let (options, token, opening) = (self.options.clone(), token.to_owned(), opening.clone());
            starting.spawn(async move {
                let spread = u64::try_from(options.ramp.as_micros()).unwrap_or(u64::MAX);
                tokio::time::sleep(Duration::from_micros(quell_agent::random::below(spread))).await;
                let _turn = opening.acquire().await;
                member::open(&options, number, &token).await
            });
        }
        while let Some(opened) = starting.join_next().await {
            let (member, agent) = opened.map_err(Error::Broken)??;
            let (name, stop) = (member.name.clone(), self.stop.subscribe());
            self.running.spawn(async move {
                if let Err(error) = agent.run(stop).await {
                    tracing::error!(endpoint.name = name, %error, "a simulated agent ended");
                }
            });
            self.members.push(member);
        }
        Ok(())
    }

    /// Agents that were added.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Agents with a session right now.
    pub fn connected(&self) -> usize {
        self.members.iter().filter(|member| member.line.borrow().connected).count()
    }

    /// The endpoints' ids, in no order.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.endpoint_id.as_str())
    }

    /// Waits until all are connected; answers how long that took from now.
    ///
    /// # Errors
    /// [`Error::Late`] when they are not within `limit`.
    pub async fn all_connected(&mut self, limit: Duration) -> Result<Duration, Error> {
        let began = Instant::now();
        let all = async {
            for member in &mut self.members {
                // Fails only when the agent is gone; the count below tells.
                let _ = member.line.wait_for(|line| line.connected).await;
            }
        };
        let _ = timeout(limit, all).await;
        let connected = self.connected();
        if connected == self.members.len() {
            return Ok(began.elapsed());
        }
        let last = self.members.iter().filter_map(|member| failure(&member.line.borrow())).next_back();
        Err(Error::Late {
            connected,
            wanted: self.members.len(),
            seconds: limit.as_secs(),
            last: last.unwrap_or_else(|| "none was seen".to_owned()),
        })
    }

    /// Ends all agents and waits until they are gone.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
    }
}

fn failure(line: &LinkState) -> Option<String> {
    line.last_error.clone().filter(|_| !line.connected)
}

fn check_files(wanted: usize) -> Result<(), Error> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    if (wanted as u64).saturating_mul(DESCRIPTORS).saturating_add(RESERVED) > limit {
        return Err(Error::Files { wanted, limit });
    }
    Ok(())
}
