//! What the library takes: each kind has a check of its own, run when a body is added, on a thread of its own and within
//! bounds of size and time. A fault is told with its line and column.

pub(crate) mod built_in;
pub(crate) mod kit;
mod script;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quell_catalog::blocklist::Unfit;
use quell_catalog::blocklist::import::{self, Imported};
use quell_catalog::library::Kind;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

/// A check that takes longer refuses the body.
const TIME: Duration = Duration::from_secs(20);
/// For compiling rules, within `TIME`.
const COMPILE: Duration = Duration::from_secs(15);
/// Faults that are told of one body.
const TOLD: usize = 20;

/// What whoever adds a body says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// What runs a script.
    pub interpreter: Option<String>,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From 1; 0 where it is about the whole.
    pub line: u32,
    /// From 1, in characters; 0 where it is about the line.
    pub column: u32,
    /// What.
    pub problem: String,
}

/// Bodies that are checked at once.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(2)));
/// Whoever waits for a place is told so after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// A place among the few checks that run at once. It goes along with the work: who leaves does not let the next one in
/// while the work goes on.
pub(crate) async fn place_to_work() -> Result<OwnedSemaphorePermit, Problem> {
    match tokio::time::timeout(PATIENCE, Arc::clone(&PLACES).acquire_owned()).await {
        Ok(place) => place.map_err(|error| Problem::internal(&error)),
        Err(_) => Err(Problem::new(Code::TooManyRequests, "other files are being checked")
            .hint("Try again when they are done.")
            .retry_after(5)),
    }
}

/// Reads a file of indicators on a thread of its own, which stops when its time is over.
pub(crate) async fn read_indicators(body: Bytes) -> Result<Imported, Problem> {
    let place = place_to_work().await?;
    let read = tokio::task::spawn_blocking(move || {
        let _place = place;
        until_late(&body)
    });
    let read = read.await.map_err(|error| Problem::internal(&error))?;
    read.map_err(|unfit| Problem::bad_field("body", unfit.0))
}

fn until_late(body: &[u8]) -> Result<Imported, Unfit> {
    let began = Instant::now();
    import::read_while(body, &|| began.elapsed() < TIME)
}

/// Checks a body of this kind; what is known of it then.
pub(crate) async fn checked(kind: Kind, said: &Said, body: Bytes) -> Result<Value, Problem> {
    let runs = script::interpreter(kind, said)?;
    if body.is_empty() || body.len() as u64 > kind.most_bytes() {
        let most = kind.most_bytes() >> 20;
        return Err(Problem::bad_field("body", format!("must have 1 byte to {most} MiB")));
    }
    let place = place_to_work().await?;
    let check = tokio::task::spawn_blocking(move || {
        let _place = place;
        look(kind, &body)
    });
    let found = tokio::time::timeout(TIME, check)
        .await
        .map_err(|_| Problem::bad_field("body", format!("was not checked within {} s", TIME.as_secs())))?
        .map_err(|error| Problem::internal(&error))?;
    match found {
        Ok(mut facts) => {
            if let (Some(facts), Some(runs)) = (facts.as_object_mut(), runs) {
                facts.insert("interpreter".to_owned(), runs.as_str().into());
            }
            Ok(facts)
        }
        Err(faults) => Err(refused(&faults)),
    }
}

fn refused(faults: &[Fault]) -> Problem {
    let place = |fault: &Fault| match (fault.line, fault.column) {
        (0, _) => String::new(),
        (line, 0) => format!("line {line}: "),
        (line, column) => format!("line {line}, column {column}: "),
    };
    let first = faults.first().map(|fault| format!("{}{}", place(fault), fault.problem)).unwrap_or_default();
    let more = if faults.len() > 1 { format!(" (and {} more)", faults.len() - 1) } else { String::new() };
    faults
        .iter()
        .take(TOLD)
        .fold(Problem::new(Code::InvalidField, format!("body: {first}{more}")), |problem, fault| {
            problem.field_at("body", (fault.line, fault.column), fault.problem.clone())
        })
}

fn look(kind: Kind, body: &[u8]) -> Result<Value, Vec<Fault>> {
    if kind == Kind::Kit {
        return kit::look(body);
    }
    let text = text(body).map_err(|fault| vec![fault])?;
    match kind {
        Kind::Evidence => evidence(text),
        Kind::Indicators => indicators(body),
        Kind::Query => query(text),
        Kind::Yara => yara(text),
        Kind::Sigma => crate::protection::rules::check_behaviour(text),
        Kind::Script | Kind::Kit => Ok(json!({})),
    }
}

/// Rules are compiled, within limits of size, depth and time, and judged: what would be slow everywhere is refused.
fn yara(text: &str) -> Result<Value, Vec<Fault>> {
    match quell_yara::compile_within(text, quell_yara::Limits::strict(), COMPILE) {
        Ok(rules) => Ok(json!({ "rules": rules.count() })),
        Err(error) => {
            let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            let problem = format!("{}{hint}", error.message);
            Err(vec![Fault { line: error.line, column: error.column, problem }])
        }
    }
}

/// A list of indicators is taken when something in it is understood. How much is not, stands beside it: feeds hold kinds of
/// indicators that no list can hold.
fn indicators(body: &[u8]) -> Result<Value, Vec<Fault>> {
    let whole = |unfit: Unfit| vec![Fault { line: 0, column: 0, problem: unfit.0 }];
    let read = until_late(body).map_err(whole)?;
    read.too_long().map_or(Ok(()), |unfit| Err(whole(unfit)))?;
    if !read.entries.is_empty() {
        let mut facts = json!({ "objects": read.entries.len() });
        if read.problem_count > 0 {
            facts["not understood"] = json!(read.problem_count);
        }
        return Ok(facts);
    }
    if read.problems.is_empty() {
        return Err(vec![Fault {
            line: 0,
            column: 0,
            problem: "names nothing that can be listed".to_owned(),
        }]);
    }
    let fault = |problem: import::Problem| Fault {
        line: u32::try_from(problem.line).unwrap_or(u32::MAX),
        column: 0,
        problem: problem.problem,
    };
    Err(read.problems.into_iter().map(fault).collect())
}

/// Definitions of evidence: how many there are, and what of them was passed over.
fn evidence(text: &str) -> Result<Value, Vec<Fault>> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let set = quell_evidence::parse(text).map_err(|error| {
        let problem = format!("{} {}", error.message, error.hint).trim_end().to_owned();
        vec![Fault { line: number(error.line), column: number(error.column), problem }]
    })?;
    let mut facts = json!({ "definitions": set.definitions().len() });
    if !set.warnings.is_empty() {
        facts["warnings"] = json!(set.warnings);
    }
    Ok(facts)
}

/// A query: what it is for, and that it is one statement.
fn query(text: &str) -> Result<Value, Vec<Fault>> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let query = quell_tables::query::parse(text).map_err(|problem| {
        let words = format!("{} {}", problem.message, problem.hint).trim_end().to_owned();
        vec![Fault { line: number(problem.line), column: number(problem.column), problem: words }]
    })?;
    Ok(json!({ "title": query.title, "attack": query.attack, "platform": query.platform }))
}

/// The body as text: UTF-8 without NUL.
fn text(body: &[u8]) -> Result<&str, Fault> {
    let text =
        std::str::from_utf8(body).map_err(|error| place(body, error.valid_up_to(), "is not UTF-8 here"))?;
    match text.find('\0') {
        Some(at) => Err(place(body, at, "contains NUL")),
        None => Ok(text),
    }
}

fn place(body: &[u8], at: usize, problem: &str) -> Fault {
    let before = &body[..at.min(body.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Fault { line: number(line), column: number(column), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_few_bodies_are_checked_at_once() {
        let body = || Bytes::from_static(b"192.0.2.1\n");
        let all = PLACES.available_permits() as u32;
        let held = Arc::clone(&PLACES).acquire_many_owned(all).await.unwrap();
        let said = Said::default();
        let refused =
            tokio::join!(read_indicators(body()), async { checked(Kind::Indicators, &said, body()).await });
        let refused = [refused.0.map(drop).unwrap_err(), refused.1.map(drop).unwrap_err()];
        assert!(refused.iter().all(|problem| format!("{problem:?}").contains("other files")), "{refused:?}");
        drop(held);
        assert_eq!(read_indicators(body()).await.unwrap().entries.len(), 1);
        assert_eq!(checked(Kind::Indicators, &said, body()).await.unwrap()["objects"], 1);
    }

    #[test]
    fn a_fault_names_its_place() {
        let fault = text(b"one\ntwo \xff").err();
        assert_eq!(fault.map(|fault| (fault.line, fault.column)), Some((2, 5)));
        assert_eq!(text("ä\0".as_bytes()).err().map(|fault| (fault.line, fault.column)), Some((1, 2)));
        assert!(text(b"plain\n").is_ok());
    }
}
