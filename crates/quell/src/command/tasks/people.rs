//! What a task owes to people: whom it waits for, who agreed, who declined.

use serde_json::Value;

use crate::client::Client;
use crate::command::approvals;
use crate::output::table::field;
use crate::output::{moment, text};

/// The state of a task that waits for people.
const WAITS: &str = "pending_approval";

/// The request for approval of a task; `None` where nobody was asked, or where it cannot be read.
pub async fn request(client: &Client, task: &Value) -> Option<Value> {
    let was_asked = match field(task, "/approval").as_str() {
        "auto" | "people" | "break_glass" => true,
        _ => waits(task),
    };
    if !was_asked {
        return None;
    }
    // Whoever may read tasks alone is told less.
    approvals::fetch(client, &field(task, "/id")).await.ok()
}

/// Whether a task waits for people.
pub fn waits(task: &Value) -> bool {
    field(task, "/state") == WAITS
}

/// What a task that waits says: for whom, until when, and how to follow it.
pub fn waiting(task: &Value, request: Option<&Value>) -> String {
    let id = text::visible(&field(task, "/id")).into_owned();
    let until = moment::of(task, "/expires_at");
    let whom = request.map_or_else(|| "people who may decide".to_owned(), approvals::must_agree);
    let until = text::visible(&until);
    format!(
        "task {id} waits for approval, until {until} at most. Must agree: {whom}\n\
         quell approvals show {id}    quell tasks watch {id}    quell tasks cancel {id}"
    )
}

/// How it came about that a task was approved or not, in a sentence; `None` while nothing is decided.
pub fn outcome(task: &Value, request: &Value) -> Option<String> {
    let decisions = approvals::decisions(request);
    let said = |word: &str| {
        let of_word = decisions.iter().filter(|decision| decision.starts_with(word));
        of_word.cloned().collect::<Vec<_>>().join("; ")
    };
    let trace = request.get("trace").and_then(Value::as_array).and_then(|trace| trace.last());
    let because =
        trace.and_then(Value::as_str).map(|step| format!(": {}", text::visible(step))).unwrap_or_default();
    Some(match (field(task, "/approval").as_str(), field(request, "/state").as_str()) {
        ("break_glass", _) => {
            "BREAK-GLASS: carried out without the people who would have to agree".to_owned()
        }
        (_, "approved") => said("approved"),
        (_, "auto") => format!("approved by the settings{because}"),
        (_, "rejected") => format!("{}; it does not happen", said("rejected")),
        (_, "revoked") => format!("the approval was taken back: {}", said("approved")),
        (_, "expired") if request["decided_at"].is_null() || request["valid_until"].is_null() => {
            "nobody decided in time; ask again".to_owned()
        }
        (_, "expired") => format!("the approval is not valid any more: {}", said("approved")),
        _ => return None,
    })
}

/// Tells once that a task waits for people, and once how they decided.
#[derive(Default)]
pub struct Voice {
    has_waited: bool,
}

impl Voice {
    /// What is new about a task that was just read.
    pub async fn hear(&mut self, client: &Client, task: &Value) -> Option<String> {
        if waits(task) == self.has_waited {
            return None;
        }
        self.has_waited = waits(task);
        let request = request(client, task).await;
        if self.has_waited {
            return Some(waiting(task, request.as_ref()));
        }
        outcome(task, &request?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_task_says_whom_it_waits_for_and_how_they_decided() {
        let task = json!({"id": "0190\u{1b}[2J", "state": WAITS, "approval": "people", "expires_at": "2026-11-23T08:01:02Z"});
        let vote = |name: &str, decision: &str, note: &str| {
            json!({"name": name, "decision": decision, "note": note, "via": "api", "decided_at": "2026-11-22T08:03:00Z",
                "signed": false, "revoked_at": null})
        };
        let mut request = json!({
            "state": "pending", "quorum": 2, "roles": ["approver"], "decisions": [vote("Cara\u{202e}", "approve", "")],
            "trace": ["the settings approve it on these endpoints"], "decided_at": null, "valid_until": null,
        });
        let mut said = vec![waiting(&task, Some(&request)), waiting(&task, None)];
        assert_eq!(outcome(&task, &request), None);
        for state in ["approved", "auto", "revoked", "expired"] {
            request["state"] = json!(state);
            said.extend(outcome(&task, &request));
        }
        request["decisions"] =
            json!([vote("Cara", "approve", ""), vote("Dan", "reject", "not on a Friday\u{7}")]);
        request["state"] = json!("rejected");
        said.extend(outcome(&task, &request));
        said.extend(outcome(&json!({"approval": "break_glass"}), &request));
        let said = said.join("\n");
        insta::assert_snapshot!(said);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    }
}
