//! The recorder's own course of events, by events that are made up.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "tests"
)]
mod chain;
mod limits;
mod met;
mod prevent;
mod restart;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quell_host::process::Identity;
use quell_host::recorder::raw::{
    Change, FileChange, FileFacts, Format, Network, Program, Question, Raw, Step, Task, What,
};
use quell_wire::activity::{Activity, ChainUpdate, Deed, Detection, Gaps, Process, ProcessKey, Source};
use quell_wire::frame::FromAgent;
use quell_wire::protection::{Exclusion, Mode, Protection, SourceMode};

use super::*;
use crate::clock::Clock;
use crate::outbox::{Next, Outbox};
use crate::recorder::ring::Ring;

const MS: u64 = 1_000_000;
const BOOT: &str = "boot-1";

const RULES: &str = "
title: A download that runs
id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b
level: high
tags: [attack.t1105]
logsource: {product: linux, category: process_creation}
detection:
  selection:
    Image|startswith: /tmp/
  condition: selection
";

/// A recorder that is told what tests say, and a server that takes what it tells.
struct Machine {
    dir: Arc<tempfile::TempDir>,
    door: Door,
    disk: Disk,
    outbox: Outbox,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Nanoseconds since boot.
    now: u64,
    told: Told,
}

/// What the server knows of one endpoint.
#[derive(Default)]
struct Told {
    chains: BTreeMap<String, Seen>,
    /// What is acknowledged.
    acknowledges: bool,
}

#[derive(Clone, Default)]
struct Seen {
    serial: u64,
    root: Option<ProcessKey>,
    processes: BTreeMap<ProcessKey, Process>,
    activities: BTreeMap<u64, Activity>,
    detections: Vec<Detection>,
    gaps: Gaps,
    closed: bool,
    boot_id: String,
}

fn current(change: impl FnOnce(&mut Protection)) -> Arc<Current> {
    let detect = |source: Source| SourceMode { source: source.into(), mode: Mode::Detect.into() };
    let mut document = Protection {
        version: 7,
        record: true,
        ring_bytes: 64 << 20,
        ring_age_s: 1 << 30,
        modes: vec![detect(Source::BlockList), detect(Source::Behaviour), detect(Source::Yara)],
        prevent_from: quell_wire::activity::Severity::High.into(),
        ..Protection::default()
    };
    change(&mut document);
    Arc::new(Current { document, behaviour: Some(RULES.as_bytes().into()), yara: None })
}

impl Machine {
    fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), BOOT, current(|_| ()))
    }

    fn on(dir: Arc<tempfile::TempDir>, boot_id: &str, current: Arc<Current>) -> Self {
        Self::with(dir, boot_id, current, Hand::idle())
    }

    fn with(dir: Arc<tempfile::TempDir>, boot_id: &str, current: Arc<Current>, hand: Hand) -> Self {
        let clock = Clock::system();
        let outbox = Outbox::new(clock.clone());
        outbox.online(Vec::new());
        let door = Door::default();
        let (ring, _) = Ring::open(dir.path(), boot_id).unwrap();
        let next_id = ring.next_id(clock.now_us());
        let (before, kept) = (ring.living().unwrap(), ring.chains().unwrap());
        let bounds = Bounds { bytes: 64 << 20, age_s: 1 << 30 };
        let found = door.clone();
        let answer = Box::new(move |answer| found.tell(Input::Disk(answer)));
        let told = (outbox.clone(), clock.clone());
        let (disk, writes) = Disk::start(ring, boot_id.into(), bounds, told, answer).unwrap();
        let yara = Yara::start(Arc::new(|_, _| ())).unwrap();
        let learned = door.clone();
        let reader =
            Reader::start(Box::new(move |known| learned.tell(Input::Learned(known))), Box::new(|_| ()))
                .unwrap();
        let mut flight = Flight::new(
            door.clone(),
            Times::new(clock),
            Names::default(),
            reader,
            yara,
            hand,
            disk.clone(),
            Own { pid: 900, path: "/usr/bin/quell-agent".into() },
            boot_id.into(),
            next_id,
        );
        flight.before = before.into_iter().map(|process| (process.key, process)).collect();
        flight.resume(kept, 0);
        flight.input(Input::Current(current));
        disk.line(true);
        let flies = std::thread::spawn(move || flight.run());
        let told = Told { acknowledges: true, ..Told::default() };
        Self { dir, door, disk, outbox, threads: vec![flies, writes], now: since_boot(), told }
    }

    fn later(&mut self, milliseconds: u64) -> u64 {
        self.now += milliseconds * MS;
        self.now
    }

    fn tell(&mut self, raws: Vec<Raw>) {
        self.door.batch(raws);
    }

    /// Takes what is told until it is enough.
    fn until(&mut self, what: &str, enough: impl Fn(&Told) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !enough(&self.told) {
            if Instant::now() >= end {
                for seen in self.told.chains.values() {
                    println!(
                        "{} {:?} {} {}",
                        seen.serial,
                        seen.gaps,
                        seen.processes.len(),
                        seen.detections.len()
                    );
                }
                panic!("{what}: {:?}", self.door.counts());
            }
            self.hear();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it is so.
    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_so(self) {
            assert!(Instant::now() < end, "{what}: {:?}", self.door.counts());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether updates of chains find room: as if others waited already.
    fn has_room(&self, yes: bool) {
        let outgoing = &self.disk.counts().outgoing;
        let _ = if yes {
            outgoing.fetch_sub(1 << 40, Ordering::Relaxed)
        } else {
            outgoing.fetch_add(1 << 40, Ordering::Relaxed)
        };
    }

    fn hear(&mut self) {
        while let Some(next) = self.outbox.take() {
            let Next::Frame(FromAgent::Chain(update)) = next else { continue };
            let (id, serial) = (update.chain_id.clone(), update.serial);
            self.told.take(update);
            if self.told.acknowledges {
                self.disk.stored(id, serial);
            }
        }
    }

    fn stop(mut self) -> Arc<tempfile::TempDir> {
        self.door.tell(Input::Stop);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.dir.clone()
    }

    fn only(&self) -> &Seen {
        assert_eq!(self.told.chains.len(), 1);
        self.told.chains.values().next().unwrap()
    }
}

impl Told {
    fn take(&mut self, update: ChainUpdate) {
        assert_eq!(update.check(), Ok(()));
        let seen = self.chains.entry(update.chain_id).or_default();
        // One that comes again changes nothing; none is left out.
        if update.serial <= seen.serial {
            return;
        }
        assert_eq!(update.serial, seen.serial + 1);
        assert!(!seen.closed);
        seen.serial = update.serial;
        seen.root = Some(update.root);
        seen.boot_id = update.boot_id;
        seen.processes.extend(update.processes.into_iter().map(|process| (process.key, process)));
        seen.activities.extend(update.activities.into_iter().map(|activity| (activity.id, activity)));
        seen.detections.extend(update.detections);
        seen.gaps = update.gaps;
        seen.closed = update.closed;
        for activity in seen.activities.values() {
            assert!(seen.processes.contains_key(&activity.process), "who did it is told before");
        }
    }

    fn one(&self, fits: impl Fn(&Seen) -> bool) -> bool {
        self.chains.values().any(fits)
    }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: u64::from(pid) + 10_000 }
}

fn id(pid: u32) -> Identity {
    Identity { pid, start_time: u64::from(pid) + 10_000 }
}

fn task(parent: u32, start: u64) -> Option<Box<Task>> {
    let parent = (parent > 0).then(|| id(parent));
    Some(Box::new(Task { start, parent, uid: 0, euid: 0, ..Task::default() }))
}

fn running(at: u64, pid: u32, parent: u32, path: &str) -> Raw {
    let what = What::Running(Box::new(program(path, &[path])));
    Raw { at, process: id(pid), task: task(parent, at), what }
}

fn fork(at: u64, pid: u32, parent: u32) -> Raw {
    Raw { at, process: id(pid), task: task(parent, at), what: What::Forked { creator: None } }
}

fn program(path: &str, arguments: &[&str]) -> Program {
    let command: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes().chain(Some(0))).collect();
    Program {
        path: path.into(),
        asked: path.into(),
        directory: "/".into(),
        command_size: command.len() as u64,
        command,
        inode: 77,
        ..Program::default()
    }
}

fn exec(at: u64, pid: u32, parent: u32, path: &str, arguments: &[&str]) -> Raw {
    let what = What::Executed(Box::new(program(path, arguments)));
    Raw { at, process: id(pid), task: task(parent, at), what }
}

fn exit(at: u64, pid: u32, status: u32) -> Raw {
    Raw { at, process: id(pid), task: None, what: What::Exited { status: Some(status) } }
}

fn file(at: u64, pid: u32, path: &Path, change: Change) -> Raw {
    let facts = FileFacts { size: 3, mode: 0o100_755, uid: 0, inode: 1, device: (0, 0), format: Format::Elf };
    let change =
        FileChange { change, path: path.into(), foreign: false, facts: Some(facts), sensitive: false };
    Raw { at, process: Identity { pid, start_time: 0 }, task: None, what: What::File(Box::new(change)) }
}

fn connection(at: u64, pid: u32, step: Step, number: u64) -> Raw {
    let network = Network {
        step,
        id: number,
        tcp: true,
        local: "10.0.0.2:40000".parse().unwrap(),
        remote: "192.0.2.7:443".parse().unwrap(),
        namespace: 1,
    };
    Raw { at, process: id(pid), task: task(0, at), what: What::Network(Box::new(network)) }
}

fn question(at: u64, pid: u32, name: &str) -> Raw {
    let question = Question { name: name.into(), kind: 1, server: "192.0.2.53:53".parse().unwrap() };
    Raw { at, process: id(pid), task: task(0, at), what: What::Asked(Box::new(question)) }
}

fn paths(seen: &Seen) -> Vec<String> {
    let all = seen.processes.values();
    all.map(|process| String::from_utf8_lossy(&process.image.path).into_owned()).collect()
}

/// pid 1, sshd, a session with its shell.
fn begun(machine: &mut Machine) {
    let at = machine.now;
    let raws = vec![
        running(at - 900_000 * MS, 1, 0, "/usr/lib/systemd/systemd"),
        running(at - 800_000 * MS, 10, 1, "/usr/sbin/sshd"),
        running(at - 700_000 * MS, 900, 1, "/usr/bin/quell-agent"),
        running(at - 1000 * MS, 20, 10, "/usr/sbin/sshd"),
        running(at - 900 * MS, 21, 20, "/bin/bash"),
    ];
    machine.tell(raws);
}

fn deeds(seen: &Seen) -> Vec<(u32, String)> {
    let name = |deed: &Deed| match deed {
        Deed::Start(image) => format!("start {}", String::from_utf8_lossy(&image.path)),
        Deed::FileCreate(file) => format!("create {}", String::from_utf8_lossy(&file.path)),
        Deed::FileWrite(file) => format!("write {}", String::from_utf8_lossy(&file.path)),
        Deed::FileRename(file) => format!("rename {}", String::from_utf8_lossy(&file.path)),
        Deed::Connect(connection) => format!("connect {} {}", connection.remote_port, connection.fate),
        Deed::Listen(connection) => format!("listen {}", connection.local_port),
        Deed::Dns(dns) => format!("ask {}", dns.name),
        Deed::Login(login) => format!("login {}", login.user),
    };
    let all = seen.activities.values();
    all.map(|activity| (activity.process.pid, activity.deed.as_ref().map(name).unwrap_or_default())).collect()
}
