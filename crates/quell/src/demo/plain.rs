//! Where namespaces are forbidden: one agent, as an ordinary program of this user. It is shown what such an agent can do,
//! and said what it cannot.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::{client, request, serve};
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::text;

/// The endpoint's name: it is this machine.
const NAME: &str = "this-machine";
const CONNECT: Duration = Duration::from_mins(1);

/// A program that ends with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows three of the five actions on an agent without rights.
pub async fn show(agent: &Path, refused: &str, report: &mut Report) -> Result<(), Failure> {
    report.say(refused);
    report.say("so no endpoints can be made here: one agent runs as this user instead, and isolation cannot be shown");
    let folder = TempDir::with_prefix("quell-demo-")?;
    let gateway = TcpListener::bind("127.0.0.1:0")?;
    let address = gateway.local_addr()?;
    let server = serve(folder.path(), gateway, vec![address])?;
    report.say(&format!("the server answers on {}", server.url()));
    let client = client(&server)?;
    let _agent = join(&client, agent, &address.to_string(), folder.path()).await?;
    report.say("the agent is connected");
    terminate(&client, folder.path(), report).await?;
    cannot("endpoint.isolate", report)?;
    collect(&client, folder.path(), report).await?;
    run_script(&client, folder.path(), report).await?;
    cannot("endpoint.restore", report)
}

fn cannot(action: &str, report: &mut Report) -> Result<(), Failure> {
    let mut seen = Seen::default();
    seen.must(false, "an agent with the right to change network rules, which is root's");
    report.step(action, NAME, "not_shown", &seen, Duration::ZERO)
}

async fn join(client: &Client, agent: &Path, gateway: &str, folder: &Path) -> Result<Program, Failure> {
    let token = json!({"name": "demo", "max_uses": 1, "expires_in_seconds": 600});
    let token = field(&client.post("/api/v1/enrolment-tokens", &token, None).await?, "/text");
    let log = std::fs::File::create(folder.join("agent.log"))?;
    let program = |arguments: &[&str]| -> Result<Child, Failure> {
        let mut command = Command::new(agent);
        command.arg("--state").arg(folder.join("agent")).args(arguments).env("QUELL_ENROL_TOKEN", &token);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        command.spawn().map_err(|error| Failure::new(format!("starting {}: {error}", agent.display())))
    };
    if !program(&["enrol", "--server", gateway, "--name", NAME])?.wait()?.success() {
        let told = std::fs::read_to_string(folder.join("agent.log")).unwrap_or_default();
        return Err(Failure::new(format!("the agent was not enrolled: {}", told.trim())));
    }
    let running = Program(program(&["run"])?);
    let end = Instant::now() + CONNECT;
    loop {
        let endpoints = client.list("/api/v1/endpoints", &[], 1).await?;
        if endpoints.first().and_then(|row| row.get("connected")) == Some(&Value::Bool(true)) {
            return Ok(running);
        }
        if Instant::now() > end {
            return Err(Failure::new("the agent did not connect"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn terminate(client: &Client, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    let program = folder.join("sysupdated");
    std::fs::copy("/bin/sleep", &program)?;
    let mut process = Program(Command::new(&program).arg("86400").spawn()?);
    let mut seen = Seen::default();
    seen.must(process.0.try_wait()?.is_none(), format!("endpoint: {} ran before", program.display()));
    let began = Instant::now();
    // By path, an agent without rights could not say of other users' processes that none of them is meant.
    let pid = process.0.id();
    let params = json!({"pid": pid, "start_time": start_time(pid)?});
    let task = request(client, NAME, "process.terminate", params, "should not be there").await?;
    seen.judged(judged(&task));
    seen.must(process.0.try_wait()?.is_some(), "endpoint: its parent saw it end");
    report.step("process.terminate", NAME, &field(&task, "/state"), &seen, began.elapsed())
}

/// Field 22 of `/proc/PID/stat` (proc(5)), counted behind the name, which may hold anything.
fn start_time(pid: u32) -> Result<u64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let field = behind.split_whitespace().nth(19).and_then(|field| field.parse().ok());
    field.ok_or_else(|| Failure::new(format!("/proc/{pid}/stat is not as proc(5) describes it")))
}

async fn collect(client: &Client, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    let file = folder.join("stage2");
    std::fs::write(&file, "echo beacon\n")?;
    let began = Instant::now();
    let params = json!({"path": file.to_string_lossy()});
    let task = request(client, NAME, "file.collect", params, "what did it run?").await?;
    let mut seen = Seen::default();
    seen.judged(judged(&task));
    let here = text::hex(ring::digest::digest(&ring::digest::SHA256, b"echo beacon\n").as_ref());
    let told = field(&task, "/commands/items/0/outcome/sha256");
    seen.must(told == here, format!("endpoint: the file on its disk has SHA-256 {here}"));
    report.step("file.collect", NAME, &field(&task, "/state"), &seen, began.elapsed())
}

async fn run_script(client: &Client, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    let left = folder.join("triage.txt");
    let body = format!("#!/bin/sh\necho \"case $1\" | tee '{}'\n", left.display());
    client
        .post("/api/v1/library/script", &json!({"name": "triage", "interpreter": "sh", "body": body}), None)
        .await?;
    let began = Instant::now();
    let params = json!({"script": "triage", "arguments": ["case-2041"]});
    let task = request(client, NAME, "endpoint.run_script", params, "first look").await?;
    let mut seen = Seen::default();
    seen.judged(judged(&task));
    let said = field(&task, "/commands/items/0/outcome/stdout/text");
    let written = std::fs::read_to_string(&left).unwrap_or_default();
    seen.must(!said.is_empty() && said == written, "endpoint: the file that it wrote holds what it said");
    report.step("endpoint.run_script", NAME, &field(&task, "/state"), &seen, began.elapsed())
}
