//! A rule that hits again and again, on the same program in the same tree, makes one detection, and another that says how
//! often it hit.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quell_wire::activity::{ProcessKey, Severity};

/// Hits within this time are one.
const WINDOW: Duration = Duration::from_mins(1);
/// Combinations that are remembered. Beyond that a worse one takes the place of the mildest, and others are counted: who makes
/// mild hits by the thousand must not hide a bad one behind them.
const MOST: usize = 2048;

/// What makes hits the same: rule, program, root of the tree.
pub type Fold = (String, Vec<u8>, ProcessKey);

#[derive(Debug)]
struct Seen {
    since: Instant,
    severity: Severity,
    count: u64,
    last: u64,
}

/// Hits of one kind that were counted instead of told.
#[derive(Debug, PartialEq, Eq)]
pub struct Folded {
    pub fold: Fold,
    pub count: u64,
    /// Number of the last activity event.
    pub last: u64,
}

/// What becomes of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is told.
    First,
    /// It is counted with the first of its kind.
    Again,
    /// There is no room for its kind.
    Beyond,
}

/// What hit lately.
#[derive(Debug, Default)]
pub struct Folds {
    seen: HashMap<Fold, Seen>,
    /// Those that made room for worse ones, and had counted some.
    displaced: Vec<Folded>,
}

impl Folds {
    /// Whether a hit is told now.
    pub fn place(&mut self, fold: Fold, severity: Severity, activity: u64, now: Instant) -> Place {
        if let Some(seen) = self.seen.get_mut(&fold) {
            seen.count += 1;
            seen.last = activity;
            return Place::Again;
        }
        if self.seen.len() >= MOST && !self.displace(severity) {
            return Place::Beyond;
        }
        self.seen.insert(fold, Seen { since: now, severity, count: 0, last: activity });
        Place::First
    }

    /// Makes room for one of this severity, where another is milder; of these the oldest goes.
    fn displace(&mut self, severity: Severity) -> bool {
        let milder = self.seen.iter().filter(|(_, seen)| seen.severity < severity);
        let Some(fold) =
            milder.min_by_key(|(_, seen)| (seen.severity, seen.since)).map(|(fold, _)| fold.clone())
        else {
            return false;
        };
        if let Some(Seen { count: 1.., .. }) = self.seen.get(&fold)
            && let Some((fold, seen)) = self.seen.remove_entry(&fold)
        {
            self.displaced.push(Folded { fold, count: seen.count, last: seen.last });
        } else {
            self.seen.remove(&fold);
        }
        true
    }

    /// Those whose time is over.
    pub fn over(&mut self, now: Instant) -> Vec<Folded> {
        let mut all = std::mem::take(&mut self.displaced);
        self.seen.retain(|fold, seen| {
            if now.duration_since(seen.since) < WINDOW {
                return true;
            }
            if seen.count > 0 {
                all.push(Folded { fold: fold.clone(), count: seen.count, last: seen.last });
            }
            false
        });
        all
    }

    /// When the next one's time is over.
    pub fn due(&self) -> Option<Instant> {
        self.seen.values().map(|seen| seen.since + WINDOW).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hit_is_told_once_a_minute_and_counted() {
        let mut folds = Folds::default();
        let fold = |path: &str| ("r".to_owned(), path.as_bytes().to_vec(), ProcessKey { pid: 1, start: 1 });
        let now = Instant::now();
        let mut tell = |path: &str, activity, now| folds.place(fold(path), Severity::Low, activity, now);
        assert_eq!((tell("/a", 1, now), tell("/b", 2, now)), (Place::First, Place::First));
        for n in 0..1000 {
            assert_eq!(tell("/a", 10 + n, now), Place::Again);
        }
        assert!(folds.over(now + WINDOW / 2).is_empty());
        assert_eq!(folds.due(), Some(now + WINDOW));
        assert_eq!(folds.over(now + WINDOW), [Folded { fold: fold("/a"), count: 1000, last: 1009 }]);
        assert_eq!(folds.place(fold("/a"), Severity::Low, 1, now), Place::First);
    }

    #[test]
    fn a_flood_of_mild_hits_leaves_room_for_worse_ones() {
        let mut folds = Folds::default();
        let fold = |n: usize| ("r".to_owned(), n.to_string().into_bytes(), ProcessKey { pid: 1, start: 1 });
        let now = Instant::now();
        let beyond =
            (0..MOST + 100).filter(|n| folds.place(fold(*n), Severity::Low, 1, now) == Place::Beyond).count();
        assert_eq!((beyond, folds.seen.len()), (100, MOST));
        assert_eq!(folds.place(fold(0), Severity::Low, 7, now), Place::Again);
        let worse = (10_000..10_000 + MOST).map(|n| folds.place(fold(n), Severity::Medium, 1, now));
        assert!(worse.into_iter().all(|place| place == Place::First));
        assert_eq!(folds.seen.len(), MOST);
        assert_eq!(
            folds.over(now),
            [Folded { fold: fold(0), count: 1, last: 7 }],
            "what it had counted is told"
        );
        assert_eq!(folds.place(fold(20_000), Severity::Medium, 1, now), Place::Beyond);
        assert_eq!(folds.place(fold(20_000), Severity::Critical, 1, now), Place::First);
    }
}
