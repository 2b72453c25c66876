//! What watches over the machine: `selinux_settings`, `apparmor_profiles`, `secureboot`.

use std::path::Path;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, int, text};

pub(crate) static SELINUX: Table = Table {
    name: "selinux_settings",
    about: "How SELinux is set, where it runs.",
    columns: &[text("scope"), text("key"), text("value")],
    rows: selinux,
};

pub(crate) static APPARMOR: Table = Table {
    name: "apparmor_profiles",
    about: "Profiles that AppArmor enforces.",
    columns: &[text("path"), text("name"), text("attach"), text("mode"), text("sha1"), text("sha256")],
    rows: apparmor,
};

pub(crate) static SECUREBOOT: Table = Table {
    name: "secureboot",
    about: "Whether the firmware starts signed systems alone.",
    columns: &[int("secure_boot"), int("setup_mode")],
    rows: secureboot,
};

fn selinux(scan: &Scan) -> Rows {
    let top = scan.host("/sys/fs/selinux");
    let mut rows = Vec::new();
    let mut add = |scope: &str, path: &Path| {
        if let Some(value) = read::fact(path) {
            rows.push(scan.row().set("scope", scope).set("key", read::name(path)).set("value", value));
        }
    };
    for key in ["checkreqprot", "deny_unknown", "enforce", "mls", "policyvers", "reject_unknown"] {
        add("", &top.join(key));
    }
    for path in read::directory(&top.join("booleans")) {
        add("booleans", &path);
    }
    for path in read::directory(&top.join("policy_capabilities")) {
        add("policy_capabilities", &path);
    }
    Box::new(rows.into_iter())
}

fn apparmor(scan: &Scan) -> Rows {
    let mut open = vec![scan.host("/sys/kernel/security/apparmor/policy/profiles")];
    let mut rows: Vec<Row> = Vec::new();
    while let Some(directory) = open.pop() {
        for path in read::directory(&directory) {
            let Some(name) = read::fact(&path.join("name")) else { continue };
            let fact = |file: &str| read::fact(&path.join(file)).unwrap_or_default();
            rows.push(
                scan.row()
                    .set("path", read::name(&path))
                    .set("name", name)
                    .set("attach", fact("attach"))
                    .set("mode", fact("mode"))
                    .set("sha1", fact("sha1"))
                    .set("sha256", fact("sha256")),
            );
            open.push(path.join("profiles"));
        }
    }
    Box::new(rows.into_iter())
}

/// The owner of the variables (UEFI specification, global variables).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

fn secureboot(scan: &Scan) -> Rows {
    // Four bytes of attributes come before the value.
    let variable = |name: &str| {
        let path = scan.host(&format!("/sys/firmware/efi/efivars/{name}-{GLOBAL}"));
        read::bytes(&path, 64).ok()?.get(4).map(|byte| i64::from(*byte))
    };
    let row = variable("SecureBoot")
        .map(|on| scan.row().set("secure_boot", on).set("setup_mode", variable("SetupMode")));
    Box::new(row.into_iter())
}
