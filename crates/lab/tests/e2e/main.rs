//! The whole, from a request over the API to an effect on an endpoint: a real server process, real agent processes, real
//! rules, files and processes. What is claimed is looked at on the endpoint and from outside of it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod blocklist;
mod command_line;
mod copied_identity;
mod evidence;
mod files;
mod guard;
mod guest;
mod hostile;
mod incidents;
mod isolate;
mod killed;
mod kit;
mod lost_channel;
mod malware;
mod managed;
mod offline;
mod osquery;
mod processes;
mod protection;
mod recorder;
mod release;
mod script;
mod shell;
mod systemd;
mod trust;
mod yara;

use std::time::{Duration, Instant};

use quell_lab::site::{Error, Machine, Site, Way};
use serde_json::Value;

/// A site, or the reason why there is none here.
fn site() -> Option<Site> {
    match Site::start() {
        Ok(site) => Some(site),
        Err(error @ Error::Lab(quell_lab::Error::Privilege(_) | quell_lab::Error::Missing(..))) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "no sign of {what} within thirty seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}

/// The first command of a task, which must have succeeded.
fn succeeded(task: &Value) -> &Value {
    assert_eq!(task["state"], "succeeded", "{task:#}");
    &task["commands"]["items"][0]
}

/// State and reason of a task's first command.
fn ended(task: &Value) -> (&str, &str) {
    let command = &task["commands"]["items"][0];
    (command["state"].as_str().unwrap_or_default(), command["reason_code"].as_str().unwrap_or_default())
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn all_open(ways: &[Way]) {
    let closed: Vec<&Way> = ways.iter().filter(|way| !way.open).collect();
    assert!(closed.is_empty(), "closed: {closed:?}");
}

fn all_cut(ways: &[Way]) {
    let open: Vec<&Way> = ways.iter().filter(|way| way.open).collect();
    assert!(open.is_empty(), "open: {open:?}");
}

/// What a shell command on the endpoint says; it must succeed.
fn said(machine: &Machine, script: &str) -> String {
    let finished = machine.sh(script).unwrap();
    assert!(finished.ok(), "{script}: {finished:?}");
    finished.stdout.trim().to_owned()
}

/// Pid and start time, on the endpoint, of the only process whose command line matches; waits for it.
fn process(machine: &Machine, pattern: &str) -> (u32, u64) {
    let look = format!(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^{pattern}' && \
         sed 's/.*) //' $p/stat | cut -d' ' -f20 | sed \"s|^|${{p#/proc/}} |\"; done; :"
    );
    let mut found = String::new();
    until(&format!("a process {pattern}"), || {
        found = said(machine, &look);
        !found.is_empty()
    });
    let mut numbers = found.split_whitespace();
    let pid = numbers.next().unwrap().parse().unwrap();
    let start = numbers.next().unwrap().parse().unwrap();
    assert_eq!(numbers.next(), None, "several processes {pattern}: {found}");
    (pid, start)
}
