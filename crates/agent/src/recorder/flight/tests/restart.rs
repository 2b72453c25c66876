//! Over restarts, other boots, lost sessions and full disks.

use super::*;

fn detected(machine: &mut Machine) {
    begun(machine);
    let at = machine.later(10);
    machine.tell(vec![fork(at, 101, 21), exec(at + MS, 101, 21, "/tmp/x", &["x"])]);
    machine.until("a detection", |told| {
        told.one(|seen| !seen.detections.is_empty() && seen.processes.len() == 3)
    });
}

#[test]
fn an_open_chain_goes_on_after_a_restart_of_the_agent() {
    let mut machine = Machine::new();
    detected(&mut machine);
    let before = machine.only().clone();
    let dir = machine.stop();
    let mut machine = Machine::on(dir, BOOT, current(|_| ()));
    machine.told.chains.insert("other".into(), Seen::default());
    machine.told.chains.clear();
    let at = machine.now;
    let root = before.root.unwrap();
    let mut raws = vec![
        running(at - 900_000 * MS, 1, 0, "/usr/lib/systemd/systemd"),
        running(at - 800_000 * MS, 10, 1, "/usr/sbin/sshd"),
        running(at - 1000 * MS, 20, 10, "/usr/sbin/sshd"),
        running(at - 900 * MS, 21, 20, "/bin/bash"),
        // Its parent ended meanwhile, and it belongs to another now.
        running(at - 800 * MS, 101, 1, "/tmp/x"),
    ];
    raws.push(fork(at + MS, 105, 101));
    raws.push(exec(at + 2 * MS, 105, 101, "/bin/more", &["more"]));
    machine.tell(raws);
    // The server knows the chain already.
    let id = "later";
    assert!(!machine.told.chains.contains_key(id));
    let end = Instant::now() + Duration::from_secs(20);
    let mut updates = Vec::new();
    while updates.iter().all(|update: &ChainUpdate| update.processes.iter().all(|p| p.key != key(105))) {
        assert!(Instant::now() < end, "{updates:?}");
        while let Some(next) = machine.outbox.take() {
            if let Next::Frame(FromAgent::Chain(update)) = next {
                machine.disk.stored(update.chain_id.clone(), update.serial);
                updates.push(update);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((updates[0].serial, updates[0].root), (before.serial + 1, root));
    let process = updates.iter().flat_map(|u| &u.processes).find(|p| p.key == key(105)).unwrap();
    assert_eq!(process.parent, Some(key(101)));
    // What the ring says of it counts more than who has it now.
    machine.door.tell(Input::Ask(
        Asked { key: key(101), activity: 0, rows: Vec::new(), note: "again".into() },
        oneshot::channel().0,
    ));
    let dir = machine.stop();
    drop(dir);
}

#[test]
fn after_another_boot_open_chains_are_closed() {
    let mut machine = Machine::new();
    detected(&mut machine);
    let (id, serial) = {
        let (id, seen) = machine.told.chains.iter().next().unwrap();
        (id.clone(), seen.serial)
    };
    let dir = machine.stop();
    let mut machine = Machine::on(dir.clone(), "boot-2", current(|_| ()));
    machine.told.chains.insert(id.clone(), Seen { serial, ..Seen::default() });
    machine.until("it is closed", |told| told.chains[&id].closed);
    assert_eq!(machine.told.chains[&id].boot_id, BOOT);
    machine.stop();
    let (ring, _) = Ring::open(dir.path(), "boot-2").unwrap();
    assert!(ring.chains().unwrap().is_empty());
}

#[test]
fn what_is_not_stored_comes_again_with_the_next_session() {
    let mut machine = Machine::new();
    machine.told.acknowledges = false;
    detected(&mut machine);
    let first = machine.only().clone();
    machine.outbox.offline();
    machine.disk.line(false);
    let at = machine.later(300);
    machine.tell(vec![question(at, 101, "while.away")]);
    std::thread::sleep(Duration::from_millis(600));
    machine.told.chains.clear();
    machine.told.acknowledges = true;
    machine.outbox.online(Vec::new());
    machine.disk.line(true);
    machine.until("all of it", |told| told.one(|seen| deeds(seen).contains(&(101, "ask while.away".into()))));
    let again = machine.only();
    assert!(again.serial > first.serial && again.detections == first.detections);
    machine.until("nothing waits", |_| true);
    let end = Instant::now() + Duration::from_secs(10);
    while machine.disk.counts().outgoing.load(Ordering::Relaxed) > 0 {
        assert!(Instant::now() < end);
        machine.hear();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_chain_that_the_server_closes_gets_nothing_more() {
    let mut machine = Machine::new();
    detected(&mut machine);
    let id = machine.told.chains.keys().next().unwrap().clone();
    machine.door.tell(Input::Closed(id));
    let at = machine.later(500);
    machine.tell(vec![question(at, 101, "more")]);
    let at = machine.later(100);
    machine.tell(vec![fork(at, 105, 21), exec(at + MS, 105, 21, "/tmp/y", &["y"])]);
    machine.until("a new one", |told| told.chains.len() == 2);
    assert!(machine.told.chains.values().all(|seen| seen.detections.len() == 1));
}

#[test]
fn what_is_detected_before_the_server_is_heard_to_close_a_chain_is_told() {
    let mut machine = Machine::new();
    detected(&mut machine);
    let id = machine.told.chains.keys().next().unwrap().clone();
    machine.outbox.offline();
    machine.disk.line(false);
    let at = machine.later(500);
    machine.tell(vec![fork(at, 105, 21), exec(at + MS, 105, 21, "/tmp/y", &["y"])]);
    let end = Instant::now() + Duration::from_secs(10);
    while machine.disk.counts().outgoing.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(5));
    }
    machine.door.tell(Input::Closed(id));
    machine.outbox.online(Vec::new());
    machine.disk.line(true);
    machine.until("both, and the end", |told| told.one(|seen| seen.detections.len() == 2 && seen.closed));
}

#[test]
fn a_damaged_ring_is_begun_anew_while_chains_go_on() {
    let mut machine = Machine::new();
    detected(&mut machine);
    let long = "x".repeat(900);
    for round in 0..10 {
        let at = machine.later(10);
        machine.tell((0..500).map(|n| question(at, 21, &format!("{round}.{n}.{long}"))).collect());
        machine.hear();
        std::thread::sleep(Duration::from_millis(300));
    }
    // As a disk that loses its sectors does.
    let path = machine.dir.path().join(crate::recorder::ring::FILE);
    let length = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; length as usize - 4096], 4096).unwrap();
    let mut number = 0;
    let end = Instant::now() + Duration::from_secs(20);
    while machine.disk.counts().renewed.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < end);
        number += 1;
        let at = machine.later(10);
        machine.tell(vec![question(at, 101, &format!("name-{number}")), fork(at, 5000 + number, 21)]);
        machine.hear();
        std::thread::sleep(Duration::from_millis(50));
    }
    let at = machine.later(10);
    machine.tell(vec![question(at, 101, "after")]);
    machine.until("it goes on", |told| told.one(|seen| deeds(seen).contains(&(101, "ask after".into()))));
}

#[test]
fn a_chain_can_be_asked_for() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![
        fork(at, 101, 21),
        exec(at + MS, 101, 21, "/bin/quiet", &["quiet"]),
        exit(at + 2 * MS, 101, 0),
    ]);
    std::thread::sleep(Duration::from_millis(400));
    for (pid, is_joined) in [(101, false), (21, true)] {
        let (answer, collected) = oneshot::channel();
        let asked = Asked { key: key(pid), activity: 0, rows: Vec::new(), note: "asked by order".into() };
        machine.door.tell(Input::Ask(asked, answer));
        let collected = collected.blocking_recv().unwrap().unwrap();
        assert_eq!((collected.root, collected.is_joined), (key(20), is_joined));
        machine.until("it is told", |told| {
            told.chains.get(&collected.chain_id).is_some_and(|seen| {
                let detection = seen.detections.iter().find(|d| d.id == collected.detection_id);
                detection.is_some_and(|detection| seen.activities.contains_key(&detection.activity))
            })
        });
    }
    assert!(deeds(machine.only()).contains(&(101, "start /bin/quiet".into())));
    assert!(machine.only().detections.iter().all(|detection| detection.source == i32::from(Source::Asked)));
}

#[test]
fn who_waits_for_the_ring_is_told_when_all_is_written() {
    let mut machine = Machine::new();
    begun(&mut machine);
    let at = machine.later(10);
    machine.tell(vec![fork(at, 101, 21), exec(at + MS, 101, 21, "/bin/true", &["true"])]);
    let (answer, written) = oneshot::channel();
    machine.door.tell(Input::Write(answer));
    written.blocking_recv().unwrap();
    let ring = crate::recorder::reader(&machine.dir.path().join(crate::recorder::ring::FILE)).unwrap();
    let found = crate::recorder::newest(
        &ring,
        BOOT,
        &crate::recorder::Wanted::Path(b"/bin/true".to_vec()),
        (i64::MIN, i64::MAX),
        &|| false,
    );
    assert_eq!(found.unwrap().unwrap().process, key(101));
    let door = machine.door.clone();
    machine.stop();
    let (answer, written) = oneshot::channel();
    door.tell(Input::Write(answer));
    assert!(written.blocking_recv().is_err(), "it is over");
}
