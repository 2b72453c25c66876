//! What processes hold open and mapped: `process_open_files`, `process_memory_map`.

use std::os::unix::ffi::OsStrExt;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

use super::{file, pids};

pub(crate) static OPEN_FILES: Table = Table {
    name: "process_open_files",
    about: "Files that processes hold open.",
    columns: &[big("pid").index(), big("fd"), text("path")],
    rows: open_files,
};

pub(crate) static MEMORY_MAP: Table = Table {
    name: "process_memory_map",
    about: "What is mapped into the memory of processes.",
    columns: &[
        int("pid").index(),
        text("start"),
        text("end"),
        text("permissions"),
        text("offset"),
        text("device"),
        int("inode"),
        text("path"),
        int("pseudo"),
    ],
    rows: memory_map,
};

/// Descriptors of one process: numbers and targets. One that is closed meanwhile is left out.
pub(crate) fn descriptors(scan: &Scan, pid: i64) -> impl Iterator<Item = (i64, Vec<u8>)> + use<> {
    let directory = file(scan, pid, "fd");
    let env = scan.env.clone();
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => Some(entries),
        Err(error) => {
            // One that is gone is no trouble.
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                env.trouble(&format!("descriptors of process {pid}: {error}"));
            }
            None
        }
    };
    entries.into_iter().flatten().flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let target = std::fs::read_link(entry.path()).ok()?;
        Some((number, target.into_os_string().as_bytes().to_vec()))
    })
}

fn open_files(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(pids(&scan).into_iter().flat_map(move |pid| {
        let scan = scan.clone();
        // As in osquery: what has no path is no file.
        descriptors(&scan, pid)
            .filter(|(_, target)| target.first() == Some(&b'/'))
            .map(move |(fd, target)| scan.row().set("pid", pid).set("fd", fd).set("path", target.as_slice()))
    }))
}

fn memory_map(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(pids(&scan).into_iter().flat_map(move |pid| {
        let scan = scan.clone();
        let maps = read::bytes(&file(&scan, pid, "maps"), 32 << 20).unwrap_or_default();
        let rows: Vec<Row> = read::lines(&maps).filter_map(|line| mapping(&scan, pid, &line)).collect();
        rows.into_iter()
    }))
}

fn mapping(scan: &Scan, pid: i64, line: &str) -> Option<Row> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let (permissions, offset, device, inode) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let path = words.next().unwrap_or_default().trim_start();
    let inode: i64 = inode.parse().ok()?;
    Some(
        scan.row()
            .set("pid", pid)
            .set("start", format!("0x{start}"))
            .set("end", format!("0x{end}"))
            .set("permissions", permissions)
            .set("offset", i64::from_str_radix(offset, 16).map(|offset| offset.to_string()).ok())
            .set("device", device)
            .set("inode", inode)
            .set("path", path)
            .set("pseudo", inode == 0 && !path.is_empty()),
    )
}
