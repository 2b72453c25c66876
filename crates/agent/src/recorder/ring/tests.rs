//! The ring on the disk: bounds, restarts, damage.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::collections::BTreeSet;

use quell_wire::activity::{Deed, Dns, Image};

use super::*;
use crate::recorder::tree::Reach;

const BOUNDS: Bounds = Bounds { bytes: 64 << 20, age_s: 1 << 30 };

fn key(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: u64::from(pid) * 2 }
}

fn process(pid: u32, parent: Option<u32>) -> Process {
    let image = Image { path: format!("/bin/{pid}").into_bytes(), ..Image::default() };
    Process { key: key(pid), parent: parent.map(key), image, ended_at_us: 5, ..Process::default() }
}

fn asked(id: u64, pid: u32, name: &str) -> Activity {
    let deed = Deed::Dns(Dns { name: name.into(), ..Dns::default() });
    Activity { id, at_us: 1000 + id as i64, process: key(pid), deed: Some(deed) }
}

fn ring() -> (tempfile::TempDir, Ring) {
    let dir = tempfile::tempdir().unwrap();
    let (ring, was_damaged) = Ring::open(dir.path(), "boot-1").unwrap();
    assert!(!was_damaged);
    (dir, ring)
}

#[test]
fn history_is_gathered_as_far_as_a_chain_reaches() {
    let (_dir, mut ring) = ring();
    let processes = vec![
        process(10, None),
        process(11, Some(10)),
        process(12, Some(11)),
        process(13, Some(10)),
        process(14, Some(13)),
        process(20, None),
    ];
    let activities = (1..=6).map(|n| asked(n, [10, 11, 12, 13, 14, 20][n as usize - 1], "a")).collect();
    ring.write(&Batch { processes, activities }).unwrap();
    let ask = Ask {
        chain: 3,
        seeds: vec![(key(10), Reach::Children), (key(11), Reach::All)],
        known: BTreeSet::from([key(10), key(11)]),
        until: 100,
        processes: 100,
        activities: 100,
    };
    let found = ring.history(&ask).unwrap();
    let pids = |found: &Found| found.processes.iter().map(|process| process.key.pid).collect::<Vec<_>>();
    assert_eq!(pids(&found), [13, 12], "14 is too far");
    assert_eq!(found.activities.iter().map(|activity| activity.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((found.processes_beyond, found.activities_beyond, found.oldest_us), (0, 0, Some(1001)));
    let found = ring.history(&Ask { processes: 1, activities: 2, until: 3, ..ask }).unwrap();
    assert_eq!((found.processes.len(), found.processes_beyond), (1, 1));
    assert_eq!((found.activities.len(), found.activities_beyond), (2, 0), "one more has a later number");
}

#[test]
fn the_oldest_is_forgotten_in_steps_and_the_file_becomes_smaller() {
    let (dir, mut ring) = ring();
    let name = "x".repeat(900);
    for batch in 0..20 {
        let activities = (0..500).map(|n| asked(batch * 500 + n + 1, 7, &name)).collect();
        let processes = (0..50).map(|n| process(batch as u32 * 50 + n + 1, None)).collect();
        ring.write(&Batch { processes, activities }).unwrap();
    }
    let before = ring.size().unwrap().0;
    assert!(before > 9 << 20);
    let small = Bounds { bytes: 4 << 20, ..BOUNDS };
    let mut steps = 0;
    while ring.trim(small, 11_000).unwrap() {
        steps += 1;
        assert!(steps < 100);
    }
    let (used, whole) = ring.size().unwrap();
    assert!(used <= 4 << 20 && whole < before / 2 + (2 << 20), "{used} {whole}");
    assert!(ring.oldest_us().unwrap().unwrap() > 5000);
    let count = |table: &str| -> i64 {
        ring.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let (activities, processes) = (count("activity"), count("process"));
    assert!(activities > 1000 && processes < 700 && processes > 100, "{activities} {processes}");
    // By age.
    while ring.trim(Bounds { age_s: 3600, ..small }, 3_600_000_000 + 10_000).unwrap() {}
    assert_eq!(ring.oldest_us().unwrap(), Some(10_000));
    let file = std::fs::metadata(dir.path().join(FILE)).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o077, 0);
}

#[test]
fn a_damaged_file_is_begun_anew_and_numbers_go_on() {
    let (dir, mut ring) = ring();
    let activities = (1..2000).map(|n| asked(n, 7, "some.name.example")).collect();
    ring.write(&Batch { processes: vec![process(7, None)], activities }).unwrap();
    assert_eq!(ring.next_id(5), 2000);
    assert_eq!(ring.next_id(1_700_000_000_000_000), 1_700_000_000_000_000);
    drop(ring);
    let (ring, was_damaged) = Ring::open(dir.path(), "boot-2").unwrap();
    assert!(!was_damaged && ring.boot == 2);
    drop(ring);
    let path = dir.path().join(FILE);
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("{FILE}{tail}")));
    }
    std::fs::write(&path, vec![0x5a; 100_000]).unwrap();
    let (mut ring, was_damaged) = Ring::open(dir.path(), "boot-2").unwrap();
    assert!(was_damaged);
    ring.write(&Batch { processes: vec![process(8, None)], ..Batch::default() }).unwrap();
    // In the middle of it.
    drop(ring);
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 4;
    bytes[half..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    match Ring::open(dir.path(), "boot-2") {
        Ok((mut ring, true)) => ring.write(&Batch::default()).unwrap(),
        Ok((mut ring, false)) => {
            let batch = Batch { processes: vec![process(9, None)], activities: vec![asked(1, 9, "x")] };
            let error = ring.write(&batch).and_then(|()| ring.size().map(drop)).unwrap_err();
            assert!(error.is_damage(), "{error:?}");
            ring.renew("boot-2").unwrap().write(&batch).unwrap();
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn what_waits_for_the_server_and_open_chains_survive() {
    let (dir, mut ring) = ring();
    let state = |serial| KeptChain { id: "c".into(), serial, root_pid: 3, ..KeptChain::default() };
    let letter = |serial: u64| Letter {
        chain: "c".into(),
        serial,
        body: vec![serial as u8; 10],
        state: Some(state(serial)),
        members: vec![(key(serial as u32), Reach::All)],
    };
    for serial in 1..=3 {
        ring.post(&letter(serial), &Batch::default()).unwrap();
    }
    let error = ring.forget("other");
    assert!(error.is_ok());
    drop(ring);
    let (mut ring, _) = Ring::open(dir.path(), "boot-1").unwrap();
    let waiting = ring.waiting().unwrap();
    assert_eq!(
        waiting.iter().map(|(_, _, serial, bytes)| (*serial, *bytes)).collect::<Vec<_>>(),
        [(1, 10), (2, 10), (3, 10)]
    );
    assert_eq!(ring.letter(waiting[1].0).unwrap().unwrap(), [2; 10]);
    ring.stored("c", 2).unwrap();
    assert_eq!(ring.waiting().unwrap().len(), 1);
    let (kept, other_boot) = ring.chains().unwrap().remove(0);
    assert_eq!((kept.serial, kept.root_pid, other_boot), (3, 3, None));
    assert_eq!(kept.members.len(), 3);
    drop(ring);
    let (mut ring, _) = Ring::open(dir.path(), "boot-2").unwrap();
    assert_eq!(ring.chains().unwrap()[0].1.as_deref(), Some("boot-1"));
    ring.post(&Letter { state: None, ..letter(4) }, &Batch::default()).unwrap();
    assert!(ring.chains().unwrap().is_empty());
    assert_eq!(ring.waiting().unwrap().len(), 2);
}

#[test]
fn what_an_order_asks_for_is_found() {
    let (dir, mut ring) = ring();
    let start = |id: u64, pid: u32, path: &str, digest: u8| {
        let image = Image { path: path.into(), sha256: vec![digest; 32], ..Image::default() };
        Activity { id, at_us: 1000 + id as i64, process: key(pid), deed: Some(Deed::Start(image)) }
    };
    let activities = vec![start(1, 5, "/a", 1), start(2, 6, "/a", 2), asked(3, 6, "x"), start(4, 7, "/b", 3)];
    ring.write(&Batch { processes: Vec::new(), activities }).unwrap();
    let always = (i64::MIN, i64::MAX);
    let reading = reader(&dir.path().join(FILE)).unwrap();
    let id = |wanted: &Wanted| {
        newest(&reading, "boot-1", wanted, always, &|| false).unwrap().map(|activity| activity.id)
    };
    assert_eq!(id(&Wanted::Path(b"/a".to_vec())), Some(2));
    assert_eq!(id(&Wanted::Sha256([1; 32])), Some(1));
    assert_eq!(id(&Wanted::Process(key(6))), Some(3));
    let early = newest(&reading, "boot-1", &Wanted::Path(b"/a".to_vec()), (0, 1001), &|| false).unwrap();
    assert_eq!(early.map(|activity| activity.id), Some(1));
    assert_eq!(id(&Wanted::Path(b"/c".to_vec())), None);
    assert!(newest(&reading, "boot-9", &Wanted::Process(key(6)), always, &|| false).unwrap().is_none());
}

#[test]
fn a_clock_that_was_set_takes_no_process_of_what_is_left_and_keeps_nothing_for_ever() {
    const HOUR: i64 = 3_600_000_000;
    let (_dir, mut ring) = ring();
    let at = |id: u64, pid: u32, at_us: i64| Activity { at_us, ..asked(id, pid, "a") };
    // Made while the clock was ten years ahead; then it was set right, and back.
    let right = 500_000 * HOUR;
    let ahead = right + 87_600 * HOUR;
    let batch =
        |id, pid, at_us| Batch { processes: vec![process(pid, None)], activities: vec![at(id, pid, at_us)] };
    ring.write(&batch(1, 10, ahead)).unwrap();
    ring.write(&batch(2, 11, right)).unwrap();
    ring.write(&batch(3, 12, 5)).unwrap();
    let day = Bounds { age_s: 24 * 3600, ..BOUNDS };
    let mut until = |now_us: i64| {
        while ring.trim(day, now_us).unwrap() {}
        let ids = |sql: &str| -> Vec<i64> {
            let mut select = ring.connection.prepare(sql).unwrap();
            select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        (ids("SELECT id FROM activity ORDER BY id"), ids("SELECT pid FROM process ORDER BY pid"))
    };
    assert_eq!(until(right + HOUR), (vec![1, 2, 3], vec![10, 11, 12]), "what is ahead is as old as now");
    assert_eq!(until(right + 24 * HOUR), (vec![1, 2, 3], vec![10, 11, 12]), "in the order of numbers");
    assert_eq!(until(right + 26 * HOUR), (vec![], vec![]));
}
