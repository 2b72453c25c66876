//! `processes`.

use std::os::unix::ffi::OsStrExt;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

use super::{file, pids};

pub(crate) static PROCESSES: Table = Table {
    name: "processes",
    about: "Processes that run.",
    columns: &[
        big("pid").index(),
        text("name"),
        text("path"),
        text("cmdline"),
        text("state"),
        text("cwd"),
        text("root"),
        big("uid"),
        big("gid"),
        big("euid"),
        big("egid"),
        big("suid"),
        big("sgid"),
        int("on_disk"),
        big("wired_size"),
        big("resident_size"),
        big("total_size"),
        big("user_time"),
        big("system_time"),
        big("disk_bytes_read"),
        big("disk_bytes_written"),
        big("start_time"),
        big("parent"),
        big("pgroup"),
        int("threads"),
        int("nice"),
        text("cgroup_path"),
    ],
    rows,
};

/// What the kernel adds to the path of an executable that was removed.
const DELETED: &[u8] = b" (deleted)";
/// Arguments of a process. Bytes.
const ARGUMENTS: u64 = 128 << 10;

fn rows(scan: &Scan) -> Rows {
    let scan = scan.clone();
    let booted = booted(&scan);
    Box::new(pids(&scan).into_iter().filter_map(move |pid| row(&scan, pid, booted)))
}

/// When the machine was started, seconds since 1970.
pub(crate) fn booted(scan: &Scan) -> i64 {
    let stat = read::bytes(&scan.host("/proc/stat"), read::FACT).unwrap_or_default();
    let line = read::lines(&stat).find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    line.unwrap_or(0)
}

/// Clock ticks in a second, as user space sees them: `USER_HZ` is 100 on every machine that this runs on.
const TICKS: i64 = 100;

/// `/proc/PID/stat` after the name, which may hold anything: field 3 of proc(5) is the first.
pub(crate) struct Stat {
    pub name: String,
    fields: Vec<String>,
}

impl Stat {
    pub fn of(scan: &Scan, pid: i64) -> Option<Self> {
        let bytes = read::bytes(&file(scan, pid, "stat"), 4096).ok()?;
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let rest = String::from_utf8_lossy(bytes.get(close + 1..)?).into_owned();
        Some(Self { name, fields: rest.split_ascii_whitespace().map(ToOwned::to_owned).collect() })
    }

    /// A field by its number in proc(5).
    pub fn number(&self, field: usize) -> Option<i64> {
        self.fields.get(field - 3)?.parse().ok()
    }

    pub fn state(&self) -> Option<&str> {
        self.fields.first().map(String::as_str)
    }
}

fn row(scan: &Scan, pid: i64, booted: i64) -> Option<Row> {
    let stat = Stat::of(scan, pid)?;
    let time = |field| stat.number(field).map(|ticked| ticked.saturating_mul(1000) / TICKS);
    let mut row = scan
        .row()
        .set("pid", pid)
        .set("name", stat.name.as_str())
        .set("state", stat.state())
        .set("wired_size", 0)
        .set("user_time", time(14))
        .set("system_time", time(15))
        .set("start_time", stat.number(22).map(|ticked| booted.saturating_add(ticked / TICKS)))
        .set("parent", stat.number(4))
        .set("pgroup", stat.number(5))
        .set("nice", stat.number(19))
        .set("threads", stat.number(20));
    if scan.wants("cmdline") {
        row.put(
            "cmdline",
            read::bytes(&file(scan, pid, "cmdline"), ARGUMENTS).ok().map(|bytes| arguments(&bytes)),
        );
    }
    if scan.wants("path") || scan.wants("on_disk") {
        executable(scan, pid, &mut row);
    }
    for name in ["cwd", "root"] {
        if scan.wants(name) {
            row.put(name, read::link(&file(scan, pid, name)).unwrap_or_default());
        }
    }
    identity(scan, pid, &mut row);
    if scan.wants("disk_bytes_read") || scan.wants("disk_bytes_written") {
        let io = read::bytes(&file(scan, pid, "io"), 4096).unwrap_or_default();
        let of = |key: &str| read::lines(&io).find_map(|l| l.strip_prefix(key)?.trim().parse::<i64>().ok());
        row.put("disk_bytes_read", of("read_bytes:"));
        row.put("disk_bytes_written", of("write_bytes:"));
    }
    if scan.wants("cgroup_path") {
        row.put("cgroup_path", cgroup(scan, pid));
    }
    Some(row)
}

/// Arguments with spaces between them, as osquery shows them.
fn arguments(bytes: &[u8]) -> String {
    let mut words: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    while words.last().is_some_and(|word| word.is_empty()) {
        words.pop();
    }
    words.join(" ")
}

/// Path, and whether it is still there: -1 where the process has no executable (threads of the kernel).
fn executable(scan: &Scan, pid: i64, row: &mut Row) {
    let Ok(target) = std::fs::read_link(file(scan, pid, "exe")) else {
        row.put("path", "");
        row.put("on_disk", -1);
        return;
    };
    let bytes = target.as_os_str().as_bytes();
    match bytes.strip_suffix(DELETED) {
        Some(path) if !target.exists() => {
            row.put("path", path);
            row.put("on_disk", 0);
        }
        _ => {
            row.put("path", bytes);
            // As that process sees it: it may live in a container.
            let root = file(scan, pid, "root");
            row.put("on_disk", crate::env::under(&root, &target).exists() || target.exists());
        }
    }
}

/// Ids and sizes.
fn identity(scan: &Scan, pid: i64, row: &mut Row) {
    const COLUMNS: &[&str] = &["uid", "gid", "euid", "egid", "suid", "sgid", "resident_size", "total_size"];
    if !COLUMNS.iter().any(|name| scan.wants(name)) {
        return;
    }
    let status = read::bytes(&file(scan, pid, "status"), 64 << 10).unwrap_or_default();
    for (key, name) in [("VmRSS:", "resident_size"), ("VmSize:", "total_size")] {
        let kib = read::lines(&status)
            .find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse().ok());
        row.put(name, kib.map_or(0, |kib: i64| kib.saturating_mul(1024)));
    }
    for (key, names) in [("Uid:", ["uid", "euid", "suid"]), ("Gid:", ["gid", "egid", "sgid"])] {
        let Some(line) = read::lines(&status).find(|line| line.starts_with(key)) else { continue };
        let ids = line.split_ascii_whitespace().skip(1);
        for (name, id) in names.iter().zip(ids) {
            row.put(name, id.parse::<i64>().ok());
        }
    }
}

/// Its control group: of the unified hierarchy, else of the first.
pub(crate) fn cgroup(scan: &Scan, pid: i64) -> Option<String> {
    let bytes = read::bytes(&file(scan, pid, "cgroup"), 64 << 10).ok()?;
    let groups: Vec<String> = read::lines(&bytes).collect();
    let unified = groups.iter().find_map(|line| line.strip_prefix("0::"));
    unified.or_else(|| groups.first()?.splitn(3, ':').nth(2)).map(ToOwned::to_owned)
}
