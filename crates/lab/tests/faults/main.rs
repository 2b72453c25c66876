//! Server and agents are killed under load; what was promised holds. `docs/faults.md` is the long form's report.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use quell_lab::faults::{Error, Options, Report, is_installed, run};
use quell_lab::site;

/// The report, or nothing where a lab cannot be.
fn killed(options: Options) -> Option<Report> {
    for program in ["strace", "7z"] {
        if !is_installed(program) {
            println!("skipped: {program} is not installed");
            return None;
        }
    }
    let report = run(options, &mut |line| println!("{line}"));
    if let Err(Error::Site(site::Error::Lab(
        error @ (quell_lab::Error::Privilege(_) | quell_lab::Error::Missing(..)),
    ))) = &report
    {
        println!("skipped: {error}");
        return None;
    }
    let report = report.unwrap();
    println!("{}", report.page());
    assert!(report.wrong.is_empty(), "{:#?}", report.wrong);
    Some(report)
}

#[test]
fn a_dozen_kills_lose_nothing_and_repeat_nothing() {
    let Some(report) = killed(Options { kills: 12, seed: 12, fill: false }) else { return };
    assert_eq!(report.kills.len(), 12);
    assert!(report.accepted > 20, "{}", report.accepted);
}

#[test]
#[ignore = "ten minutes; part of `cargo xtask test --nightly`"]
fn two_hundred_kills_find_every_state_and_lose_nothing() {
    let Some(report) = killed(Options { kills: 200, seed: 2, fill: true }) else { return };
    assert!(report.is_full());
}
