//! How the set of what is the intruder's grows: upwards, downwards, and by what was dropped and run.

use std::collections::BTreeSet;

use quell_wire::activity::{Deed, FileDeed};

use super::malice::{Found, How, Made, Malice, can_run, is_kept};
use crate::chain::{Object, View};
use crate::system;

/// A carrier starts what it carries within this time of its own start, microseconds.
const CARRIES_US: i64 = 10 * 60 * 1_000_000;
/// What stands in one line of a shell starts within this time, microseconds.
const TOGETHER_US: u64 = 200_000;
/// Running children of its own beyond which a process carries more than the intruder.
const OWN_CHILDREN: usize = 16;

impl<'a> Malice<'a> {
    pub(super) fn climb(&mut self, chain: usize, view: &View<'a>) {
        let places: Vec<_> = self.nodes[chain].keys().copied().collect();
        for place in places {
            let mut child = place;
            while let Some(parent) = view.nodes[child].parent {
                if self.nodes[chain].contains_key(&parent) || !self.carries(chain, view, parent, child) {
                    break;
                }
                let name = view.nodes[child].name();
                let start =
                    view.nodes[child].starts.first().map_or(0, |first| view.entries[*first].activity.id);
                self.add(
                    chain,
                    parent,
                    How::Above,
                    || format!("started {name} and is there for nothing else"),
                    start,
                );
                child = parent;
            }
        }
    }

    /// Whether a process is there only for a bad child of it.
    fn carries(&self, chain: usize, view: &View<'a>, parent: usize, child: usize) -> bool {
        let (node, below) = (&view.nodes[parent], &view.nodes[child]);
        let (Some(process), Some(started)) = (node.process, below.process) else { return false };
        if is_kept(view, parent) || is_of_person(view, parent) {
            return false;
        }
        let apart = started.started_at_us.saturating_sub(process.started_at_us);
        let own = node
            .children
            .iter()
            .filter(|other| !view.nodes[**other].has_ended() && !self.nodes[chain].contains_key(*other));
        let image = &process.image;
        let is_vehicle = system::is_interpreter(&image.path)
            || system::is_carrier(&image.path)
            || !system::is_system_program(image);
        is_vehicle && (0..=CARRIES_US).contains(&apart) && own.count() <= OWN_CHILDREN
    }

    pub(super) fn descend(&mut self, chain: usize, view: &View<'a>) {
        for place in 0..view.nodes.len() {
            let Some(parent) = view.nodes[place].parent else { continue };
            if self.nodes[chain].contains_key(&parent) && !self.nodes[chain].contains_key(&place) {
                let name = view.nodes[parent].name();
                let start =
                    view.nodes[place].starts.first().map_or(0, |first| view.entries[*first].activity.id);
                self.add(chain, place, How::Below, || format!("was started by {name}"), start);
            }
        }
    }

    /// What was dropped and what ran, told by each activity event.
    pub(super) fn activity(&mut self, chain: usize, view: &View<'a>) {
        let ran = ran(view);
        for (index, entry) in view.entries.iter().enumerate() {
            let Some(place) = entry.node else { continue };
            match &entry.activity.deed {
                Some(Deed::FileCreate(file)) => {
                    self.made(chain, view, (index, place), (file, Made::Created), &ran);
                }
                Some(Deed::FileWrite(file)) => {
                    self.made(chain, view, (index, place), (file, Made::Written), &ran);
                }
                Some(Deed::FileRename(file)) => {
                    self.made(chain, view, (index, place), (file, Made::Moved), &ran);
                }
                Some(Deed::Start(image)) => {
                    self.started(chain, view, place, Object::of_image(image), entry.activity.id);
                }
                _ => {}
            }
        }
    }

    fn started(&mut self, chain: usize, view: &View<'a>, place: usize, object: Object<'a>, id: u64) {
        let key = (view.chain.endpoint.clone(), object.path.to_vec());
        let Some(file) = self.files.get_mut(&key).filter(|_| object.package().is_empty()) else { return };
        file.is_program = true;
        if !is_kept(view, place) {
            self.add(chain, place, How::Ran, || format!("ran {}", object.label()), id);
        }
    }

    fn made(
        &mut self,
        chain: usize,
        view: &View<'a>,
        (index, place): (usize, usize),
        (file, made): (&'a FileDeed, Made),
        ran: &BTreeSet<&[u8]>,
    ) {
        let Some(end) = self.ends[chain].get(index).copied().flatten() else { return };
        let activity = view.entries[index].activity;
        let Some(object) = Object::of(activity) else { return };
        // Brought over another name, it may have taken the place of a file that was there before.
        let made = if end.path == file.path.as_slice() { made } else { made.min(Made::Moved) };
        let node = &view.nodes[place];
        let key = (view.chain.endpoint.clone(), end.path.to_vec());
        if self.nodes[chain].contains_key(&place) {
            let lasts = system::persistence(end.path);
            // What was detected may be none of these: a page of a web server is run by nobody. What got its name by being
            // moved may be the victim's.
            let is_bad = made == Made::Created && self.files.contains_key(&key);
            if is_bad || lasts.is_some() || can_run(file) || ran.contains(end.path) {
                let words = lasts.map_or_else(
                    || format!("was made by {}", node.name()),
                    |lasts| format!("is {} that {} made", lasts.what, node.name()),
                );
                let found =
                    Found { object, end, made, words: &words, activity: activity.id, is_recognized: false };
                self.file(chain, view, &found);
            }
            return;
        }
        let Some(bad) = self.files.get_mut(&key) else { return };
        bad.made = bad.made.max(made);
        if bad.is_program && !is_kept(view, place) && !is_of_person(view, place) {
            self.add(chain, place, How::Dropped, || format!("dropped {}", object.label()), activity.id);
        }
    }
}

/// Whether a process may be a person's, or was there before anybody looked: a shell at a terminal, unless it was started together
/// with others, as the end of `curl … | sh` is.
fn is_of_person(view: &View<'_>, place: usize) -> bool {
    let node = &view.nodes[place];
    let Some(process) = node.process.filter(|process| !process.from_before) else { return true };
    let image = &process.image;
    let is_login = image.arguments.first().is_some_and(|name| name.first() == Some(&b'-'));
    let is_at_terminal = is_login || !image.terminal.is_empty() || process.incomplete;
    let siblings = node.parent.map_or(&[][..], |parent| &view.nodes[parent].children);
    let is_piped = siblings.iter().filter(|other| **other != place).any(|other| {
        let other = view.nodes[*other].process.map(|other| other.started_at_us);
        other.is_some_and(|other| other.abs_diff(process.started_at_us) <= TOGETHER_US)
    });
    system::is_interactive_shell(image) && is_at_terminal && !is_piped
}

/// Paths that something was run from.
fn ran<'a>(view: &View<'a>) -> BTreeSet<&'a [u8]> {
    let starts = view.entries.iter().filter_map(|entry| match &entry.activity.deed {
        Some(Deed::Start(image)) => Some(Object::of_image(image).path),
        _ => None,
    });
    starts.collect()
}
