//! Other ends: addresses and names that the intruder's processes talked to and asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use quell_catalog::blocklist::{Kind, MAX_INLINE, Value};
use quell_wire::activity::{Deed, Severity, address};

use super::{Because, Draft};
use crate::chain::Object;
use crate::offer::{fit, kept_address, kept_name};
use crate::setting::Told;
use crate::system;
use crate::text::count;

/// Other ends that are left alone and named.
const LEFT: usize = 32;

/// What is known of an other end.
struct End {
    because: BTreeSet<Because>,
    /// Who talked to it.
    who: String,
    /// Many serve from it: it is proposed, and not ticked.
    is_shared: bool,
}

impl End {
    const fn of(who: String) -> Self {
        Self { because: BTreeSet::new(), who, is_shared: false }
    }
}

impl Draft<'_, '_> {
    /// Lists addresses, then names, for all endpoints.
    pub(super) fn block_ends(&mut self) {
        let (ends, left) = self.ends_of_all();
        let more = left.len().saturating_sub(LEFT);
        self.plan.left.extend(left.into_iter().take(LEFT));
        if more > 0 {
            let text = format!("{} more that are not listed", count(more, "other end", "other ends"));
            self.plan.left.push(Told::new("beyond", text));
        }
        for (kind, is_shared) in
            [(Kind::Ip, false), (Kind::Domain, false), (Kind::Ip, true), (Kind::Domain, true)]
        {
            let is_of = |end: &(&Value, &End)| end.0.kind() == kind && end.1.is_shared == is_shared;
            let group: Vec<_> = ends.iter().filter(is_of).collect();
            for group in group.chunks(MAX_INLINE) {
                self.list_ends(kind, is_shared, group);
            }
        }
    }

    /// Whom the intruder's processes talked to, and who of them is left alone.
    fn ends_of_all(&self) -> (BTreeMap<Value, End>, BTreeSet<Told>) {
        let shared = self.shared_addresses();
        let (mut ends, mut left) = (BTreeMap::<Value, End>::new(), BTreeSet::new());
        for (chain, view) in self.views.iter().enumerate() {
            for entry in &view.entries {
                let bad = entry.node.filter(|place| self.malice.cause(chain, *place).is_some());
                let (Some(place), Some(object)) = (bad, Object::of(entry.activity)) else { continue };
                let (value, is_shared) = match (&entry.activity.deed, object.address()) {
                    (Some(Deed::Connect(_)), Some(address)) => {
                        (self.address(chain, address), shared.contains(&address.to_canonical()))
                    }
                    (Some(Deed::Dns(dns)), _) => (self.name(&dns.name), system::is_served_by_many(&dns.name)),
                    _ => continue,
                };
                match value {
                    Ok(value) => {
                        let end = ends.entry(value).or_insert_with(|| End::of(view.nodes[place].name()));
                        end.is_shared |= is_shared;
                        if end.because.len() < super::BECAUSE {
                            let (chain, activity) = (view.chain.id.clone(), entry.activity.id);
                            end.because.insert(Because { chain, activity });
                        }
                    }
                    Err(why) => {
                        left.insert(Told::new(why.code, format!("{}: {}", object.label(), why.text)));
                    }
                }
            }
        }
        (ends, left)
    }

    fn list_ends(&mut self, kind: Kind, is_shared: bool, group: &[(&Value, &End)]) {
        let (one, many, verb) = match kind {
            Kind::Ip => ("address", "addresses", "talked to"),
            Kind::Domain | Kind::Sha1 | Kind::Sha256 | Kind::Url | Kind::Sender => {
                ("name", "names", "asked for")
            }
        };
        let told: Vec<_> = group
            .iter()
            .take(3)
            .map(|(value, end)| {
                let event = end.because.first().map_or(0, |first| first.activity);
                format!("{} {verb} {value} (event {event})", end.who)
            })
            .collect();
        let because = group.iter().flat_map(|(_, end)| end.because.iter().cloned()).collect();
        let values: Vec<_> = group.iter().map(|(value, _)| (*value).clone()).collect();
        let what = format!(
            "{}{}",
            count(values.len(), one, many),
            if is_shared { ", from which many others serve," } else { "" }
        );
        let is_ticked = !is_shared && self.severity >= Severity::High;
        self.list(values, &what, told.join("; "), because, is_ticked);
    }

    fn address(&self, chain: usize, address: IpAddr) -> Result<Value, Told> {
        if let Some(why) = kept_address(address, &self.views[chain], self.setting) {
            return Err(why);
        }
        if let Some(why) = system::inner(address) {
            return Err(Told::new("private", why));
        }
        fit(Kind::Ip, &address.to_canonical().to_string())
    }

    fn name(&self, name: &str) -> Result<Value, Told> {
        match kept_name(name, self.setting) {
            Some(why) => Err(why),
            None => fit(Kind::Domain, name.trim_end_matches('.')),
        }
    }

    /// Addresses that were answered for names from which many serve.
    fn shared_addresses(&self) -> BTreeSet<IpAddr> {
        let entries = self.views.iter().flat_map(|view| &view.entries);
        let answers = entries.filter_map(|entry| match &entry.activity.deed {
            Some(Deed::Dns(dns)) if system::is_served_by_many(&dns.name) => Some(&dns.answers),
            _ => None,
        });
        answers.flatten().filter_map(|answer| address(answer)).map(|address| address.to_canonical()).collect()
    }
}
