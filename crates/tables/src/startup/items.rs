//! `startup_items`: what a desktop starts for whoever logs in, and the old ways to start things.

use std::path::Path;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, text};
use crate::user;

pub(crate) static STARTUP_ITEMS: Table = Table {
    name: "startup_items",
    about: "Programs that start with a session or with the machine, beside units and cron.",
    columns: &[
        text("name"),
        text("path"),
        text("args"),
        text("type"),
        text("source"),
        text("status"),
        text("username"),
    ],
    rows,
};

const AUTOSTART: &str = "/etc/xdg/autostart";
const INIT: &str = "/etc/init.d";
/// In a home.
const SCRIPTS: &[&str] = &[".config/autostart", ".config/autostart-scripts", ".config/plasma-workspace/env"];

fn rows(scan: &Scan) -> Rows {
    let mut rows = Vec::new();
    entries(scan, &scan.host(AUTOSTART), AUTOSTART, "root", &mut rows);
    for owner in user::accounts(scan).into_iter().filter(|owner| owner.home.starts_with('/')) {
        for place in SCRIPTS {
            let shown = user::shown(&owner, place);
            entries(scan, &user::home(scan, &owner, place), &shown, &owner.name, &mut rows);
        }
    }
    for path in read::directory(&scan.host(INIT)) {
        if std::fs::metadata(&path).is_ok_and(|facts| facts.is_file()) {
            let name = read::name(&path);
            let place = format!("{INIT}/{name}");
            rows.push(item(scan, &name, &place, "", "Startup Item", INIT, "enabled", "root"));
        }
    }
    Box::new(rows.into_iter())
}

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
fn item(
    scan: &Scan,
    name: &str,
    path: &str,
    args: &str,
    kind: &str,
    source: &str,
    status: &str,
    user: &str,
) -> Row {
    scan.row()
        .set("name", name)
        .set("path", path)
        .set("args", args)
        .set("type", kind)
        .set("source", source)
        .set("status", status)
        .set("username", user)
}

fn entries(scan: &Scan, directory: &Path, shown: &str, user: &str, rows: &mut Vec<Row>) {
    for path in read::directory(directory) {
        let name = read::name(&path);
        if !name.ends_with(".desktop") {
            rows.push(item(
                scan,
                &name,
                &format!("{shown}/{name}"),
                "",
                "Startup Item",
                shown,
                "enabled",
                user,
            ));
            continue;
        }
        let bytes = read::config(&scan.env, &path);
        let value = |key: &str| {
            let found = read::settings(&bytes)
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned));
            found.unwrap_or_default()
        };
        let command = value("Exec");
        let (program, args) = command.split_once(' ').unwrap_or((&command, ""));
        let status = if value("Hidden") == "true" { "disabled" } else { "enabled" };
        let title = value("Name");
        let title = if title.is_empty() { name } else { title };
        rows.push(item(scan, &title, program, args, "Startup Item", shown, status, user));
    }
}
