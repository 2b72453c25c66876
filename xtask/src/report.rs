//! Steps with a heading and a time each, and the sum at the end.

use std::time::Instant;

use anyhow::Result;

/// How the tests of one or more programs ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ran and held.
    pub passed: u64,
    /// Ran and did not hold.
    pub failed: u64,
    /// Could not run here, and said why.
    pub skipped: u64,
    /// What did not hold, by name, where it has one.
    pub names: Vec<String>,
}

/// What has been done so far.
pub struct Report {
    began: Instant,
    counts: Counts,
    failures: Vec<String>,
}

impl Report {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { began: Instant::now(), counts: Counts::default(), failures: Vec::new() }
    }

    /// Does a step that either holds or does not.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        self.counted(name, || work().map(|()| Counts { passed: 1, ..Counts::default() }))
    }

    /// Does a step that counts for itself.
    pub fn counted(&mut self, name: &str, work: impl FnOnce() -> Result<Counts>) -> bool {
        let began = Instant::now();
        eprintln!("\n== {name}");
        let result = work();
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(counts) => {
                let failed = counts.failed;
                if failed > 0 {
                    self.failures.push(format!("{name}: {failed} failed"));
                    self.failures.extend(counts.names.iter().map(|test| format!("{name}: {test}")));
                }
                self.add(&counts);
                let word = if failed > 0 { "FAILED" } else { "ok" };
                eprintln!("== {name}: {word} after {seconds:.1} s");
                failed == 0
            }
            Err(error) => {
                self.counts.failed += 1;
                self.failures.push(format!("{name}: {error:#}"));
                eprintln!("== {name}: FAILED after {seconds:.1} s: {error:#}");
                false
            }
        }
    }

    /// A step that cannot be done here.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.counts.skipped += 1;
        eprintln!("\n== {name}: skipped: {why}");
    }

    /// Prints the sum. True where nothing failed.
    pub fn finish(self) -> bool {
        eprintln!();
        // With the sum, so that whoever reads only the end has all of it.
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        println!("{:.0} s in all", self.began.elapsed().as_secs_f64());
        let Counts { passed, failed, skipped, .. } = self.counts;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }

    fn add(&mut self, more: &Counts) {
        self.counts.passed += more.passed;
        self.counts.failed += more.failed;
        self.counts.skipped += more.skipped;
    }
}
