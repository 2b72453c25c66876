//! More about each process: `process_envs`, `process_namespaces`.

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, int, text};

use super::{file, pids};

/// Environment of a process. Bytes.
const ENVIRONMENT: u64 = 1 << 20;

pub(crate) static ENVS: Table = Table {
    name: "process_envs",
    about: "Environment variables of processes, as they were when each was started.",
    columns: &[int("pid").index(), text("key"), text("value")],
    rows: envs,
};

pub(crate) static NAMESPACES: Table = Table {
    name: "process_namespaces",
    about: "Namespaces that processes live in.",
    columns: &[
        int("pid").index(),
        text("cgroup_namespace"),
        text("ipc_namespace"),
        text("mnt_namespace"),
        text("net_namespace"),
        text("pid_namespace"),
        text("user_namespace"),
        text("uts_namespace"),
    ],
    rows: namespaces,
};

fn envs(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(pids(&scan).into_iter().flat_map(move |pid| {
        let bytes = read::bytes(&file(&scan, pid, "environ"), ENVIRONMENT).unwrap_or_default();
        let pairs = bytes.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
        let rows: Vec<Row> = pairs
            .map(|pair| {
                let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
                let value = pair.get(at + 1..).unwrap_or_default();
                scan.row().set("pid", pid).set("key", &pair[..at]).set("value", value)
            })
            .collect();
        rows.into_iter()
    }))
}

/// The number of a namespace, as the kernel names it.
pub(crate) fn namespace(scan: &Scan, pid: i64, kind: &str) -> Option<String> {
    let link = read::link(&file(scan, pid, &format!("ns/{kind}")))?;
    Some(link.split_once(":[")?.1.trim_end_matches(']').to_owned())
}

fn namespaces(scan: &Scan) -> Rows {
    let scan = scan.clone();
    Box::new(pids(&scan).into_iter().map(move |pid| {
        let mut row = scan.row().set("pid", pid);
        for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
            row.put(&format!("{kind}_namespace"), namespace(&scan, pid, kind));
        }
        row
    }))
}
