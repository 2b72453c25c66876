//! `suid_bin`: programs that run with other rights than those of who starts them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, text};

pub(crate) static SUID_BIN: Table = Table {
    name: "suid_bin",
    about: "Programs with the set-user-id or set-group-id bit, in the directories of programs.",
    columns: &[text("path"), text("username"), text("groupname"), text("permissions"), WITHIN],
    rows,
};

const DIRECTORIES: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/opt",
    "/tmp",
];
/// How deep below each.
const DEPTH: usize = 12;

fn rows(scan: &Scan) -> Rows {
    let root = scan.root();
    let names = |path: &str| -> BTreeMap<u32, String> {
        let bytes = read::config(&scan.env, &under(&root, path.as_ref()));
        let pair = |line: String| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((fields.nth(1)?.parse().ok()?, name))
        };
        read::settings(&bytes).filter_map(pair).collect()
    };
    let (users, groups) = (names("/etc/passwd"), names("/etc/group"));
    // `/bin` is a link to `/usr/bin` today: each directory once.
    let mut open: Vec<(PathBuf, usize)> = Vec::new();
    for directory in DIRECTORIES {
        let path = PathBuf::from(directory);
        if std::fs::symlink_metadata(under(&root, &path)).is_ok_and(|facts| facts.is_dir()) {
            open.push((path, 0));
        }
    }
    open.reverse();
    let scan = scan.clone();
    let mut rows: Vec<Row> = Vec::new();
    Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(row) = rows.pop() {
                return Some(row);
            }
            let (directory, depth) = open.pop()?;
            if scan.env.stop.is_due() {
                return None;
            }
            for entry in read::directory(&under(&root, &directory)) {
                let shown = directory.join(entry.file_name().unwrap_or_default());
                let Ok(facts) = std::fs::symlink_metadata(&entry) else { continue };
                if facts.is_dir() && depth < DEPTH {
                    open.push((shown, depth + 1));
                } else if facts.is_file() && facts.mode() & 0o6000 != 0 {
                    let mut bits = String::new();
                    if facts.mode() & 0o4000 != 0 {
                        bits.push('S');
                    }
                    if facts.mode() & 0o2000 != 0 {
                        bits.push('G');
                    }
                    rows.push(
                        scan.row()
                            .set("path", shown.as_path())
                            .set(
                                "username",
                                users.get(&facts.uid()).cloned().unwrap_or_else(|| facts.uid().to_string()),
                            )
                            .set(
                                "groupname",
                                groups.get(&facts.gid()).cloned().unwrap_or_else(|| facts.gid().to_string()),
                            )
                            .set("permissions", bits)
                            .set("pid_with_namespace", scan.within()),
                    );
                }
            }
            rows.reverse();
        }
    }))
}
