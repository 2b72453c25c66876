//! What is the intruder's: processes and files, with the reason for each.
//!
//! It begins with what was detected and grows until nothing is added: whatever a bad process started; what carried it (a
//! script, `sh -c`, a dropped program: never a daemon, a person's shell, or what was there before the recorder); what dropped
//! a bad file; who ran one. A package's program is never a bad file, whatever it was used for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use quell_wire::activity::{FileDeed, Format, ProcessKey, Source};

use super::Because;
use crate::chain::{Object, ObjectKind, View};
use crate::offer::{Whereabouts, whereabouts};
use crate::setting::Setting;
use crate::system;
use crate::text::cut;

/// Rounds in which the set grows. One round follows a chain of any depth downwards, and one step of any other way.
const ROUNDS: usize = 24;
/// Why a process is the intruder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// In a few words: `was detected: Reverse shell`.
    pub words: String,
    /// The activity event that says so; 0 where none does.
    pub activity: u64,
    /// How.
    pub how: How,
}

/// How a process became the intruder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// A rule hit on what it did.
    Detected,
    /// A bad process started it.
    Below,
    /// It started a bad process and is nothing else.
    Above,
    /// It made a bad file.
    Dropped,
    /// It ran a bad file.
    Ran,
}

/// A file of the intruder's.
#[derive(Clone, Debug)]
pub(super) struct BadFile<'a> {
    /// Index of the chain that told of it first.
    pub chain: usize,
    /// What told of it.
    pub object: Object<'a>,
    /// When.
    pub at_us: i64,
    /// A rule hit on it.
    pub is_detected: bool,
    /// A bad process made it: it was not there before.
    pub made: Made,
    /// It runs, or can.
    pub is_program: bool,
    /// Its content itself was recognized as bad.
    pub is_recognized: bool,
    /// What it holds by now; empty where that is not known.
    pub sha256: &'a [u8],
    /// Why, in a few words.
    pub words: String,
    /// The activity event that those words are about.
    pub told_by: u64,
    /// Activity events that say so.
    pub because: BTreeSet<Because>,
}

/// How a file came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Made {
    /// It was there before, or nobody saw.
    Unknown,
    /// A file that may have been there before was changed.
    Written,
    /// A new file was brought over this name, where another may have been.
    Moved,
    /// It was created.
    Created,
}

/// A file as one activity event or detection tells of it.
pub(super) struct Found<'w, 'a> {
    pub object: Object<'a>,
    pub end: Whereabouts<'a>,
    pub made: Made,
    pub words: &'w str,
    pub activity: u64,
    pub is_recognized: bool,
}

/// The intruder's processes and files.
#[derive(Debug)]
pub(super) struct Malice<'a> {
    pub nodes: Vec<BTreeMap<usize, Cause>>,
    /// Where the object of each event ends, for each chain.
    pub ends: Vec<Vec<Option<Whereabouts<'a>>>>,
    /// Processes that have ended, by endpoint and boot: two chains may tell of the same process, and one be behind.
    ended: HashSet<(String, String, ProcessKey)>,
    /// By endpoint and path by now.
    pub files: BTreeMap<(String, Vec<u8>), BadFile<'a>>,
}

impl<'a> Malice<'a> {
    /// What is the intruder's in these chains.
    pub fn of(views: &[View<'a>], setting: &Setting) -> Self {
        let ends = views.iter().map(whereabouts).collect();
        let nodes = views.iter().flat_map(|view| view.nodes.iter().map(move |node| (view.chain, node)));
        let ended = nodes.filter(|(_, node)| node.has_ended());
        let ended =
            ended.map(|(chain, node)| (chain.endpoint.clone(), chain.boot_id.clone(), node.key)).collect();
        let mut malice =
            Self { nodes: vec![BTreeMap::new(); views.len()], ends, ended, files: BTreeMap::new() };
        for (chain, view) in views.iter().enumerate() {
            malice.detected(chain, view);
        }
        for _ in 0..ROUNDS {
            let before = malice.size();
            for (chain, view) in views.iter().enumerate() {
                malice.climb(chain, view);
                malice.descend(chain, view);
            }
            for (chain, view) in views.iter().enumerate() {
                malice.activity(chain, view);
            }
            if malice.size() == before {
                break;
            }
        }
        // A file that the endpoints need is nobody's, whoever wrote it.
        malice
            .files
            .retain(|(endpoint, path), _| setting.endpoint(endpoint).is_none() || !system::is_own(path));
        malice
    }

    fn size(&self) -> (usize, usize) {
        (self.nodes.iter().map(BTreeMap::len).sum(), self.files.len())
    }

    /// Why a process is the intruder's.
    pub fn cause(&self, chain: usize, place: usize) -> Option<&Cause> {
        self.nodes.get(chain)?.get(&place)
    }

    /// Whether a process is the intruder's and not known to have ended.
    pub fn runs(&self, views: &[View<'_>], chain: usize, place: usize) -> bool {
        let (of, key) = (views[chain].chain, views[chain].nodes[place].key);
        self.cause(chain, place).is_some()
            && !self.ended.contains(&(of.endpoint.clone(), of.boot_id.clone(), key))
    }

    /// All of its processes, as index of the chain and of the node.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let chains = self.nodes.iter().enumerate();
        chains.flat_map(|(chain, places)| places.keys().map(move |place| (chain, *place)))
    }

    /// Endpoints that have something of it, in the order of their chains.
    pub fn endpoints(&self, views: &[View<'_>]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let with_nodes = views.iter().zip(&self.nodes).filter(|(_, places)| !places.is_empty());
        let with_files = self.files.keys().map(|(endpoint, _)| endpoint);
        for endpoint in with_nodes.map(|(view, _)| &view.chain.endpoint).chain(with_files) {
            if !all.contains(endpoint) {
                all.push(endpoint.clone());
            }
        }
        all
    }

    /// Programs and scripts that carried it, and are no files of it.
    pub fn carriers(&self, views: &[View<'_>]) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for (chain, place) in self.places() {
            let view = &views[chain];
            let is_above = self.cause(chain, place).is_some_and(|cause| cause.how == How::Above);
            let Some(process) = view.nodes[place].process.filter(|_| is_above) else { continue };
            let object = Object::of_image(&process.image);
            let key = (view.chain.endpoint.clone(), object.path.to_vec());
            if !system::is_of_system(object) && !object.path.is_empty() && !self.files.contains_key(&key) {
                all.insert((key.0, object.label()));
            }
        }
        all
    }

    pub fn add(
        &mut self,
        chain: usize,
        place: usize,
        how: How,
        words: impl FnOnce() -> String,
        activity: u64,
    ) {
        self.nodes[chain].entry(place).or_insert_with(|| Cause { words: cut(&words(), 160), activity, how });
    }

    fn detected(&mut self, chain: usize, view: &View<'a>) {
        for (entry, hit) in view.detections().filter(|(_, hit)| hit.source() != Source::Asked) {
            let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
            let words = format!("was detected: {}", crate::text::shown(title.as_bytes(), 80));
            let own = entry.and_then(|entry| entry.node).filter(|place| !is_kept(view, *place));
            if let Some(place) = own {
                self.add(chain, place, How::Detected, || words.clone(), hit.activity);
            }
            let at_us = entry.map_or(hit.at_us, |entry| entry.activity.at_us);
            let is_recognized = matches!(hit.source(), Source::BlockList | Source::Yara);
            let image =
                own.and_then(|place| view.image_at(view.nodes[place].key, at_us)).map(Object::of_image);
            let is_about = |object: &Object<'_>| object.kind == ObjectKind::File || is_recognized;
            let about = Object::of_detection(hit, entry).filter(is_about);
            for object in [about, image].into_iter().flatten() {
                let is_recognized = is_recognized && about.is_some_and(|about| about.path == object.path);
                if is_bad_content(object, is_recognized) {
                    let end = Whereabouts::of(view, object, at_us);
                    let found = Found {
                        object,
                        end,
                        made: Made::Unknown,
                        words: &words,
                        activity: hit.activity,
                        is_recognized,
                    };
                    self.file(chain, view, &found).is_detected = true;
                }
            }
        }
    }

    pub fn file(&mut self, chain: usize, view: &View<'a>, found: &Found<'_, 'a>) -> &mut BadFile<'a> {
        let object = found.object;
        let key = (view.chain.endpoint.clone(), found.end.path.to_vec());
        let is_program =
            object.kind != ObjectKind::File || object.file.is_some_and(can_run) || found.is_recognized;
        let at_us = view.entry(found.activity).map_or(0, |entry| entry.activity.at_us);
        let file = self.files.entry(key).or_insert_with(|| BadFile {
            chain,
            object,
            at_us,
            is_detected: false,
            made: found.made,
            is_program,
            is_recognized: found.is_recognized,
            sha256: &[],
            words: found.words.to_owned(),
            told_by: found.activity,
            because: BTreeSet::new(),
        });
        file.is_program |= is_program;
        file.is_recognized |= found.is_recognized;
        file.made = file.made.max(found.made);
        if file.sha256.is_empty() {
            file.sha256 = found.end.sha256;
        }
        if file.because.len() < super::BECAUSE {
            file.because.insert(Because { chain: view.chain.id.clone(), activity: found.activity });
        }
        file
    }
}

impl BadFile<'_> {
    /// Whether it is surely the intruder's: recognized, or made before our eyes where no package puts anything, or a program
    /// run from where only users write. A script may be anybody's file that the intruder named.
    pub fn is_sure(&self, path: &[u8]) -> bool {
        let is_made = self.made >= Made::Moved && !system::is_system_path(path);
        let is_run = self.object.kind != ObjectKind::Script && system::is_loose_path(path);
        self.is_recognized || is_made || is_run
    }
}

impl Cause {
    /// Its words, with the event that says so.
    pub fn said(&self) -> String {
        format!("{}{}", self.words, event(self.activity))
    }
}

/// An activity event as a sentence names it; nothing where there is none.
pub(super) fn event(id: u64) -> String {
    if id == 0 { String::new() } else { format!(" (event {id})") }
}

/// Whether a process is never ended: the first of all, the agent, or a daemon that no other program started.
pub(super) fn is_kept(view: &View<'_>, place: usize) -> bool {
    let node = &view.nodes[place];
    let is_daemon =
        |place: &usize| view.nodes[*place].process.is_some_and(|process| system::is_daemon(&process.image));
    node.key.pid < 2
        || node.process.is_some_and(|process| system::is_own(&process.image.path))
        || is_daemon(&place) && view.ancestry(place).iter().all(is_daemon)
}

/// Whether a content is bad where it was detected: never a package's, nor an interpreter; in a place of packages only
/// where the content itself was recognized.
fn is_bad_content(object: Object<'_>, is_recognized: bool) -> bool {
    let is_everybodys = object.kind == ObjectKind::Program && system::is_interpreter(object.path);
    object.is_file()
        && object.package().is_empty()
        && !is_everybodys
        && (is_recognized || !system::is_system_path(object.path))
}

/// Whether a file may be run: by its format, or by its permissions.
pub(super) fn can_run(file: &FileDeed) -> bool {
    let is_directory = file.mode & 0o170_000 == 0o040_000;
    !is_directory && (file.format() != Format::Unspecified || file.mode & 0o111 != 0)
}
