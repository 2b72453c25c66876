//! Ending what runs: the topmost of it, with all that it started.

use std::collections::BTreeMap;

use quell_catalog::{ActionKind, process};
use serde_json::Value;

use super::{Because, Blast, Draft, NAMED, OnFailure, Place, Sketch};
use crate::chain::View;
use crate::offer::{self, Offer};
use crate::setting::Told;
use crate::system;
use crate::text::{count, hex};

/// An endpoint, and a content that runs on it.
type Running = (String, Vec<u8>);

/// Processes of one content from which on they are ended by it, with one command.
const BY_CONTENT: usize = 3;

impl Draft<'_, '_> {
    /// Ends each topmost running process of the intruder's.
    ///
    /// A process whose parent has ended belongs to somebody else by now, so the end of its former ancestors does not reach it: it
    /// is a topmost one itself.
    pub(super) fn terminate(&mut self) {
        let tops = self.tops();
        let mut by_content: BTreeMap<Running, Vec<Place>> = BTreeMap::new();
        for (chain, place) in &tops {
            if let Some(key) = self.content_of(*chain, *place) {
                by_content.entry(key).or_default().push((*chain, *place));
            }
        }
        by_content.retain(|_, places| places.len() >= BY_CONTENT);
        for (chain, place) in tops {
            let key = self.content_of(chain, place);
            match key.and_then(|key| by_content.get(&key).map(|places| (key, places.clone()))) {
                None => self.end_one(chain, place),
                Some((key, places)) if places.first() == Some(&(chain, place)) => {
                    self.end_content(&key, &places);
                }
                Some(_) => {}
            }
        }
    }

    fn tops(&self) -> Vec<Place> {
        let runs = |chain: usize, place: usize| self.malice.runs(self.views, chain, place);
        let own = self.malice.places().filter(|(chain, place)| runs(*chain, *place));
        own.filter(|(chain, place)| {
            let parent = self.views[*chain].nodes[*place].parent;
            !parent.is_some_and(|parent| runs(*chain, parent))
        })
        .collect()
    }

    /// What a process runs, where that is the intruder's own content.
    fn content_of(&self, chain: usize, place: usize) -> Option<Running> {
        let view = &self.views[chain];
        let process = view.nodes[place].process.filter(|process| !process.from_before)?;
        let image = &process.image;
        let boot = self.setting.endpoint(&view.chain.endpoint)?.boot_id.as_ref();
        let is_own = boot.is_none_or(|boot| *boot == view.chain.boot_id)
            && !system::is_system_program(image)
            && !self.setting.is_packaged(view, &image.sha256)
            && !system::is_interpreter(&image.path)
            && image.sha256.len() == 32;
        is_own.then(|| (view.chain.endpoint.clone(), image.sha256.clone()))
    }

    fn end_one(&mut self, chain: usize, place: usize) {
        let view = &self.views[chain];
        let node = &view.nodes[place];
        let mut offer = offer::terminate(view, node.key, self.setting);
        if let Some(Value::Object(params)) = &mut offer.params {
            // It may have started more by the time that it is ended.
            params.insert("descendants".to_owned(), Value::Bool(true));
        }
        let Some(cause) = self.malice.cause(chain, place).cloned() else { return };
        let is_ticked = !offer.warnings.iter().any(|told| matches!(told.code, "daemon" | "from_before"));
        let reason = format!("{} ({}) {}", node.name(), node.key.pid, cause.said());
        let because = self.because_below(chain, place);
        let blast = blast(view, &[place]);
        let id = view.chain.endpoint.clone();
        let after = self.numbers(&id, &[ActionKind::EndpointIsolate, ActionKind::FilePreventRun]);
        let sketch = Sketch {
            endpoint: Some(id),
            offer,
            reason,
            because,
            blast,
            on_failure: OnFailure::Stop,
            is_ticked,
            after,
        };
        self.end(&[(chain, place)], sketch);
    }

    /// Ends everything that runs one content: one command instead of many.
    fn end_content(&mut self, (id, sha256): &Running, places: &[Place]) {
        let Some((chain, place)) = places.first().copied() else { return };
        let (view, node) = (&self.views[chain], &self.views[chain].nodes[place]);
        let params = serde_json::to_value(process::terminate::Params {
            sha256: Some(hex(sha256)),
            descendants: true,
            ..process::terminate::Params::default()
        })
        .map_err(|error| Told::new("unfit", error.to_string()));
        let object = format!("everything that runs {}", node.name());
        let offer = Offer::made(ActionKind::ProcessTerminate, object, params).on(self.setting.endpoint(id));
        let Some(cause) = self.malice.cause(chain, place).cloned() else { return };
        let reason = format!(
            "{} of {} run on their own, and the first {}",
            count(places.len(), "process", "processes"),
            node.name(),
            cause.said()
        );
        let because = places.iter().flat_map(|(chain, place)| self.because_below(*chain, *place)).collect();
        let own: Vec<_> =
            places.iter().filter(|(other, _)| *other == chain).map(|(_, place)| *place).collect();
        let blast = blast(view, &own);
        let after = self.numbers(id, &[ActionKind::EndpointIsolate, ActionKind::FilePreventRun]);
        let (endpoint, is_ticked) = (Some(id.clone()), true);
        let sketch =
            Sketch { endpoint, offer, reason, because, blast, on_failure: OnFailure::Stop, is_ticked, after };
        self.end(places, sketch);
    }

    /// Adds a step that ends these and what they started, and remembers whom it ends.
    fn end(&mut self, places: &[Place], sketch: Sketch) {
        let before = self.plan.steps.len();
        self.push(sketch);
        let Some(step) = self.plan.steps.get(before) else { return };
        let below = places.iter().flat_map(|(chain, place)| {
            let below = self.views[*chain].descendants(*place).into_iter();
            below.chain([*place]).map(move |below| (*chain, below))
        });
        self.ends.push((step.number, below.collect()));
    }

    /// Its own reason first, then the key activity events of what it started.
    fn because_below(&self, chain: usize, place: usize) -> Vec<Because> {
        let view = &self.views[chain];
        let own = self.malice.cause(chain, place).map(|cause| cause.activity).filter(|id| *id != 0);
        let below = view.descendants(place).into_iter().chain([place]);
        let keys = below.flat_map(|below| view.nodes[below].key_events.iter().copied());
        own.into_iter()
            .chain(keys)
            .map(|activity| Because { chain: view.chain.id.clone(), activity })
            .collect()
    }
}

fn blast(view: &View<'_>, places: &[usize]) -> Blast {
    let all = places.iter().flat_map(|place| view.descendants(*place).into_iter().chain([*place]));
    let mut running: Vec<_> = all.filter(|place| !view.nodes[*place].has_ended()).collect();
    running.sort_unstable();
    running.dedup();
    let names: Vec<_> = running
        .iter()
        .take(NAMED)
        .map(|place| format!("{} ({})", view.nodes[*place].name(), view.nodes[*place].key.pid))
        .collect();
    let more = running.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let top =
        places.first().and_then(|place| view.nodes[*place].process).map(|process| &process.image.package);
    let package = top.filter(|package| !package.is_empty());
    Blast {
        text: format!(
            "{} known to run end: {}{more}",
            count(running.len(), "process", "processes"),
            names.join(", ")
        ),
        processes: u32::try_from(running.len()).unwrap_or(u32::MAX),
        package: package.map(|package| crate::text::shown(package.as_bytes(), crate::text::NAME)),
        ..Blast::default()
    }
}
