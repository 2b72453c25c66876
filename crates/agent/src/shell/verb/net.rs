//! `netstat`: sockets as /proc/net shows them (proc_net(5)), and who holds them.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use quell_wire::shell::ANSWER;
use serde_json::{Value, json};

use super::Found;
use super::look::rows;

/// Read of one table. Bytes.
const TABLE: u64 = 8 << 20;
/// Descriptors looked at of one process.
const DESCRIPTORS: usize = 4096;
/// States of TCP, in the kernel's order from 1 (include/net/tcp_states.h).
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// Pid and name of a process, by the inode of a socket.
type Holders = HashMap<u64, (u32, String)>;

/// TCP and UDP sockets of the agent's network namespace.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every verb")]
pub(super) fn sockets() -> Found {
    let holders = holders();
    let mut found = Vec::new();
    let mut room = ANSWER;
    let mut is_more = false;
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        if let Ok(file) = fs::File::open(format!("/proc/net/{table}")) {
            is_more |= take(table, BufReader::new(file.take(TABLE)), &holders, &mut room, &mut found);
        }
    }
    Ok(rows(found, is_more))
}

/// As many rows as there is room for; whether there are more.
fn take(
    table: &str,
    from: impl BufRead,
    holders: &Holders,
    room: &mut usize,
    found: &mut Vec<Value>,
) -> bool {
    let lines = from.lines().skip(1).map_while(Result::ok);
    for row in lines.filter_map(|line| row(table, &line, holders)) {
        let Some(left) = room.checked_sub(row.to_string().len() + 1) else { return true };
        *room = left;
        found.push(row);
    }
    false
}

fn row(table: &str, line: &str, holders: &Holders) -> Option<Value> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, remote) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    let state = usize::from_str_radix(fields.get(3)?, 16).ok()?;
    let inode: u64 = fields.get(9)?.parse().ok()?;
    let holder = holders.get(&inode);
    let is_tcp = table.starts_with("tcp");
    Some(json!({
        "protocol": table, "local": local.to_string(), "remote": remote.to_string(),
        "state": if is_tcp { STATES.get(state.wrapping_sub(1)).copied() } else { None },
        "uid": fields.get(7).and_then(|uid| uid.parse::<u32>().ok()),
        "pid": holder.map(|(pid, _)| *pid), "program": holder.map(|(_, name)| name),
    }))
}

/// `0100007F:1F90`: each 32-bit word in the machine's order, the port in the network's.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match host.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (number, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(number * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// Which process holds which socket, by inode; the first where several do.
fn holders() -> Holders {
    let mut found = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut name = None;
        for descriptor in descriptors.flatten().take(DESCRIPTORS) {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target
                .to_str()
                .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let Some(inode) = inode else { continue };
            let name = name.get_or_insert_with(|| {
                let text = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                super::clean(text.trim_end(), 64)
            });
            found.entry(inode).or_insert_with(|| (pid, name.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_more_is_made_of_a_table_than_an_answer_holds() {
        let line =
            "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1\n";
        let endless = std::iter::repeat_n(line, 200_000).collect::<String>();
        let (mut room, mut found) = (ANSWER, Vec::new());
        assert!(take("tcp", endless.as_bytes(), &Holders::new(), &mut room, &mut found));
        assert!(found.len() > 100 && found.len() * 50 < ANSWER, "{}", found.len());
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(address("0100007F:1F90").unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(address("00000000000000000000000001000000:0016").unwrap().to_string(), "[::1]:22");
        for bad in ["", "0100007F", "0100007:1", "é00007F:1", "0100007F:zz"] {
            assert!(address(bad).is_none(), "{bad}");
        }
    }
}
