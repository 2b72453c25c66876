//! The agent is killed in the middle of an order: the order ends soon, says the truth, and nothing waits behind it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use quell_lab::ECHO_PORT;
use quell_lab::site::{Machine, STATE, Site, ways_out};
use serde_json::{Value, json};

use crate::{all_cut, all_open, ended, id, said, site, succeeded, until};

/// From the agent's start to the end of what it was killed in.
const SOON: Duration = Duration::from_secs(25);

fn canaries(site: &Site) -> Value {
    json!({ "canaries": site.lab.outside().sockets(ECHO_PORT).map(|s| s.to_string()) })
}

/// Isolates, and kills the agent as soon as its rules may stand and nobody has tested them.
fn killed_while_it_tests(site: &Site, web: &mut Machine, more: &Value) -> Value {
    let state = web.endpoint.path(format!("{STATE}/isolation.json"));
    let task = site.submit_with("web-1", "endpoint.isolate", &canaries(site), more).unwrap();
    let mut kept = String::new();
    until("the isolation", || {
        kept = std::fs::read_to_string(&state).unwrap_or_default();
        !kept.is_empty()
    });
    web.kill_agent().unwrap();
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    assert_eq!(kept["phase"], "testing", "killed too late to show anything");
    site.command_in(&task, "running").unwrap();
    task
}

fn ended_soon(site: &Site, web: &mut Machine, task: &Value) -> Value {
    web.start_agent().unwrap();
    let began = Instant::now();
    site.connected("web-1", true).unwrap();
    let task = site.ended(task).unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    task
}

#[test]
fn an_isolation_ends_and_can_be_taken_back() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let task = killed_while_it_tests(&site, &mut web, &json!({}));
    let task = ended_soon(&site, &mut web, &task);
    succeeded(&task);
    all_cut(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    assert_eq!(site.record("web-1").unwrap()["isolation"]["task"], task["id"]);
    succeeded(&site.act("web-1", "endpoint.restore", &json!({})).unwrap());
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    assert!(site.record("web-1").unwrap()["isolation"].is_null());
}

#[test]
fn an_isolation_that_was_called_off_meanwhile_says_what_stands_and_ends_at_its_time() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let task = killed_while_it_tests(&site, &mut web, &json!({ "revert_after_seconds": 5 }));
    site.api.post(&format!("/tasks/{}/cancel", id(&task)), &Value::Null).unwrap().good().unwrap();
    let task = ended_soon(&site, &mut web, &task);
    assert_eq!(ended(&task).0, "succeeded", "it stands, so it is not called off: {task:#}");
    let mut undo = Value::Null;
    until("the undo", || {
        undo = site.task(&task).unwrap()["undone_by"].clone();
        !undo.is_null()
    });
    succeeded(&site.ended(&json!({ "id": undo })).unwrap());
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
}

#[test]
fn a_collection_begins_anew_and_is_whole() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    said(&web, "head -c 200000000 /dev/zero > /root/big");
    let task = site.submit("web-1", "file.collect", &json!({ "path": "/root/big" })).unwrap();
    site.command_in(&task, "running").unwrap();
    let work: PathBuf = web.endpoint.path(format!("{STATE}/work"));
    until("the archive", || written(&work) > 0);
    web.kill_agent().unwrap();
    assert_eq!(site.task(&task).unwrap()["state"], "running", "killed too late to show anything");
    let task = ended_soon(&site, &mut web, &task);
    assert_eq!(succeeded(&task)["outcome"]["size"], 200_000_000);
}

/// Bytes of all files of all orders' work.
fn written(work: &std::path::Path) -> u64 {
    let orders = std::fs::read_dir(work).into_iter().flatten().flatten();
    let files = orders.flat_map(|order| std::fs::read_dir(order.path()).into_iter().flatten().flatten());
    files.filter_map(|file| file.metadata().ok()).map(|facts| facts.len()).sum()
}
