//! Kills the server and the agents of a site again and again under a load of mixed commands, and then looks whether
//! what was promised holds: nothing accepted is lost, nothing is done twice, every command has one true end.
//!
//! Who is killed and when is drawn from a seed; how the processes stand at that moment is not, so each kill is recorded
//! with what was found on both disks after it.

mod check;
mod load;
mod look;
mod random;
mod report;
mod trigger;
mod wal;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quell_wire::digest;
use serde_json::json;

pub use look::Found;
pub use report::Report;
pub use trigger::{Plan, Struck, Trigger, Victim};

use crate::ECHO_PORT;
use crate::site::{self, Api, Machine, Site};
use load::{FILES, Load, SCRIPT, lock};
use look::{Row, Snapshot, look};
use random::Random;

/// Threads that make load.
const DRIVERS: u64 = 3;
const AGENTS: usize = 3;
/// For most agents to be connected again. An agent waits longer after each failure, so this bounds no promise.
const CONNECTED: Duration = Duration::from_secs(3);
/// For every accepted command to end once nobody is killed any more.
const ENDS: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Why a run could not be made. What it finds wrong is in the [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The server's database cannot be read.
    #[error("the server's database cannot be read")]
    Database(#[from] rusqlite::Error),
    /// A journal cannot be read.
    #[error("an agent's journal cannot be read")]
    Journal(#[from] quell_agent::journal::Error),
    /// The system refused a step.
    #[error("could not {0}")]
    System(&'static str, #[source] io::Error),
    /// A request was repeated for minutes.
    #[error("nobody answered the request {0}")]
    Unanswered(String),
    /// The kernel or the server said something that cannot be read.
    #[error("an answer cannot be read")]
    Never,
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System(step, source)
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often somebody is killed.
    pub kills: usize,
    /// Where the numbers come from.
    pub seed: u64,
    /// Kill on, up to half as often again, until every state was found at least once.
    pub fill: bool,
}

/// One kill, and what was found after it.
#[derive(Clone, Debug)]
pub struct Kill {
    /// As drawn.
    pub plan: Plan,
    /// As it came about.
    pub struck: Struck,
    /// Commands per state.
    pub found: BTreeMap<Found, usize>,
}

/// A site, its endpoints, and what was seen so far.
struct Run {
    site: Site,
    machines: Vec<Mutex<Machine>>,
    endpoints: Vec<String>,
    data: PathBuf,
    kills: Vec<Kill>,
    /// Commands that an agent had begun when it was killed.
    interrupted: HashSet<String>,
    states: HashMap<String, String>,
    wrong: Vec<String>,
}

/// Makes a run. `say` is told how far it is.
pub fn run(options: Options, say: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let began = Instant::now();
    let mut run = Run::build()?;
    let random = Random::new(options.seed);
    let canaries = json!(run.site.lab.outside().sockets(ECHO_PORT).map(|socket| socket.to_string()));
    let machines = std::mem::take(&mut run.machines);
    let load = Load::new(&machines, canaries);
    let killed = std::thread::scope(|scope| {
        for number in 0..DRIVERS {
            let (load, random) = (&load, random.part(number));
            let api = Api::new(&run.site.server.url(), run.site.server.key())?;
            let name = format!("s{}-{number}", options.seed);
            scope.spawn(move || load.drive(&name, &api, random));
        }
        let killed = run.kill_all(options, random.part(100), &machines, say);
        load.stop.store(true, Ordering::Relaxed);
        killed
    });
    killed?;
    say("nobody is killed any more; waiting for every command's end");
    run.settle(&machines)?;
    let mut report = Report::new(options, &run.kills, &load);
    report.wrong.append(&mut run.wrong);
    check::all(&mut run, &machines, &load, &mut report)?;
    report.took = began.elapsed();
    Ok(report)
}

impl Run {
    fn build() -> Result<Self, Error> {
        let site = Site::start()?;
        let mut machines = Vec::new();
        let mut endpoints = Vec::new();
        for number in 0..AGENTS {
            let machine = site.machine(&format!("web-{number}"))?;
            for (file, (name, size)) in FILES.iter().enumerate() {
                let path = machine.endpoint.path(format!("/root/{name}"));
                std::fs::write(path, contents(file, *size)).map_err(failed("write a file"))?;
            }
            let record = site.record(machine.name())?;
            endpoints.push(record["id"].as_str().unwrap_or_default().to_owned());
            machines.push(Mutex::new(machine));
        }
        site.script("mark", "sh", SCRIPT)?;
        let data = site.folder.path().join("data");
        Ok(Self {
            site,
            machines,
            endpoints,
            data,
            kills: Vec::new(),
            interrupted: HashSet::new(),
            states: HashMap::new(),
            wrong: Vec::new(),
        })
    }

    fn kill_all(
        &mut self,
        options: Options,
        mut random: Random,
        machines: &[Mutex<Machine>],
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let most = if options.fill { options.kills + options.kills / 2 } else { options.kills };
        while self.kills.len() < options.kills || (self.kills.len() < most && self.has_gap()) {
            let plan = if self.kills.len() < options.kills {
                Plan::draw(&mut random, machines.len())
            } else {
                Plan::while_committing(&mut random)
            };
            self.under_load()?;
            let kill = self.kill(plan, machines, &mut random)?;
            let found: Vec<String> =
                kill.found.iter().map(|(found, count)| format!("{count} {}", found.words()[0])).collect();
            say(&format!("kill {}: {:?}: {}", self.kills.len() + 1, kill.plan, found.join(", ")));
            self.kills.push(kill);
            self.wait_connected()?;
        }
        Ok(())
    }

    fn has_gap(&self) -> bool {
        Found::ALL.iter().any(|found| self.kills.iter().all(|kill| !kill.found.contains_key(found)))
    }

    fn kill(&mut self, plan: Plan, machines: &[Mutex<Machine>], random: &mut Random) -> Result<Kill, Error> {
        let pid = match plan.victim {
            Victim::Server => self.site.server.pid(),
            Victim::Agent(number) => lock(&machines[number]).agent_pid(),
        };
        let pid = pid.ok_or(Error::Never)?;
        let struck = trigger::strike(plan, pid, &self.data)?;
        let only = match plan.victim {
            Victim::Server => None,
            Victim::Agent(number) => Some(self.endpoints[number].as_str()),
        };
        let pairs: Vec<_> = self.endpoints.iter().map(String::as_str).zip(machines).collect();
        let snapshot = look(&self.data, only, &pairs)?;
        let mut found = BTreeMap::new();
        for state in snapshot.found.values() {
            *found.entry(*state).or_default() += 1;
        }
        // The others go on without it for a while.
        std::thread::sleep(Duration::from_millis(random.below(300)));
        match plan.victim {
            Victim::Server => self.site.server.restart()?,
            Victim::Agent(number) => {
                self.interrupted.extend(snapshot.begun.iter().cloned());
                let mut machine = lock(&machines[number]);
                machine.kill_agent()?;
                machine.start_agent()?;
            }
        }
        self.follow(snapshot);
        Ok(Kill { plan, struck, found })
    }

    /// Compares with the look before: nothing disappears, nothing leaves its end, nothing goes back.
    fn follow(&mut self, snapshot: Snapshot) {
        self.wrong.extend(snapshot.wrong);
        let now: HashMap<String, String> = snapshot.rows.into_iter().map(|row| (row.id, row.state)).collect();
        for (id, before) in &self.states {
            match now.get(id) {
                None => self.wrong.push(format!("{id} was {before} and is gone")),
                Some(after) if rank(after) < rank(before) || (rank(before) == 4 && after != before) => {
                    self.wrong.push(format!("{id} was {before} and became {after}"));
                }
                Some(_) => {}
            }
        }
        self.states = now;
    }

    /// Waits until something is open, so that a kill has something to hurt.
    fn under_load(&self) -> Result<(), Error> {
        let end = Instant::now() + CONNECTED;
        while Instant::now() < end {
            let open = look::rows(&look::reader(&self.data)?)?.iter().filter(|row| row.is_open()).count();
            if open >= 4 {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn wait_connected(&self) -> Result<(), Error> {
        let end = Instant::now() + CONNECTED;
        loop {
            let found = self.site.api.get("/overview")?.good()?;
            let connected = found["connected"].as_u64().unwrap_or(0) as usize;
            if connected * 2 > self.endpoints.len() || Instant::now() > end {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until every command has ended and every agent knows it. An agent writes an acknowledgement down with its next
    /// record or when it ends, so it is asked to end before its journal is looked at.
    fn settle(&mut self, machines: &[Mutex<Machine>]) -> Result<(), Error> {
        let end = Instant::now() + ENDS;
        loop {
            let rows = look::rows(&look::reader(&self.data)?)?;
            let open: Vec<Row> = rows.into_iter().filter(Row::is_open).collect();
            let mut held = 0;
            if open.is_empty() {
                // What is on its way to them arrives.
                std::thread::sleep(PAUSE * 25);
                for machine in machines {
                    let mut machine = lock(machine);
                    machine.stop_agent()?;
                    held += look::journal(&machine)?.held().len();
                    machine.start_agent()?;
                }
                if held == 0 {
                    return Ok(());
                }
                std::thread::sleep(CONNECTED);
            }
            if Instant::now() > end {
                let open =
                    open.iter().map(|row| format!("{} ({}) is still {}", row.id, row.action, row.state));
                self.wrong.extend(open);
                self.wrong.push(format!("{held} orders are still held by agents"));
                return Ok(());
            }
            std::thread::sleep(PAUSE * 5);
        }
    }
}

fn rank(state: &str) -> u8 {
    match state {
        "pending_approval" => 0,
        "queued" => 1,
        "dispatched" => 2,
        "running" | "verifying" => 3,
        _ => 4,
    }
}

/// Bytes that do not compress and differ from file to file.
fn contents(file: usize, size: usize) -> Vec<u8> {
    let mut random = Random::new(file as u64);
    std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(size).collect()
}

fn sha256(bytes: &[u8]) -> String {
    digest::hex(&digest::sha256(&[bytes]))
}

/// Whether a program is on the search path: `strace` and `7z` are needed.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::new(&folder).join(program).is_file())
}
