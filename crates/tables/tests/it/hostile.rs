//! Statements that want to do harm.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use quell_tables::{Env, Error, Limits, Session, Taken};

use crate::{LIMITS, ask, session, try_ask};

fn error(sql: &str) -> Error {
    match try_ask(&session(), sql) {
        Err(error) => error,
        Ok(answer) => panic!("{sql} gave {} rows", answer.rows.len()),
    }
}

#[test]
fn nothing_but_one_select_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let stolen = folder.path().join("x");
    let vacuum = format!("VACUUM INTO '{}'", stolen.display());
    for sql in [
        "PRAGMA database_list",
        "ATTACH '/etc/passwd' AS x",
        "CREATE TABLE x(a)",
        "CREATE TEMP TABLE x(a)",
        "CREATE VIRTUAL TABLE x USING fts5(a)",
        "INSERT INTO processes(pid) VALUES(1)",
        "DELETE FROM users",
        "UPDATE users SET uid = 0",
        "DROP TABLE users",
        "BEGIN",
        &vacuum,
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM pragma_function_list()",
        "SELECT * FROM dbstat",
        "SELECT * FROM sqlite_dbpage",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE users",
        "EXPLAIN SELECT 1",
        "EXPLAIN QUERY PLAN SELECT 1",
        "",
        ";",
        "-- nothing",
    ] {
        let found = error(sql);
        assert!(matches!(found, Error::Refused(_) | Error::Sql { .. }), "{sql}: {found:?}");
    }
    assert!(!stolen.exists());
    for sql in ["WITH a AS (SELECT 1 x) SELECT * FROM a;", " select 1 -- ;", "VALUES (1), (2)"] {
        assert!(!ask(sql).rows.is_empty(), "{sql}");
    }
    assert!(matches!(error(&format!("SELECT '{}'", "x".repeat(70_000))), Error::Refused(_)));
}

#[test]
fn what_never_ends_is_ended() {
    let limits = Limits { time: Duration::from_millis(300), ..LIMITS };
    for sql in [
        "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a",
        "SELECT count(*) FROM processes a, processes b, processes c, processes d, processes e, processes f",
        "SELECT count(*) FROM hash WHERE path LIKE '/%%'",
        "SELECT max(length(printf('%.*c', 10000000, 'x'))) FROM processes a, processes b, processes c",
    ] {
        let session = Session::open(Env::default(), limits).unwrap();
        let started = Instant::now();
        let ended = try_ask(&session, sql).err();
        assert!(matches!(ended, Some(Error::Time)), "{sql}: {ended:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{sql}: {:?}", started.elapsed());
        assert_eq!(try_ask(&session, "SELECT 7").unwrap().rows.len(), 1, "the session goes on");
    }
}

#[test]
fn a_stop_from_outside_ends_it() {
    let session = session();
    let stop = session.stop();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stop.ask();
    });
    let endless = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a";
    assert!(matches!(try_ask(&session, endless).err(), Some(Error::Stopped)));
    thread.join().unwrap();
}

#[test]
fn memory_has_a_bound() {
    for sql in [
        "SELECT randomblob(1000000000)",
        "SELECT zeroblob(1000000000)",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT replace(hex(zeroblob(8000000)), '0', '0123456789')",
        "SELECT length(group_concat(hex(zeroblob(100000)))) FROM (WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a LIMIT 1000) SELECT x FROM a)",
    ] {
        let found = error(sql);
        assert!(matches!(found, Error::Memory(_)), "{sql}: {found:?}");
    }
}

#[test]
fn rows_have_a_bound_and_are_not_kept() {
    let session = Session::open(Env::default(), Limits { rows: 1000, ..LIMITS }).unwrap();
    let endless = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT x FROM a";
    let answer = try_ask(&session, endless).unwrap();
    assert_eq!((answer.rows.len(), answer.summary.truncated), (1000, true));
    let mut taken = 0;
    let summary = session.query(endless, &mut |what| {
        taken += usize::from(matches!(what, Taken::Row(_)));
        if taken == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((taken, summary.unwrap().truncated), (5, false));
    let exactly = try_ask(
        &session,
        "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a LIMIT 1000) SELECT x FROM a",
    );
    assert!(!exactly.unwrap().summary.truncated);
}

#[test]
fn deep_and_wide_statements_are_errors() {
    for sql in [
        format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("SELECT {}1", "-".repeat(1000).replace('-', "- ")),
        format!("SELECT {}", vec!["1"; 300].join(",")),
        vec!["SELECT 1"; 200].join(" UNION "),
        format!("SELECT * FROM {}", (0..100).map(|n| format!("users u{n}")).collect::<Vec<_>>().join(",")),
        format!("SELECT {}1", "NOT ".repeat(10_000)),
        ";".repeat(60_000) + "x",
        "SELECT 'unclosed".to_owned(),
        "SELECT \0 1".to_owned(),
    ] {
        let found = error(&sql);
        assert!(matches!(found, Error::Sql { .. } | Error::Refused(_)), "{found:?}");
    }
}

#[test]
fn unknown_names_get_a_hint() {
    for (sql, near) in [
        ("SELECT * FROM proceses", "did you mean `processes`?"),
        ("SELECT * FROM listening_port", "did you mean `listening_ports`?"),
        ("SELECT pids FROM processes", "did you mean `pid`?"),
        ("SELECT p.user_nam FROM users p", "did you mean `username`?"),
        ("SELECT * FROM xyzzy_nothing_like_it", "the tables are apparmor_profiles, "),
        ("SELECT regex_mach('a', 'b', 0)", "did you mean `regex_match`?"),
    ] {
        let Error::Sql { message, hint } = error(sql) else { panic!("{sql}") };
        assert!(hint.as_ref().is_some_and(|hint| hint.contains(near)), "{sql}: {message}: {hint:?}");
    }
}

#[test]
fn functions_are_those_of_osquery() {
    for (sql, expected) in [
        ("SELECT split('/usr/lib/x', '/', 1)", "lib"),
        ("SELECT regex_match('abc123', '([a-z]+)([0-9]+)', 2)", "123"),
        ("SELECT regex_split('a1b22c', '[0-9]+', 2)", "c"),
        ("SELECT 'sshd' REGEXP '^ss'", "1"),
        ("SELECT in_cidr_block('10.0.0.0/8', '10.9.8.7')", "1"),
        ("SELECT in_cidr_block('10.0.0.0/8', '11.9.8.7')", "0"),
        ("SELECT in_cidr_block('0.0.0.0/0', '11.9.8.7')", "1"),
        ("SELECT in_cidr_block('fe80::/10', 'fe80::1')", "1"),
        ("SELECT sha256('')", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("SELECT sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SELECT md5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("SELECT to_base64('hi') || from_base64('aGk=')", "aGk=hi"),
        ("SELECT version_compare('1.10', '1.9')", "1"),
        ("SELECT concat('a', NULL, 'b') || concat_ws('-', 'x', 'y')", "abx-y"),
    ] {
        assert_eq!(crate::lines(sql), [expected], "{sql}");
    }
    assert!(matches!(error("SELECT 'a' REGEXP '(((('"), Error::Sql { .. }));
    assert!(matches!(error("SELECT 'a' REGEXP '((a{1000}){1000}){1000}'"), Error::Sql { .. }));
}
