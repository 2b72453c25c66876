//! `rpm_packages`, from the database of rpm in its form of today: a table of SQLite whose rows are headers of packages.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::env::{Scan, under};
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

pub(crate) static RPM_PACKAGES: Table = Table {
    name: "rpm_packages",
    about: "Packages that rpm installed, from its SQLite database (rpm 4.16 and later).",
    columns: &[
        text("name"),
        text("version"),
        text("release"),
        text("source"),
        big("size"),
        text("sha1"),
        text("arch"),
        int("epoch"),
        int("install_time"),
        text("vendor"),
        text("package_group"),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows,
};

const PLACES: &[&str] = &["/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite"];
/// A header of a package. Bytes.
const HEADER: usize = 32 << 20;

fn rows(scan: &Scan) -> Rows {
    let root = scan.root();
    let mut rows = Vec::new();
    for place in PLACES {
        let path = under(&root, place.as_ref());
        if !path.is_file() {
            continue;
        }
        match packages(scan, &path) {
            Ok(found) => rows.extend(found),
            Err(error) => scan.env.trouble(&format!("{place}: {error}")),
        }
        break;
    }
    Box::new(rows.into_iter())
}

fn packages(scan: &Scan, path: &Path) -> rusqlite::Result<Vec<Row>> {
    // Without locks and journals: nothing is written, not even beside it.
    let uri = format!("file:{}?immutable=1&mode=ro", encoded(path));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(uri, flags)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let stop = scan.env.stop.clone();
    connection.progress_handler(1000, Some(move || stop.is_due()))?;
    let mut statement = connection.prepare("SELECT blob FROM Packages")?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
        if blob.len() <= HEADER
            && let Some(header) = Header::of(blob)
        {
            rows.extend(package(scan, &header));
        }
    }
    Ok(rows)
}

fn encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A header: counts, then entries of 16 bytes (tag, type, offset, count), then data; all numbers big-endian.
struct Header<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn of(blob: &'a [u8]) -> Option<Self> {
        let entries = number(blob, 0)? as usize;
        let length = number(blob, 4)? as usize;
        let end = 8_usize.checked_add(entries.checked_mul(16)?)?;
        Some(Self { entries: blob.get(8..end)?, data: blob.get(end..end.checked_add(length)?)? })
    }

    fn at(&self, tag: u32) -> Option<(u32, usize)> {
        let entry = self.entries.chunks_exact(16).find(|entry| number(entry, 0) == Some(tag))?;
        Some((number(entry, 4)?, number(entry, 8)? as usize))
    }

    /// A text (type 6), or the first of several (8, 9).
    fn text(&self, tag: u32) -> Option<String> {
        let (kind, offset) = self.at(tag)?;
        let rest = self.data.get(offset..).filter(|_| [6, 8, 9].contains(&kind))?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    /// A number of 32 bits (type 4) or 64 (type 5).
    fn number(&self, tag: u32) -> Option<i64> {
        let (kind, offset) = self.at(tag)?;
        match kind {
            4 => number(self.data, offset).map(i64::from),
            5 => {
                let bytes = self.data.get(offset..offset.checked_add(8)?)?;
                i64::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok()
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

/// Tags of rpm's format.
fn package(scan: &Scan, header: &Header<'_>) -> Option<Row> {
    let text = |tag| header.text(tag).unwrap_or_default();
    Some(
        scan.row()
            .set("name", header.text(1000)?)
            .set("version", text(1001))
            .set("release", text(1002))
            .set("source", text(1044))
            .set("size", header.number(5009).or_else(|| header.number(1009)).unwrap_or(0))
            .set("sha1", text(269))
            .set("arch", text(1022))
            .set("epoch", header.number(1003).unwrap_or(0))
            .set("install_time", header.number(1008).unwrap_or(0))
            .set("vendor", text(1011))
            .set("package_group", text(1016))
            .set("pid_with_namespace", scan.within())
            .set("mount_namespace_id", ""),
    )
}
