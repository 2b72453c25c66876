//! The demonstration itself, and the command line on its endpoints: actions by real agents, with each exit status.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::program::{Running, Said, quell, run};

/// The agent's program, where it has been built next to ours.
fn agent() -> Option<PathBuf> {
    let agent = PathBuf::from(env!("CARGO_BIN_EXE_quell")).with_file_name("quell-agent");
    if agent.exists() {
        return Some(agent);
    }
    println!("skipped: {} is not built (cargo build -p quell-agent)", agent.display());
    None
}

fn is_refused_here(told: &str) -> bool {
    let refused =
        ["a lab needs root", "is not installed", "install p7zip-full"].iter().any(|part| told.contains(part));
    if refused {
        println!("skipped: {}", told.lines().last().unwrap_or_default());
    }
    refused
}

#[test]
fn every_effect_of_the_demonstration_is_seen_from_both_ends() {
    let Some(agent) = agent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let said = run(quell(folder.path()).args(["demo", "--once", "--json", "--agent"]).arg(agent));
    if is_refused_here(&said.err) || is_refused_here(&said.out) {
        return;
    }
    let steps: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["process.terminate", "endpoint.isolate", "file.collect", "endpoint.run_script", "endpoint.restore"],
        "{}",
        said.err
    );
    for (at, step) in steps.iter().enumerate() {
        assert_eq!(step["status"], "verified", "{step:#}");
        assert_eq!(step["step"], at + 1);
        assert!(
            step["evidence"].as_array().unwrap().len() >= 4
                && step["ms"].is_u64()
                && step["target"] == "hr-laptop"
        );
    }
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn exit_statuses_tell_how_a_task_ended() {
    let Some(agent) = agent() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut demo = quell(folder.path());
    demo.arg("demo").arg("--agent").arg(agent);
    let (mut demo, lines, is_ready) = Running::start(demo, |line| line.starts_with("A new beacon runs"));
    if !is_ready {
        assert!(is_refused_here(&lines.join("\n")), "{lines:?}");
        return;
    }
    let export = lines.iter().find(|line| line.starts_with("export ")).unwrap();
    let given = |name: &str| export.split(' ').find_map(|word| word.strip_prefix(name)).unwrap().to_owned();
    let (url, key) = (given("QUELL_URL="), given("QUELL_API_KEY="));
    let say = |arguments: &[&str]| -> Said {
        let mut command: Command = quell(folder.path());
        run(command.args(arguments).env("QUELL_URL", &url).env("QUELL_API_KEY", &key))
    };
    for (name, body) in [("bad", "exit 3"), ("slow", "sleep 300"), ("loud", "printf '\\033[2Jhello'")] {
        let file = folder.path().join(format!("{name}.sh"));
        std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        assert_eq!(say(&["library", "add", "script", name, file.to_str().unwrap()]).code, 0);
    }
    let act = |script: &str, more: &[&str]| {
        let request =
            ["act", "endpoint", "run-script", "-e", "db-1", "-r", "test", "--script", script, "--wait"];
        say(&[&request, more].concat())
    };
    let failed = act("bad", &[]);
    assert_eq!(failed.code, 2, "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("exited with 3"), "{}", failed.out);
    let late = act("slow", &["--wait-timeout", "1s"]);
    assert_eq!(late.code, 3, "{}{}", late.out, late.err);
    let slow: Value =
        serde_json::from_str(say(&["tasks", "list", "--limit", "1", "-o", "jsonl"]).out.trim()).unwrap();
    let slow = slow["id"].as_str().unwrap();
    assert_eq!(say(&["tasks", "cancel", slow]).code, 0);
    let watched = say(&["tasks", "watch", slow, "--wait-timeout", "1m"]);
    assert_eq!(watched.code, 2, "{}{}", watched.out, watched.err);
    assert!(watched.out.contains("canceled"), "{}", watched.out);
    let loud = act("loud", &[]);
    assert!(
        loud.code == 0 && loud.out.contains("\\u{1b}[2Jhello") && !loud.out.contains('\u{1b}'),
        "{}",
        loud.out
    );
    assert_eq!(demo.interrupt(), 0, "a key press ends it well");
}
