//! The first step: cut off what can still reach out.

use std::collections::BTreeSet;

use quell_catalog::ActionKind;
use quell_wire::activity::{Deed, Fate, Severity};

use super::{Because, Blast, Draft, OnFailure, Sketch};
use crate::chain::{Object, ObjectKind};
use crate::offer;
use crate::setting::{Endpoint, Told};
use crate::text::count;

impl Draft<'_, '_> {
    /// Isolates an endpoint on which a process of the intruder's may still be connected, or whose incident is grave.
    pub(super) fn isolate(&mut self, id: &str) {
        let outside = self.outside(id);
        let is_grave = self.severity >= Severity::High;
        if outside.is_none() && !is_grave {
            return;
        }
        let name = self.setting.name_of(id);
        let unknown = Endpoint { id: id.to_owned(), name: name.clone(), ..Endpoint::default() };
        let endpoint = self.setting.endpoint(id).unwrap_or(&unknown);
        if endpoint.is_isolated {
            self.plan.left.push(Told::new("isolated", format!("{name} is isolated already")));
            return;
        }
        let Some(offer) = offer::of_endpoint(endpoint).get(ActionKind::EndpointIsolate).cloned() else {
            return;
        };
        let (because, connection) = outside.unzip();
        let reason = match connection {
            Some(text) => format!("{text}: what it talks to can still answer"),
            None => self.first_cause(id),
        };
        let connections = self.connections(id);
        let text = format!(
            "everything that {name} serves and uses over the network stops, but for its management server; the chains know of {}",
            count(connections, "connection to another machine", "connections to other machines")
        );
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        self.push(Sketch {
            endpoint: Some(id.to_owned()),
            offer,
            reason,
            because: because.map_or_else(|| self.key_events(id), |one| vec![one]),
            blast: Blast { text, connections, ..Blast::default() },
            on_failure: OnFailure::Continue,
            is_ticked: true,
            after: Vec::new(),
        });
    }

    /// The latest connection to another machine that a running process of the intruder's may still have.
    fn outside(&self, endpoint: &str) -> Option<(Because, String)> {
        let own = self.views.iter().enumerate().filter(|(_, view)| view.chain.endpoint == endpoint);
        let found = own.flat_map(|(chain, view)| view.entries.iter().map(move |entry| (chain, view, entry)));
        let found = found.filter(|(chain, view, entry)| {
            let is_live = entry.node.is_some_and(|place| self.malice.runs(self.views, *chain, place));
            is_live && self.boot(view.chain).is_none_or(|boot| *boot == view.chain.boot_id)
        });
        let (_, view, entry) = found
            .filter(|(.., entry)| match &entry.activity.deed {
                Some(Deed::Connect(connection)) => connection.fate() != Fate::Failed,
                _ => false,
            })
            .filter(|(.., entry)| {
                let address = Object::of(entry.activity).and_then(|object| object.address());
                address.is_some_and(|address| !address.to_canonical().is_loopback())
            })
            .max_by_key(|(chain, _, entry)| (entry.activity.at_us, entry.activity.id, *chain))?;
        let object = Object::of(entry.activity)?;
        let name = entry.node.map_or_else(String::new, |place| view.nodes[place].name());
        let because = Because { chain: view.chain.id.clone(), activity: entry.activity.id };
        let text =
            format!("{name} runs and has been connected to {} (event {})", object.label(), entry.activity.id);
        Some((because, text))
    }

    fn boot(&self, chain: &crate::Chain) -> Option<&String> {
        self.setting.endpoint(&chain.endpoint)?.boot_id.as_ref()
    }

    /// Other ends that the chains of an endpoint talked to.
    fn connections(&self, endpoint: &str) -> usize {
        let own = self.views.iter().filter(|view| view.chain.endpoint == endpoint);
        let ends = own.flat_map(|view| &view.entries).filter_map(|entry| {
            let object = Object::of(entry.activity).filter(|object| object.kind == ObjectKind::Address)?;
            Some((object.address().filter(|address| !address.is_loopback())?, object.connection?.remote_port))
        });
        ends.collect::<BTreeSet<_>>().len()
    }

    /// A sentence about the worst of an endpoint.
    pub(super) fn first_cause(&self, endpoint: &str) -> String {
        let own = self.malice.places().find(|(chain, _)| self.views[*chain].chain.endpoint == endpoint);
        let own = own.and_then(|(chain, place)| {
            Some((&self.views[chain].nodes[place], self.malice.cause(chain, place)?))
        });
        match own {
            Some((node, cause)) => {
                format!("{} {}, and the incident is grave", node.name(), cause.said())
            }
            None => "a file of the intruder's lies there, and the incident is grave".to_owned(),
        }
    }

    /// The key activity events of an endpoint.
    pub(super) fn key_events(&self, endpoint: &str) -> Vec<Because> {
        let own = self.views.iter().filter(|view| view.chain.endpoint == endpoint);
        let events = own.flat_map(|view| view.detections().map(move |(_, hit)| (view, hit)));
        events.map(|(view, hit)| Because { chain: view.chain.id.clone(), activity: hit.activity }).collect()
    }
}
