//! Who is and was here: `logged_in_users`, `last`, from the records of utmp(5).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

/// A record of Linux with 64 bits. Bytes.
const RECORD: usize = 384;
/// A log of sessions: about 170,000 records.
const LOG: u64 = 64 << 20;

pub(crate) static LOGGED_IN: Table = Table {
    name: "logged_in_users",
    about: "Sessions that stand.",
    columns: &[text("type"), text("user"), text("tty"), text("host"), big("time"), int("pid")],
    rows: logged_in,
};

pub(crate) static LAST: Table = Table {
    name: "last",
    about: "Sessions that stood, from wtmp.",
    columns: &[
        text("username"),
        text("tty"),
        int("pid"),
        int("type"),
        text("type_name"),
        int("time"),
        text("host"),
    ],
    rows: last,
};

#[derive(Debug, PartialEq)]
struct Record {
    kind: i64,
    pid: i64,
    line: String,
    user: String,
    host: String,
    time: i64,
}

fn record(bytes: &[u8]) -> Option<Record> {
    let number = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let text = |from: usize, len: usize| {
        let field = bytes.get(from..from + len)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(len);
        Some(String::from_utf8_lossy(&field[..end]).into_owned())
    };
    let kind = i16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let mut host = text(76, 256)?;
    if host.is_empty() {
        host = address(bytes.get(348..364)?);
    }
    Some(Record {
        kind: kind.into(),
        pid: number(4)?.into(),
        line: text(8, 32)?,
        user: text(44, 32)?,
        host,
        time: i64::from(number(340)?),
    })
}

/// Four words; an address of four bytes leaves the rest zero.
fn address(bytes: &[u8]) -> String {
    match <[u8; 16]>::try_from(bytes) {
        Ok([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) | Err(_) => String::new(),
        Ok([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) => Ipv4Addr::new(a, b, c, d).to_string(),
        Ok(bytes) => Ipv6Addr::from(bytes).to_string(),
    }
}

fn records(scan: &Scan, path: &str) -> Vec<Record> {
    let bytes = read::bytes(&scan.host(path), LOG).unwrap_or_default();
    bytes.chunks_exact(RECORD).filter_map(record).collect()
}

const NAMES: &[&str] = &[
    "empty",
    "runlevel",
    "boot-time",
    "new-time",
    "old-time",
    "init",
    "login",
    "user-process",
    "dead-process",
    "acct",
];

fn logged_in(scan: &Scan) -> Rows {
    // As osquery names them.
    let kind = |kind: i64| match kind {
        1 => "runlevel",
        2 => "boot_time",
        3 => "new_time",
        4 => "old_time",
        5 => "init",
        6 => "login",
        7 => "user",
        8 => "dead",
        _ => "unknown",
    };
    let rows: Vec<Row> = records(scan, "/run/utmp")
        .into_iter()
        .filter(|record| record.kind != 0)
        .map(|record| {
            scan.row()
                .set("type", kind(record.kind))
                .set("user", record.user)
                .set("tty", record.line)
                .set("host", record.host)
                .set("time", record.time)
                .set("pid", record.pid)
        })
        .collect();
    Box::new(rows.into_iter())
}

fn last(scan: &Scan) -> Rows {
    let rows: Vec<Row> = records(scan, "/var/log/wtmp")
        .into_iter()
        .filter(|record| record.kind == 7 || record.kind == 8)
        .map(|record| {
            let name = usize::try_from(record.kind).ok().and_then(|kind| NAMES.get(kind));
            scan.row()
                .set("username", record.user)
                .set("tty", record.line)
                .set("pid", record.pid)
                .set("type", record.kind)
                .set("type_name", name.copied())
                .set("time", record.time)
                .set("host", record.host)
        })
        .collect();
    Box::new(rows.into_iter())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn records_are_read_and_halves_of_records_are_not() {
        let mut bytes = vec![0_u8; RECORD];
        bytes[0] = 7;
        bytes[4..8].copy_from_slice(&321_i32.to_le_bytes());
        bytes[8..13].copy_from_slice(b"pts/0");
        bytes[44..49].copy_from_slice(b"gr\xffta");
        bytes[340..344].copy_from_slice(&1_700_000_000_i32.to_le_bytes());
        bytes[348..352].copy_from_slice(&[192, 0, 2, 7]);
        let read = record(&bytes).unwrap();
        assert_eq!((read.kind, read.pid, read.line.as_str(), read.time), (7, 321, "pts/0", 1_700_000_000));
        assert_eq!((read.user.as_str(), read.host.as_str()), ("gr\u{fffd}ta", "192.0.2.7"));
        assert_eq!(record(&bytes[..RECORD - 30]), None);
    }
}
