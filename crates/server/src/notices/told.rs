//! From an audit record to what is told of it: the one table of verbs.

use quell_catalog::ActionKind;
use quell_notify::{
    Kind, Notice,
    notice::{Object, Party},
};
use quell_store::{Error, Tx, approval, audit::Record, task};
use serde_json::Value;
use uuid::Uuid;

use crate::api::time;

/// What audit records call a response plan.
pub(super) const PLAN: &str = "response_plan";

/// Verbs of which something may be told. Of any other nothing is.
///
/// An approval is told only once it was the last that was missing; a task that was rejected is told by its rejection.
fn kind(record: &Record, detail: &Value) -> Option<Kind> {
    Some(match (record.verb.as_str(), record.outcome.as_str()) {
        // A step of a response plan is not asked about alone.
        ("approval.request", "ok") if detail["plan"].is_string() => return None,
        ("approval.request", "ok") => Kind::ApprovalRequested,
        ("plan.submit", "ok") if detail["state"] == "pending_approval" => Kind::ApprovalRequested,
        ("approval.approve", "ok") if detail["tally"] == "approved" => Kind::ApprovalDecided,
        ("approval.revoke", "ok") if detail["lost"] == Value::Bool(true) => Kind::ApprovalDecided,
        ("approval.reject" | "approval.expire", "ok") => Kind::ApprovalDecided,
        ("approval.auto", "ok") => Kind::AutoApproved,
        ("approval.break_glass" | "break_glass.begin" | "break_glass.end" | "break_glass.review", "ok") => {
            Kind::BreakGlass
        }
        ("task.end", "rejected") => return None,
        ("task.end", "succeeded" | "canceled") => Kind::TaskEnded,
        ("task.end", _) => Kind::TaskFailed,
        ("incident.create" | "incident.reopen" | "incident.raise", "ok") if is_severe(detail) => {
            Kind::IncidentOpened
        }
        ("person.locked", _) => Kind::PersonLocked,
        ("webhook.disable", "ok") => Kind::WebhookDisabled,
        _ => return None,
    })
}

/// Whether an incident is bad enough that somebody is told.
fn is_severe(detail: &Value) -> bool {
    matches!(detail["severity"].as_str(), Some("high" | "critical"))
}

/// Whether a record is worth a closer look.
pub(super) fn is_told(record: &Record) -> bool {
    let detail = serde_json::from_str(&record.detail).unwrap_or_default();
    kind(record, &detail).is_some()
}

/// What is told of a record, with what the database knows of its task.
pub(super) fn told(tx: &mut Tx<'_>, record: &Record, tenant: &str) -> Result<Option<Notice>, Error> {
    let detail: Value = serde_json::from_str(&record.detail).unwrap_or_default();
    let Some(kind) = kind(record, &detail) else { return Ok(None) };
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut notice = Notice {
        kind,
        severity: kind.severity(),
        headline: String::new(),
        at: time::text(record.at),
        tenant: tenant.to_owned(),
        actor: actor(record),
        object: Object { kind: record.object_kind.clone(), id: record.object_id.clone() },
        requester: None,
        action: text("action"),
        title: text("title"),
        target_count: None,
        targets: Vec::new(),
        reason: text("reason"),
        state: state(record, &detail),
        note: text("note").filter(|note| !note.is_empty()),
        until: ["expires_at", "until_at"].iter().find_map(|name| detail.get(name)?.as_i64()).map(time::text),
        deciders: None,
        digest: text("digest"),
    };
    if record.object_kind == "task"
        && let Ok(id) = record.object_id.parse()
    {
        of_task(tx, record.tenant_id, id, &mut notice)?;
    }
    if record.object_kind == PLAN {
        let actions = detail.get("actions").and_then(Value::as_array).map_or(0, Vec::len);
        notice.title = Some(format!("Response plan of {actions} steps"));
        notice.requester = Some(actor(record));
    }
    if notice.title.is_none() {
        let action = notice.action.as_deref().and_then(ActionKind::from_id);
        notice.title = action.map(|action| action.spec().title.to_owned());
    }
    let subject = if kind == Kind::IncidentOpened {
        format!("{}: {}", detail["number"], text("title").unwrap_or_default())
    } else {
        text("account").or_else(|| text("name")).unwrap_or_default()
    };
    notice.headline = headline(record, &notice, &subject);
    Ok(Some(notice.inert()))
}

fn actor(record: &Record) -> Party {
    Party { kind: record.actor_kind.clone(), id: record.actor_id.clone(), name: record.actor_name.clone() }
}

/// How it stands now: the end of a task with how much of it went well, or what the votes come to.
fn state(record: &Record, detail: &Value) -> Option<String> {
    if record.verb != "task.end" {
        return detail.get("tally").and_then(Value::as_str).map(str::to_owned);
    }
    let number = |name: &str| detail.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (targets, succeeded) = (number("targets"), number("succeeded"));
    let partial = succeeded > 0 && succeeded < targets;
    let share = if partial { format!(", {succeeded} of {targets} succeeded") } else { String::new() };
    Some(format!("{}{share}", record.outcome))
}

fn of_task(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, notice: &mut Notice) -> Result<(), Error> {
    if let Some(task) = task::get(tx, tenant, id)? {
        notice.requester =
            Some(Party { kind: task.requester_kind, id: task.requester_id, name: task.requester_name });
        notice.target_count = u64::try_from(task.target_count).ok();
        notice.action.get_or_insert(task.action);
        notice.reason.get_or_insert(task.reason);
    }
    if let Some(request) = approval::get(tx, tenant, id)? {
        let blast: Value = serde_json::from_str(&request.blast).unwrap_or_default();
        let endpoints = blast.get("endpoints").and_then(Value::as_array);
        let name = |endpoint: &Value| endpoint.get("name").and_then(Value::as_str).map(str::to_owned);
        notice.targets = endpoints.into_iter().flatten().filter_map(name).collect();
        let roles: Vec<String> = serde_json::from_str(&request.roles).unwrap_or_default();
        let who = if roles.is_empty() { "those who may decide".to_owned() } else { roles.join(", ") };
        notice.deciders = (request.quorum > 0).then(|| format!("{} of {who}", request.quorum));
    }
    Ok(())
}

fn headline(record: &Record, notice: &Notice, subject: &str) -> String {
    let actor = &record.actor_name;
    let deed = deed(notice);
    match record.verb.as_str() {
        "approval.request" | "plan.submit" => format!("Approval wanted: {deed}"),
        "approval.approve" => format!("Approved by {actor}: {deed}"),
        "approval.reject" => format!("Rejected by {actor}: {deed}"),
        "approval.revoke" => format!("Approval taken back by {actor}: {deed}"),
        "approval.expire" => format!("Approval expired: {deed}"),
        "approval.auto" => format!("Approved by your settings: {deed}"),
        "approval.break_glass" => format!("Done without approval by {actor}: {deed}"),
        "break_glass.begin" => format!("{actor} set approvals aside"),
        "break_glass.end" => format!("{actor} asks for approvals again"),
        "break_glass.review" => format!("{actor} reviewed what was done without approval"),
        "incident.create" | "incident.reopen" | "incident.raise" => format!("Incident {subject}"),
        "person.locked" => {
            let who = if subject.is_empty() { actor } else { subject };
            format!("{who} is locked out after failed tries to sign in")
        }
        "webhook.disable" => format!("The webhook {subject} is switched off: its receiver is gone"),
        _ => {
            let state = notice.state.as_deref().unwrap_or("ended");
            format!("{deed}: {state}")
        }
    }
}

/// The deed and upon what: `Isolate Endpoint on web-1 and 2 more`.
fn deed(notice: &Notice) -> String {
    let title = notice.title.as_deref().or(notice.action.as_deref()).unwrap_or("a task");
    let count = notice.target_count.unwrap_or_default();
    match (notice.targets.first(), count) {
        (Some(first), 0 | 1) => format!("{title} on {first}"),
        (Some(first), more) => format!("{title} on {first} and {} more", more - 1),
        (None, 0) => title.to_owned(),
        (None, 1) => format!("{title} on 1 target"),
        (None, count) => format!("{title} on {count} targets"),
    }
}
