//! `sudoers`: who may run what as whom, with the files that are included.

use std::path::{Path, PathBuf};

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, text};

/// How deep files include files.
const DEPTH: u32 = 32;
/// Rules in all.
const MOST: usize = 10_000;

pub(crate) static SUDOERS: Table = Table {
    name: "sudoers",
    about: "Rules of sudo.",
    columns: &[text("source"), text("header"), text("rule_details")],
    rows,
};

fn rows(scan: &Scan) -> Rows {
    let mut rows = Vec::new();
    file(scan, Path::new("/etc/sudoers"), 0, &mut rows);
    Box::new(rows.into_iter())
}

fn file(scan: &Scan, path: &Path, depth: u32, rows: &mut Vec<Row>) {
    if depth > DEPTH {
        scan.env.trouble("sudoers: files include each other");
        return;
    }
    let bytes = read::config(&scan.env, &under(&scan.host("/"), path));
    let mut whole = String::new();
    for line in read::lines(&bytes) {
        whole.push_str(line.trim());
        if whole.ends_with('\\') {
            whole.pop();
            continue;
        }
        let rule = std::mem::take(&mut whole);
        let (header, details) = rule.split_once(char::is_whitespace).unwrap_or((&rule, ""));
        let details = details.trim();
        let includes = header.strip_prefix(['#', '@']).unwrap_or_default();
        // A comment, but for `#include` and `#uid`.
        let is_uid = header
            .strip_prefix('#')
            .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        if header.starts_with('#') && !is_uid && !["include", "includedir"].contains(&includes) {
            continue;
        }
        if rows.len() >= MOST {
            return;
        }
        rows.push(scan.row().set("source", path).set("header", header).set("rule_details", details));
        let target = details.trim_matches('"');
        match includes {
            "include" => file(scan, &absolute(path, target), depth + 1, rows),
            "includedir" => {
                let directory = absolute(path, target);
                for entry in read::directory(&under(&scan.host("/"), &directory)) {
                    let name = read::name(&entry);
                    // As sudo does: backups and packages' leftovers are no rules.
                    if !name.contains('.') && !name.ends_with('~') {
                        file(scan, &directory.join(name), depth + 1, rows);
                    }
                }
            }
            _ => {}
        }
    }
}

fn absolute(from: &Path, target: &str) -> PathBuf {
    from.parent().unwrap_or(Path::new("/etc")).join(target)
}
