//! The signer that a server starts: a process of its own that holds the key, and comes back when it is killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quell_lab::swarm::{Effects, Options, Swarm};
use serde_json::{Value, json};

use crate::operate::Site;
use crate::program::{Running, quell, run};

/// Children of a process, by the kernel's word.
fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task")).unwrap().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// Files that a process has open.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_within(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
}

fn status(site: &Site) -> Value {
    let folder = site.data().join("signer");
    let said = site.say(&["signer", "status", "-o", "json", "--dir", folder.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_server_holds_no_key_and_its_signer_comes_back() {
    let mut site = Site::open();
    let folder = std::fs::canonicalize(site.data().join("signer")).unwrap();
    let server = site.pid();
    let signer = until(|| children(server).first().copied());
    let open = open_files(server);
    assert!(!open.iter().any(|file| is_within(file, &folder)), "{open:?}");
    // The key was read and closed; what the signer has open is its journal, its lock and its sockets.
    assert!(open_files(signer).iter().any(|file| file.ends_with("signed.jsonl")), "{:?}", open_files(signer));
    let facts = std::fs::read_to_string(format!("/proc/{signer}/status")).unwrap();
    assert!(facts.lines().any(|line| line == "NoNewPrivs:\t1"), "{facts}");
    let environment = std::fs::read(format!("/proc/{signer}/environ")).unwrap_or_default();
    assert!(environment.len() < 100, "the server's settings are none of the signer's business");
    assert_eq!(status(&site)["key_set_version"], 1);
    assert!(site.is_ready());

    // Who ends a service asks all of its processes: the signer stays until the server has gone.
    let pid = rustix::process::Pid::from_raw(signer.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(status(&site)["running"], true);
    assert_eq!(children(server), [signer]);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let next = until(|| children(server).first().copied().filter(|next| *next != signer));
    until(|| site.is_ready().then_some(()));
    assert_eq!(status(&site)["running"], true);

    // The server ends, and its signer with it.
    site.interrupt();
    until(|| (!Path::new(&format!("/proc/{next}")).exists()).then_some(()));
}

#[test]
fn a_server_that_is_killed_takes_its_signer_with_it() {
    let mut site = Site::open();
    let signer = until(|| children(site.pid()).first().copied());
    site.kill();
    until(|| (!Path::new(&format!("/proc/{signer}")).exists()).then_some(()));
}

#[test]
fn keys_and_policy_are_changed_at_the_signer() {
    let site = Site::open();
    let folder = site.data().join("signer");
    let folder = folder.to_str().unwrap();
    let rotated = site.say(&["signer", "rotate", "--dir", folder]);
    assert!(rotated.code == 0 && rotated.out.contains("keys version 2"), "{}{}", rotated.out, rotated.err);
    let retired = site.say(&["signer", "retire", "--dir", folder, "-o", "json"]);
    let retired: Value = serde_json::from_str(&retired.out).unwrap();
    assert_eq!(retired["keys"].as_array().unwrap().len(), 1);
    let wrong = site.file("wrong.json", r#"{"actions": ["endpoint.isolat"]}"#);
    let refused = site.say(&["signer", "policy", "--dir", folder, "set", wrong.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.err.contains("endpoint.isolat"), "{}", refused.err);
    let right = site.file("right.json", r#"{"approvals": {"endpoint.run_script": 2}, "max_targets": 50}"#);
    let set = site.say(&["signer", "policy", "--dir", folder, "set", right.to_str().unwrap()]);
    assert!(set.code == 0 && set.out.contains("endpoint.run_script"), "{}{}", set.out, set.err);
    assert_eq!(status(&site)["policy"]["max_targets"], 50);
    // The first protection document may be signed by now; an order is not.
    let verified = site.say(&["signer", "log", "--verify", "--dir", folder]);
    assert!(verified.code == 0 && verified.out.starts_with("intact; "), "{}{}", verified.out, verified.err);
}

#[test]
fn a_signer_elsewhere_is_used_and_its_absence_told() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("vault");
    let place = format!("unix:{}", home.path().join("vault/sign.sock").display());
    let mut command = quell(home.path());
    command.args(["signer", "run", "--dir", folder.to_str().unwrap()]);
    let (_signer, lines, is_ready) = Running::start(command, |line| line.contains("the signer is ready"));
    assert!(is_ready, "{lines:?}");
    let serve = || {
        let mut command = quell(home.path());
        command.args(["server", "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--signer", &place]);
        command.arg("--data-dir").arg(home.path().join("data"));
        command
    };
    let (server, lines, is_ready) = Running::start(serve(), |line| line.contains("the server is ready"));
    assert!(is_ready, "{lines:?}");
    assert!(children(server.pid()).is_empty() && !home.path().join("data/signer").exists());
    drop(server);
    let mut bad = serve();
    bad.arg("--signer").arg("tcp:localhost:1");
    let refused = run(&mut bad);
    assert!(refused.code == 1, "{}", refused.err);
    let mut certless = quell(home.path());
    certless.args(["server", "--signer", "tcp:localhost:1", "--data-dir"]).arg(home.path().join("other"));
    let refused = run(&mut certless);
    assert!(refused.code == 1 && refused.err.contains("--signer-cert"), "{}", refused.err);
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    // It may have been killed a moment ago.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_on_while_their_signer_is_killed_again_and_again() {
    const AGENTS: usize = 10;
    const ROUNDS: usize = 5;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let site = Site::open();
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let folder = tempfile::tempdir().unwrap();
    let mut swarm = Swarm::new(Options {
        server: site.gateway().to_owned(),
        state: folder.path().to_owned(),
        prefix: "sim".to_owned(),
        ramp: Duration::from_millis(100),
        effects: Arc::new(Effects {
            takes: Duration::ZERO,
            began: Some(Arc::new(move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
            })),
        }),
    });
    let token = site.say(&["endpoints", "enrol-token", "--max-uses", "10"]);
    swarm.grow(token.out.lines().next().unwrap().trim(), AGENTS).await.unwrap();
    swarm.all_connected(Duration::from_mins(1)).await.unwrap();
    let (base, key) = site.api();
    let vault = site.data().join("signer");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for round in 0..ROUNDS {
        let signer = until(|| children(site.pid()).first().copied());
        // A new key, and the end of the old one, while agents are connected: they follow before an order needs them to.
        let changed = ["status", "rotate", "retire", "rotate", "retire"][round];
        let changed = site.say(&["signer", changed, "--dir", vault.to_str().unwrap()]);
        assert_eq!(changed.code, 0, "{}", changed.err);
        // Once with the signer that changed its keys, else with the next one, which reads them.
        if round != 1 {
            kill(signer);
        }
        let task = json!({
            "action": "process.terminate", "params": { "path": "/nonexistent" }, "reason": "a test",
            "targets": { "all": true }, "confirm_count": AGENTS,
        });
        let asked = http.post(format!("{base}/tasks")).bearer_auth(key).json(&task).send().await.unwrap();
        let task: Value = asked.error_for_status().unwrap().json().await.unwrap();
        let path = format!("{base}/tasks/{}", task["id"].as_str().unwrap());
        let late = Instant::now() + Duration::from_mins(1);
        loop {
            let task: Value = http.get(&path).bearer_auth(key).send().await.unwrap().json().await.unwrap();
            if !task["ended_at"].is_null() {
                assert_eq!((&task["state"], &task["succeeded_count"]), (&json!("succeeded"), &json!(AGENTS)));
                break;
            }
            assert!(Instant::now() < late, "{task}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(begun.load(Ordering::Relaxed), AGENTS * ROUNDS, "each once");
    let report = quell_signer::journal::verify(&vault, |_| ()).unwrap();
    assert_eq!(report.problem, None, "what a kill cut short was taken off");
    assert!(report.lines >= (AGENTS * ROUNDS) as u64);
    swarm.stop().await;
}
