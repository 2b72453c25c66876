//! Which names are listed, and what is done about each: twelve bytes for one, the names themselves on disk alone. Whoever asks
//! decides whether a name resolves, for thousands of names a second that an attacker may choose: nothing here leads to a disk.

use std::hash::{BuildHasher, RandomState};

use quell_catalog::blocklist::Action;

const SECOND_US: i64 = 1_000_000;

/// Listed names, found by a hash whose key nobody else knows: that another name has the hash of a listed one does not happen.
#[derive(Debug, Default)]
pub struct Names {
    keys: RandomState,
    block: List,
    report: List,
    except: List,
}

/// Names alone, and names that stand for all below them too.
#[derive(Debug, Default)]
struct List {
    exact: Vec<Entry>,
    below: Vec<Entry>,
    /// Labels of the longest name in `below`: how much of a long name is looked at.
    deepest: usize,
}

/// The two halves of a hash, and the second since 1970 in which it counts no more; `u32::MAX` for never.
type Entry = [u32; 3];

impl Names {
    /// Adds a name; `*.` before it stands for it and every name below it. `expires_us` is 0 for never.
    pub fn add(&mut self, name: &str, action: Action, expires_us: i64) {
        let list = if action == Action::Block { &mut self.block } else { &mut self.report };
        list.add(&self.keys, name, expires_us);
    }

    /// A name that is not listed, whatever else is.
    pub fn except(&mut self, name: &str) {
        self.except.add(&self.keys, name, 0);
    }

    /// Makes it ready to be asked.
    pub fn seal(&mut self) {
        for list in [&mut self.block, &mut self.report, &mut self.except] {
            for entries in [&mut list.exact, &mut list.below] {
                entries.sort_unstable();
                entries.shrink_to_fit();
            }
        }
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        [&self.block, &self.report].iter().all(|list| list.exact.is_empty() && list.below.is_empty())
    }

    /// What this name is listed as, and what is done about it: blocking before reporting.
    pub fn find(&self, name: &str, now_us: i64) -> Option<(String, Action)> {
        let found = [(&self.block, Action::Block), (&self.report, Action::Log)]
            .into_iter()
            .find_map(|(list, action)| Some((list.find(&self.keys, name, now_us)?, action)))?;
        self.except.find(&self.keys, name, now_us).is_none().then_some(found)
    }
}

impl List {
    fn add(&mut self, keys: &RandomState, name: &str, expires_us: i64) {
        let (list, name) = match name.strip_prefix("*.") {
            Some(base) => {
                self.deepest = self.deepest.max(labels(base));
                (&mut self.below, base)
            }
            None => (&mut self.exact, name),
        };
        // The list is read anew when something on it expires. Here it is what holds where that cannot be done.
        let end = match expires_us {
            0 => u32::MAX,
            at => u32::try_from((at - 1) / SECOND_US + 1).unwrap_or(u32::MAX),
        };
        let [high, low] = halves(keys, name);
        list.push([high, low, end]);
    }

    /// The form in which it is listed.
    fn find(&self, keys: &RandomState, name: &str, now_us: i64) -> Option<String> {
        let has = |list: &[Entry], name: &str| {
            let wanted = halves(keys, name);
            let at = list.partition_point(|[high, low, _]| [*high, *low] < wanted);
            list.get(at).is_some_and(|[high, low, end]| {
                [*high, *low] == wanted && (*end == u32::MAX || i64::from(*end) * SECOND_US > now_us)
            })
        };
        if !self.exact.is_empty() && has(&self.exact, name) {
            return Some(name.to_owned());
        }
        // From its end, and no further than anything is listed: names have up to 127 labels.
        let bases = name.rmatch_indices('.').map(|(dot, _)| &name[dot + 1..]).chain([name]);
        bases.take(self.deepest).find(|base| has(&self.below, base)).map(|base| format!("*.{base}"))
    }
}

fn labels(name: &str) -> usize {
    name.split('.').count()
}

fn halves(keys: &RandomState, name: &str) -> [u32; 2] {
    let hash = keys.hash_one(name);
    [(hash >> 32) as u32, hash as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &Names, name: &str, now_us: i64) -> (String, Option<Action>) {
        let found = names.find(name, now_us);
        found.map_or_else(Default::default, |(value, action)| (value, Some(action)))
    }

    fn listed(value: &str, action: Action) -> (String, Option<Action>) {
        (value.to_owned(), Some(action))
    }

    fn nothing() -> (String, Option<Action>) {
        Default::default()
    }

    #[test]
    fn a_star_stands_for_the_name_and_all_below() {
        let mut names = Names::default();
        names.add("bad.example", Action::Block, 0);
        names.add("*.worse.example", Action::Block, 0);
        names.seal();
        let find = |name| names.find(name, 0).map(|(value, _)| value);
        assert_eq!(find("bad.example").as_deref(), Some("bad.example"));
        assert_eq!(find("www.bad.example"), None);
        assert_eq!(find("a.b.worse.example").as_deref(), Some("*.worse.example"));
        assert_eq!(find("worse.example").as_deref(), Some("*.worse.example"));
        for name in ["example", "notworse.example", "worse.example.org", "worse.example.", ".", ""] {
            assert_eq!(find(name), None, "{name}");
        }
        let deep = format!("{}worse.example", "a.".repeat(120));
        assert_eq!(find(&deep).as_deref(), Some("*.worse.example"));
    }

    #[test]
    fn blocking_counts_before_reporting_exceptions_before_both_and_nothing_after_its_time() {
        let mut names = Names::default();
        names.add("*.evil.example", Action::Log, 0);
        names.add("shop.evil.example", Action::Block, 5 * SECOND_US);
        names.add("*.half.example", Action::Block, 5 * SECOND_US + 1);
        names.add("*.ours.evil.example", Action::Block, 0);
        names.except("*.ours.evil.example");
        names.except("our.evil.example");
        names.seal();
        assert_eq!(found(&names, "shop.evil.example", 0), listed("shop.evil.example", Action::Block));
        assert_eq!(
            found(&names, "shop.evil.example", 5 * SECOND_US),
            listed("*.evil.example", Action::Log),
            "what expired leaves the other"
        );
        assert_ne!(found(&names, "half.example", 5 * SECOND_US), nothing(), "not before its time");
        assert_eq!(found(&names, "half.example", 6 * SECOND_US), nothing());
        assert_eq!(found(&names, "a.ours.evil.example", 0), nothing());
        assert_eq!(found(&names, "our.evil.example", 0), nothing());
        assert_eq!(found(&names, "a.our.evil.example", 0), listed("*.evil.example", Action::Log));
    }

    #[test]
    fn a_hundred_thousand_names_are_about_a_megabyte_and_found_without_a_pause() {
        let mut names = Names::default();
        for number in 0..100_000 {
            names.add(&format!("h{number}.bad.example"), Action::Block, 0);
        }
        names.add("*.evil.example", Action::Block, 0);
        names.seal();
        let entries = names.block.exact.capacity() + names.block.below.capacity();
        assert!(entries * size_of::<Entry>() < 1_300_000, "{entries}");
        let began = std::time::Instant::now();
        for number in 0..10_000 {
            assert!(names.find(&format!("n{number}.evil.example"), 1).is_some());
            assert!(names.find(&format!("n{number}.good.example"), 1).is_none());
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
