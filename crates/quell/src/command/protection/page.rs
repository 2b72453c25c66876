//! What is protected, in words.

use serde_json::Value;

use crate::output::table::{field, tint};
use crate::output::{moment, text};

/// Rules that are named of many.
const NAMED: usize = 20;

/// The page, made safe.
pub(super) fn page(shown: &Value, coloured: bool) -> String {
    let settings = &shown["settings"];
    let said = |pointer: &str| field(settings, pointer);
    let number = |pointer: &str| settings.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let mut lines = vec![format!(
        "version {}, by {} at {}",
        field(shown, "/version"),
        field(shown, "/changed_by"),
        moment::of(shown, "/changed_at"),
    )];
    if shown["published"] == Value::Bool(false) {
        let problem = field(shown, "/problem");
        let given =
            shown["published_version"].as_i64().map_or("none".to_owned(), |version| version.to_string());
        lines.push(format!("not published: {problem}; agents are given version {given}"));
    }
    let mode = |source: &str| {
        let mode = said(&format!("/modes/{source}"));
        if coloured { tint(&mode) } else { mode }
    };
    let recorded = if settings["record"] == Value::Bool(true) {
        format!(
            "yes: {} MiB, {} hours on each endpoint",
            number("/ring_bytes") >> 20,
            number("/ring_age_seconds") / 3600
        )
    } else {
        "no: nothing is detected by behaviour, and no chain is built".to_owned()
    };
    lines.push(fact("recorded", &recorded));
    lines.push(fact("block list", &mode("block_list")));
    let rules =
        format!("{} rules, {} disabled", field(shown, "/rules/behaviour"), field(shown, "/rules/disabled"));
    lines.push(fact("behaviour", &format!("{} ({rules})", mode("behaviour"))));
    lines.push(fact("yara", &format!("{} ({} rules)", mode("yara"), field(shown, "/rules/yara"))));
    lines.push(fact(
        "prevented",
        &format!("{} rules, from severity {} on", field(shown, "/rules/prevent"), said("/prevent_from")),
    ));
    let built_in =
        if settings.pointer("/behaviour/built_in") == Some(&Value::Bool(true)) { "built-in " } else { "" };
    let sets = format!("{built_in}{}", joined(settings, "/behaviour/rules"));
    lines.push(fact("behaviour rules", sets.trim()));
    lines.push(fact("yara rules", &joined(settings, "/yara/rules")));
    for newer in items(shown, "/newer") {
        let what = if newer["archived"] == Value::Bool(true) {
            "is archived in the library".to_owned()
        } else {
            format!("has version {}", field(newer, "/latest"))
        };
        lines.push(fact("newer", &format!("{} {what}", field(newer, "/set"))));
    }
    lines.push(fact("exclusions", &items(settings, "/exclusions").len().to_string()));
    lines.extend(holds(shown));
    lines.iter().map(|line| text::visible(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Where it holds.
fn holds(shown: &Value) -> Vec<String> {
    let of = |pointer: &str| field(shown, &format!("/endpoints/{pointer}"));
    let mut lines = vec![fact(
        "holds",
        &format!(
            "on {} of {} endpoints, {} are behind, {} take none",
            of("current"),
            of("total"),
            of("behind"),
            of("takes_none")
        ),
    )];
    lines.push(fact("recording", &format!("{} endpoints", of("recording"))));
    if of("cannot_prevent") != "0" {
        lines.push(fact("cannot prevent", &format!("{} endpoints", of("cannot_prevent"))));
    }
    let lost = shown.pointer("/endpoints/lost").and_then(Value::as_object);
    let lost: Vec<String> =
        lost.into_iter().flatten().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !lost.is_empty() {
        lines.push(fact("lost", &lost.join(", ")));
    }
    for rule in items(shown, "/endpoints/refused").iter().take(NAMED) {
        let rule = |pointer: &str| field(rule, pointer);
        lines.push(fact(
            "refused",
            &format!(
                "{} {} by {} endpoints: {}",
                rule("/source"),
                rule("/rule"),
                rule("/endpoints"),
                rule("/problem")
            ),
        ));
    }
    lines
}

/// What a change would do.
pub(super) fn preview(preview: &Value) -> String {
    if preview["changes"] == Value::Bool(false) {
        return "nothing would change".to_owned();
    }
    let of = |pointer: &str| field(preview, pointer);
    let mut lines = vec![format!("on {} endpoints:", of("/endpoints"))];
    for mode in items(preview, "/modes") {
        lines.push(fact(
            &field(mode, "/source"),
            &format!("{} instead of {}", field(mode, "/after"), field(mode, "/before")),
        ));
    }
    for (name, what) in [("added", "comes"), ("removed", "goes")] {
        let rules = items(preview, &format!("/{name}"));
        for rule in rules.iter().take(NAMED) {
            lines.push(fact(
                what,
                &format!(
                    "{} ({}, {})",
                    field(rule, "/title"),
                    field(rule, "/severity"),
                    field(rule, "/from")
                ),
            ));
        }
        if rules.len() > NAMED {
            lines.push(fact(what, &format!("and {} more rules", rules.len() - NAMED)));
        }
    }
    if of("/exclusions/added") != "0" || of("/exclusions/removed") != "0" {
        lines.push(fact(
            "exclusions",
            &format!("{} more, {} less", of("/exclusions/added"), of("/exclusions/removed")),
        ));
    }
    if !items(preview, "/would_prevent").is_empty() {
        lines.push(prevented(preview));
    }
    if of("/would_not_prevent") != "0" {
        lines.push(format!("hits of {} rules would not be prevented any more", of("/would_not_prevent")));
    }
    lines.iter().map(|line| text::visible_lines(line)).collect::<Vec<_>>().join("\n")
}

/// What would begin to be prevented.
pub(super) fn prevented(preview: &Value) -> String {
    let rules = items(preview, "/would_prevent");
    let mut lines = vec![format!(
        "hits of {} rules would be prevented; they hit {} times in the last seven days",
        rules.len(),
        field(preview, "/hits"),
    )];
    for rule in rules.iter().take(NAMED) {
        lines.push(fact(
            &field(rule, "/hits"),
            &format!("{} ({})", field(rule, "/title"), field(rule, "/severity")),
        ));
    }
    if rules.len() > NAMED {
        lines.push(format!("and {} more", rules.len() - NAMED));
    }
    if field(preview, "/cannot_prevent") != "0" {
        lines.push(format!("{} endpoints cannot prevent and will detect", field(preview, "/cannot_prevent")));
    }
    lines.iter().map(|line| text::visible(line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn joined(value: &Value, pointer: &str) -> String {
    let all: Vec<&str> = items(value, pointer).iter().filter_map(Value::as_str).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

fn fact(name: &str, what: &str) -> String {
    format!("  {name:<16} {what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_told_in_words_and_forges_none() {
        let shown = json!({
            "version": 7, "changed_by": "ada\u{1b}[2J", "changed_at": "2026-11-23T06:00:00Z", "published": false,
            "published_version": 6, "problem": "the signer refused (protection_not_allowed): no",
            "settings": {"record": true, "ring_bytes": 64 << 20, "ring_age_seconds": 604_800, "prevent_from": "high",
                "modes": {"block_list": "detect", "behaviour": "prevent", "yara": "off"},
                "behaviour": {"built_in": true, "rules": ["ours@2"], "disabled": ["x"]}, "yara": {"rules": []},
                "exclusions": [{"path": "/a"}]},
            "rules": {"behaviour": 61, "yara": 0, "disabled": 1, "prevent": 12},
            "newer": [{"kind": "sigma", "set": "ours@2", "latest": 3, "archived": false}],
            "endpoints": {"total": 3, "current": 2, "behind": 1, "takes_none": 0, "recording": 2, "cannot_prevent": 1,
                "lost": {"start": 4}, "refused": [{"source": "behaviour", "rule": "r", "problem": "p", "endpoints": 1}]},
        });
        insta::assert_snapshot!(page(&shown, false));
    }

    #[test]
    fn a_preview_says_what_would_be_prevented() {
        let rule =
            json!({"title": "Shell to the network", "severity": "high", "from": "built-in", "hits": 3});
        let shown = json!({
            "changes": true, "endpoints": 12, "modes": [{"source": "behaviour", "before": "detect", "after": "prevent"}],
            "added": [rule], "removed": [], "exclusions": {"added": 0, "removed": 1}, "would_prevent": [rule], "hits": 3,
            "would_not_prevent": 0, "cannot_prevent": 2,
        });
        insta::assert_snapshot!(preview(&shown));
        assert_eq!(preview(&json!({"changes": false})), "nothing would change");
    }
}
