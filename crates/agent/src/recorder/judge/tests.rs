//! Rules over events, modes and exclusions.

#![expect(clippy::unwrap_used, reason = "tests")]
use quell_wire::activity::{Deed, FileDeed, Image, ProcessKey};
use quell_wire::protection::SourceMode;

use super::*;
use crate::recorder::item::{Facts, Item, Program, What};

const RULES: &str = "
title: A shell that talks to the network
id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b
level: high
tags: [attack.t1059.004]
logsource: {product: linux, category: process_creation}
detection:
  selection:
    CommandLine|contains: /dev/tcp/
    ParentImage|endswith: /sshd
  condition: selection
---
title: A job of cron
id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6c
level: medium
logsource: {product: linux, category: file_event}
detection:
  selection:
    TargetFilename|startswith: /etc/cron
  filter:
    Package|startswith: 'dpkg '
  condition: selection and not filter
";

fn current(modes: &[(Source, Mode)], exclusions: Vec<Exclusion>) -> Arc<Current> {
    let modes =
        modes.iter().map(|(source, mode)| SourceMode { source: (*source).into(), mode: (*mode).into() });
    let document = Protection {
        modes: modes.collect(),
        prevent_from: Severity::High.into(),
        exclusions,
        ..Protection::default()
    };
    Arc::new(Current { document, behaviour: Some(RULES.as_bytes().into()), yara: None })
}

fn program(path: &str, arguments: &[&str]) -> Program {
    let arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    Program { image: Image { path: path.into(), arguments, ..Image::default() }, ..Program::default() }
}

fn subject<'a>(item: &'a Item, program: &'a Program, parent: &'a Program) -> Subject<'a> {
    Subject { item, program, uid: 7, user: "ann", container: "", parent: Some((3, parent, "root")) }
}

fn start(program: Program) -> Item {
    let key = ProcessKey { pid: 9, start: 9 };
    Item { id: 1, at_us: 1, key, what: What::Start(Arc::new(program)) }
}

#[test]
fn rules_are_applied_to_events_as_far_as_they_are_on() {
    let shell = program("/bin/bash", &["bash", "-c", "cat < /dev/tcp/192.0.2.7/80"]);
    let sshd = program("/usr/sbin/sshd", &["sshd"]);
    let item = start(program("/bin/bash", &[]));
    let mut judge = Judge::new(current(&[(Source::Behaviour, Mode::Detect)], Vec::new()));
    assert!(judge.refused.is_empty() && judge.count() == 2);
    let hits = judge.behaviour("process_creation", &subject(&item, &shell, &sshd), 1);
    assert_eq!(
        (hits.len(), hits[0].severity, hits[0].techniques.as_slice()),
        (1, Severity::High, &["T1059.004".to_owned()][..])
    );
    assert_eq!(judge.mode(&hits[0]), Mode::Detect);
    assert!(judge.behaviour("process_creation", &subject(&item, &shell, &shell), 1).is_empty());
    assert!(judge.waits("file_event") && !judge.waits("process_creation"), "one asks for the package");
    let deed = Deed::FileCreate(FileDeed { path: b"/etc/cron.d/x".to_vec(), ..FileDeed::default() });
    let file = Item { what: What::File(deed, Arc::default()), ..start(program("", &[])) };
    assert_eq!(judge.behaviour("file_event", &subject(&file, &shell, &sshd), 1).len(), 1);
    let dpkg = program("/usr/bin/dpkg", &["dpkg"]);
    dpkg.late.set(Facts { package: "dpkg 1.2".into(), ..Facts::default() }).unwrap();
    assert!(judge.behaviour("file_event", &subject(&file, &dpkg, &sshd), 1).is_empty());
    let prevent = Judge::new(current(&[(Source::Behaviour, Mode::Prevent)], Vec::new()));
    assert_eq!(prevent.mode(&hits[0]), Mode::Prevent);
    assert_eq!(prevent.mode(&Hit { severity: Severity::Medium, ..hits[0].clone() }), Mode::Detect);
    assert_eq!(Judge::new(current(&[], Vec::new())).count(), 0);
    let broken = Current {
        behaviour: Some(b"title: x".as_slice().into()),
        ..(*current(&[(Source::Behaviour, Mode::Detect)], Vec::new())).clone()
    };
    assert_eq!(Judge::new(Arc::new(broken)).refused.len(), 1);
}

#[test]
fn what_is_excluded_is_excluded_by_all_that_it_names() {
    let tool = program("/opt/tool/bin/x", &["x"]);
    let item = start(program("/opt/tool/bin/x", &[]));
    let excluded = |exclusion: Exclusion| {
        let judge = Judge::new(current(&[], vec![exclusion]));
        judge.is_excluded("r", &subject(&item, &tool, &tool), b"", None)
    };
    let path = |path: &str| Exclusion { path: path.into(), ..Exclusion::default() };
    assert_eq!(excluded(path("/opt/tool/")), Some(true));
    assert_eq!((excluded(path("/opt/tool")), excluded(path("/opt/tool/bin/x"))), (Some(false), Some(true)));
    let named = Exclusion { rule: "r".into(), ..Exclusion::default() };
    assert_eq!(excluded(named.clone()), Some(true));
    assert_eq!(excluded(Exclusion { rule: "other".into(), ..named.clone() }), Some(false));
    assert_eq!(excluded(Exclusion { uid: Some(7), ..named.clone() }), Some(true));
    assert_eq!(excluded(Exclusion { uid: Some(0), ..named }), Some(false));
    let digest = Exclusion { sha256: vec![5; 32], ..Exclusion::default() };
    assert_eq!(excluded(digest.clone()), None, "the file is not read yet");
    tool.late.set(Facts { sha256: Some([5; 32]), ..Facts::default() }).unwrap();
    let judge = Judge::new(current(&[], vec![digest]));
    assert_eq!(judge.is_excluded("r", &subject(&item, &tool, &tool), b"", None), Some(true));
}

#[test]
fn a_path_that_is_made_to_look_like_another_is_not_excluded() {
    let excluded = |path: &str, script: Option<&str>| {
        let mut tool = program(path, &["x"]);
        tool.image.script =
            script.map(|path| quell_wire::activity::Script { path: path.into(), sha256: Vec::new() });
        let judge = Judge::new(current(
            &[],
            vec![Exclusion { path: b"/opt/tool/".to_vec(), ..Exclusion::default() }],
        ));
        let item = start(program(path, &[]));
        judge.is_excluded("r", &subject(&item, &tool, &tool), b"", None)
    };
    assert_eq!(excluded("/opt/tool/x", None), Some(true));
    assert_eq!(excluded("…/opt/tool/x", None), Some(false), "its beginning is missing");
    assert_eq!(excluded("/bin/sh", Some("/opt/tool/x.sh")), Some(true));
    assert_eq!(excluded("/bin/sh", Some("/opt/tool/../../tmp/x.sh")), Some(false), "it leaves it again");
}

#[test]
fn what_is_kept_from_running_may_run_again_when_its_rule_prevents_no_more() {
    let kept = crate::guard::KeptRule {
        order_id: "protection".into(),
        hash: "05".repeat(32),
        paths: vec!["/tmp/x".into()],
        since_us: 1,
        cause: None,
    };
    let cause = |rule: &str, severity: Severity| crate::guard::Cause {
        source: Source::Behaviour.into(),
        severity: severity.into(),
        rule: rule.into(),
    };
    let high = cause("5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b", Severity::High);
    let still = |mode, exclusions, cause: &crate::guard::Cause| {
        Judge::new(current(&[(Source::Behaviour, mode)], exclusions)).prevents().still(cause, &kept)
    };
    assert!(still(Mode::Prevent, Vec::new(), &high));
    assert!(!still(Mode::Detect, Vec::new(), &high));
    assert!(!still(Mode::Prevent, Vec::new(), &cause("gone", Severity::High)));
    assert!(!still(Mode::Prevent, Vec::new(), &cause(&high.rule, Severity::Low)));
    let hash = Exclusion { sha256: vec![5; 32], ..Exclusion::default() };
    let other = Exclusion { sha256: vec![6; 32], ..Exclusion::default() };
    let path = Exclusion { path: b"/tmp/".to_vec(), ..Exclusion::default() };
    let user = Exclusion { uid: Some(7), ..hash.clone() };
    assert!(!still(Mode::Prevent, vec![hash], &high) && !still(Mode::Prevent, vec![path], &high));
    assert!(still(Mode::Prevent, vec![other, user], &high));
    assert!(!Prevents::default().still(&high, &kept), "nothing is recorded");
}
