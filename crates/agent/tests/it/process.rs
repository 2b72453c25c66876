//! The real binary as a process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::gateway::{Gateway, until};

/// A state directory and the agents run on it.
pub struct Endpoint {
    dir: tempfile::TempDir,
    netns: Option<String>,
    wrap: Vec<String>,
    agent: Option<Child>,
}

impl Endpoint {
    /// In the tests' own network namespace, or in a named one.
    pub fn new(netns: Option<String>) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), netns, wrap: Vec::new(), agent: None }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Starts the agent through another program, which gets the state directory as its next argument.
    pub fn wrap(&mut self, program: &[&str]) {
        self.wrap = program.iter().map(ToString::to_string).collect();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_quell-agent");
        let mut command = match &self.netns {
            None => match self.wrap.split_first() {
                None => Command::new(binary),
                Some((program, rest)) => {
                    let mut command = Command::new(program);
                    command.args(rest).arg(self.state()).arg(binary);
                    command
                }
            },
            Some(name) => {
                let mut command = Command::new("/usr/sbin/ip");
                command.args(["netns", "exec", name, binary]);
                command
            }
        };
        command.arg("--state").arg(self.state()).args(arguments);
        command.env_remove("HTTPS_PROXY").env("QUELL_LOG", "debug").stdin(Stdio::null());
        command
    }

    pub fn try_enrol(&self, server: &str, token: &str) -> Output {
        self.command(&["enrol", "--server", server, "--token", token]).output().unwrap()
    }

    pub fn enrol(&self, gateway: &Gateway) {
        let output = self.try_enrol(&gateway.address.to_string(), &gateway.token().to_text());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the agent; the one that ran before must be gone.
    pub fn start(&mut self) {
        assert!(self.agent.is_none());
        let path = self.dir.path().join("log");
        let log = File::options().create(true).append(true).open(path).unwrap();
        self.agent = Some(self.command(&["run"]).stderr(log).spawn().unwrap());
    }

    /// Starts the agent and waits for its session.
    pub fn connect(&mut self, gateway: &Gateway) {
        let before = gateway.sessions();
        self.start();
        gateway.wait_for_session(before + 1);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// SIGTERM, and it must end well.
    pub fn stop(&mut self) {
        let mut agent = self.agent.take().unwrap();
        let pid = rustix::process::Pid::from_raw(agent.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        until("the agent ends on SIGTERM", || agent.try_wait().unwrap().is_some());
    }

    pub fn is_running(&mut self) -> bool {
        self.agent.as_mut().is_some_and(|agent| agent.try_wait().unwrap().is_none())
    }

    pub fn pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        if std::thread::panicking() {
            println!("--- log of the agent\n{}", self.log());
        }
    }
}

/// What is in a file, as JSON.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
