//! The kernel: `kernel_info`, `kernel_modules`, `system_controls`.

use std::path::{Path, PathBuf};

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, text};

pub(crate) static KERNEL_INFO: Table = Table {
    name: "kernel_info",
    about: "The kernel and how it was started.",
    columns: &[text("version"), text("arguments"), text("path"), text("device")],
    rows: kernel_info,
};

pub(crate) static KERNEL_MODULES: Table = Table {
    name: "kernel_modules",
    about: "Modules that are loaded.",
    columns: &[text("name"), big("size"), text("used_by"), text("status"), text("address")],
    rows: kernel_modules,
};

pub(crate) static SYSTEM_CONTROLS: Table = Table {
    name: "system_controls",
    about: "Settings of the kernel (sysctl).",
    columns: &[
        text("name").index(),
        text("oid"),
        text("subsystem"),
        text("current_value"),
        text("config_value"),
        text("type"),
    ],
    rows: system_controls,
};

fn kernel_info(scan: &Scan) -> Rows {
    let line = read::fact(&scan.host("/proc/cmdline")).unwrap_or_default();
    let of = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key)).map(ToOwned::to_owned);
    let arguments =
        line.split(' ').filter(|word| !word.starts_with("BOOT_IMAGE=") && !word.starts_with("root="));
    let row = scan
        .row()
        .set("version", rustix::system::uname().release().to_string_lossy())
        .set("arguments", arguments.collect::<Vec<_>>().join(" "))
        .set("path", of("BOOT_IMAGE=").unwrap_or_default())
        .set("device", of("root=").unwrap_or_default());
    Box::new(std::iter::once(row))
}

fn kernel_modules(scan: &Scan) -> Rows {
    let bytes = read::bytes(&scan.host("/proc/modules"), read::FACT).unwrap_or_default();
    let rows: Vec<Row> = read::lines(&bytes)
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, size) = (words.next()?, words.next()?);
            words.next()?;
            Some(
                scan.row()
                    .set("name", name)
                    .set("size", size.parse::<i64>().ok()?)
                    .set("used_by", words.next()?.trim_end_matches(','))
                    .set("status", words.next()?)
                    .set("address", words.next()?),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}

const TOP: &str = "/proc/sys";
/// Settings in all.
const MOST: usize = 20_000;

fn system_controls(scan: &Scan) -> Rows {
    let top = scan.host(TOP);
    let configured = configured(scan);
    let paths = match scan.text("name") {
        // A name is a path with dots; it must not lead anywhere else.
        Some(name) if name.contains("..") || name.contains('\0') => Vec::new(),
        Some(name) => vec![top.join(name.replace('.', "/"))],
        None => below(&top),
    };
    let scan = scan.clone();
    Box::new(paths.into_iter().filter_map(move |path| {
        // Some can be written only.
        let value = read::fact(&path)?;
        let name = path.strip_prefix(&top).ok()?.to_string_lossy().replace('/', ".");
        let config = configured.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        Some(
            scan.row()
                .set("subsystem", name.split('.').next().unwrap_or_default())
                .set("name", name.as_str())
                .set("oid", "")
                .set("current_value", value)
                .set("config_value", config.unwrap_or_default())
                .set("type", "string"),
        )
    }))
}

fn below(top: &Path) -> Vec<PathBuf> {
    let mut open = vec![top.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        for entry in read::directory(&path) {
            match std::fs::symlink_metadata(&entry) {
                Ok(facts) if facts.is_dir() => open.push(entry),
                Ok(facts) if facts.is_file() && found.len() < MOST => found.push(entry),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// What the files of sysctl.d(5) say, the strongest last.
fn configured(scan: &Scan) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for directory in ["/usr/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"] {
        files.extend(read::directory(&scan.host(directory)));
    }
    files.push(scan.host("/etc/sysctl.conf"));
    let mut pairs: Vec<(String, String)> = Vec::new();
    for file in files {
        let bytes = read::config(&scan.env, &file);
        pairs.extend(read::settings(&bytes).filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim().trim_start_matches('-').replace('/', "."), value.trim().to_owned()))
        }));
    }
    pairs
}
