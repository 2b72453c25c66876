//! The recorder's thread: waits for its sources, gathers what they tell for a moment, puts it in order and hands it on.
//!
//! It has nothing to do while nothing happens. The moment that it gathers bounds how often it wakes up on a busy machine.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::bpf::Programs;
use super::clock::Clock;
use super::connector::Connector;
use super::deep;
use super::files::{Files, Heard};
use super::logins::{Logins, TURN};
use super::looks::Looks;
use super::pace::Pace;
use super::polling::Polling;
use super::raw::{Kind, Raw, What};
use super::roll::Roll;
use super::standing::Shared;
use crate::process::Identity;

const PRIORITY: i32 = -5;
/// Records of one turn: what is handed on at once has a bound.
const MOST: usize = 32_768;
/// Between two looks at what is not told of. Seconds.
const LOOK: i64 = 1;

/// Where processes are heard of.
pub(super) enum Source {
    Programs(Box<Programs>),
    Connector(Connector),
    Polling(Polling),
}

/// What the thread holds.
pub(super) struct Run<S> {
    pub source: Source,
    pub files: Option<Files>,
    /// Open where mounts are followed.
    pub mounts: Option<std::fs::File>,
    pub logins: Option<Logins>,
    /// Nobody has its other end when it is to end; readable when it is to hand on what it can hear of.
    pub stop: OwnedFd,
    pub shared: Arc<Shared>,
    pub roll: Roll,
    pub sink: S,
    /// When files were heard last.
    pub heard: u64,
    pub pace: Pace,
    /// When mounts are looked at.
    pub looks: Looks,
}

/// Why the thread goes on.
struct Woken {
    /// The end was asked for.
    is_over: bool,
    /// It was asked to hand on what it can hear of.
    asked: bool,
    /// Something was mounted, or is no longer.
    mounted: bool,
    /// Files of logins changed, or may have.
    logged: bool,
}

impl<S: FnMut(Vec<Raw>)> Run<S> {
    /// Until it is told to stop.
    pub fn run(mut self, first: Vec<Raw>) {
        // Of this thread alone: whoever floods the machine with processes must not keep it from hearing of them.
        let _ = rustix::process::setpriority_process(None, PRIORITY);
        self.give(first);
        let (mut more, mut asked) = (false, None);
        loop {
            let woken = self.wait(more);
            let Woken { is_over, mounted, logged, .. } = woken;
            if woken.asked {
                asked = Some(self.shared.asked());
            }
            let mut batch = Vec::new();
            self.files(&mut batch);
            if !is_over && !more && asked.is_none() && !matches!(self.source, Source::Connector(_)) {
                self.pause();
            }
            more = self.processes(&mut batch);
            self.files(&mut batch);
            if logged || is_over {
                self.logins(is_over, &mut batch);
            }
            self.mounts(mounted);
            self.give(batch);
            if let Some(number) = asked.take_if(|_| !more) {
                self.shared.handed(number);
            }
            if is_over && !more {
                // Those of a flood whose turn does not come any more.
                self.shared.lose(Kind::Login, self.logins.as_ref().map_or(0, Logins::unread));
                return;
            }
        }
    }

    /// Until there is something to do.
    fn wait(&self, more: bool) -> Woken {
        let source = match &self.source {
            Source::Programs(programs) => Some(programs.as_fd()),
            Source::Connector(connector) => Some(connector.as_fd()),
            Source::Polling(_) => None,
        };
        let heard = [
            source,
            self.files.as_ref().map(|files| files.as_fd()),
            self.logins.as_ref().map(|logins| logins.as_fd()),
        ];
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        fds.extend(
            heard.into_iter().flatten().map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
        fds.extend(self.mounts.as_ref().map(|mounts| PollFd::new(mounts, PollFlags::PRI)));
        let seconds = |seconds| Some(Timespec { tv_sec: seconds, tv_nsec: 0 });
        let is_waiting = self.looks.is_waiting() || self.files.as_ref().is_some_and(Files::is_waiting);
        let is_behind = self.logins.as_ref().is_some_and(Logins::is_behind);
        let limit = if more {
            seconds(0)
        } else if is_behind {
            Some(Timespec { tv_sec: 0, tv_nsec: TURN as i64 })
        } else if is_waiting || matches!(self.source, Source::Polling(_)) {
            seconds(LOOK)
        } else {
            None
        };
        // An interruption is as good as a limit that is over.
        let _ = rustix::event::poll(&mut fds, limit.as_ref());
        let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
        let logins = fds.len() - 1 - usize::from(self.mounts.is_some());
        let asked = fds.first().map_or(PollFlags::empty(), PollFd::revents);
        if asked.contains(PollFlags::IN) {
            let _ = rustix::io::read(&self.stop, &mut [0_u8; 64]);
        }
        Woken {
            is_over: !(asked - PollFlags::IN).is_empty(),
            asked: asked.contains(PollFlags::IN),
            // The kernel tells that once.
            mounted: self.mounts.is_some() && is_ready(fds.last()),
            logged: more || is_behind || is_ready(fds.get(logins)),
        }
    }

    /// Lets things gather, unless it is to end.
    fn pause(&mut self) {
        let moment = Timespec { tv_sec: 0, tv_nsec: self.pace.moment(Clock::now()) };
        let _ = rustix::event::poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], Some(&moment));
    }

    /// True where more waits.
    fn processes(&mut self, batch: &mut Vec<Raw>) -> bool {
        match &mut self.source {
            Source::Programs(programs) => programs.drain(MOST, |mut raw| {
                deep::complete(&mut raw);
                batch.push(raw);
            }),
            Source::Polling(polling) => {
                polling.look(|raw| batch.push(raw));
                false
            }
            Source::Connector(connector) => {
                let told = connector.hear(MOST, |raw| batch.push(raw));
                match told {
                    Ok(0) => {}
                    Ok(lost) => self.shared.lose(Kind::Exec, lost),
                    Err(error) => self.shared.problem(&format!("the process connector is silent: {error}")),
                }
                false
            }
        }
    }

    fn files(&mut self, batch: &mut Vec<Raw>) {
        let Some(files) = &mut self.files else { return };
        let at = Clock::now();
        let told = files.hear(at, &mut |Heard { at, pid, change }| {
            // Who that was is found out when what is told of processes is in.
            let process = Identity { pid, start_time: 0 };
            batch.push(Raw { at, process, task: None, what: What::File(Box::new(change)) });
        });
        match told {
            Ok(counts) => {
                self.shared.lose(Kind::File, counts.overflows + counts.unseen);
                self.shared.vanish(counts.vanished);
            }
            Err(error) => {
                self.shared.problem(&format!("files are not heard of any more: {error}"));
                self.files = None;
            }
        }
    }

    fn logins(&mut self, is_over: bool, batch: &mut Vec<Raw>) {
        let Some(logins) = &mut self.logins else { return };
        let at = Clock::now();
        logins.hear(if is_over { u64::MAX } else { at }, |login| {
            let process = Identity { pid: login.pid, start_time: 0 };
            batch.push(Raw { at, process, task: None, what: What::Login(Box::new(login)) });
        });
    }

    /// Where something was mounted since, it is listened to.
    fn mounts(&mut self, changed: bool) {
        let Some(files) = &mut self.files else { return };
        if self.looks.is_time(changed, Clock::now()) {
            for problem in files.watch() {
                self.shared.problem(&problem);
            }
        }
    }

    /// In order, each with its process, and each once.
    fn give(&mut self, mut batch: Vec<Raw>) {
        if batch.is_empty() {
            return;
        }
        let since = std::mem::replace(&mut self.heard, Clock::now());
        batch.retain_mut(|raw| {
            // A source that knows the pid alone.
            if raw.process.start_time == 0
                && raw.process.pid != 0
                && !matches!(raw.what, What::File(_) | What::Login(_))
                && let Some(start) = self.roll.start(raw.process.pid)
            {
                raw.process.start_time = start;
            }
            self.roll.note(raw)
        });
        for raw in &mut batch {
            if matches!(raw.what, What::File(_) | What::Login(_)) && raw.process.pid != 0 {
                (raw.process, raw.at) = self.roll.find(raw.process.pid, since, raw.at);
            }
        }
        batch.sort_by_key(|raw| raw.at);
        for raw in &batch {
            if self.files.is_some() {
                self.looks.note(raw);
            }
            if let Some(kind) = raw.what.kind() {
                self.shared.seen[kind as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        (self.sink)(batch);
    }
}
