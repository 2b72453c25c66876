//! Kits that are one, and whatever else somebody may upload.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use quell_wire::SigningKey;

use crate::{Error, Kit, Name, OnFailure, Work, open, pack, sign};

const STEPS: &str = "name: first-look\nversion: '1.2'\nsteps:\n  - {name: who, kind: script, file: scripts/who.sh, on_failure: go_on}\n  \
    - {kind: tool, file: tools/look, arguments: ['-v'], seconds: 5}\n  - {kind: query, sql: SELECT 1}\n";

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let files: Vec<_> =
        files.iter().map(|(name, content)| (Name::new(name).unwrap(), content.to_vec())).collect();
    pack(&files).unwrap()
}

fn whole(steps: &str) -> Vec<u8> {
    packed(&[("kit.yaml", steps.as_bytes()), ("scripts/who.sh", b"id"), ("tools/look", b"\x7fELF")])
}

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

/// One header with this name, kind and size, and content behind it.
fn raw(name: &str, kind: u8, size: usize, content: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[148..156].copy_from_slice(b"        ");
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(&block).unwrap();
    out.write_all(content).unwrap();
    out.write_all(&vec![0; content.len().next_multiple_of(512) - content.len() + 1024]).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_kit_is_what_was_packed() {
    let kit = Kit::read(&whole(STEPS)).unwrap();
    let names: Vec<_> =
        kit.manifest.steps.iter().map(|step| (step.name.as_str(), step.work.kind())).collect();
    assert_eq!(names, [("who", "script"), ("tool-2", "tool"), ("query-3", "query")]);
    assert_eq!(kit.manifest.steps[0].on_failure, OnFailure::GoOn);
    assert_eq!(kit.manifest.steps[1].seconds, 5);
    assert!(matches!(
        &kit.manifest.steps[0].work,
        Work::Script { interpreter: crate::Interpreter::Bash, .. }
    ));
    assert_eq!(kit.tools().map(Name::as_str).collect::<Vec<_>>(), ["tools/look"]);
    let who = Kit::content(&whole(STEPS), &Name::new("scripts/who.sh").unwrap(), 10).unwrap();
    assert_eq!(who, b"id");
    assert_eq!(whole(STEPS), whole(STEPS), "the same files make the same bytes");
}

#[test]
fn a_signature_is_of_one_key_over_every_byte() {
    let (ours, other) = (key(), key());
    let bytes = sign(&ours, &whole(STEPS));
    assert!(open(&bytes).unwrap().is_by(&ours.public()));
    assert!(!open(&bytes).unwrap().is_by(&other.public()));
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(!open(&changed).unwrap().is_by(&ours.public()));
    // Another key's name over our signature helps nobody.
    let mut renamed = bytes;
    renamed[8..40].copy_from_slice(&other.public());
    assert!(
        !open(&renamed).unwrap().is_by(&other.public()) && !open(&renamed).unwrap().is_by(&ours.public())
    );
    assert!(matches!(open(&whole(STEPS)), Err(Error::Unsigned)));
    assert!(matches!(open(b"QUELLKT1"), Err(Error::Unsigned)));
}

#[test]
fn what_leads_elsewhere_is_refused() {
    for name in ["../x", "a/../../x", "/etc/x", "a//b", "./x", "a/.", "", "a b", "ä", "a\nb", "c:\\x"] {
        assert!(Name::new(name).is_err(), "{name:?}");
    }
    assert!(Name::new(&"a/".repeat(9)).is_err() && Name::new(&"a".repeat(101)).is_err());
    for (name, kind) in [
        ("../../etc/cron.d/x", b'0'),
        ("/etc/cron.d/x", b'0'),
        ("link", b'2'),
        ("hard", b'1'),
        ("null", b'3'),
        ("disk", b'4'),
        ("fifo", b'6'),
        ("sparse", b'S'),
        ("pax", b'x'),
        ("long", b'L'),
        ("../d", b'5'),
    ] {
        let read = Kit::read(&raw(name, kind, 0, b""));
        assert!(matches!(read, Err(Error::Entry { .. })), "{name} {read:?}");
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    // 300 MB of zeros are 300 KB.
    let size = 300 << 20;
    assert!(matches!(Kit::read(&raw("zeros", b'0', size, b"")), Err(Error::TooLarge(_))));
    let zeros = raw("zeros", b'0', 40 << 20, &vec![0; 40 << 20]);
    assert!(zeros.len() < 100_000);
    assert!(matches!(Kit::read(&zeros), Err(Error::TooLarge(_))));
    let many: Vec<_> = (0..1001).map(|n| (Name::new(&format!("f{n}")).unwrap(), Vec::new())).collect();
    assert!(matches!(pack(&many), Err(Error::TooLarge(_))));
}

#[test]
fn files_that_are_not_there_or_twice_are_refused() {
    let lacks = packed(&[("kit.yaml", STEPS.as_bytes()), ("tools/look", b"x")]);
    assert!(matches!(Kit::read(&lacks), Err(Error::Missing { .. })));
    let twice = packed(&[("kit.yaml", STEPS.as_bytes()), ("Scripts/who.sh", b"x"), ("scripts/WHO.sh", b"x")]);
    assert!(matches!(Kit::read(&twice), Err(Error::Entry { .. })));
    let within = packed(&[
        ("kit.yaml", STEPS.as_bytes()),
        ("scripts/who.sh", b"x"),
        ("tools/look", b"x"),
        ("tools", b""),
    ]);
    assert!(matches!(Kit::read(&within), Err(Error::Entry { .. })));
    assert!(matches!(Kit::read(&packed(&[("a", b"x")])), Err(Error::Archive(_))));
    assert!(matches!(Kit::read(b"no gzip"), Err(Error::Archive(_))));
}

#[test]
fn faults_of_steps_name_their_place() {
    let fault = |steps: &str| match Kit::read(&whole(steps)) {
        Err(Error::Manifest(error)) => (error.line, error.message),
        other => panic!("{steps}: {other:?}"),
    };
    let head = "name: a\nversion: '1'\nsteps:\n";
    let (line, message) = fault(&format!("{head}  - {{kind: explode, file: a}}\n"));
    assert!(line == 4 && message.contains("explode"), "{message}");
    for step in [
        "{kind: script, file: ../x.sh}",
        "{kind: script, file: scripts/who}",
        "{kind: tool}",
        "{kind: query}",
        "{kind: query, sql: a, file: b}",
        "{kind: query, sql: a, arguments: [b]}",
        "{kind: yara, file: a, paths: [relative]}",
        "{kind: evidence}",
        "{kind: query, sql: a, seconds: 0}",
        "{kind: query, sql: a, seconds: 21601}",
        "{kind: query, sql: a, output_bytes: 2000000000}",
        "{kind: query, sql: a, on_failure: explode}",
        "{kind: query, sql: a, name: ../x}",
        "{kind: query, sql: a, sql: b}",
        "{kind: query, sql: a, color: red}",
        "text",
    ] {
        fault(&format!("{head}  - {step}\n"));
    }
    fault(&format!("{head}  - {{kind: query, sql: a, name: x}}\n  - {{kind: query, sql: a, name: X}}\n"));
    fault(&format!("{head}{}", "  - {kind: query, sql: a}\n".repeat(65)));
    fault("name: a\nversion: '1'\nsteps: []\n");
    fault("name: a\nsteps: [{kind: query, sql: a}]\n");
    fault("a: &a [*a]\n");
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(bytes: Vec<u8>) {
        let _ = Kit::read(&bytes);
        let _ = crate::steps::parse(&bytes);
        if let Ok(signed) = open(&bytes) {
            let _ = signed.is_by(signed.key);
        }
    }
}
