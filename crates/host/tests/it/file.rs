//! Real files of every kind, opened, collected, and read back by other programs.

use std::ffi::OsStr;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quell_host::file::{
    Collected, Error, Kind, Limits, Opened, Password, SIDECAR, collect, collect_to_file, keep_out,
    open_descriptor, open_executable, open_for_collect,
};
use quell_host::process::{self, Identity};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::until;

const LIMITS: Limits = Limits { size: 64 << 20, follow: false, pseudo: false };
const PASSWORD: &str = "correct horse";

fn password() -> Password {
    Password::new(PASSWORD).unwrap()
}

fn open(path: impl AsRef<Path>) -> Result<Opened, Error> {
    let start = Instant::now();
    let result = open_for_collect(path.as_ref(), LIMITS);
    assert!(start.elapsed() < Duration::from_secs(2), "opening blocked");
    result
}

/// Collects into a new archive and checks everything that can be checked about it from outside.
fn collected(opened: Opened, dir: &TempDir, content: &[u8]) -> (Collected, serde_json::Value) {
    let spool = dir.path().join("archive.zip");
    let _ = std::fs::remove_file(&spool);
    let done = collect_to_file(opened, &password(), &spool, |_| ControlFlow::Continue(())).unwrap();
    let bytes = std::fs::read(&spool).unwrap();
    assert_eq!(done.archive_size, bytes.len() as u64);
    assert_eq!(done.archive_sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
    assert_eq!(done.sha256, <[u8; 32]>::from(Sha256::digest(content)));
    assert_eq!(done.sha1, <[u8; 20]>::from(Sha1::digest(content)));
    assert_eq!(std::fs::metadata(&spool).unwrap().permissions().mode() & 0o777, 0o600);

    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    assert_eq!(zip.len(), 2);
    let mut read = |name: &str| {
        let mut out = Vec::new();
        zip.by_name_decrypt(name, PASSWORD.as_bytes()).unwrap().read_to_end(&mut out).unwrap();
        out
    };
    assert!(read(&done.entry) == content);
    let sidecar = serde_json::from_slice(&read(SIDECAR)).unwrap();
    assert!(zip.by_name_decrypt(SIDECAR, b"wrong").is_err());
    (done, sidecar)
}

fn seven_zip(arguments: &[&str], archive: &Path) -> Option<std::process::Output> {
    match Command::new("7z").args(arguments).arg(archive).stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: 7z cannot be run: {error}");
            None
        }
    }
}

#[test]
fn a_file_is_collected_with_its_hashes_and_facts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "evidence ".repeat(50_000)).unwrap();
    let (done, sidecar) = collected(open(&path).unwrap(), &dir, "evidence ".repeat(50_000).as_bytes());
    assert_eq!(done.entry, "notes.txt");
    assert_eq!(done.changed_while_reading, None);
    assert!(done.archive_size < done.size / 10);
    assert_eq!(sidecar["requested"]["path"]["text"], path.to_str().unwrap());
    assert_eq!(sidecar["inode"], std::fs::metadata(&path).unwrap().ino());
    assert_eq!(sidecar["size"], 450_000);
}

#[test]
fn an_empty_file_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty");
    std::fs::write(&path, "").unwrap();
    let (done, _) = collected(open(&path).unwrap(), &dir, b"");
    assert_eq!((done.size, done.changed_while_reading), (0, None));
}

#[test]
fn seven_zip_reads_what_we_write_and_nothing_without_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sample.bin");
    let content: Vec<u8> =
        (0..3_000_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&path, &content).unwrap();
    let spool = dir.path().join("a.zip");
    collect_to_file(open(&path).unwrap(), &password(), &spool, |_| ControlFlow::Continue(())).unwrap();
    let Some(tested) = seven_zip(&["t", &format!("-p{PASSWORD}")], &spool) else { return };
    let text = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(
        tested.status.success() && text.contains("Everything is Ok") && !text.contains("Warning"),
        "{text}"
    );
    let out = dir.path().join("out");
    let to = format!("-o{}", out.display());
    assert!(seven_zip(&["x", &format!("-p{PASSWORD}"), &to], &spool).unwrap().status.success());
    assert!(std::fs::read(out.join("sample.bin")).unwrap() == content);
    assert!(out.join(SIDECAR).exists());
    assert!(!seven_zip(&["t", "-pwrong"], &spool).unwrap().status.success());
    let listed = String::from_utf8(seven_zip(&["l", "-slt"], &spool).unwrap().stdout).unwrap();
    assert_eq!(listed.matches("AES-256").count(), 2, "{listed}");
    assert!(!listed.contains("CRC = 0") || listed.contains("CRC = 00000000"), "{listed}");
}

#[test]
fn what_is_no_regular_file_is_refused_without_blocking() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, kind) in [
        (fifo.as_path(), Kind::Fifo),
        (&socket, Kind::Socket),
        (dir.path(), Kind::Directory),
        (Path::new("/"), Kind::Directory),
        (Path::new("/dev/zero"), Kind::Device),
        (Path::new("/dev/tty"), Kind::Device),
    ] {
        match open(path) {
            Err(Error::NotRegular(found)) => assert_eq!(found, kind, "{path:?}"),
            other => panic!("{path:?}: {other:?}"),
        }
    }
}

#[test]
fn the_kernels_own_files_are_taken_only_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["/proc/kmsg", "/proc/self/mem", "/proc/version", "/sys/kernel/uevent_seqnum"] {
        assert!(matches!(open(path), Err(Error::Pseudo | Error::NotFound)), "{path}");
    }
    let limits = Limits { pseudo: true, ..LIMITS };
    let opened = open_for_collect(Path::new("/proc/version"), limits).unwrap();
    collected(opened, &dir, &std::fs::read("/proc/version").unwrap());
}

#[test]
fn links_are_refused_at_the_end_and_reported_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("file"), "x").unwrap();
    symlink("real", dir.path().join("parent")).unwrap();
    symlink("real/file", dir.path().join("link")).unwrap();
    symlink("circle", dir.path().join("circle")).unwrap();

    match open(dir.path().join("link")) {
        Err(Error::Symlink { target }) => assert_eq!(target, Path::new("real/file")),
        other => panic!("{other:?}"),
    }
    let follow = Limits { follow: true, ..LIMITS };
    assert_eq!(open_for_collect(&dir.path().join("link"), follow).unwrap().resolved, real.join("file"));
    assert!(matches!(open_for_collect(&dir.path().join("circle"), follow), Err(Error::Path(_))));
    assert!(matches!(open(dir.path().join("circle/x")), Err(Error::Path(_))));
    let through = open(dir.path().join("parent/file")).unwrap();
    assert_eq!(through.resolved, real.join("file"));

    // A magic link leads into another process's world; not by path.
    let file = std::fs::File::open(real.join("file")).unwrap();
    let magic = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    assert!(open_for_collect(&magic, follow).is_err());
    assert!(open(format!("/proc/self/root{}", real.join("file").display())).is_err());
}

#[test]
fn a_link_leads_to_files_of_whoever_made_it() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (theirs, other) = (dir.path().join("theirs"), dir.path().join("other"));
    std::fs::write(&theirs, "x").unwrap();
    std::fs::write(&other, "x").unwrap();
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(54_321), None).unwrap();
    give(&theirs);
    let link = |name: &str, target: &str, is_theirs: bool| {
        let path = dir.path().join(name);
        symlink(target, &path).unwrap();
        if is_theirs {
            give(&path);
        }
        path
    };
    let follow = Limits { follow: true, ..LIMITS };
    let fair = [link("a", "theirs", true), link("b", "other", false), link("c", "a", false)];
    for path in fair {
        assert!(open_for_collect(&path, follow).is_ok(), "{}", path.display());
    }
    link("sub", "./other", true);
    for path in [link("d", other.to_str().unwrap(), true), link("e", "d", false), dir.path().join("sub")] {
        let refused = open_for_collect(&path, follow);
        assert!(matches!(refused, Err(Error::ForeignLink { owner: 54_321, found: 0 })), "{refused:?}");
    }
}

#[test]
fn what_is_kept_out_is_opened_by_no_way() {
    // For all tests of this program: nothing else lies there.
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    std::fs::create_dir_all(own.join("vault")).unwrap();
    let key = own.join("vault/key");
    std::fs::write(&key, "secret").unwrap();
    std::fs::write(own.join("other"), "secret").unwrap();
    keep_out(&own, &["vault/key"]);
    let linked = dir.path().join("linked");
    std::fs::hard_link(&key, &linked).unwrap();
    symlink(&key, dir.path().join("link")).unwrap();
    let follow = Limits { follow: true, ..LIMITS };
    for path in [&key, &own.join("other"), &linked, &dir.path().join("link")] {
        let refused = open_for_collect(path, follow);
        assert!(matches!(refused, Err(Error::Own)), "{}: {refused:?}", path.display());
    }
    let held = std::fs::File::open(&key).unwrap();
    let descriptor = held.as_raw_fd().cast_unsigned();
    let held = open_descriptor(Identity::own().unwrap(), descriptor, LIMITS);
    assert!(matches!(held, Err(Error::Own)), "{held:?}");
    std::fs::write(dir.path().join("beside"), "x").unwrap();
    assert!(open(dir.path().join("beside")).is_ok());
}

#[test]
fn unusable_paths_are_refused() {
    let long = format!("/{}", "a/".repeat(2500));
    let wide = format!("/tmp/{}", "w".repeat(300));
    let cases: [&[u8]; 7] =
        [b"", b"relative", b"/tmp/../etc/passwd", b"/tmp/a\0b", b"..", long.as_bytes(), wide.as_bytes()];
    for path in cases {
        assert!(matches!(open(OsStr::from_bytes(path)), Err(Error::Path(_))), "{path:?}");
    }
    for path in ["/nowhere/at/all", "/etc/passwd/", "/etc/passwd/x"] {
        assert!(matches!(open(path), Err(Error::NotFound)), "{path}");
    }
}

#[test]
fn names_of_any_bytes_are_collected_under_harmless_ones() {
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"two\nlines"[..], b"\xff\xfe\x1b[2J", b"-rf", b"collected.json", b"con.txt"] {
        let path = dir.path().join(OsStr::from_bytes(name));
        std::fs::write(&path, name).unwrap();
        let (done, sidecar) = collected(open(&path).unwrap(), &dir, name);
        assert!(done.entry.bytes().all(|byte| byte.is_ascii_graphic()), "{}", done.entry);
        assert_ne!(done.entry, SIDECAR);
        let hex = sidecar["requested"]["path"]["hex"].as_str().unwrap();
        let tail = crate::hex(name);
        assert!(hex.ends_with(&tail));
    }
}

#[test]
fn a_file_above_the_limit_is_refused_before_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    std::fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    assert!(
        matches!(open(&path), Err(Error::TooLarge { size, limit }) if size == 5 << 30 && limit == 64 << 20)
    );
}

#[test]
fn five_sparse_gigabytes_are_collected_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(5 << 30).unwrap();
    file.write_all_at(b"end", (5 << 30) - 3).unwrap();
    let opened = open_for_collect(&path, Limits { size: 6 << 30, ..LIMITS }).unwrap();
    let spool = dir.path().join("a.zip");
    let start = Instant::now();
    let mut last = 0;
    let done = collect_to_file(opened, &password(), &spool, |at| {
        assert!(at > last && at - last <= 1 << 20);
        last = at;
        ControlFlow::Continue(())
    })
    .unwrap();
    println!("5 GiB collected in {:?}, archive {} bytes", start.elapsed(), done.archive_size);
    assert_eq!((done.size, last), (5 << 30, 5 << 30));
    let Some(listed) = seven_zip(&["l", "-slt", &format!("-p{PASSWORD}")], &spool) else { return };
    assert!(String::from_utf8_lossy(&listed.stdout).contains("Size = 5368709120"));
    assert!(seven_zip(&["t", &format!("-p{PASSWORD}")], &spool).unwrap().status.success());
}

#[test]
fn a_deleted_file_and_a_deleted_executable_are_had_from_their_process() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("implant");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, "kept open").unwrap();
    let held = std::fs::File::open(&log).unwrap();
    let mut child = Command::new(&program).arg("300").stdin(held).stdout(Stdio::null()).spawn().unwrap();
    until("the exec", || process::get(child.id()).unwrap().exe.is_some_and(|exe| exe.path == program));
    std::fs::remove_file(&program).unwrap();
    std::fs::remove_file(&log).unwrap();
    let identity = process::get(child.id()).unwrap().identity;

    let opened = open_executable(identity, LIMITS).unwrap();
    assert!(opened.deleted);
    assert_eq!(opened.resolved, program);
    let (done, sidecar) = collected(opened, &dir, &std::fs::read("/bin/sleep").unwrap());
    assert_eq!(done.entry, "implant");
    assert_eq!(sidecar["requested"]["pid"], identity.pid);
    let opened = open_descriptor(identity, 0, LIMITS).unwrap();
    assert!(opened.deleted);
    collected(opened, &dir, b"kept open");

    assert!(matches!(open_descriptor(identity, 9999, LIMITS), Err(Error::NotHeld)));
    assert!(matches!(open_descriptor(identity, 1, LIMITS), Err(Error::NotRegular(Kind::Device))));
    let other = Identity { start_time: identity.start_time + 1, ..identity };
    let reused = open_executable(other, LIMITS);
    assert!(matches!(reused, Err(Error::Process(process::Error::Reused { .. }))), "{reused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(open_executable(identity, LIMITS).is_err());
}

#[test]
fn a_pipe_held_by_a_process_is_refused() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let own = Identity::own().unwrap();
    let descriptor = u32::try_from(writer.as_raw_fd()).unwrap();
    assert!(matches!(open_descriptor(own, descriptor, LIMITS), Err(Error::NotRegular(Kind::Fifo))));
}

#[test]
fn growing_shrinking_and_rewriting_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let with = |change: &dyn Fn(&std::fs::File)| {
        std::fs::write(&path, vec![7u8; 600_000]).unwrap();
        let opened = open(&path).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut once = false;
        collect(opened, &password(), std::io::sink(), |_| {
            if !std::mem::replace(&mut once, true) {
                change(&file);
            }
            ControlFlow::Continue(())
        })
        .unwrap()
    };
    let grown = with(&|mut file| {
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"more").unwrap();
    });
    assert_eq!(grown.size, 600_000);
    assert_eq!(grown.changed_while_reading.unwrap().size_after, 600_004);
    let shrunk = with(&|file| file.set_len(10).unwrap());
    assert!(shrunk.size < 600_000 && shrunk.changed_while_reading.unwrap().content);
    let rewritten = with(&|file| file.write_all_at(b"x", 599_999).unwrap());
    assert!(rewritten.changed_while_reading.unwrap().content);
    assert_eq!(with(&|_| ()).changed_while_reading, None);
}

#[test]
fn a_collection_can_be_stopped_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    std::fs::write(&path, vec![0u8; 4 << 20]).unwrap();
    let spool = dir.path().join("a.zip");
    let stopped = collect_to_file(open(&path).unwrap(), &password(), &spool, |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Canceled { at }) if at < 4 << 20));
    assert!(!spool.exists());
    std::fs::write(&spool, "mine").unwrap();
    let taken = collect_to_file(open(&path).unwrap(), &password(), &spool, |_| ControlFlow::Continue(()));
    assert!(matches!(taken, Err(Error::Archive(_))));
    assert_eq!(std::fs::read(&spool).unwrap(), b"mine");
}

#[test]
fn a_full_disk_is_an_error_of_the_archive() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let program = std::fs::canonicalize("/bin/bash").unwrap();
    for room in [0, 100, 5_000, 300_000] {
        let full = collect(open(&program).unwrap(), &password(), Full(room), |_| ControlFlow::Continue(()));
        assert!(
            matches!(full, Err(Error::Archive(error)) if error.kind() == std::io::ErrorKind::StorageFull)
        );
    }
}

#[test]
fn passwords_are_bounded_and_never_shown() {
    assert!(Password::new("").is_err() && Password::new(vec![b'x'; 128]).is_err());
    assert_eq!(format!("{:?}", password()), "Password(***)");
}
