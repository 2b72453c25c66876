//! Terminate process: what a start says of a process.

use quell_catalog::{ActionKind, process};
use quell_wire::activity::{Process, ProcessKey};

use super::{Choice, Offer};
use crate::chain::View;
use crate::setting::{Endpoint, Setting, Told};
use crate::{system, text};

/// `process.terminate` of a process of a chain, with its descendants as a choice.
pub fn terminate(view: &View<'_>, key: ProcessKey, setting: &Setting) -> Offer {
    let endpoint = setting.endpoint(&view.chain.endpoint);
    let place = view.place_of(key);
    let node = place.and_then(|place| view.nodes.get(place));
    let name =
        node.map_or_else(|| format!("process {}", key.pid), |node| format!("{} ({})", node.name(), key.pid));
    let below = place.map_or(0, |place| running_below(view, place));
    let params = match refusal(view, key, endpoint) {
        Some(why) => Err(why),
        None => serde_json::to_value(process::terminate::Params {
            pid: Some(key.pid),
            start_time: Some(key.start),
            boot_id: (!view.chain.boot_id.is_empty()).then(|| view.chain.boot_id.clone()),
            descendants: below > 0,
            ..process::terminate::Params::default()
        })
        .map_err(|error| Told::new("unfit", error.to_string())),
    };
    let mut offer = Offer::made(ActionKind::ProcessTerminate, name, params);
    if offer.refused.is_some() {
        return offer.on(endpoint);
    }
    offer.choices.push(Choice {
        field: "descendants",
        text: format!("end its descendants too: {} known to run", text::count(below, "is", "are")),
        preset: below > 0,
    });
    let told = node.and_then(|node| node.process).map(warnings).unwrap_or_default();
    offer.warnings.extend(told);
    let is_unsure = endpoint.is_some_and(|endpoint| endpoint.boot_id.is_none());
    let text = "whether the endpoint was started anew since is not known; then nothing is ended";
    offer.warn(is_unsure.then(|| Told::new("boot_unknown", text))).on(endpoint)
}

fn warnings(process: &Process) -> Vec<Told> {
    let mut told = Vec::new();
    if system::is_daemon(&process.image) {
        let name = text::shown(text::base_name(&process.image.path), text::NAME);
        told.push(Told::new("daemon", format!("{name} keeps others going: what it serves ends with it")));
    }
    if process.from_before {
        let text = "it ran before the recorder did: what it is there for is not known";
        told.push(Told::new("from_before", text));
    }
    told
}

/// Descendants that are not known to have ended.
pub(crate) fn running_below(view: &View<'_>, place: usize) -> usize {
    view.descendants(place).into_iter().filter(|below| !view.nodes[*below].has_ended()).count()
}

fn refusal(view: &View<'_>, key: ProcessKey, endpoint: Option<&Endpoint>) -> Option<Told> {
    let node = view.node(key);
    let process = node.and_then(|node| node.process);
    if key.pid < 2 || process.is_some_and(|process| system::is_own(&process.image.path)) {
        return Some(Told::new("protected", "without it the endpoint, or its agent, would not run"));
    }
    let boot = endpoint.and_then(|endpoint| endpoint.boot_id.as_deref());
    if boot.is_some_and(|boot| boot != view.chain.boot_id) {
        return Some(Told::new("other_boot", "the endpoint was started anew since: the process is gone"));
    }
    node.filter(|node| node.has_ended()).map(|_| Told::new("ended", "the process has ended"))
}
