//! Scripts that do not behave, and scripts whose agent dies.

use serde_json::{Value, json};

use crate::{ended, id, said, site, succeeded, until};

#[test]
fn a_script_outlives_its_agent_and_is_taken_up_again() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let body = "echo began >> /root/marks; until [ -e /root/go ]; do sleep 0.02; done; \
                echo ended >> /root/marks; echo out; exit 3";
    site.script("long", "bash", body).unwrap();
    let params = json!({ "script": "long", "success_exit_codes": [3] });
    let task = site.submit("web-1", "endpoint.run_script", &params).unwrap();
    let marks = || std::fs::read_to_string(web.endpoint.path("/root/marks")).unwrap_or_default();
    until("the script", || marks() == "began\n");
    let agent = web.agent_pid();
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    assert!(said(&web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("supervise"));
    web.start_agent().unwrap();
    assert_ne!(web.agent_pid(), agent);
    site.connected("web-1", true).unwrap();
    assert!(site.task(&task).unwrap()["ended_at"].is_null());
    std::fs::write(web.endpoint.path("/root/go"), b"").unwrap();
    let task = site.ended(&task).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["exit_code"], &outcome["stdout"]["text"]), (&json!(3), &json!("out\n")));
    assert_eq!(std::fs::read_to_string(web.endpoint.path("/root/marks")).unwrap(), "began\nended\n");
}

/// Name, body, how the command ends, and how long it may take in seconds.
const WILD: [(&str, &str, (&str, &str)); 7] = [
    ("mounts", "mkdir m && mount --bind /srv/data m && sleep 987", ("failed", "time_limit")),
    ("forks", "for i in 1 2 3 4 5 6 7 8; do (sleep 987 &) ; done; echo done", ("succeeded", "")),
    ("daemon", "setsid sh -c 'setsid sleep 987 >/dev/null 2>&1 </dev/null &' & sleep 0.2", ("succeeded", "")),
    ("flood", "head -c 20000000 /dev/zero; exit 0", ("succeeded", "")),
    ("endless", "while :; do sleep 987; done", ("failed", "time_limit")),
    ("deaf", "trap '' TERM INT HUP; while :; do sleep 987; done", ("failed", "time_limit")),
    ("fails", "exit 42", ("failed", "exit_code")),
];

#[test]
fn scripts_that_do_not_behave_end_and_leave_nothing() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(&web, "mkdir -p /srv/data && echo kept > /srv/data/file");
    let tasks: Vec<Value> = WILD
        .iter()
        .map(|(name, body, _)| {
            site.script(name, "sh", body).unwrap();
            let params = json!({ "script": name, "time_limit_seconds": 2, "output_limit_bytes": 100_000 });
            site.submit("web-1", "endpoint.run_script", &params).unwrap()
        })
        .collect();
    for ((name, _, (state, code)), task) in WILD.iter().zip(&tasks) {
        let task = site.ended(task).unwrap();
        let (is, why) = ended(&task);
        assert_eq!(is, *state, "{name}: {why}");
        assert!(code.is_empty() || *code == why, "{name}: {why}");
        let outcome = &task["commands"]["items"][0]["outcome"];
        match *name {
            "flood" => {
                assert_eq!(outcome["stdout"]["bytes"], 20_000_000);
            }
            "forks" => assert_eq!(outcome["left_behind"], 8, "{outcome:#}"),
            _ => {}
        }
    }
    until("an empty endpoint", || {
        !said(&web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("sleep 987")
    });
    // What a script mounted into its directory does not go with it.
    until("no work directory", || said(&web, &format!("ls {}/work", quell_lab::site::STATE)).is_empty());
    assert_eq!(said(&web, "cat /srv/data/file"), "kept");
}

#[test]
fn what_runs_is_called_off() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    site.script("long", "sh", "echo began > /root/began; sleep 987").unwrap();
    let task = site.submit("web-1", "endpoint.run_script", &json!({ "script": "long" })).unwrap();
    until("the script", || web.endpoint.path("/root/began").exists());
    site.api.post(&format!("/tasks/{}/cancel", id(&task)), &Value::Null).unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    assert_eq!(ended(&task).0, "canceled", "{task:#}");
    assert!(!said(&web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("sleep 987"));
}
