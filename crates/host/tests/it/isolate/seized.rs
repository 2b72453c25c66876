//! Local root that keeps the rules out: a table of our name that belongs to its socket, which nobody else may change.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use quell_host::isolate::{Applied, Change, State, apply, inspect, present, remove, watch};

use super::net::{Capture, ENDPOINT, Net, OUTSIDE, connect, net};
use super::{endpoint_mac, isolate, plan};

const INET: u8 = 1;
const NETDEV: u8 = 5;
/// `NFT_TABLE_F_OWNER`, and with `NFT_TABLE_F_PERSIST` (Linux 6.9) a table that outlives its owner.
const OWNED: u32 = 2;
const LASTING: u32 = 2 | 4;
const NAME: &str = "quell_isolation";

/// Whoever holds the socket that tables belong to.
struct Owner(OwnedFd);

impl Owner {
    /// Puts tables of its own, in one transaction, in the place of those that stand.
    fn take(net: &Net, flags: u32, tables: &[(u8, String)]) -> Self {
        let standing = names(net);
        net.at_endpoint(|| {
            let owner = Self::open();
            let mut batch = Vec::new();
            for (family, name) in tables {
                let name = (1, [name.as_bytes(), &[0]].concat());
                if standing.contains(&(*family, String::from_utf8_lossy(&name.1[..name.1.len() - 1]).into()))
                {
                    batch.extend(message(0xa02, 5, *family, 0, std::slice::from_ref(&name)));
                }
                batch.extend(message(0xa00, 0x405, *family, 0, &[name, (2, flags.to_be_bytes().into())]));
            }
            assert_eq!(owner.commit(&batch), 0, "the kernel gave no table to an owner");
            owner
        })
    }

    fn open() -> Self {
        let (kind, protocol) = (SockType::Raw, SockProtocol::NetlinkNetFilter);
        Self(socket(AddressFamily::Netlink, kind, SockFlag::SOCK_CLOEXEC, protocol).unwrap())
    }

    /// One transaction; the first error that the kernel had, or 0.
    fn commit(&self, messages: &[u8]) -> i32 {
        let batch = [&message(0x10, 1, 0, 10, &[]), messages, &message(0x11, 1, 0, 10, &[])].concat();
        sendto(self.0.as_raw_fd(), &batch, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
        let mut answer = [0; 4096];
        while let Ok(read) = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT) {
            let mut rest = &answer[..read];
            while let Some(length) = rest.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
                let code = i32::from_ne_bytes(rest[16..20].try_into().unwrap());
                if code != 0 {
                    return code;
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
        0
    }
}

/// A message of nftables, in netlink's own bytes.
fn message(kind: u16, flags: u16, family: u8, subsystem: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![family, 0];
    body.extend(subsystem.to_be_bytes());
    for (kind, value) in attributes {
        body.extend((value.len() as u16 + 4).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = (body.len() as u32 + 16).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Tables of the endpoint: the family's number and the name.
fn names(net: &Net) -> BTreeSet<(u8, String)> {
    let text = net.endpoint_runs("/usr/sbin/nft", "list tables");
    let row = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let family = if words.next()? == "netdev" { NETDEV } else { INET };
        Some((family, words.next()?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

fn both(name: &str) -> [(u8, String); 2] {
    [(INET, name.to_owned()), (NETDEV, name.to_owned())]
}

/// Cuts the endpoint off in spite of the owner, whose tables are told, and looks from both ends.
fn is_cut(net: &Net) -> Applied {
    let applied = net.at_endpoint(|| apply(&plan())).unwrap();
    let coverage = &applied.coverage;
    assert!(coverage.own_socket_only && coverage.raw_senders && coverage.ingress, "{coverage:?}");
    assert_eq!(coverage.reason, None);
    assert_eq!(net.at_endpoint(|| inspect(&applied.ruleset)).unwrap(), State::Intact);
    let capture = net.outside(Capture::open);
    for ip in OUTSIDE {
        assert!(net.at_endpoint(|| connect(ip, None)).is_err(), "{ip}");
    }
    for ip in ENDPOINT {
        assert!(net.outside(|| connect(ip, None)).is_err(), "{ip}");
    }
    let frames = capture.frames_of(endpoint_mac(net));
    assert!(frames.is_empty(), "{frames:x?}");
    applied
}

#[test]
fn tables_that_another_process_owns_do_not_keep_the_rules_out() {
    let Some(net) = net() else { return };
    net.serve();
    net.at_endpoint(super::net::serve);
    for flags in [OWNED, LASTING] {
        let owner = Owner::take(&net, flags, &both(NAME));
        assert_eq!(names(&net), both(NAME).into());
        assert!(!net.at_endpoint(present).unwrap(), "none of them is ours");
        let told = is_cut(&net).coverage.seized;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|table| table.contains("another process")), "{told:?}");
        assert!(net.at_endpoint(present).unwrap());

        // What goes is what was added, with the owner there or not; what it leaves behind is not ours either.
        net.at_endpoint(remove).unwrap();
        assert_eq!(names(&net), both(NAME).into());
        is_cut(&net);
        drop(owner);
        is_cut(&net);
        net.at_endpoint(remove).unwrap();
        assert!(!net.at_endpoint(present).unwrap());
        assert!(net.at_endpoint(|| connect(OUTSIDE[0], None)).is_ok());
        if flags == LASTING {
            assert_eq!(names(&net), both(NAME).into());
        } else {
            assert_eq!(names(&net), BTreeSet::new());
        }
        net.endpoint_runs("/usr/sbin/nft", "flush ruleset");
    }
}

#[test]
fn rules_whose_place_another_process_takes_are_put_elsewhere() {
    let Some(net) = net() else { return };
    net.serve();
    net.at_endpoint(super::net::serve);
    let mut ruleset = isolate(&net, &plan());
    // Whoever looks where they are now takes that place too; each time both tables, or one of them.
    let mut owners = Vec::new();
    for families in [&[INET, NETDEV][..], &[NETDEV], &[INET], &[INET, NETDEV]] {
        let ours: Vec<_> = names(&net)
            .into_iter()
            .filter(|(family, name)| families.contains(family) && *name == standing(&net, *family))
            .collect();
        assert_eq!(ours.len(), families.len(), "{ours:?}");
        let mut watch = net.at_endpoint(watch).unwrap();
        owners.push(Owner::take(&net, OWNED, &ours));
        assert_eq!(watch.wait(Duration::from_secs(5)).unwrap(), Change::Rules);
        match net.at_endpoint(|| inspect(&ruleset)).unwrap() {
            State::Drifted(found) => {
                let told = found.iter().filter(|d| d.contains("another process")).count();
                assert_eq!(told, families.len(), "{found:?}");
            }
            other => panic!("{other:?}"),
        }
        let applied = is_cut(&net);
        ruleset = applied.ruleset;
    }
    // Nothing of it is left once the owners are gone, and a name of ours that has become superfluous goes too.
    drop(owners);
    assert_eq!(net.at_endpoint(|| inspect(&ruleset)).unwrap(), State::Intact);
    net.endpoint_runs("/usr/sbin/nft", "add table inet quell_isolation");
    assert!(matches!(net.at_endpoint(|| inspect(&ruleset)).unwrap(), State::Drifted(_)));
    is_cut(&net);
    assert_eq!(names(&net).len(), 2);
    net.at_endpoint(remove).unwrap();
    assert_eq!(names(&net), BTreeSet::new());
}

/// The table of a family that has our chains.
fn standing(net: &Net, family: u8) -> String {
    let word = if family == NETDEV { "netdev" } else { "inet" };
    let text = net.endpoint_runs("/usr/sbin/nft", "list chains");
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(&format!("table {word} ")) {
            name.trim_end_matches(" {").clone_into(&mut table);
        } else if line.starts_with("table ") {
            table.clear();
        } else if line.trim_start().starts_with("chain ") && !table.is_empty() {
            return table;
        }
    }
    panic!("no chain of ours in {text}")
}

#[test]
fn what_is_changed_before_anybody_looked_is_no_baseline() {
    let Some(net) = net() else { return };
    isolate(&net, &plan());
    let mut watch = net.at_endpoint(watch).unwrap();
    let (applied, flushed) = std::thread::scope(|scope| {
        // As soon as the kernel says that the rules are there, those of one chain go.
        let quick = scope.spawn(|| {
            net.at_endpoint(|| {
                let flush = [(1, b"quell_isolation\0".to_vec()), (2, b"input\0".to_vec())];
                let (root, flush) = (Owner::open(), message(0xa08, 5, INET, 0, &flush));
                assert_eq!(watch.wait(Duration::from_secs(20)).unwrap(), Change::Rules);
                root.commit(&flush)
            })
        });
        (net.at_endpoint(|| apply(&plan())).unwrap(), quick.join().unwrap())
    });
    assert_eq!(flushed, 0);
    let rules = net.endpoint_runs("/usr/sbin/nft", "list chain inet quell_isolation input");
    assert!(!rules.contains("accept"), "{rules}");
    match net.at_endpoint(|| inspect(&applied.ruleset)).unwrap() {
        State::Drifted(found) => assert!(found.iter().any(|d| d.contains("missing: rule")), "{found:?}"),
        other => panic!("{other:?}"),
    }
    is_cut(&net);
}
