//! What correlations remember between hits, and when they have seen enough. Bounded: what is forgotten for want of room is
//! counted.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

use crate::correlation::{Correlation, Kind};
use crate::limits;
use crate::record::{Decimal, Record, bytes};
use crate::rule::Rule;
use crate::set::RuleSet;

/// The memory of a set's correlations. It goes with the set that it was made for.
#[derive(Debug, Default)]
pub struct Correlator {
    memories: Vec<Memory>,
    hasher: RandomState,
    forgotten: u64,
}

/// Two generations of groups: when the young one is full it becomes the old one, and what was old and not touched since is
/// forgotten. No search for the oldest, however fast new groups come.
#[derive(Debug, Default)]
struct Memory {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    groups: HashMap<u64, Vec<Moment>>,
    moments: usize,
}

/// Something that was seen: what (a value, a rule, a step of a sequence), and when.
#[derive(Clone, Copy, Debug)]
struct Moment {
    what: u64,
    /// Milliseconds.
    when: u64,
}

impl Correlator {
    /// Remembers nothing yet.
    pub fn new(set: &RuleSet) -> Self {
        let memories = set.correlations().iter().map(|_| Memory::default()).collect();
        Self { memories, ..Self::default() }
    }

    /// Takes note of the rules that a record hit, and says which correlations have seen enough with it. `now` is in milliseconds
    /// of a clock that does not go back. A correlation that has hit begins anew for its group. A record without one of the
    /// fields to group by is not counted.
    pub fn observe<'a>(
        &mut self,
        set: &'a RuleSet,
        now: u64,
        hits: &[&Rule],
        record: &dyn Record,
    ) -> Vec<&'a Rule> {
        let mut enough = Vec::new();
        for (correlation, memory) in set.correlations().iter().zip(&mut self.memories) {
            for hit in hits {
                let Some(step) = correlation.rules.iter().position(|number| *number == hit.number) else {
                    continue;
                };
                let Some(group) = group(&self.hasher, correlation, record) else { continue };
                let Some(what) = what(&self.hasher, correlation, step, record) else { continue };
                let moments = memory.group(group, now, correlation.timespan, &mut self.forgotten);
                let before = moments.len();
                let is_enough = correlation.has_enough(moments, Moment { what, when: now });
                let after = moments.len();
                memory.young.moments = (memory.young.moments + after).saturating_sub(before);
                if is_enough {
                    memory.young.forget(group);
                    enough.push(&correlation.rule);
                    break;
                }
            }
        }
        enough
    }

    /// Groups that were forgotten for want of room while they still counted.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// Which group a record belongs to; `None` where a field is missing.
fn group(hasher: &RandomState, correlation: &Correlation, record: &dyn Record) -> Option<u64> {
    let mut hash = hasher.build_hasher();
    for name in &correlation.group_by {
        bytes(record.field(name)?, &mut Decimal::default()).hash(&mut hash);
    }
    Some(hash.finish())
}

fn what(hasher: &RandomState, correlation: &Correlation, step: usize, record: &dyn Record) -> Option<u64> {
    match &correlation.kind {
        Kind::Events => Some(0),
        Kind::Values(field) => Some(hasher.hash_one(bytes(record.field(field)?, &mut Decimal::default()))),
        Kind::Rules | Kind::Sequence => Some(step as u64),
    }
}

impl Correlation {
    /// Adds a moment to those of a group that still count, and says whether they are enough.
    fn has_enough(&self, moments: &mut Vec<Moment>, moment: Moment) -> bool {
        match self.kind {
            Kind::Events => moments.push(moment),
            Kind::Values(_) | Kind::Rules => {
                moments.retain(|known| known.what != moment.what);
                moments.push(moment);
            }
            Kind::Sequence => return self.goes_on(moments, moment),
        }
        moments.len() >= self.enough
    }

    /// A sequence remembers for each step when the latest run began that came so far.
    fn goes_on(&self, moments: &mut Vec<Moment>, moment: Moment) -> bool {
        let begun = match moment.what.checked_sub(1) {
            None => Some(moment.when),
            Some(before) => moments.iter().find(|known| known.what == before).map(|known| known.when),
        };
        let Some(begun) = begun else { return false };
        if moment.what as usize + 1 == self.rules.len() {
            return true;
        }
        moments.retain(|known| known.what != moment.what);
        moments.push(Moment { what: moment.what, when: begun });
        false
    }
}

impl Memory {
    /// The moments of a group that still count.
    fn group(&mut self, group: u64, now: u64, timespan: u64, forgotten: &mut u64) -> &mut Vec<Moment> {
        let is_full =
            self.young.groups.len() >= limits::GROUPS / 2 || self.young.moments >= limits::MOMENTS_IN_ALL / 2;
        let counts = |moment: &Moment| now.saturating_sub(moment.when) <= timespan;
        if is_full && !self.young.groups.contains_key(&group) {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let lost = old.groups.values().filter(|moments| moments.iter().any(counts)).count();
            *forgotten += lost as u64;
        }
        let Generation { groups, moments } = &mut self.young;
        let found = groups.entry(group).or_insert_with(|| {
            let brought = self.old.groups.remove(&group).unwrap_or_default();
            self.old.moments = self.old.moments.saturating_sub(brought.len());
            *moments += brought.len();
            brought
        });
        let before = found.len();
        found.retain(counts);
        *moments = moments.saturating_sub(before - found.len());
        found
    }
}

impl Generation {
    fn forget(&mut self, group: u64) {
        if let Some(gone) = self.groups.remove(&group) {
            self.moments = self.moments.saturating_sub(gone.len());
        }
    }
}
