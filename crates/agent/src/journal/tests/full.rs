//! The journal on a disk that is nearly full: what is left is for records, not for their room.
#![expect(clippy::print_stdout, reason = "tells why it was skipped")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

const DISK: &str = "QUELL_TEST_SMALL_DISK";

#[test]
fn records_are_written_bare_where_there_is_no_room_for_more() {
    let dir = tempfile::tempdir().unwrap();
    // A file system of three megabytes, in a mount namespace that ends with the child.
    let mount = "mount -t tmpfs -o size=3m none \"$1\" || exit 77; shift; exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", mount, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "journal::tests::full::child_fills_a_small_disk"])
        .env(DISK, dir.path())
        .stdin(Stdio::null())
        .output();
    match child {
        Err(error) => println!("skipped: unshare cannot be run: {error}"),
        // `unshare` or the mount was refused; a test that fails ends otherwise.
        Ok(child) if matches!(child.status.code(), Some(1 | 77)) => {
            println!("skipped: a file system of its own needs root");
        }
        Ok(child) => {
            let said = String::from_utf8_lossy(&child.stdout);
            let complained = String::from_utf8_lossy(&child.stderr);
            assert!(child.status.success() && said.contains("1 passed"), "{said}{complained}");
        }
    }
}

/// Leaves so many bytes of the disk.
fn leave(dir: &Path, bytes: u64) {
    let mut filler = File::create(dir.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let full = filler.metadata().unwrap().len();
    filler.set_len(full - bytes).unwrap();
}

#[test]
#[ignore = "run by records_are_written_bare_where_there_is_no_room_for_more"]
fn child_fills_a_small_disk() {
    let dir = PathBuf::from(std::env::var_os(DISK).unwrap());
    let path = dir.join("journal");
    let length = || fs::metadata(&path).unwrap().len();
    let (mut journal, _) = open(&path);
    journal.append(&[accepted("first"), started("first")], true, NOW).unwrap();
    assert_eq!(length(), write::PIECE);
    leave(&dir, 4 * 4096);
    // As many as fit into what is left, two records at a time.
    let (mut ids, mut bare) = (Vec::new(), 0);
    let error = loop {
        let id = format!("o{}", ids.len());
        let before = journal.size();
        if let Err(error) = journal.append(&[accepted(&id), started(&id)], true, NOW) {
            assert_eq!((journal.size(), length()), (before, before), "nothing half-written");
            assert!(journal.entry(&id).is_none());
            break error;
        }
        if journal.size() > write::PIECE {
            assert_eq!(length(), journal.size(), "bare");
            bare += 1;
        }
        ids.push(id);
    };
    assert!(error.is_full_disk(), "{error:?}");
    assert!(bare > 3 * 4096 / 300, "{bare}");
    // After a crash here nothing is missing and nothing is torn.
    let copy = File::open(&path).unwrap();
    drop(journal);
    assert_eq!(copy.metadata().unwrap().len(), length());
    let (mut journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert!(ids.iter().all(|id| matches!(journal.entry(id).unwrap().stage, Stage::Started { .. })));
    // An end that does not fit is written all the same: the reserve makes way for it, and the file has room again.
    let outcome = vec![5; 40_000];
    let end = Finished { order_id: "first".into(), outcome: outcome.clone(), signature: vec![6; 64] };
    let reserve = path.with_extension("reserve");
    assert!(reserve.exists());
    journal.append(&[Body::Finished(end)], true, NOW).unwrap();
    assert!(!reserve.exists() && length().is_multiple_of(write::PIECE));
    assert!(
        journal.append(&[accepted("late")], true, NOW).unwrap_err().is_full_disk(),
        "no reserve, no order"
    );
    drop(journal);
    let (mut journal, recovered) = open(&path);
    assert_eq!(recovered, Recovered::default());
    assert_eq!(journal.outcome("first").unwrap().unwrap().outcome, outcome);
    assert!(journal.entry("late").is_none() && ids.iter().all(|id| journal.entry(id).is_some()));
}
