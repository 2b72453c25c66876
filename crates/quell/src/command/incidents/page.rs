//! An incident as people read it: its tree of processes, what was detected, what may be done.

use serde_json::Value;

use super::{endpoints, path, state};
use crate::cli::Context;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, moment, terminal, text};

/// Activity events that are shown at most.
const ACTIVITY: usize = 2_000;

/// Shows an incident.
pub async fn show(client: &Client, context: &Context, incident: &str, all: bool) -> Result<(), Failure> {
    let mut found = client.get(&path(incident, ""), &[]).await?;
    let chain = client.get(&path(incident, "/chain"), &[]).await?;
    let activity = if all {
        client.list(&path(incident, "/activity"), &[], ACTIVITY).await?
    } else {
        items(&chain, "key_activities").to_vec()
    };
    if !context.format.is_for_people() {
        if let Some(object) = found.as_object_mut() {
            object.insert("processes".to_owned(), chain.get("processes").cloned().unwrap_or_default());
            object.insert("activity".to_owned(), Value::Array(activity));
        }
        return output::one(context.format, &found, |_| String::new());
    }
    terminal::say(&page(&found, items(&chain, "processes"), &activity))
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The first lines: what, how bad, whose.
pub fn head(found: &Value) -> String {
    let seen = |pointer: &str| text::visible(&field(found, pointer)).into_owned();
    let mut lines = vec![
        format!("incident {}: {}", seen("/number"), seen("/title")),
        format!("{:<11} {}", "severity", seen("/severity")),
        format!("{:<11} {}", "state", text::visible(&state(found))),
        format!("{:<11} {}", "endpoints", text::visible(&endpoints(found))),
        format!("{:<11} {}", "techniques", seen("/techniques")),
        format!("{:<11} {}", "first", moment::of(found, "/first_at")),
        format!("{:<11} {}", "last", moment::of(found, "/last_at")),
    ];
    for (name, pointer) in [("assignee", "/assignee/name"), ("merged into", "/merged_into/number")] {
        if !field(found, pointer).is_empty() {
            lines.push(format!("{name:<11} {}", seen(pointer)));
        }
    }
    lines.join("\n")
}

/// Notes, each below who wrote it.
pub fn notes(items: &[Value]) -> String {
    let note = |note: &Value| {
        let (author, body) = (field(note, "/author/name"), field(note, "/body"));
        let at = moment::of(note, "/created_at");
        format!("{at} {}\n{}", text::visible(&author), text::visible_lines(&body))
    };
    if items.is_empty() {
        "nothing to show".to_owned()
    } else {
        items.iter().map(note).collect::<Vec<_>>().join("\n\n")
    }
}

fn page(found: &Value, processes: &[Value], activity: &[Value]) -> String {
    let mut lines = vec![head(found), String::new()];
    for chain in items(found, "chains") {
        lines.extend(lacks(chain));
    }
    lines.extend(processes.iter().map(process));
    if !activity.is_empty() {
        lines.push(String::new());
        lines.extend(activity.iter().map(event));
    }
    let offered = offers(&found.get("offers").cloned().unwrap_or_default());
    if !offered.is_empty() {
        lines.push(String::new());
        lines.extend(offered);
    }
    lines.join("\n")
}

/// What a chain lacks, in words.
fn lacks(chain: &Value) -> Option<String> {
    let count = |name: &str| chain.pointer(&format!("/gaps/{name}")).and_then(Value::as_i64).unwrap_or(0);
    let mut gaps = Vec::new();
    for (name, words) in [
        ("lost", "events were lost on the endpoint"),
        ("processes_beyond", "processes are beyond the limit of a chain"),
        ("activities_beyond", "activity events are beyond the limit of a chain"),
        ("dropped", "processes or events found no room here"),
        ("vanished_files", "files came and went with their directory"),
    ] {
        if count(name) > 0 {
            gaps.push(format!("{} {words}", count(name)));
        }
    }
    if chain.pointer("/gaps/begins_late") == Some(&Value::Bool(true)) {
        gaps.push("its beginning was too old to be kept".to_owned());
    }
    let endpoint = field(chain, "/endpoint/name");
    (!gaps.is_empty()).then(|| format!("incomplete on {}: {}", text::visible(&endpoint), gaps.join("; ")))
}

/// A process in its place in the tree; what was detected on it is marked.
fn process(process: &Value) -> String {
    let depth = process.get("depth").and_then(Value::as_u64).unwrap_or(0).min(40) as usize;
    let mark = if process.get("is_key") == Some(&Value::Bool(true)) { "*" } else { " " };
    let line = field(process, "/image/command_line");
    let line = if line.is_empty() { field(process, "/image/path") } else { line };
    let (pid, user) = (field(process, "/pid"), field(process, "/user"));
    let line = text::shortened(&text::visible(&line), 120);
    format!(
        "{mark} {}{} [{}{}]",
        "  ".repeat(depth),
        line,
        pid,
        if user.is_empty() { user } else { format!(", {}", text::visible(&user)) }
    )
}

fn event(event: &Value) -> String {
    let mark = if event.get("is_key") == Some(&Value::Bool(true)) { "*" } else { " " };
    let (summary, chain, id) = (field(event, "/summary"), field(event, "/chain"), field(event, "/id"));
    let hits: Vec<String> = items(event, "detections").iter().map(|hit| field(hit, "/title")).collect();
    let hits = if hits.is_empty() { String::new() } else { format!("  ({})", hits.join("; ")) };
    format!(
        "{mark} {} {}{}  {}/{}",
        moment::of(event, "/at"),
        text::visible(&summary),
        text::visible(&hits),
        text::visible(&chain),
        text::visible(&id)
    )
}

/// What may be done, a line each; and what may not, with the reason.
pub fn offers(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |offer: &Value| {
        let seen = |pointer: &str| text::visible(&field(offer, pointer)).into_owned();
        let mut parts = vec![format!("{:<20} {}", seen("/action"), seen("/object"))];
        if offer.get("possible") == Some(&Value::Bool(false)) {
            parts.push(format!("not possible: {}", seen("/refused/text")));
        }
        for warning in items(offer, "warnings") {
            parts.push(format!("warning: {}", text::visible(&field(warning, "/text"))));
        }
        parts.join("  ")
    };
    list.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chain_is_a_tree_with_its_key_events_marked_and_its_gaps_told() {
        let found = json!({
            "number": 7, "title": "curl dropped /tmp/x\u{202e}", "severity": "high", "state": "closed", "resolution": "benign",
            "endpoints": [{ "name": "web-1" }], "techniques": ["T1059.004"], "assignee": { "name": "Ada" },
            "chains": [{ "endpoint": { "name": "web-1" }, "gaps": { "lost": 3, "begins_late": true } }],
            "offers": [{ "action": "endpoint.isolate", "object": "web-1", "possible": false,
                "refused": { "text": "it is isolated already" }, "warnings": [] }],
        });
        let processes = [
            json!({ "pid": 100, "user": "root", "depth": 0, "is_key": false, "image": { "command_line": "bash" } }),
            json!({ "pid": 101, "user": null, "depth": 1, "is_key": true, "image": { "command_line": "", "path": "/tmp/x\u{1b}[2J" } }),
        ];
        let activity = [
            json!({ "chain": "c", "id": 2, "is_key": true, "summary": "x was started", "at": "2026-11-23T08:00:00Z",
            "detections": [{ "title": "Run from /tmp" }] }),
        ];
        let page = page(&found, &processes, &activity);
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'), "{page}");
        for part in [
            "state       closed: benign",
            "incomplete on web-1: 3 events were lost on the endpoint; its beginning was too old to be kept",
            "  bash [100, root]",
            "*   /tmp/x",
            "x was started  (Run from /tmp)  c/2",
            "endpoint.isolate     web-1  not possible: it is isolated already",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
