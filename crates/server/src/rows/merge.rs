//! The rows of a task: those of all its commands, in the order of its targets, each from the parts that its agent sent or,
//! where it sent none, from its outcome.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use quell_access::Reach;
use quell_catalog::rows::{Column, ColumnType, MOST_COLUMNS, SHOWN_BYTES};
use quell_engine::CommandState;
use quell_store::artifact::{self, Artifact};
use quell_store::{ArtifactStore, Error, Store, Tx, command, endpoint};
use quell_wire::artifact::ROWS_PART;
use quell_wire::digest::hex;
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::outcome::rows_of;
use super::{Row, part, weight, words};

/// Requests that unpack parts at a time; others wait.
static TURNS: Semaphore = Semaphore::const_new(4);
/// Commands that are read at a time, at most: each may have an outcome of half a MiB.
const STEP: i64 = 16;
/// Commands that one request looks at.
const COMMANDS: usize = 2_000;
/// Parts that one request opens.
const PARTS: usize = 200;
/// Bytes that one request unpacks.
const UNPACKED: u64 = 256 << 20;
/// Bytes of rows of one page, about: what comes after them is on the next one. Outcomes are read as long as they show less.
const BYTES: usize = 8 << 20;
/// Time that one request reads for.
const TIME: Duration = Duration::from_secs(8);

/// Said of commands whose parts may not be opened.
const BEYOND: &str = "only what the outcome shows: its files need artifact.download over this endpoint";

/// Where reading goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The command's place among the targets.
    pub leaf: u32,
    /// Which of its sources.
    pub part: u32,
    /// Which line of it.
    pub line: u64,
}

/// Which rows.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Endpoints whose parts may be opened: they are files of theirs. Of others there is what outcomes show.
    pub reach: Reach,
    /// Of this command alone.
    pub command: Option<Uuid>,
    /// With this in any of their values, lower case.
    pub text: Option<String>,
    /// With this value in this column, lower case.
    pub column: Option<(String, String)>,
}

/// A row, and where it comes from.
#[derive(Debug)]
pub(crate) struct Found {
    pub command: Uuid,
    pub endpoint: Uuid,
    pub endpoint_name: String,
    pub part: u32,
    pub line: u64,
    pub row: Row,
}

/// What is known of the rows of a command that was looked at.
#[derive(Debug)]
pub(crate) struct Source {
    pub command: Uuid,
    pub endpoint: Uuid,
    pub endpoint_name: String,
    pub state: String,
    pub count: Option<u64>,
    pub is_complete: bool,
    pub is_truncated: bool,
    pub fault: Option<String>,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub columns: Vec<Column>,
    pub rows: Vec<Found>,
    pub sources: Vec<Source>,
    /// Some of the rows stand in files of endpoints.
    pub is_of_files: bool,
    pub next: Option<Position>,
}

/// Where the rows of one command are.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few at a time, and most are the large one")]
enum Place {
    /// In the outcome.
    Shown(Vec<Row>),
    /// In a part.
    Part(Artifact),
}

impl Place {
    /// Bytes that it takes before it is opened, about.
    fn weight(&self) -> usize {
        match self {
            Self::Shown(rows) => rows.iter().map(weight).sum(),
            Self::Part(_) => 0,
        }
    }
}

#[derive(Debug)]
struct Loaded {
    leaf: u32,
    source: Source,
    columns: Option<Vec<Column>>,
    places: Vec<Place>,
}

/// Reads rows from a position on, at most `limit`, with bounded work: a page may hold fewer and still be followed.
pub(crate) async fn page(
    store: &Store,
    files: &ArtifactStore,
    (tenant, task): (Uuid, Uuid),
    wanted: &Wanted,
    from: Position,
    limit: usize,
) -> Result<Merged, Error> {
    let began = Instant::now();
    let mut merged = Merged::default();
    let (mut at, mut looked, mut opened, mut unpacked, mut bytes) = (from, 0, 0, 0, 0);
    loop {
        let (leaf, asked) = (at.leaf, wanted.clone());
        let loaded = store.read(move |tx| load(tx, tenant, task, leaf, &asked)).await?;
        if loaded.is_empty() {
            return Ok(merged);
        }
        for command in loaded {
            if command.leaf != at.leaf {
                at = Position { leaf: command.leaf, ..Position::default() };
            }
            looked += 1;
            let Loaded { leaf, mut source, columns, places } = command;
            for (number, place) in places.into_iter().enumerate().skip(at.part as usize) {
                let number = number as u32;
                if at.part != number {
                    at = Position { leaf, part: number, line: 0 };
                }
                let room = Room { rows: limit.saturating_sub(merged.rows.len()), bytes };
                let spent = opened >= PARTS || unpacked >= UNPACKED || began.elapsed() >= TIME;
                if room.is_none() || spent {
                    merged.add(source, columns);
                    merged.next = Some(at);
                    return Ok(merged);
                }
                opened += 1;
                let is_file = matches!(place, Place::Part(_));
                let (rows, ended) = open(files, place, at.line, wanted, room).await;
                unpacked += ended.unpacked;
                merged.is_of_files |= is_file && !rows.is_empty();
                bytes += rows.iter().map(|(_, row)| weight(row)).sum::<usize>();
                if let Some(fault) = ended.fault {
                    source.fault.get_or_insert(format!("part {number}: {fault}"));
                    source.is_complete = false;
                }
                let name = &source.endpoint_name;
                merged.rows.extend(rows.into_iter().map(|(line, row)| Found {
                    command: source.command,
                    endpoint: source.endpoint,
                    endpoint_name: name.clone(),
                    part: number,
                    line,
                    row,
                }));
                if let Some(line) = ended.next {
                    merged.add(source, columns);
                    merged.next = Some(Position { leaf, part: number, line });
                    return Ok(merged);
                }
            }
            merged.add(source, columns);
            at = Position { leaf: leaf.saturating_add(1), ..Position::default() };
            if looked >= COMMANDS {
                merged.next = Some(at);
                return Ok(merged);
            }
        }
        if wanted.command.is_some() {
            return Ok(merged);
        }
    }
}

impl Merged {
    /// Notes a command, and the columns of its rows.
    fn add(&mut self, source: Source, declared: Option<Vec<Column>>) {
        if let Some(declared) = declared {
            for column in declared {
                self.column(column);
            }
        } else {
            let mine = self.rows.iter().filter(|found| found.command == source.command);
            let seen: Vec<Column> = mine
                .flat_map(|found| found.row.iter())
                .map(|(name, value)| Column::new(name.clone(), type_of(value)))
                .collect();
            for column in seen {
                self.column(column);
            }
        }
        self.sources.push(source);
    }

    fn column(&mut self, column: Column) {
        let is_new = self.columns.iter().all(|known| known.name != column.name);
        if is_new && self.columns.len() < MOST_COLUMNS {
            self.columns.push(column);
        }
    }
}

fn type_of(value: &Value) -> ColumnType {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => ColumnType::Integer,
        Value::Number(_) => ColumnType::Real,
        _ => ColumnType::Text,
    }
}

/// A few commands from a place among the targets on, with what is known of their rows.
fn load(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, leaf: u32, wanted: &Wanted) -> Result<Vec<Loaded>, Error> {
    let commands = match wanted.command {
        None => command::of_task(tx, tenant, task, i64::from(leaf) - 1, STEP)?,
        Some(id) => {
            let found = command::get(tx, tenant, id)?;
            found.filter(|row| row.task_id == task && row.leaf_index >= i64::from(leaf)).into_iter().collect()
        }
    };
    let (mut loaded, mut bytes) = (Vec::with_capacity(commands.len()), 0);
    for row in commands {
        let command = known(tx, row, &wanted.reach)?;
        bytes += command.places.iter().map(Place::weight).sum::<usize>();
        loaded.push(command);
        if bytes >= BYTES {
            break;
        }
    }
    Ok(loaded)
}

fn known(tx: &mut Tx<'_>, row: command::Command, reach: &Reach) -> Result<Loaded, Error> {
    let (name, tags) = endpoint::get(tx, row.tenant_id, row.endpoint_id)?
        .map_or_else(Default::default, |found| (found.name, found.tags));
    let tags: Vec<String> = serde_json::from_str(&tags).unwrap_or_default();
    let may_open = reach.has(tags.iter().map(String::as_str));
    let (rows, left_out) = row.outcome.as_deref().and_then(rows_of).unzip();
    let left_out = left_out.unwrap_or(0);
    // None of its parts can be there before it was handed out.
    let parts = if row.dispatched_at.is_some() {
        artifact::rows_of_command(tx, row.tenant_id, row.task_id, row.id)?
    } else {
        Vec::new()
    };
    let has_ended = CommandState::parse(&row.state).is_some_and(CommandState::is_end);
    let mut source = Source {
        command: row.id,
        endpoint: row.endpoint_id,
        endpoint_name: name,
        state: row.state,
        count: rows.as_ref().map(|rows| rows.count),
        is_complete: has_ended && rows.is_some() && left_out == 0,
        is_truncated: rows.as_ref().is_some_and(|rows| rows.truncated),
        fault: (left_out > 0).then(|| {
            let most = SHOWN_BYTES >> 10;
            format!("{left_out} of the rows that its outcome shows are none, or beyond {most} KiB")
        }),
    };
    let leaf = u32::try_from(row.leaf_index).unwrap_or(u32::MAX);
    if !may_open && (!parts.is_empty() || rows.as_ref().is_some_and(|rows| !rows.parts.is_empty())) {
        source.fault = Some(BEYOND.to_owned());
        source.is_complete = false;
        let (columns, shown) = rows.map_or((None, None), |rows| (Some(rows.columns), Some(rows.shown)));
        return Ok(Loaded { leaf, source, columns, places: shown.map(Place::Shown).into_iter().collect() });
    }
    let Some(rows) = rows else {
        let places = parts.into_iter().filter(|part| part.state == "stored").map(Place::Part).collect();
        return Ok(Loaded { leaf, source, columns: None, places });
    };
    let (mut places, mut missing) = (Vec::new(), 0);
    for told in &rows.parts {
        let held = parts.iter().find(|part| {
            part.id.to_string() == told.artifact_id
                && hex(&part.sha256) == told.sha256
                && part.state == "stored"
        });
        match held {
            Some(part) => places.push(Place::Part(part.clone())),
            None => missing += 1,
        }
    }
    if missing > 0 {
        let words = format!("{missing} of {} parts are not kept (any more)", rows.parts.len());
        source.fault = Some(words);
        source.is_complete = false;
    }
    if places.is_empty() {
        places.push(Place::Shown(rows.shown));
    }
    Ok(Loaded { leaf, source, columns: Some(rows.columns), places })
}

/// What else a page may hold.
#[derive(Clone, Copy, Debug)]
struct Room {
    rows: usize,
    /// Bytes of rows that it holds.
    bytes: usize,
}

impl Room {
    fn is_none(&self) -> bool {
        self.rows == 0 || self.bytes >= BYTES
    }

    fn take(&mut self, row: &Row) {
        self.rows -= 1;
        self.bytes += weight(row);
    }
}

async fn open(
    files: &ArtifactStore,
    place: Place,
    from: u64,
    wanted: &Wanted,
    mut room: Room,
) -> (Vec<(u64, Row)>, part::Ended) {
    let mut rows = Vec::new();
    match place {
        Place::Shown(shown) => {
            let mut next = None;
            for (line, row) in shown.into_iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX))
            {
                if room.is_none() {
                    next = Some(line as u64);
                    break;
                }
                if fits(wanted, &row) {
                    room.take(&row);
                    rows.push((line as u64, row));
                }
            }
            (rows, part::Ended { next, ..part::Ended::default() })
        }
        Place::Part(artifact) => {
            let _turn = TURNS.acquire().await;
            let bytes = match fetch(files, &artifact).await {
                Ok(bytes) => bytes,
                Err(fault) => return (rows, part::Ended { fault: Some(fault), ..part::Ended::default() }),
            };
            let wanted = wanted.clone();
            let unpacked = tokio::task::spawn_blocking(move || {
                let ended = part::read(&bytes, from, |line, row| {
                    if fits(&wanted, &row) {
                        room.take(&row);
                        rows.push((line, row));
                    }
                    if room.is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                (rows, ended)
            });
            unpacked.await.unwrap_or_else(|_| {
                let fault = Some("it could not be read".to_owned());
                (Vec::new(), part::Ended { fault, ..part::Ended::default() })
            })
        }
    }
}

/// The bytes of a part, which are few: its kind is bounded.
async fn fetch(files: &ArtifactStore, artifact: &Artifact) -> Result<Bytes, String> {
    let absent = || "it is not kept any more".to_owned();
    let key = artifact.object_key.as_deref().ok_or_else(absent)?;
    if artifact.size as u64 > ROWS_PART {
        return Err("it is too large".to_owned());
    }
    let (_, stream) = files.read(key, None).await.map_err(|_| absent())?;
    let pieces: Vec<Bytes> = stream.try_collect().await.map_err(|_| absent())?;
    Ok(Bytes::from(pieces.concat()))
}

fn fits(wanted: &Wanted, row: &Row) -> bool {
    let is_text = wanted
        .text
        .as_ref()
        .is_none_or(|text| row.values().any(|value| words(value).to_lowercase().contains(text)));
    let is_value = wanted
        .column
        .as_ref()
        .is_none_or(|(name, value)| row.get(name).is_some_and(|found| words(found).to_lowercase() == *value));
    is_text && is_value
}
