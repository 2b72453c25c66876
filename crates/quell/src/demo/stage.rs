//! The stage: lab, server, and three endpoints with enrolled agents.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use quell_lab::{Child, Lab, LabEndpoint, LabOptions, Share};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::demo::report::Report;
use crate::demo::server::Server;
use crate::failure::Failure;
use crate::output::Format;
use crate::output::table::field;
use crate::profile::{ApiKey, Profile};
use crate::wait;

/// The port of agents.
const GATEWAY: u16 = 8421;
/// Where an endpoint finds the agent.
const AGENT: &str = "/opt/quell/quell-agent";
const CONNECT: Duration = Duration::from_mins(1);
/// The longest that a step may take.
const STEP: Duration = Duration::from_mins(3);

/// Everything that is running. Endpoints go before the server, and files last.
pub struct Stage {
    /// The endpoint that is acted on.
    pub suspect: Machine,
    #[expect(dead_code, reason = "they run as long as the stage stands")]
    others: Vec<Machine>,
    /// The network and the host outside.
    pub lab: Lab,
    /// Speaks to the server as an administrator.
    pub client: Client,
    server: Server,
    /// Logs, data and downloads.
    pub folder: TempDir,
}

/// An endpoint with its agent.
pub struct Machine {
    /// The endpoint.
    pub endpoint: LabEndpoint,
    /// Its agent.
    _agent: Child,
}

impl Machine {
    /// Its name.
    pub fn name(&self) -> &str {
        self.endpoint.name()
    }
}

/// A fault of the lab.
pub fn lab_failed(error: impl std::error::Error) -> Failure {
    match error.source() {
        Some(source) => Failure::new(format!("the lab: {error}: {source}")),
        None => Failure::new(format!("the lab: {error}")),
    }
}

impl Stage {
    /// Builds it.
    pub async fn set(agent: &Path, report: &Report) -> Result<Self, Failure> {
        let agent = agent.canonicalize().map_err(|error| {
            Failure::new(format!("the agent's program {}: {error}", agent.display()))
                .hint("cargo build -p quell-agent, or name it by --agent")
        })?;
        let folder = TempDir::with_prefix("quell-demo-")?;
        let share = Share { host: agent, inside: AGENT.into() };
        let lab =
            Lab::start(LabOptions { shares: vec![share], ..LabOptions::default() }).map_err(lab_failed)?;
        report.say("a network of namespaces is up; this machine's own is not touched");
        let gateway = lab.listen_in_server_ns(GATEWAY).map_err(lab_failed)?;
        let addresses = lab.server().sockets(GATEWAY);
        let server = Server::start(folder.path(), gateway, &addresses).await?;
        report.say(&format!("the server answers on {} (SQLite in {})", server.url, folder.path().display()));
        let api_key = Some(ApiKey::new(&server.key)?);
        let client = Client::new(&Profile { url: server.url.clone(), api_key, ca: None })?;
        let token = json!({"name": "demo", "max_uses": 3, "expires_in_seconds": 600, "tags": ["demo"]});
        let token = field(&client.post("/api/v1/enrolment-tokens", &token, None).await?, "/text");
        let mut machines = Vec::new();
        for name in ["hr-laptop", "web-1", "db-1"] {
            machines.push(enrol(&lab, name, &token, &addresses[0].to_string(), folder.path())?);
            report.say(&format!("{name} is up and its agent is enrolled"));
        }
        let suspect = machines.remove(0);
        let stage = Self { suspect, others: machines, lab, client, server, folder };
        stage.wait_for_agents(3).await?;
        report.say("three agents are connected");
        Ok(stage)
    }

    async fn wait_for_agents(&self, count: usize) -> Result<(), Failure> {
        let end = Instant::now() + CONNECT;
        loop {
            let endpoints = self.client.list("/api/v1/endpoints", &[], 10).await?;
            let connected =
                endpoints.iter().filter(|row| row.get("connected") == Some(&Value::Bool(true))).count();
            if connected >= count {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure::new(format!(
                    "only {connected} of {count} agents connected; their logs are in {}",
                    self.keep()
                )));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the server has on the endpoint that is acted on.
    pub async fn suspect_record(&self) -> Result<Value, Failure> {
        let query = [("name", self.suspect.name().to_owned())];
        let mut found = self.client.list("/api/v1/endpoints", &query, 1).await?;
        found.pop().ok_or_else(|| Failure::new("the endpoint is not known"))
    }

    /// Requests an action on the suspect, and waits for its end.
    pub async fn act(&self, action: &str, params: Value, reason: &str) -> Result<Value, Failure> {
        request(&self.client, self.suspect.name(), action, params, reason).await
    }

    /// Requests what takes a task back, and waits for its end.
    pub async fn undo(&self, task: &str, reason: &str) -> Result<Value, Failure> {
        let path = format!("/api/v1/tasks/{task}/undo");
        let undo = self.client.post(&path, &json!({"reason": reason}), None).await?;
        wait::until_ended(&self.client, &field(&undo, "/id"), STEP, Format::Table).await
    }

    /// Keeps the files for whoever looks for the fault; answers where.
    fn keep(&self) -> String {
        let kept = std::env::temp_dir().join(format!("quell-demo-failed-{}", std::process::id()));
        match std::fs::create_dir_all(&kept) {
            Ok(()) => {
                for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
                    if entry.path().extension().is_some_and(|extension| extension == "log") {
                        // What cannot be copied is missed by nobody but who debugs the demonstration.
                        let _ = std::fs::copy(entry.path(), kept.join(entry.file_name()));
                    }
                }
                kept.display().to_string()
            }
            Err(_) => "nowhere".to_owned(),
        }
    }

    /// What a person may do now.
    pub fn invitation(&self) -> String {
        let Server { url, key, .. } = &self.server;
        let program = std::env::current_exe().unwrap_or_default();
        let folder = program.parent().unwrap_or(Path::new(".")).display();
        format!(
            "it is yours now; in another terminal:\n\n\
             export PATH={folder}:$PATH QUELL_URL={url} QUELL_API_KEY={key}\n\
             quell endpoints list\n\
             quell act endpoint isolate --endpoint web-1 --reason \"try it\" --wait\n\
             quell overview\n\n\
             curl -s -H \"Authorization: Bearer $QUELL_API_KEY\" $QUELL_URL/api/v1/endpoints\n\n\
             A new beacon runs on {}. Ctrl-C ends it all; nothing stays behind.",
            self.suspect.name()
        )
    }
}

/// Requests an action, as anybody would over the API, and waits for its end.
pub async fn request(
    client: &Client,
    target: &str,
    action: &str,
    params: Value,
    reason: &str,
) -> Result<Value, Failure> {
    let body =
        json!({"action": action, "params": params, "reason": reason, "targets": {"endpoints": [target]}});
    let key = uuid::Uuid::new_v4().to_string();
    let task =
        client.post("/api/v1/tasks", &body, Some(&key)).await.map_err(|failure| failure.during(action))?;
    wait::until_ended(client, &field(&task, "/id"), STEP, Format::Table).await
}

fn enrol(lab: &Lab, name: &str, token: &str, gateway: &str, logs: &Path) -> Result<Machine, Failure> {
    let endpoint = lab.endpoint(name).map_err(lab_failed)?;
    let mut command = endpoint.command(AGENT);
    // In the environment: a command line is seen by everybody on the endpoint.
    command.args(["enrol", "--server", gateway]).env("QUELL_ENROL_TOKEN", token);
    let log = std::fs::File::create(logs.join(format!("{name}.log")))?;
    command.stdout(log.try_clone()?).stderr(log.try_clone()?);
    let enrolled =
        endpoint.spawn_command(command).and_then(|child| child.wait(CONNECT)).map_err(lab_failed)?;
    if !enrolled.success() {
        let told = std::fs::read_to_string(logs.join(format!("{name}.log"))).unwrap_or_default();
        return Err(Failure::new(format!("{name} was not enrolled: {}", told.trim())));
    }
    let mut command = endpoint.command(AGENT);
    command.arg("run").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let agent = endpoint.spawn_command(command).map_err(lab_failed)?;
    Ok(Machine { endpoint, _agent: agent })
}
