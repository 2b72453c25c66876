//! `crontab`: what cron runs, from the system's tables and those of people.

use std::path::PathBuf;

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, text};

pub(crate) static CRONTAB: Table = Table {
    name: "crontab",
    about: "Commands that cron runs.",
    columns: &[
        text("event"),
        text("minute"),
        text("hour"),
        text("day_of_month"),
        text("month"),
        text("day_of_week"),
        text("command"),
        text("path"),
        WITHIN,
    ],
    rows,
};

/// Whose lines name the person who runs the command.
const SYSTEM: &[&str] = &["/etc/crontab"];
const SYSTEM_DIRECTORIES: &[&str] = &["/etc/cron.d"];
/// Whose file names are people's.
const PEOPLE: &[&str] = &["/var/at/tabs", "/var/spool/cron", "/var/spool/cron/crontabs"];

fn rows(scan: &Scan) -> Rows {
    let root = scan.root();
    let mut files: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    for directory in SYSTEM_DIRECTORIES.iter().chain(PEOPLE) {
        for path in read::directory(&under(&root, directory.as_ref())) {
            files.push(PathBuf::from(directory).join(path.file_name().unwrap_or_default()));
        }
    }
    let scan = scan.clone();
    Box::new(files.into_iter().flat_map(move |file| {
        let path = under(&root, &file);
        if path.is_dir() {
            return Vec::new();
        }
        let bytes = read::config(&scan.env, &path);
        read::settings(&bytes).filter_map(|line| row(&scan, &file, &line)).collect()
    }))
}

/// As in osquery, the command of a system's table begins with the name of who runs it.
fn row(scan: &Scan, file: &std::path::Path, line: &str) -> Option<Row> {
    let line = line.trim();
    let mut row = scan.row().set("path", file).set("event", "").set("pid_with_namespace", scan.within());
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start();
        let at = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(at);
        rest = after;
        word
    };
    if line.starts_with('@') {
        row.put("event", word());
    } else {
        for name in ["minute", "hour", "day_of_month", "month", "day_of_week"] {
            let field = word();
            // Settings like `PATH=…` are no commands.
            if field.is_empty() || field.contains('=') {
                return None;
            }
            row.put(name, field);
        }
    }
    let command = rest.trim();
    if command.is_empty() {
        return None;
    }
    row.put("command", command);
    Some(row)
}
