//! The approval settings in words.

use serde_json::Value;

use crate::output::table::{field, tint};
use crate::output::text;

/// The page, made safe.
pub(super) fn page(settings: &Value, coloured: bool) -> String {
    let policy = &settings["policy"];
    let is_auto = policy.pointer("/managed/auto_approve") == Some(&Value::Bool(true));
    let mut lines = vec!["requests of an outside team".to_owned()];
    lines.push(if is_auto {
        fact(
            "automatic",
            &format!("{}: what is ticked is approved by these settings, and told", mark("on", coloured)),
        )
    } else {
        fact("automatic", "off: a person agrees to each request")
    });
    for group in ["critical", "recommended"] {
        let of_group = items(settings, "/offered").iter().filter(|offer| field(offer, "/group") == group);
        lines.extend(
            of_group.enumerate().map(|(at, offer)| fact(if at == 0 { group } else { "" }, &offered(offer))),
        );
    }
    let scope = if field(policy, "/managed/scope") == "selected" {
        format!("the endpoints on the list `only` ({})", listed(settings, "only"))
    } else {
        format!("all endpoints but those on the list `except` ({})", listed(settings, "except"))
    };
    lines.push(fact("where", &scope));
    lines.push(fact("else", &format!("{} agree", people(&policy["managed"]["people"]))));
    lines.push("everybody's requests".to_owned());
    let rules = items(policy, "/rules");
    if rules.is_empty() {
        lines.push(fact("rules", "none: nothing is asked"));
    }
    for (at, rule) in rules.iter().enumerate() {
        lines.push(fact(if at == 0 { "rules" } else { "" }, &format!("{}. {}", at + 1, self::rule(rule))));
    }
    let tags = safe(policy, "/protected/tags");
    let protected = format!(
        "the server itself, tags {}, and the list `protected` ({}): {} agree",
        if tags.is_empty() { "none" } else { &tags },
        listed(settings, "protected"),
        people(&policy["protected"]["people"])
    );
    lines.push(fact("protected", &protected));
    let step_up = safe(policy, "/step_up");
    let step_up =
        if step_up.is_empty() { "what the catalogue says, and nothing more".to_owned() } else { step_up };
    lines.push(fact("confirmed", &format!("at the moment of asking, by the person: {step_up}")));
    for (at, each) in items(policy, "/valid_for").iter().enumerate() {
        let most = span(each.get("seconds").and_then(Value::as_u64).unwrap_or(0));
        let said = format!("{}. an approval of {}: {most} at most", at + 1, safe(each, "/actions"));
        lines.push(fact(if at == 0 { "good for" } else { "" }, &said));
    }
    lines.join("\n")
}

fn fact(name: &str, value: &str) -> String {
    format!("  {name:<12} {value}")
}

fn mark(text: &str, coloured: bool) -> String {
    if coloured { format!("\u{1b}[33m{text}\u{1b}[0m") } else { tint(text) }
}

fn offered(offer: &Value) -> String {
    let tick = if offer.get("is_ticked") == Some(&Value::Bool(true)) { 'x' } else { ' ' };
    format!("[{tick}] {:<22} {}", safe(offer, "/action"), safe(offer, "/title"))
}

fn listed(settings: &Value, list: &str) -> u64 {
    let found = items(settings, "/lists").iter().find(|size| field(size, "/list") == list);
    found.and_then(|size| size.get("endpoints")?.as_u64()).unwrap_or(0)
}

fn rule(rule: &Value) -> String {
    let requesters = safe(rule, "/requesters");
    let whose = if requesters.is_empty() { "everybody".to_owned() } else { requesters };
    let needs = match &rule["require"] {
        Value::Object(require) if require.contains_key("people") => {
            format!("{} agree", people(&require["people"]))
        }
        Value::String(word) => match word.as_str() {
            "nothing" => "nothing is asked".to_owned(),
            "auto" => "approved by the rule, and told".to_owned(),
            "refused" => "nobody may".to_owned(),
            other => text::visible(other).into_owned(),
        },
        other => text::plain_json(&other.to_string()),
    };
    format!("{} by {whose}: {needs}", safe(rule, "/actions"))
}

fn people(people: &Value) -> String {
    let quorum = people.get("quorum").and_then(Value::as_u64).unwrap_or(1);
    let count = if quorum == 1 { "1 person".to_owned() } else { format!("{quorum} people") };
    let roles = safe(people, "/roles");
    if roles.is_empty() { format!("{count} who may decide must") } else { format!("{count} of {roles} must") }
}

/// A time in the largest unit that it is whole in.
fn span(seconds: u64) -> String {
    let unit = |size: u64, name: &str| {
        let count = seconds / size;
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    };
    match seconds {
        0 => unit(1, "second"),
        _ if seconds.is_multiple_of(86_400) => unit(86_400, "day"),
        _ if seconds.is_multiple_of(3600) => unit(3600, "hour"),
        _ if seconds.is_multiple_of(60) => unit(60, "minute"),
        _ => unit(1, "second"),
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

fn safe(item: &Value, pointer: &str) -> String {
    text::visible(&field(item, pointer)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_told_in_words() {
        let settings = json!({
            "policy": {
                "rules": [
                    {"actions": ["file.*"], "requesters": ["automation"], "require": "refused"},
                    {"actions": ["*"], "requesters": [], "require": {"people": {"quorum": 2, "roles": ["approver", "dba\u{1b}[2J"]}}},
                ],
                "managed": {"auto_approve": true, "actions": ["endpoint.isolate"], "scope": "all", "people": {"quorum": 1, "roles": []}},
                "protected": {"tags": ["protected", "dc\u{202e}"], "people": {"quorum": 2, "roles": ["security_officer"]}},
                "step_up": [],
                "valid_for": [
                    {"actions": ["process.terminate", "x\u{1b}"], "seconds": 1800},
                    {"actions": ["*"], "seconds": 86400},
                ],
            },
            "offered": [
                {"action": "endpoint.isolate", "title": "Isolate an endpoint", "group": "critical", "is_ticked": true},
                {"action": "process.terminate", "title": "End a process", "group": "critical", "is_ticked": false},
                {"action": "file.collect", "title": "Collect a file", "group": "recommended", "is_ticked": false},
            ],
            "lists": [{"list": "except", "endpoints": 3}, {"list": "only", "endpoints": 0}, {"list": "protected", "endpoints": 1}],
        });
        let said = page(&settings, false);
        insta::assert_snapshot!(said);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        insta::assert_snapshot!(page(&json!({"policy": {}}), false));
    }
}
