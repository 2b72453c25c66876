//! The signer's own record of what it signed.

use std::fs;
use std::io::Write as _;

use quell_signer::{Policy, Service, journal, system_clock};

use crate::world::{Asked, World, approval};

fn current(world: &World) -> std::path::PathBuf {
    world.directory().join("signed.jsonl")
}

fn sign(world: &World, count: usize) {
    let mut order = Asked::isolate().order();
    order.approvals = vec![approval("bob")];
    for _ in 0..count {
        world.sign(&order).unwrap();
    }
}

#[test]
fn each_signature_has_its_line_and_the_lines_are_a_chain() {
    let world = World::new();
    sign(&world, 3);
    let mut seen = Vec::new();
    let report = journal::verify(&world.directory(), |entry| seen.push(entry.clone())).unwrap();
    assert_eq!((report.lines, report.first, report.problem), (3, Some(1), None));
    assert_eq!((seen[0].order.as_str(), seen[0].action.as_str()), ("order-1", "endpoint.isolate"));
    assert_eq!((seen[2].n, seen[2].approvers.as_slice()), (3, &["bob".to_owned()][..]));
    assert_eq!(seen[0].requester, "person ann");
    let text = fs::read_to_string(current(&world)).unwrap();
    assert!(!text.contains("params"), "{text}");
}

#[test]
fn what_is_refused_is_not_in_it() {
    let world = World::with(&Policy { max_targets: Some(1), ..Policy::default() });
    assert!(world.sign(&Asked::isolate().order()).is_err());
    assert_eq!(fs::metadata(current(&world)).unwrap().len(), 0);
}

#[test]
fn it_goes_on_after_a_restart_and_a_line_cut_short() {
    let world = World::new();
    sign(&world, 2);
    let directory = world.directory();
    drop(world.service);
    let path = directory.join("signed.jsonl");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"n\":3,\"at\":17").unwrap();
    assert!(journal::verify(&directory, |_| ()).unwrap().problem.is_some());
    let clock: quell_signer::Clock = std::sync::Arc::new(|| crate::world::NOW);
    let service = Service::open(&directory, clock).unwrap();
    let order = prost::Message::encode_to_vec(&Asked::isolate().order());
    assert!(service.sign(&[order])[0].is_ok());
    let report = journal::verify(&directory, |_| ()).unwrap();
    assert_eq!((report.lines, report.problem), (3, None));
}

#[test]
fn a_line_that_was_changed_removed_or_put_in_is_found() {
    let world = World::new();
    sign(&world, 4);
    let path = current(&world);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let problem = |lines: &[&str]| {
        fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
        journal::verify(&world.directory(), |_| ()).unwrap().problem
    };
    assert_eq!(problem(&lines), None);
    let changed = lines[1].replace("endpoint.isolate", "endpoint.restore");
    assert!(problem(&[lines[0], &changed, lines[2], lines[3]]).unwrap().contains("changed"));
    assert!(problem(&[lines[0], lines[2], lines[3]]).unwrap().contains("missing"));
    assert!(problem(&[lines[0], lines[1], lines[1], lines[2]]).unwrap().contains("put in"));
    assert_eq!(problem(&lines[..3]), None, "a cut end is found by the hash of the last line, kept elsewhere");
}

#[test]
fn a_journal_that_somebody_broke_keeps_the_signer_from_starting() {
    let world = World::new();
    sign(&world, 1);
    let directory = world.directory();
    drop(world.service);
    fs::write(directory.join("signed.jsonl"), "hello\n").unwrap();
    assert!(Service::open(&directory, system_clock()).is_err());
}

#[test]
fn nothing_is_signed_that_cannot_be_written_down() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let world = World::new();
    let directory = world.directory();
    drop(world.service);
    let path = directory.join("signed.jsonl");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(full, &path).unwrap();
    // A device has no length to be cut to: the signer may as well refuse to start.
    let clock: quell_signer::Clock = std::sync::Arc::new(|| crate::world::NOW);
    if let Ok(service) = Service::open(&directory, clock) {
        let order = prost::Message::encode_to_vec(&Asked::isolate().order());
        let refusal = service.sign(&[order]).remove(0).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after.is_some()), ("journal", true));
    }
}
