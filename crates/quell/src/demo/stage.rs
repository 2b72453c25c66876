//! The stage: lab, server, people, and endpoints with enrolled agents.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_lab::site::{AGENT, GATEWAY, Machine, Places, Server};
use quell_lab::{Lab, LabOptions, Share};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::demo::people::People;
use crate::demo::report::Report;
use crate::failure::Failure;
use crate::output::Format;
use crate::output::table::field;
use crate::profile::{ApiKey, Profile};
use crate::wait;

/// The port of people that is tried first, so that the address is easy to remember.
const PORT: u16 = 8420;
const CONNECT: Duration = Duration::from_mins(1);
/// The longest that a step may take.
const STEP: Duration = Duration::from_mins(3);
/// The endpoints; the first is acted on.
const ENDPOINTS: [&str; 4] = ["hr-laptop", "web-1", "db-1", "sales-laptop"];

/// Everything that is running. Endpoints go before the server, and files last.
pub struct Stage {
    /// The endpoint that is acted on.
    pub suspect: Machine,
    /// The other ones.
    pub others: Vec<Machine>,
    /// The network and the host outside.
    pub lab: Lab,
    /// Who has an account.
    pub people: People,
    /// Speaks to the server with the first administrator's key.
    pub client: Client,
    /// The server's process.
    pub server: Server,
    /// Logs, data and downloads.
    pub folder: TempDir,
}

/// A fault of the lab.
pub fn lab_failed(error: impl std::error::Error) -> Failure {
    match error.source() {
        Some(source) => Failure::new(format!("the lab: {error}: {source}")),
        None => Failure::new(format!("the lab: {error}")),
    }
}

/// Starts a server with its data in `folder`; people reach it on this machine.
pub fn serve(
    folder: &Path,
    gateway: TcpListener,
    advertise: Vec<std::net::SocketAddr>,
) -> Result<Server, Failure> {
    let api = TcpListener::bind(("127.0.0.1", PORT)).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    let program = std::env::current_exe()?;
    let places = Places { program, folder: folder.to_owned(), api, gateway, advertise };
    Server::start(places).map_err(|error| Failure::of(&error))
}

/// Where a browser finds it: passkeys want a name.
pub fn address(server: &Server) -> String {
    server.url().replace("127.0.0.1", "localhost")
}

/// Speaks to a server with the first administrator's key.
pub fn client(server: &Server) -> Result<Client, Failure> {
    Client::new(&Profile { url: server.url(), api_key: Some(ApiKey::new(server.key())?), ca: None })
}

impl Stage {
    /// Builds it.
    pub async fn set(agent: &Path, report: &Report) -> Result<Self, Failure> {
        let agent = program(agent)?;
        let folder = TempDir::with_prefix("quell-demo-")?;
        let share = Share { host: agent, inside: AGENT.into() };
        let lab =
            Lab::start(LabOptions { shares: vec![share], ..LabOptions::default() }).map_err(lab_failed)?;
        report.say("a network of namespaces is up; this machine's own is not touched");
        let gateway = lab.listen_in_server_ns(GATEWAY).map_err(lab_failed)?;
        let addresses = lab.server().sockets(GATEWAY);
        let server = serve(folder.path(), gateway, addresses.into())?;
        report.say(&format!(
            "the server answers on {} (SQLite in {})",
            address(&server),
            folder.path().display()
        ));
        let client = client(&server)?;
        let people = People::seed(&server.url(), &folder.path().join("data")).await?;
        let count = ENDPOINTS.len();
        let token = json!({"name": "demo", "max_uses": count, "expires_in_seconds": 600, "tags": ["demo"]});
        let token = field(&client.post("/api/v1/enrolment-tokens", &token, None).await?, "/text");
        let mut machines = Vec::new();
        for name in ENDPOINTS {
            let mut machine = Machine::enrol(&lab, name, &token, &addresses[0].to_string(), folder.path())
                .map_err(lab_failed)?;
            machine.start_agent().map_err(lab_failed)?;
            machines.push(machine);
            report.say(&format!("{name} is up and its agent is enrolled"));
        }
        let suspect = machines.remove(0);
        let stage = Self { suspect, others: machines, lab, people, client, server, folder };
        stage.wait_for_agents(count).await?;
        report.say(&format!("{count} agents are connected"));
        Ok(stage)
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Result<&Machine, Failure> {
        let mut all = std::iter::once(&self.suspect).chain(&self.others);
        all.find(|machine| machine.name() == name).ok_or_else(|| unknown(name))
    }

    /// The same, to switch its agent on and off.
    pub fn machine(&mut self, name: &str) -> Result<&mut Machine, Failure> {
        let mut all = std::iter::once(&mut self.suspect).chain(&mut self.others);
        all.find(|machine| machine.name() == name).ok_or_else(|| unknown(name))
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

    /// Requests an action on the suspect as the analyst, and waits for its end.
    pub async fn act(&self, action: &str, params: Value, reason: &str) -> Result<Value, Failure> {
        request(self.people.client("ana")?, self.suspect.name(), action, params, reason).await
    }

    /// Requests what takes a task back, as the analyst, and waits for its end.
    pub async fn undo(&self, task: &str, reason: &str) -> Result<Value, Failure> {
        let ana = self.people.client("ana")?;
        let path = format!("/api/v1/tasks/{task}/undo");
        let undo = ana.post(&path, &json!({"reason": reason}), None).await?;
        ended(ana, &field(&undo, "/id")).await
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
        let (url, key) = (self.server.url(), self.server.key());
        let program = std::env::current_exe().unwrap_or_default();
        let folder = program.parent().unwrap_or(Path::new(".")).display();
        let (suspect, people, console) = (self.suspect.name(), self.people.table(), address(&self.server));
        format!(
            "it is yours now: {console}\n\n{people}\n\n\
             sign in as Ana, then press Ctrl+K, type `isolate {suspect}`, and watch the evidence arrive;\n\
             sign in as Arno (another browser, or a private window), then open Approvals: Olga asks to end a process on web-1;\n\
             sign in as Maria, then open Overview: what is cut off now and until when, and who asked for it.\n\n\
             Or from a terminal:\n\n\
             export PATH={folder}:$PATH QUELL_URL={url} QUELL_API_KEY={key}\n\
             quell endpoints list\n\
             quell act endpoint isolate --endpoint {suspect} --reason \"try it\" --wait\n\
             quell overview\n\n\
             curl -s -H \"Authorization: Bearer $QUELL_API_KEY\" $QUELL_URL/api/v1/endpoints\n\n\
             A new beacon runs on {suspect}. Ctrl-C ends it all; nothing stays behind."
        )
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("there is no endpoint {name:?}"))
}

/// The agent's program, as an absolute path.
fn program(agent: &Path) -> Result<PathBuf, Failure> {
    agent.canonicalize().map_err(|error| {
        Failure::new(format!("the agent's program {}: {error}", agent.display()))
            .hint("cargo build -p quell-agent, or name it by --agent")
    })
}

/// Requests an action, as anybody would over the API, and waits for its end.
pub async fn request(
    client: &Client,
    target: &str,
    action: &str,
    params: Value,
    reason: &str,
) -> Result<Value, Failure> {
    let task = submit(client, target, action, params, json!({"reason": reason})).await?;
    ended(client, &field(&task, "/id")).await
}

/// Requests an action, with the reason and whatever else the request holds. Does not wait for its end.
pub async fn submit(
    client: &Client,
    target: &str,
    action: &str,
    params: Value,
    more: Value,
) -> Result<Value, Failure> {
    let mut body = json!({"action": action, "params": params, "targets": {"endpoints": [target]}});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let key = uuid::Uuid::new_v4().to_string();
    client.post("/api/v1/tasks", &body, Some(&key)).await.map_err(|failure| failure.during(action))
}

/// Waits for the end of a task.
pub async fn ended(client: &Client, task: &str) -> Result<Value, Failure> {
    wait::until_ended(client, task, STEP, Format::Table).await
}
