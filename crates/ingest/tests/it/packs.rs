//! A pack that is wrong is refused with its place; one that is right does what it says.

use std::fmt::Write as _;

use quell_ingest::{Limits, ObservableKind, Pack, Reason};

const HEAD: &str = "source: own\ntitle: Own\nevent:\n  at: /t\n  title: /m\n";

fn own(more: &str) -> Pack {
    Pack::load(&format!("{HEAD}{more}")).unwrap()
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_to_do() {
    let cases = [
        "",
        "- a",
        "source: Own\ntitle: x\nevent: {at: /t, title: /m}",
        "source: own\nevent: {at: /t, title: /m}",
        "source: own\ntitle: x\nevent: {title: /m}",
        "source: own\ntitle: x\nevent: {at: /t, title: m}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, titel: /m}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, process: {pids: /p}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, process: /p}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, user: {name: {from: /u, text: \"{/u}\"}}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, user: {name: {from: /u, match: \"(a\"}}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, user: {name: {from: /u, match: \"(\\\\w{1,99}){1,99}\"}}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, user: {name: {from: /u, time: rfc3339}}}",
        "source: own\ntitle: x\nevent: {at: {from: /t, time: hours}, title: /m}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, severity: {from: /s, steps: {low: high}}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, severity: {from: /s, map: {1: low}, steps: {1: low}}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, observables: [{kind: weapon, value: /v}]}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m, id: {text: \"{/a\"}}",
        "source: own\ntitle: x\nevent: {at: /t, title: /m}\ntake: [{at: /k}]",
        "source: own\ntitle: x\nevent: {at: /t, title: /m}\ntake: [{at: /k, is: 1, not: 2}]",
        "source: own\ntitle: x\nevent: {at: /t, title: /m}\nskip: [{at: /k, from: x}]",
        "source: own\ntitle: x\nevent: {at: /t, title: /m}\nrecords: /a/*",
        "source: own\nsource: own",
        "source: &a own\ntitle: *a",
        "source: own\ntitle: x\nevent: {at: /t, title: /m}\n---\nsource: other",
        "source: [own",
    ];
    let mut told = String::new();
    for text in cases {
        let problem = Pack::load(text).unwrap_err();
        writeln!(told, "{}\n    {problem}\n    {}", text.replace('\n', " ⏎ "), problem.hint).unwrap();
    }
    insta::assert_snapshot!(told);
    assert!(Pack::load(&" ".repeat(200_000)).is_err());
    assert!(Pack::load(&"[".repeat(1_000)).is_err());
}

#[test]
fn values_are_found_changed_and_joined() {
    let pack = own("  severity: {from: /level, steps: {0: informational, 5: medium, 9: critical}, or: low}
  verdict: {from: /done, map: {yes: prevented, 'no': detected}}
  id: [{text: \"{/host}/{/n}\"}, {text: \"?/{/n}\"}]
  description: {value: always}
  process: {command_line: {from: [/argv0, /argv], join: ' '}, sha256: {from: /sums, match: 'sha256=(\\w+)'}}
  user: {name: {from: /who, missing: [nobody], or: unknown}}
  techniques: [/tags, /more/*/id]
  observables:
    - {kind: domain, value: [/name, /names]}
    - {each: '/seen/*', kind: {from: /k, map: {1: address}}, value: /v}
");
    let hash = "ab".repeat(32);
    let body = format!(
        r#"{{"t": 1795415696, "m": "x", "level": "7.5", "done": "YES", "n": 4, "argv0": "/bin/sh", "argv": ["-c", 7, null],
            "sums": "md5=1 sha256={hash}", "who": "nobody", "tags": ["a", "t1059"], "more": [{{"id": "T1003.008"}}, 4],
            "name": "A.example", "names": ["b.example", "a.example"],
            "seen": [{{"k": 1, "v": "::ffff:10.0.0.1"}}, {{"k": 2, "v": "x"}}, {{"k": 1, "v": "y"}}]}}"#
    );
    let event = crate::read(&pack, body.as_bytes()).remove(0).unwrap();
    assert_eq!((event.severity.word(), event.verdict.unwrap().word()), ("medium", "prevented"));
    assert_eq!((event.source_id.as_str(), event.description.as_deref()), ("?/4", Some("always")));
    assert_eq!(event.process.command_line.as_deref(), Some("/bin/sh -c 7"));
    assert_eq!(
        (event.process.sha256.clone().unwrap(), event.user.name.as_deref()),
        (hash.clone(), Some("unknown"))
    );
    assert_eq!(event.techniques, ["T1059", "T1003.008"]);
    let seen: Vec<_> = event.observables.iter().map(|one| (one.kind, one.value.as_str())).collect();
    assert_eq!(
        seen,
        [
            (ObservableKind::Domain, "a.example"),
            (ObservableKind::Domain, "b.example"),
            (ObservableKind::Address, "10.0.0.1"),
        ]
    );
    assert_eq!(event.remarks.len(), 1);
    assert_eq!(event.remarks[0].pointer, "/seen/2/v");
    assert_eq!(event.hashes().collect::<Vec<_>>(), [hash]);
}

#[test]
fn fields_of_a_group_come_from_one_place() {
    let pack = own(
        "  process: {within: [/second, /first], pid: /pid, name: /name, parent: {within: /by, pid: /pid}}\n",
    );
    let body = br#"{"t": 1, "m": "x", "first": {"pid": 1, "name": "one"}, "second": {"pid": {"n": 2}, "by": {"pid": 3}}}"#;
    let event = crate::read(&pack, body).remove(0).unwrap();
    assert_eq!(
        (event.process.pid, event.process.name.as_deref(), event.process.parent.pid),
        (None, None, Some(3))
    );
    assert_eq!(event.remarks[0].pointer, "/second/pid");
    assert_eq!(event.remarks[0].message, "a text or a number was expected, an object is there");
}

#[test]
fn conditions_decide_which_records_count() {
    let pack = Pack::load(
        "source: own\ntitle: Own product\nrecords: /data/alerts\nexpect: [{at: /m, there: true}]\n\
         take: [{at: /kind, is: [a, b]}, {at: /n, from: 2, to: 4}]\nskip: [{at: '/tags/*', match: '^noise'}, {at: /off, is: true}]\n\
         event: {at: /t, title: /m}\n",
    )
    .unwrap();
    let body = r#"{"data": {"alerts": [
        {"t": 1, "m": "1", "kind": "a", "n": "3"}, {"t": 1, "m": "2", "kind": "c", "n": 3}, {"t": 1, "m": "3", "kind": "b", "n": 5},
        {"t": 1, "m": "4", "kind": "b", "n": 2, "tags": ["x", "noise-1"]}, {"t": 1, "m": "5", "kind": "b", "n": 2, "off": true},
        {"t": 1, "m": "6", "kind": "b", "n": 4, "off": false}, {"t": 1}]}}"#;
    let mut read = pack.read(body.as_bytes(), Limits::default());
    let all: Vec<_> = read.by_ref().collect();
    let titles: Vec<_> = all.iter().flatten().map(|event| event.title.as_str()).collect();
    assert_eq!((titles, read.skipped(), read.records()), (vec!["1", "6"], 4, 7));
    // One that comes alone, and not in a bundle, is read as well.
    let alone = crate::read(&pack, br#"{"t": 1, "m": "7", "kind": "a", "n": 2}"#);
    assert_eq!(alone[0].as_ref().unwrap().title, "7");
    let refused: Vec<_> = all.iter().filter_map(|one| one.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(refused, ["record 6: this does not look like a record of Own product: /m is missing"]);
}

#[test]
fn what_every_event_has_is_asked_for() {
    let pack = own("");
    let reasons: Vec<_> = crate::read(
        &pack,
        br#"[{"m": "x"}, {"t": 1}, {"t": [1, 2], "m": "x"}, {"t": "soon", "m": "x"}, {"t": 1, "m": ""}, 7, {"t": 1,}]"#,
    )
    .into_iter()
    .map(|one| one.unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(reasons.join("\n"));
}

#[test]
fn limits_are_told_and_kept() {
    let pack = own("");
    let limits = Limits { body_bytes: 400, record_bytes: 200, records: 2, depth: 3, values: 40 };
    let reasons = |body: &str| -> Vec<Option<Reason>> {
        pack.read(body.as_bytes(), limits).map(|one| one.err().map(|refused| refused.reason)).collect()
    };
    let good = r#"{"t":1,"m":"x"}"#;
    assert_eq!(reasons(&"x".repeat(401)), [Some(Reason::BodyTooLong { bytes: 401, most: 400 })]);
    assert_eq!(
        reasons(&format!("{good}\n{good}\n{good}\n{good}")),
        [None, None, Some(Reason::TooMany { most: 2 })]
    );
    let long = format!(r#"{{"t":1,"m":"{}"}}"#, "x".repeat(200));
    assert_eq!(reasons(&format!("{long}\n{good}")), [Some(Reason::TooLong { bytes: 214, most: 200 }), None]);
    assert_eq!(
        reasons(&format!(r#"{{"a":{}{}}}"#, "[".repeat(9), "]".repeat(9))),
        [Some(Reason::TooDeep { most: 3 })]
    );
    assert_eq!(
        reasons(&format!(r#"{{"a":[{}1]}}"#, "1,".repeat(60))),
        [Some(Reason::TooManyValues { most: 40 })]
    );
}

#[test]
fn texts_are_cut_and_said_to_be() {
    let pack = own("  process: {command_line: /c}\n");
    let body = format!(r#"{{"t":1,"m":"{}","c":"{}"}}"#, "ä".repeat(400), "a\\u0000b".repeat(4_000));
    let event = crate::read(&pack, body.as_bytes()).remove(0).unwrap();
    let line = event.process.command_line.unwrap();
    assert_eq!((event.title.len(), line.len(), line.contains('\0')), (512, 8192, false));
    let remarks: Vec<_> =
        event.remarks.iter().map(|one| format!("{} {}", one.pointer, one.message)).collect();
    assert_eq!(remarks, ["/m cut to 512 bytes of 800", "/c cut to 8192 bytes of 12000"]);
    let named = own("  id: /id\n");
    let event = crate::read(&named, format!(r#"{{"t":1,"m":"x","id":"{}"}}"#, "n".repeat(300)).as_bytes())
        .remove(0)
        .unwrap();
    assert_eq!((event.source_id == event.raw_sha256, event.remarks.len()), (true, 1));
    let mut body = br#"{"t":1,"m":"caf"#.to_vec();
    body.extend(b"\xe9\"}");
    let event = crate::read(&pack, &body).remove(0).unwrap();
    assert_eq!((event.title.as_str(), event.remarks.len()), ("caf\u{fffd}", 1));
}

/// A block of the documentation, by how it begins.
fn block(begins: &str) -> &'static str {
    let text = include_str!("../../../../docs/ingest.md");
    let from = text.find(begins).unwrap();
    text[from..].split("```").next().unwrap()
}

#[test]
fn what_the_documentation_shows_is_so() {
    let pack = Pack::load(block("source: door")).unwrap();
    let body = br#"{"batch": {"events": [{"when": "23.11.2026 06:50:00", "kind": "forced", "door": {"name": "rack 7"}, "level": 6,
        "badge": {"owner": "-", "id": 88121}, "rule": 3}, {"door": {}, "kind": "opened"}, {"kind": "held"}]}}"#;
    let mut read = pack.read(body, Limits::default());
    let event = read.next().unwrap().unwrap();
    assert_eq!((event.title.as_str(), event.severity.word()), ("Door rack 7: forced", "high"));
    assert_eq!((event.user.name.as_deref(), event.at_us), (Some("88121"), 1_795_416_600_000_000));
    assert_eq!(read.next().unwrap().unwrap_err().index, 2);
    assert_eq!((read.next(), read.skipped()), (None, 1));
    let own = crate::read(Pack::named("generic").unwrap(), block("{\"id\": \"night-4711\"").as_bytes());
    let own = own[0].as_ref().unwrap();
    assert_eq!((own.remarks.len(), own.process.command_line.as_deref()), (0, Some("python3 night.py")));
}
