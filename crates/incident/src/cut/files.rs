//! Files of the intruder's: kept from running, moved away, listed; those that others write too are left to a person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use quell_catalog::blocklist::{Kind, Value};
use quell_catalog::{ActionKind, blocklist::MAX_INLINE};
use quell_wire::activity::FileDeed;

use super::malice::{BadFile, Made, Malice};
use super::{Because, Blast, Draft, Manual, NAMED, OnFailure, Sketch};
use crate::chain::{Object, ObjectKind, View};
use crate::offer::{self, Offer};
use crate::setting::Told;
use crate::system;
use crate::text::{NAME, count, hex, shown};

/// Endpoints on which a content is seen beyond which it may be everybody's.
const COMMON: u32 = 10;

impl Draft<'_, '_> {
    /// Keeps each content from running on the endpoints where it lies.
    pub(super) fn prevent_runs(&mut self) {
        let mut done = BTreeSet::new();
        for ((id, path), bad) in self.malice.files.clone() {
            let object = Object { sha256: content(&bad), ..bad.object };
            let mut is_new = || object.sha256.is_empty() || done.insert((id.clone(), object.sha256.to_vec()));
            if !bad.is_program || !is_new() || self.is_full(ActionKind::FilePreventRun, (&id, object)) {
                continue;
            }
            let view = &self.views[bad.chain];
            if self.setting.is_packaged(view, object.sha256) {
                let text = "it is a copy of a package's program: to forbid its content would forbid that program too";
                let place = self.setting.name_of(&id);
                self.plan.left.push(Told::new("packaged", format!("{} on {place}: {text}", object.label())));
                continue;
            }
            let mut offer = offer::prevent_run(view, object, bad.at_us, self.setting);
            let (blast, is_common) = self.blast(object);
            let is_ticked = !is_common && is_sure(&bad, &path, &mut offer);
            let after = self.numbers(&id, &[ActionKind::EndpointIsolate]);
            self.push(Sketch {
                endpoint: Some(id),
                reason: reason(&bad),
                because: bad.because.iter().cloned().collect(),
                on_failure: OnFailure::Continue,
                is_ticked,
                offer,
                blast,
                after,
            });
        }
    }

    /// Moves away what the intruder made, and what was recognized.
    pub(super) fn quarantine(&mut self) {
        for ((id, path), bad) in self.malice.files.clone() {
            let lasts = system::persistence(&path);
            let is_shared = lasts.is_some_and(|lasts| lasts.is_shared);
            let is_run = bad.is_detected && bad.object.kind != ObjectKind::File;
            let is_own = bad.made >= Made::Moved || lasts.is_none() && (bad.is_recognized || is_run);
            let is_over = bad.made < Made::Created && (is_shared || system::is_system_path(&path));
            if !path.is_empty() && (!is_own || is_over) {
                self.by_hand(&id, &path, &bad);
            }
            let is_full = |draft: &mut Self| draft.is_full(ActionKind::FileQuarantine, (&id, bad.object));
            if !is_own || is_over && !is_shared || is_full(self) {
                continue;
            }
            let view = &self.views[bad.chain];
            let mut offer = offer::quarantine(view, bad.object, bad.at_us, self.setting);
            if is_over {
                let text = "it may have taken the place of a file that was there before, whose older lines would go with it";
                offer.warnings.push(Told::new("over_older", text));
            }
            let (mut blast, is_common) = self.blast(Object { sha256: content(&bad), ..bad.object });
            if let Some(lasts) = lasts {
                blast.text = format!("{} goes with all that it starts; {}", lasts.what, blast.text);
            }
            // A copy of what everybody runs is taken away by its name, which nobody else uses.
            let is_common = is_common && !self.setting.is_packaged(view, content(&bad));
            let is_ticked = !is_over && !is_common && is_sure(&bad, &path, &mut offer);
            let after = self.before_quarantine(&id, &path);
            self.push(Sketch {
                endpoint: Some(id),
                reason: reason(&bad),
                because: bad.because.iter().cloned().collect(),
                on_failure: OnFailure::Continue,
                offer,
                blast,
                is_ticked,
                after,
            });
        }
    }

    /// Whether there is no room for another step; then it is noted.
    fn is_full(&mut self, action: ActionKind, (endpoint, object): (&str, Object<'_>)) -> bool {
        let is_full = self.plan.steps.len() >= super::STEPS;
        if is_full {
            let (title, place) = (action.spec().title, self.setting.name_of(endpoint));
            self.beyond.add(|| format!("{title}: {} on {place}", object.label()));
        }
        is_full
    }

    /// Steps before a file is moved away: the ends of those that run it, who would write it again, and no others.
    fn before_quarantine(&self, id: &str, path: &[u8]) -> Vec<u32> {
        let runs = |(chain, place): &(usize, usize)| {
            let view = &self.views[*chain];
            let image = view.nodes[*place].process.map(|process| Object::of_image(&process.image));
            view.chain.endpoint == id && image.is_some_and(|image| image.path == path)
        };
        let ends = self.ends.iter().filter(|(_, places)| places.iter().any(runs));
        let mut before = self.numbers(id, &[ActionKind::FilePreventRun]);
        before.extend(ends.map(|(number, _)| *number));
        before.sort_unstable();
        before
    }

    /// Lists what ran or can run, for all endpoints.
    pub(super) fn block_contents(&mut self) {
        let mut values: BTreeMap<Value, Content> = BTreeMap::new();
        let files = self.malice.files.clone();
        for ((_, path), bad) in files.iter().filter(|(_, bad)| bad.is_program && !content(bad).is_empty()) {
            let object = Object { sha256: content(bad), ..bad.object };
            if self.setting.is_packaged(&self.views[bad.chain], object.sha256) {
                continue;
            }
            match offer::fit(Kind::Sha256, &hex(object.sha256)) {
                Ok(value) => {
                    let is_doubtful = self.blast(object).1 || !bad.is_sure(path);
                    let label = object.label();
                    let known =
                        values.entry(value).or_insert_with(|| Content { label, ..Content::default() });
                    known.is_doubtful |= is_doubtful;
                    known.because.extend(bad.because.iter().cloned());
                }
                Err(why) => {
                    self.plan.left.push(Told::new(why.code, format!("{}: {}", object.label(), why.text)));
                }
            }
        }
        for is_doubtful in [false, true] {
            let group: Vec<_> =
                values.iter().filter(|(_, content)| content.is_doubtful == is_doubtful).collect();
            for group in group.chunks(MAX_INLINE) {
                self.list_contents(group, is_doubtful);
            }
        }
    }

    fn list_contents(&mut self, group: &[(&Value, &Content)], is_doubtful: bool) {
        let names: Vec<_> = group.iter().take(NAMED).map(|(_, content)| content.label.clone()).collect();
        let because = group.iter().flat_map(|(_, content)| content.because.iter().cloned()).collect();
        let what = count(group.len(), "content", "contents");
        let reason = format!("what ran here would run elsewhere too: {}", names.join(", "));
        let values = group.iter().map(|(value, _)| (*value).clone()).collect();
        self.list(values, &what, reason, because, !is_doubtful);
    }

    /// A step that lists values for all endpoints.
    pub(super) fn list(
        &mut self,
        values: Vec<Value>,
        what: &str,
        reason: String,
        because: Vec<Because>,
        is_ticked: bool,
    ) {
        let names: Vec<_> = values.iter().take(3).map(Value::to_string).collect();
        let more = values.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let object = shown(format!("{}{more}", names.join(", ")).as_bytes(), 2 * NAME);
        let params = offer::listed(values, &reason);
        let offer = Offer::made(ActionKind::BlocklistAdd, object, params);
        let text = format!("{what} on all endpoints of the tenant, for 30 days");
        self.push(Sketch {
            endpoint: None,
            offer,
            reason,
            because,
            blast: Blast { text, ..Blast::default() },
            on_failure: OnFailure::Continue,
            is_ticked,
            after: Vec::new(),
        });
    }

    /// Who else runs a content, and whether so many have it that it may be everybody's.
    fn blast(&self, object: Object<'_>) -> (Blast, bool) {
        let others = self.others.get(object.sha256).copied().unwrap_or(0);
        let endpoints = self.setting.seen_on.get(&hex(object.sha256)).copied();
        let seen = endpoints.map_or_else(
            || "where else it lies is not known".to_owned(),
            |endpoints| format!("it was seen on {}", count(endpoints as usize, "endpoint", "endpoints")),
        );
        let runs = match others {
            0 => "nothing else in these chains runs it".to_owned(),
            others => {
                format!(
                    "{} that are not the intruder's run it too",
                    count(others as usize, "process", "processes")
                )
            }
        };
        let package = object.package();
        let blast = Blast {
            text: format!("{runs}; {seen}"),
            others,
            endpoints,
            package: (!package.is_empty()).then(|| shown(package.as_bytes(), NAME)),
            ..Blast::default()
        };
        (blast, endpoints.is_some_and(|endpoints| endpoints > COMMON) || others > 0)
    }

    /// A change of a file that was there before is taken back by a person.
    fn by_hand(&mut self, id: &str, path: &[u8], bad: &BadFile<'_>) {
        let label = shown(path, NAME);
        let place = self.setting.name_of(id);
        let what = system::persistence(path).map(|lasts| lasts.what);
        let text = match what {
            Some(what) => {
                format!("look at {label} on {place}, {what}: take out what the intruder wrote, keep the rest")
            }
            None if system::is_system_path(path) => {
                format!(
                    "{label} on {place} lies among the system's programs and was changed: install its package anew"
                )
            }
            None => format!("look at {label} on {place}: it was changed, and was there before"),
        };
        let because = bad.because.iter().cloned().collect();
        self.plan.manual.push(Manual { endpoint: id.to_owned(), text, because });
    }
}

/// Whether a file is surely the intruder's; the offer says so where it is not.
fn is_sure(bad: &BadFile<'_>, path: &[u8], offer: &mut Offer) -> bool {
    let is_sure = bad.is_sure(path);
    if !is_sure {
        let text = "nobody saw it being dropped, and it lies where services are installed: it may be one that was misused";
        offer.warnings.push(Told::new("not_sure", text));
    }
    is_sure
}

/// What is listed of a content.
#[derive(Default)]
struct Content {
    label: String,
    because: BTreeSet<Because>,
    is_doubtful: bool,
}

/// The content of a bad file: of what ran or was recognized, as it was then; of what was being written, as it is by now, for
/// the first hash may be of half a file.
fn content<'a>(bad: &BadFile<'a>) -> &'a [u8] {
    let is_whole = bad.is_recognized || bad.object.kind != ObjectKind::File || bad.sha256.is_empty();
    if is_whole && !bad.object.sha256.is_empty() { bad.object.sha256 } else { bad.sha256 }
}

/// Running processes that are not the intruder's, by what they run.
pub(super) fn others<'a>(views: &[View<'a>], malice: &Malice<'_>) -> HashMap<&'a [u8], u32> {
    let mut others = HashMap::new();
    for (chain, view) in views.iter().enumerate() {
        for (place, node) in view.nodes.iter().enumerate() {
            if malice.cause(chain, place).is_none()
                && !node.has_ended()
                && let Some(process) = node.process
            {
                let content = Object::of_image(&process.image).sha256;
                *others.entry(content).or_insert(0) += u32::from(!content.is_empty());
            }
        }
    }
    others
}

fn reason(bad: &BadFile<'_>) -> String {
    let size = bad.object.file.map(|file: &FileDeed| file.size).filter(|size| *size > 0);
    let size = size.map_or_else(String::new, |size| format!(", {size} bytes,"));
    format!("{}{size} {}{}", bad.object.label(), bad.words, super::malice::event(bad.told_by))
}
