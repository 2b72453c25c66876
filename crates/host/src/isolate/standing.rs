//! What stands in our tables, asked of the kernel itself, and what of it the next transaction may leave in place.
//!
//! Rules begin and cease to count in one instant. Hooks do not: that of a new chain is put *before* the old one's of
//! the same priority while the new chain is still empty, and the old hook is later turned into one that accepts, in
//! place. A packet that is held up between the two meets neither chain's rules (`nf_hook_entries_grow` and
//! `nf_remove_net_hook` in Linux' `net/netfilter/core.c`). So a hook that is as we would make it stays, and
//! only the rules behind it change.
//!
//! Not from `nft`: release 1.0.6 leaves the device of a chain out of its JSON, and takes the flags of a table from
//! freed memory. Numbers are those of `linux/netfilter/nf_tables.h`.

use std::collections::BTreeMap;
use std::io;

use nix::sys::socket::SockProtocol;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use super::netlink::{Netlink, attributes, text};
use super::render::{Base, Chain, Ground, PRIORITY, TABLE, Wanted, is_ours};
use super::{Error, netlink_error, ruleset};

/// Number of the nftables subsystem, in the high byte of a message's type.
const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
/// The families in which we have a table, by the kernel's number; one of our name in another is nobody's.
const FAMILIES: [(u8, &str); 2] = [(5, "netdev"), (1, "inet")];
/// `NFT_TABLE_F_DORMANT`, the only flag that a table of ours can get. The others make a table belong to the socket
/// that made it (`NFT_TABLE_F_OWNER`, Linux 5.12) and outlive it (`NFT_TABLE_F_PERSIST`, 6.9): those are given when
/// it is made or never.
const DORMANT: u32 = 1;
/// `NFT_TABLE_F_OWNER`.
const OWNER: u32 = 2;
/// `NFT_CHAIN_BASE`, the only flag of a chain of ours.
const BASE: u32 = 1;
const NF_DROP: u32 = 0;

/// What the kernel says of our tables, but for their rules.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Ours.
    pub tables: Vec<Table>,
    /// Those of our name that we did not make, and that nobody may change.
    pub seized: Vec<Table>,
    chains: Vec<Found>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub family: &'static str,
    pub name: String,
    pub flags: u32,
    /// The netlink port of its owner, as a rule its process id.
    owner: Option<u32>,
    /// How many chains, sets and other objects it has.
    objects: u32,
}

#[derive(Debug)]
struct Found {
    family: &'static str,
    table: String,
    handle: u64,
    /// `None` for one that we would never make so.
    chain: Option<Chain>,
}

/// What a transaction leaves in place.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Where the rules go.
    pub ground: Ground,
    /// The tables that stay, by family, each with the chains in it that go. All others are replaced.
    pub tables: BTreeMap<&'static str, Vec<u64>>,
    /// The chains that stay.
    pub chains: Vec<Chain>,
    /// What stays, as `nft` lists it.
    pub objects: Vec<Value>,
}

impl Table {
    /// What its flags mean for the rules.
    pub(super) fn in_words(&self) -> String {
        let Self { family, name, flags, .. } = self;
        let why = match self.owner {
            Some(port) if flags & OWNER != 0 => format!("belongs to another process, netlink port {port}"),
            _ if self.is_seized() => "belonged to another process, and outlived it".to_owned(),
            _ => "is dormant: its rules do not count".to_owned(),
        };
        format!("table {family} {name:?} {why} ({flags:#x})")
    }

    fn is_seized(&self) -> bool {
        self.flags & !DORMANT != 0
    }
}

impl Standing {
    pub(super) fn read() -> Result<Self, Error> {
        let ask = || -> io::Result<Self> {
            let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
            let mut standing = Self::default();
            netlink.dump(GET_TABLE, &[0; 4], |kind, row| {
                standing.tables.extend(if kind == NEW_TABLE { table(row) } else { None });
            })?;
            // In the order of the families, whoever made them when.
            standing.tables.sort_by_key(|table| FAMILIES.iter().position(|(_, name)| *name == table.family));
            standing.seized = standing.tables.extract_if(.., |table| table.is_seized()).collect();
            // No table, no chain.
            if !standing.tables.is_empty() {
                netlink.dump(GET_CHAIN, &[0; 4], |kind, row| {
                    standing.chains.extend(if kind == NEW_CHAIN { found(row) } else { None });
                })?;
                let Self { tables, chains, .. } = &mut standing;
                chains.retain(|chain| tables.iter().any(|table| chain.is_in(table)));
            }
            Ok(standing)
        };
        ask().map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM) => Error::Permission,
            _ => netlink_error("list tables and chains", source),
        })
    }

    /// The chains that are as we make them.
    pub(super) fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter_map(|found| found.chain.as_ref())
    }

    /// What stands in our way, in words.
    pub(super) fn seized_in_words(&self) -> impl Iterator<Item = String> {
        self.seized.iter().map(Table::in_words)
    }

    /// Decides where the rules go, by family: where ours are already; under our plain name; or, where another process
    /// has that name, under one that it cannot foresee. Any other table of ours goes.
    pub(super) fn ground(&self) -> Result<Ground, Error> {
        let mut ground = Ground::default();
        for (family, place) in [("inet", &mut ground.inet), ("netdev", &mut ground.netdev)] {
            let ours = || self.tables.iter().filter(|table| table.family == family);
            // With most of our hooks, so that a decoy does not cost them.
            let hooks = |table: &&Table| self.chains.iter().filter(|found| found.is_in(table)).count();
            let best = ours().max_by_key(hooks);
            if let Some(best) = best {
                place.clone_from(&best.name);
            } else if self.seized.iter().any(|table| table.family == family && table.name == TABLE) {
                let mut digits = [0; 4];
                SystemRandom::new().fill(&mut digits).map_err(|_| Error::NoRandomness)?;
                *place = format!("{TABLE}_{:08x}", u32::from_ne_bytes(digits));
            }
            let others = ours().filter(|table| Some(*table) != best);
            ground.go.extend(others.map(|table| (family, table.name.clone())));
        }
        Ok(ground)
    }

    /// Decides what may stay where `wanted` shall stand: in a table that has nothing but chains and no flag, each
    /// chain whose hook is the one wanted. The rest of such a table goes; any other table is replaced.
    pub(super) fn keep(&self, ground: Ground, wanted: &[Wanted]) -> Kept {
        let mut kept = Kept { ground, ..Kept::default() };
        let mut stay = Vec::new();
        let stands = |table: &&Table| table.flags == 0 && kept.ground.table(table.family) == table.name;
        let tables: Vec<&Table> = self.tables.iter().filter(stands).collect();
        for table in tables {
            let chains = || self.chains.iter().filter(|found| found.is_in(table));
            if usize::try_from(table.objects) != Ok(chains().count()) {
                continue;
            }
            let (same, other): (Vec<&Found>, Vec<&Found>) = chains()
                .partition(|found| wanted.iter().any(|wanted| Some(&wanted.chain) == found.chain.as_ref()));
            kept.tables.insert(table.family, other.iter().map(|found| found.handle).collect());
            kept.chains.extend(same.iter().filter_map(|found| found.chain.clone()));
            stay.extend(same.iter().map(|found| (table.family, found.handle)));
        }
        if kept.tables.is_empty() {
            return kept;
        }
        // What cannot be listed cannot be a baseline either.
        let Ok(listed) = ruleset::list(self) else {
            return Kept { ground: kept.ground, ..Kept::default() };
        };
        let names = |family: &str, name: &Value| kept.ground.table(family) == *name;
        let stays = |object: &Value| match (object.get("table"), object.get("chain")) {
            (Some(table), _) => {
                kept.tables.keys().any(|family| table["family"] == *family && names(family, &table["name"]))
            }
            (_, Some(chain)) => stay.iter().any(|(family, handle)| {
                chain["family"] == *family && names(family, &chain["table"]) && chain["handle"] == *handle
            }),
            _ => false,
        };
        let objects = listed.into_iter().filter(stays).collect();
        Kept { objects, ..kept }
    }
}

/// The number behind four bytes in network order.
fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

fn family(row: &[u8]) -> Option<&'static str> {
    FAMILIES.iter().find(|(number, _)| row.first() == Some(number)).map(|(_, name)| *name)
}

fn table(row: &[u8]) -> Option<Table> {
    let (family, row) = (family(row)?, row.get(4..)?);
    let name = attribute(row, 1).map(text).filter(|name| is_ours(name))?;
    let flags = attribute(row, 2).and_then(number).unwrap_or(0);
    let objects = attribute(row, 3).and_then(number).unwrap_or(u32::MAX);
    let owner = attribute(row, 7).and_then(number);
    Some(Table { family, name, flags, owner, objects })
}

impl Found {
    fn is_in(&self, table: &Table) -> bool {
        self.family == table.family && self.table == table.name
    }
}

fn found(row: &[u8]) -> Option<Found> {
    let (family, row) = (family(row)?, row.get(4..)?);
    let handle = u64::from_be_bytes(attribute(row, 2)?.try_into().ok()?);
    let table = attribute(row, 1).map(text)?;
    Some(Found { family, table, handle, chain: chain(family, row) })
}

fn chain(family: &'static str, row: &[u8]) -> Option<Chain> {
    let name = text(attribute(row, 3)?);
    let flags = attribute(row, 10).and_then(number).unwrap_or(0) & !BASE;
    let base = match attribute(row, 4) {
        None => None,
        Some(hook) => Some(base(family, row, hook)?),
    };
    (flags == 0).then_some(Chain { family, name, base })
}

/// A hook with the type, priority and policy that all of ours have.
fn base(family: &str, row: &[u8], hook: &[u8]) -> Option<Base> {
    let policy = attribute(row, 5).and_then(number)?;
    let priority = attribute(hook, 2).and_then(number)?.cast_signed();
    let ours = policy == NF_DROP && priority == PRIORITY && text(attribute(row, 7)?) == "filter";
    let hook_name = match (family, attribute(hook, 1).and_then(number)?) {
        ("inet", 1) => "input",
        ("inet", 2) => "forward",
        ("inet", 3) => "output",
        ("netdev", 0) => "ingress",
        ("netdev", 1) => "egress",
        _ => return None,
    };
    // Each is a name, or in later kernels a pattern, which is of another kind and none of ours.
    let devices: Vec<_> = attribute(hook, 4).into_iter().flat_map(attributes).collect();
    let device = match devices[..] {
        [] => None,
        [(1, name)] => Some(text(name)),
        _ => return None,
    };
    ours.then_some(Base { hook: hook_name, device })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_skipped() {
        for length in [0, 3, 4, 19] {
            assert!(table(&vec![1; length]).is_none() && found(&vec![1; length]).is_none());
        }
    }
}
