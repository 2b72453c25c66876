//! The flight recorder on the real kernel: what a script did is what its chain says. The agent is the first process of a PID
//! namespace of its own, so that nothing but the test's own processes is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use prost::Message as _;
use quell_wire::activity::{
    Activity, ChainStored, ChainUpdate, Deed, Detection, Gaps, Process, ProcessKey, Severity, Source, Verdict,
};
use quell_wire::digest::sha256;
use quell_wire::frame::{FromAgent, FromServer};
use quell_wire::limits;
use quell_wire::protection::{Mode, Protection, Rules, SignedProtection, SourceMode};
use serde_json::json;

use crate::gateway::{Gateway, PATIENCE, TENANT, until};
use crate::process::Endpoint;

const RULE: &str = "
title: What a test dropped is run
id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b
level: high
tags: [attack.t1105, attack.t1204.002]
logsource: {product: linux, category: process_creation}
detection:
  selection:
    Script|endswith: /.dropped
  program:
    Image|endswith: /quarry
  condition: selection or program
";

const YARA: &str = "rule marked { meta: severity = \"critical\" technique = \"T1027\" strings: $a = \"QUELL-TEST-MARK\" condition: $a }";

pub struct World {
    pub gateway: Gateway,
    pub endpoint: Endpoint,
    pub dir: tempfile::TempDir,
    pub chains: Mutex<BTreeMap<String, Chain>>,
    _turn: Turn,
}

/// What floods the machine is lost to every recorder of it: no other test of the recorder runs beside.
static MACHINE: RwLock<()> = RwLock::new(());

/// Held as long as the world is there, and no longer.
#[expect(dead_code, reason = "it is held, and not read")]
enum Turn {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// What the server would know.
#[derive(Clone, Default)]
pub struct Chain {
    serial: u64,
    pub root: Option<ProcessKey>,
    pub processes: BTreeMap<ProcessKey, Process>,
    pub activities: BTreeMap<u64, Activity>,
    pub detections: Vec<Detection>,
    pub gaps: Gaps,
}

impl Chain {
    fn take(&mut self, update: ChainUpdate) {
        if update.serial <= self.serial {
            return;
        }
        assert_eq!(update.serial, self.serial + 1, "none is left out");
        self.serial = update.serial;
        self.root = Some(update.root);
        self.processes.extend(update.processes.into_iter().map(|process| (process.key, process)));
        self.activities.extend(update.activities.into_iter().map(|activity| (activity.id, activity)));
        self.detections.extend(update.detections);
        self.gaps = update.gaps;
    }

    /// `parent > name: what it did`, in the order of time.
    pub fn story(&self) -> Vec<String> {
        let name = |key: &ProcessKey| {
            let path =
                self.processes.get(key).map(|process| process.image.path.as_slice()).unwrap_or_default();
            let path = String::from_utf8_lossy(path).into_owned();
            path.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let mut all: Vec<&Activity> = self.activities.values().collect();
        all.sort_by_key(|activity| (activity.at_us, activity.id));
        let tell = |activity: &&Activity| {
            let last =
                |path: &[u8]| String::from_utf8_lossy(path).rsplit('/').next().unwrap_or_default().to_owned();
            let deed = match activity.deed.as_ref().unwrap() {
                Deed::Start(image) => match &image.script {
                    Some(script) => format!("runs {} for {}", last(&image.path), last(&script.path)),
                    None => format!("runs {}", last(&image.path)),
                },
                Deed::FileCreate(file) => format!("creates {}", last(&file.path)),
                Deed::FileWrite(file) => format!("writes {}", last(&file.path)),
                Deed::FileRename(file) => format!("renames {} to {}", last(&file.from), last(&file.path)),
                Deed::Connect(connection) => format!("connects to {}", connection.remote_port),
                Deed::Listen(connection) => format!("listens on {}", connection.local_port),
                Deed::Dns(dns) => format!("asks for {}", dns.name),
                Deed::Login(login) => format!("{} logs in", login.user),
            };
            let process = &self.processes[&activity.process];
            let parent = process.parent.map(|parent| format!("{} > ", name(&parent))).unwrap_or_default();
            format!("{parent}{}: {deed}", name(&activity.process))
        };
        all.iter().map(tell).collect()
    }
}

pub fn document(mode: Mode) -> Protection {
    let modes = [Source::BlockList, Source::Behaviour, Source::Yara].map(|source| SourceMode {
        source: source.into(),
        mode: if source == Source::BlockList { Mode::Detect } else { mode }.into(),
    });
    let body = |text: &str| Rules { sha256: sha256(&[text.as_bytes()]).to_vec(), size: text.len() as u64 };
    Protection {
        tenant_id: TENANT.to_owned(),
        version: 1,
        made_at_us: 1,
        record: true,
        ring_bytes: 16 << 20,
        ring_age_s: 86_400,
        modes: modes.into(),
        prevent_from: Severity::High.into(),
        behaviour: Some(body(RULE)),
        yara: Some(body(YARA)),
        ..Protection::default()
    }
}

pub fn give(gateway: &Gateway, document: &Protection) {
    let signed = SignedProtection::sign(gateway.order_key(), &document.encode_to_vec());
    gateway.send(FromServer::Protection(signed));
}

/// How the agent is started, in a shell: `$0` is its state, `$1` its program, and after these come its arguments.
const START: &str = "built=$1; shift; exec \"${QUELL_TEST_AGENT:-$built}\" \"$@\"";

/// An agent that records, and has the rule.
pub fn world(mode: Mode) -> Option<World> {
    world_by(mode, START)
}

/// The same, started by what the shell is told.
pub fn world_by(mode: Mode, start: &str) -> Option<World> {
    made(mode, start, Turn::Beside(MACHINE.read().unwrap_or_else(PoisonError::into_inner)))
}

/// For what floods the machine.
pub fn alone(mode: Mode) -> Option<World> {
    alone_by(mode, START)
}

/// The same, started by what the shell is told.
pub fn alone_by(mode: Mode, start: &str) -> Option<World> {
    made(mode, start, Turn::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner)))
}

fn made(mode: Mode, start: &str, turn: Turn) -> Option<World> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the recorder needs root");
        return None;
    }
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.wrap(&[
        "/usr/bin/unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/bin/sh",
        "-c",
        &format!("export QUELL_RECORDER=on QUELL_GUARD_SCOPE=mounts; {start}"),
    ]);
    gateway.files().script(RULE);
    gateway.files().script(YARA);
    endpoint.connect(&gateway);
    give(&gateway, &document(mode));
    let dir = tempfile::tempdir().unwrap();
    let world = World { gateway, endpoint, dir, chains: Mutex::default(), _turn: turn };
    until("the rule is in force", || world.status()["rules"]["behaviour"] == 1);
    let status = world.status();
    println!("sources: {}", status["sources"]);
    if !status["sources"].to_string().contains("ebpf") {
        println!("skipped: programs in the kernel do not work here: {status}");
        return None;
    }
    Some(world)
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for chain in self.chains.lock().unwrap_or_else(PoisonError::into_inner).values() {
                println!("--- {:?}\n{:#?}\n{:#?}", chain.gaps, chain.story(), chain.activities);
            }
        }
    }
}

impl World {
    /// What the agent says of its recorder.
    pub fn status(&self) -> serde_json::Value {
        // In its own mounts: there may be a disk of its own below its state.
        let mut plain = self.command(&[env!("CARGO_BIN_EXE_quell-agent")]);
        let output = plain.arg("--state").arg(self.endpoint.state()).arg("status").output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["recorder"].clone()
    }

    /// What was lost, but for names in directories of this machine to which no path led meanwhile, which are others' too.
    pub fn lost(&self) -> serde_json::Value {
        let mut lost = self.status()["lost"].clone();
        lost.as_object_mut().unwrap().remove("file");
        lost
    }

    /// The agent's pid, outside of its namespace.
    pub fn agent(&self) -> u32 {
        let outer = self.endpoint.pid();
        let text = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Runs something beside the agent, in the directory of the test.
    pub fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["--target", &self.agent().to_string(), "--pid", "--mount"]);
        command.arg(format!("--wd={}", self.dir.path().display())).args(program);
        command.stdin(Stdio::null());
        command
    }

    pub fn script(&self, text: &str) -> std::process::ExitStatus {
        std::fs::write(self.dir.path().join("scenario"), text).unwrap();
        self.command(&["/bin/sh", "scenario"]).status().unwrap()
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Takes updates until one of all chains is as far as that.
    pub fn chain(&self, what: &str, enough: impl Fn(&Chain) -> bool) -> Chain {
        let mut chains = self.chains.lock().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let update = self.gateway.expect(what, |frame| match frame {
                FromAgent::Chain(update) => Some(update.clone()),
                _ => None,
            });
            assert_eq!(update.check(), Ok(()));
            let stored =
                ChainStored { chain_id: update.chain_id.clone(), serial: update.serial, close: false };
            self.gateway.send(FromServer::ChainStored(stored));
            let chain = chains.entry(update.chain_id.clone()).or_default();
            chain.take(update);
            if enough(chain) {
                return chain.clone();
            }
            assert!(Instant::now() < end, "{what}: {:?} {:?}", chain.gaps, chain.story());
        }
    }
}

pub fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_chain_is_what_the_script_did_down_to_each_process_and_file() {
    let Some(world) = world(Mode::Detect) else { return };
    executable(
        &world.dir.path().join("source"),
        "#!/bin/sh\n/bin/cat /etc/hostname > loot.sh\n/bin/mv loot.sh moved.sh\n/bin/sleep 0.3\n",
    );
    // What stands for curl: fetched by one program, run by another process of the same shell.
    let status = world.script("/bin/cp source .dropped\n/bin/chmod 755 .dropped\n./.dropped\n/bin/true\n");
    assert!(status.success());
    let chain = world.chain("the whole story", |chain| {
        let story = chain.story();
        story.iter().any(|line| line.ends_with("true: runs true"))
            && chain.activities.values().all(|activity| match &activity.deed {
                Some(Deed::Start(image)) => {
                    image.script.as_ref().is_none_or(|script| !script.sha256.is_empty())
                }
                _ => true,
            })
            && chain.processes.values().filter(|process| process.ended_at_us > 0).count() == 8
    });
    let mut story = chain.story();
    println!("{story:#?}");
    // When files are heard of is a matter of milliseconds: what was done is compared, not between whom it came.
    let ordered: Vec<String> = story.iter().filter(|line| line.contains(": runs ")).cloned().collect();
    assert_eq!(
        ordered,
        [
            "dash: runs dash for scenario",
            "dash > cp: runs cp",
            "dash > chmod: runs chmod",
            "dash > dash: runs dash for .dropped",
            "dash > cat: runs cat",
            "dash > mv: runs mv",
            "dash > sleep: runs sleep",
            "dash > true: runs true",
        ]
    );
    story.retain(|line| !line.contains(": runs "));
    let files: BTreeSet<String> = story.into_iter().collect();
    let expected = ["dash > cp: creates .dropped", "dash > mv: renames loot.sh to moved.sh"];
    assert!(expected.iter().all(|line| files.contains(*line)), "{files:?}");
    assert!(files.iter().any(|line| line.ends_with("creates loot.sh")), "{files:?}");
    assert_eq!(chain.processes.len(), 8, "no others");
    let detection = &chain.detections[0];
    assert_eq!((chain.detections.len(), detection.title.as_str()), (1, "What a test dropped is run"));
    assert_eq!(detection.techniques, ["T1105", "T1204.002"]);
    let digest = sha256(&[&std::fs::read(world.path("source")).unwrap()]);
    // On a machine that is too busy the detection does not wait for it.
    assert!(
        detection.sha256.is_empty() || detection.sha256 == digest,
        "of the script, not of its interpreter"
    );
    let key = &chain.activities[&detection.activity];
    let Some(Deed::Start(image)) = &key.deed else { panic!("{key:?}") };
    assert_eq!(image.script.as_ref().unwrap().path, world.path(".dropped").into_bytes());
    assert_eq!(image.script.as_ref().unwrap().sha256, digest);
    assert_eq!(image.directory, world.dir.path().to_str().unwrap().as_bytes());
    let shell = chain.processes.values().find(|process| Some(process.key) == chain.root).unwrap();
    assert!(shell.parent.is_none() && !shell.from_before, "its parent is outside");
    assert_eq!(shell.image.sha256, sha256(&[&std::fs::read("/bin/sh").unwrap()]));
    assert_eq!((shell.user.as_str(), world.lost()), ("root", json!({})));
    if Path::new("/var/lib/dpkg/info/dash.list").exists() {
        assert!(shell.image.package.starts_with("dash "), "{:?}", shell.image.package);
    }
    let sleep = chain.processes.values().find(|process| process.image.path.ends_with(b"/sleep")).unwrap();
    assert!(sleep.ended_at_us - sleep.started_at_us >= 300_000, "{sleep:?}");
}

#[test]
fn files_that_went_with_their_directory_are_told_apart_from_losses() {
    let Some(world) = world(Mode::Detect) else { return };
    executable(
        &world.dir.path().join(".dropped"),
        "#!/bin/sh\nn=0\nwhile [ $n -lt 50 ]; do n=$((n+1)); mkdir d; echo > d/x.sh; rm -r d; done\n",
    );
    assert!(world.script("./.dropped\n/bin/true\n").success());
    let chain = world.chain("the count", |chain| {
        chain.gaps.vanished_files > 0 && chain.story().iter().any(|line| line.ends_with("true: runs true"))
    });
    let (status, lost) = (world.status(), world.lost());
    let others = status["lost"]["file"].as_u64().unwrap_or(0);
    let vanished = status["vanished_files"].as_u64().unwrap();
    assert!(lost == json!({}) && chain.gaps.lost <= others && others < vanished, "{status}");
    assert!(vanished >= chain.gaps.vanished_files);
}

#[test]
fn content_is_looked_at_when_it_is_written_and_when_it_runs() {
    let Some(world) = world(Mode::Detect) else { return };
    let mark = ["QUELL", "TEST", "MARK"].join("-");
    executable(&world.dir.path().join("source"), &format!("#!/bin/sh\n# {mark}\n/bin/true\n"));
    assert!(world.script("/bin/cp source marked.sh\n./marked.sh\n").success());
    let chain = world.chain("both", |chain| chain.detections.len() >= 2);
    let digest = sha256(&[&std::fs::read(world.path("source")).unwrap()]);
    for detection in &chain.detections {
        assert_eq!((detection.source, detection.rule.as_str()), (i32::from(Source::Yara), "marked"));
        assert_eq!(detection.severity, i32::from(Severity::Critical));
        assert_eq!(
            (detection.techniques.as_slice(), detection.sha256.as_slice()),
            (&["T1027".to_owned()][..], &digest[..])
        );
        assert_eq!(detection.path, world.path("marked.sh").into_bytes());
    }
    let deeds =
        chain.detections.iter().map(|detection| chain.activities[&detection.activity].deed.as_ref().unwrap());
    let deeds: Vec<bool> = deeds.map(|deed| matches!(deed, Deed::Start(_))).collect();
    assert!(deeds.contains(&true) && deeds.contains(&false), "{:?}", chain.story());
}

#[test]
fn content_that_is_to_be_prevented_does_not_run() {
    let Some(world) = world(Mode::Prevent) else { return };
    let mark = ["QUELL", "TEST", "MARK"].join("-");
    executable(&world.dir.path().join("source"), &format!("#!/bin/sh\n# {mark}\n/bin/true\n"));
    assert!(world.script("/bin/cp source marked.sh\n").success());
    let chain = world.chain("the detection", |chain| !chain.detections.is_empty());
    let detection = &chain.detections[0];
    assert_eq!(detection.verdict, i32::from(Verdict::Prevented), "{}", detection.note);
    assert!(world.script("./marked.sh\necho $? > code\n").success());
    assert_eq!(std::fs::read_to_string(world.path("code")).unwrap().trim(), "126");
}

#[test]
fn what_is_to_be_prevented_is_ended_and_others_go_on() {
    let Some(world) = world(Mode::Prevent) else { return };
    let quarry = world.dir.path().join("quarry");
    std::fs::copy("/bin/sleep", &quarry).unwrap();
    let began = Instant::now();
    let status = world.script("/bin/sleep 1 &\n./quarry 30\necho $? > code\nwait\n");
    assert!(status.success() && began.elapsed() < Duration::from_secs(20));
    assert_eq!(std::fs::read_to_string(world.path("code")).unwrap().trim(), "137");
    let chain = world.chain("the detection", |chain| !chain.detections.is_empty());
    let detection = &chain.detections[0];
    assert_eq!(detection.verdict, i32::from(Verdict::Prevented), "{}", detection.note);
    let chain = &detection.note;
    assert!(chain.contains("The process was ended."), "{chain}");
}

#[test]
fn a_fork_bomb_stays_within_limits_and_the_agent_answers() {
    let Some(mut world) = alone(Mode::Detect) else { return };
    executable(
        &world.dir.path().join(".dropped"),
        "#!/bin/sh\nn=0\nwhile [ $n -lt 3000 ]; do n=$((n+1)); /bin/true & done\nwait\n",
    );
    assert!(world.script("./.dropped\n/bin/date\n").success());
    let chain = world.chain("its end", |chain| {
        let told: u64 = chain.processes.len() as u64;
        told + chain.gaps.processes_beyond + chain.gaps.lost >= 3003
    });
    let others = world.status()["lost"]["file"].as_u64().unwrap_or(0);
    let told = chain.processes.len() as u64 + chain.gaps.processes_beyond + chain.gaps.lost;
    assert!((3003..=3003 + others).contains(&told), "{told}, {others} lost names of files");
    println!("{} processes, {:?}", chain.processes.len(), chain.gaps);
    assert!(chain.processes.len() <= limits::CHAIN_PROCESSES);
    let shell = chain
        .processes
        .values()
        .find(|process| process.image.script.is_some() && process.key != chain.root.unwrap());
    let shell = shell.unwrap().key;
    let wrong = chain.processes.values().filter(|process| {
        process.image.path.ends_with(b"/true") && process.parent.is_some_and(|parent| parent != shell)
    });
    assert_eq!(wrong.count(), 0, "no wrong parent");
    assert!(world.endpoint.is_running());
    println!("{}", world.status());
}

#[test]
fn a_chain_is_collected_for_who_asks() {
    let Some(world) = world(Mode::Detect) else { return };
    assert!(world.script("/bin/cp /etc/hostname quiet.sh\n/bin/true\n").success());
    let began = Instant::now();
    let (_, outcome) =
        world.gateway.done("endpoint.collect_chain", &json!({ "path": world.path("quiet.sh") }));
    println!("collected after {:?}", began.elapsed());
    let chain = world.chain("the chain", |chain| {
        chain.detections.iter().any(|detection| detection.id == outcome["detection_id"])
            && chain.story().iter().any(|line| line.ends_with("creates quiet.sh"))
    });
    assert_eq!(chain.detections[0].source, i32::from(Source::Asked));
    assert!(chain.story().contains(&"dash > true: runs true".to_owned()), "{:?}", chain.story());
    let refused = world.gateway.give("endpoint.collect_chain", &json!({ "path": "/none/such" }));
    assert_eq!(world.gateway.outcome(&refused).reason_code, "not_found");
    give(&world.gateway, &Protection { version: 2, record: false, ..document(Mode::Detect) });
    until("nothing is recorded", || world.status()["recording"] == false);
    let refused = world.gateway.give("endpoint.collect_chain", &json!({ "path": world.path("quiet.sh") }));
    let outcome = world.gateway.outcome(&refused);
    assert_eq!(outcome.reason_code, "not_recorded", "{outcome:?}");
}

#[test]
fn from_exec_to_frame() {
    let Some(world) = alone(Mode::Detect) else { return };
    std::fs::copy("/bin/true", world.dir.path().join("quarry")).unwrap();
    let mut took = Vec::new();
    for _ in 0..40 {
        let began = Instant::now();
        let path = world.path("quarry");
        let mut child = world.command(&[&path]).spawn().unwrap();
        let update = world.gateway.expect("a detection", |frame| match frame {
            FromAgent::Chain(update) if !update.detections.is_empty() => Some(update.clone()),
            _ => None,
        });
        took.push(began.elapsed());
        let stored = ChainStored { chain_id: update.chain_id.clone(), serial: update.serial, close: true };
        world.gateway.send(FromServer::ChainStored(stored.clone()));
        child.wait().unwrap();
        // What it has to tell yet waits for an answer too.
        let last = world.gateway.expect("the end of its chain", |frame| match frame {
            FromAgent::Chain(last) if last.closed && last.chain_id == update.chain_id => Some(last.serial),
            _ => None,
        });
        world.gateway.send(FromServer::ChainStored(ChainStored { serial: last, ..stored }));
    }
    took.sort();
    println!("from spawning to frame: median {:?}, longest {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(took[took.len() / 2] < Duration::from_millis(500), "{took:?}");
}

/// Processor time of a process, in hundredths of a second, and its proportional share of memory, KiB.
fn cost(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    (ticks, line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/// Processor time that ended children took so far. Microseconds.
fn used_by_children() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 16 and 17 of proc_pid_stat(5), in ticks.
    [fields[13], fields[14]].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}

/// As a build does: a compiler and a linker for each of some sources, whose output is hashed, copied and thrown away.
const BUILD: &str = "n=0\nwhile [ $n -lt 60 ]; do n=$((n+1))\ncc -O2 -c -o $n.o x.c\ncc -o $n $n.o\n\
                     sha256sum $n > sum\ncp $n copy\nrm $n $n.o copy\ndone\n";
const SOURCE: &str = "#include <math.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
                      int main(void) { puts(strdup(\"x\")); return (int) strtol(\"0\", 0, 10); }\n";

/// By the processor time that is used, by the build and by the agent, and not by what passes, which others on the machine
/// have a part in.
#[test]
#[ignore = "a measurement: run it alone, with a release build (`QUELL_TEST_AGENT`)"]
fn what_it_costs() {
    const ROUNDS: usize = 11;
    let Some(world) = alone(Mode::Detect) else { return };
    std::fs::write(world.dir.path().join("x.c"), SOURCE).unwrap();
    let agent = world.agent();
    assert!(world.script(BUILD).success(), "once, so that all is in memory");
    std::thread::sleep(Duration::from_secs(3));
    let (idle, memory) = cost(agent);
    std::thread::sleep(Duration::from_secs(10));
    println!("idle: {memory} KiB, {:.2} % of a core, over ten seconds", (cost(agent).0 - idle) as f64 / 10.0);
    let (mut builds, mut version, mut spent, mut lasted) = ([Vec::new(), Vec::new()], 1, 0, 0.0);
    for round in 0..2 * ROUNDS {
        let record = round % 2 == 1;
        version += 1;
        give(&world.gateway, &Protection { version, record, ..document(Mode::Detect) });
        until("it is on or off", || world.status()["recording"] == record);
        std::thread::sleep(Duration::from_millis(500));
        let (before, own, began) = (used_by_children(), cost(agent).0, Instant::now());
        assert!(world.script(BUILD).success());
        builds[usize::from(record)].push(used_by_children() - before);
        if record {
            lasted += began.elapsed().as_secs_f64();
            std::thread::sleep(Duration::from_millis(300));
            spent += cost(agent).0 - own;
        }
    }
    let [off, on] = builds.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2] as f64 / 1e6
    });
    // Beside the build, on another core where there is one.
    let own = spent as f64 / 100.0 / ROUNDS as f64;
    println!(
        "a build of 60 programs: {off:.3} s of processor time without the recorder, {on:.3} s with it, ratio {:.4}; \
         the agent's own {own:.3} s, {:.2} % of a core meanwhile, ratio with it {:.4}; lost {}; {} KiB after it",
        on / off,
        own * ROUNDS as f64 / lasted * 100.0,
        (on + own) / off,
        world.status()["lost"],
        cost(agent).1
    );
    assert!(on / off < 1.03, "the build is slowed down");
}

/// A server that answers 50 connections a second, writes 200 lines of log, and begins 5 programs, as checks and jobs do.
const SERVER: &str = r"
import socket, subprocess, threading, time

door = socket.create_server(('127.0.0.1', 0))

def serve():
    while True:
        one, _ = door.accept()
        one.sendall(b'x' * 512)
        one.close()

threading.Thread(target=serve, daemon=True).start()
log = open('served.log', 'a', buffering=1)
for turn in range(1000):
    began = time.monotonic()
    socket.create_connection(door.getsockname()).recv(512)
    for line in range(4):
        log.write('GET /x 200\n')
    if turn % 10 == 0:
        subprocess.run(['/bin/date'], stdout=subprocess.DEVNULL)
    time.sleep(max(0, 0.02 - (time.monotonic() - began)))
";

#[test]
#[ignore = "a measurement: run it alone, with a release build (`QUELL_TEST_AGENT`)"]
fn what_an_ordinary_server_costs() {
    let Some(world) = alone(Mode::Detect) else { return };
    std::fs::write(world.dir.path().join("server.py"), SERVER).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let agent = world.agent();
    let (before, began) = (cost(agent).0, Instant::now());
    assert!(world.script("python3 server.py\n").success());
    let lasted = began.elapsed().as_secs_f64();
    let (after, memory) = cost(agent);
    let share = (after - before) as f64 / lasted;
    println!(
        "{lasted:.0} s of 50 connections, 200 lines of log and 5 programs a second: {share:.2} % of a core, {memory} KiB; {}",
        world.status()["counts"]
    );
    assert!(share < 1.0, "{share} % of a core");
}
