//! The worker that answers SQL about this machine. It sees all of it and changes nothing; what it reads is hostile.

use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use quell_catalog::rows::{Column, ColumnType};
use quell_host::confine::{Confined, Limits as Confines};
use quell_host::file::KeptOut;
use quell_host::worker::{Channel, Failure, Launcher, Worker};
use quell_tables::{Env, Error as TableError, Kind, Limits, Session, Taken, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::rows::Row;

/// Rows that travel together. Bytes of JSON, about.
const BATCH: usize = 256 << 10;
/// Rows wait no longer than this for others.
const AGE: Duration = Duration::from_millis(300);
/// A row of one message. Bytes; the rows that leave this machine are shorter still.
const LONGEST: usize = 4 << 20;
/// What the worker is given to say that its time is up, before it is ended.
const GRACE: Duration = Duration::from_secs(10);
/// Descriptors that walking through directories takes.
const DESCRIPTORS: u32 = 256;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// One `SELECT`.
    pub sql: String,
    /// Rows at most.
    pub rows: u64,
    /// Time at most.
    pub time: Duration,
    /// Memory of the worker at most, bytes.
    pub memory: u64,
    /// Runs when nobody else wants the processor or the disk.
    pub background: bool,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Columns(Vec<Column>),
    Rows(Vec<Row>),
    Done(Done),
    Failed(Trouble),
}

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// There were more rows.
    pub truncated: bool,
    /// How often something could not be read.
    pub troubles: u64,
    /// The first of those.
    pub warnings: Vec<String>,
    /// The most memory that the worker had, bytes.
    pub memory: u64,
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// A stable code.
    pub code: String,
    /// In words.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// A part of the answer.
#[derive(Debug)]
pub enum Answer {
    /// Once, before any row.
    Columns(Vec<Column>),
    /// A row.
    Row(Row),
}

/// Why a question has no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker said why.
    #[error(transparent)]
    Said(Trouble),
    /// The worker is gone.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Asks a worker that is started for this one question. `take` answers `Break` where it wants no more; that is the end
/// of the worker, and an answer of `None`.
pub fn ask(
    launcher: &Launcher,
    question: &Question,
    stop: &dyn Fn() -> bool,
    take: &mut dyn FnMut(Answer) -> ControlFlow<()>,
) -> Result<(Confined, Option<Done>), Error> {
    let limits = Confines {
        memory: question.memory,
        // Whole seconds, and some for the start.
        cpu: question.time + GRACE,
        descriptors: DESCRIPTORS,
        background: question.background,
    };
    let mut worker = Worker::start(launcher, limits)?;
    let confined = worker.confined().clone();
    let body =
        serde_json::to_vec(&(question, KeptOut::here())).map_err(|error| worker.reject(error.to_string()))?;
    worker.send(&body, &[], GRACE, stop)?;
    // Counted from the last row that came: who takes the rows may be slow, and the worker waits for it.
    let patience = question.time + GRACE;
    loop {
        let said = worker.receive(patience, stop)?;
        match serde_json::from_slice(&said) {
            Ok(Said::Columns(columns)) => {
                if take(Answer::Columns(columns)).is_break() {
                    return Ok((confined, None));
                }
            }
            Ok(Said::Rows(rows)) => {
                for row in rows {
                    if take(Answer::Row(row)).is_break() {
                        return Ok((confined, None));
                    }
                }
            }
            Ok(Said::Done(done)) => return Ok((confined, Some(done))),
            Ok(Said::Failed(trouble)) => return Err(Error::Said(trouble)),
            Err(error) => return Err(worker.reject(error.to_string()).into()),
        }
    }
}

pub(super) fn work(channel: &mut Channel) -> io::Result<()> {
    while let Some(request) = channel.receive()? {
        let (question, kept_out): (Question, Option<KeptOut>) = serde_json::from_slice(&request.body)?;
        // Before the first statement: a statement names files, and its rules ask for every bit of them.
        if let Some(kept_out) = kept_out {
            kept_out.hold();
        }
        let said = match answer(channel, &question) {
            Ok(done) => Said::Done(done),
            Err(Broken::Line(error)) => return Err(error),
            Err(Broken::Table(error)) => Said::Failed(trouble(error)),
        };
        say(channel, &said)?;
    }
    Ok(())
}

enum Broken {
    Line(io::Error),
    Table(TableError),
}

fn say(channel: &mut Channel, said: &Said) -> io::Result<()> {
    channel.send(&serde_json::to_vec(said)?)
}

fn answer(channel: &mut Channel, question: &Question) -> Result<Done, Broken> {
    let limits = Limits {
        rows: question.rows,
        time: question.time,
        // The rest is for what tables hold while they are read.
        heap: Some(question.memory / 2),
    };
    let session = Session::open(Env::default(), limits).map_err(Broken::Table)?;
    let mut sender = Sender {
        channel,
        names: Vec::new(),
        batch: Vec::new(),
        bytes: 0,
        since: Instant::now(),
        broken: None,
    };
    let summary = session.query(&question.sql, &mut |taken| sender.take(taken));
    if summary.is_ok() {
        let _ = sender.flush();
    }
    if let Some(error) = sender.broken {
        return Err(Broken::Line(error));
    }
    let summary = summary.map_err(Broken::Table)?;
    Ok(Done {
        truncated: summary.truncated,
        troubles: summary.troubles,
        warnings: summary.warnings,
        memory: peak(),
    })
}

/// Puts rows together into messages.
struct Sender<'a> {
    channel: &'a mut Channel,
    names: Vec<String>,
    batch: Vec<Row>,
    bytes: usize,
    since: Instant,
    broken: Option<io::Error>,
}

impl Sender<'_> {
    fn take(&mut self, taken: Taken<'_>) -> ControlFlow<()> {
        match taken {
            Taken::Columns(columns) => {
                self.names = columns.iter().map(|(name, _)| name.clone()).collect();
                let columns = columns.iter().map(|(name, kind)| Column::new(name.clone(), typed(*kind)));
                self.say(&Said::Columns(columns.collect()))
            }
            Taken::Row(values) => {
                let size: usize = values.iter().map(weight).sum();
                if self.batch.is_empty() {
                    self.since = Instant::now();
                }
                let room = LONGEST / values.len().max(1);
                let pairs = self.names.iter().cloned().zip(values.into_iter().map(|value| json(value, room)));
                self.batch.push(pairs.collect());
                self.bytes += size.min(LONGEST);
                if self.bytes >= BATCH || self.since.elapsed() >= AGE {
                    self.flush()
                } else {
                    ControlFlow::Continue(())
                }
            }
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.say(&Said::Rows(batch))
    }

    fn say(&mut self, said: &Said) -> ControlFlow<()> {
        match say(self.channel, said) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.broken = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

fn typed(kind: Kind) -> ColumnType {
    match kind {
        Kind::Text => ColumnType::Text,
        Kind::Integer | Kind::BigInt => ColumnType::Integer,
        Kind::Double => ColumnType::Real,
        Kind::Blob => ColumnType::Blob,
    }
}

fn weight(value: &Value) -> usize {
    8 + match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len() * 2,
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
    }
}

/// Bytes as hex; what is longer than the room is cut.
fn json(value: Value, room: usize) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        // What JSON has no word for is null.
        Value::Real(number) => number.into(),
        Value::Text(mut text) => {
            if text.len() > room / 2 {
                text.truncate(text.floor_char_boundary(room / 2));
            }
            text.into()
        }
        Value::Blob(bytes) => quell_wire::digest::hex(&bytes[..bytes.len().min(room / 2)]).into(),
    }
}

fn trouble(error: TableError) -> Trouble {
    let code = match &error {
        TableError::Sql { .. } => "sql_invalid",
        TableError::Refused(_) => "sql_refused",
        TableError::Unbounded { .. } => "condition_missing",
        TableError::Time => "time_limit",
        TableError::Stopped => "canceled",
        TableError::Memory(_) => "memory_limit",
        TableError::Broken(_) => "tables_broken",
    };
    let message = error.to_string();
    let hint = match error {
        TableError::Sql { hint, .. } => hint,
        TableError::Unbounded { table, .. } => {
            Some(format!("write for example: SELECT * FROM {table} WHERE path LIKE '/etc/%'"))
        }
        _ => None,
    };
    Trouble { code: code.to_owned(), message, hint }
}

/// `VmHWM` of this process, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(0, |kib: u64| kib * 1024)
}
