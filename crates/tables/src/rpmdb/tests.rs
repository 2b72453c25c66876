//! Databases that are damaged, made up, or being written to.

#![expect(clippy::unwrap_used, reason = "tests")]
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::*;

/// Entries of tag, type and count, each with its data.
fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in entries {
        for number in [*tag, *kind, data.len() as u32, *count] {
            index.extend(number.to_be_bytes());
        }
        data.extend_from_slice(bytes);
    }
    let counts = [entries.len() as u32, data.len() as u32];
    [&counts[0].to_be_bytes()[..], &counts[1].to_be_bytes(), &index, &data].concat()
}

/// `/bin/a`, a file; `/bin/b`, left out; and one of a directory that there is not.
fn package(name: &str) -> Vec<u8> {
    header(&[
        (1000, 6, 1, format!("{name}\0").as_bytes()),
        (1001, 6, 1, b"1\0"),
        (1002, 6, 1, b"2\0"),
        (1117, 8, 3, b"a\0b\0c\0"),
        (1118, 8, 1, b"/bin/\0"),
        (1116, 4, 3, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
        (1030, 3, 3, &[0x81, 0xed, 0x81, 0xed, 0x81, 0xed]),
        (1035, 8, 3, b"00\0\x0011\0"),
        (1029, 1, 3, &[0, 2, 0]),
        (1003, 4, 1, &[0, 0, 0, 0]),
        // As rpm does when it installs: what it says stands behind what the package said.
        (1003, 4, 1, &[0, 0, 0, 7]),
    ])
}

fn database(path: &Path, packages: &[Vec<u8>]) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)").unwrap();
    for blob in packages {
        connection.execute("INSERT INTO Packages(blob) VALUES(?1)", [blob]).unwrap();
    }
    connection
}

fn names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let began = Instant::now();
    Database::open(path, move || began.elapsed() > Duration::from_secs(5))?.each(|row, header| {
        names.push(format!("{row} {} {}", header.name().unwrap_or_default(), header.version()));
        header.files().for_each(drop);
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

fn beside(path: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    let mut all: Vec<_> = entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn a_header_says_what_a_package_has() {
    let blob = package("x");
    let header = Header::of(&blob).unwrap();
    assert_eq!((header.name().as_deref(), header.version().as_str()), (Some("x"), "7:1-2"));
    let files: Vec<_> =
        header.files().map(|file| (file.directory, file.name, file.digest, file.is_there)).collect();
    assert_eq!(files, [(&b"/bin/"[..], &b"a"[..], &b"00"[..], true), (b"/bin/", b"b", b"", false)]);
    assert!(header.files().all(|file| file.mode == 0o100_755 && file.digest_kind == MD5));
    assert_eq!((header.text(1003), header.number(1000), header.number(1)), (None, None, None));
}

#[test]
fn a_header_that_lies_says_nothing() {
    let whole = package("x");
    for length in 0..whole.len() {
        assert!(Header::of(&whole[..length]).is_none(), "{length}");
    }
    // Each byte another one: whatever is said then, it ends.
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut blob = whole.clone();
            blob[at] = value;
            if let Some(header) = Header::of(&blob) {
                assert!(header.files().count() <= blob.len());
                let _ = (header.name(), header.version(), header.number(5011));
            }
        }
    }
    let endless = header(&[
        (1117, 8, u32::MAX, &[0; 64]),
        (1118, 8, u32::MAX, &[0; 64]),
        (1116, 4, u32::MAX, &[0; 64]),
        (1000, 6, 1, b"unended"),
    ]);
    let header = Header::of(&endless).unwrap();
    assert_eq!((header.files().count(), header.name()), (0, None));
}

#[test]
fn what_is_not_carried_over_yet_is_read_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpmdb.sqlite");
    let writer = database(&path, &[package("a")]);
    assert_eq!(names(&path).unwrap(), ["1 a 7:1-2"]);
    // Packages made and left behind by a machine that lost its power: no index of the log.
    writer.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    writer.execute("INSERT INTO Packages(blob) VALUES(?1)", [package("b")]).unwrap();
    let other = tempfile::tempdir().unwrap();
    let copy = other.path().join("rpmdb.sqlite");
    fs::copy(&path, &copy).unwrap();
    fs::copy(log(&path), log(&copy)).unwrap();
    let before = beside(&copy);
    assert_eq!(names(&copy).unwrap(), ["1 a 7:1-2", "2 b 7:1-2"]);
    assert_eq!(beside(&copy), before);
    // Half a log is read as far as it goes.
    let length = fs::metadata(log(&copy)).unwrap().len();
    fs::File::options().write(true).open(log(&copy)).unwrap().set_len(length - 1).unwrap();
    assert_eq!(names(&copy).unwrap(), ["1 a 7:1-2"]);
}

#[test]
fn whoever_writes_goes_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpmdb.sqlite");
    let writer = database(&path, &[package("a"), package("b")]);
    writer.busy_timeout(Duration::ZERO).unwrap();
    writer.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for _ in 0..2 {
        let reader = Database::open(&path, || false).unwrap();
        reader
            .each(|_, _| {
                // Once without a log, once with one: to write, to carry all of it over and to shut the file needs no patience.
                writer.execute("INSERT INTO Packages(blob) VALUES(?1)", [package("c")]).unwrap();
                let busy: i64 =
                    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
                assert_eq!(busy, 0);
                writer.execute_batch("BEGIN EXCLUSIVE; COMMIT").unwrap();
                ControlFlow::Break(())
            })
            .unwrap();
        writer.execute("INSERT INTO Packages(blob) VALUES(?1)", [package("d")]).unwrap();
    }
    assert_eq!(names(&path).unwrap().len(), 6);
}

#[test]
fn a_damaged_database_ends_as_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpmdb.sqlite");
    let all: Vec<_> = (0..200).map(|number| package(&format!("{number}-{}", "x".repeat(1000)))).collect();
    drop(database(&path, &all));
    let whole = fs::read(&path).unwrap();
    assert_eq!(names(&path).unwrap().len(), 200);
    let (mut worked, mut failed) = (0, 0);
    let mut chance = 1_u64;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..8 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (chance >> 33) as usize % bytes.len();
            // The first page, and the heads of the others, are where SQLite finds its way.
            let at = if chance >> 32 & 1 == 0 { at % 512 } else { at & !4095 | at & 15 };
            bytes[at] = (chance >> 16) as u8;
        }
        fs::write(&path, &bytes).unwrap();
        match names(&path) {
            Ok(_) => worked += 1,
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 0, "{worked} worked");
    for length in [0, 1, 99, 4096, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(names(&path).is_err(), "{length}");
    }
}

#[test]
fn what_is_no_such_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpmdb.sqlite");
    let is_refused = |said: &str| {
        let error = names(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    };
    is_refused("cannot be opened");
    assert_eq!(find(dir.path()), None);
    fs::create_dir(&path).unwrap();
    is_refused("no regular file");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "text, and no database").unwrap();
    is_refused("SQLite");
    fs::File::options().write(true).open(&path).unwrap().write_at(b"x", FILE).unwrap();
    is_refused("more than is read");
    fs::remove_file(&path).unwrap();

    let endless = "WITH RECURSIVE n(hnum) AS (SELECT 1 UNION ALL SELECT hnum + 1 FROM n)
        SELECT hnum, x'00' AS blob FROM n";
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&format!("CREATE VIEW Packages AS {endless}")).unwrap();
    is_refused("SQLite");
    connection.execute_batch("DROP VIEW Packages; CREATE TABLE Packages(hnum, blob)").unwrap();
    connection.execute_batch("INSERT INTO Packages VALUES('x', 'text'), (2, zeroblob(40000000))").unwrap();
    assert!(names(&path).unwrap().is_empty(), "neither a text nor what is too long");
    connection.execute("INSERT INTO Packages VALUES('no number', ?1)", [package("a")]).unwrap();
    is_refused("SQLite");
    let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10000)";
    connection
        .execute_batch(&format!("DELETE FROM Packages; {many} INSERT INTO Packages SELECT x, 'text' FROM n"))
        .unwrap();
    drop(connection);
    assert!(names(&path).unwrap().is_empty());
    let stopped = Database::open(&path, || true).and_then(|all| all.each(|_, _| ControlFlow::Continue(())));
    assert!(stopped.unwrap_err().to_string().contains("interrupted"));
}
