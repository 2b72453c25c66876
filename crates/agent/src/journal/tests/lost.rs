//! A journal that is gone, and a new file that is not surely in its place: neither may pass for good news.

use std::os::unix::fs::PermissionsExt;

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

#[test]
fn an_absent_journal_is_a_lost_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    Journal::create(&path).unwrap();
    let (mut journal, recovered) = Journal::open(&path, NOW).unwrap();
    assert_eq!((recovered, journal.damaged_us()), (Recovered::default(), None), "made at enrolment");
    journal.append(&[accepted("a")], true, NOW).unwrap();
    drop(journal);
    Journal::create(&path).unwrap();
    assert!(open(&path).0.entry("a").is_some(), "one that is there stays");

    fs::remove_file(&path).unwrap();
    let (journal, recovered) = Journal::open(&path, NOW).unwrap();
    assert_eq!(recovered, Recovered { missing: true, ..Recovered::default() });
    assert_eq!(journal.damaged_us(), Some(NOW));
    drop(journal);
    let (journal, recovered) = Journal::open(&path, NOW + DAY).unwrap();
    assert_eq!((recovered, journal.damaged_us()), (Recovered::default(), Some(NOW)), "remembered, told once");
}

/// The directory can be written and not be opened, so that a file gets its name and nobody knows whether that is on
/// the disk.
fn without_sync<T: Send>(dir: &Path, work: impl FnOnce() -> T + Send) -> T {
    let mode = |mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o300);
    // A thread has capabilities of its own.
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut mine = capabilities(None).unwrap();
            mine.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, mine).unwrap();
            assert!(File::open(dir).is_err());
            work()
        });
        thread.join()
    });
    mode(0o700);
    done.unwrap()
}

#[test]
fn what_is_written_after_a_failed_compaction_is_in_the_file_that_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), started("a"), accepted("b"), finished("b")], true, NOW).unwrap();
    journal.acknowledge("b");
    let end = [finished("a")];
    without_sync(dir.path(), || {
        assert!(journal.compact(NOW).is_err());
        // Nothing is taken on, and no end is called written, while a loss of power could bring the old file back.
        assert!(journal.append(&[accepted("c"), started("c")], true, NOW).is_err());
        assert!(journal.append(&end, true, NOW).is_err());
    });
    assert!(journal.entry("c").is_none());
    assert!(matches!(journal.entry("a").unwrap().stage, Stage::Started { .. }));
    assert_eq!(journal.unfinished().unwrap()[0].0.order_id, "a", "what it holds can be read");
    journal.append(&end, true, NOW).unwrap();
    journal.append(&[accepted("d")], true, NOW).unwrap();
    std::mem::forget(journal);
    let (mut journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.outcome("a").unwrap().unwrap().outcome, vec![5; 50]);
    assert_eq!(journal.entry("b").unwrap().stage, Stage::Acknowledged);
    assert!(journal.entry("c").is_none() && journal.entry("d").is_some());
}

#[test]
fn a_compaction_that_fails_before_its_end_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("a"), started("a")], true, NOW).unwrap();
    // Where the new file is to be made is something else.
    fs::create_dir(path.with_extension("new")).unwrap();
    assert!(journal.compact(NOW).is_err());
    journal.append(&[finished("a")], true, NOW).unwrap();
    std::mem::forget(journal);
    assert_eq!(open(&path).0.entry("a").unwrap().stage, Stage::Finished);
}
