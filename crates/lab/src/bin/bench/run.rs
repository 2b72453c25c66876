//! The command line, and the order of the measurements.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use serde_json::json;

use crate::fleet::Fleet;
use crate::report::{Report, say};
use crate::server::Server;
use crate::{access, audit, idle, latency, machine, memory, throughput};

/// Descriptors that the process tries to have.
const FILES: u64 = 20_000;

/// Measure a server with simulated agents, and a real agent at rest.
#[derive(Debug, Parser)]
#[command(name = "quell-bench")]
struct Arguments {
    /// Few samples and short runs: shows that it works, not how fast it is; writes no file unless told
    #[arg(long)]
    quick: bool,
    /// Only this part (several times for several)
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Simulated agents for requests and throughput
    #[arg(long, value_name = "COUNT")]
    agents: Option<usize>,
    /// Where the results go; bench/results.json where absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A folder on a real disk for databases and journals; beside this program where absent
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// The program quell; beside this one where absent
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// The program quell-agent; beside this one where absent
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From a request to its start and to its verified end
    Latency,
    /// Commands per second
    Throughput,
    /// Memory of the server per idle agent
    Memory,
    /// Memory and processor time of an idle agent
    Idle,
    /// Sealing and verifying the audit trail
    Audit,
    /// Signing in, being known, deciding
    Access,
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Agents that are connected while requests and throughput are measured.
    pub agents: usize,
    /// Requests, one after the other.
    pub samples: usize,
    /// How long each load lasts.
    pub load: Duration,
    /// Numbers of connected agents at which the server's memory is read.
    pub steps: Vec<usize>,
    /// How long the idle agent is watched.
    pub idle: Duration,
    /// Records of the audit trail that is verified.
    pub records: usize,
}

impl Scale {
    fn full() -> Self {
        Self {
            agents: 1000,
            samples: 1000,
            load: Duration::from_secs(15),
            steps: vec![1000, 2000, 3000, 4000, 5000],
            idle: Duration::from_mins(2),
            records: 1_000_000,
        }
    }

    fn quick() -> Self {
        Self {
            agents: 100,
            samples: 100,
            load: Duration::from_secs(3),
            steps: vec![200, 400],
            idle: Duration::from_secs(10),
            records: 20_000,
        }
    }
}

/// Programs and folders.
#[derive(Clone, Debug)]
pub struct Places {
    /// The program `quell`.
    pub server: PathBuf,
    /// The program `quell-agent`.
    pub agent: PathBuf,
    /// Where databases and journals go.
    pub work: PathBuf,
}

/// Reads the command line and measures.
pub fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("QUELL_LOG").unwrap_or_else(|_| "error".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    // Before there is a second thread: without root this enters a user namespace.
    let lab = quell_lab::become_root();
    let _ = rustls::crypto::ring::default_provider().install_default();
    raise_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Journals of all agents are synced here. More threads only take turns on the processors.
        .max_blocking_threads(6)
        .build()
        .context("starting the runtime")?;
    runtime.block_on(measure(arguments, lab.err()))
}

async fn measure(arguments: Arguments, no_lab: Option<quell_lab::Error>) -> Result<()> {
    let mut scale = if arguments.quick { Scale::quick() } else { Scale::full() };
    scale.agents = arguments.agents.unwrap_or(scale.agents);
    let places = places(&arguments)?;
    let wanted = |part: Part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut report = Report::new(machine::facts(&places.work)?, arguments.quick);
    if wanted(Part::Idle) {
        match &no_lab {
            None => idle::measure(&places, &scale, &mut report).await?,
            Some(error) => report.skipped("idle agent", &format!("no lab: {error}")),
        }
    }
    if wanted(Part::Latency) || wanted(Part::Throughput) {
        let server = Server::start(&places).await?;
        let mut fleet = Fleet::new(&server, &places)?;
        let seconds = fleet.grow(scale.agents).await?;
        say(&format!("{} agents enrolled and connected in {seconds:.1} s", scale.agents));
        report.raw("swarm", json!({ "agents": scale.agents, "connected_after_s": seconds }));
        fleet.warm_up().await?;
        if wanted(Part::Latency) {
            latency::measure(&fleet, &scale, &mut report).await?;
        }
        if wanted(Part::Throughput) {
            throughput::measure(&server, &fleet, &scale, &mut report).await?;
        }
        fleet.stop().await;
        server.stop().await?;
    }
    if wanted(Part::Memory) {
        memory::measure(&places, &scale, &mut report).await?;
    }
    if wanted(Part::Audit) {
        audit::measure(&places, &scale, &mut report).await?;
    }
    if wanted(Part::Access) {
        access::measure(&places, &scale, &mut report).await?;
    }
    report.print()?;
    match (arguments.out, arguments.quick) {
        (Some(path), _) => report.write(&path),
        (None, false) => report.write(Path::new("bench/results.json")),
        (None, true) => Ok(()),
    }
}

fn places(arguments: &Arguments) -> Result<Places> {
    let here = std::env::current_exe().context("finding this program")?;
    let folder = here.parent().context("finding this program's folder")?;
    let program = |given: &Option<PathBuf>, name: &str| -> Result<PathBuf> {
        let path = given.clone().unwrap_or_else(|| folder.join(name));
        if !path.exists() {
            bail!("{} is not there; build it, or say where it is", path.display());
        }
        Ok(path)
    };
    let work = arguments.work.clone().unwrap_or_else(|| folder.join("bench-work"));
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    Ok(Places {
        server: program(&arguments.server, "quell")?,
        agent: program(&arguments.agent, "quell-agent")?,
        work,
    })
}

/// As many descriptors as the system grants, up to what the largest step needs.
fn raise_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(FILES);
    if now.current.is_some_and(|current| current < FILES.min(most)) {
        // Where it is not granted, the swarm says how many agents it can have.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(FILES.min(most)), maximum: now.maximum });
    }
}
