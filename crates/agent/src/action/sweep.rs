//! Going through what an endpoint holds, for whatever looks at it: limits, counts, pace, and files found so that nothing
//! can block or mislead.

pub(super) mod files;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use quell_catalog::endpoint::run_yara::Skipped;
use quell_host::worker::Failure;

use crate::runner::chain;

/// Workers that die are replaced so often; then what kills them is what they were given to work with.
const MOST_RESTARTS: u32 = 50;
/// Between looks at the cancel while it waits.
const NAP: Duration = Duration::from_millis(50);
/// It waits so long at most to keep within its share of the processor.
const LONGEST_NAP: Duration = Duration::from_secs(5);

/// Why a sweep ended early.
pub(super) enum Stop {
    Canceled,
    Limit(&'static str),
    Failed(&'static str, String),
}

pub(super) type Flow = ControlFlow<Stop>;

/// What a request allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Files and processes.
    pub targets: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Until it ends.
    pub time: Duration,
    /// For one file or process.
    pub per_target: Duration,
    /// Percent of one processor.
    pub percent: u8,
    /// Other file systems below a directory as well.
    pub cross_file_systems: bool,
}

/// What was used of it, and what was left out.
pub(super) struct Budget<'s> {
    pub limits: Limits,
    pub begun: Instant,
    pub busy: Duration,
    /// Files and processes that were looked at.
    pub targets: u64,
    pub bytes: u64,
    pub stop: &'s dyn Fn() -> bool,
    skipped: BTreeMap<&'static str, u64>,
    /// Paths that were named and led to nothing.
    missing: Vec<String>,
}

impl<'s> Budget<'s> {
    pub fn new(limits: Limits, stop: &'s dyn Fn() -> bool) -> Self {
        let (begun, busy) = (Instant::now(), Duration::ZERO);
        Self {
            limits,
            begun,
            busy,
            targets: 0,
            bytes: 0,
            stop,
            skipped: BTreeMap::new(),
            missing: Vec::new(),
        }
    }

    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    pub fn skipped(&self) -> Vec<Skipped> {
        let all = self.skipped.iter();
        all.map(|(reason, count)| Skipped { reason: (*reason).to_owned(), count: *count }).collect()
    }

    /// How much was left out until now.
    pub fn left_out(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// A path without any pattern led to nothing.
    pub fn missing(&mut self, path: &str) {
        self.skip("not_found");
        self.missing.push(path.to_owned());
    }

    /// Where nothing was looked at: that a path which was named is not there.
    pub fn not_found(&self) -> Option<String> {
        let first = self.missing.first().filter(|_| self.targets == 0)?;
        let more = match self.missing.len() - 1 {
            0 => String::new(),
            more => format!(", nor at {more} more of the paths that were named"),
        };
        Some(format!("nothing is at {first}{more}, and nothing else was looked at; check the path"))
    }

    /// Asked before each target of so many bytes.
    pub fn admit(&self, bytes: u64) -> Flow {
        if (self.stop)() {
            return ControlFlow::Break(Stop::Canceled);
        }
        let limit = if self.left().is_zero() {
            "time_limit"
        } else if self.targets >= self.limits.targets {
            "max_files"
        } else if self.bytes.saturating_add(bytes) > self.limits.bytes {
            "max_bytes"
        } else {
            return ControlFlow::Continue(());
        };
        ControlFlow::Break(Stop::Limit(limit))
    }

    fn left(&self) -> Duration {
        self.limits.time.saturating_sub(self.begun.elapsed())
    }

    /// What one look may take.
    pub fn per_target(&self) -> Duration {
        self.limits.per_target.min(self.left())
    }

    /// Why no more rows are taken.
    pub fn no_rows(&self) -> Stop {
        if (self.stop)() { Stop::Canceled } else { Stop::Limit("max_rows") }
    }

    /// A worker is gone. What it read last is left out, unless the fault lies elsewhere.
    pub fn failed(&mut self, failure: &Failure, restarts: u32) -> Flow {
        let code = failure.code();
        match failure {
            Failure::Canceled => return ControlFlow::Break(Stop::Canceled),
            Failure::Time { .. } => self.skip("target_time_limit"),
            Failure::Crashed { .. } | Failure::Memory { .. } | Failure::Garbled(_) => self.skip(code),
            Failure::Start(_) | Failure::Unconfined(_) | Failure::Line(_) => {
                return ControlFlow::Break(Stop::Failed(code, chain(failure)));
            }
        }
        if restarts < MOST_RESTARTS {
            return ControlFlow::Continue(());
        }
        let message = format!("{MOST_RESTARTS} workers died, the last: {}", chain(failure));
        ControlFlow::Break(Stop::Failed(code, message))
    }

    /// Waits so that work that took so long stays within its share of the processor.
    pub fn rest(&mut self, took: Duration) -> Flow {
        self.busy += took;
        let percent = u32::from(self.limits.percent.clamp(1, 100));
        let until = Instant::now() + (took * (100 - percent) / percent).min(LONGEST_NAP);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            if (self.stop)() {
                return ControlFlow::Break(Stop::Canceled);
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}
