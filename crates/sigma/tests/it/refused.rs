//! What is not taken is refused with a place and a reason, and nothing else is lost by it.

use quell_sigma::{RuleSet, Scope};

use super::{event, refused, rule};

/// A detection, the line, words of the reason.
const DETECTIONS: &[(&str, usize, &str)] = &[
    ("  s:\n    Image|contians: x\n  condition: s", 9, "no modifier `contians`"),
    ("  s:\n    Image|expand: '%x%'\n  condition: s", 9, "`expand` is not taken"),
    ("  s:\n    Image|hour: 3\n  condition: s", 9, "`hour` is not taken"),
    ("  s:\n    Image|contains|startswith: x\n  condition: s", 9, "one alone"),
    ("  s:\n    Image|contains|base64: x\n  condition: s", 9, "encoded first"),
    ("  s:\n    Image|base64|wide: x\n  condition: s", 9, "before base64"),
    ("  s:\n    Image|re|contains: x\n  condition: s", 9, "looks anywhere"),
    ("  s:\n    Image|re|cidr: x\n  condition: s", 9, "exclude each other"),
    ("  s:\n    Image|i: x\n  condition: s", 9, "stand behind `re`"),
    ("  s:\n    Image|cased|re: x\n  condition: s", 9, "`cased`"),
    ("  s:\n    Image|all|all: x\n  condition: s", 9, "stands twice"),
    ("  s:\n    Image|re: '(?=x)'\n  condition: s", 9, "look-around"),
    ("  s:\n    Image|re: '(x'\n  condition: s", 9, "unclosed"),
    ("  s:\n    Image|re: '[äö]'\n  condition: s", 9, "over bytes"),
    ("  s:\n    Image|re: '(?:x{900}){900}'\n  condition: s", 9, "becomes larger"),
    ("  s:\n    Image|cidr: 10.0.0.1/8\n  condition: s", 9, "no network"),
    ("  s:\n    Image|gt: many\n  condition: s", 9, "no number"),
    ("  s:\n    Image|gt: NaN\n  condition: s", 9, "no number"),
    ("  s:\n    Image|exists: maybe\n  condition: s", 9, "true or false"),
    ("  s:\n    Image|contains: ''\n  condition: s", 9, "empty text"),
    ("  s:\n    Image|contains: null\n  condition: s", 9, "`null`"),
    ("  s:\n    Image|base64: 'a*'\n  condition: s", 9, "wildcards"),
    ("  s:\n    Image|windash: '-a -b -c -d'\n  condition: s", 9, "three dashes"),
    ("  s:\n    Image: '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*'\n  condition: s", 9, "wildcards in one value"),
    ("  s:\n    Image: {a: b}\n  condition: s", 9, "a value is"),
    ("  s:\n    Image: [[a]]\n  condition: s", 9, "a value is"),
    ("  s:\n    Image: []\n  condition: s", 9, "no values"),
    ("  s: {}\n  condition: s", 8, "without fields"),
    ("  s: []\n  condition: s", 8, "list of mappings"),
    ("  s:\n  condition: s", 8, "without fields"),
    ("  s:\n    Imge: x\n  condition: s", 9, "no field `Imge`"),
    ("  s:\n    Image|fieldref: Imge\n  condition: s", 9, "no field `Imge`"),
    ("  s:\n    Image: x\n    Image: y\n  condition: s", 10, "`Image` stands twice"),
    ("  s:\n    Image: x\n", 8, "`condition` is missing"),
    ("  s:\n    Image: x\n  condition: t", 10, "no selection `t`"),
    ("  s:\n    Image: x\n  condition: s and", 10, "ends too soon"),
    ("  s:\n    Image: x\n  condition: s s", 10, "`s` is too much"),
    ("  s:\n    Image: x\n  condition: (s", 10, "`)` is missing"),
    ("  s:\n    Image: x\n  condition: s)", 10, "too much"),
    ("  s:\n    Image: x\n  condition: and s", 10, "not expected"),
    ("  s:\n    Image: x\n  condition: 2 of s*", 10, "`2 of` is not taken"),
    ("  s:\n    Image: x\n  condition: 1 of t*", 10, "no selection is called"),
    ("  s:\n    Image: x\n  condition: s | count() > 5", 10, "counting behind `|`"),
    ("  s:\n    Image: x\n  timeframe: 5m\n  condition: s", 10, "`timeframe`"),
    ("  and:\n    Image: x\n  condition: and", 8, "cannot be the name"),
    ("  s: &a\n    Image: x\n  condition: s", 8, "anchors"),
    ("  s:\n    Image: *a\n  condition: s", 9, ""),
    ("  s:\n    Image: !!binary aGk=\n  condition: s", 9, "tags"),
    ("  s:\n    Image: [a\n  condition: s", 0, "not YAML"),
];

#[test]
fn what_is_not_taken_is_refused_with_its_line() {
    let good = rule(1, "  s:\n    User: root\n  condition: s");
    for (detection, line, words) in DETECTIONS {
        let (set, problems) = RuleSet::compile(&[good.clone(), rule(2, detection)], &Scope::linux());
        let told = refused(&problems);
        assert_eq!(told.len(), 1, "{detection}: {problems:?}");
        assert!(told[0].contains(words), "{detection}: {told:?}");
        assert!(
            problems[0].text == 1 && (*line == 0 || problems[0].line == *line),
            "{detection}: {problems:?}"
        );
        assert_eq!(set.rules().len(), 1, "{detection}");
        assert_eq!(set.matching("process_creation", &event("User=root")).len(), 1);
    }
}

#[test]
fn a_header_that_says_what_is_not_so_is_refused() {
    let good = rule(1, "  s:\n    User: root\n  condition: s");
    for (from, to, words) in [
        ("title: rule 1", "title: ''", "`title` is missing"),
        ("id: 00000000-0000-4000-8000-000000000001\n", "", "`id` is missing"),
        ("id: 0", "id: x", "`id` is a UUID"),
        ("level: low", "level: lowish", "no level"),
        ("level: low", "status: done", "no status"),
        ("level: low", "status: deprecated", "deprecated"),
        ("product: linux", "product: windows", "for windows"),
        ("category: process_creation", "category: registry_set", "nothing records"),
        ("category: process_creation", "service: sshd", "log of sshd"),
        ("  category: process_creation\n", "", "`category` is missing"),
        ("logsource:\n  product: linux\n  category: process_creation\n", "", "`logsource` is missing"),
        ("detection:", "detektion:", "one of `detection`"),
        ("level: low", "tests: {hit: []}", "tests are"),
        ("level: low", "tests: {hits: [{Imge: x}]}", "no field `Imge`"),
        ("level: low", "tags: {a: b}", "list of texts"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let (set, problems) = RuleSet::compile(&[text], &Scope::linux());
        let told = refused(&problems);
        assert!(told.len() == 1 && told[0].contains(words), "{to}: {problems:?}");
        assert!(set.rules().is_empty());
    }
    let (set, problems) = RuleSet::compile(&[good.clone(), good.clone()], &Scope::linux());
    assert!(set.rules().len() == 1 && refused(&problems)[0].contains("that of another"), "{problems:?}");
    // What Sigma lets anybody add is told of, and does no harm.
    let (set, problems) = RuleSet::compile(&[good.replace("level:", "lvel:")], &Scope::linux());
    assert!(
        set.rules().len() == 1 && !problems[0].refused && problems[0].hint.contains("`level`"),
        "{problems:?}"
    );
}

#[test]
fn what_would_cost_too_much_is_refused() {
    let values = |count: usize| (0..count).map(|n| format!("'v{n}'")).collect::<Vec<_>>().join(",");
    let many = rule(1, &format!("  s:\n    Image: [{}]\n  condition: s", values(4001)));
    let twice = rule(2, &format!("  s:\n    Image: [{}]\n  condition: s or s or s", values(2000)));
    let long = rule(3, &format!("  s:\n    Image: {}\n  condition: s", "x".repeat(5000)));
    let deep = rule(4, &format!("  s:\n    Image: x\n  condition: {}s{}", "(".repeat(40), ")".repeat(40)));
    let nots = rule(5, &format!("  s:\n    Image: x\n  condition: {} s", "not ".repeat(40)));
    let nested = format!("{}x{}", "[".repeat(5000), "]".repeat(5000));
    let aliases = "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n".to_owned();
    let large = format!("title: {}\n", "x".repeat(2 << 20));
    let wordy =
        rule(6, &format!("  s:\n    Image: [{}]\n  condition: s", vec!["x".repeat(4000); 20].join(", ")));
    for text in [wordy, many, twice, long, deep, nots, nested, aliases, large] {
        let began = std::time::Instant::now();
        let (set, problems) = RuleSet::compile(&[&text], &Scope::linux());
        assert_eq!(refused(&problems).len(), 1, "{}: {problems:?}", &text[..60]);
        assert!(set.rules().is_empty() && began.elapsed().as_secs() < 5);
    }
    let rules: Vec<_> =
        (0..2001).map(|number| rule(number, "  s:\n    User: root\n  condition: s")).collect();
    let (set, problems) = RuleSet::compile(&rules, &Scope::linux());
    assert_eq!((set.rules().len(), refused(&problems).len()), (2000, 1));
}
