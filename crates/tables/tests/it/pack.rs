//! The queries that come with the product: each is read, and each is answered on this machine.

use std::time::Instant;

use quell_tables::{query, schema};

use crate::{ask, session, try_ask};

#[test]
fn every_query_of_the_pack_is_answered() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs/queries");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let query = query::parse(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        assert!(query.description.len() > 10 && !query.attack.is_empty(), "{}", path.display());
        assert!(query.attack.iter().all(|technique| technique.starts_with('T')), "{:?}", query.attack);
        let began = Instant::now();
        let answer =
            try_ask(&session(), &query.sql).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert!(!answer.columns.is_empty());
        println!("{:>6} ms {:>6} rows {}", began.elapsed().as_millis(), answer.rows.len(), query.title);
        count += 1;
    }
    assert!(count >= 40, "{count} queries");
}

#[test]
fn a_query_that_finds_something_finds_it() {
    // A copy of a program in a temporary directory, started and removed: two queries must show it.
    let dir = tempfile::Builder::new().prefix("quell-pack").tempdir_in("/tmp").unwrap();
    let program = dir.path().join("sleep");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut child = std::process::Command::new(&program).arg("60").spawn().unwrap();
    std::fs::remove_file(&program).unwrap();
    let sql = |name: &str| {
        let path = format!("{}/../../packs/queries/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        query::parse(&std::fs::read_to_string(path).unwrap()).unwrap().sql
    };
    let found = ["process-deleted-executable", "process-temporary-directory"].map(|name| {
        let rows = ask(&sql(name)).rows;
        rows.iter().any(|row| crate::text(&row[0]) == child.id().to_string())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found, [true, true]);
}

#[test]
fn the_schema_is_listed_by_name() {
    let names: Vec<&str> = schema().iter().map(|table| table.name).collect();
    for name in ["processes", "listening_ports", "file", "hash", "shell_history", "rpm_packages", "time"] {
        assert!(names.contains(&name), "{name}");
    }
}
