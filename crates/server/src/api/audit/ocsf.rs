//! A record as an event of the Open Cybersecurity Schema Framework 1.6 (<https://schema.ocsf.io>): class API Activity
//! [6003], for those who collect events of many products in one place.

use quell_store::audit::Record;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::endpoint::stored_json;
use crate::api::export::Cells;

const VERSION: &str = "1.6.0";
const CLASS: u32 = 6003;
/// Application Activity.
const CATEGORY: u32 = 6;
/// Informational: which records are alarming is for the reader's own rules to say.
const SEVERITY: u32 = 1;

/// What was done, as OCSF tells it: name and `activity_id` by the last word of the verb.
const ACTIVITIES: &[(u32, &str, &[&str])] = &[
    (1, "Create", &["create", "add", "submit", "undo", "enrol"]),
    (2, "Read", &["read", "download"]),
    (
        3,
        "Update",
        &["rename", "tag", "acknowledge", "set_addresses", "outcome", "cancel", "approve", "reject"],
    ),
    (4, "Delete", &["revoke", "expire"]),
];
const OTHER: (u32, &str) = (99, "Other");

/// An event.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Event(Value);

impl Event {
    /// The event that a record is.
    pub fn of(row: &Record) -> Self {
        let word = row.verb.rsplit('.').next().unwrap_or_default();
        let (activity, name) = ACTIVITIES
            .iter()
            .find(|(_, _, words)| words.contains(&word))
            .map_or(OTHER, |(id, name, _)| (*id, *name));
        let (status, status_name) = match row.outcome.as_str() {
            "ok" | "succeeded" => (1, "Success"),
            _ => (2, "Failure"),
        };
        let user_type = if row.actor_kind == "system" { 3 } else { 99 };
        let mut event = Map::from_iter([
            ("class_uid".to_owned(), json!(CLASS)),
            ("class_name".to_owned(), json!("API Activity")),
            ("category_uid".to_owned(), json!(CATEGORY)),
            ("activity_id".to_owned(), json!(activity)),
            ("activity_name".to_owned(), json!(name)),
            ("type_uid".to_owned(), json!(CLASS * 100 + activity)),
            ("severity_id".to_owned(), json!(SEVERITY)),
            // Milliseconds, as OCSF counts.
            ("time".to_owned(), json!(row.at.div_euclid(1000))),
            ("status_id".to_owned(), json!(status)),
            ("status".to_owned(), json!(status_name)),
            ("status_detail".to_owned(), json!(row.outcome)),
            (
                "metadata".to_owned(),
                json!({
                    "version": VERSION, "uid": row.id.to_string(), "tenant_uid": row.tenant_id.to_string(),
                    "event_code": row.verb, "product": { "name": "Quell", "vendor_name": "Quell" },
                }),
            ),
            (
                "actor".to_owned(),
                json!({ "user": {
                    "uid": row.actor_id, "name": row.actor_name, "type_id": user_type, "type": row.actor_kind,
                } }),
            ),
            ("api".to_owned(), json!({ "operation": row.verb, "request": { "uid": row.request_id } })),
            ("src_endpoint".to_owned(), json!({ "ip": row.remote, "name": row.actor_name })),
            ("resources".to_owned(), json!([{ "type": row.object_kind, "uid": row.object_id }])),
            ("unmapped".to_owned(), json!({ "detail": stored_json(&row.detail) })),
        ]);
        prune(&mut event);
        Self(Value::Object(event))
    }
}

/// OCSF leaves out what is not known; it has no null.
fn prune(object: &mut Map<String, Value>) {
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            prune(inner);
        }
    }
    object.retain(|_, value| !value.is_null());
}

impl Cells for Event {
    const COLUMNS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(verb: &str, outcome: &str, remote: Option<&str>) -> Value {
        Event::of(&Record {
            tenant_id: Uuid::from_u128(1),
            id: Uuid::from_u128(2),
            at: 1_790_000_000_123_999,
            actor_kind: "api_key".to_owned(),
            actor_id: "k".to_owned(),
            actor_name: "ops".to_owned(),
            verb: verb.to_owned(),
            object_kind: "task".to_owned(),
            object_id: "t".to_owned(),
            outcome: outcome.to_owned(),
            detail: "{\"targets\":3}".to_owned(),
            request_id: None,
            remote: remote.map(str::to_owned),
        })
        .0
    }

    #[test]
    fn a_record_is_an_api_activity() {
        let event = event("task.submit", "ok", Some("192.0.2.1"));
        assert_eq!(event["type_uid"], 600_301);
        assert_eq!(event["time"], 1_790_000_000_123_i64);
        assert_eq!((&event["status_id"], &event["activity_name"]), (&json!(1), &json!("Create")));
        assert_eq!(event["src_endpoint"]["ip"], "192.0.2.1");
        assert_eq!(event["unmapped"]["detail"]["targets"], 3);
        for required in ["actor", "api", "metadata", "severity_id", "category_uid", "class_uid"] {
            assert!(!event[required].is_null(), "{required}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let event = event("command.deadline", "expired", None);
        assert_eq!((&event["activity_id"], &event["status_id"]), (&json!(99), &json!(2)));
        let text = event.to_string();
        assert!(!text.contains("null") && !text.contains("\"ip\""), "{text}");
    }
}
