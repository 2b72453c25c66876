//! What is found after a kill: each command in the server's database and in its agent's journal, both read from disk.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

use quell_agent::journal::{Journal, Stage};
use rusqlite::{Connection, OpenFlags};

use super::load::lock;
use super::{Error, failed, wal};
use crate::site::{Machine, STATE};

/// Where a command was when a process died. The order is that of a command's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// Accepted, and handed to nobody.
    Queued,
    /// The server meant to hand it over; the agent has not written it down. It may have been sent or not.
    OnTheWay,
    /// The agent has written it down and not begun.
    Accepted,
    /// It was being carried out.
    Running,
    /// The agent has written the outcome down; the server's database knows nothing of it.
    Kept,
    /// The same, and the outcome stands in a transaction that the server had begun to write and not committed.
    Uncommitted,
    /// The server has committed the outcome; the agent has not written down that it was acknowledged.
    Unacknowledged,
}

impl Found {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::OnTheWay,
        Self::Accepted,
        Self::Running,
        Self::Kept,
        Self::Uncommitted,
        Self::Unacknowledged,
    ];

    /// In words: the server's database, and the agent's journal.
    pub const fn words(self) -> [&'static str; 3] {
        match self {
            Self::Queued => ["queued", "queued", "nothing"],
            Self::OnTheWay => ["dispatched, sent or not", "dispatched", "nothing"],
            Self::Accepted => ["dispatched, written down by the agent", "dispatched", "accepted"],
            Self::Running => ["running", "dispatched or running", "started"],
            Self::Kept => ["outcome written down, not received", "dispatched or running", "finished"],
            Self::Uncommitted => [
                "outcome received, not committed",
                "dispatched or running; end in an open transaction",
                "finished",
            ],
            Self::Unacknowledged => ["outcome committed, not acknowledged", "ended", "finished"],
        }
    }
}

/// A command's row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub id: String,
    pub task: String,
    pub endpoint: String,
    pub action: String,
    pub state: String,
    pub reason: Option<String>,
    pub message: Option<String>,
    /// Made, handed over, begun, reported, ended; microseconds since 1970.
    pub times: [Option<i64>; 5],
    pub outcome: Option<String>,
}

impl Row {
    pub fn is_open(&self) -> bool {
        self.times[4].is_none()
    }
}

/// Everything on disk at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub rows: Vec<Row>,
    pub found: HashMap<String, Found>,
    /// Commands that the agent had begun and not ended.
    pub begun: Vec<String>,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// Looks after a death: the server's (`only` is none), or that of the agent of the endpoint `only`, whose commands alone
/// stand still then.
pub(super) fn look(
    data: &Path,
    only: Option<&str>,
    machines: &[(&str, &Mutex<Machine>)],
) -> Result<Snapshot, Error> {
    // The journals first: where the server lives, what they say is then not ahead of the database.
    let mut journals = Vec::new();
    for (endpoint, machine) in machines.iter().filter(|(id, _)| only.is_none_or(|only| only == *id)) {
        journals.push((*endpoint, journal(&lock(machine))?));
    }
    let folder = tempfile::tempdir().map_err(failed("make a folder"))?;
    let mut open = Vec::new();
    let connection = if only.is_none() {
        // A copy: whoever opens the original would do the server's recovery for it.
        for name in ["quell.db", "quell.db-wal"] {
            std::fs::copy(data.join(name), folder.path().join(name)).map_err(failed("copy the database"))?;
        }
        let log = std::fs::read(data.join("quell.db-wal")).map_err(failed("read the write-ahead log"))?;
        open = wal::uncommitted(&log);
        Connection::open(folder.path().join("quell.db"))?
    } else {
        reader(data)?
    };
    let mut snapshot = Snapshot { rows: rows(&connection)?, ..Snapshot::default() };
    for (endpoint, journal) in &journals {
        snapshot.compare(endpoint, journal, &open);
    }
    Ok(snapshot)
}

impl Snapshot {
    fn compare(&mut self, endpoint: &str, journal: &Journal, open: &[u8]) {
        let mut held: HashSet<String> = journal.held().into_iter().collect();
        for row in self.rows.iter().filter(|row| row.endpoint == endpoint) {
            held.remove(&row.id);
            let stage = journal.entry(&row.id).map(|entry| entry.stage);
            if matches!(stage, Some(Stage::Started { .. })) {
                self.begun.push(row.id.clone());
            }
            match found(row, stage, open) {
                Ok(found) => drop(found.map(|found| self.found.insert(row.id.clone(), found))),
                Err(wrong) => self.wrong.push(format!("{} {wrong}", row.id)),
            }
        }
        self.wrong.extend(held.iter().map(|id| format!("{id} is in a journal and not in the database")));
    }
}

fn found(row: &Row, stage: Option<Stage>, open: &[u8]) -> Result<Option<Found>, &'static str> {
    Ok(Some(match (row.is_open(), stage) {
        (true, Some(_)) if row.state == "queued" => return Err("is in a journal and was never handed over"),
        (true, None) if row.state == "queued" => Found::Queued,
        (true, None) if row.state == "running" => return Err("runs and is in no journal"),
        (true, None) => Found::OnTheWay,
        (true, Some(Stage::Accepted)) => Found::Accepted,
        (true, Some(Stage::Started { .. })) => Found::Running,
        (true, Some(Stage::Finished)) if names_end(open, &row.id) => Found::Uncommitted,
        (true, Some(Stage::Finished)) => Found::Kept,
        (true, Some(Stage::Acknowledged)) => return Err("is acknowledged and has not ended"),
        (false, Some(Stage::Finished)) => Found::Unacknowledged,
        (false, _) => return Ok(None),
    }))
}

/// Whether the pages hold the end of this command: the signed outcome, which names the order as a field of 36 bytes, or
/// the audit record with verb, kind and object one after the other. Neither is in a page before it has ended.
fn names_end(pages: &[u8], id: &str) -> bool {
    let holds = |text: String| pages.windows(text.len()).any(|window| window == text.as_bytes());
    holds(format!("\u{1a}\u{24}{id}")) || holds(format!("command.outcomecommand{id}"))
}

/// A copy of the agent's journal, as it is on its disk now.
pub(super) fn journal(machine: &Machine) -> Result<Journal, Error> {
    let folder = tempfile::tempdir().map_err(failed("make a folder"))?;
    let copy = folder.path().join("journal");
    std::fs::copy(machine.endpoint.path(format!("{STATE}/journal")), &copy)
        .map_err(failed("copy a journal"))?;
    // The time would only date damage.
    Ok(Journal::open(&copy, 0)?.0)
}

/// Whether any command is in this state. The connection is closed before anybody dies.
pub(super) fn any_in(data: &Path, state: &str) -> Result<bool, Error> {
    let reader = reader(data)?;
    let mut statement =
        reader.prepare("SELECT 1 FROM command WHERE state = ?1 AND ended_at IS NULL LIMIT 1")?;
    Ok(statement.exists([state])?)
}

/// A connection that cannot write, not even a checkpoint when it is closed.
pub(super) fn reader(data: &Path) -> Result<Connection, Error> {
    let reader = Connection::open_with_flags(data.join("quell.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(reader)
}

pub(super) fn rows(connection: &Connection) -> Result<Vec<Row>, Error> {
    let mut statement = connection.prepare(
        "SELECT c.id, c.task_id, c.endpoint_id, c.action, c.state, c.reason_code, c.message, t.created_at, \
         c.dispatched_at, c.started_at, c.outcome_at, c.ended_at, c.outcome FROM command c \
         JOIN task t ON t.tenant_id = c.tenant_id AND t.id = c.task_id ORDER BY c.ended_at, c.id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            task: row.get(1)?,
            endpoint: row.get(2)?,
            action: row.get(3)?,
            state: row.get(4)?,
            reason: row.get(5)?,
            message: row.get(6)?,
            times: [row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?],
            outcome: row.get(12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
