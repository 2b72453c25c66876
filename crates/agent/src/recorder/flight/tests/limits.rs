//! Floods, losses and other order.

use super::*;

#[test]
fn events_that_come_in_another_order_make_the_same_chain() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    // The file before the program, the program before the fork, the child before its parent.
    machine.tell(vec![
        exec(at + 3 * MS, 102, 101, "/bin/child", &["child"]),
        exec(at + MS, 101, 21, "/tmp/x", &["x"]),
        fork(at + 2 * MS, 102, 101),
        fork(at, 101, 21),
        exit(at + 9 * MS, 102, 0),
        file(at + 8 * MS, 102, Path::new("/tmp/late"), Change::Created),
    ]);
    machine.until("the chain", |told| told.one(|seen| deeds(seen).len() == 3 && !seen.detections.is_empty()));
    let seen = machine.only();
    let parents: Vec<_> =
        seen.processes.values().map(|p| (p.key.pid, p.parent.map(|parent| parent.pid))).collect();
    assert_eq!(parents, [(20, Some(10)), (21, Some(20)), (101, Some(21)), (102, Some(101))]);
    assert!(deeds(seen).contains(&(102, "create /tmp/late".into())));
}

#[test]
fn a_pid_that_is_used_again_is_not_mixed_up() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 101, 21),
        exec(at + MS, 101, 21, "/tmp/x", &["x"]),
        exit(at + 2 * MS, 101, 0),
    ]);
    machine.until("a chain", |told| told.one(|seen| !seen.detections.is_empty()));
    let at = machine.later(1000);
    // The same pid, somebody else's child.
    let second = Identity { pid: 101, start_time: 99_999 };
    let mut forked = fork(at, 101, 10);
    forked.process = second;
    let mut begun = exec(at + MS, 101, 10, "/bin/other", &["other"]);
    begun.process = second;
    machine.tell(vec![forked, begun, file(at + 300 * MS, 101, Path::new("/srv/file"), Change::Created)]);
    let at = machine.later(400);
    machine.tell(vec![fork(at, 105, 21), exec(at + MS, 105, 21, "/tmp/y", &["y"])]);
    machine.until("more of the first", |told| told.one(|seen| seen.detections.len() == 2));
    let seen = machine.only();
    assert!(paths(seen).iter().all(|path| path != "/bin/other"));
    assert!(deeds(seen).iter().all(|(_, deed)| deed != "create /srv/file"));
}

#[test]
fn a_fork_bomb_stays_within_limits_and_is_counted() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![fork(at, 101, 21), exec(at + MS, 101, 21, "/tmp/bomb", &["bomb"])]);
    machine.until("a chain", |told| told.one(|seen| !seen.detections.is_empty()));
    let mut pid = 2000;
    for round in 0..20 {
        let at = machine.later(5);
        let raws =
            (0..2000).map(|n| fork(at + n, 2000 + round * 2000 + n as u32, if n == 0 { 101 } else { pid }));
        let raws: Vec<Raw> = raws.collect();
        pid = raws[0].process.pid;
        machine.tell(raws);
    }
    let at = machine.later(5);
    machine.tell(vec![exec(at, pid, 101, "/tmp/last", &["last"])]);
    machine.until("what is beyond", |told| {
        told.one(|seen| {
            seen.gaps.processes_beyond > 30_000 && seen.processes.len() > 1900 && seen.detections.len() == 2
        })
    });
    let processes = || machine.door.counts().processes.load(Ordering::Relaxed);
    assert!(processes() <= crate::recorder::tree::MOST, "{}", processes());
}

#[test]
fn what_finds_no_room_is_counted_by_kind() {
    let door = Door::default();
    let many: Vec<Raw> = (0..WAITING as u32).map(|n| fork(1, n + 5, 1)).collect();
    door.batch(many.clone());
    assert_eq!(door.lost(), 0);
    door.batch(vec![fork(1, 3, 1), exec(1, 3, 1, "/x", &[]), running(1, 3, 1, "/x")]);
    assert_eq!(door.lost(), 2, "what ran before is no event");
    let lost: Vec<u64> = door.counts().lost.iter().map(|lost| lost.load(Ordering::Relaxed)).collect();
    assert_eq!(lost, [1, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_file_of_nobody_is_counted_and_a_missed_beginning_is_said() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![
        file(at, 0, Path::new("/tmp/of-nobody"), Change::Created),
        // No fork was heard of: its parent may be one that took it over.
        exec(at + MS, 101, 21, "/tmp/x", &["x"]),
        exec(at + MS, 202, 1, "/tmp/y", &["y"]),
    ]);
    machine.until("two chains", |told| {
        told.chains.len() == 2 && told.chains.values().all(|seen| !seen.detections.is_empty())
    });
    assert_eq!(machine.door.counts().unattributed.load(Ordering::Relaxed), 1);
    let find =
        |pid: u32| machine.told.chains.values().find_map(|seen| seen.processes.get(&key(pid))).unwrap();
    assert_eq!((find(101).parent, find(101).incomplete), (Some(key(21)), true));
    assert_eq!((find(202).parent, find(202).incomplete), (None, true));
}

#[test]
fn what_was_detected_waits_for_room_when_its_chain_is_over() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![fork(at, 101, 21), exec(at + MS, 101, 21, "/tmp/x", &["x"])]);
    machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
    let id = machine.told.chains.keys().next().unwrap().clone();
    machine.has_room(false);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 105, 21),
        exec(at + MS, 105, 21, "/tmp/y", &["y"]),
        exit(at + 2 * MS, 105, 0),
    ]);
    let counts = |machine: &Machine| {
        let counts = machine.door.counts();
        (counts.detections.load(Ordering::Relaxed), counts.chains.load(Ordering::Relaxed))
    };
    machine.wait("it is detected", |machine| counts(machine).0 == 2);
    machine.door.tell(Input::Closed(id));
    machine.wait("it is over", |machine| counts(machine).1 == 0);
    machine.has_room(true);
    machine.until("both, and the end", |told| told.one(|seen| seen.detections.len() == 2 && seen.closed));
    assert!(machine.only().processes.contains_key(&key(105)), "with who did it");
    assert_eq!(machine.door.counts().untold.load(Ordering::Relaxed), 0);
}

#[test]
fn of_too_many_chains_that_wait_for_room_the_oldest_are_counted() {
    let mut machine = Machine::new();
    begun(&mut machine);
    machine.has_room(false);
    let kept = quell_wire::limits::OPEN_CHAINS + super::super::tell::CLOSING;
    for pid in 0..kept as u32 + 2 {
        let at = machine.later(10);
        machine.tell(vec![fork(at, 2000 + pid, 10), exec(at + MS, 2000 + pid, 10, "/tmp/x", &["x"])]);
    }
    let untold = |machine: &Machine| machine.door.counts().untold.load(Ordering::Relaxed);
    machine.wait("two too many", |machine| untold(machine) == 2);
    assert_eq!(machine.door.counts().chains.load(Ordering::Relaxed), quell_wire::limits::OPEN_CHAINS);
    machine.has_room(true);
    machine.until("all others", |told| {
        told.chains.values().filter(|seen| seen.detections.len() == 1).count() == kept
            && told.chains.values().filter(|seen| seen.closed).count() == super::super::tell::CLOSING
    });
    assert_eq!(untold(&machine), 2);
}
