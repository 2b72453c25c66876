//! A rule that hits again and again, on the same program in the same tree, makes one detection, and another that says how
//! often it hit.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quell_wire::activity::ProcessKey;

/// Hits within this time are one.
const WINDOW: Duration = Duration::from_mins(1);
/// Combinations that are remembered; beyond that, hits of new ones are told one by one no more.
const MOST: usize = 2048;

/// What makes hits the same: rule, program, root of the tree.
pub type Fold = (String, Vec<u8>, ProcessKey);

#[derive(Debug)]
struct Seen {
    since: Instant,
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

/// What hit lately.
#[derive(Debug, Default)]
pub struct Folds {
    seen: HashMap<Fold, Seen>,
    /// Hits that were told by nothing.
    pub untold: u64,
}

impl Folds {
    /// Whether a hit is told now; else it is counted.
    pub fn is_first(&mut self, fold: Fold, activity: u64, now: Instant) -> bool {
        if let Some(seen) = self.seen.get_mut(&fold) {
            seen.count += 1;
            seen.last = activity;
            return false;
        }
        if self.seen.len() >= MOST {
            self.untold += 1;
            return false;
        }
        self.seen.insert(fold, Seen { since: now, count: 0, last: activity });
        true
    }

    /// Those whose time is over.
    pub fn over(&mut self, now: Instant) -> Vec<Folded> {
        let mut all = Vec::new();
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
        assert!(folds.is_first(fold("/a"), 1, now) && folds.is_first(fold("/b"), 2, now));
        for n in 0..1000 {
            assert!(!folds.is_first(fold("/a"), 10 + n, now));
        }
        assert!(folds.over(now + WINDOW / 2).is_empty());
        assert_eq!(folds.due(), Some(now + WINDOW));
        assert_eq!(folds.over(now + WINDOW), [Folded { fold: fold("/a"), count: 1000, last: 1009 }]);
        assert!(folds.is_first(fold("/a"), 1, now));
        for n in 0..3000 {
            folds.is_first(fold(&n.to_string()), 1, now);
        }
        assert!(folds.untold > 900 && folds.seen.len() == MOST);
    }
}
