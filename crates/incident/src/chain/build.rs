//! The view from what is stored: sorted out, hung up, counted.

use std::collections::{HashMap, HashSet};

use quell_wire::activity::{Activity, Deed, Detection, Image, Process, ProcessKey};
use quell_wire::limits;

use super::{Chain, Counts, Entry, LeftOut, Node, Place, View};

impl<'a> View<'a> {
    /// The view of a chain.
    pub fn of(chain: &'a Chain) -> Self {
        let (processes, processes_out) = known(chain);
        let (activities, activities_out) =
            distinct(&chain.activities, |activity| activity.id, limits::CHAIN_ACTIVITIES);
        let keys = all_keys(&processes, &activities);
        let (nodes, places) = hang(chain, &processes, &keys);
        let mut view = Self {
            chain,
            nodes,
            entries: Vec::new(),
            loose: Vec::new(),
            packaged: HashMap::new(),
            left_out: LeftOut { processes: processes_out, activities: activities_out, detections: 0 },
            places,
            events: HashMap::new(),
        };
        view.enter(activities);
        view.mark();
        view.pack();
        view
    }

    fn enter(&mut self, mut activities: Vec<&'a Activity>) {
        activities.sort_by_key(|activity| (activity.at_us, activity.id));
        for activity in activities {
            let node = self.place_of(activity.process);
            if let (Some(node), Some(deed)) = (node, &activity.deed) {
                self.nodes[node].counts.add(deed);
                if matches!(deed, Deed::Start(_)) {
                    self.nodes[node].starts.push(self.entries.len());
                }
            }
            self.events.insert(activity.id, self.entries.len());
            self.entries.push(Entry { activity, node, detections: Vec::new() });
        }
    }

    fn pack(&mut self) {
        let known = self.nodes.iter().filter_map(|node| node.process).map(|process| &process.image);
        let known = known.map(packaged);
        let told = self.entries.iter().filter_map(|entry| match &entry.activity.deed {
            Some(Deed::Start(image)) => Some(packaged(image)),
            Some(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file)) => {
                Some((file.sha256.as_slice(), file.copy_of.as_str()))
            }
            _ => None,
        });
        let all = known.chain(told);
        self.packaged = all.filter(|(sha256, package)| !sha256.is_empty() && !package.is_empty()).collect();
    }

    fn mark(&mut self) {
        let mut seen = HashSet::new();
        for hit in &self.chain.detections {
            if !seen.insert(hit.id.as_str()) {
                continue;
            }
            if seen.len() > limits::CHAIN_DETECTIONS {
                self.left_out.detections += 1;
                continue;
            }
            self.place(hit);
        }
        for node in &mut self.nodes {
            node.techniques.sort_unstable();
            node.techniques.dedup();
        }
    }

    fn place(&mut self, hit: &'a Detection) {
        let Some(entry) = self.events.get(&hit.activity).and_then(|place| self.entries.get_mut(*place))
        else {
            self.loose.push(hit);
            return;
        };
        entry.detections.push(hit);
        let Some(node) = entry.node.and_then(|node| self.nodes.get_mut(node)) else { return };
        node.techniques.extend(hit.techniques.iter().take(limits::TECHNIQUES).map(String::as_str));
        node.severity = node.severity.max(Some(hit.severity()));
        if !node.key_events.contains(&hit.activity) {
            node.key_events.push(hit.activity);
        }
    }
}

/// The last of each key, in the order in which keys came up first; and how many keys are beyond the limit.
fn distinct<T, K: std::hash::Hash + Eq>(all: &[T], key: impl Fn(&T) -> K, most: usize) -> (Vec<&T>, usize) {
    let mut places: HashMap<K, Option<usize>> = HashMap::new();
    let mut kept: Vec<&T> = Vec::new();
    let mut beyond = 0;
    for one in all {
        match places.get(&key(one)) {
            Some(Some(place)) => kept[*place] = one,
            Some(None) => {}
            None if kept.len() < most => {
                places.insert(key(one), Some(kept.len()));
                kept.push(one);
            }
            None => beyond += 1,
        }
    }
    (kept, beyond)
}

fn known(chain: &Chain) -> (HashMap<ProcessKey, &Process>, usize) {
    let (kept, beyond) = distinct(&chain.processes, |process| process.key, limits::CHAIN_PROCESSES);
    (kept.into_iter().map(|process| (process.key, process)).collect(), beyond)
}

/// Processes that were told of, then those of which only activity was.
fn all_keys(known: &HashMap<ProcessKey, &Process>, activities: &[&Activity]) -> Vec<ProcessKey> {
    let mut keys: Vec<_> = known.keys().copied().collect();
    let mut seen: HashSet<_> = keys.iter().copied().collect();
    let told = activities.iter().map(|activity| activity.process).filter(|key| seen.insert(*key));
    keys.extend(told.take(limits::CHAIN_PROCESSES));
    keys
}

/// When a process started, for the order among siblings; the key decides where that is equal.
fn order(known: &HashMap<ProcessKey, &Process>, key: ProcessKey) -> (u64, i64, u32) {
    (key.start, known.get(&key).map_or(0, |process| process.started_at_us), key.pid)
}

/// A program's content, and the package that brought that content.
fn packaged(image: &Image) -> (&[u8], &str) {
    let package = if image.package.is_empty() { &image.copy_of } else { &image.package };
    (&image.sha256, package)
}

fn hang<'a>(
    chain: &'a Chain,
    known: &HashMap<ProcessKey, &'a Process>,
    keys: &[ProcessKey],
) -> (Vec<Node<'a>>, HashMap<ProcessKey, usize>) {
    let mut sorted = keys.to_vec();
    sorted.sort_by_key(|key| (*key != chain.root, order(known, *key)));
    let there: HashSet<_> = sorted.iter().copied().collect();
    let mut children: HashMap<ProcessKey, Vec<ProcessKey>> = HashMap::new();
    let mut tops = Vec::new();
    for key in &sorted {
        match hook(chain, known, &there, *key) {
            Ok(parent) => children.entry(parent).or_default().push(*key),
            Err(place) => tops.push((*key, place)),
        }
    }
    let mut laid = Laid { known, children, nodes: Vec::new(), places: HashMap::new() };
    for (key, place) in tops {
        laid.lay(key, place);
    }
    // Whoever is left hangs on a circle: it is cut at its eldest.
    for key in sorted {
        if !laid.places.contains_key(&key) {
            laid.lay(key, Place::ParentImpossible);
        }
    }
    (laid.nodes, laid.places)
}

/// The parent on which a process hangs, or why it hangs on none.
fn hook(
    chain: &Chain,
    known: &HashMap<ProcessKey, &Process>,
    there: &HashSet<ProcessKey>,
    key: ProcessKey,
) -> Result<ProcessKey, Place> {
    if key == chain.root {
        return Err(Place::Root);
    }
    match known.get(&key).and_then(|process| process.parent) {
        None => Err(Place::ParentUnknown),
        Some(parent) if parent == key || parent.start > key.start => Err(Place::ParentImpossible),
        Some(parent) if !there.contains(&parent) => Err(Place::ParentAbsent),
        Some(parent) => Ok(parent),
    }
}

struct Laid<'a, 'k> {
    known: &'k HashMap<ProcessKey, &'a Process>,
    children: HashMap<ProcessKey, Vec<ProcessKey>>,
    nodes: Vec<Node<'a>>,
    places: HashMap<ProcessKey, usize>,
}

impl Laid<'_, '_> {
    /// Lays a process and all that hangs on it, without recursion: a chain may be as deep as it is long.
    fn lay(&mut self, top: ProcessKey, place: Place) {
        let mut waiting = vec![(top, None, 0, place)];
        while let Some((key, parent, depth, place)) = waiting.pop() {
            if self.places.contains_key(&key) {
                continue;
            }
            let own = self.nodes.len();
            self.places.insert(key, own);
            if let Some(parent) = parent {
                let parent: &mut Node<'_> = &mut self.nodes[parent];
                parent.children.push(own);
            }
            self.nodes.push(Node {
                key,
                process: self.known.get(&key).copied(),
                parent,
                children: Vec::new(),
                depth,
                place,
                counts: Counts::default(),
                techniques: Vec::new(),
                severity: None,
                key_events: Vec::new(),
                starts: Vec::new(),
            });
            let children = self.children.remove(&key).unwrap_or_default();
            waiting
                .extend(children.into_iter().rev().map(|child| (child, Some(own), depth + 1, Place::Child)));
        }
    }
}
