//! Processes listed, dumped and started through the API, and looked at from outside of the agent.

use std::io::{Cursor, Read as _};
use std::process::Command;

use quell_lab::site::{AGENT, Api, Machine, Site};
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};

use crate::{ended, id, process, said, site, succeeded, until};

const PASSWORD: &str = "a rather long passphrase";

fn named((pid, start_time): (u32, u64)) -> Value {
    json!({ "pid": pid, "start_time": start_time })
}

/// A process of a kind of which there is one.
fn sleeper(machine: &Machine, seconds: u32) -> (u32, u64) {
    said(machine, &format!("setsid sleep {seconds} >/dev/null 2>&1 & :"));
    process(machine, &format!("sleep {seconds}"))
}

#[test]
fn processes_are_listed_with_what_names_them() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let (pid, start) = sleeper(&web, 7101);
    let task = site.act("web-1", "process.list", &json!({})).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!(outcome["boot_id"], said(&web, "cat /proc/sys/kernel/random/boot_id"));
    let rows = outcome["processes"]["shown"].as_array().unwrap();
    assert_eq!(outcome["processes"]["count"], rows.len());
    let row = rows.iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(
        (&row["start_time"], &row["user"], &row["command_line"]),
        (&json!(start), &json!("root"), &json!("sleep 7101"))
    );
    let seen: Vec<u64> = rows.iter().filter_map(|row| row["pid"].as_u64()).collect();
    for one in said(&web, "cd /proc && ls -d [0-9]*").split_whitespace() {
        let is_new = one.parse::<u64>().unwrap() > *seen.iter().max().unwrap();
        assert!(is_new || seen.contains(&one.parse().unwrap()), "{one} is missing");
    }
    let task = site.act("web-1", "process.list", &json!({ "name": "SLEEP 7101", "user": "0" })).unwrap();
    let few = &succeeded(&task)["outcome"]["processes"];
    assert_eq!((&few["count"], &few["shown"][0]["pid"]), (&json!(1), &json!(pid)), "{few:#}");
    let row = &few["shown"][0];
    let task = site.act(
        "web-1",
        "process.terminate",
        &json!({ "pid": row["pid"], "start_time": row["start_time"] }),
    );
    succeeded(&task.unwrap());
    let task = site.act("web-1", "process.list", &json!({ "path": "/no/such/program" })).unwrap();
    assert_eq!(succeeded(&task)["outcome"]["processes"]["count"], 0);
}

/// The files of a task's archive.
fn unpacked(site: &Site, task: &Value) -> zip::ZipArchive<Cursor<Vec<u8>>> {
    let archive = &task["commands"]["items"][0]["outcome"]["archive"];
    let artifact = archive["artifact_id"].as_str().unwrap();
    let bytes = site.api.get(&format!("/artifacts/{artifact}/content")).unwrap().bytes;
    assert_eq!(archive["sha256"], hex(&sha256(&[&bytes])));
    zip::ZipArchive::new(Cursor::new(bytes)).unwrap()
}

fn password(site: &Site, task: &Value) -> String {
    let path = format!("/tasks/{}/archive-password", id(task));
    let answer = site.api.post(&path, &json!({})).unwrap().good().unwrap();
    answer["password"].as_str().unwrap().to_owned()
}

#[test]
fn the_memory_of_a_process_comes_in_and_the_process_runs_on() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "cat > /root/victim.sh <<'E'\nsecret=token-$(printf %s 4 7 1 1)-in-memory\nwhile :; do read -t 1 x < /root/fifo; done\nE\n\
                mkfifo /root/fifo; setsid bash /root/victim.sh >/dev/null 2>&1 & :",
    );
    until("the victim", || !said(&web, "pgrep -f /root/victim.sh || :").is_empty());
    let victim = process(&web, "bash /root/victim.sh");
    let task = site.act("web-1", "process.dump_memory", &named(victim)).unwrap();
    let command = succeeded(&task);
    let outcome = &command["outcome"];
    println!("{outcome:#}");
    assert!(outcome["stopped_us"].as_u64().unwrap() < 500_000 && outcome["threads_with_registers"] == 1);
    assert_eq!(process(&web, "bash /root/victim.sh"), victim, "it is the same, and runs");
    assert!(said(&web, &format!("cat /proc/{}/stat", victim.0)).contains(") S "));
    let mut archive = unpacked(&site, &task);
    let word = password(&site, &task);
    let mut core = Vec::new();
    let entry = outcome["entry"].as_str().unwrap();
    archive.by_name_decrypt(entry, word.as_bytes()).unwrap().read_to_end(&mut core).unwrap();
    assert_eq!(outcome["sha256"], hex(&sha256(&[&core])));
    // Put together by the shell alone: neither its text nor its environment holds it.
    let secret = b"token-4711-in-memory";
    assert!(core.windows(secret.len()).any(|part| part == secret));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    std::fs::write(&path, &core).unwrap();
    let program = outcome["path"].as_str().unwrap();
    if let Ok(said) = Command::new("gdb").args(["-batch", "-nx", "-ex", "bt", program]).arg(&path).output() {
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(text.contains("#0 ") && text.contains("#1 "), "{text}");
    }
    // What cannot be dumped says so, and nothing is left on the endpoint.
    let agent = process(&web, &format!("{AGENT} run"));
    let zombie = said(
        &web,
        "setsid sh -c 'sleep 0 & exec sleep 7202' >/dev/null 2>&1 & sleep 0.3; \
                             for s in /proc/[0-9]*/stat; do sed -n 's/^\\([0-9]*\\) (sleep) Z .*/\\1/p' $s; done | head -1",
    );
    let zombie = (zombie.parse().unwrap(), 0);
    let start = said(&web, &format!("sed 's/.*) //' /proc/{}/stat | cut -d' ' -f20", zombie.0));
    for (who, code) in [
        (agent, "protected"),
        ((victim.0, victim.1 + 1), "pid_reused"),
        ((4_100_000, 1), "process_gone"),
        ((zombie.0, start.parse().unwrap()), "is_zombie"),
    ] {
        let task = site.act("web-1", "process.dump_memory", &named(who)).unwrap();
        assert_eq!(ended(&task), ("refused", code), "{task:#}");
    }
    let small = json!({ "pid": victim.0, "start_time": victim.1, "max_bytes": 1000 });
    assert_eq!(ended(&site.act("web-1", "process.dump_memory", &small).unwrap()), ("refused", "too_large"));
    let other = json!({ "pid": victim.0, "start_time": victim.1, "boot_id": "other" });
    assert_eq!(ended(&site.act("web-1", "process.dump_memory", &other).unwrap()), ("refused", "other_boot"));
}

/// A person who may do everything, and can confirm it.
fn ada(site: &Site) -> Api {
    let stranger = Api::new(&site.server.url(), "").unwrap();
    let code = std::fs::read_to_string(site.folder.path().join("data/setup.code")).unwrap();
    let first = json!({ "code": code.trim(), "organisation": "Customer", "name": "Ada", "email": "ada@customer.example",
        "password": PASSWORD });
    stranger.post("/setup", &first).unwrap().good().unwrap();
    let begin = json!({ "email": "ada@customer.example", "password": PASSWORD, "deliver": "token" });
    let begun = stranger.post("/session", &begin).unwrap().good().unwrap();
    Api::new(&site.server.url(), begun["token"].as_str().unwrap()).unwrap()
}

fn asked(params: &Value) -> Value {
    json!({ "action": "process.start", "params": params, "reason": "a test", "targets": { "endpoints": ["web-1"] } })
}

fn start(site: &Site, ada: &Api, params: &Value) -> Value {
    let task = ada.post_confirmed("/tasks", &asked(params), PASSWORD).unwrap().good().unwrap();
    site.ended(&task).unwrap()
}

#[test]
fn a_program_is_started_after_a_password_and_outlives_the_agent() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let ada = ada(&site);
    said(
        &web,
        "cat > /root/job <<'E'\n#!/bin/sh\necho begin >> /root/marks\necho hello \"$1\" $PWD $MORE\nexec sleep 7303\nE\nchmod 755 /root/job",
    );
    let params = json!({ "path": "/root/job", "arguments": ["a b"], "working_directory": "/usr", "environment": ["MORE=yes"], "watch_seconds": 1 });
    // Neither a key nor a person without the password.
    for api in [&site.api, &ada] {
        let answer = api.post("/tasks", &asked(&params)).unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("step_up_needed")));
    }
    let task = start(&site, &ada, &params);
    let command = succeeded(&task);
    let outcome = &command["outcome"];
    assert_eq!(outcome["output"]["text"], "hello a b /usr yes\n", "{outcome:#}");
    assert_eq!((&outcome["running"], &outcome["script"]), (&json!(true), &json!(true)));
    let (pid, start_time) = process(&web, "sleep 7303");
    assert_eq!((&outcome["pid"], &outcome["start_time"]), (&json!(pid), &json!(start_time)));
    assert!(!command.to_string().contains("MORE=yes") || task["params"]["environment"] == "***", "{task:#}");
    let session = said(&web, &format!("sed 's/.*) //' /proc/{pid}/stat | cut -d' ' -f4"));
    assert_eq!(session, pid.to_string(), "a session of its own");
    assert_eq!(said(&web, &format!("readlink /proc/{pid}/fd/0")), "/dev/null");
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    web.start_agent().unwrap();
    site.connected("web-1", true).unwrap();
    assert_eq!(process(&web, "sleep 7303"), (pid, start_time), "it outlives the agent");
    assert_eq!(said(&web, "cat /root/marks"), "begin");
    // The way back.
    let undone = ada
        .post(&format!("/tasks/{}/undo", id(&task)), &json!({ "reason": "a test" }))
        .unwrap()
        .good()
        .unwrap();
    let undone = site.ended(&undone).unwrap();
    assert_eq!(succeeded(&undone)["outcome"]["ended"][0]["pid"], pid, "{undone:#}");
    assert!(said(&web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").find("sleep 7303").is_none());
    // What ends at once says how.
    let sh = said(&web, "readlink -f /bin/sh");
    let task =
        start(&site, &ada, &json!({ "path": sh, "arguments": ["-c", "echo out; echo err >&2; exit 3"] }));
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!(
        (&outcome["exit_code"], &outcome["running"], &outcome["output"]["text"]),
        (&json!(3), &json!(false), &json!("out\nerr\n"))
    );
    let expected = said(&web, &format!("sha256sum {sh} | cut -d' ' -f1"));
    assert_eq!(outcome["sha256"], expected);
    // The endpoint's own list of accounts, not this machine's.
    let accounts = web.endpoint.path("/etc/passwd");
    let mut text = std::fs::read_to_string(&accounts).unwrap_or_default();
    text.push_str("worker:x:1234:1234::/tmp:/bin/sh\n");
    std::fs::write(&accounts, text).unwrap();
    let task = start(
        &site,
        &ada,
        &json!({ "path": sh, "arguments": ["-c", "id -un; id -G; echo $HOME"], "user": "worker" }),
    );
    assert_eq!(succeeded(&task)["outcome"]["output"]["text"], "worker\n1234\n/tmp\n");
    said(
        &web,
        "printf '#!/no/such\\n' > /root/lost; chmod 755 /root/lost; printf x > /root/plain; cp /bin/true /root/su; chmod 4755 /root/su",
    );
    for (params, code) in [
        (json!({ "path": "/root" }), "is_directory"),
        (json!({ "path": "/root/absent" }), "not_found"),
        (json!({ "path": "/root/lost" }), "interpreter_missing"),
        (json!({ "path": "/root/plain" }), "not_executable"),
        (json!({ "path": "/root/su" }), "is_setuid"),
        (json!({ "path": sh, "user": "nobody at all" }), "user_unknown"),
        (json!({ "path": sh, "working_directory": "/absent" }), "directory_missing"),
        (json!({ "path": sh, "sha256": "ab".repeat(32) }), "hash_mismatch"),
    ] {
        let task = start(&site, &ada, &params);
        assert_eq!(ended(&task), ("refused", code), "{params}: {task:#}");
    }
    for params in [
        json!({ "path": "sh" }),
        json!({ "path": "/bin/\u{0}sh" }),
        json!({ "path": sh, "environment": ["x"] }),
    ] {
        let answer = ada.post_confirmed("/tasks", &asked(&params), PASSWORD).unwrap();
        assert!((400..500).contains(&answer.status), "{params}");
    }
}

#[test]
fn a_start_under_way_when_the_agent_dies_happens_once() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let ada = ada(&site);
    said(
        &web,
        "cat > /root/job <<'E'\n#!/bin/sh\necho begin >> /root/marks\nexec sleep 7404\nE\nchmod 755 /root/job",
    );
    let params = json!({ "path": "/root/job", "watch_seconds": 30 });
    let task = ada.post_confirmed("/tasks", &asked(&params), PASSWORD).unwrap().good().unwrap();
    until("its first word", || web.endpoint.path("/root/marks").exists());
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    web.start_agent().unwrap();
    site.connected("web-1", true).unwrap();
    let (pid, _) = process(&web, "sleep 7404");
    said(&web, &format!("kill -TERM {pid}"));
    let task = site.ended(&task).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["pid"], &outcome["signal"]), (&json!(pid), &json!(15)), "{outcome:#}");
    assert_eq!(said(&web, "cat /root/marks"), "begin");
}
