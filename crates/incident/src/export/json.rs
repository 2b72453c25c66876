//! Everything as JSON.
//!
//! The document is an object with `format` ([`FORMAT`]) and `version` ([`VERSION`], raised when a field changes its meaning or
//! goes; new fields may come at any time). Moments are RFC 3339 in UTC, hashes lower-case hex. A path, an argument or a
//! directory is text; where it is not UTF-8, that text has `\u{fffd}` in it and `…_hex` beside it holds the bytes.

use quell_wire::activity::{
    Activity, Connection, Deed, Detection, Fate, FileDeed, Format, Image, Process, ProcessKey, address,
};
use serde_json::{Map, Value, json};

use super::Report;
use crate::attack;
use crate::chain::{Chain, View};
use crate::summary::{severity_name, source_name, verdict_name};
use crate::text::{hex, moment};

/// Value of `format`.
pub const FORMAT: &str = "quell.incident";
/// Value of `version`.
pub const VERSION: u32 = 1;

/// The incident as one JSON document.
pub fn json(report: &Report<'_>) -> Value {
    let techniques: Map<String, Value> = report
        .techniques()
        .into_iter()
        .filter_map(|id| Some((id.to_owned(), attack::technique(id)?)))
        .map(|(id, known)| (id, json!({ "name": known.name, "tactics": known.tactics })))
        .collect();
    json!({
        "format": FORMAT,
        "version": VERSION,
        "made_at": moment(report.made_at_us),
        "tenant": report.tenant,
        "incident": incident(report),
        "endpoints": report.endpoints().into_iter().map(|id| {
            json!({ "id": id, "name": report.setting.name_of(id) })
        }).collect::<Vec<_>>(),
        "chains": report.views.iter().map(chain).collect::<Vec<_>>(),
        "actions": report.actions.iter().map(|action| json!({
            "task": action.task,
            "action": action.action,
            "object": action.object,
            "endpoint": action.endpoint,
            "state": action.state,
            "requested_by": action.requested_by,
            "requested_at": moment(action.requested_at_us),
            "ended_at": action.ended_at_us.map(moment),
        })).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(|note| json!({
            "author": note.author, "at": moment(note.at_us), "text": note.text,
        })).collect::<Vec<_>>(),
        "attack": { "version": attack::version(), "licence": attack::licence(), "techniques": techniques },
    })
}

fn incident(report: &Report<'_>) -> Value {
    let incident = report.incident;
    json!({
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity,
        "status": incident.status,
        "resolution": incident.resolution,
        "assignee": incident.assignee,
        "first_at": moment(incident.first_at_us),
        "last_at": moment(incident.last_at_us),
        "techniques": report.techniques(),
    })
}

fn chain(view: &View<'_>) -> Value {
    let Chain { id, endpoint, boot_id, root, gaps, closed, .. } = view.chain;
    let processes = view.nodes.iter().map(|node| {
        let mut told = node.process.map_or_else(|| json!({ "key": key(node.key) }), process);
        told["depth"] = json!(node.depth);
        told["place"] = json!(node.place);
        told["techniques"] = json!(node.techniques);
        told
    });
    json!({
        "id": id,
        "endpoint": endpoint,
        "boot_id": boot_id,
        "root": key(*root),
        "closed": closed,
        "gaps": {
            "lost": gaps.lost,
            "processes_beyond": gaps.processes_beyond,
            "activities_beyond": gaps.activities_beyond,
            "begins_late": gaps.begins_late,
            "vanished_files": gaps.vanished_files,
            "left_out": view.left_out,
        },
        "processes": processes.collect::<Vec<_>>(),
        "activity": view.entries.iter().map(|entry| activity(entry.activity, &entry.detections)).collect::<Vec<_>>(),
        "detections": view.detections().map(|(_, hit)| detection(hit)).collect::<Vec<_>>(),
    })
}

fn key(key: ProcessKey) -> Value {
    json!({ "pid": key.pid, "start": key.start })
}

fn process(process: &Process) -> Value {
    let mut told = image(&process.image);
    told["key"] = key(process.key);
    told["parent"] = json!(process.parent.map(key));
    told["uid"] = json!(process.uid);
    told["user"] = json!(process.user);
    told["login_uid"] = json!(process.login_uid);
    told["started_at"] = json!(moment(process.started_at_us));
    let ended = process.ended_at_us != 0;
    told["ended_at"] = json!(ended.then(|| moment(process.ended_at_us)));
    told["exit_status"] = json!(ended.then_some(process.exit_status));
    told["pid_namespace"] = json!(process.pid_namespace);
    told["container"] = json!(process.container);
    told["from_before"] = json!(process.from_before);
    told["incomplete"] = json!(process.incomplete);
    told
}

/// A field of bytes: text, and hex beside it where that is not the whole truth.
fn bytes(object: &mut Value, field: &str, bytes: &[u8]) {
    object[field] = Value::from(String::from_utf8_lossy(bytes));
    if str::from_utf8(bytes).is_err() {
        object[format!("{field}_hex")] = Value::from(hex(bytes));
    }
}

fn image(image: &Image) -> Value {
    let mut told = json!({
        "arguments": image.arguments.iter().map(|argument| String::from_utf8_lossy(argument)).collect::<Vec<_>>(),
        "arguments_cut": image.arguments_cut,
        "sha256": hash(&image.sha256),
        "size": image.size,
        "package": image.package,
        "copy_of": image.copy_of,
        "nameless": image.nameless,
        "in_memory": image.in_memory,
        "terminal": image.terminal,
    });
    if image.arguments.iter().any(|argument| str::from_utf8(argument).is_err()) {
        told["arguments_hex"] =
            json!(image.arguments.iter().map(|argument| hex(argument)).collect::<Vec<_>>());
    }
    bytes(&mut told, "path", &image.path);
    bytes(&mut told, "directory", &image.directory);
    if let Some(script) = &image.script {
        let mut inner = json!({ "sha256": hash(&script.sha256) });
        bytes(&mut inner, "path", &script.path);
        told["script"] = inner;
    }
    told
}

fn hash(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}

fn activity(activity: &Activity, hits: &[&Detection]) -> Value {
    let mut told = match &activity.deed {
        Some(Deed::Start(started)) => image(started),
        Some(Deed::FileCreate(deed) | Deed::FileWrite(deed) | Deed::FileRename(deed)) => file(deed),
        Some(Deed::Connect(deed) | Deed::Listen(deed)) => connection(deed),
        Some(Deed::Dns(deed)) => json!({
            "name": deed.name,
            "record_type": deed.kind,
            "server": address(&deed.server),
            "answers": deed.answers.iter().filter_map(|answer| address(answer)).collect::<Vec<_>>(),
        }),
        Some(Deed::Login(deed)) => json!({
            "user": deed.user, "from": deed.from, "terminal": deed.terminal, "failed": deed.failed,
        }),
        None => json!({}),
    };
    told["id"] = json!(activity.id);
    told["at"] = json!(moment(activity.at_us));
    told["kind"] = json!(activity.deed.as_ref().map(crate::tell::kind));
    told["process"] = key(activity.process);
    told["detections"] = json!(hits.iter().map(|hit| &hit.id).collect::<Vec<_>>());
    told
}

fn file(file: &FileDeed) -> Value {
    let format = match file.format() {
        Format::Unspecified => None,
        Format::Elf => Some("elf"),
        Format::Script => Some("script"),
    };
    let mut told = json!({
        "sha256": hash(&file.sha256), "size": file.size, "mode": file.mode, "format": format,
        "copy_of": file.copy_of,
    });
    bytes(&mut told, "path", &file.path);
    if !file.from.is_empty() {
        bytes(&mut told, "from", &file.from);
    }
    told
}

fn connection(connection: &Connection) -> Value {
    let fate = match connection.fate() {
        Fate::Unspecified => None,
        Fate::Attempted => Some("attempted"),
        Fate::Established => Some("established"),
        Fate::Failed => Some("failed"),
    };
    json!({
        "protocol": connection.protocol,
        "local": address(&connection.local),
        "local_port": connection.local_port,
        "remote": address(&connection.remote),
        "remote_port": connection.remote_port,
        "inbound": connection.inbound,
        "fate": fate,
    })
}

fn detection(hit: &Detection) -> Value {
    let mut told = json!({
        "id": hit.id,
        "at": moment(hit.at_us),
        "activity": hit.activity,
        "source": source_name(hit.source()),
        "rule": hit.rule,
        "title": hit.title,
        "severity": severity_name(hit.severity()),
        "techniques": hit.techniques,
        "verdict": verdict_name(hit.verdict()),
        "note": hit.note,
        "sha256": hash(&hit.sha256),
        "protection": hit.protection,
    });
    if !hit.path.is_empty() {
        bytes(&mut told, "path", &hit.path);
    }
    told
}
