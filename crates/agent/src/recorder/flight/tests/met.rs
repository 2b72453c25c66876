//! What the block list met, and who it was.

use quell_catalog::blocklist::report::Hit as Listed;
use quell_catalog::blocklist::{Action, Kind};
use quell_wire::activity::Verdict;

use super::*;

fn listed(kind: Kind, value: &str, subject: &str, way: &str) -> Input {
    let listed = Listed {
        kind,
        value: value.into(),
        action: Action::Block,
        blocked: true,
        way: way.into(),
        subject: subject.into(),
        version: 3,
        count: 1,
        pid: None,
        program: None,
        user: Some("0".into()),
    };
    Input::Met(Met::Listed(Box::new(listed), None))
}

/// Two programs of two trees.
fn two(machine: &mut Machine) -> u64 {
    begun(machine);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 101, 21),
        exec(at + MS, 101, 21, "/bin/wget", &["wget"]),
        fork(at, 200, 1),
        exec(at + MS, 200, 1, "/usr/sbin/mailer", &["mailer"]),
        fork(at, 300, 1),
        exec(at + MS, 300, 1, "/usr/lib/systemd/systemd-resolved", &["systemd-resolved"]),
    ]);
    at + 2 * MS
}

fn accused(machine: &Machine) -> Vec<(u32, i32, bool)> {
    let mut all = Vec::new();
    for seen in machine.told.chains.values() {
        for detection in &seen.detections {
            let is_said = detection.note.contains("2 processes did so lately");
            all.push((seen.activities[&detection.activity].process.pid, detection.verdict, is_said));
        }
    }
    all.sort_unstable();
    all
}

#[test]
fn who_asked_for_the_very_name_is_meant_and_not_who_asked_last() {
    let mut machine = Machine::new();
    let at = two(&mut machine);
    machine.tell(vec![
        question(at, 101, "a.evil.example"),
        // For somebody else.
        question(at + MS, 300, "a.evil.example"),
        question(at + 2 * MS, 200, "b.evil.example"),
    ]);
    machine.door.tell(listed(Kind::Domain, "*.evil.example", "a.evil.example", "dns"));
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    assert_eq!(accused(&machine), [(101, Verdict::Prevented.into(), false)]);
    let at = machine.later(100);
    machine.tell(vec![connection(at, 101, Step::Connecting, 5)]);
    machine.door.tell(listed(Kind::Ip, "192.0.2.0/24", "tcp 192.0.2.7:443", "connect"));
    machine.until("its connection", |told| told.one(|seen| seen.detections.len() == 2));
    assert_eq!(accused(&machine).len(), 2);
}

#[test]
fn where_several_did_it_none_is_taken_for_the_one() {
    let mut machine = Machine::new();
    let at = two(&mut machine);
    machine.tell(vec![question(at, 101, "a.evil.example"), question(at + MS, 200, "a.evil.example")]);
    machine.door.tell(listed(Kind::Domain, "*.evil.example", "a.evil.example", "dns"));
    machine.until("both", |told| {
        told.chains.len() == 2 && told.chains.values().all(|seen| !seen.detections.is_empty())
    });
    let detected = i32::from(Verdict::Detected);
    assert_eq!(accused(&machine), [(101, detected, true), (200, detected, true)]);
}

#[test]
fn what_the_guard_met_waits_for_its_process() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let denied = quell_host::guard::Hit {
        attempt: quell_host::guard::Attempt::Exec,
        denied: true,
        rule: "order-3".into(),
        path: "/home/bad".into(),
        sha256: "ab".repeat(32),
        sha1: None,
        pid: 77,
        uid: Some(0),
        name: "bash".into(),
        ppid: 21,
        parent: "bash".into(),
        untold: 0,
        let_pass: None,
    };
    // Before the kernel's word of the process has come through.
    machine.door.tell(Input::Met(Met::Kept(Box::new(denied))));
    let at = machine.later(10);
    machine.tell(vec![fork(at, 77, 21)]);
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    let seen = machine.only();
    let detection = &seen.detections[0];
    assert_eq!(detection.verdict, i32::from(Verdict::Prevented));
    assert_eq!(seen.activities[&detection.activity].process.pid, 77);
    assert_eq!(machine.door.counts().untold.load(std::sync::atomic::Ordering::Relaxed), 0);
}
