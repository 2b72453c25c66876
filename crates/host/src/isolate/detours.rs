//! Ways around the rules that others laid in the kernel's traffic control: filters of queueing disciplines, and BPF
//! programs attached there (`tcx`).
//!
//! A filter may redirect a frame to another interface (`mirred`, `bpf_redirect`), and the kernel then skips the
//! netfilter egress hook there. Loopback is no exception: a filter on it can send what is "local" out by a network
//! card. So every interface is looked at. They are told and left alone: container networks live on such filters,
//! and who took them away would break what the isolation has to keep.
//!
//! What a filter does with a frame cannot be known for sure (it may be a program), so each one counts.
//! Numbers are those of `linux/rtnetlink.h`, `linux/pkt_sched.h` and `linux/bpf.h`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use nix::sys::socket::SockProtocol;

use super::netlink::{Netlink, attributes, text, u32_at};
use super::{Error, facts};

const NEW_DISCIPLINE: u16 = 36;
const GET_DISCIPLINE: u16 = 38;
const NEW_CLASS: u16 = 40;
const GET_CLASS: u16 = 42;
const NEW_FILTER: u16 = 44;
const GET_FILTER: u16 = 46;
const ATTRIBUTE_KIND: u16 = 1;
const ATTRIBUTE_OPTIONS: u16 = 2;
const ATTRIBUTE_INVISIBLE: u16 = 10;
/// The two sides of a `clsact` discipline, and the only one of `ingress`.
const CLSACT_INGRESS: u32 = 0xffff_fff2;
const CLSACT_EGRESS: u32 = 0xffff_fff3;
const INGRESS: u32 = 0xffff_0000;
/// A machine with more disciplines and classes than this is not looked at to the end, and says so.
const MAX_ASKED: usize = 8192;
/// Filters kept and compared; more are counted as one difference.
const MAX_FOUND: usize = 4096;
/// Programs of one interface and side that are told apart.
const MAX_PROGRAMS: usize = 64;

/// Every detour of this network namespace, each in words for a person, and what could not be looked at.
/// Two looks at an unchanged kernel give equal sets.
pub(super) fn detours() -> Result<BTreeSet<String>, Error> {
    let names: BTreeMap<u32, String> = facts::interfaces()?.into_iter().map(|i| (i.index, i.name)).collect();
    let mut found = match filters(&names) {
        Ok(found) => found,
        // A kernel without traffic control has no filters.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => BTreeSet::new(),
        Err(error) => BTreeSet::from([format!("filters, which could not be listed ({error})")]),
    };
    for (index, name) in &names {
        for (side, attach_type) in [("ingress", TCX_INGRESS), ("egress", TCX_EGRESS)] {
            match programs(*index, attach_type) {
                Ok(ids) => {
                    found.extend(ids.iter().map(|id| format!("BPF program {id} on {name:?}, {side}")));
                }
                Err(error) => {
                    found.insert(format!("BPF programs, which could not be listed ({error})"));
                }
            }
        }
    }
    Ok(found)
}

/// Where filters may hang: an interface, and a discipline or class of it.
type Place = (u32, u32);

fn filters(names: &BTreeMap<u32, String>) -> io::Result<BTreeSet<String>> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    let mut found = BTreeSet::new();
    for (asked, (index, parent)) in places(&mut netlink)?.into_iter().enumerate() {
        if asked >= MAX_ASKED {
            return Err(io::Error::other("too many queueing disciplines and classes"));
        }
        let name = names.get(&index).map_or("?", String::as_str);
        netlink.dump(GET_FILTER, &request(index, parent), |kind, row| {
            if kind == NEW_FILTER && found.len() < MAX_FOUND {
                found.extend(filter(row, name, parent));
            }
        })?;
    }
    Ok(found)
}

fn places(netlink: &mut Netlink) -> io::Result<BTreeSet<Place>> {
    let (mut places, mut classful) = (BTreeSet::new(), BTreeSet::new());
    let mut body = request(0, 0);
    // An attribute without a value: show those too that the kernel made by itself.
    body.extend([4_u16, ATTRIBUTE_INVISIBLE].iter().flat_map(|n| n.to_ne_bytes()));
    netlink.dump(GET_DISCIPLINE, &body, |kind, row| {
        let (Some(index), Some(handle)) = (u32_at(row, 4), u32_at(row, 8)) else { return };
        if kind != NEW_DISCIPLINE {
            return;
        }
        match kind_of(row).as_str() {
            "noqueue" => {}
            "clsact" => places.extend([(index, CLSACT_INGRESS), (index, CLSACT_EGRESS)]),
            "ingress" => places.extend([(index, INGRESS)]),
            _ => {
                // A handle of zero names the discipline at the root.
                places.insert((index, handle));
                classful.insert(index);
            }
        }
    })?;
    for index in classful {
        netlink.dump(GET_CLASS, &request(index, 0), |kind, row| {
            if let (NEW_CLASS, Some(handle)) = (kind, u32_at(row, 8)) {
                places.insert((index, handle));
            }
        })?;
    }
    Ok(places)
}

/// `struct tcmsg`.
fn request(index: u32, parent: u32) -> Vec<u8> {
    [0, index, 0, parent, 0].iter().flat_map(|n: &u32| n.to_ne_bytes()).collect()
}

fn kind_of(row: &[u8]) -> String {
    let kind = attributes(row.get(20..).unwrap_or_default()).find(|(k, _)| *k == ATTRIBUTE_KIND);
    kind.map(|(_, value)| text(value)).unwrap_or_default()
}

/// One filter in words; nothing for the rows that only head a list of them (their handle is zero).
fn filter(row: &[u8], interface: &str, parent: u32) -> Option<String> {
    let (handle, info) = (u32_at(row, 8)?, u32_at(row, 16)?);
    let kind = kind_of(row);
    // A table of `u32` holds filters and is none.
    if handle == 0 || kind == "u32" && handle.trailing_zeros() >= 12 {
        return None;
    }
    let side = match parent {
        CLSACT_INGRESS | INGRESS => "ingress".to_owned(),
        CLSACT_EGRESS => "egress".to_owned(),
        other => format!("egress at {:x}:{:x}", other >> 16, other & 0xffff),
    };
    let mut words =
        format!("{kind} filter on {interface:?}, {side}, priority {}, handle {handle:#x}", info >> 16);
    let options = attributes(row.get(20..)?).find(|(k, _)| *k == ATTRIBUTE_OPTIONS);
    if options.is_some_and(|(_, value)| value.windows(7).any(|w| w == b"mirred\0")) {
        let _ = write!(words, ", which redirects or copies");
    }
    Some(words)
}

const PROGRAM_QUERY: libc::c_int = 16;
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// The part of `union bpf_attr` that belongs to `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct Query {
    interface: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    _pad: u32,
    _unused: [u64; 4],
}

/// Programs attached to one side of an interface without any discipline (Linux 6.6).
#[expect(unsafe_code, reason = "no crate at hand wraps this question of the bpf system call")]
fn programs(interface: u32, attach_type: u32) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut query = Query {
        interface,
        attach_type,
        ids: ids.as_mut_ptr() as u64,
        count: MAX_PROGRAMS as u32,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes `query`, whose size is given, and writes at most `count` numbers
    // to `ids`, which has room for as many; both outlive the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, PROGRAM_QUERY, &raw mut query, size_of::<Query>()) };
    if answer < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // Nothing attached; a kernel that knows no such place, or no BPF at all; an interface that went.
            Some(libc::ENOENT | libc::EINVAL | libc::ENOSYS | libc::ENODEV) => Ok(Vec::new()),
            Some(libc::ENOSPC) => Ok(ids.to_vec()),
            _ => Err(error),
        };
    }
    let count = usize::try_from(query.count).unwrap_or(MAX_PROGRAMS).min(MAX_PROGRAMS);
    Ok(ids[..count].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_skipped() {
        for length in [0, 8, 19] {
            assert_eq!(filter(&vec![1; length], "eth0", CLSACT_EGRESS), None);
        }
        assert_eq!(kind_of(&[0; 20]), "");
    }
}
