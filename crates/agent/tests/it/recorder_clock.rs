//! The whole agent with a clock that tests set, and that makes threads fall: the time of day is the one thing of a machine that a
//! test may not change, and nothing else makes a thread fall from outside.

use std::path::{Path, PathBuf};

use quell_agent::agent::{Agent, Setup};
use quell_agent::clock::Clock;
use quell_agent::state::StateDir;
use quell_wire::activity::{Activity, Deed};
use quell_wire::protection::{Mode, Protection};
use serde_json::json;

use crate::gateway::until;
use crate::recorder::{Chain, World, document, executable, give, world_by};

/// Where the agent below finds its state, and what its clock is to do.
const STATE: &str = "QUELL_TEST_STATE";
const HAND: &str = "QUELL_TEST_CLOCK";

/// What the file says: so many microseconds are added to the time of day; or `fall` and the name of a thread, which falls the
/// next time that it looks at the clock, once.
fn clock(hand: PathBuf) -> Clock {
    let system = Clock::system();
    let moved = move || {
        let said = std::fs::read_to_string(&hand).unwrap_or_default();
        if let Some(name) = said.strip_prefix("fall ")
            && std::thread::current().name() == Some(name)
        {
            std::fs::write(&hand, "0").unwrap();
            panic!("the thread {name} falls, as it was told to");
        }
        system.now_us() + said.parse::<i64>().unwrap_or(0)
    };
    Clock::from_fn(moved)
}

#[test]
#[ignore = "the agent that the tests of this file start, not a test"]
fn agent() {
    let (Ok(state), Ok(hand)) = (std::env::var(STATE), std::env::var(HAND)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let setup = Setup { clock: clock(hand.into()), ..Setup::default() };
    let agent = Agent::open(StateDir::open(Path::new(&state)).unwrap(), setup).unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    runtime.block_on(agent.run(stopped)).unwrap();
}

struct Hand(tempfile::TempDir);

impl Hand {
    fn set(&self, ahead: i64) {
        self.tell(&ahead.to_string());
    }

    fn tell(&self, said: &str) {
        // In one step: it is read at any time.
        let (new, place) = (self.0.path().join("new"), self.place());
        std::fs::write(&new, said).unwrap();
        std::fs::rename(new, place).unwrap();
    }

    fn place(&self) -> PathBuf {
        self.0.path().join("hand")
    }
}

fn world() -> Option<(World, Hand)> {
    let hand = Hand(tempfile::tempdir().unwrap());
    hand.set(0);
    let this = std::env::current_exe().unwrap();
    let start = format!(
        "export {STATE}=\"$0\" {HAND}={}; exec {} --exact recorder_clock::agent --ignored --nocapture >&2",
        hand.place().display(),
        this.display()
    );
    Some((world_by(Mode::Detect, &start)?, hand))
}

/// Microseconds.
const DAY: i64 = 24 * 3600 * 1_000_000;

/// Microseconds since 1970 of the last start of a program with this argument; 0 where there is none.
fn last(chain: &Chain, argument: &str) -> i64 {
    let starts = chain.activities.values().rev();
    let is_it = |activity: &&Activity| match &activity.deed {
        Some(Deed::Start(image)) => image.arguments.iter().any(|one| one == argument.as_bytes()),
        _ => false,
    };
    starts.filter(is_it).map(|activity| activity.at_us).next().unwrap_or(0)
}

#[test]
fn a_clock_that_jumps_changes_no_order_and_loses_nothing() {
    let Some((mut world, hand)) = world() else { return };
    executable(
        &world.dir.path().join(".dropped"),
        "#!/bin/sh\n/bin/true right\nwhile [ ! -e seen ]; do /bin/true ahead; /bin/sleep 0.1; done\n\
         while [ ! -e again ]; do /bin/true behind; /bin/sleep 0.1; done\n/bin/true the-last\n",
    );
    let mut running = world.command(&["./.dropped"]).spawn().unwrap();
    let chain = world.chain("a chain", |chain| !chain.detections.is_empty() && last(chain, "right") > 0);
    let right = last(&chain, "right");
    // Ten years ahead, then twenty back. The difference is taken anew each second.
    hand.set(3650 * DAY);
    world.chain("events of the future", |chain| last(chain, "ahead") > right + 3000 * DAY);
    // Another document has the ring look at its age, at once.
    give(&world.gateway, &Protection { version: 2, ..document(Mode::Detect) });
    until("the ring is looked at", || {
        world.status()["ring"]["oldest_us"].as_i64().is_some_and(|oldest| oldest > 0)
    });
    let oldest = world.status()["ring"]["oldest_us"].as_i64().unwrap();
    assert!(oldest <= right, "a clock that is ahead makes nothing old: {oldest} {right}");
    std::fs::write(world.path("seen"), "").unwrap();
    hand.set(-7300 * DAY);
    world.chain("events of the past", |chain| {
        let behind = last(chain, "behind");
        behind > 0 && behind < right - 7000 * DAY
    });
    std::fs::write(world.path("again"), "").unwrap();
    hand.set(0);
    let chain = world.chain("the last event", |chain| last(chain, "the-last") > 0);
    assert!(running.wait().unwrap().success());
    // Numbers go by what happened first, whatever the clock said.
    let arguments = chain.activities.values().filter_map(|activity| match &activity.deed {
        Some(Deed::Start(image)) if image.path.ends_with(b"/true") => Some(image.arguments[1].as_slice()),
        _ => None,
    });
    let mut order: Vec<&[u8]> = arguments.collect();
    order.dedup();
    assert_eq!(order, [&b"right"[..], b"ahead", b"behind", b"the-last"]);
    assert_eq!((world.lost(), chain.detections.len()), (json!({}), 1), "{}", world.status());
    assert!(world.endpoint.is_running());
    // All of it lies in the ring, in that order too.
    let (_, outcome) =
        world.gateway.done("endpoint.collect_chain", &json!({ "path": world.path(".dropped") }));
    assert!(outcome["chain_id"].is_string(), "{outcome}");
}

#[test]
fn a_thread_that_falls_is_told_and_the_recorder_goes_on() {
    let Some((mut world, hand)) = world() else { return };
    executable(
        &world.dir.path().join(".dropped"),
        "#!/bin/sh\nfor name in flight flight-disk; do\nwhile [ ! -e $name ]; do /bin/sleep 0.1; done\n/bin/true after-$name\ndone\n",
    );
    let mut running = world.command(&["./.dropped"]).spawn().unwrap();
    world.chain("a chain", |chain| !chain.detections.is_empty());
    for (falls, name) in [(1, "flight"), (2, "flight-disk")] {
        hand.tell(&format!("fall {name}"));
        // The ring is looked at with another document.
        give(&world.gateway, &Protection { version: 1 + falls, ..document(Mode::Detect) });
        let event = world.gateway.event("recorder_failed");
        assert!(event["problem"].as_str().unwrap().contains(&format!("`{name}`")), "{event}");
        until("it records again", || {
            let status = world.status();
            status["recording"] == true && status["falls"] == falls && status["rules"]["behaviour"] == 1
        });
        println!("{name}: lost {}", world.status()["lost"]);
        std::fs::write(world.path(name), "").unwrap();
        // The same chain goes on, and others are opened.
        world.chain("what comes after", |chain| last(chain, &format!("after-{name}")) > 0);
        executable(&world.dir.path().join("quarry"), "#!/bin/sh\n");
        std::fs::copy("/bin/true", world.path("quarry")).unwrap();
        assert!(world.script(&format!("./quarry new-{name}\n")).success());
        world
            .chain("another", |chain| last(chain, &format!("new-{name}")) > 0 && chain.detections.len() == 1);
    }
    assert!(running.wait().unwrap().success() && world.endpoint.is_running());
}
