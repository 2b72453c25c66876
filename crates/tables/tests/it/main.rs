//! The tables as a whole: each is read, what they say is compared with what other programs say, and statements that want to
//! do harm end as errors.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod hostile;
mod oracle;
mod own;
mod pack;
mod rpm;
mod sweep;

use std::ops::ControlFlow;
use std::time::Duration;

use quell_tables::{Env, Error, Limits, Session, Summary, Taken, Value};

pub(crate) const LIMITS: Limits = Limits { rows: 1_000_000, time: Duration::from_secs(30), heap: None };

pub(crate) struct Answer {
    columns: Vec<(String, quell_tables::Kind)>,
    rows: Vec<Vec<Value>>,
    summary: Summary,
}

pub(crate) fn try_ask(session: &Session, sql: &str) -> Result<Answer, Error> {
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    let summary = session.query(sql, &mut |taken| {
        match taken {
            Taken::Columns(named) => columns = named.to_vec(),
            Taken::Row(row) => rows.push(row),
        }
        ControlFlow::Continue(())
    })?;
    Ok(Answer { columns, rows, summary })
}

pub(crate) fn session() -> Session {
    Session::open(Env::default(), LIMITS).unwrap()
}

pub(crate) fn ask(sql: &str) -> Answer {
    try_ask(&session(), sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// Each row as one line of text.
pub(crate) fn lines(sql: &str) -> Vec<String> {
    ask(sql).rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{bytes:02x?}"),
    }
}
