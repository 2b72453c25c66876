//! `endpoint.run_osquery` by the real agent: its own tables in a confined process, and a program that behaves as the
//! documented command line of osquery does.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::read::GzDecoder;
use quell_wire::Status;
use quell_wire::frame::{FromServer, OrderRef};
use serde_json::{Value, json};

use crate::collect::{connected, is_swept};
use crate::gateway::{Gateway, until};
use crate::process::Endpoint;

fn asked(gateway: &Gateway, sql: &str) -> Value {
    gateway.done("endpoint.run_osquery", &json!({ "sql": sql })).1
}

/// All rows of all parts.
fn rows(gateway: &Gateway, id: &str, result: &Value) -> Vec<Value> {
    let parts = result["rows"]["parts"].as_array().unwrap().len();
    let mut rows = Vec::new();
    for number in 0..parts {
        let bytes = gateway.files().whole(id, &format!("rows.{number}")).unwrap();
        let lines = BufReader::new(GzDecoder::new(&bytes[..])).lines();
        rows.extend(lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()));
    }
    rows
}

/// Processes that the agent started.
fn children(endpoint: &Endpoint) -> usize {
    let pid = endpoint.pid();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .map(|children| children.split_ascii_whitespace().count())
        .sum()
}

#[test]
fn the_agents_own_tables_answer_from_within_their_confinement() {
    let (gateway, endpoint) = connected();
    let pid = endpoint.pid();
    let result = asked(
        &gateway,
        &format!("SELECT pid, name, path, uid + 0.5 half, x'00ff' blob FROM processes WHERE pid = {pid}"),
    );
    assert_eq!((&result["engine"], &result["rows"]["count"]), (&json!("embedded"), &json!(1)), "{result}");
    let types: Vec<&Value> =
        result["rows"]["columns"].as_array().unwrap().iter().map(|c| &c["type"]).collect();
    assert_eq!(types, ["integer", "text", "text", "real", "blob"]);
    let row = &result["rows"]["shown"][0];
    assert_eq!((&row["pid"], &row["blob"]), (&json!(pid), &json!("00ff")));
    assert_eq!(row["path"], json!(env!("CARGO_BIN_EXE_quell-agent")));
    assert!(result["memory_bytes"].as_u64().unwrap() > 1 << 20, "{result}");
    println!("the worker had {} MiB at most", result["memory_bytes"].as_u64().unwrap() >> 20);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the insides of other processes are for root");
        return;
    }
    assert!(result["confined"].as_str().unwrap().starts_with("inspector"), "{result}");
    // What is found by looking into other processes, and by asking the kernel.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (sql, least) in [
        (format!("SELECT pid FROM listening_ports WHERE port = {port} AND pid = {}", std::process::id()), 1),
        (format!("SELECT * FROM process_open_files WHERE pid = {pid}"), 1),
        (format!("SELECT * FROM process_memory_map WHERE pid = {pid}"), 10),
        (format!("SELECT * FROM process_envs WHERE pid = {}", std::process::id()), 1),
        (format!("SELECT * FROM process_namespaces WHERE pid = {pid} AND net_namespace != ''"), 1),
        ("SELECT * FROM interface_addresses WHERE interface = 'lo'".to_owned(), 1),
        ("SELECT * FROM routes".to_owned(), 1),
        ("SELECT * FROM shadow".to_owned(), 1),
        ("SELECT * FROM hash WHERE path = '/etc/shadow' AND length(sha256) = 64".to_owned(), 1),
        ("SELECT * FROM file WHERE directory = '/etc'".to_owned(), 20),
        ("SELECT * FROM mounts WHERE blocks > 0".to_owned(), 1),
        ("SELECT * FROM time t, uptime u, kernel_info k, system_info s, os_version o".to_owned(), 1),
    ] {
        let result = asked(&gateway, &sql);
        assert!(result["rows"]["count"].as_u64().unwrap() >= least, "{sql}: {result}");
    }
    for table in quell_tables::schema() {
        let condition = match table.name {
            "file" | "hash" | "extended_attributes" => " WHERE directory = '/etc'",
            "yara" => continue,
            _ => "",
        };
        let result = asked(&gateway, &format!("SELECT count(*) FROM {}{condition}", table.name));
        assert_eq!(result["rows"]["count"], 1, "{}", table.name);
    }
    is_swept(&endpoint);
}

#[test]
fn a_library_query_is_read_and_asked() {
    let (gateway, _endpoint) = connected();
    let query = gateway.files().script("title: One\nattack: T1057\nsql: |\n  SELECT 1 AS one\n");
    let (_, result) = gateway.done("endpoint.run_osquery", &json!({ "query": query }));
    assert_eq!((&result["title"], &result["rows"]["shown"]), (&json!("One"), &json!([{ "one": 1 }])));
    assert_eq!(format!("sha256:{}", result["query_sha256"].as_str().unwrap()), query);
    let broken = gateway.files().script("title: One\nsqll: SELECT 1\n");
    let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &json!({ "query": broken })));
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (i32::from(Status::Refused), "query_unusable")
    );
    assert!(
        outcome.message.contains("did you mean `sql`?") || outcome.message.contains("Did you mean `sql`?"),
        "{}",
        outcome.message
    );
}

#[test]
fn many_rows_come_in_parts_and_none_is_lost() {
    let (gateway, endpoint) = connected();
    let before = resident(&endpoint);
    let sql = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a LIMIT 60000) SELECT n, sha256(n) digest FROM a";
    let id = gateway.give("endpoint.run_osquery", &json!({ "sql": sql, "max_rows": 1_000_000 }));
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result: Value = serde_json::from_slice(&outcome.result).unwrap();
    let rows = rows(&gateway, &id, &result);
    assert_eq!((result["rows"]["count"].as_u64(), rows.len()), (Some(60_000), 60_000));
    assert!(rows.iter().enumerate().all(|(at, row)| row["n"] == at + 1));
    assert!(result["rows"]["parts"].as_array().unwrap().len() > 1);
    println!(
        "60,000 rows in {} ms; agent {} KiB before, {} KiB after",
        result["duration_ms"],
        before,
        resident(&endpoint)
    );
    let limited = gateway.done("endpoint.run_osquery", &json!({ "sql": sql, "max_rows": 10 })).1;
    assert_eq!((&limited["rows"]["count"], &limited["rows"]["truncated"]), (&json!(10), &json!(true)));
    is_swept(&endpoint);
}

/// KiB.
fn resident(endpoint: &Endpoint) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", endpoint.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn hostile_statements_are_errors_of_their_order_alone() {
    let (gateway, endpoint) = connected();
    let refused = i32::from(Status::Refused);
    let failed = i32::from(Status::Failed);
    for (sql, status, code, words) in [
        ("SELECT * FROM proceses", refused, "sql_invalid", "did you mean `processes`?"),
        ("SELECT * FROM hash", refused, "condition_missing", "`path` or `directory`"),
        ("ATTACH '/etc/passwd' AS x", refused, "sql_refused", ""),
        ("PRAGMA hard_heap_limit=0", refused, "sql_refused", ""),
        ("SELECT load_extension('/tmp/x')", refused, "sql_refused", ""),
        ("SELECT randomblob(1000000000)", failed, "memory_limit", ""),
        ("SELECT count(*) FROM hash WHERE path LIKE '/%%'", failed, "time_limit", ""),
        (
            "SELECT count(*) FROM processes a, processes b, processes c, processes d, processes e, processes f, processes g",
            failed,
            "time_limit",
            "",
        ),
    ] {
        let params = json!({ "sql": sql, "time_limit_seconds": 1 });
        let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &params));
        assert_eq!(
            (outcome.status, outcome.reason_code.as_str()),
            (status, code),
            "{sql}: {}",
            outcome.message
        );
        assert!(outcome.message.contains(words), "{sql}: {}", outcome.message);
    }
    // A sort that needs more than it may have.
    let sort = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a LIMIT 400000) SELECT n, hex(randomblob(200)) r FROM a ORDER BY r";
    let params = json!({ "sql": sort, "memory_limit_bytes": 32 << 20, "time_limit_seconds": 20 });
    let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &params));
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (failed, "memory_limit"),
        "{}",
        outcome.message
    );
    // What came before the end of its time is kept.
    let slow =
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT n FROM a WHERE n % 1000 = 0";
    let params = json!({ "sql": slow, "time_limit_seconds": 1, "max_rows": 1_000_000 });
    let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &params));
    assert_eq!((outcome.status, outcome.reason_code.as_str()), (failed, "time_limit"), "{}", outcome.message);
    let result: Value = serde_json::from_slice(&outcome.result).unwrap();
    assert!(result["rows"]["count"].as_u64().unwrap() > 0 && result["rows"]["truncated"] == true, "{result}");
    assert_eq!(asked(&gateway, "SELECT 7 x")["rows"]["shown"], json!([{ "x": 7 }]));
    is_swept(&endpoint);
}

#[test]
fn a_cancel_ends_the_worker() {
    let (gateway, endpoint) = connected();
    let endless = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT count(*) FROM a";
    let id = gateway.give("endpoint.run_osquery", &json!({ "sql": endless, "time_limit_seconds": 600 }));
    until("the worker runs", || children(&endpoint) > 0);
    gateway.send(FromServer::Cancel(OrderRef { order_id: id.clone() }));
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Canceled), "{outcome:?}");
    until("the worker is gone", || children(&endpoint) == 0);
}

#[test]
fn a_killed_agent_asks_again() {
    let (gateway, mut endpoint) = connected();
    let sql = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a LIMIT 3000000) SELECT count(*) c FROM a";
    let order = gateway.order("endpoint.run_osquery", &json!({ "sql": sql }));
    gateway.send(FromServer::Order(gateway.sign(&order)));
    until("the worker runs", || children(&endpoint) > 0);
    endpoint.kill();
    endpoint.connect(&gateway);
    gateway.send(FromServer::Order(gateway.sign(&order)));
    let outcome = gateway.outcome(&order.order_id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result: Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["rows"]["shown"], json!([{ "c": 3_000_000 }]));
}

/// What the documentation of osquery says of its command line: `--version`, `--json`, errors on standard error.
const CONTRACT: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "osqueryi version VERSION"; exit 0; fi
for last; do :; done
printf '%s\n' "$@" > "$(dirname "$0")/arguments"
case "$last" in
*explode*) echo "Error: near \"explode\": syntax error" >&2; exit 1;;
*sleep*) exec sleep 600;;
*nothing*) printf '[\n\n]\n';;
*garbage*) echo 'welcome';;
*) printf '[\n  {"name":"a \\"b\\"","pid":"12"},\n  {"name":"ü","pid":"x"}\n]\n';;
esac
"#;

fn with_osquery(dir: &Path, version: &str) -> (Gateway, Endpoint) {
    let program = dir.join("osqueryi");
    std::fs::write(&program, CONTRACT.replace("VERSION", version)).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    let start = format!("shift; QUELL_OSQUERYI={} exec \"$@\"", program.display());
    endpoint.wrap(&["sh", "-c", &start, "sh"]);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    (gateway, endpoint)
}

/// A directory that nobody else can write, nor any above it.
fn ours() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn an_installed_osquery_is_asked_by_its_command_line() {
    let dir = ours();
    let (gateway, endpoint) = with_osquery(dir.path(), "5.12.1");
    let result = asked(&gateway, "SELECT name, pid FROM processes");
    assert_eq!((&result["engine"], &result["version"]), (&json!("osquery"), &json!("5.12.1")));
    let columns = json!([{ "name": "name", "type": "text" }, { "name": "pid", "type": "integer" }]);
    assert_eq!(result["rows"]["columns"], columns);
    assert_eq!(
        result["rows"]["shown"],
        json!([{ "name": "a \"b\"", "pid": 12 }, { "name": "ü", "pid": "x" }])
    );
    let arguments = std::fs::read_to_string(dir.path().join("arguments")).unwrap();
    for flag in ["--json", "--disable_database", "--disable_extensions", "--disable_events"] {
        assert!(arguments.lines().any(|line| line == flag), "{arguments}");
    }
    assert!(arguments.ends_with("SELECT name, pid FROM processes\n"), "{arguments}");
    assert_eq!(asked(&gateway, "SELECT nothing")["rows"]["count"], 0);
    let forced = json!({ "sql": "SELECT 1 x", "engine": "embedded" });
    assert_eq!(gateway.done("endpoint.run_osquery", &forced).1["engine"], "embedded");
    for (sql, status, code) in [
        ("SELECT explode", Status::Refused, "sql_invalid"),
        (".shell id", Status::Refused, "sql_invalid"),
        ("--flagfile=/etc/passwd", Status::Refused, "sql_invalid"),
        ("SELECT garbage", Status::Failed, "osquery_garbled"),
        ("SELECT sleep", Status::Failed, "time_limit"),
    ] {
        let params = json!({ "sql": sql, "time_limit_seconds": 1 });
        let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &params));
        assert_eq!(
            (outcome.status, outcome.reason_code.as_str()),
            (i32::from(status), code),
            "{sql}: {}",
            outcome.message
        );
    }
    until("nothing is left of it", || children(&endpoint) == 0);
}

#[test]
fn an_osquery_that_is_too_old_is_not_asked() {
    let dir = ours();
    let (gateway, _endpoint) = with_osquery(dir.path(), "5.6.0");
    let result = asked(&gateway, "SELECT 1 x");
    assert_eq!(result["engine"], "embedded");
    assert!(result["warnings"][0].as_str().unwrap().contains("5.7"), "{result}");
    let forced = json!({ "sql": "SELECT 1 x", "engine": "osquery" });
    let outcome = gateway.outcome(&gateway.give("endpoint.run_osquery", &forced));
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (i32::from(Status::Refused), "osquery_missing")
    );
}

#[test]
fn an_osquery_that_others_may_change_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, _endpoint) = with_osquery(dir.path(), "5.12.1");
    let result = asked(&gateway, "SELECT 1 x");
    assert_eq!(result["engine"], "embedded");
    assert!(result["warnings"][0].as_str().unwrap().contains("others than root"), "{result}");
}
