//! An endpoint with its agent.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Error, failed, last_lines};
use crate::{Child, Finished, Lab, LabEndpoint};

/// Where an endpoint finds the agent.
pub const AGENT: &str = "/opt/quell/quell-agent";
/// Where the agent keeps its state.
pub const STATE: &str = "/var/lib/quell-agent";
const ENROL: Duration = Duration::from_mins(1);
/// An agent that is asked to end writes down what it holds, and goes.
const STOP: Duration = Duration::from_secs(20);

/// An endpoint, and the agent's process on it.
pub struct Machine {
    /// The endpoint.
    pub endpoint: LabEndpoint,
    agent: Option<Child>,
    log: PathBuf,
}

impl Machine {
    /// Makes an endpoint and enrols it. Its agent does not run yet; its log goes to `NAME.log` in `logs`.
    pub fn enrol(lab: &Lab, name: &str, token: &str, gateway: &str, logs: &Path) -> Result<Self, Error> {
        let machine = Self::bare(lab, name, logs)?;
        machine.enrol_with(token, gateway, &[])?;
        Ok(machine)
    }

    /// Enrols its agent, with further settings from the environment (`HTTPS_PROXY`).
    pub fn enrol_with(&self, token: &str, gateway: &str, env: &[(&str, &str)]) -> Result<(), Error> {
        // In the environment: a command line is seen by everybody on the endpoint.
        let env = [env, &[("QUELL_ENROL_TOKEN", token)]].concat();
        if self.agent(&["enrol", "--server", gateway], &env)?.wait(ENROL)?.success() {
            return Ok(());
        }
        Err(Error::Enrol(self.name().to_owned(), last_lines(&self.log, 5)))
    }

    /// Makes an endpoint with an agent that knows no server.
    pub fn bare(lab: &Lab, name: &str, logs: &Path) -> Result<Self, Error> {
        let endpoint = lab.endpoint(name)?;
        Ok(Self { endpoint, agent: None, log: logs.join(format!("{name}.log")) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Starts the agent.
    pub fn start_agent(&mut self) -> Result<(), Error> {
        self.start_agent_with(&[])
    }

    /// Starts the agent with this in its environment.
    pub fn start_agent_with(&mut self, env: &[(&str, &str)]) -> Result<(), Error> {
        self.agent = Some(self.agent(&["run"], env)?);
        Ok(())
    }

    /// The agent's pid, as the machine sees it; `None` when it does not run.
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().filter(|agent| agent.running()).map(Child::pid)
    }

    /// Ends the agent as SIGKILL does. What it started goes on.
    pub fn kill_agent(&mut self) -> Result<(), Error> {
        if let Some(agent) = self.agent.take() {
            agent.kill()?;
        }
        Ok(())
    }

    /// Ends the agent in good order, as a service manager does.
    pub fn stop_agent(&mut self) -> Result<(), Error> {
        let Some(agent) = self.agent.take() else { return Ok(()) };
        if let Some(pid) = Pid::from_raw(agent.pid().cast_signed()) {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        agent.wait(STOP)?;
        Ok(())
    }

    /// Pulls the plug of the endpoint and starts it again; its agent does not run yet.
    pub fn reboot(&mut self) -> Result<(), Error> {
        self.agent = None;
        Ok(self.endpoint.reboot()?)
    }

    /// Runs a shell command on it, at most a minute.
    pub fn sh(&self, script: &str) -> Result<Finished, Error> {
        Ok(self.endpoint.run(&["/bin/sh", "-c", script])?)
    }

    /// Every rule of its kernel, whoever made it.
    pub fn rules(&self) -> Result<String, Error> {
        Ok(self.sh("nft list ruleset")?.stdout)
    }

    /// Runs the agent's program with these arguments, its output to the log.
    fn agent(&self, arguments: &[&str], env: &[(&str, &str)]) -> Result<Child, Error> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(failed("open an agent's log"))?;
        let mut command = self.endpoint.command(AGENT);
        command.args(arguments).envs(env.iter().copied());
        command.stdout(log.try_clone().map_err(failed("copy a descriptor"))?).stderr(log);
        Ok(self.endpoint.spawn_command(command)?)
    }
}
