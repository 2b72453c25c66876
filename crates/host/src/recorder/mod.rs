//! The flight recorder's levers: what processes do, as the kernel tells it, without a judgement.
//!
//! Three kinds of source are joined into one stream, in order of time within a tenth of a second:
//!
//! - **processes and connections**: programs in the kernel ([`Processes::Ebpf`]), else the kernel's process connector, which
//!   tells no details and nothing of the network, else a look at `/proc` each second. The best that works is taken, and
//!   [`Recorder::standing`] says which and why;
//! - **files**: fanotify(7), for whole file systems;
//! - **logins**: what is added to wtmp and btmp.
//!
//! What a source cannot tell is counted or said, never passed over. Everything is bounded: the ring in the kernel, the queues,
//! what is gathered at one turn. Nothing stays behind: programs, marks and sockets go with their descriptors, however the
//! process ends.
//!
//! Of another PID namespace than the machine's own, the recorder sees its own processes and those below, under the pids that
//! they have in its namespace.

mod bpf;
mod clock;
mod connector;
mod decode;
mod deep;
mod details;
mod files;
mod logins;
mod looks;
mod pace;
mod polling;
pub mod raw;
mod roll;
mod run;
mod standing;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use self::bpf::{Programs, own_namespace};
use self::clock::Clock;
use self::connector::Connector;
use self::decode::Decoder;
use self::details::Looker;
use self::files::Files;
pub use self::logins::LoginFiles;
use self::logins::Logins;
use self::looks::Looks;
use self::pace::Pace;
use self::polling::Polling;
pub use self::raw::{Kind, Raw, What};
use self::roll::Roll;
use self::run::{Run, Source as From};
use self::standing::Shared;
pub use self::standing::{Count, Source, Standing};
use crate::guard::Scope;

/// Bytes of the ring in the kernel: some four thousand programs that begin and end. It is read twenty milliseconds after
/// something came at the latest, so this is ten times what ten thousand processes a second fill meanwhile. The kernel counts it
/// twice into this process's resident memory, since it is mapped twice in a row.
pub const RING: u32 = 2 << 20;
const STACK: usize = 512 << 10;

/// What is recorded, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How processes are heard of.
    pub processes: Processes,
    /// Connections, ports and questions to name servers; of the kernel's programs alone.
    pub network: bool,
    /// Files, and where; none for no files.
    pub files: Option<Scope>,
    /// Each file that is new or gets another name. Without it: programs, scripts, and places that matter.
    pub all_files: bool,
    /// Logins, and where they are written; none for no logins.
    pub logins: Option<LoginFiles>,
    /// A process whose files and connections are left out: the agent's own.
    pub own: Option<u32>,
    /// Bytes of the ring in the kernel; made a power of two.
    pub ring: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            processes: Processes::Best,
            network: true,
            files: Some(Scope::FileSystems),
            all_files: true,
            logins: Some(LoginFiles::default()),
            own: Some(std::process::id()),
            ring: RING,
        }
    }
}

/// How processes are heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Processes {
    /// The first of these that works.
    #[default]
    Best,
    /// Programs in the kernel.
    Ebpf,
    /// The kernel's process connector.
    Connector,
    /// A look each second.
    Polling,
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source that was asked for does not work here.
    #[error("processes cannot be heard of: {0}")]
    Source(String),
    /// A thread or a descriptor was not to be had.
    #[error("the recorder cannot begin")]
    System(#[from] io::Error),
}

/// Records until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins. `sink` is called on a thread of the recorder, with what happened in the order of time; first with all that runs
    /// already ([`What::Running`]). While it works, things gather in bounded queues.
    pub fn start(settings: Settings, sink: impl FnMut(Vec<Raw>) + Send + 'static) -> Result<Self, Error> {
        let (clock, namespace) = (Clock::own(), own_namespace()?);
        let looker = Looker { clock, namespace };
        let shared = Arc::new(Shared::default());
        let source = source(&settings, looker, &shared)?;
        let files = settings.files.and_then(|scope| listen(scope, &settings, &shared));
        let logins = settings.logins.and_then(|files| follow(files, &shared));
        let (stop, end) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from)?;
        let mounts = files.is_some().then(|| File::open("/proc/thread-self/mountinfo")).transpose()?;
        let now = Clock::now();
        let run = Run {
            source,
            files,
            mounts,
            logins,
            stop,
            shared: shared.clone(),
            roll: Roll::default(),
            sink,
            heard: now,
            pace: Pace::default(),
            looks: Looks::new(settings.files, now),
        };
        // After the sources: what begins meanwhile is told twice rather than not at all.
        let first = looker.all();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .stack_size(STACK)
            .spawn(move || run.run(first))?;
        Ok(Self { shared, stop: Some(end), thread: Some(thread) })
    }

    /// Has all handed on that can be heard of by now, and waits for that, so long at most. Whether it is.
    pub fn settle(&self, within: Duration) -> bool {
        let Some(stop) = &self.stop else { return false };
        let number = self.shared.ask();
        rustix::io::write(stop, &[0]).is_ok() && self.shared.wait(number, within)
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.shared.standing()
    }
}

impl Drop for Recorder {
    /// Hands on what has gathered, and ends.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const PROCESSES: &[Kind] = &[Kind::Fork, Kind::Exec, Kind::Exit];
const WITH_NETWORK: &[Kind] =
    &[Kind::Fork, Kind::Exec, Kind::Exit, Kind::Network, Kind::Question, Kind::Module];

fn source(settings: &Settings, looker: Looker, shared: &Arc<Shared>) -> Result<From, Error> {
    let may = |this: Processes| settings.processes == Processes::Best || settings.processes == this;
    let mut reasons = Vec::new();
    if may(Processes::Ebpf) {
        match programs(settings, looker, shared) {
            Ok(source) => return Ok(source),
            Err(reason) => reasons.push(reason),
        }
    }
    if settings.network {
        shared.problem(
            "connections and questions to name servers are heard of by programs in the kernel alone",
        );
    }
    if may(Processes::Connector) {
        match Connector::open(looker) {
            Ok(connector) => {
                shared.source(PROCESSES, "connector", because(&reasons));
                return Ok(From::Connector(connector));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if may(Processes::Polling) {
        shared.problem("processes that live less than a second are not seen");
        shared.source(PROCESSES, "polling", because(&reasons));
        return Ok(From::Polling(Polling::new(looker)));
    }
    Err(Error::Source(reasons.join("; ")))
}

fn programs(settings: &Settings, looker: Looker, shared: &Arc<Shared>) -> Result<From, String> {
    let wanted =
        bpf::Wanted { ring: settings.ring, own: settings.own.unwrap_or(0), network: settings.network };
    let decoder = Decoder { clock: looker.clock, namespace: looker.namespace };
    let loaded = Programs::load(wanted, decoder);
    // The kernel's description of itself is large, and was needed only to fit them.
    crate::heap::give_back();
    let (programs, lost, problems) = loaded?;
    for problem in problems {
        shared.problem(&problem);
    }
    shared.kernel(lost);
    let covers = if settings.network { WITH_NETWORK } else { PROCESSES };
    shared.source(covers, "ebpf", "the kernel takes programs, which see each event at the moment itself");
    Ok(From::Programs(Box::new(programs)))
}

fn because(reasons: &[String]) -> String {
    if reasons.is_empty() { "it was asked for".to_owned() } else { reasons.join("; ") }
}

fn listen(scope: Scope, settings: &Settings, shared: &Shared) -> Option<Files> {
    let wanted = files::Wanted { scope, own: settings.own, all: settings.all_files };
    match Files::open(wanted) {
        Ok((files, problems)) => {
            for problem in problems {
                shared.problem(&problem);
            }
            let reason = match scope {
                Scope::FileSystems => "the kernel tells of names on whole file systems",
                Scope::Mounts => {
                    "the kernel tells of names on the file systems that are mounted for writing here"
                }
            };
            shared.source(&[Kind::File], "fanotify", reason);
            Some(files)
        }
        Err(error) => {
            shared.problem(&error);
            None
        }
    }
}

fn follow(files: LoginFiles, shared: &Shared) -> Option<Logins> {
    match Logins::open(files) {
        Ok(logins) => {
            if !logins.is_any_there() {
                shared.problem("neither wtmp nor btmp is there; logins are told when one comes to be");
            }
            shared.source(
                &[Kind::Login],
                "utmp",
                "login programs write there who was let in and who was not",
            );
            Some(logins)
        }
        Err(error) => {
            shared.problem(&error);
            None
        }
    }
}
