//! Sockets and who holds them: `process_open_sockets`, `listening_ports`. Each network namespace that a process lives in is
//! looked at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

use super::detail::namespace;
use super::open::descriptors;
use super::{all, file};

/// A table of sockets of one namespace. Bytes.
const SOCKETS: u64 = 64 << 20;

pub(crate) static OPEN_SOCKETS: Table = Table {
    name: "process_open_sockets",
    about: "Sockets that processes hold open, with both ends.",
    columns: &[
        int("pid").index(),
        big("fd"),
        big("socket"),
        int("family"),
        int("protocol"),
        text("local_address"),
        text("remote_address"),
        int("local_port"),
        int("remote_port"),
        text("path"),
        text("state"),
        text("net_namespace"),
    ],
    rows: open_sockets,
};

pub(crate) static LISTENING: Table = Table {
    name: "listening_ports",
    about: "Ports and local sockets on which processes listen.",
    columns: &[
        int("pid"),
        int("port"),
        int("protocol"),
        int("family"),
        text("address"),
        big("fd"),
        big("socket"),
        text("path"),
        text("net_namespace"),
    ],
    rows: listening,
};

const UNIX: i64 = 1;
const INET: i64 = 2;
const INET6: i64 = 10;

#[derive(Clone, Debug, Default, PartialEq)]
struct Socket {
    inode: i64,
    family: i64,
    protocol: i64,
    local: (String, i64),
    remote: (String, i64),
    path: String,
    state: &'static str,
    namespace: String,
}

/// `/proc/net/*` of IP sockets: name, family, protocol of IP.
const TABLES: &[(&str, i64, i64)] = &[
    ("tcp", INET, 6),
    ("tcp6", INET6, 6),
    ("udp", INET, 17),
    ("udp6", INET6, 17),
    ("udplite", INET, 136),
    ("udplite6", INET6, 136),
    ("raw", INET, 255),
    ("raw6", INET6, 255),
    ("icmp", INET, 1),
    ("icmp6", INET6, 58),
];

const STATES: &[&str] = &[
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// Sockets of the namespaces of these processes, by inode.
fn sockets(scan: &Scan, pids: &[i64]) -> Vec<Socket> {
    let mut seen = BTreeSet::new();
    let mut sockets = Vec::new();
    for pid in pids {
        let Some(namespace) = namespace(scan, *pid, "net") else { continue };
        if seen.insert(namespace.clone()) {
            of_namespace(scan, *pid, &namespace, &mut sockets);
        }
    }
    sockets
}

fn of_namespace(scan: &Scan, pid: i64, namespace: &str, sockets: &mut Vec<Socket>) {
    let text =
        |name: &str| read::bytes(&file(scan, pid, &format!("net/{name}")), SOCKETS).unwrap_or_default();
    for (name, family, protocol) in TABLES {
        let bytes = text(name);
        let found = read::lines(&bytes).skip(1).filter_map(|line| internet(&line, *family, *protocol));
        sockets.extend(found.map(|socket| Socket { namespace: namespace.to_owned(), ..socket }));
    }
    let bytes = text("unix");
    let found = read::lines(&bytes).skip(1).filter_map(|line| local(&line));
    sockets.extend(found.map(|socket| Socket { namespace: namespace.to_owned(), ..socket }));
}

/// `sl local remote st tx:rx tr:when retransmits uid timeout inode …`
fn internet(line: &str, family: i64, protocol: i64) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let local = end(words.get(1)?)?;
    let remote = end(words.get(2)?)?;
    let state = usize::from_str_radix(words.get(3)?, 16).ok()?;
    let inode = words.get(9)?.parse().ok()?;
    // Only TCP has states.
    let state = if protocol == 6 { STATES.get(state).copied().unwrap_or("UNKNOWN") } else { "" };
    Some(Socket { inode, family, protocol, local, remote, state, ..Socket::default() })
}

/// An address of `/proc/net/tcp`: words of 32 bits in this machine's byte order, and the port.
fn end(text: &str) -> Option<(String, i64)> {
    let (address, port) = text.split_once(':')?;
    let port = i64::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    if address.len() == 8 {
        return Some((Ipv4Addr::from(word(0)?).to_string(), port));
    }
    let mut bytes = [0; 16];
    for at in 0..4 {
        bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
    }
    Some((Ipv6Addr::from(bytes).to_string(), port))
}

/// `Num: RefCount Protocol Flags Type St Inode Path`
fn local(line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let flags = i64::from_str_radix(words.nth(3)?, 16).ok()?;
    let inode = words.nth(2)?.parse().ok()?;
    let path = line.split_once(&format!(" {inode} ")).map(|(_, path)| path.trim_start().to_owned());
    let state = if flags & 0x10000 != 0 { "LISTEN" } else { "" };
    Some(Socket { inode, family: UNIX, path: path.unwrap_or_default(), state, ..Socket::default() })
}

/// Who holds which socket: inode to process and descriptor.
fn holders(scan: &Scan, pids: &[i64]) -> BTreeMap<i64, Vec<(i64, i64)>> {
    let mut held: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for pid in pids {
        if scan.env.stop.is_due() {
            break;
        }
        for (fd, target) in descriptors(scan, *pid) {
            let text = String::from_utf8_lossy(&target);
            let inode = text.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            if let Some(inode) = inode.and_then(|inode| inode.parse().ok()) {
                held.entry(inode).or_default().push((*pid, fd));
            }
        }
    }
    held
}

fn open_sockets(scan: &Scan) -> Rows {
    let named = scan.number("pid");
    let pids = match named {
        Some(Some(pid)) => vec![pid],
        Some(None) => Vec::new(),
        None => all(scan),
    };
    let held = holders(scan, &pids);
    let scan = scan.clone();
    Box::new(sockets(&scan, &pids).into_iter().flat_map(move |socket| {
        let mut holders = held.get(&socket.inode).cloned().unwrap_or_default();
        // As in osquery: a socket that nobody holds (TIME_WAIT, another namespace's) belongs to -1.
        if holders.is_empty() && named.is_none() && socket.family != UNIX {
            holders.push((-1, -1));
        }
        let scan = scan.clone();
        holders.into_iter().map(move |(pid, fd)| {
            let mut row = common(&scan, &socket, pid, fd)
                .set("local_address", socket.local.0.as_str())
                .set("local_port", socket.local.1)
                .set("remote_address", socket.remote.0.as_str())
                .set("remote_port", socket.remote.1);
            row.put("state", socket.state);
            row
        })
    }))
}

fn common(scan: &Scan, socket: &Socket, pid: i64, fd: i64) -> Row {
    scan.row()
        .set("pid", pid)
        .set("fd", fd)
        .set("socket", socket.inode)
        .set("family", socket.family)
        .set("protocol", socket.protocol)
        .set("path", socket.path.as_str())
        .set("net_namespace", socket.namespace.as_str())
}

fn listening(scan: &Scan) -> Rows {
    let pids = all(scan);
    let held = holders(scan, &pids);
    let scan = scan.clone();
    let waits = |socket: &Socket| match socket.family {
        UNIX => socket.state == "LISTEN",
        _ if socket.protocol == 6 => socket.state == "LISTEN",
        // A datagram socket without a peer takes from anybody.
        _ => socket.remote.1 == 0,
    };
    let sockets: Vec<Socket> = sockets(&scan, &pids).into_iter().filter(waits).collect();
    Box::new(sockets.into_iter().flat_map(move |socket| {
        let mut holders = held.get(&socket.inode).cloned().unwrap_or_default();
        if holders.is_empty() {
            holders.push((-1, -1));
        }
        let scan = scan.clone();
        holders.into_iter().map(move |(pid, fd)| {
            common(&scan, &socket, pid, fd)
                .set("port", socket.local.1)
                .set("address", socket.local.0.as_str())
        })
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let tcp = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0";
        let socket = internet(tcp, INET, 6).unwrap();
        assert_eq!(
            (socket.local, socket.state, socket.inode),
            (("127.0.0.1".to_owned(), 8080), "LISTEN", 12345)
        );
        let six = end("00000000000000000000000001000000:0016").unwrap();
        assert_eq!(six, ("::1".to_owned(), 22));
        let unix = "0000000000000000: 00000002 00000000 00010000 0001 01 20876 /run/a b.sock";
        let socket = local(unix).unwrap();
        assert_eq!((socket.path.as_str(), socket.state), ("/run/a b.sock", "LISTEN"));
        assert_eq!(local("0000000000000000: 00000002 00000000 00000000 0002 01 20876").unwrap().path, "");
        for garbage in ["", "x", ": : : :", "0: zz:1 00000000:0 0A"] {
            assert_eq!(internet(garbage, INET, 6), None);
            assert_eq!(local(garbage), None);
        }
    }
}
