//! What the steps of a kit did, kept on the disk: written after each, so that none runs twice.

use std::io;
use std::path::{Path, PathBuf};

use quell_catalog::endpoint::run_investigation_kit::{Ended, Step};
use quell_kit::Step as Wanted;
use serde::{Deserialize, Serialize};

use crate::state::{sync_directory, write_synced};

const FILE: &str = "steps.json";
/// Of 64 steps. Bytes.
const MOST: u64 = 1 << 20;

/// A step that is over, and where its output lies.
#[derive(Debug)]
pub(super) struct Done {
    pub step: Step,
    pub places: Vec<PathBuf>,
}

/// All of them until now.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Diary {
    pub steps: Vec<Step>,
    /// Where the files of each lie.
    pub places: Vec<Vec<PathBuf>>,
}

impl Diary {
    pub fn place(work: &Path) -> PathBuf {
        work.join(FILE)
    }

    /// The diary of a kit that was unpacked; `None` where none was, or not to its end.
    pub fn read(work: &Path) -> Option<Self> {
        let path = Self::place(work);
        let is_small = std::fs::metadata(&path).is_ok_and(|facts| facts.len() <= MOST);
        serde_json::from_slice(&is_small.then(|| std::fs::read(&path).ok()).flatten()?).ok()
    }

    /// The first page: the kit is unpacked, and nothing has run.
    pub fn begin(work: &Path) -> io::Result<Self> {
        let diary = Self::default();
        diary.write(work)?;
        Ok(diary)
    }

    /// Notes a step. Durable when this returns.
    pub fn add(&mut self, work: &Path, done: Done) -> io::Result<()> {
        self.steps.push(done.step);
        self.places.push(done.places);
        self.write(work)
    }

    fn write(&self, work: &Path) -> io::Result<()> {
        let fresh = work.join("steps.json.new");
        write_synced(&fresh, &serde_json::to_vec(self).map_err(io::Error::from)?)?;
        std::fs::rename(&fresh, Self::place(work))?;
        sync_directory(work)
    }

    /// Why nothing more is run, where a step that had to succeed did not.
    pub fn stopped(&self, wanted: &[Wanted]) -> Option<String> {
        let failed = wanted.iter().zip(&self.steps).find(|(wanted, step)| super::stops(wanted, step))?;
        Some(format!("{} failed", failed.1.name))
    }

    /// Whether processes of a step could not be ended.
    pub fn left(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.ended == Ended::Failed && step.problem.ends_with(super::program::LEFT))
    }
}
