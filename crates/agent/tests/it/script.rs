//! `endpoint.run_script` by the real agent, and by the supervisor that outlives it.

use std::path::Path;

use quell_wire::Status;
use quell_wire::frame::{FromServer, OrderRef};
use serde_json::{Value, json};

use crate::collect::{connected, is_swept};
use crate::gateway::{Gateway, until};

fn params(gateway: &Gateway, body: &str) -> Value {
    json!({ "script": gateway.files().script(body), "interpreter": "bash" })
}

fn result(outcome: &quell_wire::Outcome) -> Value {
    serde_json::from_slice(&outcome.result).unwrap()
}

/// Lines that runs have left: what truly happened.
fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_script_runs_with_its_arguments_and_reports_both_streams() {
    let (gateway, endpoint) = connected();
    let mut params = params(&gateway, "echo \"[$1]\" \"[$2]\"; echo trouble >&2; exit 3");
    params["arguments"] = json!(["a b; $(id)", "'\""]);
    let (_, result) = gateway.done("endpoint.run_script", &params);
    assert_eq!(result["exit_code"], 3);
    assert_eq!(result["stdout"]["text"], "[a b; $(id)] ['\"]\n");
    assert_eq!(result["stderr"]["text"], "trouble\n");
    assert_eq!(json!(format!("sha256:{}", result["sha256"].as_str().unwrap())), params["script"]);
    is_swept(&endpoint);
}

#[test]
fn a_script_that_never_ends_or_leaves_things_behind_is_ended_with_all_of_it() {
    let (gateway, endpoint) = connected();
    let mut params = params(&gateway, "setsid sleep 1000 & sleep 1000");
    params["time_limit_seconds"] = json!(1);
    let (_, result) = gateway.done("endpoint.run_script", &params);
    assert_eq!(result["timed_out"], true);
    assert!(result["left_behind"].as_u64().unwrap() >= 2, "{result}");
    is_swept(&endpoint);
}

#[test]
fn a_flood_is_cut_counted_and_brought_in_as_an_archive() {
    let (gateway, endpoint) = connected();
    let mut params = params(&gateway, "head -c 3000000 /dev/zero | tr '\\0' '\\377'; echo err >&2");
    params["output_limit_bytes"] = json!(1_000_000);
    let id = gateway.give("endpoint.run_script", &params);
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    let result = result(&outcome);
    assert_eq!(
        (&result["stdout"]["bytes"], &result["stdout"]["truncated"]),
        (&json!(3_000_000), &json!(true))
    );
    assert!(result["stdout"]["text"].as_str().unwrap().len() <= 32 << 10);
    is_swept(&endpoint);
    let Some(unpacked) = gateway.files().unpacked(&id) else { return };
    let stdout = std::fs::read(unpacked.path().join("stdout.txt")).unwrap();
    assert!(stdout.len() == 1_000_000 && stdout.iter().all(|byte| *byte == 255));
    assert_eq!(std::fs::read(unpacked.path().join("stderr.txt")).unwrap(), b"err\n");
}

#[test]
fn a_cancel_ends_the_script() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let id = gateway.give(
        "endpoint.run_script",
        &params(&gateway, &format!("echo started >> {}; sleep 1000", mark.display())),
    );
    until("the script runs", || lines(&mark) == 1);
    gateway.send(FromServer::Cancel(OrderRef { order_id: id.clone() }));
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Canceled), "{outcome:?}");
    assert_eq!(result(&outcome)["canceled"], true);
    is_swept(&endpoint);
}

#[test]
fn a_script_is_taken_up_by_the_next_agent_and_runs_once() {
    let (gateway, mut endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (mark, go) = (dir.path().join("mark"), dir.path().join("go"));
    let body = format!(
        "echo started >> {0}; until [ -e {1} ]; do sleep 0.02; done; echo ended >> {0}; echo out",
        mark.display(),
        go.display()
    );
    let id = gateway.give("endpoint.run_script", &params(&gateway, &body));
    until("the script runs", || lines(&mark) == 1);
    endpoint.kill();
    endpoint.connect(&gateway);
    std::fs::write(&go, b"").unwrap();
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    assert_eq!(result(&outcome)["stdout"]["text"], "out\n");
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "started\nended\n");
    is_swept(&endpoint);
}

#[test]
fn a_script_that_ended_while_no_agent_ran_is_not_run_again() {
    let (gateway, mut endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let (mark, go) = (dir.path().join("mark"), dir.path().join("go"));
    let body = format!(
        "echo started >> {0}; until [ -e {1} ]; do sleep 0.02; done; echo ended >> {0}; exit 7",
        mark.display(),
        go.display()
    );
    let id = gateway.give("endpoint.run_script", &params(&gateway, &body));
    until("the script runs", || lines(&mark) == 1);
    endpoint.kill();
    std::fs::write(&go, b"").unwrap();
    until("the result is on disk", || endpoint.file(&format!("work/{id}/run-1/result.json")).exists());
    endpoint.connect(&gateway);
    let outcome = gateway.outcome(&id);
    assert_eq!(result(&outcome)["exit_code"], 7, "{outcome:?}");
    assert_eq!(lines(&mark), 2);
}

#[test]
fn a_script_whose_supervisor_was_killed_too_is_indeterminate() {
    let (gateway, mut endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let body = format!("echo $$ >> {}; exec sleep 1000", mark.display());
    let id = gateway.give("endpoint.run_script", &params(&gateway, &body));
    until("the script runs", || lines(&mark) == 1);
    endpoint.kill();
    let run = endpoint.file(&format!("work/{id}/run-1"));
    let supervisor = quell_host::script::supervisor(&run).unwrap().unwrap();
    let raw = rustix::process::Pid::from_raw(supervisor.pid as i32).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    until("the supervisor is gone", || !supervisor.is_running().unwrap());
    endpoint.connect(&gateway);
    let outcome = gateway.outcome(&id);
    assert_eq!(outcome.status, i32::from(Status::Indeterminate), "{outcome:?}");
    assert_eq!(outcome.reason_code, "script_lost");
    let pid = std::fs::read_to_string(&mark).unwrap();
    until("what it left is ended", || !Path::new(&format!("/proc/{}/exe", pid.trim())).exists());
    is_swept(&endpoint);
}

#[test]
fn nothing_runs_under_a_digest_that_is_not_its_own() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = gateway.files().false_script("true", &format!("echo ran >> {}", mark.display()));
    for (script, fetches) in [(script, 1), (format!("sha256:{}", "0".repeat(64)), 2)] {
        let params = json!({ "script": script, "interpreter": "sh" });
        let outcome = gateway.outcome(&gateway.give("endpoint.run_script", &params));
        assert_eq!(outcome.status, i32::from(Status::Refused), "{outcome:?}");
        assert_eq!(outcome.reason_code, "script_unavailable");
        assert_eq!(gateway.files().fetched(), fetches, "final at the first answer");
    }
    assert_eq!(lines(&mark), 0);
    is_swept(&endpoint);
}
