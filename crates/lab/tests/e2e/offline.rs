//! Orders for an endpoint that is away: they wait, end in time, are called off, and are carried out once.

use serde_json::{Value, json};

use crate::{ended, id, site, succeeded, until};

#[test]
fn what_waits_is_carried_out_expired_or_called_off() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    site.script("mark", "sh", "echo \"$1\" >> /root/marks").unwrap();
    let mark = |text: &str| json!({ "script": "mark", "arguments": [text] });
    let act = "endpoint.run_script";
    let waits = site.submit("web-1", act, &mark("waits")).unwrap();
    let soon = json!({ "expires_in_seconds": 1 });
    let expires = site.submit_with("web-1", act, &mark("expires"), &soon).unwrap();
    let called_off = site.submit("web-1", act, &mark("called off")).unwrap();
    let cancel = format!("/tasks/{}/cancel", id(&called_off));
    site.api.post(&cancel, &Value::Null).unwrap().good().unwrap();
    assert_eq!(ended(&site.ended(&called_off).unwrap()).0, "canceled");
    assert_eq!(ended(&site.ended(&expires).unwrap()).0, "expired");
    assert_eq!(ended(&site.task(&waits).unwrap()).0, "queued");

    // The same request, repeated because its answer was lost.
    let body = json!({ "action": act, "params": mark("once"), "reason": "a test", "targets": { "endpoints": ["web-1"] } });
    let once: Vec<Value> =
        (0..3).map(|_| site.api.post_once("/tasks", &body, "a-key").unwrap().good().unwrap()).collect();
    assert!(once.iter().all(|task| task["id"] == once[0]["id"]), "{once:#?}");
    let mut other = body.clone();
    other["reason"] = json!("another");
    let refused = site.api.post_once("/tasks", &other, "a-key").unwrap();
    assert!((400..500).contains(&refused.status), "{refused:?}");

    web.start_agent().unwrap();
    succeeded(&site.ended(&waits).unwrap());
    succeeded(&site.ended(&once[0]).unwrap());
    let marks = std::fs::read_to_string(web.endpoint.path("/root/marks")).unwrap();
    let mut marks: Vec<&str> = marks.lines().collect();
    marks.sort_unstable();
    assert_eq!(marks, ["once", "waits"]);
}

#[test]
fn the_server_dies_with_orders_under_way() {
    let Some(mut site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let body =
        "echo began >> /root/marks; until [ -e /root/go ]; do sleep 0.02; done; echo ended >> /root/marks";
    site.script("long", "sh", body).unwrap();
    let task = site.submit("web-1", "endpoint.run_script", &json!({ "script": "long" })).unwrap();
    site.command_in(&task, "running").unwrap();
    site.server.kill();
    std::fs::write(web.endpoint.path("/root/go"), b"").unwrap();
    let marks = || std::fs::read_to_string(web.endpoint.path("/root/marks")).unwrap_or_default();
    until("the script's end", || marks().ends_with("ended\n"));
    site.server.restart().unwrap();
    let task = site.ended(&task).unwrap();
    assert_eq!(succeeded(&task)["outcome"]["exit_code"], 0);
    assert_eq!(marks(), "began\nended\n");
}
