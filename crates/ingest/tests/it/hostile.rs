//! Bodies and packs that mean ill: nothing panics, nothing grows beyond its bounds.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use quell_ingest::{Event, Limits, Pack};
use serde_json::{Map, Value};

/// What no event exceeds, whatever it was read from.
fn bounded(event: &Event) {
    let bytes = serde_json::to_vec(event).unwrap().len();
    assert!(bytes < 512 << 10, "{bytes} bytes");
    assert!(event.title.len() <= 512 && event.source_id.len() <= 256 && event.at_us >= 0);
    assert!(event.techniques.len() <= 16 && event.observables.len() <= 64 && event.remarks.len() <= 8);
    assert!(event.endpoint.addresses.len() <= 16);
    assert_eq!(event.raw_sha256.len(), 64);
    let text = serde_json::to_string(event).unwrap();
    assert!(!text.contains("\\u0000"), "{text}");
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), *event);
}

fn all(body: &[u8]) {
    for pack in Pack::builtin() {
        let mut read = pack.read(body, Limits::default());
        let mut told = 0;
        for event in read.by_ref() {
            told += 1;
            match event {
                Ok(event) => bounded(&event),
                Err(refused) => assert!(refused.to_string().len() < 2_000, "{refused}"),
            }
        }
        assert!(told + read.skipped() as usize >= read.records());
    }
}

/// Any value, with the keys that packs look for.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "[0-9a-f.:T/>-]{0,70}".prop_map(Value::from),
        Just(Value::from("2026-11-23T06:34:56.123456789Z")),
        Just(Value::from("10.0.0.1:80->[fe80::1%x]:99999")),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(KEYS), inner), 0..10).prop_map(|pairs| {
                Value::Object(
                    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

const KEYS: &[&str] = &[
    "event_type",
    "timestamp",
    "alert",
    "signature",
    "severity",
    "src_ip",
    "dest_port",
    "metadata",
    "files",
    "rule",
    "priority",
    "time",
    "output_fields",
    "fd.name",
    "proc.pid",
    "tags",
    "level",
    "description",
    "agent",
    "id",
    "mitre",
    "data",
    "syscheck",
    "class_uid",
    "finding_info",
    "evidences",
    "device",
    "process",
    "parent_process",
    "file",
    "hashes",
    "algorithm_id",
    "value",
    "observables",
    "type_id",
    "title",
    "endpoint",
    "addresses",
    "network",
    "source",
    "user",
    "name",
    "pid",
    "kind",
    "text",
    "ip",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_json_is_read_within_bounds(record in json()) {
        all(record.to_string().as_bytes());
    }

    /// Records that get past the door of each pack, with anything else inside.
    #[test]
    fn any_record_of_a_source_is_read_within_bounds(rest in prop::collection::vec((prop::sample::select(KEYS), json()), 0..12)) {
        for head in [
            r#"{"event_type":"alert","timestamp":"2026-11-23T06:34:56Z","alert":{"signature":"x"}}"#,
            r#"{"rule":"x","priority":"Error","time":"2026-11-23T06:34:56Z"}"#,
            r#"{"rule":{"level":7,"description":"x"},"agent":{"id":"1"},"timestamp":"2026-11-23T06:34:56Z"}"#,
            r#"{"class_uid":2004,"metadata":{},"time":1795415696123,"finding_info":{"title":"x","uid":"1"}}"#,
            r#"{"title":"x","time":1795415696}"#,
        ] {
            let mut record: Map<String, Value> = serde_json::from_str(head).unwrap();
            for (key, value) in &rest {
                record.entry((*key).to_owned()).or_insert_with(|| value.clone());
            }
            all(Value::Object(record).to_string().as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_read(body in prop::collection::vec(prop_oneof![
        any::<u8>(), prop::sample::select(&b"{}[]\",:\\ \n0at"[..])
    ], 0..300)) {
        all(&body);
    }

    #[test]
    fn any_text_is_a_pack_or_a_problem(text in "(source|title|event|at|from|take|: |\\n|  |- |/a|\\{|\\}|\\[|,|&|\\*|x){0,60}") {
        if let Err(problem) = Pack::load(&text) {
            prop_assert!(problem.line > 0 && problem.column > 0 && !problem.message.is_empty());
        }
    }

    /// A pack that was broken somewhere is another pack or a problem.
    #[test]
    fn a_broken_pack_is_told(at in 0usize..4_000, with in "[{}\\[\\]:&*'\"#\\n /a-z]{0,3}") {
        for pack in Pack::builtin() {
            let at = pack.yaml().floor_char_boundary(at.min(pack.yaml().len()));
            let (before, behind) = pack.yaml().split_at(at);
            let _ = Pack::load(&format!("{before}{with}{}", behind.get(1..).unwrap_or_default()));
        }
    }
}

#[test]
fn the_largest_bodies_take_no_longer_than_they_may() {
    let limits = Limits::default();
    let deep = "{\"a\":".repeat(100_000);
    let brackets = "[".repeat(limits.body_bytes);
    let empties = "{}\n".repeat(limits.body_bytes / 3);
    let quotes = "\"".repeat(limits.body_bytes);
    let wide = format!("{{\"evidences\":[{}{{}}]}}", "{\"file\":{\"hashes\":[{}]}},".repeat(9_000));
    let commas = format!("[{}", ",".repeat(limits.body_bytes - 1));
    let begun = Instant::now();
    for body in [&deep, &brackets, &empties, &quotes, &wide, &commas] {
        all(body.as_bytes());
    }
    // Five packs on six bodies, unoptimised: seconds, where anything quadratic would take hours.
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
}

#[test]
fn the_worst_packs_are_refused_soon() {
    let begun = Instant::now();
    for text in [
        "[",
        "{a: ",
        "- ",
        "? ",
        "&a ",
        "!t ",
        "'",
        "\"",
        "|\n",
        "a: &x [*x, *x]\n",
        "#\n",
        "---\n",
        "%YAML 1.2\n",
        "\t",
        "a:\n ",
    ] {
        let text = text.repeat((128 << 10) / text.len());
        assert!(Pack::load(&text).is_err());
    }
    let head = "source: own\ntitle: Own\nevent:\n  at: /t\n  title: /m\n";
    for more in [
        format!("  description: [{}]\n", "/a, ".repeat(9_000)),
        format!("  description: {{from: /a, match: '{}'}}\n", "(a*)*".repeat(90)),
        format!("  description: {{text: '{}'}}\n", "{/a}".repeat(30_000)),
    ] {
        if let Ok(pack) = Pack::load(&format!("{head}{more}")) {
            let body = format!("{{\"t\":1,\"m\":\"x\",\"a\":\"{}\"}}", "a".repeat(200 << 10));
            bounded(&pack.read(body.as_bytes(), Limits::default()).next().unwrap().unwrap());
        }
    }
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    for more in [
        format!("  techniques: [{}]\n", "/a/*/b, ".repeat(250) + &"/c, ".repeat(3)),
        format!("  techniques: [{}]\n", "{from: /a, match: '(.*)x(.*)y(.*)z'}, ".repeat(60)),
    ] {
        let pack = Pack::load(&format!("{head}{more}")).unwrap();
        let items = format!("[{}1]", "{\"b\":1},".repeat(4_900));
        let text = "\"".to_owned() + &"xy".repeat(100 << 10) + "\"";
        let records: Vec<_> =
            [items, text].iter().map(|a| format!("{{\"t\":1,\"m\":\"x\",\"a\":{a}}}\n")).collect();
        let body = records.concat().repeat(10);
        assert!(pack.read(body.as_bytes(), Limits::default()).all(|one| one.is_ok()));
    }
    let wide = format!(
        "{head}  techniques: [{}]\n  user: {{name: [{}]}}\n  description: [{}]\n",
        "/a, ".repeat(250),
        "/a, ".repeat(250),
        "/a, ".repeat(20)
    );
    assert!(Pack::load(&wide).unwrap_err().message.contains("512 paths"));
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
}
