//! What belongs to the agent is read by no statement, under whatever name.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{ask, lines};

#[test]
fn the_agents_own_state_is_read_by_nobody() {
    let space = tempfile::tempdir().unwrap();
    let space = space.path().canonicalize().unwrap();
    let (state, out) = (space.join("state"), space.join("out"));
    for directory in [state.join("vault"), out.clone()] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(state.join("key.der"), "rule key { condition: true }").unwrap();
    fs::write(state.join("journal"), "journal").unwrap();
    fs::write(out.join("file"), "mine").unwrap();
    fs::hard_link(state.join("key.der"), out.join("hard")).unwrap();
    symlink(state.join("key.der"), out.join("soft")).unwrap();
    symlink(&state, out.join("dir")).unwrap();
    let held = fs::File::open(state.join("key.der")).unwrap();
    let by_descriptor = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&held));
    let rooted = format!("/proc/{}/root{}", std::process::id(), state.join("key.der").display());
    // Of the whole test program; no other test has such a directory.
    quell_host::file::keep_out(&state, &["key.der", "vault/key"]);
    let show = |path: std::path::PathBuf| path.display().to_string();
    let names = [
        show(state.join("key.der")),
        show(state.join("journal")),
        show(out.join("hard")),
        show(out.join("soft")),
        show(out.join("dir/key.der")),
        by_descriptor,
        rooted,
    ];
    for name in &names {
        for sql in [
            format!(
                "SELECT * FROM yara WHERE path = '{name}' AND sigrule = 'rule r {{ condition: uint8(0) & 1 != 0 }}'"
            ),
            format!("SELECT * FROM yara WHERE path = '{}' AND sigfile = '{name}'", show(out.join("file"))),
            format!("SELECT * FROM hash WHERE path = '{name}'"),
        ] {
            let answer = ask(&sql);
            assert!(answer.rows.is_empty(), "{sql}");
            assert!(answer.summary.warnings.join(" ").contains("belongs to the agent"), "{sql}");
        }
    }
    for place in [&state, &out.join("dir")] {
        let answer = ask(&format!("SELECT path FROM file WHERE directory = '{}'", place.display()));
        assert!(answer.rows.is_empty() && answer.summary.troubles > 0, "{}", place.display());
    }
    let below = lines(&format!("SELECT path FROM file WHERE path LIKE '{}/%%'", space.display()));
    assert!(!below.iter().any(|path| path.contains("journal")), "{below:?}");
    assert_eq!(lines(&format!("SELECT count(*) FROM hash WHERE path = '{}'", show(out.join("file")))), ["1"]);
}
