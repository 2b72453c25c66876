//! The whole agent under floods: what it says is compared with what the programs that flood say themselves.

use std::process::{Command, Stdio};
use std::time::Instant;

use quell_wire::activity::{Deed, ProcessKey};
use quell_wire::limits;
use quell_wire::protection::{Mode, Protection};
use serde_json::Value;

use crate::gateway::until;
use crate::recorder::{World, alone, alone_by, document, executable, give};

/// Two workers make so many processes each, as cheap as there are; in the midst of them one runs a program. Told: the pids of its
/// worker and of that one.
const STORM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    long count = atol(argv[1]);
    for (int worker = 0; worker < 2; worker++) {
        if (fork() != 0) continue;
        for (long n = 0; n < count; n++) {
            int hidden = worker == 1 && n == count / 2;
            pid_t child = vfork();
            if (child == 0) {
                if (hidden) execl(argv[2], argv[2], (char *) 0);
                _exit(0);
            }
            if (child < 0) _exit(1);
            if (hidden) dprintf(1, "%d %d\n", getpid(), child);
            waitpid(child, 0, 0);
        }
        _exit(0);
    }
    int status, bad = 0;
    while (wait(&status) > 0) bad |= status;
    return bad != 0;
}
"#;

/// For so many seconds, scripts are written and renamed, and a port is connected to where nobody listens, twenty times for each.
/// Told: how many scripts.
const FLOOD: &str = r##"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    long count = 0, end = time(0) + atol(argv[1]);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    while (time(0) < end) {
        char name[64];
        // Taken away first: a file system may wait for the disk where a name is replaced.
        snprintf(name, sizeof name, "script.%ld", count % 200);
        unlink(name);
        int file = open("new", O_CREAT | O_TRUNC | O_WRONLY, 0755);
        if (file < 0 || dprintf(file, "#!/bin/sh\n# %ld\n", count) < 0 || close(file) || rename("new", name)) return 1;
        for (int n = 0; n < CONNECTIONS; n++) {
            int to_nobody = socket(AF_INET, SOCK_STREAM, 0);
            connect(to_nobody, (struct sockaddr *) &to, sizeof to);
            close(to_nobody);
        }
        count++;
    }
    printf("%ld\n", count);
    return 0;
}
"##;

/// Makes a program of C beside the tests' other files; whether there is a compiler.
pub fn compiled(world: &World, name: &str, source: &str, options: &[&str]) -> bool {
    let text = world.dir.path().join(format!("{name}.c"));
    std::fs::write(&text, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-w", "-o"]).arg(world.dir.path().join(name)).arg(&text).args(options);
    match compiler.stdin(Stdio::null()).status() {
        Ok(status) => {
            assert!(status.success(), "{name} is not compiled");
            true
        }
        Err(error) => {
            println!("skipped: there is no C compiler: {error}");
            false
        }
    }
}

/// What was seen and what was lost of a kind, by the kernel's part and by the agent's own.
pub fn told(status: &Value, kind: &str) -> (u64, u64) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    (number(&status["counts"][kind]["seen"]), number(&status["lost"][kind]))
}

/// The most memory that the agent ever had, KiB.
pub fn peak(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.agent())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn one_bad_run_among_ten_thousand_processes_a_second_is_told_with_those_who_made_it() {
    const COUNT: u64 = 25_000;
    let Some(mut world) = alone(Mode::Detect) else { return };
    if !compiled(&world, "storm", STORM, &[]) {
        return;
    }
    std::fs::copy("/bin/true", world.dir.path().join("quarry")).unwrap();
    let (before, began) = (world.status(), Instant::now());
    assert!(world.script(&format!("./storm {COUNT} ./quarry > witness\n")).success());
    let took = began.elapsed();
    let witness = numbers(&std::fs::read_to_string(world.path("witness")).unwrap());
    let [worker, hidden] = witness[..] else { panic!("{witness:?}") };
    let chain = world.chain("the hidden run", |chain| {
        chain.detections.len() == 1
            && chain.processes.values().any(|process| process.image.path.ends_with(b"/quarry"))
    });
    let of = |key: &ProcessKey| &chain.processes[key];
    let quarry = &chain.activities[&chain.detections[0].activity];
    assert!(
        matches!(&quarry.deed, Some(Deed::Start(image)) if image.path == world.path("quarry").into_bytes())
    );
    let quarry = of(&quarry.process);
    let parent = of(&quarry.parent.unwrap());
    assert_eq!((u64::from(quarry.key.pid), u64::from(parent.key.pid)), (hidden, worker));
    let storm = of(&parent.parent.unwrap());
    let shell = of(&storm.parent.unwrap());
    assert_eq!(storm.image.path, world.path("storm").into_bytes());
    assert_eq!((Some(shell.key), shell.parent), (chain.root, None));
    // Whoever else is told of was made by one of these.
    let makers = [Some(shell.key), Some(storm.key), Some(parent.key)];
    let wrong = chain
        .processes
        .values()
        .filter(|process| process.key != shell.key && !makers.contains(&process.parent));
    assert_eq!(wrong.map(|process| process.key).collect::<Vec<_>>(), []);
    assert!(chain.processes.len() <= limits::CHAIN_PROCESSES);
    // All of it was seen, or is counted: on the endpoint and in the chain.
    until("the last of the storm", || {
        let (status, of) = (world.status(), |status: &Value, kind: &str| told(status, kind));
        ["fork", "exit"].iter().all(|kind| {
            let ((seen, lost), (seen_before, lost_before)) = (of(&status, kind), of(&before, kind));
            seen + lost - seen_before - lost_before >= 2 * COUNT
        })
    });
    let status = world.status();
    println!(
        "{:.0} processes a second, lost {}, {} of a chain's told, {:?}, at most {} KiB",
        2e0 * COUNT as f64 / took.as_secs_f64(),
        status["lost"],
        chain.processes.len(),
        chain.gaps,
        peak(&world)
    );
    assert!(peak(&world) < 160 << 10, "{}", peak(&world));
    assert!(world.endpoint.is_running() && status["falls"] == 0);
}

#[test]
fn a_flood_of_files_and_connections_leaves_the_ring_within_its_size() {
    let Some(mut world) = alone(Mode::Detect) else { return };
    if !compiled(&world, "flood", FLOOD, &["-DCONNECTIONS=20"]) {
        return;
    }
    std::fs::copy("/bin/true", world.dir.path().join("quarry")).unwrap();
    // As small as can be: the flood does not fit.
    let bound = 4 << 20;
    give(&world.gateway, &Protection { version: 2, ring_bytes: bound, ..document(Mode::Detect) });
    let before = world.status();
    let mut flood = world.command(&["/bin/sh", "-c", "./flood 4 > witness"]).spawn().unwrap();
    let (mut largest, mut is_over) = (0, false);
    until("the end of the flood", || {
        is_over = flood.try_wait().unwrap().is_some();
        largest = largest.max(size(&world));
        is_over
    });
    let count = numbers(&std::fs::read_to_string(world.path("witness")).unwrap())[0];
    let began = Instant::now();
    assert!(world.script("./quarry\n").success());
    world.chain("a detection after it", |chain| !chain.detections.is_empty());
    let took = began.elapsed();
    until("the last connection", || {
        let ((seen, lost), (seen_before, lost_before)) =
            (told(&world.status(), "network"), told(&before, "network"));
        seen + lost - seen_before - lost_before >= 20 * count
    });
    let status = world.status();
    println!(
        "{count} files, 20 connections each, lost {}; on the disk at most {largest} bytes; a detection {took:?} after it; at most {} KiB",
        status["lost"],
        peak(&world)
    );
    // Its log, and what is written between two looks.
    assert!(largest < bound + (4 << 20), "{largest}");
    until("the oldest is gone", || world.status()["ring"]["used"].as_u64().unwrap() <= bound);
    assert!(peak(&world) < 160 << 10, "{}", peak(&world));
    assert!(world.endpoint.is_running() && status["falls"] == 0);
}

/// Bytes of the ring on the disk.
pub fn size(world: &World) -> u64 {
    let of = |name: &str| std::fs::metadata(world.endpoint.file(name)).map_or(0, |facts| facts.len());
    of("flight.db") + of("flight.db-wal")
}

#[test]
fn a_full_disk_keeps_no_detection_from_being_told() {
    let on_a_small_disk = "cp -a \"$0\" \"$0.kept\" && mount -t tmpfs -o size=12m,mode=700 none \"$0\" && \
                           cp -a \"$0.kept/.\" \"$0/\" && built=$1 && shift && exec \"$built\" \"$@\"";
    let Some(mut world) = alone_by(Mode::Detect, on_a_small_disk) else { return };
    executable(&world.dir.path().join(".dropped"), "#!/bin/sh\n/bin/true $1\n");
    assert!(world.script("./.dropped before\n").success());
    world.chain("a detection", |chain| ran(chain, "before"));
    let filler = world.endpoint.file("filler").display().to_string();
    let fill = format!("cat /dev/zero > {filler}");
    assert!(!world.command(&["/bin/sh", "-c", &fill]).stderr(Stdio::null()).status().unwrap().success());
    let mut number = 0;
    until("the disk is seen to be full", || {
        number += 1;
        assert!(world.script(&format!("/bin/true {number}\n")).success());
        world.status()["ring"]["failing"] == true
    });
    let problem = world.gateway.event("recorder_ring_failed");
    println!("{problem}, lost {}", world.status()["lost"]);
    assert!(world.status()["lost"]["unwritten"].as_u64().unwrap() > 0);
    executable(&world.dir.path().join("other.dropped"), "#!/bin/sh\n/bin/true $1\n");
    assert!(
        world.script("mkdir other; mv other.dropped other/.dropped; other/.dropped meanwhile\n").success()
    );
    let chain = world.chain("a detection meanwhile", |chain| ran(chain, "meanwhile"));
    assert_eq!(chain.detections.len(), 1);
    assert!(world.command(&["/bin/rm", &filler]).status().unwrap().success());
    until("the disk takes something again", || {
        number += 1;
        assert!(world.script(&format!("/bin/true {number}\n")).success());
        world.status()["ring"]["failing"] == false
    });
    world.gateway.event("recorder_ring_back");
    assert!(world.endpoint.is_running());
}

/// Whether a program with this argument is told.
pub fn ran(chain: &crate::recorder::Chain, argument: &str) -> bool {
    chain.activities.values().any(|activity| match &activity.deed {
        Some(Deed::Start(image)) => image.arguments.iter().any(|one| one == argument.as_bytes()),
        _ => false,
    })
}
