//! Threads that own the connections: one that groups commits, and a pool that reads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, Tx,
    tx::{Connection, Control},
};

/// Most closures that share one commit: enough to spread a flush thin, few enough to keep the wait short.
const GROUP: usize = 512;

/// A closure on its way to a connection, and the way back for its answer.
pub(crate) trait Job: Send {
    /// Runs the closure, from the beginning each time.
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Answers the one who waits: with the result of the last run, or with why it was lost.
    fn answer(self: Box<Self>, lost: Option<Error>);
}

/// What a run left in the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// What it did is to be kept.
    Keep,
    /// It failed before it changed anything.
    Clean,
    /// It failed, and what it did must be rolled back.
    Dirty,
}

/// Opens a connection, again after one was lost.
pub(crate) type Opener = Arc<dyn Fn() -> Result<Box<dyn Connection>, Error> + Send + Sync>;
/// Where several threads of a pool take their jobs.
pub(crate) type Queue = Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>;

struct Call<F, T, E> {
    closure: F,
    result: Option<Result<T, E>>,
    back: oneshot::Sender<Result<T, E>>,
}

/// Wraps a closure into a job.
pub(crate) fn job<F, T, E>(closure: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (back, answer) = oneshot::channel();
    (Box::new(Call { closure, result: None, back }), answer)
}

impl<F, T, E> Job for Call<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        let result = catch_unwind(AssertUnwindSafe(|| (self.closure)(tx)))
            .unwrap_or_else(|_| Err(Error::Panicked.into()));
        // A closure that swallowed a failed statement must not believe that the rest was kept.
        let (result, left) = match (result, tx.spoiled.take()) {
            (Ok(_), Some(error)) => (Err(error.into()), Ran::Dirty),
            (Ok(done), None) => (Ok(done), Ran::Keep),
            (Err(error), None) if !tx.changed => (Err(error), Ran::Clean),
            (Err(error), _) => (Err(error), Ran::Dirty),
        };
        self.result = Some(result);
        left
    }

    fn answer(self: Box<Self>, lost: Option<Error>) {
        let result = match (self.result, lost) {
            // Its own error says more than that the group was lost with it.
            (Some(Err(own)), _) => Err(own),
            (_, Some(lost)) => Err(lost.into()),
            (Some(result), None) => result,
            (None, None) => Err(Error::Panicked.into()),
        };
        // The caller may have gone away; what was committed stays committed.
        let _ = self.back.send(result);
    }
}

/// Serves writes: takes everything that waits, runs each closure, commits once, answers each.
pub(crate) fn write_loop(queue: &Queue, open: &Opener, first: Option<Box<dyn Connection>>) {
    let mut connection = first;
    while let Some(group) = take(queue, GROUP) {
        match usable(&mut connection, open) {
            Ok(connection) => write_group(connection, group),
            Err(error) => answer_all(group, &error),
        }
    }
}

/// Serves reads, one closure a transaction.
pub(crate) fn read_loop(queue: &Queue, open: &Opener) {
    let mut connection = None;
    while let Some(group) = take(queue, 1) {
        match usable(&mut connection, open) {
            Ok(connection) => group.into_iter().for_each(|job| read_one(connection, job)),
            Err(error) => answer_all(group, &error),
        }
    }
}

fn take(queue: &Queue, most: usize) -> Option<Vec<Box<dyn Job>>> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let mut group = vec![queue.blocking_recv()?];
    while group.len() < most {
        match queue.try_recv() {
            Ok(job) => group.push(job),
            Err(_) => break,
        }
    }
    Some(group)
}

fn usable<'c>(
    connection: &'c mut Option<Box<dyn Connection>>,
    open: &Opener,
) -> Result<&'c mut dyn Connection, Error> {
    if connection.as_ref().is_some_and(|connection| connection.is_lost()) {
        *connection = None;
    }
    match connection {
        Some(connection) => Ok(connection.as_mut()),
        None => Ok(connection.insert(open()?).as_mut()),
    }
}

fn answer_all(jobs: Vec<Box<dyn Job>>, error: &Error) {
    for job in jobs {
        job.answer(Some(error.again()));
    }
}

/// Runs a group in one transaction. Savepoints cost a copy of every page that is touched, and few closures fail
/// after they changed something: only a group in which one did is rolled back and run again with them.
fn write_group(connection: &mut dyn Connection, group: Vec<Box<dyn Job>>) {
    if let Some(group) = together(connection, group) {
        apart(connection, group);
    }
}

/// Runs a group without savepoints. Answers it, or gives it back, rolled back, when one failed in a way that
/// would spoil the others.
fn together(connection: &mut dyn Connection, mut group: Vec<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    if let Err(error) = connection.control(Control::BeginWrite) {
        answer_all(group, &error);
        return None;
    }
    let alone = group.len() == 1;
    let mut kept = 0;
    for job in &mut group {
        let left = job.run(&mut Tx::new(connection));
        kept += usize::from(left == Ran::Keep);
        let is_spoiled = left == Ran::Dirty || !connection.in_transaction();
        if is_spoiled && !alone {
            if connection.in_transaction() && connection.control(Control::Rollback).is_err() {
                tracing::warn!("a transaction could not be rolled back");
            }
            return Some(group);
        }
    }
    let lost = (alone && kept > 0 && !connection.in_transaction()).then(thrown_away);
    finish(connection, group, lost, kept);
    None
}

/// Runs a group with a savepoint around each closure, so that each fails alone.
fn apart(connection: &mut dyn Connection, group: Vec<Box<dyn Job>>) {
    let mut waiting = group.into_iter().peekable();
    while waiting.peek().is_some() {
        if let Err(error) = connection.control(Control::BeginWrite) {
            return answer_all(waiting.collect(), &error);
        }
        let mut done: Vec<Box<dyn Job>> = Vec::with_capacity(waiting.len());
        let mut lost = None;
        let mut kept = 0;
        for mut job in waiting.by_ref() {
            match run_one(connection, job.as_mut()) {
                Ok(keep) => kept += usize::from(keep),
                Err(error) => lost = Some(error),
            }
            done.push(job);
            // A full disk, for one, makes SQLite throw the whole transaction away. Those who come after
            // begin another; those who came before must not be told that they were written.
            if lost.is_none() && !connection.in_transaction() {
                lost = Some(thrown_away());
            }
            if lost.is_some() {
                break;
            }
        }
        finish(connection, done, lost, kept);
    }
}

fn thrown_away() -> Error {
    Error::Unavailable("the transaction was thrown away".to_owned())
}

/// Runs one closure; an error means that the transaction as a whole is lost.
fn run_one(connection: &mut dyn Connection, job: &mut dyn Job) -> Result<bool, Error> {
    connection.control(Control::Savepoint)?;
    let keep = job.run(&mut Tx::new(connection)) == Ran::Keep;
    if !connection.in_transaction() {
        return Ok(false);
    }
    if !keep {
        connection.control(Control::RollbackToSavepoint)?;
    }
    connection.control(Control::Release)?;
    Ok(keep)
}

fn finish(connection: &mut dyn Connection, done: Vec<Box<dyn Job>>, lost: Option<Error>, kept: usize) {
    let lost = match lost {
        Some(error) => Some(error),
        None if kept > 0 => connection.control(Control::Commit).err().map(|error| match error {
            Error::Unavailable(text) => Error::CommitUnknown(text),
            other => other,
        }),
        None => None,
    };
    if connection.in_transaction() {
        // Whatever failed, the connection must not keep the transaction open; its error was told already.
        let _ = connection.control(Control::Rollback);
    }
    for job in done {
        job.answer(lost.as_ref().map(Error::again));
    }
}

fn read_one(connection: &mut dyn Connection, mut job: Box<dyn Job>) {
    if let Err(error) = connection.control(Control::BeginRead) {
        return job.answer(Some(error));
    }
    let _ = job.run(&mut Tx::new(connection));
    let ended = connection.control(Control::Rollback);
    if ended.is_err() {
        tracing::debug!("a read transaction could not be ended");
    }
    job.answer(None);
}
