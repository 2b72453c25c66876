//! The journal through restarts, torn tails, damage and compaction.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;

use super::record::HEADER;
use super::record::{Accepted, Acknowledged, Finished, Started};
use super::*;

mod blocks;
mod full;
mod lost;

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

/// As an enrolled agent does.
fn open(path: &Path) -> (Journal, Recovered) {
    Journal::create(path).unwrap();
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

/// The records as they stand in the file, without the room after them.
fn written(journal: Journal, path: &Path) -> Vec<u8> {
    let size = journal.size() as usize;
    drop(journal);
    let mut bytes = fs::read(path).unwrap();
    assert!(bytes[size..].iter().all(|byte| *byte == 0), "nothing but room is after the last record");
    bytes.truncate(size);
    bytes
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_nothing_before_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), started("a")], true, NOW).unwrap();
    let whole = journal.size() as usize;
    journal.append(&[finished("a")], true, NOW).unwrap();
    let bytes = written(journal, &path);
    // With nothing after it, as a file was that grew with each record; and with room after it.
    for (cut, room) in (whole..bytes.len()).flat_map(|cut| [(cut, 0), (cut, 700)]) {
        fs::write(&path, [&bytes[..cut], &vec![0; room]].concat()).unwrap();
        let torn = bytes[whole..cut].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let (mut journal, recovered) = open(&path);
        assert_eq!(
            recovered,
            Recovered { torn: torn as u64, ..Recovered::default() },
            "cut at {cut}, room {room}"
        );
        assert!(matches!(journal.entry("a").unwrap().stage, Stage::Started { attempts: 1, .. }));
        journal.append(&[finished("a")], true, NOW).unwrap();
        drop(journal);
        let (journal, recovered) = open(&path);
        assert_eq!((recovered.torn, journal.entry("a").unwrap().stage), (0, Stage::Finished));
    }
}

#[test]
fn a_record_of_which_only_later_blocks_were_written_is_torn_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let whole = journal.size() as usize;
    let big =
        Body::Finished(Finished { order_id: "a".into(), outcome: vec![5; 9000], signature: vec![6; 64] });
    journal.append(&[big], true, NOW).unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for lost in [whole..4096, 4096..8192, whole..8192] {
        let mut torn = bytes.clone();
        torn[lost].fill(0);
        fs::write(&path, &torn).unwrap();
        let (journal, recovered) = open(&path);
        assert!(recovered.torn > 0 && recovered.damaged.is_none(), "{recovered:?}");
        assert_eq!((journal.size() as usize, journal.entry("a").unwrap().stage), (whole, Stage::Accepted));
        drop(journal);
        assert_eq!(fs::metadata(&path).unwrap().len() as usize, whole, "the rest of it is gone for good");
    }
}

#[test]
fn garbage_after_the_tail_is_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let bytes = written(journal, &path);
    fs::write(&path, [bytes.as_slice(), &[0x5a; 4096], &[0; 4096]].concat()).unwrap();
    let (journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered { torn: 4096, ..Recovered::default() });
    assert!(journal.entry("a").is_some());
}

#[test]
fn zeros_after_the_last_record_are_room_however_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let bytes = written(journal, &path);
    for room in [0, 1, 7, 8, 4096, 100_000] {
        fs::write(&path, [bytes.as_slice(), &vec![0; room]].concat()).unwrap();
        let (mut journal, recovered) = open(&path);
        assert_eq!(recovered, Recovered::default(), "{room}");
        assert_eq!(journal.size() as usize, bytes.len());
        journal.append(&[started("a")], true, NOW).unwrap();
        drop(journal);
        let (journal, recovered) = open(&path);
        assert_eq!(recovered, Recovered::default(), "{room}");
        assert!(matches!(journal.entry("a").unwrap().stage, Stage::Started { .. }));
    }
}

#[test]
fn a_record_changes_the_files_size_once_a_piece() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    let mut sizes = HashSet::new();
    let mut number = 0;
    while journal.size() < 3 * write::PIECE {
        journal.append(&[accepted(&format!("o{number}"))], true, NOW).unwrap();
        sizes.insert(fs::metadata(&path).unwrap().len());
        number += 1;
    }
    sizes.remove(&(4 * write::PIECE));
    assert_eq!(sizes, (1..=3).map(|pieces| pieces * write::PIECE).collect());
    let facts = fs::metadata(&path).unwrap();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&facts);
    assert!(blocks * 512 >= facts.len(), "no holes: {blocks} blocks");
    drop(journal);
    let (journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert!((0..number).all(|number| journal.entry(&format!("o{number}")).is_some()));
}

#[test]
fn a_record_may_end_where_a_piece_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let fit = |outcome| Body::Finished(Finished { order_id: "a".into(), outcome, signature: vec![6; 64] });
    let mut around = Vec::new();
    record::frame([0; 8], record::FIRST, &fit(vec![5; 60_000]), &mut around);
    let left = (write::PIECE - journal.size()) as usize;
    journal.append(&[fit(vec![5; left - (around.len() - 60_000)])], true, NOW).unwrap();
    assert_eq!(journal.size(), write::PIECE);
    drop(journal);
    let (mut journal, recovered) = open(&path);
    assert_eq!((recovered, journal.size()), (Recovered::default(), write::PIECE));
    journal.append(&[accepted("b"), fit(vec![7; 200_000])], true, NOW).unwrap();
    drop(journal);
    let (mut journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.outcome("a").unwrap().unwrap().outcome, vec![7; 200_000]);
    assert!(journal.entry("b").is_some());
}

#[test]
fn an_acknowledgement_is_known_at_once_and_goes_with_the_next_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let copied = dir.path().join("copy");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), finished("a"), accepted("b"), finished("b")], true, NOW).unwrap();
    let on_disk = |id: &str| {
        fs::copy(&path, &copied).unwrap();
        open(&copied).0.entry(id).unwrap().stage
    };
    assert!(!journal.acknowledge("a") && !journal.acknowledge("nobody"));
    assert_eq!((journal.unacknowledged().as_slice(), on_disk("a")), (&["b".to_owned()][..], Stage::Finished));
    journal.append(&[accepted("c")], true, NOW).unwrap();
    assert_eq!((on_disk("a"), on_disk("b")), (Stage::Acknowledged, Stage::Finished));
    journal.acknowledge("b");
    drop(journal);
    assert_eq!(on_disk("b"), Stage::Acknowledged, "written when the agent ends");
}

#[tokio::test]
async fn many_acknowledgements_do_not_wait_for_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let ledger = Ledger::new(open(&path).0, crate::clock::Clock::from_fn(|| NOW));
    let ids: Vec<String> = (0..100).map(|number| format!("o{number}")).collect();
    ledger.append(ids.iter().flat_map(|id| [accepted(id), finished(id)]).collect()).await.unwrap();
    let before = ledger.with(|journal| journal.size());
    for id in &ids {
        ledger.acknowledge(id);
    }
    assert!(ledger.with(|journal| journal.unacknowledged()).is_empty());
    let grown = async {
        while ledger.with(|journal| journal.size()) == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), grown).await.unwrap();
}

#[test]
fn damage_in_the_middle_is_kept_aside_and_what_is_readable_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a")], true, NOW).unwrap();
    let first = HEADER..journal.size() as usize;
    journal.append(&[accepted("b"), accepted("c")], true, NOW).unwrap();
    let bytes = written(journal, &path);
    for (at, room) in first.flat_map(|at| [(at, 0), (at, 300)]) {
        let mut broken = [bytes.as_slice(), &vec![0; room]].concat();
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
    record::frame([0; 8], record::FIRST, &finished("a"), &mut forged);
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
