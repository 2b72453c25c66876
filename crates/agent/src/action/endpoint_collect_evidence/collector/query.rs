//! Sources that are rows of this machine's tables, asked of a confined worker: a list, one line each.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use quell_evidence::{FileRow, Step as Wanted};
use quell_wire::digest::hex;

use super::{Collector, Stop};
use crate::runner::chain;
use crate::worker::Kind;
use crate::worker::tables::{self, Answer, Question};

/// Rows of one query.
const ROWS: u64 = 200_000;
/// Memory of the worker. Bytes.
const MEMORY: u64 = 256 << 20;

impl Collector<'_> {
    /// `false` where the tables gave no whole answer; what they gave is kept, and the reason is named.
    pub(super) fn query(&mut self, step: &Wanted<'_>, sql: &str, by: &str) -> Result<bool, Stop> {
        let left = self.asked.budgets.bytes.saturating_sub(self.totals.bytes);
        if left == 0 {
            self.ended_by.get_or_insert("bytes");
            self.miss(step, "budget_bytes", "");
            return Ok(false);
        }
        self.lists += 1;
        let entry = self.names.own("queries", self.lists, &step.definition.name, "jsonl");
        let seconds = self.asked.budgets.seconds.saturating_sub(self.began.elapsed().as_secs());
        let time = Duration::from_secs(self.asked.budgets.command_seconds.min(seconds.max(1)));
        let question = Question { sql: sql.to_owned(), rows: ROWS, time, memory: MEMORY, background: true };
        let (total, watch) = (self.totals.bytes, RefCell::new(&mut self.watch));
        let stop = || watch.borrow_mut()(total).is_break();
        let (mut lines, mut room) = (0u64, left);
        let ((answered, is_cut), written) = self
            .bundle
            .write(&entry, self.clock.now_us() / 1_000_000, |out| {
                let (mut failed, mut is_cut) = (None, false);
                let mut take = |answer| {
                    let Answer::Row(row) = answer else { return ControlFlow::Continue(()) };
                    let line = serde_json::to_vec(&row).map_err(io::Error::from).and_then(|mut line| {
                        line.push(b'\n');
                        is_cut = line.len() as u64 > room;
                        if !is_cut {
                            room -= line.len() as u64;
                            lines += 1;
                            out.write_all(&line)?;
                        }
                        Ok(())
                    });
                    failed = line.err();
                    if failed.is_some() || is_cut {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                let answered = tables::ask(&Kind::Tables.launcher(), &question, &stop, &mut take);
                failed.map_or(Ok((answered, is_cut)), Err)
            })
            .map_err(Stop::from)?;
        let why = match answered {
            Ok((_, done)) => Ok(is_cut || done.is_some_and(|done| done.truncated)),
            Err(_) if stop() => return Err(Stop::Asked { at: total }),
            Err(error) => Err(chain(&error)),
        };
        self.totals.bytes += written.size;
        self.rows.push(&FileRow {
            entry: Some(entry),
            path: format!("{lines} rows by {by}"),
            asked_by: by.to_owned(),
            size: written.size,
            sha256: Some(hex(&written.sha256)),
            truncated: *why.as_ref().unwrap_or(&true),
            reason: why.is_err().then(|| "query_failed".to_owned()),
            ..FileRow::default()
        })?;
        match why {
            Ok(_) => Ok(true),
            Err(message) => {
                self.miss(step, "query_failed", &message);
                Ok(false)
            }
        }
    }
}
