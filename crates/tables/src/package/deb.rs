//! `deb_packages`, `deb_package_files`, from dpkg's own records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, big, text};

pub(crate) static DEB_PACKAGES: Table = Table {
    name: "deb_packages",
    about: "Packages that dpkg installed.",
    columns: &[
        text("name"),
        text("version"),
        text("source"),
        big("size"),
        text("arch"),
        text("revision"),
        text("status"),
        text("maintainer"),
        text("section"),
        text("priority"),
        text("admindir").index(),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows: packages,
};

pub(crate) static DEB_FILES: Table = Table {
    name: "deb_package_files",
    about: "Files of packages that dpkg installed.",
    columns: &[text("package").index(), text("path"), text("admindir").index()],
    rows: files,
};

const ADMIN: &str = "/var/lib/dpkg";
/// dpkg's records. Bytes.
const STATUS: u64 = 64 << 20;

fn packages(scan: &Scan) -> Rows {
    let admin = scan.text("admindir").unwrap_or_else(|| ADMIN.to_owned());
    let root = under(&scan.root(), admin.as_ref());
    let mut bytes = read::bytes(&root.join("status"), STATUS).unwrap_or_default();
    // Images without a package manager keep one file for each package.
    for path in read::directory(&root.join("status.d")) {
        if path.extension().is_none() {
            bytes.extend_from_slice(b"\n\n");
            bytes.extend(read::config(&scan.env, &path));
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let rows: Vec<Row> = text.split("\n\n").filter_map(|block| package(scan, &admin, block)).collect();
    Box::new(rows.into_iter())
}

fn package(scan: &Scan, admin: &str, block: &str) -> Option<Row> {
    let fields = fields(block);
    let of = |key: &str| fields.get(key).copied().unwrap_or_default();
    let name = fields.get("Package")?;
    let status = if fields.contains_key("Status") { of("Status") } else { "install ok installed" };
    // What was removed and left its settings is not installed.
    if !status.ends_with(" installed") {
        return None;
    }
    let version = of("Version");
    // Of the version: what stands behind the last dash.
    let revision = version.rsplit_once('-').map_or("", |(_, revision)| revision);
    // `source (version)`: the name alone.
    let source = of("Source").split(' ').next().unwrap_or_default();
    Some(
        scan.row()
            .set("name", *name)
            .set("version", version)
            .set("source", source)
            .set("size", of("Installed-Size").parse::<i64>().unwrap_or(0))
            .set("arch", of("Architecture"))
            .set("revision", revision)
            .set("status", status)
            .set("maintainer", of("Maintainer"))
            .set("section", of("Section"))
            .set("priority", of("Priority"))
            .set("admindir", admin)
            .set("pid_with_namespace", scan.within())
            .set("mount_namespace_id", ""),
    )
}

/// `Key: value` lines; what goes on over several lines is not wanted here.
fn fields(block: &str) -> BTreeMap<&str, &str> {
    block
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect()
}

fn files(scan: &Scan) -> Rows {
    let admin = scan.text("admindir").unwrap_or_else(|| ADMIN.to_owned());
    let info = under(&scan.host("/"), admin.as_ref()).join("info");
    let named = scan.text("package");
    let lists: Vec<PathBuf> = read::directory(&info)
        .into_iter()
        .filter(|path| {
            let name = read::name(path);
            let Some(name) = name.strip_suffix(".list") else { return false };
            // `name:arch` where several may be installed side by side.
            let bare = name.split(':').next().unwrap_or_default();
            named.as_ref().is_none_or(|named| named == bare)
        })
        .collect();
    let scan = scan.clone();
    Box::new(lists.into_iter().flat_map(move |path| {
        let name = read::name(&path);
        let package = name.trim_end_matches(".list").split(':').next().unwrap_or_default().to_owned();
        let bytes = read::config(&scan.env, &path);
        read::lines(&bytes)
            .filter(|line| line != "/.")
            .map(|line| {
                scan.row().set("package", package.as_str()).set("path", line).set("admindir", admin.as_str())
            })
            .collect::<Vec<_>>()
    }))
}
