//! A task as a page: what was asked, and for each target how it ended and what proves it.

use quell_catalog::rows::Rows;
use serde::Deserialize as _;
use serde_json::Value;

use super::people;
use crate::cli::Context;
use crate::client::Client;
use crate::command::approvals;
use crate::failure::{Failure, NOT_SUCCEEDED};
use crate::output::table::{field, tint};
use crate::output::{self, moment, terminal, text};
use crate::wait;

/// The most of a script's output that is shown here, lines.
const LINES: usize = 20;

/// Shows a task, with what people decided about it.
pub async fn show(context: &Context, client: &Client, task: &Value) -> Result<(), Failure> {
    let request = if context.format.is_for_people() { people::request(client, task).await } else { None };
    output::one(context.format, task, |task| page(task, request.as_ref(), terminal::coloured()))
}

/// Shows a task that has ended; anything but success is an exit status of its own.
pub async fn show_ended(context: &Context, client: &Client, task: &Value) -> Result<(), Failure> {
    show(context, client, task).await?;
    ended(task)
}

/// The exit status of a task's end.
pub fn ended(task: &Value) -> Result<(), Failure> {
    let state = field(task, "/state");
    if wait::is_open(&state) || state == "succeeded" { Ok(()) } else { Err(Failure::silent(NOT_SUCCEEDED)) }
}

/// The page, made safe.
fn page(task: &Value, request: Option<&Value>, coloured: bool) -> String {
    let mut lines = vec![format!(
        "{} {}  {}",
        safe(task, "/action"),
        shown_state(task, coloured),
        text::visible(&field(task, "/reason"))
    )];
    lines.push(format!("  task       {}", safe(task, "/id")));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    fact("asked", format!("{} by {}", moment::of(task, "/created_at"), safe(task, "/requester/name")));
    fact("ended", moment::of(task, "/ended_at"));
    fact("reverts", moment::of(task, "/revert_at"));
    fact("undoes", safe(task, "/undo_of"));
    fact("undone by", safe(task, "/undone_by"));
    fact("params", given(task.get("params")));
    if people::waits(task) {
        let whom = request.map_or_else(|| "people who may decide".to_owned(), approvals::must_agree);
        let until = moment::of(task, "/expires_at");
        fact("waits for", format!("{whom}, until {}", text::visible(&until)));
        fact("", format!("quell approvals show {0}    quell tasks watch {0}", safe(task, "/id")));
    }
    fact("approval", request.and_then(|request| people::outcome(task, request)).unwrap_or_default());
    let commands = task.pointer("/commands/items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    lines.extend(commands.iter().map(|command| of_command(command, coloured)));
    let total = task.get("target_count").and_then(Value::as_u64).unwrap_or(0);
    if total > commands.len() as u64 {
        lines.push(format!("… and {} more targets", total - commands.len() as u64));
    }
    lines.join("\n")
}

/// Parameters that say something, as one line of JSON.
fn given(params: Option<&Value>) -> String {
    let says_nothing = |value: &Value| {
        value.is_null() || *value == Value::Bool(false) || value.as_array().is_some_and(Vec::is_empty)
    };
    let mut given = params.and_then(Value::as_object).cloned().unwrap_or_default();
    given.retain(|_, value| !says_nothing(value));
    if given.is_empty() { String::new() } else { text::plain_json(&Value::Object(given).to_string()) }
}

fn safe(item: &Value, pointer: &str) -> String {
    text::visible(&field(item, pointer)).into_owned()
}

fn shown_state(item: &Value, coloured: bool) -> String {
    let state = safe(item, "/state");
    if coloured { tint(&state) } else { state }
}

fn of_command(command: &Value, coloured: bool) -> String {
    let mut lines = vec![format!("{}  {}", safe(command, "/endpoint_name"), shown_state(command, coloured))];
    if let Some(reason) = reason(command) {
        lines.push(format!("  because    {}", text::visible(&reason)));
    }
    let sentences =
        command.pointer("/evidence/evidence").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (at, sentence) in sentences.iter().filter_map(Value::as_str).enumerate() {
        lines.push(format!("  {:<10} {}", if at == 0 { "evidence" } else { "" }, text::visible(sentence)));
    }
    let warnings =
        command.pointer("/outcome/warnings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    lines.extend(
        warnings.iter().filter_map(Value::as_str).map(|w| format!("  warning    {}", text::visible(w))),
    );
    for stream in ["stdout", "stderr"] {
        lines.extend(output_of(command, stream));
    }
    lines.extend(rows(command));
    lines.extend(artifact(command));
    lines.push(format!("  command    {}", safe(command, "/id")));
    lines.join("\n")
}

/// Why a command is where it is; evidence that was judged and found wanting says it best.
fn reason(command: &Value) -> Option<String> {
    let code = Some(field(command, "/reason_code")).filter(|code| !code.is_empty())?;
    let words = [field(command, "/message"), field(command, "/evidence/reason")]
        .into_iter()
        .find(|text| !text.is_empty());
    Some(words.map_or(code.clone(), |words| format!("{words} ({code})")))
}

/// What a script said.
fn output_of(command: &Value, stream: &str) -> Vec<String> {
    let said = field(command, &format!("/outcome/{stream}/text"));
    if said.is_empty() {
        return Vec::new();
    }
    let said = text::visible_lines(&said);
    let mut lines: Vec<String> =
        said.lines().take(LINES).map(|line| format!("  {stream:<10} {line}")).collect();
    let more = said.lines().count().saturating_sub(LINES);
    if more > 0
        || command.pointer(&format!("/outcome/{stream}/truncated")).and_then(Value::as_bool) == Some(true)
    {
        lines.push(format!("  {stream:<10} … (--output json shows all that the answer holds)"));
    }
    lines
}

/// Where what was found is read, under whatever name the action answers it.
fn rows(command: &Value) -> Option<String> {
    let outcome = command.get("outcome")?.as_object()?;
    let rows = outcome.values().find_map(|value| Rows::deserialize(value).ok())?;
    let more = if rows.truncated { ", and more that were left out" } else { "" };
    let task = safe(command, "/task_id");
    Some(format!("  rows       {}{more}    quell tasks rows {task}", rows.count))
}

fn artifact(command: &Value) -> Option<String> {
    let id = field(command, "/outcome/archive/artifact_id");
    (!id.is_empty()).then(|| {
        let task = safe(command, "/task_id");
        format!("  archive    quell artifacts get --task {task}    quell artifacts password --task {task}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_what_proves_each_end_and_nothing_hidden() {
        let task = json!({
            "id": "0190b0a0-0000-7000-8000-000000000001", "action": "endpoint.isolate", "state": "failed",
            "reason": "beacon to 203.0.113.7\u{1b}[31m", "requester": {"kind": "api_key", "name": "first\u{202e}key"},
            "created_at": "2026-11-22T08:01:02Z", "ended_at": "2026-11-22T08:01:05Z", "revert_at": null,
            "params": {"canaries": ["192.0.2.7:443"]}, "target_count": 52,
            "commands": {"next": "x", "items": [
                {"id": "c1", "task_id": "t", "endpoint_name": "web-1", "state": "succeeded",
                 "evidence": {"verdict": "verified", "evidence": ["192.0.2.7:443 connected before, refused after", "rules read back"]},
                 "outcome": {"warnings": ["no egress hook"]}},
                {"id": "c2", "task_id": "t", "endpoint_name": "db\n1", "state": "failed", "reason_code": "still_reachable",
                 "evidence": {"verdict": "unverified", "code": "still_reachable", "reason": "192.0.2.7:443 answered"},
                 "outcome": {"stdout": {"text": "one\n\u{1b}]0;t\u{7}two\tthree", "truncated": true}, "archive": {"artifact_id": "a"},
                     "matches": {"columns": [], "count": 7, "shown": [], "parts": [], "truncated": true}}},
            ]},
        });
        insta::assert_snapshot!(page(&task, None, false));
        assert_eq!(ended(&task).map_err(|failure| failure.exit), Err(NOT_SUCCEEDED));
        assert!(ended(&json!({"state": "succeeded"})).is_ok());
    }
}
