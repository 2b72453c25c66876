//! The journal through restarts, torn tails, damage and compaction.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Write;

use super::record::HEADER;
use super::record::{Accepted, Acknowledged, Finished, Started};
use super::*;

const NOW: i64 = 1_800_000_000_000_000;
const DAY: i64 = 86_400_000_000;

fn accepted(id: &str) -> Body {
    Body::Accepted(Accepted {
        order_id: id.into(),
        order_sha256: vec![1; 32],
        intent: vec![2; 40],
        intent_digest: vec![3; 32],
        not_before_us: NOW,
        not_after_us: NOW + DAY,
    })
}

fn started(id: &str) -> Body {
    Body::Started(Started { order_id: id.into(), at_us: NOW, attempt: 1 })
}

fn finished(id: &str) -> Body {
    Body::Finished(Finished { order_id: id.into(), outcome: vec![5; 50], signature: vec![6; 64] })
}

fn acknowledged(id: &str) -> Body {
    Body::Acknowledged(Acknowledged { order_id: id.into() })
}

fn open(path: &Path) -> (Journal, Recovered) {
    Journal::open(path, NOW).unwrap()
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), started("a"), accepted("b")], true, NOW).unwrap();
    journal.append(&[finished("a")], true, NOW).unwrap();
    drop(journal);
    let (mut journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.entry("a").unwrap().stage, Stage::Finished);
    assert_eq!(journal.outcome("a").unwrap().unwrap().outcome, vec![5; 50]);
    assert_eq!(journal.unacknowledged(), ["a"]);
    let unfinished = journal.unfinished().unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!((unfinished[0].0.order_id.as_str(), unfinished[0].1), ("b", Stage::Accepted));
    journal.append(&[acknowledged("a")], false, NOW).unwrap();
    assert!(journal.unacknowledged().is_empty());
    assert_eq!(journal.held(), ["b"]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_nothing_before_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), started("a")], true, NOW).unwrap();
    let whole = journal.size() as usize;
    journal.append(&[finished("a")], true, NOW).unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for cut in whole..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (mut journal, recovered) = open(&path);
        assert_eq!(recovered, Recovered { torn: (cut - whole) as u64, damaged: None }, "cut at {cut}");
        assert!(matches!(journal.entry("a").unwrap().stage, Stage::Started { attempts: 1, .. }));
        journal.append(&[finished("a")], true, NOW).unwrap();
        drop(journal);
        let (journal, recovered) = open(&path);
        assert_eq!((recovered.torn, journal.entry("a").unwrap().stage), (0, Stage::Finished));
    }
}

#[test]
fn garbage_after_the_tail_is_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    drop(journal);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 4096]).unwrap();
    let (journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered { torn: 4096, damaged: None });
    assert!(journal.entry("a").is_some());
}

#[test]
fn damage_in_the_middle_is_kept_aside_and_what_is_readable_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let first = HEADER..journal.size() as usize;
    journal.append(&[accepted("b"), accepted("c")], true, NOW).unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for at in first {
        let mut broken = bytes.clone();
        broken[at] ^= 0x40;
        fs::write(&path, &broken).unwrap();
        let (journal, recovered) = open(&path);
        let aside = recovered.damaged.unwrap();
        assert_eq!(fs::read(&aside).unwrap(), broken, "byte {at}");
        fs::remove_file(aside).unwrap();
        assert!(journal.entry("a").is_none() && journal.entry("b").is_some() && journal.entry("c").is_some());
        assert_eq!(journal.damaged_us(), Some(NOW));
        drop(journal);
        let (journal, recovered) = open(&path);
        assert_eq!((recovered.damaged, journal.damaged_us()), (None, Some(NOW)), "remembered");
    }
}

#[test]
fn a_file_that_is_no_journal_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    fs::write(&path, b"hello").unwrap();
    let (journal, recovered) = open(&path);
    assert!(recovered.damaged.is_some() && journal.damaged_us().is_some());
}

#[test]
fn bytes_from_outside_cannot_pass_for_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    let mut forged = Vec::new();
    record::frame([0; 8], &Record::from(finished("a")), &mut forged);
    let Body::Accepted(order) = accepted("a") else { panic!() };
    journal.append(&[Body::Accepted(Accepted { intent: forged, ..order })], true, NOW).unwrap();
    let end = journal.size();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..end as usize - 1]).unwrap();
    let (journal, recovered) = open(&path);
    assert!(recovered.torn > 0 && recovered.damaged.is_none() && journal.entry("a").is_none());
}

#[test]
fn compaction_keeps_what_is_open_and_forgets_ids_when_they_cannot_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    for id in ["a", "b", "c"] {
        journal.append(&[accepted(id), started(id)], true, NOW).unwrap();
    }
    journal.append(&[finished("a"), finished("b"), acknowledged("a")], true, NOW).unwrap();
    let before = journal.size();
    journal.compact(NOW + DAY).unwrap();
    assert!(journal.size() < before);
    assert_eq!(journal.entry("a").unwrap().stage, Stage::Acknowledged);
    assert_eq!(journal.outcome("b").unwrap().unwrap().signature, vec![6; 64]);
    assert_eq!(journal.unfinished().unwrap()[0].0.order_id, "c");
    journal.compact(NOW + DAY + REMEMBER_US).unwrap();
    assert!(journal.entry("a").is_some(), "remembered to the last moment");
    journal.compact(NOW + DAY + REMEMBER_US + 1).unwrap();
    assert!(journal.entry("a").is_none());
    assert!(journal.entry("b").is_some() && journal.entry("c").is_some(), "never while it is open");
    journal.append(&[finished("c")], true, NOW).unwrap();
    drop(journal);
    assert_eq!(open(&path).0.entry("c").unwrap().stage, Stage::Finished);
}

#[test]
fn it_compacts_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir.path().join("journal"));
    let big = |id: &str| {
        Body::Finished(Finished { order_id: id.into(), outcome: vec![5; 500_000], signature: vec![6; 64] })
    };
    for round in 0..60 {
        let id = format!("o{round}");
        journal.append(&[accepted(&id), big(&id), acknowledged(&id)], true, NOW).unwrap();
    }
    assert!(journal.size() < 3 * COMPACT_AT, "{}", journal.size());
    assert!((0..60).all(|round| journal.entry(&format!("o{round}")).is_some()));
}

#[tokio::test]
async fn orders_that_arrive_together_share_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let ledger = Ledger::new(open(&path).0, crate::clock::Clock::from_fn(|| NOW));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.append(vec![accepted(&format!("o{number}"))]).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let (journal, _) = open(&path);
    assert!((0..200).all(|number| journal.entry(&format!("o{number}")).is_some()));
}

#[test]
fn what_was_done_is_written_down_though_the_file_cannot_be_made_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    let big = |id: &str| {
        Body::Finished(Finished { order_id: id.into(), outcome: vec![5; 500_000], signature: vec![6; 64] })
    };
    journal.append(&[accepted("a"), started("a")], true, NOW).unwrap();
    // There is no room for a second file: its place is taken.
    fs::create_dir(path.with_extension("new")).unwrap();
    let mut round = 0;
    while journal.size() <= COMPACT_AT {
        let id = format!("o{round}");
        journal.append(&[accepted(&id), big(&id)], true, NOW).unwrap();
        round += 1;
    }
    assert!(journal.append(&[accepted("b")], true, NOW).is_err(), "nothing new is begun");
    assert!(journal.entry("b").is_none());
    journal.append(&[finished("a")], true, NOW).unwrap();
    drop(journal);
    assert!(open(&path).0.has_outcome("a"));
}
