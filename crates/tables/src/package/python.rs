//! `python_packages`: what pip and others put into the directories of Python.

use std::path::{Path, PathBuf};

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, text};
use crate::user;

pub(crate) static PYTHON_PACKAGES: Table = Table {
    name: "python_packages",
    about: "Packages of Python.",
    columns: &[
        text("name"),
        big("uid"),
        text("version"),
        text("summary"),
        text("author"),
        text("license"),
        text("path"),
        text("directory").index(),
        WITHIN,
    ],
    rows,
};

use crate::table::WITHIN;

/// Below these: `pythonX.Y/{site,dist}-packages`.
const PLACES: &[&str] = &["/usr/lib", "/usr/local/lib", "/usr/lib64", "/usr/local/lib64", "/opt"];

fn rows(scan: &Scan) -> Rows {
    let top = scan.root();
    let mut directories: Vec<(PathBuf, i64)> = Vec::new();
    if let Some(directory) = scan.text("directory") {
        if directory.starts_with('/') {
            directories.push((directory.into(), 0));
        }
    } else {
        for place in PLACES {
            below(&top, Path::new(place), 0, &mut directories);
        }
        for account in user::accounts(scan).into_iter().filter(|account| account.home.starts_with('/')) {
            below(&top, &Path::new(&account.home).join(".local/lib"), account.uid, &mut directories);
        }
        directories.sort();
        directories.dedup_by(|a, b| a.0 == b.0);
    }
    let scan = scan.clone();
    Box::new(directories.into_iter().flat_map(move |(directory, uid)| {
        let mut rows: Vec<Row> = Vec::new();
        for path in read::directory(&crate::env::under(&scan.root(), &directory)) {
            let name = read::name(&path);
            let metadata = if name.ends_with(".dist-info") {
                path.join("METADATA")
            } else if name.ends_with(".egg-info") && path.is_dir() {
                path.join("PKG-INFO")
            } else if name.ends_with(".egg-info") {
                path.clone()
            } else {
                continue;
            };
            let bytes = read::bytes(&metadata, 256 << 10).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let head = text.split("\n\n").next().unwrap_or_default();
            let of = |key: &str| {
                head.lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                    .unwrap_or_default()
                    .trim()
            };
            rows.push(
                scan.row()
                    .set("name", of("Name"))
                    .set("uid", uid)
                    .set("version", of("Version"))
                    .set("summary", of("Summary"))
                    .set("author", of("Author"))
                    .set("license", of("License"))
                    .set("path", directory.join(&name).as_path())
                    .set("directory", directory.as_path())
                    .set("pid_with_namespace", scan.within()),
            );
        }
        rows
    }))
}

fn below(top: &Path, place: &Path, uid: i64, found: &mut Vec<(PathBuf, i64)>) {
    for path in read::directory(&crate::env::under(top, place)) {
        let name = read::name(&path);
        if !name.starts_with("python") {
            continue;
        }
        for kind in ["site-packages", "dist-packages"] {
            if path.join(kind).is_dir() {
                found.push((place.join(&name).join(kind), uid));
            }
        }
    }
}
