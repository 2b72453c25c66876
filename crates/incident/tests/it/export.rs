//! What others are told, and whether they can read it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quell_incident::export::{self, Incident, Note, Report, ResponseAction};
use quell_incident::{Chain, View, summary};
use serde_json::Value;

use crate::scene::{BEGIN_US, setting};
use crate::{hostile, stories};

const PACKAGE: &str = "stix2-validator==3.3.2";
/// How long installing may take, and answering.
const PATIENCE: Duration = Duration::from_mins(5);
/// Not asked for: that ids are random (103; they are made of what they name, so that an export can be repeated), and that a link
/// to a page has the page's hash (302).
const VALIDATE: &str = "
import json, sys
from stix2validator import ValidationOptions, validate_string
results = validate_string(sys.stdin.read(), ValidationOptions(version='2.1', strict=True, disabled='103,302'))
for result in results if isinstance(results, list) else [results]:
    for problem in list(result.errors) + list(result.warnings):
        print(problem)
    print('VALID' if result.is_valid else 'INVALID')
";
const PARSE: &str = "
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
names = sorted({element.tag.rsplit('}')[-1] for element in root.iter()})
print(' '.join(names))
print(' '.join(sorted({name for element in root.iter() for name in element.attrib})))
";

/// The exports of chains, with an action and notes.
fn exported<T>(chains: &[&Chain], export: impl Fn(&Report<'_>) -> T) -> T {
    let views: Vec<_> = chains.iter().map(|chain| View::of(chain)).collect();
    let setting = setting();
    let summary = summary::of(&views, &setting);
    let incident = Incident {
        id: "019a0000-0000-7000-8000-000000000001".into(),
        number: 7,
        title: summary.title,
        severity: summary.severity.into(),
        status: "in_progress".into(),
        resolution: None,
        assignee: Some("Arno".into()),
        first_at_us: summary.first_at_us,
        last_at_us: summary.last_at_us,
    };
    let actions = [
        ResponseAction {
            task: "019a0000-0000-7000-8000-000000000002".into(),
            action: "file.quarantine".into(),
            object: "/tmp/x".into(),
            endpoint: Some("web-1".into()),
            state: "succeeded".into(),
            requested_by: "Arno".into(),
            requested_at_us: BEGIN_US + 60_000_000,
            ended_at_us: Some(BEGIN_US + 61_000_000),
        },
        ResponseAction { task: "t2".into(), action: "no.such".into(), ..ResponseAction::default() },
    ];
    let notes = [
        Note {
            id: "n1".into(),
            author: "Arno".into(),
            at_us: BEGIN_US,
            text: "First look.\n<b>not bold</b>".into(),
        },
        Note {
            id: "n2".into(),
            author: "<script>alert(1)</script>".into(),
            at_us: -1,
            text: "\u{202e}\n".into(),
        },
    ];
    let made_at_us = BEGIN_US + 3_600_000_000;
    export(&Report {
        tenant: "Example & Sons",
        incident: &incident,
        views: &views,
        setting: &setting,
        actions: &actions,
        notes: &notes,
        made_at_us,
    })
}

#[test]
fn the_json_says_everything() {
    let (one, two) = (stories::dropper().chain, stories::by_cron().chain);
    let told = exported(&[&one, &two], export::json);
    assert_eq!(told["format"], export::FORMAT);
    insta::assert_json_snapshot!(told);
}

#[test]
fn the_report_stands_alone() {
    let (one, two) = (stories::dropper().chain, stories::by_cron().chain);
    insta::assert_snapshot!(exported(&[&one, &two], export::html).replace("><", ">\n<"));
}

#[test]
fn nothing_that_is_told_becomes_markup() {
    let chain = hostile::chain().chain;
    let page = exported(&[&chain], export::html);
    for forbidden in ["<script", "<img", "<b>", "javascript:", "\u{202e}", "\u{1b}", "href=", "src=\""] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("\\u{202e}"));
    let Some(parsed) = python(PARSE, page.as_bytes()) else { return };
    let (names, attributes) = parsed.split_once('\n').unwrap();
    let known = "body br footer g h1 h2 h3 head header html main meta p path rect span strong style svg table tbody td text th \
                 thead title tr";
    for name in names.split_whitespace() {
        assert!(known.split_whitespace().any(|known| known == name), "{name}");
    }
    assert!(!attributes.split_whitespace().any(|name| name.starts_with("on")), "{attributes}");
}

#[test]
fn the_bundle_is_as_the_standard_wants_it() {
    let (one, two, bad) = (stories::dropper().chain, stories::by_cron().chain, hostile::chain().chain);
    let Some(python) = validator() else { return };
    for chains in [vec![&one, &two], vec![&bad], vec![&one, &bad], vec![]] {
        let bundle = exported(&chains, export::stix);
        let answer =
            run(Command::new(&python).args(["-c", VALIDATE]), bundle.to_string().as_bytes()).unwrap();
        let kept = std::env::var_os("QUELL_KEEP_STIX");
        if let Some(kept) = kept {
            std::fs::write(kept, serde_json::to_vec_pretty(&bundle).unwrap()).unwrap();
        }
        assert!(
            answer.trim() == "VALID",
            "{} objects\n{answer}",
            bundle["objects"].as_array().unwrap().len()
        );
    }
    // The validator finds what is wrong.
    let mut bundle = exported(&[&one], export::stix);
    bundle["objects"][0]["created"] = Value::from("yesterday");
    let answer = run(Command::new(&python).args(["-c", VALIDATE]), bundle.to_string().as_bytes()).unwrap();
    assert!(answer.contains("INVALID"), "{answer}");
}

#[test]
fn ids_stay_from_one_export_to_the_next() {
    let one = stories::dropper().chain;
    let bundle = exported(&[&one], export::stix);
    assert_eq!(bundle, exported(&[&one], export::stix));
    let mut kinds: Vec<_> =
        bundle["objects"].as_array().unwrap().iter().map(|object| object["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let wanted = [
        "attack-pattern",
        "course-of-action",
        "directory",
        "domain-name",
        "file",
        "identity",
        "incident",
        "ipv4-addr",
        "network-traffic",
        "note",
        "observed-data",
        "process",
        "relationship",
        "sighting",
        "user-account",
    ];
    assert_eq!(kinds, wanted);
}

/// The Python that has the validator; it is made once.
fn validator() -> Option<PathBuf> {
    let made = || -> Result<PathBuf, String> {
        let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
        let folder = Path::new(&home).join(".cache/quell/stix-python");
        let (python, stamp) = (folder.join("bin/python3"), folder.join("packages"));
        if std::fs::read_to_string(&stamp).is_ok_and(|have| have == PACKAGE) {
            return Ok(python);
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder), b"")?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", PACKAGE];
        run(Command::new(&python).args(install), b"")?;
        std::fs::write(stamp, PACKAGE).map_err(|error| error.to_string())?;
        Ok(python)
    };
    made().inspect_err(|why| println!("skipped: no validator of STIX: {why}")).ok()
}

/// What the machine's own Python says to a text.
fn python(program: &str, input: &[u8]) -> Option<String> {
    match run(Command::new("python3").args(["-c", program]), input) {
        Err(why) if why.starts_with("cannot be started") => {
            println!("skipped: no python3: {why}");
            None
        }
        answer => Some(answer.unwrap()),
    }
}

fn run(command: &mut Command, input: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| std::fs::File::create(path).map_err(|error| error.to_string());
    command.stdin(Stdio::piped()).stdout(file(&out)?).stderr(file(&err)?);
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            None => {
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                return Err("it took too long".to_owned());
            }
        }
    };
    let _ = writer.join();
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    if status.success() { read(&out) } else { Err(format!("{status}: {}", read(&err)?)) }
}
