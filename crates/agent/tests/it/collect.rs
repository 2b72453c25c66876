//! `file.collect` by the real agent: real files, a gateway that breaks off, and an agent that is killed.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use quell_host::process::Identity;
use quell_wire::Status;
use quell_wire::digest::{hex, sha256};
use quell_wire::frame::{FromServer, OrderRef};
use serde_json::json;

use crate::files::Fault;
use crate::gateway::{Gateway, until};
use crate::process::Endpoint;

pub fn connected() -> (Gateway, Endpoint) {
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    (gateway, endpoint)
}

/// Bytes that do not compress, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1).rotate_left(23);
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn evidence(dir: &Path, len: usize) -> (PathBuf, Vec<u8>) {
    let (path, content) = (dir.join("evidence.bin"), noise(len));
    std::fs::write(&path, &content).unwrap();
    (path, content)
}

/// Nothing is left of any order on the endpoint.
pub fn is_swept(endpoint: &Endpoint) {
    let work = endpoint.file("work");
    until("the work directory is empty", || {
        std::fs::read_dir(&work).map_or(true, |mut entries| entries.next().is_none())
    });
}

#[test]
fn a_file_with_a_hostile_name_arrives_with_its_hashes() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a\n\u{1b}[2J;rm -rf ..\\x");
    std::fs::write(&path, b"secret").unwrap();
    // Nobody may ask for such a name; a process that holds the file leads to it.
    let refused = gateway.outcome(&gateway.give("file.collect", &json!({ "path": path })));
    assert_eq!(
        (refused.status, refused.reason_code.as_str()),
        (i32::from(Status::Refused), "params_invalid")
    );
    let held = std::fs::File::open(&path).unwrap();
    let own = Identity::own().unwrap();
    let id = gateway.give(
        "file.collect",
        &json!({ "pid": own.pid, "start_time": own.start_time, "descriptor": held.as_raw_fd() }),
    );
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result: serde_json::Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["sha256"], hex(&sha256(&[b"secret"])));
    assert_eq!((&result["size"], &result["changed_while_reading"]), (&json!(6), &json!(false)));
    assert_eq!(result["archive"]["artifact_id"], quell_wire::path::artifact_id(&id, "archive"));
    is_swept(&endpoint);
    let Some(unpacked) = gateway.files().unpacked(&id) else { return };
    let found = std::fs::read(unpacked.path().join("a___2J_rm -rf .._x"));
    assert_eq!(found.unwrap(), b"secret");
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (path, content) = evidence(dir.path(), 9 << 20);
    gateway.files().fail_with(&[
        Fault::CutAfter(1 << 20),
        Fault::Status(503),
        Fault::Stands(0),
        Fault::CutAfter(64 << 10),
        Fault::Forget,
    ]);
    let id = gateway.give("file.collect", &json!({ "path": path }));
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result: serde_json::Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["sha256"], hex(&sha256(&[&content])));
    let starts = gateway.files().starts();
    assert!(starts[2] >= 1 << 20, "{starts:?}");
    assert_eq!(gateway.files().digests().len(), 1, "collected once");
    is_swept(&endpoint);
    let Some(unpacked) = gateway.files().unpacked(&id) else { return };
    assert!(std::fs::read(unpacked.path().join("evidence.bin")).unwrap() == content);
}

#[test]
fn a_final_answer_ends_the_order_and_the_spool() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = evidence(dir.path(), 1 << 20);
    for (status, faults) in [(413, vec![Fault::Status(413)]), (409, vec![Fault::Stands(u64::MAX)])] {
        gateway.files().fail_with(&faults);
        let outcome = gateway.outcome(&gateway.give("file.collect", &json!({ "path": path })));
        assert_eq!(outcome.status, i32::from(Status::Failed), "{status}: {outcome:?}");
        is_swept(&endpoint);
    }
}

#[test]
fn what_is_no_plain_file_is_refused_by_name() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("file"), b"12345").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    let sparse = std::fs::File::create(at("sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    for (path, code) in [
        (at("missing"), "not_found"),
        (dir.path().to_owned(), "is_directory"),
        (at("fifo"), "is_fifo"),
        (at("link"), "is_symlink"),
        ("/dev/zero".into(), "is_device"),
        ("/proc/self/maps".into(), "is_pseudo"),
        (at("sparse"), "too_large"),
        (at(&"x".repeat(300)), "path_refused"),
    ] {
        let outcome = gateway.outcome(&gateway.give("file.collect", &json!({ "path": path })));
        let (status, reason) = (outcome.status, outcome.reason_code.as_str());
        assert_eq!((status, reason), (i32::from(Status::Refused), code), "{path:?}: {}", outcome.message);
    }
    let (_, result) = gateway.done("file.collect", &json!({ "path": at("link"), "follow_links": true }));
    assert_eq!(result["sha256"], hex(&sha256(&[b"12345"])));
    is_swept(&endpoint);
}

#[test]
fn a_killed_agent_continues_with_the_archive_it_had() {
    let (gateway, mut endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (path, content) = evidence(dir.path(), 9 << 20);
    gateway.files().fail_with(&[
        Fault::CutAfter(2 << 20),
        Fault::Status(503),
        Fault::Status(503),
        Fault::Status(503),
    ]);
    let order = gateway.order("file.collect", &json!({ "path": path }));
    gateway.send(FromServer::Order(gateway.sign(&order)));
    until("a part is there", || gateway.files().received(&order.order_id) >= 2 << 20);
    endpoint.kill();
    // The file is gone meanwhile: only the spool has it.
    std::fs::remove_file(&path).unwrap();
    endpoint.connect(&gateway);
    gateway.send(FromServer::Order(gateway.sign(&order)));
    let outcome = gateway.outcome(&order.order_id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result: serde_json::Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["sha256"], hex(&sha256(&[&content])));
    assert_eq!(gateway.files().digests().len(), 1, "one archive, made once");
    is_swept(&endpoint);
}

#[test]
fn a_cancel_ends_an_upload_that_gets_no_answer() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = evidence(dir.path(), 1 << 20);
    gateway.files().fail_with(&[Fault::Status(503); 64]);
    let id = gateway.give("file.collect", &json!({ "path": path }));
    until("a piece was tried", || !gateway.files().starts().is_empty());
    gateway.send(FromServer::Cancel(OrderRef { order_id: id.clone() }));
    assert_eq!(gateway.outcome(&id).status, i32::from(Status::Canceled));
    is_swept(&endpoint);
}
