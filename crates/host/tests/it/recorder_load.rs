//! The recorder under load: what is not seen is counted, and what it costs.

use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quell_host::guard::Scope;
use quell_host::recorder::{Kind, Recorder, Settings, Standing, What};

use crate::recorder::{processes, record};
use crate::until;

const TRIAL: &str = env!("CARGO_BIN_EXE_quell-host-trial");

/// Starts processes that do nothing, one after the other; what it says is how many microseconds that took.
fn storm(args: &[&str]) -> (u32, u64) {
    let child = Command::new(TRIAL).args(args).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (pid, text.trim().split('\t').next_back().unwrap().parse().unwrap())
}

fn lost(standing: &Standing) -> u64 {
    [Kind::Fork, Kind::Exec, Kind::Exit].iter().map(|kind| standing.count(*kind).lost).sum()
}

#[test]
fn ten_thousand_processes_a_second_are_seen_or_counted() {
    const COUNT: u64 = 30_000;
    let Some(heard) = record(processes()) else { return };
    let began = Instant::now();
    let count = COUNT.to_string();
    let storms: Vec<u32> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..2).map(|_| scope.spawn(|| storm(&["forks", &count]).0)).collect();
        each.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let took = began.elapsed();
    // The end of the second is the last that there is to hear.
    let counted = |all: &[quell_host::recorder::Raw]| {
        let is_theirs = |creator: Option<quell_host::process::Identity>| {
            creator.is_some_and(|creator| storms.contains(&creator.pid))
        };
        let forks =
            all.iter().filter(|raw| matches!(raw.what, What::Forked { creator } if is_theirs(creator)));
        let is_end = |raw: &&quell_host::recorder::Raw| {
            let parent = raw.task.as_ref().and_then(|task| task.parent);
            raw.what == What::Exited { status: Some(3 << 8) } && is_theirs(parent)
        };
        (forks.count() as u64, all.iter().filter(is_end).count() as u64)
    };
    until("all of them", || {
        let (forks, exits) = counted(&heard.all.lock().unwrap());
        let standing = heard.standing();
        let lost = |kind| standing.count(kind).lost;
        forks + lost(Kind::Fork) >= 2 * COUNT && exits + lost(Kind::Exit) >= 2 * COUNT
    });
    let standing = heard.standing();
    let (forks, exits) = counted(&heard.all.lock().unwrap());
    if lost(&standing) == 0 {
        assert_eq!((forks, exits), (2 * COUNT, 2 * COUNT), "each once");
    }
    println!(
        "{:.0} a second: {forks} of {} seen, lost {}",
        2e0 * COUNT as f64 / took.as_secs_f64(),
        2 * COUNT,
        lost(&standing)
    );
}

#[test]
fn a_sink_that_hangs_costs_events_that_are_counted_and_nothing_else() {
    const COUNT: u64 = 5_000;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: programs in the kernel need root");
        return;
    }
    let (go, wait): (_, Receiver<()>) = channel();
    let all = Arc::new(Mutex::new(Vec::new()));
    let heard = all.clone();
    let mut is_first = true;
    let sink = move |batch| {
        if std::mem::take(&mut is_first) {
            let _ = wait.recv();
        }
        heard.lock().unwrap().extend(batch);
    };
    let recorder = match Recorder::start(Settings { ring: 1 << 16, ..processes() }, sink) {
        Ok(recorder) => recorder,
        Err(error) => return println!("skipped: {error}"),
    };
    let (pid, _) = storm(&["forks", &COUNT.to_string()]);
    let missed = lost(&recorder.standing());
    go.send(()).unwrap();
    let is_theirs = |raw: &quell_host::recorder::Raw| match raw.what {
        What::Forked { creator } => creator.is_some_and(|creator| creator.pid == pid),
        What::Exited { .. } => {
            raw.task.as_ref().and_then(|task| task.parent).is_some_and(|parent| parent.pid == pid)
        }
        _ => false,
    };
    assert!(missed > COUNT, "{missed}");
    // It goes on where it was; in so small a ring others may take the place of one.
    let mut after = Vec::new();
    until("what comes after", || {
        let mut child = Command::new("true").spawn().unwrap();
        after.push(child.id());
        child.wait().unwrap();
        all.lock().unwrap().iter().any(|raw| after.contains(&raw.process.pid))
    });
    let seen = all.lock().unwrap().iter().filter(|raw| is_theirs(raw)).count() as u64;
    assert!(seen > 0 && seen + lost(&recorder.standing()) >= 2 * COUNT, "{seen}");
}

/// What a thread of this process has used. Microseconds.
fn used(name: &str) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let of = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if of("comm").trim() == name {
            // Nanoseconds on a processor come first.
            let nanoseconds = of("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok());
            sum += nanoseconds.unwrap_or(0) / 1000;
        }
    }
    sum
}

fn sum(standing: &Standing) -> u64 {
    standing.counts.iter().map(|count| count.seen).sum()
}

/// What ended children of this process used, as programs and in the kernel. Microseconds.
fn used_by_children() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 16 and 17 of proc_pid_stat(5), in ticks.
    [fields[13], fields[14]].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}

#[test]
#[ignore = "measures: run alone, on a quiet machine, in the release profile"]
fn what_it_costs() {
    const ROUNDS: usize = 15;
    let settings = Settings { files: Some(Scope::FileSystems), ..Settings::default() };
    // By what is used and not by what passes, which others on the machine have a part in.
    let measure = |name: &str, work: &dyn Fn()| {
        let (mut off, mut on, mut thread, mut events) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..ROUNDS {
            let before = used_by_children();
            work();
            off.push(used_by_children() - before);
            let recorder = Recorder::start(settings.clone(), drop).unwrap();
            until("its first", || used("recorder") > 0);
            let (before, own, told) = (used_by_children(), used("recorder"), sum(&recorder.standing()));
            work();
            on.push(used_by_children() - before);
            std::thread::sleep(Duration::from_millis(30));
            thread += used("recorder") - own;
            events += sum(&recorder.standing()) - told;
            drop(recorder);
        }
        off.sort_unstable();
        on.sort_unstable();
        let (off, on) = (off[ROUNDS / 2], on[ROUNDS / 2]);
        println!(
            "{name}: {} ms without the recorder, {} ms with it: {:+.2} %; {} events, {:.2} µs of its thread each",
            off / 1000,
            on / 1000,
            (on as f64 / off as f64 - 1.0) * 100.0,
            events / ROUNDS as u64,
            thread as f64 / events as f64,
        );
    };
    measure("2000 processes that do nothing", &|| {
        storm(&["forks", "2000"]);
    });
    measure("500 programs that do nothing", &|| {
        storm(&["execs", "500", "/bin/true"]);
    });
    let dir = tempfile::tempdir().unwrap();
    let source =
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { puts(\"x\"); }\n";
    std::fs::write(dir.path().join("x.c"), source).unwrap();
    let compile = "for i in 1 2 3 4 5 6 7 8 9 10; do cc -O2 -o $i.o -c x.c && cc -o $i $i.o; done";
    if Command::new("cc").arg("--version").output().is_ok() {
        measure("20 calls of a C compiler", &|| {
            let done = Command::new("sh").args(["-c", compile]).current_dir(dir.path()).status().unwrap();
            assert!(done.success());
        });
    }
    let recorder = Recorder::start(settings, drop).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let (before, told) = (used("recorder"), sum(&recorder.standing()));
    std::thread::sleep(Duration::from_secs(10));
    let (used, events) = (used("recorder") - before, sum(&recorder.standing()) - told);
    println!("left to itself: {used} µs of a core in ten seconds, {events} events");
}
