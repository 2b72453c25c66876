//! Requests that are wrong or hostile: a clear error, and nothing changed on the endpoint.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use quell_lab::site::{AGENT, Answer};
use quell_wire::digest::hex;
use serde_json::{Value, json};

use crate::{ended, process, said, site, succeeded};

/// What the API answers to a task that it does not take: a problem with a code and words.
fn is_refused(answer: &Answer) -> Value {
    let problem = answer.json();
    assert!((400..500).contains(&answer.status), "{}: {problem}", answer.status);
    assert!(problem["code"].as_str().is_some_and(|code| !code.is_empty()), "{problem}");
    problem
}

#[test]
fn files_that_are_none_and_names_that_should_not_be() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "cd /root && mkdir -p dir a/b && mkfifo fifo && : > empty && truncate -s 5G sparse && ln -s /etc/hostname link \
         && mknod zero c 1 5 && printf secret > 'new\nline' && printf secret > a/secret",
    );
    let root = web.endpoint.path("/root");
    let odd = std::ffi::OsStr::from_bytes(b"not\xffutf8");
    std::fs::write(root.join(odd), b"secret").unwrap();
    let before = said(&web, "ls -laR --time-style=full-iso /root");

    let long = format!("/root/{}", "x".repeat(4096));
    for (path, code) in [
        ("/root/missing", "not_found"),
        ("/root/dir", "is_directory"),
        ("/root/fifo", "is_fifo"),
        ("/root/zero", "is_device"),
        ("/root/link", "is_symlink"),
        ("/root/sparse", "too_large"),
        ("/proc/self/mem", "is_pseudo"),
    ] {
        let task = site.act("web-1", "file.collect", &json!({ "path": path })).unwrap();
        assert_eq!(ended(&task), ("refused", code), "{path}: {task:#}");
        assert!(task["commands"]["items"][0]["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
    // Names that no file can have, or that do not say what they mean: refused at the door or on the endpoint.
    let none = ["relative", "/root/nul\0byte", "/root/new\nline", "", "/root/a/b/../secret", long.as_str()];
    for path in none {
        let body = json!({
            "action": "file.collect", "params": { "path": path }, "reason": "a test", "targets": { "endpoints": ["web-1"] },
        });
        let answer = site.api.post("/tasks", &body).unwrap();
        if answer.status < 300 {
            let task = site.ended(&answer.json()).unwrap();
            assert_eq!(ended(&task).0, "refused", "{path:?}: {task:#}");
        } else {
            is_refused(&answer);
        }
    }
    // Odd names are names.
    for params in [
        json!({ "path_hex": hex(Path::new("/root").join(odd).as_os_str().as_bytes()) }),
        json!({ "path": "/root/empty" }),
    ] {
        let task = site.act("web-1", "file.collect", &params).unwrap();
        let outcome = &succeeded(&task)["outcome"];
        let size = if params["path"] == "/root/empty" { 0 } else { 6 };
        assert_eq!(outcome["size"], size, "{outcome}");
    }
    assert_eq!(said(&web, "ls -laR --time-style=full-iso /root"), before);
}

#[test]
fn processes_that_must_live() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let sleeper = web.endpoint.spawn(&["sleep", "9876"], &[]).unwrap();
    let (pid, start) = process(&web, "sleep 9876");
    let agent = process(&web, &format!("{AGENT} run"));
    let named = |(pid, start): (u32, u64)| json!({ "pid": pid, "start_time": start });

    let task = json!({ "action": "process.terminate", "params": named((1, 1)), "reason": "a test", "targets": { "endpoints": ["web-1"] } });
    is_refused(&site.api.post("/tasks", &task).unwrap());
    let task = site.act("web-1", "process.terminate", &named(agent)).unwrap();
    assert_eq!(ended(&task), ("refused", "protected"), "{task:#}");
    let task = site.act("web-1", "process.terminate", &named((pid, start + 1))).unwrap();
    assert_eq!(ended(&task), ("refused", "pid_reused"), "{task:#}");
    // Everything of the agent's program, its own process among it.
    let task =
        site.act("web-1", "process.terminate", &json!({ "path": AGENT, "descendants": true })).unwrap();
    assert!(matches!(ended(&task), ("refused" | "failed", "protected" | "spared")), "{task:#}");
    assert!(sleeper.running() && web.agent_pid().is_some());
    assert_eq!(process(&web, &format!("{AGENT} run")), agent);

    let task = site.act("web-1", "process.terminate", &named((pid, start))).unwrap();
    assert_eq!(succeeded(&task)["outcome"]["ended"][0]["pid"], pid);
    assert!(!sleeper.running());
}

#[test]
fn requests_that_are_none() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let rules = web.rules().unwrap();
    let mut huge = br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]},"reason":""#.to_vec();
    huge.resize(20 << 20, b'x');
    let bodies: [(&str, Vec<u8>); 9] = [
        ("cut off", br#"{"action":"endpoint.isolate","#.to_vec()),
        ("not UTF-8", b"{\"action\":\"endpoint.isolate\",\"targets\":{\"endpoints\":[\"web-1\"]},\"reason\":\"\xff\xfe\"}".to_vec()),
        ("unknown field", br#"{"action":"endpoint.isolate","targets":{"endpoints":["web-1"]},"reason":"r","x":1}"#.to_vec()),
        ("unknown parameter", br#"{"action":"endpoint.isolate","params":{"alow":[]},"targets":{"endpoints":["web-1"]},"reason":"r"}"#.to_vec()),
        ("wrong type", br#"{"action":"endpoint.isolate","targets":{"endpoints":"web-1"},"reason":"r"}"#.to_vec()),
        ("wrong type of a parameter", br#"{"action":"endpoint.isolate","params":{"allow":7},"targets":{"endpoints":["web-1"]},"reason":"r"}"#.to_vec()),
        ("deep", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes()),
        ("huge", huge),
        ("nothing", Vec::new()),
    ];
    for (name, body) in bodies {
        match site.api.post_raw("/tasks", body) {
            Ok(answer) => {
                let problem = is_refused(&answer);
                println!("{name}: {} {}", answer.status, problem["code"]);
            }
            // The server may close the door while the rest of a huge body is still coming in.
            Err(error) => assert_eq!(name, "huge", "{error:?}"),
        }
    }
    assert_eq!(site.api.get("/tasks").unwrap().json()["items"], json!([]));
    assert_eq!(web.rules().unwrap(), rules);
    assert_eq!(site.record("web-1").unwrap()["connected"], true);
}
