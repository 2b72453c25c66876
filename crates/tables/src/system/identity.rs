//! Which machine this is: `os_version`, `system_info`, `platform_info`.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Rows, Table, WITHIN, big, int, text};

pub(crate) static OS_VERSION: Table = Table {
    name: "os_version",
    about: "The operating system and its version.",
    columns: &[
        text("name"),
        text("version"),
        int("major"),
        int("minor"),
        int("patch"),
        text("build"),
        text("platform"),
        text("platform_like"),
        text("codename"),
        text("arch"),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows: os_version,
};

pub(crate) static SYSTEM_INFO: Table = Table {
    name: "system_info",
    about: "The machine: name, processor, memory, maker.",
    columns: &[
        text("hostname"),
        text("uuid"),
        text("cpu_type"),
        text("cpu_subtype"),
        text("cpu_brand"),
        int("cpu_physical_cores"),
        int("cpu_logical_cores"),
        int("cpu_sockets"),
        text("cpu_microcode"),
        big("physical_memory"),
        text("hardware_vendor"),
        text("hardware_model"),
        text("hardware_version"),
        text("hardware_serial"),
        text("board_vendor"),
        text("board_model"),
        text("board_version"),
        text("board_serial"),
        text("computer_name"),
        text("local_hostname"),
    ],
    rows: system_info,
};

pub(crate) static PLATFORM_INFO: Table = Table {
    name: "platform_info",
    about: "The firmware.",
    columns: &[
        text("vendor"),
        text("version"),
        text("date"),
        text("revision"),
        text("extra"),
        text("firmware_type"),
        text("address"),
        text("size"),
        int("volume_size"),
    ],
    rows: platform_info,
};

/// `KEY=value` or `KEY="value"` of os-release(5).
fn release(bytes: &[u8]) -> BTreeMap<String, String> {
    let pair = |line: String| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    read::settings(bytes).filter_map(pair).collect()
}

fn os_version(scan: &Scan) -> Rows {
    let root = scan.root();
    let mut bytes = read::config(&scan.env, &under(&root, "/etc/os-release".as_ref()));
    if bytes.is_empty() {
        bytes = read::config(&scan.env, &under(&root, "/usr/lib/os-release".as_ref()));
    }
    let release = release(&bytes);
    let value = |key: &str| release.get(key).cloned().unwrap_or_default();
    let version = value("VERSION_ID");
    let mut numbers = version.split('.').map(|part| part.parse::<i64>().unwrap_or(0));
    let row = scan
        .row()
        .set("name", value("NAME"))
        .set("version", if release.contains_key("VERSION") { value("VERSION") } else { version.clone() })
        .set("major", numbers.next().unwrap_or(0))
        .set("minor", numbers.next().unwrap_or(0))
        .set("patch", numbers.next().unwrap_or(0))
        .set("build", value("BUILD_ID"))
        .set("platform", value("ID"))
        .set("platform_like", value("ID_LIKE"))
        .set("codename", value("VERSION_CODENAME"))
        .set("arch", rustix::system::uname().machine().to_string_lossy())
        .set("pid_with_namespace", scan.within())
        .set("mount_namespace_id", "");
    Box::new(std::iter::once(row))
}

fn system_info(scan: &Scan) -> Rows {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy().into_owned();
    let cpus =
        String::from_utf8_lossy(&read::bytes(&scan.host("/proc/cpuinfo"), read::FACT).unwrap_or_default())
            .into_owned();
    let field = |key: &str| {
        let line = cpus.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
        line.map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    let mut logical = 0_usize;
    let (mut sockets, mut cores) = (BTreeSet::new(), BTreeSet::new());
    for block in cpus.split("\n\n").filter(|block| block.contains("processor")) {
        logical += 1;
        let of = |key: &str| {
            block
                .lines()
                .find(|line| line.starts_with(key))
                .and_then(|l| l.split_once(':'))
                .map(|(_, v)| v.trim())
        };
        let socket = of("physical id").unwrap_or("0");
        sockets.insert(socket);
        cores.insert((socket, of("core id").map_or_else(|| logical.to_string(), ToOwned::to_owned)));
    }
    let dmi = |name: &str| read::fact(&scan.host(&format!("/sys/class/dmi/id/{name}"))).unwrap_or_default();
    let memory = super::load::memory(scan).get("MemTotal").copied();
    let row = scan
        .row()
        .set("hostname", host.as_str())
        .set("uuid", uuid(scan))
        .set("cpu_type", uname.machine().to_string_lossy())
        .set("cpu_subtype", field("model\t\t"))
        .set("cpu_brand", field("model name"))
        .set("cpu_physical_cores", cores.len())
        .set("cpu_logical_cores", logical)
        .set("cpu_sockets", sockets.len())
        .set("cpu_microcode", field("microcode"))
        .set("physical_memory", memory)
        .set("hardware_vendor", dmi("sys_vendor"))
        .set("hardware_model", dmi("product_name"))
        .set("hardware_version", dmi("product_version"))
        .set("hardware_serial", dmi("product_serial"))
        .set("board_vendor", dmi("board_vendor"))
        .set("board_model", dmi("board_name"))
        .set("board_version", dmi("board_version"))
        .set("board_serial", dmi("board_serial"))
        .set("computer_name", host.as_str())
        .set("local_hostname", host.as_str());
    Box::new(std::iter::once(row))
}

/// The machine's own id: of its board, else of its installation.
fn uuid(scan: &Scan) -> String {
    let board = read::fact(&scan.host("/sys/class/dmi/id/product_uuid")).filter(|id| !id.is_empty());
    board.or_else(|| read::fact(&scan.host("/etc/machine-id"))).unwrap_or_default()
}

fn platform_info(scan: &Scan) -> Rows {
    let dmi = |name: &str| read::fact(&scan.host(&format!("/sys/class/dmi/id/{name}"))).unwrap_or_default();
    let efi = scan.host("/sys/firmware/efi").is_dir();
    let row = scan
        .row()
        .set("vendor", dmi("bios_vendor"))
        .set("version", dmi("bios_version"))
        .set("date", dmi("bios_date"))
        .set("revision", dmi("bios_release"))
        .set("extra", "")
        .set("firmware_type", if efi { "uefi" } else { "bios" })
        .set("address", "")
        .set("size", "")
        .set("volume_size", 0);
    Box::new(std::iter::once(row))
}
