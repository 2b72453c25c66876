//! Correlations: hits of other rules counted in groups, within a time, in bounded memory.

use quell_sigma::{Correlator, RuleSet, Scope};

use super::{compiled, event, refused, rule};

const BASE: [&str; 3] = [
    "  s:\n    Image|endswith: /a\n  condition: s",
    "  s:\n    Image|endswith: /b\n  condition: s",
    "  s:\n    Image|endswith: /c\n  condition: s",
];

fn correlation(body: &str) -> String {
    format!("title: many\nid: 00000000-0000-4000-8000-0000000000aa\nlevel: high\ncorrelation:\n{body}\n")
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn set(body: &str) -> RuleSet {
    let mut texts: Vec<String> = (1..).zip(BASE).map(|(number, text)| rule(number, text)).collect();
    texts.push(correlation(body));
    compiled(&texts)
}

/// When the correlation hit, of moments in seconds and events.
fn hits(set: &RuleSet, events: &[(u64, &str)]) -> Vec<u64> {
    let mut correlator = Correlator::new(set);
    let mut found = Vec::new();
    for (when, text) in events {
        let event = event(text);
        let rules = set.matching("process_creation", &event);
        found.extend(correlator.observe(set, when * 1000, &rules, &event).iter().map(|_| *when));
    }
    found
}

#[test]
fn hits_are_counted_in_groups_within_a_time() {
    let body = format!(
        "  type: event_count\n  rules: [{}]\n  group-by: [User]\n  timespan: 10s\n  condition: {{gte: 3}}",
        id(1)
    );
    let set = set(&body);
    let (x, y) = ("Image=/a,User=x", "Image=/a,User=y");
    assert_eq!(hits(&set, &[(1, x), (2, x), (3, x)]), [3]);
    assert!(hits(&set, &[(1, x), (2, y), (3, x)]).is_empty());
    assert!(hits(&set, &[(1, x), (2, x), (12, x)]).is_empty());
    assert_eq!(hits(&set, &[(1, x), (2, x), (11, x)]), [11]);
    // Begun anew after a hit.
    assert_eq!(hits(&set, &[(1, x), (1, x), (1, x), (2, x), (2, x), (3, x)]), [1, 3]);
    // Not counted: another rule's hit, a record without the field.
    assert!(hits(&set, &[(1, x), (2, x), (3, "Image=/b,User=x"), (4, "Image=/a")]).is_empty());
    assert!(!set.rules()[0].alerts && set.rules()[1].alerts);
}

#[test]
fn different_values_rules_and_sequences_are_told_apart() {
    let of = |kind: &str, rules: &str, rest: &str| {
        set(&format!(
            "  type: {kind}\n  rules: [{rules}]\n  group-by: [User]\n  timespan: 1m\n  generate: true\n{rest}"
        ))
    };
    let values = of("value_count", &id(1), "  condition: {gte: 3, field: CommandLine}");
    let line = |what: &str| format!("Image=/a,User=x,CommandLine={what}");
    let (one, two, three) = (line("1"), line("2"), line("3"));
    assert_eq!(hits(&values, &[(1, &one), (2, &one), (3, &two), (4, &three)]), [4]);
    assert!(hits(&values, &[(1, &one), (2, &one), (3, &two), (4, &two)]).is_empty());

    let all = [id(1), id(2), id(3)].join(", ");
    let (a, b, c) = ("Image=/a,User=x", "Image=/b,User=x", "Image=/c,User=x");
    let rules = of("temporal", &all, "");
    assert_eq!(hits(&rules, &[(1, c), (2, a), (3, a), (4, b)]), [4]);
    assert!(hits(&rules, &[(1, c), (2, a), (70, b)]).is_empty());
    assert!(rules.rules()[0].alerts);

    let sequence = of("temporal_ordered", &all, "");
    assert_eq!(hits(&sequence, &[(1, a), (2, b), (3, c)]), [3]);
    assert!(hits(&sequence, &[(1, b), (2, a), (3, c)]).is_empty());
    assert_eq!(hits(&sequence, &[(1, a), (30, b), (40, a), (50, b), (100, c)]), [100]);
    assert!(hits(&sequence, &[(1, a), (30, b), (62, c)]).is_empty());
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_forgotten_is_counted() {
    let body = format!(
        "  type: event_count\n  rules: [{}]\n  group-by: [CommandLine]\n  timespan: 1h\n  condition: {{gte: 2}}",
        id(1)
    );
    let set = set(&body);
    let mut correlator = Correlator::new(&set);
    for number in 0..20_000u64 {
        let event = event(&format!("Image=/a,CommandLine={number}"));
        let rules = set.matching("process_creation", &event);
        assert!(correlator.observe(&set, number, &rules, &event).is_empty());
    }
    assert!((15_000..20_000).contains(&correlator.forgotten()), "{}", correlator.forgotten());
    let event = event("Image=/a,CommandLine=19999");
    let rules = set.matching("process_creation", &event);
    assert_eq!(correlator.observe(&set, 20_000, &rules, &event).len(), 1);
}

#[test]
fn a_correlation_that_cannot_be_is_refused() {
    let one = rule(1, BASE[0]);
    let known = id(1);
    for (body, words) in [
        (format!("  type: event_count\n  rules: [{known}]\n  timespan: 10s"), "`condition` is missing"),
        (
            format!("  type: event_count\n  rules: [{known}]\n  timespan: 10s\n  condition: {{lt: 3}}"),
            "`lt` is not taken",
        ),
        (
            format!("  type: event_count\n  rules: [{known}]\n  timespan: 10y\n  condition: {{gte: 3}}"),
            "time span",
        ),
        (
            format!("  type: event_count\n  rules: [{known}]\n  timespan: 30d\n  condition: {{gte: 3}}"),
            "time span",
        ),
        (
            format!("  type: event_count\n  rules: [{known}]\n  timespan: ä\n  condition: {{gte: 3}}"),
            "time span",
        ),
        (
            format!("  type: event_count\n  rules: [{known}]\n  timespan: 1s\n  condition: {{gte: 99999}}"),
            "1 to 1024",
        ),
        (
            format!(
                "  type: event_count\n  rules: [{known}]\n  group-by: [Usr]\n  timespan: 1s\n  condition: {{gte: 9}}"
            ),
            "no field `Usr`",
        ),
        (
            "  type: event_count\n  rules: [nobody]\n  timespan: 1s\n  condition: {gte: 9}".to_owned(),
            "no rule `nobody`",
        ),
        (
            format!("  type: value_count\n  rules: [{known}]\n  timespan: 1s\n  condition: {{gte: 9}}"),
            "needs `condition: field:`",
        ),
        (
            format!("  type: sum\n  rules: [{known}]\n  timespan: 1s\n  condition: {{gte: 9}}"),
            "no correlation `sum`",
        ),
        (format!("  type: temporal\n  rules: [{known}]\n  timespan: 1s\n  aliases: {{}}"), "no `aliases`"),
        (format!("  type: temporal\n  rules: [{known}, {known}]\n  timespan: 1s"), "named twice"),
    ] {
        let (set, problems) = RuleSet::compile(&[one.clone(), correlation(&body)], &Scope::linux());
        let told = refused(&problems);
        assert!(told.len() == 1 && told[0].contains(words), "{body}: {problems:?}");
        assert!(set.correlations().is_empty() && set.rules()[0].alerts);
    }
}
