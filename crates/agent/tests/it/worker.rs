//! A worker of rules that dies before it has compiled them: started once more, and not for ever.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::time::Duration;

use quell_agent::worker::yara::{Error, Look, Scanner};
use quell_host::worker::{Failure, Launcher};
use quell_yara::ScanLimits;

/// The agent's own worker, but the first `deaths` of them are killed before they say a word.
fn launcher(folder: &std::path::Path, deaths: u32) -> Launcher {
    let script = format!(
        "echo x >> {counter}; [ $(wc -l < {counter}) -le {deaths} ] && kill -9 $$; exec {agent} worker yara",
        counter = folder.join("counter").display(),
        agent = env!("CARGO_BIN_EXE_quell-agent"),
    );
    Launcher { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

fn start(deaths: u32) -> Result<Scanner, Error> {
    let folder = tempfile::tempdir().unwrap();
    let rule = |name: &str, text: &str| {
        let source = format!("rule {name} {{ strings: $a = \"{text}\" condition: $a }}");
        (text.to_owned(), source.into_bytes())
    };
    // The same name in two sets.
    let sets = vec![rule("one", "needle"), rule("one", "thread")];
    let scanner =
        Scanner::start(launcher(folder.path(), deaths), sets, 1 << 20, Duration::from_mins(1), &|| false);
    let started = std::fs::read_to_string(folder.path().join("counter")).unwrap().lines().count();
    assert_eq!(started, if deaths == 0 { 1 } else { 2 });
    scanner
}

#[test]
fn a_worker_that_dies_before_its_rules_are_compiled_is_started_once_more() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: confining a worker needs root");
        return;
    }
    assert!(matches!(start(2), Err(Error::Worker(Failure::Crashed { .. }))));
    for deaths in [0, 1] {
        let mut scanner = start(deaths).unwrap();
        assert_eq!(scanner.compiled().rules, 2);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"needle and thread").unwrap();
        let look = scanner.file(file.as_fd(), "/x", 1 << 20, ScanLimits::default(), &|| false).unwrap();
        let Look::Found(scan) = look else { panic!("{look:?}") };
        let found: Vec<_> =
            scan.matches.iter().map(|rule| (rule.namespace.as_str(), rule.rule.as_str())).collect();
        assert_eq!(found, [("needle", "one"), ("thread", "one")]);
        assert_eq!(scanner.restarts(), 0);
    }
}
