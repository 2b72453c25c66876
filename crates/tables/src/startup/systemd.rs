//! `systemd_units`, from the files of units and from the control groups of those that run. The bus is not asked: it is not
//! reached from where hostile bytes are read. So units that exist in memory alone are seen while they run, and states are
//! `active` with something running or `inactive`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::env::Scan;
use crate::read;
use crate::table::{Rows, Table, big, text};

pub(crate) static UNITS: Table = Table {
    name: "systemd_units",
    about: "Units of systemd: from their files, and whether something of theirs runs.",
    columns: &[
        text("id"),
        text("description"),
        text("load_state"),
        text("active_state"),
        text("sub_state"),
        text("unit_file_state"),
        text("following"),
        text("object_path"),
        big("job_id"),
        text("job_type"),
        text("job_path"),
        text("fragment_path"),
        text("user"),
        text("source_path"),
    ],
    rows,
};

/// Where units are, the strongest first (systemd.unit(5)).
const DIRECTORIES: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/run/systemd/transient",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const KINDS: &[&str] = &[
    "service",
    "socket",
    "timer",
    "target",
    "mount",
    "automount",
    "path",
    "slice",
    "scope",
    "swap",
    "device",
];

#[derive(Default)]
struct Unit {
    fragment: Option<PathBuf>,
    masked: bool,
    enabled: bool,
    running: bool,
}

fn rows(scan: &Scan) -> Rows {
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for directory in DIRECTORIES {
        for path in read::directory(&scan.host(directory)) {
            let name = read::name(&path);
            if matches!(name.rsplit_once('.'), Some((_, "wants" | "requires"))) {
                for wanted in read::directory(&path) {
                    units.entry(read::name(&wanted)).or_default().enabled = true;
                }
            } else if is_unit(&name) {
                let unit = units.entry(name.clone()).or_default();
                if unit.fragment.is_none() && !unit.masked {
                    unit.masked = read::link(&path).is_some_and(|target| target == "/dev/null");
                    unit.fragment = Some(Path::new(directory).join(&name));
                }
            }
        }
    }
    running(scan, &mut units);
    units.retain(|name, _| is_unit(name));
    let scan = scan.clone();
    Box::new(units.into_iter().map(move |(name, unit)| {
        let fragment = unit.fragment.clone().unwrap_or_default();
        let bytes = if unit.masked || fragment.as_os_str().is_empty() {
            Vec::new()
        } else {
            read::config(&scan.env, &scan.host(&fragment.to_string_lossy()))
        };
        let setting = |key: &str| {
            let value = |line: String| {
                line.trim().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::to_owned)
            };
            read::settings(&bytes).find_map(value).unwrap_or_default().trim().to_owned()
        };
        let is_installed = read::lines(&bytes).any(|line| line.trim() == "[Install]");
        let file_state = match (&unit, fragment.as_os_str().is_empty()) {
            (_, true) => "",
            (Unit { masked: true, .. }, _) => "masked",
            (Unit { enabled: true, .. }, _) => "enabled",
            _ if is_installed => "disabled",
            _ => "static",
        };
        let is_there = !fragment.as_os_str().is_empty() || unit.running;
        let load = if unit.masked {
            "masked"
        } else if is_there {
            "loaded"
        } else {
            "not-found"
        };
        scan.row()
            .set("id", name.as_str())
            .set("description", setting("Description"))
            .set("load_state", load)
            .set("active_state", if unit.running { "active" } else { "inactive" })
            .set("sub_state", if unit.running { "running" } else { "dead" })
            .set("unit_file_state", file_state)
            .set("following", "")
            .set("object_path", "")
            .set("job_id", 0)
            .set("job_type", "")
            .set("job_path", "")
            .set("fragment_path", fragment.as_path())
            .set("user", setting("User"))
            .set("source_path", setting("SourcePath"))
    }))
}

fn is_unit(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind))
}

/// Units with processes: those whose control group has some.
fn running(scan: &Scan, units: &mut BTreeMap<String, Unit>) {
    for pid in crate::process::all(scan) {
        let Some(group) = crate::process::list::cgroup(scan, pid) else { continue };
        for part in group.split('/').filter(|part| is_unit(part)) {
            units.entry(part.to_owned()).or_default().running = true;
        }
    }
}
