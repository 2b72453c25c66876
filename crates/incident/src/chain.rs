//! A threat development chain as it is kept, and the view of it that everything else here judges: a tree of processes and one
//! timeline, whatever was stored.
//!
//! What was stored is a stranger's word: parents in a circle, parents younger than their children, activity of processes that
//! nobody told of, the same key twice, far too many of all. Each of these has an answer here, and none an error.

mod build;
mod object;
mod timeline;

use std::collections::{BTreeSet, HashMap};

use quell_wire::activity::{
    Activity, ChainUpdate, Deed, Detection, Gaps, Image, Process, ProcessKey, Severity, Source,
};
use serde::Serialize;

pub use object::{Object, ObjectKind, end as object_end};
pub use timeline::{Moment, merged};

/// A chain as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its id, made by the agent.
    pub id: String,
    /// Id of the endpoint.
    pub endpoint: String,
    /// The boot that the keys belong to.
    pub boot_id: String,
    /// Its topmost process.
    pub root: ProcessKey,
    /// Its processes; of two with one key the later counts.
    pub processes: Vec<Process>,
    /// Its activity events; of two with one id the later counts.
    pub activities: Vec<Activity>,
    /// Its detections; of two with one id the first counts.
    pub detections: Vec<Detection>,
    /// What it lacks.
    pub gaps: Gaps,
    /// Nothing more will come.
    pub closed: bool,
}

impl Chain {
    /// A chain of this endpoint that begins with this update.
    pub fn begun(endpoint: &str, update: ChainUpdate) -> Self {
        let mut chain =
            Self { id: update.chain_id.clone(), endpoint: endpoint.to_owned(), ..Self::default() };
        chain.take(update);
        chain
    }

    /// Adds what an update tells.
    pub fn take(&mut self, update: ChainUpdate) {
        self.boot_id = update.boot_id;
        self.root = update.root;
        self.processes.extend(update.processes);
        self.activities.extend(update.activities);
        self.detections.extend(update.detections);
        self.gaps = update.gaps;
        self.closed = update.closed;
    }
}

/// A chain as a tree and a timeline.
#[derive(Debug)]
pub struct View<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Its processes, each before its children, children by their start. The root of the chain leads where it is known.
    pub nodes: Vec<Node<'a>>,
    /// Its activity events by time.
    pub entries: Vec<Entry<'a>>,
    /// Detections whose key activity event is not there.
    pub loose: Vec<&'a Detection>,
    /// Contents that are known to be a package's, by their SHA-256: a copy of one has the same.
    pub packaged: HashMap<&'a [u8], &'a str>,
    /// What was left out, since it is beyond the limits of a chain.
    pub left_out: LeftOut,
    places: HashMap<ProcessKey, usize>,
    events: HashMap<u64, usize>,
}

/// A process in its place.
#[derive(Debug)]
pub struct Node<'a> {
    /// Which.
    pub key: ProcessKey,
    /// What is known of it; `None` where only its activity was told.
    pub process: Option<&'a Process>,
    /// Index of its parent.
    pub parent: Option<usize>,
    /// Indexes of its children, by their start.
    pub children: Vec<usize>,
    /// Steps below the one that it hangs on.
    pub depth: usize,
    /// Why it hangs where it does.
    pub place: Place,
    /// How many activity events it has.
    pub counts: Counts,
    /// Techniques that detections on its activity name, sorted.
    pub techniques: Vec<&'a str>,
    /// The worst of those detections.
    pub severity: Option<Severity>,
    /// Ids of its key activity events.
    pub key_events: Vec<u64>,
    /// Indexes of the events of its starting programs, by time.
    pub starts: Vec<usize>,
}

/// Why a process hangs where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// It is the chain's topmost process.
    Root,
    /// Its parent is known.
    Child,
    /// Who made it was not told.
    ParentUnknown,
    /// Who made it is named, and not part of the chain.
    ParentAbsent,
    /// What is told of its parents cannot be: they go round in a circle, or one is younger than its child.
    ParentImpossible,
}

/// Activity events, counted by their kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Programs started.
    pub starts: u32,
    /// Files created, written and renamed.
    pub files: u32,
    /// Connections and open ports.
    pub connections: u32,
    /// Names asked for.
    pub names: u32,
    /// Logins.
    pub logins: u32,
}

/// What is beyond the limits of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Processes.
    pub processes: usize,
    /// Activity events.
    pub activities: usize,
    /// Detections.
    pub detections: usize,
}

/// An activity event in its place.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What happened.
    pub activity: &'a Activity,
    /// Index of the process that did it; `None` where it has no place in the tree.
    pub node: Option<usize>,
    /// Detections of which it is the key activity event.
    pub detections: Vec<&'a Detection>,
}

impl<'a> View<'a> {
    /// The process of a key.
    pub fn node(&self, key: ProcessKey) -> Option<&Node<'a>> {
        self.place_of(key).and_then(|place| self.nodes.get(place))
    }

    /// Where the process of a key is.
    pub fn place_of(&self, key: ProcessKey) -> Option<usize> {
        self.places.get(&key).copied()
    }

    /// The activity event of an id.
    pub fn entry(&self, id: u64) -> Option<&Entry<'a>> {
        self.events.get(&id).and_then(|place| self.entries.get(*place))
    }

    /// Detections with the event that each is about, by the event's time; those without event come last.
    pub fn detections(&self) -> impl Iterator<Item = (Option<&Entry<'a>>, &'a Detection)> {
        let placed =
            self.entries.iter().flat_map(|entry| entry.detections.iter().map(move |hit| (Some(entry), *hit)));
        placed.chain(self.loose.iter().map(|hit| (None, *hit)))
    }

    /// The event that matters most: of the worst detection, the earliest.
    pub fn key_entry(&self) -> Option<(&Entry<'a>, &'a Detection)> {
        let placed = self.detections().filter_map(|(entry, hit)| Some((entry?, hit)));
        placed.reduce(|best, next| {
            let rank = |hit: &Detection| (hit.source() != Source::Asked, hit.severity());
            if rank(next.1) > rank(best.1) { next } else { best }
        })
    }

    /// Indexes from a process up to the one on which it hangs, itself first.
    pub fn ancestry(&self, place: usize) -> Vec<usize> {
        let mut line = Vec::new();
        let mut next = (place < self.nodes.len()).then_some(place);
        while let Some(place) = next {
            line.push(place);
            next = self.nodes.get(place).and_then(|node| node.parent);
        }
        line
    }

    /// Indexes of everything below a process, in the order of the tree.
    pub fn descendants(&self, place: usize) -> Vec<usize> {
        // The tree is laid out with parents first: what is below ends where the depth comes back.
        let Some(depth) = self.nodes.get(place).map(|node| node.depth) else { return Vec::new() };
        (place + 1..self.nodes.len()).take_while(|below| self.nodes[*below].depth > depth).collect()
    }

    /// What a process ran at a moment: its latest start until then, else what is known of it.
    pub fn image_at(&self, key: ProcessKey, at_us: i64) -> Option<&'a Image> {
        let node = self.node(key)?;
        let until = node.starts.partition_point(|place| self.entries[*place].activity.at_us <= at_us);
        let image =
            until.checked_sub(1).and_then(|last| match &self.entries[node.starts[last]].activity.deed {
                Some(Deed::Start(image)) => Some(image),
                _ => None,
            });
        image.or_else(|| node.process.map(|process| &process.image))
    }

    /// Users as whom its processes ran: name (or number where it has none) and number.
    pub fn users(&self) -> BTreeSet<(&'a str, u32)> {
        self.nodes
            .iter()
            .filter_map(|node| node.process)
            .map(|process| (process.user.as_str(), process.uid))
            .collect()
    }
}

impl Node<'_> {
    /// Whether it is known to have ended.
    pub fn has_ended(&self) -> bool {
        self.process.is_some_and(|process| process.ended_at_us != 0)
    }

    /// The program's name, or the process id where that is all that is known.
    pub fn name(&self) -> String {
        let Some(process) = self.process else { return format!("process {}", self.key.pid) };
        process.image.name(self.key)
    }
}

/// The name of a program, for sentences.
pub trait Named {
    /// The last part of its path, else of its first argument, else the process id.
    fn name(&self, key: ProcessKey) -> String;
}

impl Named for Image {
    fn name(&self, key: ProcessKey) -> String {
        use crate::text::{base_name, shown};
        let path = base_name(&self.path);
        let first = self.arguments.first().map_or(&[][..], |argument| base_name(argument));
        match (path.is_empty(), first.is_empty()) {
            (false, _) => shown(path, 48),
            (true, false) => shown(first, 48),
            (true, true) => format!("process {}", key.pid),
        }
    }
}

impl Counts {
    /// One more of this kind.
    pub fn add(&mut self, deed: &Deed) {
        let count = match deed {
            Deed::Start(_) => &mut self.starts,
            Deed::FileCreate(_) | Deed::FileWrite(_) | Deed::FileRename(_) => &mut self.files,
            Deed::Connect(_) | Deed::Listen(_) => &mut self.connections,
            Deed::Dns(_) => &mut self.names,
            Deed::Login(_) => &mut self.logins,
        };
        *count = count.saturating_add(1);
    }

    /// All of them.
    pub fn total(self) -> u32 {
        [self.starts, self.files, self.connections, self.names, self.logins]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}
