//! One shell while it lives: what the endpoint said, what people typed, and who is there.
//!
//! Everything is behind one lock that is held for moments. The agent's connection and each person's connection are tasks of
//! their own that are woken when something changed and take what is new for them; nothing is pushed to anybody who does not
//! read. What is older than the ring is read from the journal.

mod agent;
mod people;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quell_store::Micros;
use quell_wire::shell::{End, Person, Recorded, Size, Taken, ToPerson, Verb};
use tokio::sync::watch;
use uuid::Uuid;

use super::cast;
use super::journal::{Found, Journal, Kind};

/// How much whoever types may be behind before the terminal is held up. Bytes.
const BEHIND: u64 = 1 << 20;
/// What the last mark of a journal begins with; why it ended follows.
pub(crate) const ENDED: &str = "ended: ";
/// Messages that wait for one person. Who lets more of them lie is sent away.
const MAIL: usize = 1024;

pub(crate) use agent::Line;
pub(crate) use people::{Full, Next, Place};

/// Whose shell it is.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub tenant: Uuid,
    pub id: Uuid,
    pub task: Uuid,
    pub endpoint: Uuid,
    pub endpoint_name: String,
    pub requester_kind: String,
    pub requester_id: String,
    pub requester_name: String,
    /// Minutes at most.
    pub max_minutes: i64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    pub reason: String,
    pub by: String,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
}

/// A shell that lives, or is about to.
pub(crate) struct Live {
    pub about: About,
    pub path: PathBuf,
    /// Held by whoever stores the recording: a second one waits, and finds it stored.
    pub storing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    journal: Option<Journal>,
    began: Option<(cast::Begin, Micros)>,
    output: u64,
    ring: VecDeque<u8>,
    input: VecDeque<u8>,
    taken: u64,
    size: Option<Size>,
    pen: Option<String>,
    seats: BTreeMap<u64, Seat>,
    seats_ever: u64,
    line: u64,
    is_up: bool,
    verbs: BTreeMap<u64, Asked>,
    verbs_ever: u64,
    end: Option<End>,
    over: Option<Over>,
    recorded: Option<Recorded>,
}

struct Seat {
    name: String,
    is_writer: bool,
    shown: u64,
    mail: VecDeque<ToPerson>,
    is_dismissed: bool,
}

struct Asked {
    seat: u64,
    theirs: u64,
    verb: Verb,
}

impl Live {
    pub fn new(about: About, path: PathBuf) -> Self {
        Self {
            about,
            path,
            storing: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait for news of it.
    pub fn ring(&self) {
        self.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Told whenever something changed.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What an earlier run recorded, so that it goes on. The journal is opened before anything is written.
    pub fn recover(&self, journal: Journal, found: &Found) {
        let mut state = self.lock();
        state.journal = Some(journal);
        state.output = found.output;
        state.began = found.begin.as_deref().and_then(|begin| Some((serde_json::from_slice(begin).ok()?, 0)));
    }

    /// Whether the journal is open.
    pub fn is_ready(&self) -> bool {
        self.lock().journal.is_some()
    }

    /// A word in the recording.
    pub fn mark(&self, words: &str, now: Micros) {
        let mut state = self.lock();
        if state.over.is_none()
            && let Err(error) = state.record(Kind::Mark, now, words.as_bytes())
        {
            tracing::error!(%error, "a shell's journal cannot be written");
        }
    }

    /// How it stands, and who is there.
    pub fn standing(&self) -> (&'static str, Vec<Person>, u64, u64) {
        let state = self.lock();
        (state.word(), state.people(), state.taken, state.output)
    }

    /// Asks the agent to end it. The first who asks counts.
    pub fn ask_end(&self, reason: &str, by: &str) {
        let end = End { reason: reason.to_owned(), by: by.to_owned() };
        self.lock().end.get_or_insert(end);
        self.ring();
    }

    /// Who asked for the end, where somebody did.
    pub fn end_asked(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// It is over: nothing is recorded any more. `false` where it was over before.
    pub fn close(&self, over: Over, now: Micros) -> bool {
        let mut state = self.lock();
        if state.over.is_some() {
            return false;
        }
        let words = format!("{ENDED}{}", over.reason);
        if let Err(error) = state.record(Kind::Mark, now, words.as_bytes()) {
            tracing::error!(%error, "the end of a shell's journal cannot be written");
        }
        state.over = Some(over);
        state.journal = None;
        true
    }

    /// How it ended.
    pub fn over(&self) -> Option<Over> {
        self.lock().over.clone()
    }

    /// The recording is stored; told to the agent and to all who are there.
    pub fn recorded(&self, recorded: Recorded) {
        self.lock().recorded = Some(recorded);
        self.ring();
    }

    /// Whether the recording is stored.
    pub fn is_recorded(&self) -> bool {
        self.lock().recorded.is_some()
    }

    /// Whether anybody holds it: the agent, or people.
    pub fn is_held(&self) -> bool {
        let state = self.lock();
        state.is_up || !state.seats.is_empty()
    }

    /// Whether the endpoint ever told of it.
    pub fn has_begun(&self) -> bool {
        self.lock().began.is_some()
    }

    /// Whether the agent told of it since this server began: only then is known what was typed.
    pub fn is_known(&self) -> bool {
        self.lock().line > 0
    }

    /// Whether the agent's connection stands.
    pub fn is_up(&self) -> bool {
        self.lock().is_up
    }
}

impl State {
    fn record(&mut self, kind: Kind, now: Micros, data: &[u8]) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.add(kind, now, data),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn take(&mut self, taken: Taken, now: Micros) -> io::Result<()> {
        let count = taken.offset.saturating_sub(self.taken).min(self.input.len() as u64) as usize;
        if count == 0 {
            return Ok(());
        }
        let data: Vec<u8> = self.input.drain(..count).collect();
        self.taken += count as u64;
        if self.over.is_none() {
            if taken.is_hidden {
                self.record(Kind::Hidden, now, b"")?;
            } else {
                self.record(Kind::Input, now, &data)?;
            }
        }
        let told = ToPerson::Taken { input: self.taken, is_hidden: taken.is_hidden };
        let writers: Vec<u64> =
            self.seats.iter().filter(|(_, seat)| seat.is_writer).map(|(number, _)| *number).collect();
        for writer in writers {
            self.mail(writer, told.clone());
        }
        Ok(())
    }

    fn mail(&mut self, seat: u64, message: ToPerson) {
        let Some(seat) = self.seats.get_mut(&seat) else { return };
        if seat.mail.len() >= MAIL {
            seat.is_dismissed = true;
            return;
        }
        match (seat.mail.back_mut(), &message) {
            (Some(last @ ToPerson::Taken { .. }), ToPerson::Taken { .. }) => *last = message,
            _ => seat.mail.push_back(message),
        }
    }

    /// Output that the agent may forget: all, or as far as whoever types has seen it and some more.
    fn storable(&self) -> u64 {
        let shown = self.seats.values().filter(|seat| seat.is_writer).map(|seat| seat.shown).min();
        shown.map_or(self.output, |shown| self.output.min(shown.saturating_add(BEHIND)))
    }

    fn word(&self) -> &'static str {
        if self.over.is_some() {
            "ended"
        } else if self.began.is_none() {
            "waiting"
        } else if self.is_up {
            "open"
        } else {
            "lost"
        }
    }

    fn people(&self) -> Vec<Person> {
        let person = |seat: &Seat| Person { name: seat.name.clone(), is_writer: seat.is_writer };
        self.seats.values().map(person).collect()
    }
}
