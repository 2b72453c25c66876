//! What a simulated agent answers: outcomes in the shape of the real ones, whose every probe says that it was
//! simulated. Nothing on this machine is touched.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quell_agent::runner::{Actions, Ending, Job, Work};
use quell_catalog::ActionKind;
use quell_catalog::endpoint::{isolate, restore, run_script};
use quell_catalog::evidence::Probe;
use quell_catalog::process::terminate;
use quell_wire::frame::Capability;

/// Told of each order at the moment its handler begins: the agent's name, and the order.
pub type Began = Arc<dyn Fn(&str, &Job) + Send + Sync>;

/// How all agents of a swarm behave.
#[derive(Clone, Default)]
pub struct Effects {
    /// How long an action takes.
    pub takes: Duration,
    /// Who is told when one begins.
    pub began: Option<Began>,
}

impl fmt::Debug for Effects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Effects(takes: {:?})", self.takes)
    }
}

type Simulate = fn(&Simulated, &Job) -> Result<Ending, Ending>;

/// What is simulated. Not `file.collect`: its proof is a file that the server holds, and here is none.
const SIMULATED: &[(ActionKind, Simulate)] = &[
    (ActionKind::EndpointIsolate, Simulated::isolate),
    (ActionKind::EndpointRestore, |agent, _| Ok(agent.restore())),
    (ActionKind::EndpointRunScript, |_, job| run_script(job)),
    (ActionKind::ProcessTerminate, |_, _| Ok(terminate())),
];

/// The handlers of one simulated agent.
#[derive(Debug)]
pub struct Simulated {
    effects: Arc<Effects>,
    name: String,
    /// The isolation that it would be under, so that a restore answers what a real one would.
    isolation: Mutex<Option<isolate::Params>>,
}

impl Simulated {
    /// Handlers of the agent with this name.
    pub fn new(effects: Arc<Effects>, name: &str) -> Arc<Self> {
        Arc::new(Self { effects, name: name.to_owned(), isolation: Mutex::default() })
    }

    async fn act(&self, job: &Job) -> Ending {
        if let Some(began) = &self.effects.began {
            began(&self.name, job);
        }
        if !self.effects.takes.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(self.effects.takes) => {}
                () = job.cancel.asked() => return Ending::canceled("canceled while the simulated action ran"),
            }
        }
        let Some((_, simulate)) = SIMULATED.iter().find(|(kind, _)| *kind == job.kind) else {
            return Ending::refused("simulated", "a simulated endpoint does not carry this out");
        };
        simulate(self, job).unwrap_or_else(|ending| ending)
    }

    fn isolate(&self, job: &Job) -> Result<Ending, Ending> {
        let params: isolate::Params = job.params()?;
        let before = self.isolation.lock().unwrap_or_else(PoisonError::into_inner).replace(params);
        Ok(Ending::done(&isolate::Outcome {
            already_isolated: before.is_some(),
            servers: Vec::new(),
            egress_interfaces: Vec::new(),
            sockets_destroyed: 0,
            cut_ms: 0,
            channel_alive: true,
            probes: vec![probe("rules", "the rules would be in the kernel")],
            warnings: vec!["simulated endpoint: nothing was cut".to_owned()],
        }))
    }

    fn restore(&self) -> Ending {
        let isolation = self.isolation.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ending::done(&restore::Outcome {
            was_isolated: isolation.is_some(),
            isolation,
            rules_gone: true,
            probes: vec![probe("rules", "no rule would be left in the kernel")],
        })
    }
}

impl Actions for Simulated {
    fn capabilities(&self) -> Vec<Capability> {
        SIMULATED
            .iter()
            .map(|(kind, _)| Capability { action: kind.id().to_owned(), revision: kind.spec().revision })
            .collect()
    }

    fn carry<'a>(&'a self, job: &'a Job) -> Work<'a> {
        Box::pin(self.act(job))
    }
}

fn probe(subject: &str, after: &str) -> Probe {
    Probe {
        subject: format!("simulated {subject}"),
        method: "none: this endpoint is simulated".to_owned(),
        before: None,
        after: after.to_owned(),
        held: true,
        proves: false,
    }
}

fn terminate() -> Ending {
    Ending::done(&terminate::Outcome {
        ended: Vec::new(),
        spared: Vec::new(),
        truncated: false,
        unread: 0,
        probes: vec![probe("process", "nothing that matches would be running")],
    })
}

fn run_script(job: &Job) -> Result<Ending, Ending> {
    let params: run_script::Params = job.params()?;
    let digest = run_script::RunScript::digest(&params.script).ok_or_else(|| {
        Ending::refused("params_invalid", "the order does not name the script by its digest")
    })?;
    Ok(Ending::done(&run_script::Outcome {
        sha256: digest.to_owned(),
        interpreter: "simulated".to_owned(),
        exit_code: params.success_exit_codes.first().copied(),
        signal: None,
        timed_out: false,
        canceled: false,
        duration_ms: 0,
        left_behind: 0,
        stdout: run_script::Output::default(),
        stderr: run_script::Output::default(),
        archive: None,
    }))
}
