//! Feature by feature: a detection, and events that hit it or do not.

use quell_sigma::{RuleSet, Scope, Scratch, Value};

use super::{compiled, event, rule};

/// A detection, events that hit, events that do not.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

pub const CASES: &[Case] = &[
    (
        "  s:\n    Image: /bin/sh\n  condition: s",
        &["Image=/bin/sh", "Image=/BIN/SH"],
        &["Image=/bin/sha", "User=x", ""],
    ),
    ("  s:\n    Image: ['/bin/a', '/bin/b']\n  condition: s", &["Image=/bin/b"], &["Image=/bin/c"]),
    (
        "  s:\n    Image: /bin/a\n    User: root\n  condition: s",
        &["Image=/bin/a,User=root"],
        &["Image=/bin/a", "Image=/bin/a,User=x"],
    ),
    (
        "  s:\n    - Image: /bin/a\n    - User: root\n  condition: s",
        &["Image=/bin/a,User=x", "User=root"],
        &["Image=/bin/b,User=x"],
    ),
    (
        "  s:\n    Image|startswith: /tmp/\n  condition: s",
        &["Image=/tmp/x", "Image=/tmp/"],
        &["Image=/var/tmp/x"],
    ),
    ("  s:\n    Image|endswith: /nc\n  condition: s", &["Image=/bin/nc"], &["Image=/bin/ncat"]),
    (
        "  s:\n    CommandLine|contains: ' -e '\n  condition: s",
        &["CommandLine=nc -e sh"],
        &["CommandLine=nc -exec"],
    ),
    (
        "  s:\n    CommandLine|contains|all: [wget, sh]\n  condition: s",
        &["CommandLine=wget x|sh"],
        &["CommandLine=wget x"],
    ),
    (
        "  s:\n    CommandLine|all|contains: [wget, sh]\n  condition: s",
        &["CommandLine=sh wget"],
        &["CommandLine=sh"],
    ),
    (
        "  s:\n    Image: '/*/ev?l'\n  condition: s",
        &["Image=/a/b/evil", "Image=//evxl"],
        &["Image=/a/evl", "Image=/a/evill"],
    ),
    ("  s:\n    CommandLine: 'a\\*b'\n  condition: s", &["CommandLine=a*b"], &["CommandLine=axb"]),
    ("  s:\n    CommandLine: 'a\\\\*b'\n  condition: s", &["CommandLine=a\\xb"], &["CommandLine=a*b"]),
    (
        "  s:\n    CommandLine|contains: '50%_x'\n  condition: s",
        &["CommandLine=a 50%_x b"],
        &["CommandLine=a 50xyx b"],
    ),
    ("  s:\n    CommandLine|cased: Abc\n  condition: s", &["CommandLine=Abc"], &["CommandLine=abc"]),
    (
        "  s:\n    CommandLine|contains|cased: Ab\n  condition: s",
        &["CommandLine=xAbx"],
        &["CommandLine=xabx"],
    ),
    (
        "  s:\n    CommandLine|startswith|cased: Ab\n  condition: s",
        &["CommandLine=Abx"],
        &["CommandLine=abx"],
    ),
    (
        "  s:\n    CommandLine|re: 'ev[i1]l$'\n  condition: s",
        &["CommandLine=an evil", "CommandLine=ev1l"],
        &["CommandLine=evil!", "CommandLine=EVIL"],
    ),
    (
        "  s:\n    CommandLine|re|i: 'ev[i1]l$'\n  condition: s",
        &["CommandLine=an EVIL"],
        &["CommandLine=evil!"],
    ),
    (
        "  s:\n    CommandLine|re|s: 'a.b'\n  condition: s",
        &["CommandLine=a\nb", "CommandLine=axb"],
        &["CommandLine=ab"],
    ),
    ("  s:\n    CommandLine|re: 'a.b'\n  condition: s", &["CommandLine=axb"], &["CommandLine=a\nb"]),
    ("  s:\n    CommandLine|re|m: '^b$'\n  condition: s", &["CommandLine=a\nb\nc"], &["CommandLine=a\nbc"]),
    ("  s:\n    CommandLine|re|i|s: 'A.B'\n  condition: s", &["CommandLine=a\nb"], &["CommandLine=ab"]),
    (
        "  s:\n    CommandLine|re: '(foo|bar)+[0-9]{2}'\n  condition: s",
        &["CommandLine=xbar12"],
        &["CommandLine=baz12", "CommandLine=bar1"],
    ),
    ("  s:\n    CommandLine|re: '^[0-9]+$'\n  condition: s", &["CommandLine=123"], &["CommandLine=12a"]),
    (
        "  s:\n    CurrentDirectory|cidr: 10.0.0.0/8\n  condition: s",
        &["CurrentDirectory=10.2.3.4"],
        &["CurrentDirectory=11.2.3.4", "CurrentDirectory=x"],
    ),
    (
        "  s:\n    CurrentDirectory|cidr: ['192.0.2.0/24', '2001:db8::/32']\n  condition: s",
        &["CurrentDirectory=192.0.2.9", "CurrentDirectory=2001:db8::9"],
        &["CurrentDirectory=192.0.3.9"],
    ),
    ("  s:\n    User|exists: true\n  condition: s", &["User=x", "User="], &["Image=x"]),
    ("  s:\n    User|exists: false\n  condition: s", &["Image=x", ""], &["User=x"]),
    ("  s:\n    User: null\n  condition: s", &["Image=x"], &["User=x", "User="]),
    ("  s:\n    User:\n  condition: s", &["Image=x"], &["User=x"]),
    ("  s:\n    User: ''\n  condition: s", &["User="], &["User=x", "Image=x"]),
    ("  s:\n    User: [null, root]\n  condition: s", &["Image=x", "User=root"], &["User=x"]),
    ("  s:\n    User: '*'\n  condition: s", &["User=x", "User="], &["Image=x"]),
    (
        "  s:\n    UserId|lt: 1000\n  condition: s",
        &["UserId=5", "UserId=0"],
        &["UserId=1000", "UserId=x", "Image=x"],
    ),
    ("  s:\n    UserId|lte: 1000\n  condition: s", &["UserId=1000"], &["UserId=1001"]),
    ("  s:\n    UserId|gt: 1000\n  condition: s", &["UserId=1001"], &["UserId=1000"]),
    ("  s:\n    UserId|gte: -1\n  condition: s", &["UserId=-1", "UserId=0"], &["UserId=-2"]),
    ("  s:\n    UserId: 0\n  condition: s", &["UserId=0"], &["UserId=00", "UserId=1"]),
    (
        "  s:\n    Image|fieldref: ParentImage\n  condition: s",
        &["Image=/a,ParentImage=/a", "Image=/a,ParentImage=/A"],
        &["Image=/a,ParentImage=/b", "Image=/a", "ParentImage=/a"],
    ),
    (
        "  s:\n    Image|fieldref|startswith: CurrentDirectory\n  condition: s",
        &["Image=/a/b,CurrentDirectory=/a"],
        &["Image=/a,CurrentDirectory=/b", "Image=/a"],
    ),
    (
        "  s:\n    CommandLine|fieldref|endswith: Image\n  condition: s",
        &["CommandLine=sh x,Image=x"],
        &["CommandLine=x sh,Image=x"],
    ),
    (
        "  s:\n    CommandLine|fieldref|contains: Image\n  condition: s",
        &["CommandLine=a x b,Image=x"],
        &["CommandLine=ab,Image=x"],
    ),
    ("  s:\n    User|neq: root\n  condition: s", &["User=x", "Image=x"], &["User=root"]),
    ("  s:\n    User|neq: [root, admin]\n  condition: s", &["User=x"], &["User=admin"]),
    (
        "  s:\n    CommandLine|windash|contains: ' -enc '\n  condition: s",
        &["CommandLine=x -enc y", "CommandLine=x /enc y", "CommandLine=x \u{2013}enc y"],
        &["CommandLine=x enc y"],
    ),
    (
        "  s:\n    CommandLine|contains|all|windash: [' -enc ', ' -nop']\n  condition: s",
        &["CommandLine=x /enc y -nop", "CommandLine=x \u{2014}enc y /nop"],
        &["CommandLine=x -enc y"],
    ),
    (
        "  s:\n    CommandLine|base64: '/bin/sh'\n  condition: s",
        &["CommandLine=L2Jpbi9zaA=="],
        &["CommandLine=L2Jpbi9zaA"],
    ),
    (
        "  s:\n    CommandLine|base64offset|contains: '/bin/sh -i'\n  condition: s",
        &["CommandLine=echo L2Jpbi9zaCAtaQ== |", "CommandLine=ZXhlYyAvYmluL3NoIC1pCg"],
        &["CommandLine=echo /bin/sh -i"],
    ),
    (
        "  s:\n    CommandLine|wide|base64offset|contains: 'ping'\n  condition: s",
        &["CommandLine=cABpAG4AZwA="],
        &["CommandLine=cGluZw=="],
    ),
    (
        "  s:\n    CommandLine|utf16le|base64offset|contains: 'ping'\n  condition: s",
        &["CommandLine=cABpAG4AZwA="],
        &["CommandLine=ping"],
    ),
    (
        "  s:\n    CommandLine|utf16be|base64offset|contains: 'ping'\n  condition: s",
        &["CommandLine=AHAAaQBuAGc="],
        &["CommandLine=cABpAG4AZwA="],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: a and b",
        &["User=root,Image=/x"],
        &["User=root", "Image=/x"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: a or b",
        &["User=root", "Image=/x"],
        &["User=x"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: a and not b",
        &["User=root", "User=root,Image=/y"],
        &["User=root,Image=/x"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  c:\n    CurrentDirectory: /\n  condition: a or b and c",
        &["User=root", "Image=/x,CurrentDirectory=/"],
        &["Image=/x", "CurrentDirectory=/"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  c:\n    CurrentDirectory: /\n  condition: (a or b) and c",
        &["User=root,CurrentDirectory=/"],
        &["User=root"],
    ),
    ("  a:\n    User: root\n  condition: not a", &["User=x", ""], &["User=root"]),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: not (a or b)",
        &["User=x"],
        &["User=root", "Image=/x"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: not a or b",
        &["User=root,Image=/x", "User=x"],
        &["User=root"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition: not not a and b",
        &["User=root,Image=/x"],
        &["Image=/x"],
    ),
    (
        "  s1:\n    User: root\n  s2:\n    Image: /x\n  condition: 1 of s*",
        &["User=root", "Image=/x"],
        &["User=x"],
    ),
    (
        "  s1:\n    User: root\n  s2:\n    Image: /x\n  condition: all of s*",
        &["User=root,Image=/x"],
        &["User=root"],
    ),
    (
        "  s1:\n    User: root\n  t1:\n    Image: /x\n  condition: 1 of them",
        &["User=root", "Image=/x"],
        &["User=x"],
    ),
    (
        "  s1:\n    User: root\n  t1:\n    Image: /x\n  condition: all of them",
        &["User=root,Image=/x"],
        &["Image=/x"],
    ),
    (
        "  s1:\n    User: root\n  f_a:\n    Image: /x\n  f_b:\n    Image: /y\n  condition: s1 and not 1 of f_*",
        &["User=root", "User=root,Image=/z"],
        &["User=root,Image=/y"],
    ),
    (
        "  notsel:\n    User: root\n  android:\n    Image: /x\n  condition: notsel or android",
        &["User=root", "Image=/x"],
        &["User=x"],
    ),
    (
        "  a:\n    User: root\n  b:\n    Image: /x\n  condition:\n    - a\n    - b",
        &["User=root", "Image=/x"],
        &["User=x"],
    ),
    (
        "  s:\n    User:\n      - 'ro*'\n      - '?dmin'\n  condition: s",
        &["User=root", "User=admin"],
        &["User=dmin", "User=xroot"],
    ),
    (
        "  s:\n    Image|endswith:\n      - /sh\n      - /bash\n    CommandLine|contains: 'x'\n    User|re: '^r'\n  f:\n    ParentImage|startswith: /usr/lib/\n  condition: s and not f",
        &[
            "Image=/bin/bash,CommandLine=x,User=root",
            "Image=/bin/sh,CommandLine=x,User=root,ParentImage=/usr/bin/y",
        ],
        &[
            "Image=/bin/bash,CommandLine=x,User=root,ParentImage=/usr/lib/y",
            "Image=/bin/bash,CommandLine=y,User=root",
        ],
    ),
    ("  s:\n    CommandLine: 'it''s'\n  condition: s", &["CommandLine=it's"], &["CommandLine=its"]),
    (
        "  s:\n    CommandLine|contains: 'ä?ü'\n  condition: s",
        &["CommandLine=xäöüx"],
        &["CommandLine=xäöööüx"],
    ),
];

/// Those that look for words anywhere.
pub const WORDS: &[Case] = &[
    ("  s:\n    - evil\n    - bad\n  condition: s", &["User=anevilone", "Image=/x/BAD"], &["User=x"]),
    ("  s: evil\n  condition: s", &["Image=/evil"], &["Image=/x"]),
    (
        "  s:\n    '|all': [evil, bad]\n  condition: s",
        &["Image=/evil,User=bad", "Image=evilbad"],
        &["Image=/evil"],
    ),
    ("  s:\n    '|re': 'e[vw]il'\n  condition: s", &["Image=/ewil"], &["Image=/eil"]),
    ("  s:\n    - User: root\n    - evil\n  condition: s", &["Image=/evil", "User=root"], &["User=x"]),
    ("  s:\n    '|cased': Evil\n  condition: s", &["Image=/Evil"], &["Image=/evil"]),
];

#[test]
fn each_feature_alone_means_what_sigma_says() {
    for (detection, hits, misses) in CASES.iter().chain(WORDS) {
        let set = compiled(&[rule(1, detection)]);
        for (events, expected) in [(hits, 1), (misses, 0)] {
            for text in *events {
                let found = set.matching("process_creation", &event(text)).len();
                assert_eq!(found, expected, "{detection}\non {text}");
            }
        }
    }
}

#[test]
fn rules_laid_together_say_what_each_says_alone() {
    let cases: Vec<&Case> = CASES.iter().chain(WORDS).collect();
    let texts: Vec<String> = (0..).zip(&cases).map(|(number, case)| rule(number, case.0)).collect();
    let together = compiled(&texts);
    let alone: Vec<RuleSet> = texts.iter().map(|text| compiled(&[text])).collect();
    let mut scratch = Scratch::default();
    for text in cases.iter().flat_map(|case| case.1.iter().chain(case.2)) {
        let event = event(text);
        let found: Vec<_> = together
            .matching_with(&mut scratch, "process_creation", &event)
            .iter()
            .map(|rule| rule.id)
            .collect();
        let expected: Vec<_> = alone
            .iter()
            .flat_map(|set| set.matching("process_creation", &event))
            .map(|rule| rule.id)
            .collect();
        assert_eq!(found, expected, "{text}");
    }
    assert!(together.matching("file_event", &event("Image=/bin/sh")).is_empty());
}

/// A record whose values are not text.
struct Raw;

impl quell_sigma::Record for Raw {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "CommandLine" => Some(Value::Bytes(b"\xff\xfe curl \xff http://x | sh\x80")),
            "UserId" => Some(Value::Int(0)),
            "Deleted" => Some(Value::Bool(true)),
            _ => None,
        }
    }

    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for name in ["CommandLine", "UserId", "Deleted"] {
            visit(name, self.field(name).unwrap());
        }
    }
}

#[test]
fn values_that_are_no_text_are_matched() {
    for detection in [
        "  s:\n    CommandLine|contains: ' curl '\n  condition: s",
        "  s:\n    CommandLine|re: 'curl.*http.*\\| sh'\n  condition: s",
        "  s:\n    CommandLine: '*curl*sh?'\n  condition: s",
        "  s:\n    UserId: 0\n  condition: s",
        "  s:\n    UserId|lt: 1\n  condition: s",
        "  s:\n    Deleted: true\n  condition: s",
        "  s:\n    Deleted: 'true'\n  condition: s",
        "  s:\n    - true\n  condition: s",
    ] {
        let set = compiled(&[rule(1, detection)]);
        assert_eq!(set.matching("process_creation", &Raw).len(), 1, "{detection}");
    }
}

#[test]
fn a_hit_says_what_held() {
    let set = compiled(&[rule(
        1,
        "  s:\n    CommandLine|contains: [curl, wget]\n    User: root\n  f:\n    Image: /x\n  condition: s and not f",
    )]);
    let event = event("CommandLine=wget y,User=root");
    let hit = set.matching("process_creation", &event)[0];
    assert_eq!(set.reasons(hit, &event), ["CommandLine|contains: wget", "User: root"]);
    assert_eq!((hit.title.as_str(), hit.level.name(), hit.line), ("rule 1", "low", 1));
}

#[test]
fn a_header_is_read() {
    let text = "title: t\nid: 11111111-2222-4333-8444-555555555555\nstatus: test\nlevel: critical\ndescription: |\n  long\n  text\n\
        author: me\nreferences: [https://example.org]\nfalsepositives: [none]\ntags: [attack.execution, attack.t1059.004, attack.t1059, cve.2021-44228]\n\
        logsource: {category: process_creation}\ndetection: {s: {Image: x}, condition: s}\ntests: {hits: [{Image: x}], misses: [{Image: y}]}\n";
    let set = compiled(&[text]);
    let rule = &set.rules()[0];
    assert_eq!(rule.techniques, ["T1059.004", "T1059"]);
    assert_eq!((rule.level.name(), rule.description.as_str()), ("critical", "long\ntext\n"));
    assert_eq!(set.check_tests(), Vec::<String>::new());
    let set = compiled(&[text.replace("misses: [{Image: y}]", "misses: [{Image: x}]")]);
    assert_eq!(set.check_tests(), ["t: event 1 must not hit and does"]);
    assert_eq!(set.size().rules, 1);
}

#[test]
fn several_documents_of_one_text_are_several_rules() {
    let text = format!(
        "---\n{}---\n---\n{}",
        rule(1, "  s:\n    User: a\n  condition: s"),
        rule(2, "  s:\n    User: b\n  condition: s")
    );
    let set = compiled(&[text]);
    assert_eq!(set.rules().iter().map(|rule| rule.line).collect::<Vec<_>>(), [2, 14]);
}

#[test]
fn a_filter_keeps_a_rule_silent_and_says_when_there_is_nothing_to_silence() {
    let filter = |rules: &str| {
        format!(
            "title: our backup\nid: 00000000-0000-4000-8000-0000000000ff\nlogsource: {{category: process_creation}}\n\
             filter:\n  rules: {rules}\n  own:\n    ParentImage: /opt/backup\n  condition: not own\n"
        )
    };
    let one = rule(1, "  s:\n    User: a\n  condition: s");
    let other = rule(2, "  s:\n    User: a\n  condition: s");
    let quiet = event("User=a,ParentImage=/opt/backup");
    for (rules, expected) in [
        ("any", 0),
        ("[00000000-0000-4000-8000-000000000001]", 1),
        ("00000000-0000-4000-8000-000000000002", 1),
    ] {
        let set = compiled(&[one.clone(), other.clone(), filter(rules)]);
        assert_eq!(set.matching("process_creation", &quiet).len(), expected, "{rules}");
        assert_eq!(set.matching("process_creation", &event("User=a")).len(), 2, "{rules}");
    }
    let (_, problems) = RuleSet::compile(&[one, filter("nobody")], &Scope::linux());
    assert!(!problems[0].refused && problems[0].message.contains("no rule `nobody`"), "{problems:?}");
}
