//! A site: a real server process and real agent processes in one lab, for tests and measurements that need the whole.
//!
//! The server's process lives on the machine, with sockets that were made for it: people reach it on the loopback,
//! agents in the lab. Everything that runs ends with the [`Site`].

mod api;
mod machine;
mod programs;
mod server;
mod witness;

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use api::{Answer, Api};
pub use machine::{AGENT, Machine, STATE};
pub use programs::Programs;
pub use server::{Places, Server};
pub use witness::{Way, Witness, ways_out};

use crate::{Lab, LabOptions, Share};

/// The port of agents, at the lab's server address.
pub const GATEWAY: u16 = 8421;
/// The longest that a condition is waited for, unless said otherwise.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Why a site could not be built or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lab.
    #[error(transparent)]
    Lab(#[from] crate::Error),
    /// A program is missing.
    #[error("{0}; build both programs with `cargo build -p quell -p quell-agent`")]
    Program(String),
    /// The system refused a step.
    #[error("could not {0}")]
    System(&'static str, #[source] io::Error),
    /// The server did not become ready, or ended; with the last lines of its log.
    #[error("the server did not become ready: {0}")]
    Server(String),
    /// An agent was not enrolled; with what it said.
    #[error("{0} was not enrolled: {1}")]
    Enrol(String, String),
    /// The API could not be asked.
    #[error("the API gave no answer")]
    Request(#[source] reqwest::Error),
    /// The API answered with something else than was hoped for.
    #[error("the API answered {0}: {1}")]
    Answer(u16, String),
    /// Something did not happen in time.
    #[error("no sign of {0} within {1:?}; last seen: {2}")]
    Patience(String, Duration, String),
}

/// Names the step that failed.
fn failed(step: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System(step, source)
}

/// A server, and a lab in which agents reach it.
pub struct Site {
    /// The API as administrator.
    pub api: Api,
    /// The network, and the host outside.
    pub lab: Lab,
    /// The server's process.
    pub server: Server,
    /// Logs and the server's data.
    pub folder: TempDir,
}

impl Site {
    /// Makes a lab and starts a server in it, with the programs of this build.
    pub fn start() -> Result<Self, Error> {
        let programs = Programs::of_this_build()?;
        let share = Share { host: programs.agent, inside: AGENT.into() };
        let lab = Lab::start(LabOptions { shares: vec![share], ..LabOptions::default() })?;
        let folder = TempDir::with_prefix("quell-site-").map_err(failed("make a folder"))?;
        let places = Places {
            program: programs.server,
            folder: folder.path().to_owned(),
            api: TcpListener::bind("127.0.0.1:0").map_err(failed("listen on the loopback"))?,
            gateway: lab.listen_in_server_ns(GATEWAY)?,
            advertise: lab.server().sockets(GATEWAY).into(),
        };
        let server = Server::start(places)?;
        let api = Api::new(&server.url(), server.key())?;
        Ok(Self { api, lab, server, folder })
    }

    /// A token that enrols this many endpoints.
    pub fn token(&self, uses: usize) -> Result<String, Error> {
        let body = json!({ "name": "site", "max_uses": uses, "expires_in_seconds": 600 });
        let made = self.api.post("/enrolment-tokens", &body)?.good()?;
        Ok(made["text"].as_str().unwrap_or_default().to_owned())
    }

    /// An endpoint with an enrolled agent that is connected.
    pub fn machine(&self, name: &str) -> Result<Machine, Error> {
        let mut machine = self.enrolled(name)?;
        machine.start_agent()?;
        self.connected(machine.name(), true)?;
        Ok(machine)
    }

    /// The same, with a flight recorder that knows the tenant's rules.
    pub fn watched(&self, name: &str) -> Result<Machine, Error> {
        let mut machine = self.enrolled(name)?;
        machine.start_agent_with(&[("QUELL_RECORDER", "on")])?;
        self.connected(machine.name(), true)?;
        let records = || {
            let status = machine.sh(&format!("{AGENT} status"))?.stdout;
            let status: Value = serde_json::from_str(&status).unwrap_or_default();
            let recorder = status["recorder"].clone();
            Ok((recorder["rules"]["behaviour"].as_u64().unwrap_or(0) > 0, recorder))
        };
        wait_for("a flight recorder with rules", PATIENCE, records)?;
        Ok(machine)
    }

    /// An endpoint with an enrolled agent that does not run yet.
    pub fn enrolled(&self, name: &str) -> Result<Machine, Error> {
        let gateway = self.lab.server().sockets(GATEWAY)[0].to_string();
        Machine::enrol(&self.lab, name, &self.token(1)?, &gateway, self.folder.path())
    }

    /// What the server has on an endpoint.
    pub fn record(&self, name: &str) -> Result<Value, Error> {
        Ok(first(self.api.get(&format!("/endpoints?name={name}"))?.good()?))
    }

    /// Waits until the endpoint's agent is connected, or is not.
    pub fn connected(&self, name: &str, wanted: bool) -> Result<Value, Error> {
        wait_for(&format!("{name} with connected = {wanted}"), PATIENCE, || {
            let record = self.record(name)?;
            let is = record["connected"] == wanted;
            Ok((is, record))
        })
    }

    /// Requests an action on one endpoint. Answers the task.
    pub fn submit(&self, name: &str, action: &str, params: &Value) -> Result<Value, Error> {
        self.submit_with(name, action, params, &json!({}))
    }

    /// The same, with further fields of the request.
    pub fn submit_with(
        &self,
        name: &str,
        action: &str,
        params: &Value,
        more: &Value,
    ) -> Result<Value, Error> {
        let mut body = json!({
            "action": action, "params": params, "reason": "a test", "targets": { "endpoints": [name] },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        self.api.post("/tasks", &body)?.good()
    }

    /// Requests an action and waits for its end.
    pub fn act(&self, name: &str, action: &str, params: &Value) -> Result<Value, Error> {
        let task = self.submit(name, action, params)?;
        self.ended(&task)
    }

    /// The task as it stands.
    pub fn task(&self, task: &Value) -> Result<Value, Error> {
        self.api.get(&format!("/tasks/{}", task["id"].as_str().unwrap_or_default()))?.good()
    }

    /// Waits until a task has ended; answers it with its commands.
    pub fn ended(&self, task: &Value) -> Result<Value, Error> {
        wait_for("the task's end", PATIENCE, || {
            let task = self.task(task)?;
            Ok((!task["ended_at"].is_null(), task))
        })
    }

    /// Waits until the first command of a task is in this state.
    pub fn command_in(&self, task: &Value, state: &str) -> Result<Value, Error> {
        wait_for(&format!("a command that is {state}"), PATIENCE, || {
            let task = self.task(task)?;
            Ok((task["commands"]["items"][0]["state"] == state, task))
        })
    }

    /// Waits for an audit record of this verb about this object.
    pub fn audited(&self, verb: &str, object: &str) -> Result<Value, Error> {
        wait_for(&format!("an audit record {verb}"), PATIENCE, || {
            let record = first(self.api.get(&format!("/audit?verb={verb}&object={object}"))?.good()?);
            Ok((!record.is_null(), record))
        })
    }

    /// Adds a script to the library, under a name of its own.
    pub fn script(&self, name: &str, interpreter: &str, body: &str) -> Result<Value, Error> {
        let script = json!({ "name": name, "interpreter": interpreter, "body": body });
        self.api.post("/library/script", &script)?.good()
    }

    /// The last lines of a log of this site, for whoever looks for a fault: `server`, or an endpoint's name.
    pub fn log(&self, name: &str) -> String {
        last_lines(&self.folder.path().join(format!("{name}.log")), 30)
    }
}

/// The first item of a page; null where there is none.
fn first(mut page: Value) -> Value {
    page.pointer_mut("/items/0").map(Value::take).unwrap_or_default()
}

/// Looks until the condition holds; answers what was seen with it.
pub fn wait_for(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<(bool, Value), Error>,
) -> Result<Value, Error> {
    let end = Instant::now() + limit;
    loop {
        let (holds, seen) = look()?;
        if holds {
            return Ok(seen);
        }
        if Instant::now() > end {
            return Err(Error::Patience(what.to_owned(), limit, seen.to_string()));
        }
        std::thread::sleep(LOOK);
    }
}

fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
