//! Files taken into the vault, put back and deleted: what lies where afterwards, as other programs see it.

use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use quell_host::file::{Error as FileError, Kind};
use quell_host::vault::{
    Before, Deleted, Error, Event, Protect, Request, Restored, Step, Taken, Vault, delete, restore, take,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn on(_: Event) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn asked(path: &Path) -> Request {
    Request { path: path.to_owned(), sha256: None, sha1: None, max_bytes: 64 << 20, lift: false }
}

fn deleted(path: &Path) -> Result<Deleted, Error> {
    delete("del", &asked(path), &Protect::default(), Before::Nothing, &mut on)
}

struct Place {
    dir: TempDir,
    vault: Vault,
}

impl Place {
    fn new() -> Self {
        // On a file system with everything: attributes, access lists, flags.
        let dir = tempfile::tempdir_in(std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or("/var/tmp".into()))
            .unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        Self { dir, vault }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn take(&self, id: &str, path: &Path) -> Result<Taken, Error> {
        take(&self.vault, id, &asked(path), &Protect::default(), &mut on)
    }

    fn restore(&self, id: &str) -> Result<Restored, Error> {
        let restored = restore(&self.vault, id, false, false, &mut on)?;
        if restored.differs.is_empty() {
            self.vault.discard(id)?;
        }
        Ok(restored)
    }

    fn ids(&self) -> Vec<String> {
        self.vault.list().unwrap().into_iter().map(|entry| entry.id).collect()
    }

    /// Names in the directory, without the vault's.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "vault");
        names.sort();
        names
    }
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// All that other programs say of a file, but its inode number and time of status change.
fn seen(path: &Path) -> String {
    let text = path.to_str().unwrap();
    let look = [
        said("stat", &["-c", "%a %u %g %s %h %x %y", text]),
        said("getfacl", &["-np", text]),
        said("getfattr", &["-d", "-m", "-", "-e", "hex", "--absolute-names", text]),
        said("lsattr", &[text]),
    ];
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOATIME;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
    let mut content = Vec::new();
    std::fs::File::from(file).read_to_end(&mut content).unwrap();
    let hash = Sha256::digest(content);
    format!("{look:#?} {hash:?}")
}

fn ok(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_file_comes_back_exactly_as_it_was() {
    let place = Place::new();
    let content: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let path = place.file("odd \u{e9} 'name'", &content);
    let text = path.to_str().unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4751)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o6751)).unwrap();
    }
    let done = [
        ok("setfacl", &["-m", "u:77:rw,g:88:r", text]),
        ok("setfattr", &["-n", "user.note", "-v", "0x00ff10", text]),
        is_root
            && ok(
                "setfattr",
                &["-n", "security.capability", "-v", "0x0100000200040000000000000000000000000000", text],
            ),
        is_root && ok("setfattr", &["-n", "security.selinux", "-v", "system_u:object_r:bin_t:s0", text]),
        is_root && ok("chattr", &["+d", text]),
    ];
    println!("access list, attribute, capability, label, flag: {done:?}");
    assert!(ok("touch", &["-a", "-d", "2001-02-03 04:05:06.123456789 UTC", text]));
    assert!(ok("touch", &["-m", "-d", "1999-12-31 23:59:59.987654321 UTC", text]));
    // The directory's default list must not reach the file that comes back.
    let _ = ok("setfacl", &["-d", "-m", "u:99:rwx", place.dir.path().to_str().unwrap()]);
    let before = seen(&path);
    let taken = place.take("one", &path).unwrap();
    assert!(taken.is_gone && !path.exists() && taken.links_left == 0);
    assert_eq!(taken.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
    assert_eq!((place.names(), place.ids()), (vec![], vec!["one".to_owned()]));
    let stored = std::fs::read(place.dir.path().join("vault/one/content")).unwrap();
    assert!(!stored.windows(64).any(|window| content.starts_with(window)), "nothing in plain");
    let restored = place.restore("one").unwrap();
    assert!(restored.differs.is_empty() && !restored.replaced, "{restored:?}");
    assert_eq!(seen(&path), before);
    assert!(
        before.contains("2001-02-03 04:05:06.123456789") && before.contains("1999-12-31 23:59:59.987654321")
    );
    assert!(place.ids().is_empty());
    assert!(matches!(place.restore("one"), Err(Error::NoItem)));
}

#[test]
fn sparse_and_empty_files_come_back_as_small_as_they_were() {
    let place = Place::new();
    let path = place.file("sparse", b"begin");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 20 << 20).unwrap();
    file.set_len(40 << 20).unwrap();
    drop(file);
    let blocks = path.metadata().unwrap().blocks();
    let empty = place.file("empty", b"");
    for (id, path) in [("one", &path), ("two", &empty)] {
        let before = seen(path);
        place.take(id, path).unwrap();
        place.restore(id).unwrap();
        assert_eq!(seen(path), before);
    }
    assert!(path.metadata().unwrap().blocks() <= blocks + 8);
}

#[test]
fn an_immutable_file_is_moved_only_if_asked() {
    let place = Place::new();
    let path = place.file("locked", b"locked");
    let text = path.to_str().unwrap();
    if !ok("chattr", &["+ia", text]) {
        println!("skipped: no immutable files here");
        return;
    }
    assert!(matches!(place.take("one", &path), Err(Error::Immutable(_))));
    assert!(matches!(deleted(&path), Err(Error::Immutable(_))));
    let before = seen(&path);
    assert!(place.ids().is_empty() && place.names() == ["locked"]);
    let request = Request { lift: true, ..asked(&path) };
    let taken = take(&place.vault, "one", &request, &Protect::default(), &mut on).unwrap();
    assert!(taken.lifted && !path.exists());
    let restored = place.restore("one").unwrap();
    assert!(restored.differs.is_empty(), "{restored:?}");
    assert_eq!(seen(&path), before);
    assert!(ok("chattr", &["-ia", text]));
}

#[test]
fn what_must_not_or_cannot_be_taken_stays_untouched() {
    let place = Place::new();
    let path = place.file("file", b"content");
    let link = place.dir.path().join("link");
    symlink(&path, &link).unwrap();
    let through = place.dir.path().join("through");
    std::fs::create_dir(place.dir.path().join("real")).unwrap();
    symlink("real", &through).unwrap();
    std::fs::write(through.join("x"), b"x").unwrap();
    let fifo = place.dir.path().join("fifo");
    assert!(ok("mkfifo", &[fifo.to_str().unwrap()]));
    let refused = |path: &Path| {
        let by_take = place.take("one", path).unwrap_err();
        let by_delete = deleted(path).unwrap_err();
        assert_eq!(by_take.to_string(), by_delete.to_string());
        by_take
    };
    assert!(matches!(refused(&link), Error::File(FileError::Symlink { .. })));
    match refused(&through.join("x")) {
        Error::ThroughLink { real } => assert_eq!(real, place.dir.path().join("real/x")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(refused(&fifo), Error::File(FileError::NotRegular(Kind::Fifo))));
    let not_regular =
        |kind| move |error: Error| matches!(error, Error::File(FileError::NotRegular(is)) if is == kind);
    assert!(not_regular(Kind::Directory)(refused(place.dir.path())));
    assert!(not_regular(Kind::Directory)(refused(Path::new("/"))));
    assert!(not_regular(Kind::Device)(refused(Path::new("/dev/null"))));
    for pseudo in ["/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/version"] {
        let error = refused(Path::new(pseudo));
        let is_refused =
            matches!(error, Error::File(FileError::Pseudo | FileError::NotFound) | Error::ThroughLink { .. });
        assert!(is_refused, "{pseudo}: {error:?}");
    }
    assert!(matches!(refused(&place.dir.path().join("absent")), Error::File(FileError::NotFound)));
    assert!(matches!(refused(&place.dir.path().join("no/such")), Error::File(FileError::NotFound)));
    assert!(matches!(refused(&path.join("below")), Error::File(_)));
    assert!(matches!(refused(Path::new("relative")), Error::File(FileError::Path(_))));
    let request = Request { max_bytes: 3, ..asked(&path) };
    let large = take(&place.vault, "one", &request, &Protect::default(), &mut on);
    assert!(matches!(large, Err(Error::File(FileError::TooLarge { .. }))));
    let request = Request { sha256: Some([7; 32]), ..asked(&path) };
    let other = take(&place.vault, "one", &request, &Protect::default(), &mut on);
    assert!(matches!(other, Err(Error::Mismatch { kind: "SHA-256", .. })));
    let protect = Protect::new(&[place.dir.path()]);
    let own = take(&place.vault, "one", &asked(&path), &protect, &mut on);
    assert!(matches!(own, Err(Error::Protected(_))));
    let exe = std::fs::canonicalize("/proc/self/exe").unwrap();
    let own = take(&place.vault, "one", &Request { max_bytes: 1 << 40, ..asked(&exe) }, &protect, &mut on);
    assert!(matches!(own, Err(Error::Protected(_))), "{own:?}");
    for bad in ["", "..", "a/b", "A", "key", "."] {
        assert!(matches!(place.restore(bad), Err(Error::NoItem)), "{bad}");
    }
    let mut stop = |_| ControlFlow::Break(());
    let stopped = take(&place.vault, "one", &asked(&path), &Protect::default(), &mut stop);
    assert!(matches!(stopped, Err(Error::File(FileError::Canceled { .. }))));
    assert_eq!((std::fs::read(&path).unwrap(), place.ids()), (b"content".to_vec(), vec![]));
    assert_eq!(place.names(), ["fifo", "file", "link", "real", "through"]);
}

#[test]
fn nothing_is_replaced_unless_asked_and_nothing_is_lost() {
    let place = Place::new();
    let path = place.file("file", b"first");
    place.take("one", &path).unwrap();
    std::fs::write(&path, b"second").unwrap();
    assert!(matches!(place.restore("one"), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    let restored = restore(&place.vault, "one", true, false, &mut on).unwrap();
    assert!(restored.replaced && std::fs::read(&path).unwrap() == b"first");
    place.vault.discard("one").unwrap();
    let deep = place.dir.path().join("deep");
    std::fs::create_dir(&deep).unwrap();
    let file = deep.join("file");
    std::fs::write(&file, b"deep").unwrap();
    place.take("two", &file).unwrap();
    std::fs::remove_dir(&deep).unwrap();
    assert!(matches!(place.restore("two"), Err(Error::NoParent { .. })));
    std::fs::create_dir_all(&file).unwrap();
    assert!(
        matches!(restore(&place.vault, "two", true, false, &mut on), Err(Error::File(_))),
        "a directory lies there"
    );
    std::fs::remove_dir(&file).unwrap();
    assert_eq!(place.ids(), ["two"]);
    place.restore("two").unwrap();
    // A changed item restores nothing.
    place.take("three", &file).unwrap();
    let content = place.dir.path().join("vault/three/content");
    let mut bytes = std::fs::read(&content).unwrap();
    bytes[45] ^= 1;
    std::fs::write(&content, bytes).unwrap();
    assert!(matches!(place.restore("three"), Err(Error::Damaged(_))));
    assert!(!file.exists() && std::fs::read_dir(&deep).unwrap().next().is_none());
}

#[test]
fn what_takes_a_restored_files_name_is_left_as_it_is() {
    let place = Place::new();
    let path = place.file("file", b"first");
    place.take("one", &path).unwrap();
    let other = place.file("other", b"other");
    let before = std::fs::metadata(&other).unwrap();
    let mut swap = |event| {
        if event == Event::Step(Step::Placed) {
            std::fs::rename(&other, &path).unwrap();
        }
        ControlFlow::Continue(())
    };
    let restored = restore(&place.vault, "one", false, false, &mut swap);
    assert!(matches!(restored, Err(Error::Changing)), "{restored:?}");
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
    assert_eq!((after.atime(), after.atime_nsec()), (before.atime(), before.atime_nsec()));
    assert_eq!(place.ids(), ["one"]);
}

#[test]
fn deletion_says_which_names_are_left() {
    let place = Place::new();
    let path = place.file("file", b"content");
    let other = place.dir.path().join("other");
    std::fs::hard_link(&path, &other).unwrap();
    let one = deleted(&path).unwrap();
    assert_eq!((one.links_left, one.other_names.as_slice()), (1, ["other".to_owned()].as_slice()));
    assert!(one.is_gone && other.exists());
    let two = deleted(&other).unwrap();
    assert_eq!((two.links_left, two.content.unwrap().size), (0, 7));
    assert!(place.names().is_empty());
    let program = place.dir.path().join("program");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut child = Command::new(&program).arg("1000").spawn().unwrap();
    let taken = place.take("one", &program).unwrap();
    assert_eq!(taken.runs.iter().map(|one| one.pid).collect::<Vec<_>>(), [child.id()]);
    assert!(child.try_wait().unwrap().is_none(), "it runs on");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn trial(what: &str, place: &Place, path: &Path, step: &str) -> bool {
    let vault = place.dir.path().join("vault");
    let output = Command::new(env!("CARGO_BIN_EXE_quell-host-trial"))
        .args(["vaulted", what, vault.to_str().unwrap(), path.to_str().unwrap(), step])
        .output()
        .unwrap();
    let done = output.stdout == b"done\n";
    assert!(done || output.status.code().is_none(), "{output:?}");
    done
}

#[test]
fn a_death_at_any_step_leaves_the_file_or_its_copy() {
    for step in ["Content", "Sealed", "Prepared", "Staged", "Checked", "Unlinked"] {
        let place = Place::new();
        let path = place.file("file", b"content");
        let before = seen(&path);
        assert!(!trial("take", &place, &path, step), "{step}");
        let is_there = path.metadata().is_ok_and(|facts| facts.len() == 7);
        assert!(is_there || place.ids() == ["one"], "{step}: neither");
        assert!(trial("take", &place, &path, "none"), "{step}");
        assert!(
            !path.exists() && place.ids() == ["one"] && place.names().is_empty(),
            "{step}: {:?}",
            place.names()
        );
        for back in ["Written", "Placed", "Verified"] {
            assert!(!trial("restore", &place, &path, back), "{step} {back}");
            assert!(path.exists() || place.ids() == ["one"], "{step} {back}: neither");
        }
        assert!(trial("restore", &place, &path, "none"));
        assert_eq!(seen(&path), before, "{step}");
        assert!(place.ids().is_empty() && place.names() == ["file"]);
    }
    for step in ["Prepared", "Staged", "Checked", "Unlinked"] {
        let place = Place::new();
        let path = place.file("file", b"content");
        assert!(!trial("delete", &place, &path, step), "{step}");
        assert!(trial("delete", &place, &path, "none"), "{step}");
        assert!(place.names().is_empty(), "{step}: {:?}", place.names());
    }
}

#[test]
fn nobody_takes_credit_for_a_file_that_was_never_there() {
    let place = Place::new();
    let absent = asked(&place.dir.path().join("absent"));
    let again = |before| delete("del", &absent, &Protect::default(), before, &mut on);
    assert!(matches!(again(Before::Begun), Err(Error::File(FileError::NotFound))));
    assert!(again(Before::Checked).unwrap().content.is_none());
}

#[test]
fn a_file_swapped_in_a_loop_is_never_the_one_that_goes() {
    let place = Place::new();
    let path = place.file("file", b"malware");
    let sha256 = Some(Sha256::digest(b"malware").into());
    let (good, stop) = (place.dir.path().join("good"), AtomicBool::new(false));
    let (mut taken, mut turned_away) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Exchanges the two names over and over; RENAME_EXCHANGE leaves no moment without either.
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, &path, CWD, &good, RenameFlags::EXCHANGE);
            }
        });
        for round in 0..150 {
            let id = format!("round-{round}");
            std::fs::write(&good, b"precious").unwrap();
            if !path.exists() {
                std::fs::write(&path, b"malware").unwrap();
            }
            let request = Request { sha256, ..asked(&path) };
            match take(&place.vault, &id, &request, &Protect::default(), &mut on) {
                Ok(one) => {
                    assert_eq!(Some(one.sha256), sha256);
                    taken += 1;
                }
                Err(Error::Stranded { path }) => {
                    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
                    turned_away += 1;
                }
                Err(_) => turned_away += 1,
            }
            std::fs::remove_dir_all(place.dir.path().join("vault").join(&id)).ok();
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{taken} taken, {turned_away} turned away");
    let left: Vec<_> = [&path, &good].iter().filter_map(|path| std::fs::read(path).ok()).collect();
    assert!(left.contains(&b"precious".to_vec()), "{left:?}");
    assert!(place.names().iter().all(|name| name == "file" || name == "good"), "{:?}", place.names());
}

#[test]
fn a_full_vault_and_a_read_only_place_change_nothing() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let place = Place::new();
    let path = place.file("file", &vec![7; 1 << 20]);
    let script = r#"
        set -e
        mkdir "$1/small" "$1/ro"
        mount -t tmpfs -o size=100m none "$1/small"
        "$2" vaulted take "$1/small" "$1/file" none || echo full
        cp "$1/file" "$1/ro/file"
        mount --bind "$1/ro" "$1/ro"
        mount -o remount,ro,bind "$1/ro"
        "$2" vaulted take "$1/vault" "$1/ro/file" none || echo read-only
        "$2" vaulted delete "$1/vault" "$1/ro/file" none || echo read-only
        touch "$1/mounted"
        mount --bind "$1/file" "$1/mounted"
        "$2" vaulted take "$1/vault" "$1/mounted" none || echo mounted
    "#;
    // Beyond the spare room, so the file finds none.
    let big = vec![7; 40 << 20];
    std::fs::write(&path, &big).unwrap();
    let dir = place.dir.path().to_str().unwrap();
    let trial = env!("CARGO_BIN_EXE_quell-host-trial");
    let output = Command::new("unshare").args(["-m", "sh", "-c", script, "sh", dir, trial]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "full\nread-only\nread-only\nmounted\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(&path).unwrap() == big && place.ids().is_empty());
}
