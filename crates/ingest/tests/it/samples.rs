//! Each sample, and the events that it becomes. Which samples were recorded and which were written by hand to a contract,
//! `docs/ingest.md` says.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use quell_ingest::{Limits, Pack};

fn pack(source: &str) -> Pack {
    match Pack::named(source) {
        Some(pack) => pack.clone(),
        None => Pack::load(include_str!("../../../../packs/ingest/example-ecs.yaml")).unwrap(),
    }
}

#[test]
fn every_sample_becomes_these_events() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut count = 0;
    for source in fs::read_dir(&folder).unwrap() {
        let source = source.unwrap();
        let name = source.file_name().into_string().unwrap();
        let pack = pack(&name);
        for sample in fs::read_dir(source.path()).unwrap() {
            let sample = sample.unwrap().path();
            let body = fs::read(&sample).unwrap();
            let mut read = pack.read(&body, Limits::default());
            let mut told = String::new();
            for record in &mut read {
                match record {
                    Ok(event) => told.push_str(&serde_json::to_string_pretty(&event).unwrap()),
                    Err(refused) => write!(told, "refused: {refused}").unwrap(),
                }
                told.push('\n');
            }
            writeln!(told, "{} records, {} passed over", read.records(), read.skipped()).unwrap();
            insta::assert_snapshot!(
                format!("{name}__{}", sample.file_stem().unwrap().to_string_lossy()),
                told
            );
            count += 1;
        }
    }
    assert!(count >= 8, "{count} samples");
}

#[test]
fn a_record_in_any_frame_is_the_same_event() {
    let pack = Pack::named("falco").unwrap();
    let lines =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/falco/http_output.jsonl"))
            .unwrap();
    let from_lines = crate::read(pack, lines.as_bytes());
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n  "));
    assert_eq!(from_lines, crate::read(pack, array.as_bytes()));
    assert_eq!(from_lines[..1], crate::read(pack, lines.lines().next().unwrap().as_bytes())[..]);
}
