//! One shell: terminal, line and limits in one loop.

mod hear;
mod say;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Duration;

use quell_catalog::endpoint::remote_shell::Ended as Why;
use quell_host::pty;
use quell_wire::shell::{Answer, FromAgent, OUTPUT_KEPT, OUTPUT_WINDOW, Recorded, Size, Taken};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::line::{self, Heard};
use super::ring::Ring;
use super::verb::Tools;
use crate::runner::Cancel;
use crate::transfer::Gateway;

/// Read from the terminal at a time. Bytes.
const READ: usize = 32 << 10;
/// Given to the terminal at a time; whether it echoes is asked before each. Bytes.
const WRITE: usize = 4 << 10;
/// The end of the shell is waited for this long after it was asked for.
const FAREWELL: Duration = Duration::from_secs(40);
/// The server has this long to store the recording while the line stands.
const STORE: Duration = Duration::from_mins(5);

/// How long, how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Without anything typed.
    pub idle: Duration,
    /// In all.
    pub total: Duration,
    /// Without a line to the server.
    pub away: Duration,
    /// Written by the terminal. Bytes.
    pub output: u64,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Over {
    /// Why it ended.
    pub why: Why,
    /// Who ended it.
    pub by: Option<String>,
    /// The end of the shell; none where its keeper was killed.
    pub ended: Option<pty::Ended>,
    /// Bytes typed.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// How long it lived.
    pub lived: Duration,
    /// Verbs used.
    pub verbs: BTreeMap<String, u32>,
    /// What the server says of the recording.
    pub recorded: Option<Recorded>,
}

/// What a session is made of; [`Session::run`] does the rest.
pub(crate) struct Session {
    pty: pty::Session,
    terminal: AsyncFd<OwnedFd>,
    keeper: AsyncFd<OwnedFd>,
    limits: Limits,
    began_us: i64,
    began: Instant,
    tools: Tools,
    ring: Ring,
    /// Output before this was handed to the line that stands.
    sent: u64,
    input: VecDeque<u8>,
    taken: u64,
    notices: VecDeque<Taken>,
    size: Size,
    up: Option<mpsc::Sender<FromAgent>>,
    is_begun: bool,
    is_resumed: bool,
    lost_at: Option<Instant>,
    typed_at: Instant,
    /// Nothing more comes out of the terminal.
    is_dry: bool,
    why: Option<(Why, Option<String>)>,
    asked_at: Option<Instant>,
    ended: Option<Result<pty::Ended, ()>>,
    ended_at: Option<Instant>,
    is_end_told: bool,
    recorded: Option<Recorded>,
    is_refused: bool,
    verbs: BTreeMap<String, u32>,
    seen: HashSet<u64>,
    work: JoinSet<()>,
    kept: VecDeque<Answer>,
    answers: VecDeque<Answer>,
    lived: Duration,
}

enum Next {
    Readable,
    Writable,
    Keeper,
    Line(Option<Heard>),
    Answer(Answer),
    Room,
    Timer,
    Cancel,
}

impl Session {
    /// A session over a terminal that was just made.
    pub fn new(pty: pty::Session, limits: Limits, began_us: i64, tools: Tools) -> std::io::Result<Self> {
        let terminal = pty.master().try_clone_to_owned()?;
        let terminal = watched(terminal, Interest::READABLE | Interest::WRITABLE)?;
        let keeper = pty.control().try_clone_to_owned()?;
        let keeper = watched(keeper, Interest::READABLE)?;
        let now = Instant::now();
        Ok(Self {
            pty,
            terminal,
            keeper,
            limits,
            began_us,
            began: now,
            tools,
            ring: Ring::default(),
            sent: 0,
            input: VecDeque::new(),
            taken: 0,
            notices: VecDeque::new(),
            size: Size::USUAL,
            up: None,
            is_begun: false,
            is_resumed: false,
            lost_at: Some(now),
            typed_at: now,
            is_dry: false,
            why: None,
            asked_at: None,
            ended: None,
            ended_at: None,
            is_end_told: false,
            recorded: None,
            is_refused: false,
            verbs: BTreeMap::new(),
            seen: HashSet::new(),
            work: JoinSet::new(),
            kept: VecDeque::new(),
            answers: VecDeque::new(),
            lived: Duration::ZERO,
        })
    }

    /// Until the shell is over, and the server has all of it or is away for too long.
    pub async fn run(
        mut self,
        gateway: Gateway,
        order_id: String,
        cancel: &Cancel,
        told: impl Fn(u64),
    ) -> Over {
        let (line_sender, mut heard) = mpsc::channel(16);
        let line = tokio::spawn(line::keep(gateway, order_id, line_sender));
        let (answer_sender, mut answers) = mpsc::channel(64);
        while !self.is_over() {
            let next = self.next(&mut heard, &mut answers, cancel).await;
            match next {
                Next::Readable => self.read(),
                Next::Writable => self.write(),
                Next::Keeper => self.look(),
                Next::Line(heard) => self.hear(heard, &answer_sender),
                Next::Answer(answer) => self.answered(answer),
                Next::Room => {}
                Next::Timer => self.time(),
                Next::Cancel => self.end(Why::Canceled, None),
            }
            self.speak();
            told(self.ring.end());
        }
        line.abort();
        self.tools.cancel.ask();
        let (why, by) = self.why.take().unwrap_or((Why::Exited, None));
        Over {
            why,
            by,
            ended: self.ended.take().and_then(Result::ok),
            bytes_in: self.taken,
            bytes_out: self.ring.end(),
            lived: self.lived,
            verbs: std::mem::take(&mut self.verbs),
            recorded: self.recorded.take(),
        }
    }

    fn is_over(&self) -> bool {
        let Some(ended_at) = self.ended_at else { return false };
        let is_lost = self.lost_at.is_some_and(|at| at.max(ended_at).elapsed() >= self.limits.away);
        self.recorded.is_some() || self.is_refused || is_lost || ended_at.elapsed() >= STORE
    }

    async fn next(
        &mut self,
        heard: &mut mpsc::Receiver<Heard>,
        answers: &mut mpsc::Receiver<Answer>,
        cancel: &Cancel,
    ) -> Next {
        let has_room = !self.is_dry && self.ring.len() < self.room();
        let (wants_write, wants_cancel) = (!self.input.is_empty() && !self.is_dry, self.why.is_none());
        let full = self.up.clone().filter(|_| self.has_more());
        let is_refused = self.is_refused;
        tokio::select! {
            biased;
            heard = heard.recv(), if !is_refused => Next::Line(heard),
            () = cancel.asked(), if wants_cancel => Next::Cancel,
            Some(answer) = answers.recv() => Next::Answer(answer),
            _ = self.keeper.readable(), if self.ended.is_none() => Next::Keeper,
            _ = self.terminal.writable(), if wants_write => Next::Writable,
            _ = self.terminal.readable(), if has_room => Next::Readable,
            Some(_) = async { full?.reserve_owned().await.ok() } => Next::Room,
            () = sleep_until(self.deadline()) => Next::Timer,
        }
    }

    /// Output that may wait for the server: what is under way where the line stands, much where it does not.
    fn room(&self) -> usize {
        if self.up.is_some() && self.is_resumed { OUTPUT_WINDOW } else { OUTPUT_KEPT }
    }

    fn deadline(&self) -> Instant {
        let mut at = self.began + self.limits.total;
        if self.ended_at.is_none() {
            at = at.min(self.typed_at + self.limits.idle);
        }
        if let Some(lost) = self.lost_at {
            at = at.min(self.ended_at.map_or(lost, |ended| ended.max(lost)) + self.limits.away);
        }
        if let Some(asked) = self.asked_at {
            at = asked + FAREWELL;
        }
        if let Some(ended) = self.ended_at {
            let lost = self.lost_at.map_or(ended + STORE, |lost| lost.max(ended) + self.limits.away);
            at = lost.min(ended + STORE);
        }
        at
    }

    fn time(&mut self) {
        if self.ended_at.is_some() {
            return;
        }
        if self.asked_at.is_some_and(|at| at.elapsed() >= FAREWELL) {
            // Its keeper does not answer. Closing its line is all that is left.
            self.over(Err(()));
        } else if self.began.elapsed() >= self.limits.total {
            self.end(Why::TimeLimit, None);
        } else if self.lost_at.is_some_and(|at| at.elapsed() >= self.limits.away) {
            self.end(Why::Away, None);
        } else if self.typed_at.elapsed() >= self.limits.idle {
            self.end(Why::Idle, None);
        }
    }

    /// Ends the shell. The first reason counts.
    fn end(&mut self, why: Why, by: Option<String>) {
        if self.why.is_none() {
            self.why = Some((why, by));
            self.asked_at = Some(Instant::now());
            self.input.clear();
            self.pty.end();
        }
    }

    fn read(&mut self) {
        let mut buffer = vec![0; READ];
        loop {
            let read = self.terminal.try_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut buffer)?));
            match read {
                // The hang-up of a terminal that nobody holds is an error, EIO.
                Ok(0) => self.is_dry = true,
                Ok(count) => {
                    self.ring.push(&buffer[..count]);
                    if self.ring.end() > self.limits.output {
                        self.end(Why::OutputLimit, None);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => self.is_dry = true,
            }
            return;
        }
    }

    fn write(&mut self) {
        let count = self.input.len().min(WRITE);
        let data: Vec<u8> = self.input.iter().take(count).copied().collect();
        // Asked right before: a prompt for a password turns the echo off and then waits.
        let is_hidden = !self.pty.echoes();
        match self.terminal.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, &data)?)) {
            Ok(written) => {
                self.input.drain(..written);
                self.taken += written as u64;
                let notice = Taken { offset: self.taken, is_hidden };
                match self.notices.back_mut() {
                    Some(last) if last.is_hidden == is_hidden => *last = notice,
                    _ => self.notices.push_back(notice),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.is_dry = true,
        }
    }

    fn look(&mut self) {
        let _ =
            self.keeper.try_io(Interest::READABLE, |_| Err::<(), _>(std::io::ErrorKind::WouldBlock.into()));
        match self.pty.ended() {
            Ok(None) => {}
            Ok(Some(ended)) => self.over(Ok(ended)),
            Err(error) => {
                tracing::warn!(%error, "a shell's end is not known");
                self.over(Err(()));
            }
        }
    }

    fn over(&mut self, ended: Result<pty::Ended, ()>) {
        if self.ended_at.is_some() {
            return;
        }
        let too_many = ended.as_ref().is_ok_and(|ended| ended.too_many.is_some());
        let why = if too_many { Why::TooManyProcesses } else { Why::Exited };
        self.why.get_or_insert((why, None));
        self.ended = Some(ended);
        self.lived = self.began.elapsed();
        // What was written last is still in the terminal, whether the runtime heard of it or not.
        let mut buffer = vec![0; READ];
        while let Ok(count @ 1..) = rustix::io::read(self.pty.master(), &mut buffer) {
            self.ring.push(&buffer[..count]);
        }
        self.is_dry = true;
        self.ended_at = Some(Instant::now());
        self.tools.cancel.ask();
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; the descriptor is owned, so it is open and stays what it is"
)]
fn watched(fd: OwnedFd, interest: Interest) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}
