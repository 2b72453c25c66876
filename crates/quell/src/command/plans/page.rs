//! A response plan, and a proposal of one, in words.

use serde_json::Value;

use crate::output::table::{field, tint};
use crate::output::text;

/// How many steps there are, and how many of them succeeded.
pub fn steps(plan: &Value) -> String {
    let steps = items(plan, "/steps");
    let succeeded = steps.iter().filter(|step| field(step, "/task/state") == "succeeded").count();
    format!("{succeeded}/{}", steps.len())
}

/// The page of a plan, made safe.
pub fn page(plan: &Value, coloured: bool) -> String {
    let state = safe(plan, "/state");
    let state = if coloured { tint(&state) } else { state };
    let mut lines = vec![format!("response plan {state}  {}", safe(plan, "/reason"))];
    for (name, pointer) in [
        ("plan", "/id"),
        ("incident", "/incident"),
        ("asked by", "/requester/name"),
        ("undoes", "/undo_of"),
        ("undone by", "/undone_by"),
        ("digest", "/digest"),
    ] {
        let value = safe(plan, pointer);
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    }
    lines.extend(wait(plan));
    for step in items(plan, "/steps") {
        let state = safe(step, "/task/state");
        let state = if coloured { tint(&state) } else { state };
        let targets: Vec<String> =
            items(step, "/task/targets").iter().map(|target| safe(target, "/name")).collect();
        let on = if targets.is_empty() { String::new() } else { format!(" on {}", targets.join(", ")) };
        lines.push(format!("{:>3}. {}{on}  {state}", safe(step, "/number"), safe(step, "/task/title")));
        let params = step.pointer("/task/params").map(ToString::to_string).unwrap_or_default();
        if params != "{}" && !params.is_empty() {
            lines.push(format!("     {}", text::visible(&text::shortened(&params, 200))));
        }
        lines.extend(facts(step));
    }
    for (pointer, name) in [("/left", "not taken back"), ("/passed_over", "left as it is")] {
        for one in items(plan, pointer) {
            let why = [safe(one, "/why"), safe(one, "/message")].concat();
            lines.push(format!("  {name}: {} {why}", safe(one, "/number")));
        }
    }
    lines.join("\n")
}

/// What it waits for, in a line; nothing once it ended.
fn wait(plan: &Value) -> Option<String> {
    let step = plan.pointer("/waits_for/step")?;
    if plan.pointer("/waits_for/people") == Some(&Value::Bool(true)) {
        return Some("  waits for  people; nothing begins before they agree".to_owned());
    }
    let ends: Vec<String> = items(plan, "/waits_for/endpoints")
        .iter()
        .map(|one| format!("{} ({})", safe(one, "/name"), safe(one, "/state")))
        .collect();
    Some(format!("  waits for  step {step} on {}", ends.join(", ")))
}

fn facts(step: &Value) -> Vec<String> {
    let why = safe(step, "/why");
    let needs: Vec<String> = items(step, "/needs").iter().map(ToString::to_string).collect();
    let mut lines = Vec::new();
    if !why.is_empty() {
        lines.push(format!("     {why}"));
    }
    if !needs.is_empty() {
        lines.push(format!("     only where step {} succeeded", needs.join(" and ")));
    }
    if field(step, "/on_failure") == "stop" {
        lines.push("     where it does not succeed, the rest is called off".to_owned());
    }
    lines
}

/// The page of a proposal, made safe.
pub fn proposal(cut: &Value) -> String {
    let mut lines = Vec::new();
    for step in items(cut, "/steps") {
        let place = safe(step, "/endpoint/name");
        let place = if place.is_empty() { "for all endpoints".to_owned() } else { format!("on {place}") };
        let tick = if step["ticked"] == true { "x" } else { " " };
        lines.push(format!(
            "[{tick}] {:>2}. {} {place}: {}",
            safe(step, "/number"),
            safe(step, "/title"),
            safe(step, "/object")
        ));
        lines.push(format!("        {}", safe(step, "/reason")));
        let blast = safe(step, "/blast/text");
        if !blast.is_empty() {
            lines.push(format!("        touches: {blast}"));
        }
        let back = safe(step, "/undone_by");
        lines.push(format!("        way back: {}", if back.is_empty() { "none" } else { &back }));
        for warning in items(step, "/warnings") {
            lines.push(format!("        beware: {}", safe(warning, "/text")));
        }
    }
    if lines.is_empty() {
        lines.push("nothing is left to do".to_owned());
    }
    for (pointer, name) in
        [("/manual", "by hand"), ("/not_available", "not available"), ("/left", "left alone")]
    {
        for one in items(cut, pointer) {
            let place = safe(one, "/endpoint/name");
            let place = if place.is_empty() { place } else { format!("{place}: ") };
            lines.push(format!("{name}: {place}{}", safe(one, "/text")));
        }
    }
    lines.join("\n")
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn safe(value: &Value, pointer: &str) -> String {
    text::visible(&field(value, pointer)).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_told_step_by_step_and_no_name_reaches_the_terminal() {
        let plan = json!({
            "id": "0190", "state": "partial", "reason": "cut\u{1b}[2J", "digest": "ab", "incident": null,
            "requester": {"name": "Ann"}, "undo_of": null, "undone_by": null,
            "waits_for": {"step": 2, "people": false, "endpoints": [{"name": "web\u{202e}1", "state": "queued"}]},
            "steps": [
                {"number": 1, "why": "it calls out", "on_failure": "stop", "needs": [],
                 "task": {"title": "Isolate Endpoint", "state": "succeeded", "params": {}, "targets": [{"name": "web\u{202e}1"}]}},
                {"number": 2, "why": "", "on_failure": "continue", "needs": [1],
                 "task": {"title": "Terminate Process", "state": "failed", "params": {"pid": 7}, "targets": [{"name": "web-1"}]}},
            ],
        });
        assert_eq!(steps(&plan), "1/2");
        let text = page(&plan, false);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        for part in [
            "1. Isolate Endpoint on web",
            "waits for  step 2 on web",
            "the rest is called off",
            "only where step 1 succeeded",
            "\"pid\":7",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_proposal_says_what_is_left_to_people() {
        let cut = json!({
            "digest": "ab",
            "steps": [{"number": 1, "title": "Isolate Endpoint", "object": "web-1", "reason": "it calls out", "ticked": true,
                "endpoint": {"name": "web-1"}, "blast": {"text": "3 connections"}, "undone_by": "endpoint.restore",
                "warnings": [{"text": "it serves others"}]}],
            "manual": [{"endpoint": {"name": "web-1"}, "text": "look at /etc/passwd"}],
            "not_available": [{"text": "disable the user"}], "left": [],
        });
        let text = proposal(&cut);
        for part in [
            "[x]  1. Isolate Endpoint on web-1",
            "touches: 3",
            "beware: it serves",
            "by hand: web-1: look",
            "not available: disable",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(proposal(&json!({"steps": []})).contains("nothing is left"));
    }
}
