//! What both kinds of targets share: the scanner, the limits, the rows, the counts.

use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quell_catalog::endpoint::run_yara::Params;
use quell_host::file::Opened;
use quell_host::worker::Failure;
use quell_wire::digest::hex;
use quell_yara::{Found, MetaValue, RuleMatch, Scan, ScanLimits};
use serde_json::{Map, Value};

use super::super::sweep::files::{Visit, is_unchanged};
use super::super::sweep::{Budget, Flow, Limits};
use crate::rows::Row;
use crate::runner::Job;
use crate::worker::yara::{Look, Scanner};

/// Matches of strings told of one file or process.
const MATCHES: u32 = 10_000;
/// Bytes shown of one match.
const DATA: usize = 64;

/// What is told while it runs.
#[derive(Debug, Default)]
pub(super) struct Told {
    targets: AtomicU64,
    bytes: AtomicU64,
    matched: AtomicU64,
}

impl Told {
    pub fn tell(&self, job: &Job) {
        let at = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let note = format!(
            "{} looked at, {} MB, {} matched",
            at(&self.targets),
            at(&self.bytes) / 1_000_000,
            at(&self.matched)
        );
        job.progress(at(&self.targets), 0, &note);
    }
}

/// One target, as rows name it.
pub(super) struct Target<'t> {
    pub path: Option<&'t Path>,
    pub process: Option<(u32, u64, &'t str)>,
}

/// Takes a row; `Break` where no more are wanted.
pub(super) type Take<'s> = &'s dyn Fn(Row) -> ControlFlow<()>;

pub(super) struct Sweep<'s> {
    pub params: &'s Params,
    pub scanner: Scanner,
    pub budget: Budget<'s>,
    pub files: u64,
    pub processes: u64,
    pub unreadable: u64,
    pub untouched: u64,
    pub matched: u64,
    take: Take<'s>,
    told: &'s Told,
}

impl<'s> Visit<'s> for Sweep<'s> {
    fn budget(&mut self) -> &mut Budget<'s> {
        &mut self.budget
    }

    fn file(&mut self, path: &Path, opened: &Opened) -> Flow {
        let (limits, stop, begun) = (self.limits(), self.budget.stop, Instant::now());
        let name = path.to_string_lossy();
        let look = self.scanner.file(opened.as_fd(), &name, self.params.max_file_bytes, limits, stop);
        if !is_unchanged(opened) {
            // It was looked at, but as what it was on the way.
            self.budget.skip("changed_while_read");
        }
        self.looked(&Target { path: Some(path), process: None }, begun, look)
    }
}

impl<'s> Sweep<'s> {
    pub fn new(
        params: &'s Params,
        scanner: Scanner,
        take: Take<'s>,
        stop: &'s dyn Fn() -> bool,
        told: &'s Told,
    ) -> Self {
        let limits = Limits {
            targets: params.max_files,
            bytes: params.max_bytes,
            file_bytes: params.max_file_bytes,
            time: Duration::from_secs(u64::from(params.time_limit_seconds)),
            per_target: Duration::from_secs(u64::from(params.seconds_per_target)),
            percent: params.cpu_percent,
            cross_file_systems: params.cross_file_systems,
        };
        let budget = Budget::new(limits, stop);
        let (files, processes, unreadable, untouched, matched) = (0, 0, 0, 0, 0);
        Self { params, scanner, budget, files, processes, unreadable, untouched, matched, take, told }
    }

    pub fn so_far(&self) -> String {
        format!(
            "canceled after {} files and {} processes; {} matched",
            self.files, self.processes, self.matched
        )
    }

    pub fn limits(&self) -> ScanLimits {
        ScanLimits {
            time: self.budget.per_target(),
            per_string: self.params.max_matches,
            in_all: MATCHES,
            data: DATA,
            strings: self.params.strings,
        }
    }

    /// Takes what became of one look that began at `begun`.
    pub fn looked(&mut self, target: &Target<'_>, begun: Instant, look: Result<Look, Failure>) -> Flow {
        let took = begun.elapsed();
        match look {
            Ok(Look::Found(scan)) => self.found(target, scan)?,
            Ok(Look::Unreadable) => self.budget.skip("unreadable"),
            Err(failure) => self.budget.failed(&failure, self.scanner.restarts())?,
        }
        self.told.targets.fetch_add(1, Ordering::Relaxed);
        self.told.bytes.store(self.budget.bytes, Ordering::Relaxed);
        self.told.matched.store(self.matched, Ordering::Relaxed);
        self.budget.rest(took)
    }

    fn found(&mut self, target: &Target<'_>, scan: Scan) -> Flow {
        match target.process {
            Some(_) => self.processes += 1,
            None => self.files += 1,
        }
        self.budget.targets += 1;
        self.budget.bytes += scan.bytes;
        self.unreadable += scan.unreadable;
        if scan.stopped.is_some() {
            self.budget.skip("target_time_limit");
        }
        if scan.truncated {
            self.budget.skip("target_match_limit");
        }
        self.matched += u64::from(!scan.matches.is_empty());
        for rule in &scan.matches {
            if rule.strings.is_empty() {
                self.push(row(target, rule, None))?;
            }
            for string in &rule.strings {
                self.push(row(target, rule, Some(string)))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn push(&self, row: Row) -> Flow {
        if (self.take)(row).is_continue() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(self.budget.no_rows())
    }
}

fn row(target: &Target<'_>, rule: &RuleMatch, string: Option<&Found>) -> Row {
    let mut row: Row = Map::new();
    let mut put = |name: &str, value: Value| drop(row.insert(name.to_owned(), value));
    put("rule", Value::from(rule.rule.as_str()));
    put("namespace", Value::from(rule.namespace.as_str()));
    put("tags", Value::from(rule.tags.join(" ")));
    put("meta", Value::from(meta(&rule.meta)));
    if let Some(path) = target.path {
        put("path", Value::from(path.to_string_lossy()));
        if path.to_str().is_none() {
            put("path_hex", Value::from(hex(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))));
        }
    }
    if let Some((pid, start_time, name)) = target.process {
        put("pid", Value::from(pid));
        put("start_time", Value::from(start_time));
        put("process", Value::from(name));
    }
    if let Some(string) = string {
        put("string", Value::from(format!("${}", string.id)));
        put("offset", Value::from(string.offset));
        put("length", Value::from(string.length));
        put("data", Value::from(hex(&string.data)));
        put("xor", string.xor.map_or(Value::Null, Value::from));
    }
    row
}

/// The meta section as JSON, names in their order; a name that stands twice is told once.
fn meta(meta: &[(String, MetaValue)]) -> String {
    let value = |value: &MetaValue| match value {
        MetaValue::Boolean(value) => Value::from(*value),
        MetaValue::Integer(number) => Value::from(*number),
        MetaValue::Text(text) => Value::from(text.as_str()),
    };
    let map: Map<String, Value> = meta.iter().map(|(name, held)| (name.clone(), value(held))).collect();
    if map.is_empty() { String::new() } else { Value::Object(map).to_string() }
}
