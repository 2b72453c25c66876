//! What the packaged unit leaves to the agent is what its levers need: their tests pass within the same bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::CapabilitySet;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Set for the process that enters the bounds.
const WITHIN: &str = "QUELL_WITHIN_UNIT";
/// The tests that run there.
const LEVERS: &[&str] = &["core::", "guard::blocked", "guard::approved", "vault::", "worker::"];
/// One counts the filters of a worker, of which there is one more; one waits long.
const NOT: &[&str] = &["worker::the_kernel_says_how_a_worker_is_confined", "unit::"];
/// What the tests themselves need to make file systems to work on.
const OF_TESTS: &[&str] = &["mount", "umount2"];

#[test]
fn every_lever_works_within_the_packaged_unit() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/quell-agent.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let (Some(numbers), Some(names)) = (numbers(), allowed(&unit)) else {
        println!("skipped: the kernel's header of system calls or systemd-analyze is not installed");
        return;
    };
    if std::env::var_os(WITHIN).is_some() {
        enter(&unit, &numbers, &names);
        let skip = NOT.iter().flat_map(|name| ["--skip", name]);
        let error =
            Command::new(std::env::current_exe().unwrap()).args(LEVERS).args(skip).env_remove(WITHIN).exec();
        panic!("{error}");
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root has anything to give up");
        return;
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner
        .args(["--exact", "unit::every_lever_works_within_the_packaged_unit", "--nocapture"])
        .env(WITHIN, "1");
    let output = inner.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ok")).count();
    assert!(
        output.status.success() && passed > 20,
        "{passed} passed\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Numbers of this machine's system calls.
fn numbers() -> Option<BTreeMap<String, i64>> {
    let header = format!("/usr/include/{}-linux-gnu/asm/unistd_64.h", std::env::consts::ARCH);
    let text = std::fs::read_to_string(header).ok()?;
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    Some(text.lines().filter_map(number).collect())
}

/// A set of system calls, opened.
fn set(name: &str) -> Option<BTreeSet<String>> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut all = BTreeSet::new();
    for line in text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.strip_prefix('@') {
            Some(_) => all.append(&mut set(line)?),
            None => drop(all.insert(line.to_owned())),
        }
    }
    Some(all)
}

/// What the unit's filter leaves, read as systemd.exec(5) says: the lines in their order.
fn allowed(unit: &str) -> Option<BTreeSet<String>> {
    let mut all = set("@default")?;
    for line in values(unit, "SystemCallFilter") {
        let (is_denied, words) = line.strip_prefix('~').map_or((false, line), |words| (true, words));
        for word in words.split_whitespace() {
            let mut names =
                if word.starts_with('@') { set(word)? } else { BTreeSet::from([word.to_owned()]) };
            if is_denied {
                all = &all - &names;
            } else {
                all.append(&mut names);
            }
        }
    }
    Some(all)
}

fn values<'a>(unit: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

/// Bounds of this thread, and of what it becomes.
fn enter(unit: &str, numbers: &BTreeMap<String, i64>, names: &BTreeSet<String>) {
    let kept: BTreeSet<&str> =
        values(unit, "CapabilityBoundingSet").flat_map(str::split_whitespace).collect();
    for (name, capability) in CapabilitySet::all().iter_names() {
        if !kept.contains(format!("CAP_{name}").as_str()) {
            rustix::thread::remove_capability_from_bounding_set(capability).unwrap();
        }
    }
    rustix::thread::set_no_new_privs(true).unwrap();
    let names = names.iter().map(String::as_str).chain(OF_TESTS.iter().copied());
    let rules = names.filter_map(|name| Some((*numbers.get(name)?, Vec::new()))).collect();
    let denied = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error() as u32);
    let filter =
        SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into().unwrap());
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
