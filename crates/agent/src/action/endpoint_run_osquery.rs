//! `endpoint.run_osquery` on this endpoint: the statement or the library's query, asked of an installed osquery or of the
//! agent's own tables, its rows sent while they come.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use quell_catalog::endpoint::run_osquery::{Choice, Engine, Outcome, Params, RunOsquery};
use quell_catalog::library::Kind as LibraryKind;
use quell_catalog::rows::{Column, ColumnType};
use quell_host::osquery::{self, Installed};
use quell_host::worker::Failure;
use quell_tables::query::{self, Query};
use quell_wire::digest::hex;

use super::{Endpoint, library, thread};
use crate::rows::{Limits, Row, Writer};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::worker::Kind;
use crate::worker::tables::{self, Answer, Question};

/// Where osquery is, if not where packages put it. From the agent's own environment.
const OSQUERY: &str = "QUELL_OSQUERYI";
/// Bytes of JSON of all rows.
const MOST_BYTES: u64 = 4 << 30;
/// Warnings in the outcome.
const MOST_WARNINGS: usize = 20;

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let (asked, query_sha256) = asked(endpoint, job, &params).await?;
    let limits = Limits { rows: params.max_rows, bytes: MOST_BYTES };
    let writer = Writer::of(endpoint, job, Vec::new(), limits)?;
    let (sql, cancel) = (asked.sql, job.cancel.clone());
    let work = move |_: &_| {
        let began = Instant::now();
        let told = answered(&params, &sql, &cancel, &writer);
        (told, began.elapsed(), writer)
    };
    let count = || job.progress(0, 0, "asking");
    let (told, took, writer) = thread::run(work, |_| count()).await?;
    let mut outcome = Outcome {
        engine: Engine::Embedded,
        version: crate::VERSION.to_owned(),
        title: (!asked.title.is_empty()).then_some(asked.title),
        query_sha256,
        duration_ms: took.as_millis() as u64,
        memory_bytes: 0,
        confined: String::new(),
        troubles: 0,
        warnings: Vec::new(),
        rows: quell_catalog::rows::Rows::default(),
    };
    match told {
        Ok(told) => {
            outcome.engine = told.engine;
            outcome.version = told.version;
            outcome.memory_bytes = told.memory;
            outcome.confined = told.confined;
            outcome.troubles = told.troubles;
            outcome.warnings = told.warnings;
            outcome.warnings.truncate(MOST_WARNINGS);
            outcome.rows = writer.finish().await?;
            outcome.rows.truncated |= told.truncated;
            Ok(Ending::done(&outcome))
        }
        // What came before the end is kept: half of an answer may be what was looked for.
        Err(ending) if writer.count() > 0 && !job.cancel.is_asked() => match writer.finish().await {
            Ok(rows) => {
                outcome.rows = rows;
                outcome.rows.truncated = true;
                Ok(ending.with(&outcome))
            }
            Err(_) => Err(ending),
        },
        Err(ending) => Err(ending),
    }
}

/// The statement, with its title where it is the library's, and the digest of what was read.
async fn asked(endpoint: &Endpoint, job: &Job, params: &Params) -> Result<(Query, Option<String>), Ending> {
    if let Some(sql) = &params.sql {
        return Ok((Query { sql: sql.clone(), ..Query::default() }, None));
    }
    let named = params.query.as_deref().and_then(RunOsquery::digest);
    let body = library::fetched(endpoint, job, LibraryKind::Query, named).await?;
    let query =
        query::parse(body.text()?).map_err(|problem| body.unusable(format!("{problem} {}", problem.hint)))?;
    Ok((query, Some(hex(&body.sha256))))
}

/// How the statement was answered, but for its rows.
struct Told {
    engine: Engine,
    version: String,
    truncated: bool,
    memory: u64,
    confined: String,
    troubles: u64,
    warnings: Vec<String>,
}

fn answered(params: &Params, sql: &str, cancel: &Cancel, writer: &Writer) -> Result<Told, Ending> {
    let mut warnings = Vec::new();
    // The installed one may not have it: it would read the agent's own keys.
    let is_yara = sql.to_ascii_lowercase().contains("yara");
    if params.engine == Choice::Osquery || params.engine != Choice::Embedded && !is_yara {
        let named = std::env::var_os(OSQUERY).map(PathBuf::from);
        match osquery::find(named.as_deref()) {
            Ok(installed) => return installed_answers(&installed, params, sql, cancel, writer),
            Err(error) if params.engine == Choice::Osquery => {
                return Err(Ending::refused(
                    "osquery_missing",
                    format!("{}; choose `auto` to ask the agent's own tables", chain(&error)),
                ));
            }
            // Somebody set a place, or an old one is installed: worth knowing.
            Err(error) if named.is_some() || !error.to_string().starts_with("no osquery") => {
                warnings.push(chain(&error));
            }
            Err(_) => {}
        }
    }
    embedded_answers(params, sql, cancel, writer, warnings)
}

fn embedded_answers(
    params: &Params,
    sql: &str,
    cancel: &Cancel,
    writer: &Writer,
    mut warnings: Vec<String>,
) -> Result<Told, Ending> {
    let question = Question {
        sql: sql.to_owned(),
        rows: params.max_rows,
        time: Duration::from_secs(u64::from(params.time_limit_seconds)),
        memory: params.memory_limit_bytes,
        background: false,
    };
    let mut take = |answer| match answer {
        Answer::Columns(columns) => writer.columns_blocking(columns),
        Answer::Row(row) => writer.push_blocking(row),
    };
    let asked = tables::ask(&Kind::Tables.launcher(), &question, &|| cancel.is_asked(), &mut take);
    let (confined, done) = asked.map_err(|error| unanswered(&error))?;
    let done = done.unwrap_or_default();
    warnings.extend(confined.warnings.iter().cloned());
    warnings.extend(done.warnings);
    Ok(Told {
        engine: Engine::Embedded,
        version: crate::VERSION.to_owned(),
        truncated: done.truncated,
        memory: done.memory,
        confined: confined.to_string(),
        troubles: done.troubles,
        warnings,
    })
}

fn unanswered(error: &tables::Error) -> Ending {
    match error {
        tables::Error::Said(trouble) => {
            let hint = trouble.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = format!("{}{hint}", trouble.message);
            match trouble.code.as_str() {
                "canceled" => Ending::canceled("canceled while the tables were read"),
                code @ ("sql_invalid" | "sql_refused" | "condition_missing") => {
                    Ending::refused(code, message)
                }
                code => Ending::failed(code, message),
            }
        }
        tables::Error::Failed(Failure::Canceled) => Ending::canceled("canceled while the tables were read"),
        tables::Error::Failed(failure) => Ending::failed(failure.code(), chain(failure)),
    }
}

/// osquery prints every value as text; numbers are those of columns that our schema knows as numbers.
fn installed_answers(
    installed: &Installed,
    params: &Params,
    sql: &str,
    cancel: &Cancel,
    writer: &Writer,
) -> Result<Told, Ending> {
    let limits = osquery::Limits {
        time: Duration::from_secs(u64::from(params.time_limit_seconds)),
        memory: params.memory_limit_bytes.saturating_mul(4),
    };
    let mut columns: Option<Vec<Column>> = None;
    let mut garbled = None;
    let mut take = |line: &[u8]| {
        let row: Row = match serde_json::from_slice(line) {
            Ok(row) => row,
            Err(error) => {
                garbled = Some(error.to_string());
                return false;
            }
        };
        if columns.is_none() {
            let named: Vec<Column> = row.keys().map(|name| Column::new(name, typed(name))).collect();
            if writer.columns_blocking(named.clone()).is_break() {
                return false;
            }
            columns = Some(named);
        }
        writer.push_blocking(numbers(row)).is_continue()
    };
    let asked = osquery::ask(installed, sql, limits, &|| cancel.is_asked(), &mut take);
    if let Some(why) = garbled {
        return Err(Ending::failed("osquery_garbled", format!("a row of osquery cannot be read: {why}")));
    }
    asked.map_err(|error| match error {
        osquery::Error::Stopped => Ending::canceled("canceled while osquery was asked"),
        osquery::Error::Time(_) => Ending::failed("time_limit", chain(&error)),
        osquery::Error::Said(_) => Ending::refused("sql_invalid", chain(&error)),
        osquery::Error::Garbled(_) => Ending::failed("osquery_garbled", chain(&error)),
        osquery::Error::Missing(_) | osquery::Error::Run(_) => {
            Ending::failed("osquery_failed", chain(&error))
        }
    })?;
    Ok(Told {
        engine: Engine::Osquery,
        version: installed.version.clone(),
        truncated: false,
        memory: 0,
        confined: "not confined: the installed osquery, with limits of time and memory".to_owned(),
        troubles: 0,
        warnings: Vec::new(),
    })
}

/// What our schema says of a column of this name, where all tables that have one agree.
fn typed(name: &str) -> ColumnType {
    let mut kinds = quell_tables::schema()
        .iter()
        .flat_map(|table| table.columns)
        .filter(|column| column.name == name)
        .map(|column| column.kind != quell_tables::Kind::Text);
    let is_number = kinds.next().unwrap_or(false) && kinds.all(|number| number);
    if is_number { ColumnType::Integer } else { ColumnType::Text }
}

fn numbers(mut row: Row) -> Row {
    for (name, value) in &mut row {
        if let Some(text) = value.as_str()
            && typed(name) == ColumnType::Integer
            && let Ok(number) = text.parse::<i64>()
        {
            *value = number.into();
        }
    }
    row
}
