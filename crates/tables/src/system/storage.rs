//! `mounts`, `block_devices`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

pub(crate) static MOUNTS: Table = Table {
    name: "mounts",
    about: "Mounted file systems.",
    columns: &[
        text("device"),
        text("device_alias"),
        text("path"),
        text("type"),
        big("blocks_size"),
        big("blocks"),
        big("blocks_free"),
        big("blocks_available"),
        big("inodes"),
        big("inodes_free"),
        text("flags"),
    ],
    rows: mounts,
};

pub(crate) static BLOCK_DEVICES: Table = Table {
    name: "block_devices",
    about: "Disks and their partitions.",
    columns: &[
        text("name"),
        text("parent"),
        text("vendor"),
        text("model"),
        text("serial"),
        big("size"),
        int("block_size"),
        text("uuid"),
        text("type"),
        text("label"),
    ],
    rows: block_devices,
};

/// File systems of other machines or programs: to ask one how full it is may take for ever.
const DISTANT: &[&str] = &["nfs", "cifs", "smb", "fuse", "9p", "ceph", "afs", "glusterfs", "autofs", "ncpfs"];

fn mounts(scan: &Scan) -> Rows {
    let bytes = read::bytes(&scan.host("/proc/self/mounts"), 16 << 20).unwrap_or_default();
    let lines: Vec<String> = read::lines(&bytes).collect();
    let scan = scan.clone();
    Box::new(lines.into_iter().filter_map(move |line| {
        let mut words = line.split(' ');
        let (device, path) = (plain(words.next()?), plain(words.next()?));
        let (kind, flags) = (words.next()?, words.next()?);
        let mut row = scan
            .row()
            .set("device", device.as_str())
            .set("device_alias", alias(&device))
            .set("path", path.as_str())
            .set("type", kind)
            .set("flags", flags);
        if !DISTANT.iter().any(|distant| kind.starts_with(distant)) {
            room(&path, &mut row);
        }
        Some(row)
    }))
}

fn room(path: &str, row: &mut Row) {
    let Ok(room) = rustix::fs::statfs(path) else { return };
    row.put("blocks_size", room.f_bsize);
    row.put("blocks", room.f_blocks);
    row.put("blocks_free", room.f_bfree);
    row.put("blocks_available", room.f_bavail);
    row.put("inodes", room.f_files);
    row.put("inodes_free", room.f_ffree);
}

/// Without the kernel's way to write spaces: `\040`.
pub(crate) fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = code {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a link of a device leads to.
fn alias(device: &str) -> String {
    if !device.starts_with("/dev/") {
        return device.to_owned();
    }
    std::fs::canonicalize(device)
        .map_or_else(|_| device.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn block_devices(scan: &Scan) -> Rows {
    let by = |directory: &str| -> BTreeMap<String, String> {
        let paths = read::directory(&scan.host(directory));
        let pair = |path: &std::path::PathBuf| {
            Some((read::link(path)?.rsplit('/').next()?.to_owned(), read::name(path)))
        };
        paths.iter().filter_map(pair).collect()
    };
    let (uuids, labels) = (by("/dev/disk/by-uuid"), by("/dev/disk/by-label"));
    let kinds = kinds(scan);
    let rows: Vec<Row> = read::directory(&scan.host("/sys/class/block"))
        .iter()
        .map(|path| {
            let name = read::name(path);
            let real = std::fs::canonicalize(path).unwrap_or_default();
            let is_part = real.join("partition").exists();
            let parent = real.parent().filter(|_| is_part).map(read::name);
            let fact = |file: &str| {
                let place =
                    if is_part { real.parent().unwrap_or(Path::new("/")).to_owned() } else { real.clone() };
                read::fact(&place.join(file)).unwrap_or_default()
            };
            scan.row()
                .set("name", format!("/dev/{name}"))
                .set("parent", parent.map(|name| format!("/dev/{name}")).unwrap_or_default())
                .set("vendor", fact("device/vendor"))
                .set("model", fact("device/model"))
                .set("serial", fact("device/serial"))
                .set("size", read::number(&path.join("size")))
                .set("block_size", fact("queue/logical_block_size").parse::<i64>().unwrap_or(512))
                .set("uuid", uuids.get(&name).cloned().unwrap_or_default())
                .set("type", kinds.get(&format!("/dev/{name}")).cloned().unwrap_or_default())
                .set("label", labels.get(&name).cloned().unwrap_or_default())
        })
        .collect();
    Box::new(rows.into_iter())
}

/// File systems of those that are mounted.
fn kinds(scan: &Scan) -> BTreeMap<String, String> {
    let bytes = read::bytes(&scan.host("/proc/self/mounts"), 16 << 20).unwrap_or_default();
    let pair = |line: String| {
        let mut words = line.split(' ');
        Some((plain(words.next()?), words.nth(1)?.to_owned()))
    };
    read::lines(&bytes).filter_map(pair).collect()
}
