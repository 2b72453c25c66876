//! What the list means on this endpoint now: which hashes, which addresses, which names.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use quell_catalog::blocklist::{Action, Kind, Value};
use quell_host::blocknet::Addresses;
use quell_host::guard::Lists;
use quell_host::isolate::Network;

use super::Error;
use super::names::Names;
use super::store::{Kept, Record, Store};

/// The list, sorted by who enforces it.
#[derive(Debug, Default)]
pub struct Content {
    /// For the execution guard.
    pub hashes: Lists,
    /// Blocked addresses.
    pub block: Addresses,
    /// Reported addresses.
    pub report: Addresses,
    /// Exceptions among addresses.
    pub keep: BTreeSet<Network>,
    /// Names.
    pub names: Names,
    /// Objects of each kind that count, in the order of [`Kind::ALL`].
    pub counts: [u32; 6],
    /// When the next object counts no more, microseconds since 1970.
    pub next_expiry_us: Option<i64>,
}

impl Content {
    /// Reads the list as it counts at this time.
    pub fn read(store: &Store, kept: &Kept, now_us: i64) -> Result<Self, Error> {
        let mut content = Self::default();
        // Exceptions stand first in the file.
        let mut excepted: HashSet<(u8, Vec<u8>)> = HashSet::new();
        store.each(kept, |record| {
            if record.is_exception {
                match value(&record) {
                    Some(Value::Ip(network)) => content.keep.extend(host_network(network)),
                    value => {
                        // What is listed around it stays listed.
                        if let Some(Value::Domain(name)) = value {
                            content.names.except(&name);
                        }
                        excepted.insert((record.kind, record.value));
                    }
                }
            } else if record.expires_us == 0 || record.expires_us > now_us {
                if !excepted.contains(&(record.kind, record.value.clone())) {
                    content.take(&record);
                }
                if record.expires_us > 0 {
                    let next = content.next_expiry_us.unwrap_or(i64::MAX);
                    content.next_expiry_us = Some(next.min(record.expires_us));
                }
            }
        })?;
        content.names.seal();
        content.block = content.block.seal();
        content.report = content.report.seal();
        Ok(content)
    }

    fn take(&mut self, record: &Record) {
        let (Some(value), Some(action)) = (value(record), Action::of_number(record.action.into())) else {
            return;
        };
        if value.built_in_exception().is_some() {
            return;
        }
        let is_block = action == Action::Block;
        if let Some(count) =
            Kind::ALL.iter().position(|kind| *kind == value.kind()).and_then(|at| self.counts.get_mut(at))
        {
            *count += 1;
        }
        match value {
            Value::Sha1(hash) if is_block => self.hashes.block_sha1.push(hash),
            Value::Sha1(hash) => self.hashes.report_sha1.push(hash),
            Value::Sha256(hash) if is_block => self.hashes.block_sha256.push(hash),
            Value::Sha256(hash) => self.hashes.report_sha256.push(hash),
            Value::Ip(network) => {
                let list = if is_block { &mut self.block } else { &mut self.report };
                if let Some(network) = host_network(network) {
                    list.push(network);
                }
            }
            Value::Domain(name) => self.names.add(&name, action, record.expires_us),
            Value::Url(_) | Value::Sender(_) => {}
        }
    }

    /// Whether there are hashes.
    pub fn has_hashes(&self) -> bool {
        let Lists { block_sha256, report_sha256, block_sha1, report_sha1 } = &self.hashes;
        !(block_sha256.is_empty()
            && report_sha256.is_empty()
            && block_sha1.is_empty()
            && report_sha1.is_empty())
    }

    /// Whether the network has to be watched.
    pub fn has_network(&self) -> bool {
        !(self.block.is_empty() && self.report.is_empty() && self.names.is_empty())
    }
}

fn value(record: &Record) -> Option<Value> {
    Value::from_bytes(Kind::of_number(record.kind.into())?, &record.value)
}

fn host_network(network: quell_catalog::blocklist::Network) -> Option<Network> {
    Network::new(network.address(), network.prefix()).ok()
}

/// For each address the most narrow listed network that holds it and counts, and what is done about it. One reading.
pub fn listed_addresses(
    store: &Store,
    kept: &Kept,
    addresses: impl Iterator<Item = IpAddr>,
    now_us: i64,
) -> BTreeMap<IpAddr, (Value, Action)> {
    let one = |address: IpAddr| {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Some((address, Value::Ip(quell_catalog::blocklist::Network::new(address, prefix).ok()?)))
    };
    let met: Vec<(IpAddr, Value)> = addresses.filter_map(one).collect();
    let mut best: BTreeMap<IpAddr, (u8, Value, Action)> = BTreeMap::new();
    let looked = store.each(kept, |record| {
        if record.is_exception || record.kind != 3 || (record.expires_us != 0 && record.expires_us <= now_us)
        {
            return;
        }
        let (Some(listed @ Value::Ip(network)), Some(action)) =
            (value(&record), Action::of_number(record.action.into()))
        else {
            return;
        };
        for (address, _) in met.iter().filter(|(_, met)| met.is_within(&listed)) {
            if best.get(address).is_none_or(|(prefix, ..)| network.prefix() > *prefix) {
                best.insert(*address, (network.prefix(), listed.clone(), action));
            }
        }
    });
    match looked {
        Ok(()) => best.into_iter().map(|(address, (_, value, action))| (address, (value, action))).collect(),
        Err(_) => BTreeMap::new(),
    }
}
