//! A request for approval in words: everything that somebody should have read before they agree.

use serde_json::Value;

use crate::output::table::{field, tint};
use crate::output::{moment, text};

/// The page, made safe.
pub fn page(request: &Value, coloured: bool) -> String {
    let state = safe(request, "/state");
    let mut lines = vec![
        format!(
            "{} {}  {}",
            safe(request, "/action"),
            if coloured { tint(&state) } else { state },
            safe(request, "/reason")
        ),
        format!("  {}", safe(request, "/title")),
    ];
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    fact("task", safe(request, "/task"));
    fact("asked by", requester(request));
    fact("params", params(request));
    fact("targets", targets(request));
    fact("protected", named(request, "/blast/protected", "why"));
    fact("logged on", named(request, "/blast/logged_on", "users"));
    fact("there now", there(request));
    fact("way back", way_back(request));
    fact("must agree", must_agree(request));
    for (at, decision) in decisions(request).iter().enumerate() {
        fact(if at == 0 { "decided" } else { "" }, decision.clone());
    }
    fact("until", until(request));
    for (at, step) in items(request, "/trace").iter().filter_map(Value::as_str).enumerate() {
        fact(if at == 0 { "asked, as" } else { "" }, text::visible(step).into_owned());
    }
    fact("digest", safe(request, "/digest"));
    lines.join("\n")
}

/// The targets by name, and how many more there are.
pub fn targets(request: &Value) -> String {
    let names: Vec<String> = items(request, "/blast/endpoints").iter().map(|e| safe(e, "/name")).collect();
    let count = request.pointer("/blast/targets").and_then(Value::as_u64).unwrap_or(names.len() as u64);
    let more = count.saturating_sub(names.len() as u64);
    let mut said = names.join(", ");
    if more > 0 {
        said = format!("{said} and {more} more");
    }
    if count > 1 { format!("{count}: {said}") } else { said }
}

/// The deed for a sentence: the action and its targets.
pub fn deed(request: &Value) -> String {
    let count = request.pointer("/blast/targets").and_then(Value::as_u64).unwrap_or(0);
    let targets = targets(request);
    let targets = match targets.split_once(": ") {
        Some((_, names)) if count > 1 => format!("{count} endpoints ({names})"),
        _ => targets,
    };
    format!("{} for {targets}", safe(request, "/action"))
}

/// How many people of which roles, and how many of them have agreed.
pub fn must_agree(request: &Value) -> String {
    let quorum = request.get("quorum").and_then(Value::as_u64).unwrap_or(0);
    if quorum == 0 {
        return "nobody".to_owned();
    }
    let roles = items(request, "/roles");
    let roles: Vec<_> = roles.iter().filter_map(Value::as_str).map(text::visible).collect();
    let people = if quorum == 1 { "1 person".to_owned() } else { format!("{quorum} people") };
    let who = if roles.is_empty() {
        format!("{people} who may decide")
    } else {
        format!("{people} of {}", roles.join(", "))
    };
    match agreed(request) {
        0 => who,
        have => format!("{who}; {have} agreed so far"),
    }
}

/// Who stands by their approval.
pub fn agreed(request: &Value) -> usize {
    let stands = |row: &&Value| field(row, "/decision") == "approve" && row["revoked_at"].is_null();
    items(request, "/decisions").iter().filter(stands).count()
}

/// What was decided, a line each.
pub fn decisions(request: &Value) -> Vec<String> {
    items(request, "/decisions").iter().map(decision).collect()
}

fn decision(row: &Value) -> String {
    let verb = if field(row, "/decision") == "approve" { "approved" } else { "rejected" };
    let signed = if row["signed"] == Value::Bool(true) { ", signed" } else { "" };
    let (via, at) = (safe(row, "/via"), moment::of(row, "/decided_at"));
    let mut said = format!("{verb} by {} at {} (by {via}{signed})", safe(row, "/name"), text::visible(&at));
    if !field(row, "/note").is_empty() {
        said = format!("{said}: {}", safe(row, "/note"));
    }
    if !row["revoked_at"].is_null() {
        let at = moment::of(row, "/revoked_at");
        said = format!("{said}; taken back at {}", text::visible(&at));
    }
    said
}

fn requester(request: &Value) -> String {
    let (name, kind, id) =
        (safe(request, "/requester"), safe(request, "/requester_kind"), safe(request, "/requester_id"));
    let at = moment::of(request, "/created_at");
    format!("{name} ({} {id}) at {}", kind.replace('_', " "), text::visible(&at))
}

fn params(request: &Value) -> String {
    match request.get("params") {
        Some(Value::Object(params)) if !params.is_empty() => {
            text::plain_json(&Value::Object(params.clone()).to_string())
        }
        _ => String::new(),
    }
}

/// Endpoints with what is said of each.
fn named(request: &Value, pointer: &str, fact: &str) -> String {
    let each = |row: &Value| format!("{} ({})", safe(row, "/endpoint"), safe(row, &format!("/{fact}")));
    let rows: Vec<String> = items(request, pointer).iter().map(each).collect();
    let count = request.pointer(&format!("{pointer}_count")).and_then(Value::as_u64).unwrap_or(0);
    match count.saturating_sub(rows.len() as u64) {
        0 => rows.join(", "),
        more => format!("{} and {more} more", rows.join(", ")),
    }
}

/// What is under way on the targets.
fn there(request: &Value) -> String {
    let count = |name: &str| request.pointer(&format!("/blast/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let facts = [
        (count("pending_commands"), "other commands wait or run there"),
        (count("isolated"), "of the targets are isolated"),
    ];
    let facts = facts.iter().filter(|(count, _)| *count > 0);
    facts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join("; ")
}

fn way_back(request: &Value) -> String {
    let by = safe(request, "/blast/reversible_by");
    let piece = safe(request, "/blast/undone_by");
    let way = if !by.is_empty() {
        format!("{by} (quell tasks undo)")
    } else if field(request, "/blast/effect") == "piecewise" && !piece.is_empty() {
        format!("piece by piece, a request for each: {piece}")
    } else if request.pointer("/blast/read_only") == Some(&Value::Bool(true)) {
        "not needed: nothing on the targets changes".to_owned()
    } else {
        "none: it cannot be taken back".to_owned()
    };
    match safe(request, "/blast/risk") {
        risk if risk.is_empty() => way,
        risk => format!("{way}; risk: {risk}"),
    }
}

fn until(request: &Value) -> String {
    let expires = moment::of(request, "/expires_at");
    let valid = moment::of(request, "/valid_until");
    let (expires, valid) = (text::visible(&expires), text::visible(&valid));
    match field(request, "/state").as_str() {
        "pending" => format!("{expires} it can be decided"),
        "approved" | "auto" if valid.is_empty() => format!("{expires} it may begin"),
        "approved" | "auto" => format!("{valid} it may begin and go on"),
        _ => String::new(),
    }
}

fn items<'a>(request: &'a Value, pointer: &str) -> &'a [Value] {
    request.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

fn safe(item: &Value, pointer: &str) -> String {
    text::visible(&field(item, pointer)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::approvals::example;
    use serde_json::json;

    #[test]
    fn a_deed_is_told_whole_and_nothing_is_hidden_in_it() {
        let page = page(&example(), false);
        insta::assert_snapshot!(page);
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
        assert!(!page.contains('\u{202e}') && !page.contains('\u{200b}'), "{page:?}");
    }

    #[test]
    fn what_nobody_was_asked_about_says_so() {
        let auto = json!({
            "task": "0190", "state": "auto", "action": "file.collect", "title": "Collect a file", "quorum": 0,
            "requester": "key", "requester_kind": "api_key", "requester_id": "k", "reason": "r",
            "expires_at": "2026-11-23T08:01:02Z", "created_at": "2026-11-22T08:01:02Z", "decisions": [],
            "trace": ["the settings approve file.collect on these endpoints"], "digest": "00",
            "blast": {"targets": 1, "endpoints": [{"id": "e", "name": "web-1"}], "read_only": true, "risk": "medium"},
        });
        insta::assert_snapshot!(page(&auto, false));
        let mut piecewise = auto;
        piecewise["blast"] = json!({"read_only": false, "effect": "piecewise", "undone_by": "file.restore"});
        assert_eq!(way_back(&piecewise), "piece by piece, a request for each: file.restore");
        // An answer of another version than ours is no reason to fail.
        assert!(page(&json!({"state": 7}), true).starts_with(" 7 "));
    }
}
