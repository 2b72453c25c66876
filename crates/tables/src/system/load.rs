//! How the machine is doing: `uptime`, `time`, `load_average`, `memory_info`, `cpu_time`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::env::{Scan, now};
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

pub(crate) static UPTIME: Table = Table {
    name: "uptime",
    about: "How long the machine has been running.",
    columns: &[int("days"), int("hours"), int("minutes"), int("seconds"), big("total_seconds")],
    rows: uptime,
};

pub(crate) static TIME: Table = Table {
    name: "time",
    about: "The machine's clock, in UTC.",
    columns: &[
        text("weekday"),
        int("year"),
        int("month"),
        int("day"),
        int("hour"),
        int("minutes"),
        int("seconds"),
        text("timezone"),
        text("local_timezone"),
        int("unix_time"),
        text("timestamp"),
        text("datetime"),
        text("iso_8601"),
    ],
    rows: time,
};

pub(crate) static LOAD_AVERAGE: Table = Table {
    name: "load_average",
    about: "Load over the last 1, 5 and 15 minutes.",
    columns: &[text("period"), text("average")],
    rows: load_average,
};

pub(crate) static MEMORY_INFO: Table = Table {
    name: "memory_info",
    about: "Memory, in bytes.",
    columns: &[
        big("memory_total"),
        big("memory_free"),
        big("memory_available"),
        big("buffers"),
        big("cached"),
        big("swap_cached"),
        big("active"),
        big("inactive"),
        big("swap_total"),
        big("swap_free"),
    ],
    rows: memory_info,
};

pub(crate) static CPU_TIME: Table = Table {
    name: "cpu_time",
    about: "What each processor spent its time on, in clock ticks.",
    columns: &[
        int("core"),
        big("user"),
        big("nice"),
        big("system"),
        big("idle"),
        big("iowait"),
        big("irq"),
        big("softirq"),
        big("steal"),
        big("guest"),
        big("guest_nice"),
    ],
    rows: cpu_time,
};

fn uptime(scan: &Scan) -> Rows {
    let text = read::fact(&scan.host("/proc/uptime")).unwrap_or_default();
    let seconds: i64 = text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0);
    let row = scan
        .row()
        .set("days", seconds / 86_400)
        .set("hours", seconds / 3_600 % 24)
        .set("minutes", seconds / 60 % 60)
        .set("seconds", seconds % 60)
        .set("total_seconds", seconds);
    Box::new(std::iter::once(row))
}

fn time(scan: &Scan) -> Rows {
    let unix = now();
    let Ok(stamp) = Timestamp::from_second(unix) else { return Box::new(std::iter::empty()) };
    let at = stamp.to_zoned(TimeZone::UTC);
    let local = read::link(&scan.host("/etc/localtime"))
        .and_then(|path| path.split_once("zoneinfo/").map(|(_, name)| name.to_owned()));
    let iso = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let row = scan
        .row()
        .set("weekday", at.strftime("%A").to_string())
        .set("year", i64::from(at.year()))
        .set("month", i64::from(at.month()))
        .set("day", i64::from(at.day()))
        .set("hour", i64::from(at.hour()))
        .set("minutes", i64::from(at.minute()))
        .set("seconds", i64::from(at.second()))
        .set("timezone", "UTC")
        .set("local_timezone", local.unwrap_or_else(|| "UTC".to_owned()))
        .set("unix_time", unix)
        .set("timestamp", at.strftime("%a %b %e %H:%M:%S %Y UTC").to_string())
        .set("datetime", iso.as_str())
        .set("iso_8601", iso.as_str());
    Box::new(std::iter::once(row))
}

fn load_average(scan: &Scan) -> Rows {
    let text = read::fact(&scan.host("/proc/loadavg")).unwrap_or_default();
    let rows: Vec<Row> = ["1m", "5m", "15m"]
        .iter()
        .zip(text.split(' '))
        .map(|(period, average)| scan.row().set("period", *period).set("average", average))
        .collect();
    Box::new(rows.into_iter())
}

/// `/proc/meminfo`, in bytes.
pub(super) fn memory(scan: &Scan) -> BTreeMap<String, i64> {
    let bytes = read::bytes(&scan.host("/proc/meminfo"), read::FACT).unwrap_or_default();
    let pair = |line: String| {
        let (key, value) = line.split_once(':')?;
        let kib: i64 = value.trim().trim_end_matches(" kB").parse().ok()?;
        Some((key.to_owned(), kib.saturating_mul(1024)))
    };
    read::lines(&bytes).filter_map(pair).collect()
}

fn memory_info(scan: &Scan) -> Rows {
    let memory = memory(scan);
    let of = |key: &str| memory.get(key).copied();
    let row = scan
        .row()
        .set("memory_total", of("MemTotal"))
        .set("memory_free", of("MemFree"))
        .set("memory_available", of("MemAvailable"))
        .set("buffers", of("Buffers"))
        .set("cached", of("Cached"))
        .set("swap_cached", of("SwapCached"))
        .set("active", of("Active"))
        .set("inactive", of("Inactive"))
        .set("swap_total", of("SwapTotal"))
        .set("swap_free", of("SwapFree"));
    Box::new(std::iter::once(row))
}

fn cpu_time(scan: &Scan) -> Rows {
    let bytes = read::bytes(&scan.host("/proc/stat"), read::FACT).unwrap_or_default();
    let rows: Vec<Row> = read::lines(&bytes)
        .filter_map(|line| {
            let (core, rest) = line.strip_prefix("cpu")?.split_once(' ')?;
            let mut row = scan.row().set("core", core.parse::<i64>().ok()?);
            let names = [
                "user",
                "nice",
                "system",
                "idle",
                "iowait",
                "irq",
                "softirq",
                "steal",
                "guest",
                "guest_nice",
            ];
            for (name, value) in names.iter().zip(rest.split_ascii_whitespace()) {
                row.put(name, value.parse::<i64>().ok());
            }
            Some(row)
        })
        .collect();
    Box::new(rows.into_iter())
}
