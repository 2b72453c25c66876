//! The worker that applies YARA rules: sealed, so that all it ever sees is its rules and the descriptors it is handed.
//!
//! The first message names the sets of rules, and so many messages with their sources follow. Each further one asks for a
//! look at what its descriptor leads to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use quell_host::confine::{Confined, Limits as Confinement};
use quell_host::worker::{Channel, Failure, Launcher, Worker};
use quell_yara::{Externals, Limits, MetaValue, Region, Rules, Scan, ScanLimits};
use serde::{Deserialize, Serialize};

/// For compiling the rules.
const COMPILE: Duration = Duration::from_mins(2);
/// A look ends by itself at its limit; a worker that goes on this much longer is ended.
const GRACE: Duration = Duration::from_secs(5);
/// Memory of the worker beside the file that it holds: rules and their automata. Bytes.
const MEMORY: u64 = 512 << 20;
/// Rules told of one file or process; meta values and tags told of one rule, and bytes of such a value.
const MATCHES: usize = 1000;
const META: usize = 32;
const META_BYTES: usize = 256;
/// Warnings that are told.
const WARNINGS: usize = 20;
/// Sets of rules for one worker.
pub const MOST_SETS: usize = 16;

/// Rules, and the namespace that keeps their names apart from those of other sets; alone they are in `default`.
pub type Set = (String, Vec<u8>);

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    File { path: String, most: u64, limits: ScanLimits },
    Memory { regions: Vec<Region>, limits: ScanLimits },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Compiled(Compiled),
    Refused(Refused),
    Looked(Scan),
    Unreadable(String),
}

/// What is known of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// How many there are.
    pub rules: u64,
    /// What was noticed, `line N, column N: …`.
    pub warnings: Vec<String>,
}

/// Why rules were not compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Where and what.
    pub problem: String,
    /// What to try.
    pub hint: Option<String>,
}

pub(super) fn work(channel: &mut Channel) -> io::Result<()> {
    let Some(first) = channel.receive()? else { return Ok(()) };
    let namespaces: Vec<String> = serde_json::from_slice(&first.body)?;
    let mut sets: Vec<Set> = Vec::new();
    for namespace in namespaces {
        let Some(source) = channel.receive()? else { return Ok(()) };
        sets.push((namespace, source.body));
    }
    let compiled = compile(&sets);
    drop(sets);
    let mut rules = match compiled {
        Ok((rules, known)) => {
            tell(channel, &Answer::Compiled(known))?;
            rules
        }
        Err(refused) => return tell(channel, &Answer::Refused(refused)),
    };
    let mut buffer = Vec::new();
    while let Some(request) = channel.receive()? {
        let ask: Ask = serde_json::from_slice(&request.body)?;
        let Some(descriptor) = request.descriptors.into_iter().next() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let file = File::from(descriptor);
        let answer = match ask {
            Ask::File { path, most, limits } => {
                match rules.scan_file(&file, most, &Externals::of_path(&path), &limits, &mut buffer) {
                    Ok(scan) => Answer::Looked(scan),
                    Err(error) => Answer::Unreadable(error.to_string()),
                }
            }
            Ask::Memory { regions, limits } => Answer::Looked(rules.scan_memory(&file, &regions, &limits)),
        };
        tell(channel, &bounded(answer))?;
    }
    Ok(())
}

/// An answer that fits into a message, however many rules match.
fn bounded(answer: Answer) -> Answer {
    match answer {
        Answer::Looked(mut scan) => {
            scan.truncated |= scan.matches.len() > MATCHES;
            scan.matches.truncate(MATCHES);
            for found in &mut scan.matches {
                found.meta.truncate(META);
                found.tags.truncate(META);
                for (_, value) in &mut found.meta {
                    if let MetaValue::Text(text) = value {
                        text.truncate(text.floor_char_boundary(META_BYTES));
                    }
                }
            }
            Answer::Looked(scan)
        }
        other => other,
    }
}

fn compile(sets: &[Set]) -> Result<(Rules, Compiled), Refused> {
    let texts: Result<Vec<(&str, &str)>, _> = sets
        .iter()
        .map(|(namespace, source)| Ok((namespace.as_str(), std::str::from_utf8(source)?)))
        .collect();
    let texts = texts.map_err(|error: std::str::Utf8Error| Refused {
        problem: format!("the rules are not UTF-8: {error}"),
        hint: None,
    })?;
    let rules = Rules::compile_sets(&texts, &Limits::default())
        .map_err(|error| Refused { problem: error.to_string(), hint: error.hint })?;
    let warnings = rules.warnings().iter().take(WARNINGS);
    let warnings = warnings.map(|w| format!("line {}, column {}: {}", w.line, w.column, w.message)).collect();
    let known = Compiled { rules: rules.count() as u64, warnings };
    Ok((rules, known))
}

fn tell(channel: &mut Channel, answer: &Answer) -> io::Result<()> {
    channel.send(&serde_json::to_vec(answer)?)
}

/// Why there is no scanner.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules are none.
    #[error("the rules were refused: {}", .0.problem)]
    Refused(Refused),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] Failure),
}

/// How a look ended.
#[derive(Debug)]
pub enum Look {
    /// With what it found.
    Found(Scan),
    /// It could not be read.
    Unreadable,
}

/// The agent's side: a worker with its rules, begun anew when one dies.
#[derive(Debug)]
pub struct Scanner {
    launcher: Launcher,
    sets: Vec<Set>,
    confinement: Confinement,
    worker: Option<Worker>,
    compiled: Compiled,
    confined: Confined,
    restarts: u32,
}

impl Scanner {
    /// Starts a worker with these rules. `file_bytes`: the largest file that it will be asked to hold.
    pub fn start(
        launcher: Launcher,
        sets: Vec<Set>,
        file_bytes: u64,
        cpu: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        // A buffer that grows is there twice for a moment.
        let memory = MEMORY + file_bytes.saturating_mul(3);
        let confinement = Confinement { memory, cpu, descriptors: 32, background: true };
        let (worker, compiled) = begin(&launcher, confinement, &sets, stop)?;
        let confined = worker.confined().clone();
        Ok(Self { launcher, sets, confinement, worker: Some(worker), compiled, confined, restarts: 0 })
    }

    /// The rules as they were compiled.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// How the worker is confined.
    pub fn confined(&self) -> &Confined {
        &self.confined
    }

    /// Workers that died and were replaced.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Looks at a file's first `most` bytes.
    pub fn file(
        &mut self,
        file: BorrowedFd<'_>,
        path: &str,
        most: u64,
        limits: ScanLimits,
        stop: &dyn Fn() -> bool,
    ) -> Result<Look, Failure> {
        self.ask(&Ask::File { path: path.to_owned(), most, limits }, file, limits.time, stop)
    }

    /// Looks at memory.
    pub fn memory(
        &mut self,
        memory: impl AsFd,
        regions: Vec<Region>,
        limits: ScanLimits,
        stop: &dyn Fn() -> bool,
    ) -> Result<Look, Failure> {
        self.ask(&Ask::Memory { regions, limits }, memory.as_fd(), limits.time, stop)
    }

    fn ask(
        &mut self,
        ask: &Ask,
        descriptor: BorrowedFd<'_>,
        time: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Look, Failure> {
        if self.worker.is_none() {
            self.restarts += 1;
            let begun = begin(&self.launcher, self.confinement, &self.sets, stop);
            self.worker = Some(
                begun
                    .map_err(|error| match error {
                        Error::Worker(failure) => failure,
                        Error::Refused(refused) => Failure::Garbled(refused.problem),
                    })?
                    .0,
            );
        }
        let Some(mut worker) = self.worker.take() else { return Err(Failure::Canceled) };
        let body = serde_json::to_vec(ask).map_err(|error| Failure::Line(error.into()))?;
        let answer = worker.call(&body, &[descriptor], time + GRACE, stop)?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Looked(scan)) => {
                self.worker = Some(worker);
                Ok(Look::Found(scan))
            }
            Ok(Answer::Unreadable(_)) => {
                self.worker = Some(worker);
                Ok(Look::Unreadable)
            }
            Ok(_) => Err(worker.reject("an answer to another question")),
            Err(error) => Err(worker.reject(error.to_string())),
        }
    }
}

/// Once more where a worker dies before it has compiled: that may be somebody's signal, or a moment without memory. Rules
/// that kill it do so twice.
fn begin(
    launcher: &Launcher,
    confinement: Confinement,
    sets: &[Set],
    stop: &dyn Fn() -> bool,
) -> Result<(Worker, Compiled), Error> {
    match begin_once(launcher, confinement, sets, stop) {
        Err(Error::Worker(Failure::Crashed { .. })) => begin_once(launcher, confinement, sets, stop),
        begun => begun,
    }
}

fn begin_once(
    launcher: &Launcher,
    confinement: Confinement,
    sets: &[Set],
    stop: &dyn Fn() -> bool,
) -> Result<(Worker, Compiled), Error> {
    let mut worker = Worker::start(launcher, confinement)?;
    let namespaces: Vec<&str> = sets.iter().map(|(namespace, _)| namespace.as_str()).collect();
    let named = serde_json::to_vec(&namespaces).map_err(|error| Failure::Line(error.into()))?;
    worker.send(&named, &[], COMPILE, stop)?;
    for (_, source) in sets {
        worker.send(source, &[], COMPILE, stop)?;
    }
    let answer = worker.receive(COMPILE, stop)?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Compiled(compiled)) => Ok((worker, compiled)),
        Ok(Answer::Refused(refused)) => Err(Error::Refused(refused)),
        Ok(_) => Err(worker.reject("an answer to another question").into()),
        Err(error) => Err(worker.reject(error.to_string()).into()),
    }
}
