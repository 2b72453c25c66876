//! What must hold once everything has ended. Effects are looked at where they are, not where they are told.

use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::{Accepted, Deed, FILES, Load, SACRIFICE, lock};
use super::look::{self, Row};
use super::{Error, Report, Run, contents, failed, sha256};
use crate::site::{Machine, STATE, ways_out};

/// For the last process of a script to be gone.
const GONE: Duration = Duration::from_secs(10);

/// Looks at everything; what is wrong goes into the report.
pub(super) fn all(
    run: &mut Run,
    machines: &[Mutex<Machine>],
    load: &Load<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    let rows = look::rows(&look::reader(&run.data)?)?;
    let by_id: HashMap<&str, &Row> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let accepted = lock(&load.accepted);
    for accepted in accepted.iter() {
        match by_id.get(accepted.command.as_str()) {
            Some(row) if row.task == accepted.task => {}
            _ => report.wrong(format!("{} was accepted and is not in the database", accepted.command)),
        }
    }
    ends(run, &rows, report);
    effects(machines, &accepted, &by_id, report)?;
    archives(run, &accepted, &by_id, report)?;
    for (machine, endpoint) in machines.iter().zip(&run.endpoints) {
        let machine = lock(machine);
        isolation(run, &machine, endpoint, &rows, report)?;
        leftovers(&machine, report)?;
    }
    run.site.server.stop();
    database(run, report)
}

/// One end each, in order, and an unknown one only where an agent died in the middle.
fn ends(run: &Run, rows: &[Row], report: &mut Report) {
    for row in rows {
        *report.ends.entry((row.action.clone(), row.state.clone())).or_insert(0) += 1;
        let known: Vec<i64> = row.times.iter().flatten().copied().collect();
        if !known.is_sorted() {
            report.wrong(format!("{}: its times are out of order: {:?}", row.id, row.times));
        }
        if row.state == "succeeded" && (row.times[1].is_none() || row.times[3].is_none()) {
            report.wrong(format!("{} succeeded without having been handed over and reported", row.id));
        }
        if row.state == "indeterminate" {
            let reason = row.reason.as_deref().unwrap_or_default();
            let is_plausible = run.interrupted.contains(&row.id);
            let message = row.message.as_deref().unwrap_or_default();
            report.unknown.push(format!("{} `{}`: {reason}: {message}", row.action, row.id));
            if !is_plausible {
                report
                    .wrong(format!("{} is indeterminate ({reason}), and no agent died while it ran", row.id));
            }
        }
    }
}

fn never_began(row: &Row) -> bool {
    matches!(row.state.as_str(), "expired" | "refused" | "rejected")
        || (row.state == "canceled" && row.times[1].is_none())
}

fn effects(
    machines: &[Mutex<Machine>],
    accepted: &[Accepted],
    rows: &HashMap<&str, &Row>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut begun = Vec::new();
    let mut ended = Vec::new();
    for machine in machines {
        let machine = lock(machine);
        begun.push(lines(&machine, "begun")?);
        ended.push(lines(&machine, "ended")?);
    }
    for accepted in accepted {
        let Some(row) = rows.get(accepted.command.as_str()) else { continue };
        let did = row.state == "succeeded";
        match &accepted.deed {
            Deed::Script(line) => {
                let began = begun[accepted.machine].get(line).copied().unwrap_or(0);
                let came = ended[accepted.machine].get(line).copied().unwrap_or(0);
                let others = (0..machines.len()).filter(|other| *other != accepted.machine);
                let elsewhere = others.filter(|other| begun[*other].contains_key(line)).count();
                report.scripts += began;
                let fits = if did {
                    (began, came) == (1, 1)
                } else if never_began(row) {
                    (began, came) == (0, 0)
                } else {
                    began <= 1 && came <= began
                };
                if !fits || elsewhere > 0 {
                    let told = format!("began {began} and ended {came} times, {elsewhere} elsewhere");
                    report.wrong(format!("{} (script, {}) {told}", row.id, row.state));
                }
            }
            Deed::Terminate(child) => {
                report.processes += usize::from(did);
                if did && child.running() {
                    report.wrong(format!("{} succeeded, and the process still runs", row.id));
                }
                if never_began(row) && !child.running() {
                    report.wrong(format!("{} is {}, and the process is gone", row.id, row.state));
                }
            }
            Deed::Isolate | Deed::Restore | Deed::Collect(_) => {}
        }
    }
    Ok(())
}

/// How often each line stands in a file of the endpoint.
fn lines(machine: &Machine, name: &str) -> Result<BTreeMap<String, usize>, Error> {
    let text = match std::fs::read_to_string(machine.endpoint.path(format!("/root/{name}"))) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(failed("read an endpoint's file"))?,
    };
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line.to_owned()).or_insert(0) += 1;
    }
    Ok(counts)
}

fn archives(
    run: &Run,
    accepted: &[Accepted],
    rows: &HashMap<&str, &Row>,
    report: &mut Report,
) -> Result<(), Error> {
    let wanted: Vec<String> =
        FILES.iter().enumerate().map(|(file, (_, size))| sha256(&contents(file, *size))).collect();
    for accepted in accepted {
        let (Deed::Collect(file), Some(row)) = (&accepted.deed, rows.get(accepted.command.as_str())) else {
            continue;
        };
        if row.state != "succeeded" {
            continue;
        }
        report.archives += 1;
        let outcome: Value =
            serde_json::from_str(row.outcome.as_deref().unwrap_or_default()).unwrap_or_default();
        let archive = &outcome["archive"];
        let id = archive["artifact_id"].as_str().unwrap_or_default();
        let stored = run.site.api.get(&format!("/artifacts/{id}/content"))?;
        let password =
            run.site.api.post(&format!("/tasks/{}/archive-password", accepted.task), &Value::Null)?.good()?;
        let hashes = if archive["sha256"] == sha256(&stored.bytes) {
            open(&stored.bytes, password["password"].as_str().unwrap_or_default())?
        } else {
            Vec::new()
        };
        if !hashes.contains(&wanted[*file]) || outcome["sha256"] != wanted[*file] {
            report.wrong(format!("{} succeeded, and its archive does not hold the file", row.id));
        }
    }
    Ok(())
}

/// SHA-256 of what 7-Zip takes out of an archive: the file, and what the agent says of it. Nothing where it refuses.
fn open(archive: &[u8], password: &str) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().map_err(failed("make a folder"))?;
    let (path, into) = (folder.path().join("a.zip"), folder.path().join("opened"));
    std::fs::write(&path, archive).map_err(failed("write an archive"))?;
    let mut command = Command::new("7z");
    command.args(["e", "-y", "-bd", &format!("-p{password}"), &format!("-o{}", into.display())]);
    let output = command.arg(&path).stdin(Stdio::null()).output().map_err(failed("start 7z"))?;
    let mut hashes = Vec::new();
    if output.status.success() {
        for file in std::fs::read_dir(into).map_err(failed("list a folder"))?.flatten() {
            hashes.push(sha256(&std::fs::read(file.path()).map_err(failed("read a file"))?));
        }
    }
    Ok(hashes)
}

/// The endpoint is cut off, or is not, as the last end of an isolation or a restoration says.
fn isolation(
    run: &Run,
    machine: &Machine,
    endpoint: &str,
    rows: &[Row],
    report: &mut Report,
) -> Result<(), Error> {
    let of = |row: &&Row| {
        row.endpoint == endpoint && matches!(row.action.as_str(), "endpoint.isolate" | "endpoint.restore")
    };
    let mut cut = Some(false);
    for row in rows.iter().filter(of) {
        match row.state.as_str() {
            "succeeded" => cut = Some(row.action == "endpoint.isolate"),
            "indeterminate" => cut = None,
            _ => {}
        }
    }
    let name = machine.name();
    let ways = ways_out(&machine.endpoint, run.site.lab.outside())?;
    let open = ways.iter().filter(|way| way.open).count();
    let is_recorded = !run.site.record(name)?["isolation"].is_null();
    let fits = match cut {
        Some(true) => open == 0 && is_recorded,
        Some(false) => open == ways.len() && !is_recorded,
        None => open == 0 || open == ways.len(),
    };
    report.isolations.push(format!("{name}: cut off: {cut:?}; open ways {open} of {}", ways.len()));
    if !fits {
        let told = format!("{open} of {} ways are open, recorded as isolated: {is_recorded}", ways.len());
        report.wrong(format!("{name} should be cut off: {cut:?}; {told}"));
    }
    Ok(())
}

/// No process of a script, no damaged journal, no folder of an order that is over.
fn leftovers(machine: &Machine, report: &mut Report) -> Result<(), Error> {
    let look = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null && echo; done";
    let end = Instant::now() + GONE;
    let sacrifice = SACRIFICE.join(" ");
    loop {
        let text = machine.sh(look)?.stdout;
        let is_left =
            |line: &&str| line.contains("supervise") || (line.contains("sleep") && line.trim() != sacrifice);
        let left: Vec<&str> = text.lines().filter(is_left).collect();
        if left.is_empty() {
            break;
        }
        if Instant::now() > end {
            report.wrong(format!("{}: left behind by scripts: {left:?}", machine.name()));
            break;
        }
        std::thread::sleep(super::PAUSE);
    }
    let files = std::fs::read_dir(machine.endpoint.path(STATE)).map_err(failed("list an agent's state"))?;
    for file in files.flatten() {
        if file.file_name().to_string_lossy().contains("damaged") {
            report.wrong(format!("{}: a journal was found damaged", machine.name()));
        }
    }
    Ok(())
}

/// The database itself, once the server has let go of it.
fn database(run: &Run, report: &mut Report) -> Result<(), Error> {
    let database = rusqlite::Connection::open(run.data.join("quell.db"))?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        report.wrong(format!("the database is damaged: {sound}"));
    }
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0));
    let twice = count(
        "SELECT COUNT(*) FROM (SELECT object_id FROM audit WHERE verb = 'command.outcome' AND outcome IN \
         ('succeeded', 'failed', 'refused', 'canceled', 'indeterminate') GROUP BY object_id HAVING COUNT(*) > 1)",
    )?;
    let keys = count(
        "SELECT COUNT(*) FROM (SELECT idempotency_key FROM task WHERE idempotency_key IS NOT NULL \
         GROUP BY idempotency_key HAVING COUNT(*) > 1)",
    )?;
    let refused = count(
        "SELECT COUNT(*) FROM audit WHERE verb = 'command.outcome' AND outcome NOT IN \
         ('succeeded', 'failed', 'refused', 'canceled', 'indeterminate')",
    )?;
    for (count, what) in [
        (twice, "commands ended more than once in the audit trail"),
        (keys, "idempotency keys made more than one task"),
        (refused, "outcomes came late, or were refused"),
    ] {
        if count > 0 {
            report.wrong(format!("{count} {what}"));
        }
    }
    Ok(())
}
