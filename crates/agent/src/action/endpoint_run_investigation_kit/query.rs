//! Steps that only look: SQL over the agent's tables and rules, each in a confined worker, and evidence as `endpoint.collect_evidence`
//! collects it. Begun anew where the agent died meanwhile.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quell_catalog::endpoint::run_investigation_kit::Ended;
use quell_catalog::endpoint::run_yara::Params;
use quell_evidence::Budgets;
use quell_kit::{Asked, Kit, Name, Step as Wanted};
use quell_tables::query;
use quell_wire::digest::{hex, sha256};
use serde_json::json;

use super::deploy::FOUND;
use super::found::{self, Lines, Share};
use super::{Deployment, Ran};
use crate::action::endpoint_collect_evidence as evidence;
use crate::action::endpoint_run_yara::{self as run_yara, Found};
use crate::action::thread;
use crate::rows::Row;
use crate::runner::{Ending, chain};
use crate::worker::Kind;
use crate::worker::tables::{self, Answer, Question};

/// Rows of one query; memory of the worker that answers it, bytes.
const ROWS: u64 = 1_000_000;
const MEMORY: u64 = 256 << 20;
/// Bytes of a query or of definitions.
const TEXT: u64 = 8 << 20;
/// Evidence: bytes of one file, files, and seconds of one command.
const FILE: u64 = 64 << 20;
const FILES: u64 = 20_000;
const COMMAND_SECONDS: u64 = 20;

fn unwritten(error: std::io::Error) -> Ending {
    Ending::failed("rows_not_kept", chain(&error))
}

impl Deployment<'_> {
    fn text(&self, file: &Name) -> Result<String, Ending> {
        let bytes = Kit::content(&self.payload, file, TEXT)
            .map_err(|error| Ending::failed(error.code(), error.to_string()))?;
        String::from_utf8(bytes)
            .map_err(|_| Ending::failed("kit_file_unusable", format!("{} is not UTF-8", file.as_str())))
    }

    /// Asks, a row a line.
    pub(super) async fn query(
        &self,
        wanted: &Wanted,
        asked: &Asked,
        share: &Share<'_>,
    ) -> Result<Ran, Ending> {
        let sql = match asked {
            Asked::Sql(sql) => sql.clone(),
            Asked::File(file) => {
                let text = self.text(file)?;
                query::parse(&text)
                    .map_err(|problem| Ending::failed("query_unusable", problem.to_string()))?
                    .sql
            }
        };
        let question = Question { sql, rows: ROWS, time: share.time, memory: MEMORY, background: false };
        let path = self.work.join(FOUND).join(format!("{}.jsonl", share.index));
        let (cancel, most) = (self.job.cancel.clone(), share.output);
        let name = share.name(&wanted.name, "rows.jsonl");
        let work = move |count: &AtomicU64| -> Result<Ran, Ending> {
            let began = Instant::now();
            let mut lines = Lines::create(&path, most).map_err(unwritten)?;
            let mut failed = None;
            let mut take = |answer| {
                let Answer::Row(row) = answer else { return ControlFlow::Continue(()) };
                let line = serde_json::to_vec(&row).map_err(std::io::Error::from);
                match line.and_then(|line| lines.push(&line)) {
                    Ok(true) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        ControlFlow::Continue(())
                    }
                    Ok(false) => ControlFlow::Break(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            };
            let answered = tables::ask(&Kind::Tables.launcher(), &question, &|| cancel.is_asked(), &mut take);
            if let Some(error) = failed {
                return Err(unwritten(error));
            }
            let failure = match answered {
                Ok((_, done)) => {
                    lines.truncated |= done.is_some_and(|done| done.truncated);
                    None
                }
                Err(tables::Error::Said(trouble)) => {
                    let ended = if trouble.code == "time_limit" { Ended::TimedOut } else { Ended::Failed };
                    let hint = trouble.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    Some((ended, format!("{}{hint} ({})", trouble.message, trouble.code)))
                }
                Err(tables::Error::Failed(failure)) => {
                    let ended = if failure.code() == "time_limit" { Ended::TimedOut } else { Ended::Failed };
                    Some((ended, format!("{} ({})", chain(&failure), failure.code())))
                }
            };
            let found = Some(count.load(Ordering::Relaxed));
            let files = vec![lines.finish(name).map_err(unwritten)?];
            Ok(Ran { failure, duration: began.elapsed(), found, files, ..Ran::default() })
        };
        thread::run(work, |_| share.tell(self.job)).await?
    }

    /// Applies rules to files, a match a line, as `endpoint.run_yara` tells it.
    pub(super) async fn yara(
        &self,
        wanted: &Wanted,
        file: &Name,
        paths: &[String],
        share: &Share<'_>,
    ) -> Result<Ran, Ending> {
        let rules = self.text(file)?.into_bytes();
        let asked = json!({
            "rules": "kit", "paths": paths, "time_limit_seconds": share.time.as_secs().max(1),
        });
        let params: Params = serde_json::from_value(asked)
            .map_err(|error| Ending::failed("rules_unusable", error.to_string()))?;
        let path = self.work.join(FOUND).join(format!("{}.jsonl", share.index));
        let (cancel, most) = (self.job.cancel.clone(), share.output);
        let name = share.name(&wanted.name, "matches.jsonl");
        let work = move |_: &AtomicU64| -> Result<Ran, Ending> {
            let began = Instant::now();
            let lines = RefCell::new(Lines::create(&path, most).map_err(unwritten)?);
            let failed = RefCell::new(None);
            let take = |row: Row| {
                let line = serde_json::to_vec(&row).map_err(std::io::Error::from);
                match line.and_then(|line| lines.borrow_mut().push(&line)) {
                    Ok(true) => return ControlFlow::Continue(()),
                    Ok(false) => {}
                    Err(error) => failed.replace(Some(error)).map_or((), drop),
                }
                ControlFlow::Break(())
            };
            let found = run_yara::applied(&params, rules, &take, &|| cancel.is_asked());
            if let Some(error) = failed.into_inner() {
                return Err(unwritten(error));
            }
            let (failure, matched) = match found {
                Ok(Found { ended_by: Some(limit), matched }) if limit == "time_limit" => {
                    (Some((Ended::TimedOut, "its time was up".to_owned())), Some(matched))
                }
                Ok(Found { matched, .. }) => (None, Some(matched)),
                Err(ending) => (Some((Ended::Failed, format!("{} ({})", ending.message, ending.code))), None),
            };
            let files = vec![lines.into_inner().finish(name).map_err(unwritten)?];
            Ok(Ran { failure, duration: began.elapsed(), found: matched, files, ..Ran::default() })
        };
        thread::run(work, |_| share.tell(self.job)).await?
    }

    /// Collects into an archive of its own, with a manifest of its own, that goes into the kit's.
    pub(super) async fn evidence(
        &self,
        wanted: &Wanted,
        file: Option<&Name>,
        artifacts: &[String],
        share: &Share<'_>,
    ) -> Result<Ran, Ending> {
        let text = file.map(|file| self.text(file)).transpose()?;
        let definitions = text.as_deref().unwrap_or(quell_evidence::LINUX);
        let set = quell_evidence::parse(definitions)
            .map_err(|error| Ending::failed("definitions_unusable", format!("{error} {}", error.hint)))?;
        let seconds = share.time.as_secs().max(1);
        let asked = evidence::Asked {
            budgets: Budgets {
                bytes: share.output,
                file_bytes: FILE,
                files: FILES,
                seconds,
                command_seconds: COMMAND_SECONDS.min(seconds),
            },
            names: artifacts.to_vec(),
            commands: true,
            host: evidence::host(self.endpoint),
            order_id: self.job.order_id.clone(),
            definitions_sha256: hex(&sha256(&[definitions.as_bytes()])),
        };
        evidence::known(&set, artifacts)?;
        let path = self.work.join(FOUND).join(format!("{}.zip", share.index));
        let (cancel, clock) = (self.job.cancel.clone(), self.endpoint.clock.clone());
        let (password, name) = (self.password.clone(), share.name(&wanted.name, "evidence.zip"));
        let work = move |count: &AtomicU64| -> Result<Ran, Ending> {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Ending::failed("archive_failed", chain(&error)));
                }
                _ => {}
            }
            let collected = evidence::gather(&set, asked, (&path, password), (&cancel, &clock), count)?;
            let truncated = collected.ended_by.is_some();
            Ok(Ran {
                failure: None,
                duration: Duration::from_millis(
                    u64::try_from(collected.took.as_millis()).unwrap_or(u64::MAX),
                ),
                found: Some(collected.totals.files),
                files: vec![(found::file(name, collected.archive.size, truncated), path)],
                ..Ran::default()
            })
        };
        thread::run(work, |_| share.tell(self.job)).await?
    }
}
