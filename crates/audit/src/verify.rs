//! Verifies a trail: every checkpoint, every record under it, and that nothing stands outside.

use quell_store::{
    Micros, Store,
    audit::{self, Record},
    checkpoint::{self, Checkpoint as Row},
};
use quell_wire::{digest::Digest, merkle::Tree};
use uuid::Uuid;

use crate::{
    checkpoint::{Checkpoint, Fault, Keys, digest, open},
    leaf,
};

/// Checkpoints that are read at a time.
const PAGE: i64 = 64;
/// Problems that are named; the rest is counted.
const NAMED: usize = 100;
/// A record that waits longer than this for its checkpoint is a sign that nobody seals, microseconds.
const LATE: Micros = 60_000_000;

/// What is wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A checkpoint cannot be believed.
    #[error("checkpoint {batch}: {fault}")]
    Checkpoint {
        /// Its number.
        batch: i64,
        /// Why.
        fault: Fault,
    },
    /// Checkpoints are missing before this one.
    #[error("checkpoint {batch} follows {after}: those between are gone")]
    Gap {
        /// The number found.
        batch: i64,
        /// The last number before it; -1 for none.
        after: i64,
    },
    /// A checkpoint does not follow the one that stands before it.
    #[error("checkpoint {batch} was not made after the one that stands before it")]
    Chain {
        /// Its number.
        batch: i64,
    },
    /// Records are missing under a checkpoint, or have another place.
    #[error(
        "checkpoint {batch} was made over {expected} records, {found} stand in their places: records were removed or moved"
    )]
    Missing {
        /// Its number.
        batch: i64,
        /// How many it was made over.
        expected: u64,
        /// How many stand in a right place.
        found: u64,
    },
    /// The records under a checkpoint are not those that it was made over.
    #[error("a record between {first} and {last} was changed (checkpoint {batch})")]
    Changed {
        /// Its number.
        batch: i64,
        /// The lowest id under it.
        first: Uuid,
        /// The highest id under it.
        last: Uuid,
    },
    /// Records say that they stand under a checkpoint, and do not.
    #[error("{count} records claim a place under a checkpoint that does not hold them")]
    Stray {
        /// How many.
        count: i64,
    },
    /// Records wait for a checkpoint longer than they should.
    #[error(
        "{count} records stand under no checkpoint, the oldest for {seconds} s: no server seals this trail"
    )]
    Late {
        /// How many wait.
        count: i64,
        /// How long the oldest waits.
        seconds: i64,
    },
    /// A checkpoint that somebody kept is not in the trail.
    #[error("the trail does not hold the checkpoint {batch} that was kept: it was cut or written anew")]
    NotKept {
        /// The number of the kept one.
        batch: u64,
    },
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records under a checkpoint.
    pub records: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Records that wait for one.
    pub waiting: i64,
    /// The digest of the last checkpoint: kept elsewhere, it shows a later cut.
    pub head: Option<(i64, Digest)>,
    /// When the last checkpoint that can be believed was made.
    pub sealed_at: Option<Micros>,
    /// What is wrong, the first hundred.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub wrong: u64,
}

impl Problem {
    /// The number of the checkpoint that it is about, where it is about one.
    pub fn checkpoint(&self) -> Option<i64> {
        match self {
            Self::Checkpoint { batch, .. }
            | Self::Gap { batch, .. }
            | Self::Chain { batch }
            | Self::Missing { batch, .. }
            | Self::Changed { batch, .. } => Some(*batch),
            Self::NotKept { batch } => Some(batch.cast_signed()),
            Self::Stray { .. } | Self::Late { .. } => None,
        }
    }
}

impl Report {
    fn add(&mut self, problem: Problem) {
        self.wrong += 1;
        if self.problems.len() < NAMED {
            self.problems.push(problem);
        }
    }

    /// Whether all is as it was written.
    pub fn is_intact(&self) -> bool {
        self.wrong == 0
    }
}

/// Verifies the trail of a tenant. `kept` is the number and the digest of a checkpoint that somebody kept;
/// `progress` is told, now and then, how many records were looked at.
///
/// # Errors
/// Only when the database cannot be read; what is wrong with the trail is in the report.
pub async fn verify(
    store: &Store,
    tenant: Uuid,
    keys: &Keys,
    kept: Option<(u64, Digest)>,
    now: Micros,
    mut progress: impl FnMut(u64),
) -> Result<Report, quell_store::Error> {
    let mut walk = Walk { keys, kept, after: -1, previous: Vec::new(), held: 0, report: Report::default() };
    loop {
        let after = walk.after;
        // In one look: what is sealed meanwhile is either under a checkpoint that is still to be read, or not counted.
        let (page, sealed, (waiting, oldest)) = store
            .read(move |tx| {
                let page = checkpoint::list(tx, tenant, after, PAGE)?;
                let counts = if page.is_empty() {
                    (audit::sealed(tx, tenant)?, audit::oldest_unsealed(tx, tenant)?)
                } else {
                    (0, (0, None))
                };
                Ok::<_, quell_store::Error>((page, counts.0, counts.1))
            })
            .await?;
        if page.is_empty() {
            return Ok(walk.end(sealed, waiting, oldest, now));
        }
        for row in page {
            let opened = walk.checkpoint(&row);
            let Some((checkpoint, range)) = opened else { continue };
            let batch = row.batch;
            let records: Vec<(i64, Record)> =
                store.read(move |tx| audit::of_batch(tx, tenant, range, batch)).await?;
            walk.records(batch, &checkpoint, range, &records);
            progress(walk.report.records);
        }
    }
}

struct Walk<'k> {
    keys: &'k Keys,
    kept: Option<(u64, Digest)>,
    after: i64,
    /// Digest of the checkpoint before; empty at the beginning.
    previous: Vec<u8>,
    /// Records that were found under checkpoints.
    held: i64,
    report: Report,
}

impl Walk<'_> {
    /// Looks at a checkpoint; what it says, where it can be believed.
    fn checkpoint(&mut self, row: &Row) -> Option<(Checkpoint, (Uuid, Uuid))> {
        let (batch, after) = (row.batch, self.after);
        if batch != after + 1 {
            self.report.add(Problem::Gap { batch, after });
        }
        let opened = open(row, self.keys);
        let this = digest(&row.body);
        if self.kept.is_some_and(|(number, digest)| number.cast_signed() == batch && digest == this) {
            self.kept = None;
        }
        let previous = std::mem::replace(&mut self.previous, this.to_vec());
        self.after = batch;
        self.report.checkpoints += 1;
        self.report.head = Some((batch, this));
        match opened {
            Ok(checkpoint) => {
                self.report.sealed_at = Some(checkpoint.sealed_at_us);
                if batch == after + 1 && checkpoint.previous != previous {
                    self.report.add(Problem::Chain { batch });
                }
                let id = |bytes: &[u8]| Uuid::from_slice(bytes).unwrap_or_default();
                let range = (id(&checkpoint.first), id(&checkpoint.last));
                Some((checkpoint, range))
            }
            Err(fault) => {
                self.report.add(Problem::Checkpoint { batch, fault });
                None
            }
        }
    }

    fn records(
        &mut self,
        batch: i64,
        checkpoint: &Checkpoint,
        (first, last): (Uuid, Uuid),
        records: &[(i64, Record)],
    ) {
        self.held += records.len() as i64;
        self.report.records += records.len() as u64;
        let placed = records.iter().enumerate().filter(|(place, (leaf, _))| *place as i64 == *leaf).count();
        if placed as u64 != checkpoint.count || placed != records.len() {
            let (expected, found) = (checkpoint.count, placed as u64);
            return self.report.add(Problem::Missing { batch, expected, found });
        }
        let leaves: Vec<Vec<u8>> = records.iter().map(|(_, record)| leaf::encode(record)).collect();
        let root = Tree::new(&leaves).map(|tree| tree.root());
        if root.is_none_or(|root| root.as_slice() != checkpoint.root.as_slice()) {
            self.report.add(Problem::Changed { batch, first, last });
        }
    }

    fn end(mut self, sealed: i64, waiting: i64, oldest: Option<Micros>, now: Micros) -> Report {
        let stray = sealed - self.held;
        if stray > 0 && !self.report.problems.iter().any(is_of_records) {
            self.report.add(Problem::Stray { count: stray });
        }
        let age = oldest.map_or(0, |at| now.saturating_sub(at));
        if age > LATE {
            self.report.add(Problem::Late { count: waiting, seconds: age / 1_000_000 });
        }
        if let Some((batch, _)) = self.kept {
            self.report.add(Problem::NotKept { batch });
        }
        self.report.waiting = waiting;
        self.report
    }
}

/// Whether a problem explains that records are outside of what was walked.
fn is_of_records(problem: &Problem) -> bool {
    matches!(problem, Problem::Checkpoint { .. } | Problem::Gap { .. } | Problem::Missing { .. })
}
