//! On which endpoint what other products tell happened: looked up once for a request, before anything is written, so that
//! nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};

use quell_ingest::Event;
use quell_store::endpoint::place;
use quell_store::{Error, Store};
use uuid::Uuid;

/// Names and addresses that are looked up for one request; what comes beyond is on no endpoint.
const LOOKUPS: usize = 20_000;

/// Names and addresses with the endpoint that each leads to.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Uuid>);

impl Places {
    /// Looks up all that these events name.
    pub async fn find(store: &Store, tenant: Uuid, events: &[Event]) -> Result<Self, Error> {
        let mut wanted = BTreeSet::new();
        for name in events.iter().flat_map(names) {
            if wanted.len() >= LOOKUPS {
                break;
            }
            if !name.is_empty() && name.len() <= place::PLACE {
                wanted.insert(name);
            }
        }
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        store.read(move |tx| place::find(tx, tenant, &wanted)).await.map(Self)
    }

    /// The one endpoint that an event names.
    pub fn of(&self, event: &Event) -> Option<Uuid> {
        let hints = &event.endpoint;
        let mut named = [&hints.host, &hints.agent_name].into_iter().flatten();
        if let Some(id) = named.find_map(|name| self.0.get(name)) {
            return Some(*id);
        }
        let addresses = hints.addresses.iter().map(ToString::to_string);
        let mut found: BTreeSet<Uuid> = addresses.filter_map(|name| self.0.get(&name).copied()).collect();
        // Both ends of a connection may be ours: then it is neither.
        if found.len() == 1 { found.pop_first() } else { None }
    }
}

fn names(event: &Event) -> impl Iterator<Item = String> {
    let hints = &event.endpoint;
    let named = [&hints.host, &hints.agent_name].into_iter().flatten().cloned();
    named.chain(hints.addresses.iter().map(ToString::to_string))
}
