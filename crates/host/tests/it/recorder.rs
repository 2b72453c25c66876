//! The recorder on the real kernel: processes, seen as they are and as others see them.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use quell_host::process::Identity;
use quell_host::recorder::raw::{ARGUMENTS, Details, Program};
use quell_host::recorder::{Kind, Processes, Raw, Recorder, Settings, Standing, What};

use crate::until;

/// A recorder, and what it heard.
pub struct Heard {
    recorder: Recorder,
    pub all: Arc<Mutex<Vec<Raw>>>,
}

/// `None`, and it says so, where the kernel takes no programs of ours.
pub fn record(settings: Settings) -> Option<Heard> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: programs in the kernel need root");
        return None;
    }
    let all = Arc::new(Mutex::new(Vec::new()));
    let heard = all.clone();
    match Recorder::start(settings, move |batch| heard.lock().unwrap().extend(batch)) {
        Ok(recorder) => Some(Heard { recorder, all }),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// Processes alone, from programs in the kernel.
pub fn processes() -> Settings {
    Settings {
        processes: Processes::Ebpf,
        network: false,
        files: None,
        logins: None,
        own: None,
        ..Settings::default()
    }
}

impl Heard {
    /// Waits until something is found in what was heard.
    #[track_caller]
    pub fn find<T>(&self, what: &str, mut look: impl FnMut(&[Raw]) -> Option<T>) -> T {
        let mut found = None;
        until(what, || {
            found = look(&self.all.lock().unwrap());
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for the end of a process.
    #[track_caller]
    pub fn exit(&self, pid: u32) -> Raw {
        self.find("an exit", |all| {
            all.iter().find(|raw| raw.process.pid == pid && matches!(raw.what, What::Exited { .. })).cloned()
        })
    }

    /// All that a process did, until its end.
    #[track_caller]
    pub fn life(&self, pid: u32) -> Vec<Raw> {
        let end = self.exit(pid);
        let all = self.all.lock().unwrap();
        all.iter().filter(|raw| raw.process == end.process).cloned().collect()
    }

    /// The only program that a process ran.
    #[track_caller]
    pub fn program(&self, pid: u32) -> Program {
        let life = self.life(pid);
        let mut programs = life.into_iter().filter_map(executed);
        let program = programs.next().unwrap();
        assert!(programs.next().is_none());
        program
    }

    pub fn standing(&self) -> Standing {
        self.recorder.standing()
    }

    /// All that happened until now was told.
    pub fn settle(&self) {
        assert!(self.recorder.settle(std::time::Duration::from_secs(20)));
    }
}

fn executed(raw: Raw) -> Option<Program> {
    if let What::Executed(program) = raw.what { Some(*program) } else { None }
}

fn args(program: &Program) -> Vec<&[u8]> {
    program.arguments().collect()
}

/// As `/proc` tells it.
fn identity(pid: u32) -> Identity {
    quell_host::process::get(pid).unwrap().identity
}

#[test]
fn a_program_is_seen_with_who_started_it_and_how_it_ended() {
    let Some(heard) = record(processes()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh");
    child.args(["-c", "read line; exit 7"]).current_dir(dir.path()).stdin(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let pid = child.id();
    let (this, seen) = (identity(std::process::id()), identity(pid));
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    child.wait().unwrap();
    let life = heard.life(pid);
    assert!(life.iter().all(|raw| raw.process == seen), "{life:#?}");
    let kinds: Vec<_> = life.iter().map(|raw| raw.what.kind().unwrap()).collect();
    assert_eq!(kinds, [Kind::Fork, Kind::Exec, Kind::Exit], "{life:#?}");
    assert!(life.is_sorted_by_key(|raw| raw.at));
    for raw in &life {
        let task = raw.task.as_ref().unwrap();
        assert_eq!((task.parent, task.uid, task.euid, task.inner), (Some(this), 0, 0, None));
        assert_eq!(task.start / 10_000_000, seen.start_time);
        let mounts = std::fs::metadata("/proc/self/ns/mnt").unwrap().ino();
        assert_eq!(u64::from(task.mounts), mounts);
    }
    assert_eq!(life[2].what, What::Exited { status: Some(7 << 8) });
    assert_eq!(life[1].task.as_ref().unwrap().name, "sh");
    let program = executed(life[1].clone()).unwrap();
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let facts = std::fs::metadata(&shell).unwrap();
    assert_eq!((&program.path, program.directory.as_path()), (&shell, dir.path()));
    assert_eq!(args(&program), [&b"sh"[..], b"-c", b"read line; exit 7"]);
    assert_eq!((program.inode, program.mode), (facts.ino(), facts.mode()));
    let (major, minor) = (rustix::fs::major(facts.dev()), rustix::fs::minor(facts.dev()));
    assert_eq!(program.device, (major, minor));
    assert!(!program.deleted && !program.in_memory && !program.is_cut() && !program.paths_cut);
    assert_eq!((program.details, program.interpreter), (Details::AtOnce, None));
}

#[test]
fn a_signal_ends_it_and_threads_are_not_told() {
    let Some(heard) = record(processes()) else { return };
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let own = std::process::id();
    for _ in 0..20 {
        std::thread::spawn(|| {}).join().unwrap();
    }
    assert_eq!(heard.exit(pid).what, What::Exited { status: Some(status.into_raw() as u32) });
    let all = heard.all.lock().unwrap();
    let mine = |raw: &&Raw| raw.process.pid == own && !matches!(raw.what, What::Running(_));
    assert_eq!(all.iter().filter(mine).count(), 0);
}

#[test]
fn a_script_is_seen_with_its_interpreter() {
    let Some(heard) = record(processes()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh -e\nexit 0\n").unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let mut child = Command::new("./script").arg("one").current_dir(dir.path()).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let program = heard.program(pid);
    assert_eq!(program.asked, Path::new("./script"));
    assert_eq!(program.interpreter.as_deref(), Some(Path::new("/bin/sh")));
    assert_eq!(program.path, std::fs::canonicalize("/bin/sh").unwrap());
    assert_eq!(program.directory, dir.path());
    assert_eq!(args(&program), [&b"/bin/sh"[..], b"-e", b"./script", b"one"]);
}

#[test]
fn a_chain_of_shells_leads_from_child_to_parent() {
    let Some(heard) = record(processes()) else { return };
    let mut child =
        Command::new("sh").args(["-c", "sh -c '(sleep 0.012345; true); true'; true"]).spawn().unwrap();
    let top = child.id();
    child.wait().unwrap();
    heard.exit(top);
    let all = heard.all.lock().unwrap();
    let is_sleep = |raw: &&Raw| matches!(&raw.what, What::Executed(program) if program.command == b"sleep\x000.012345\0");
    let sleep = all.iter().find(is_sleep).unwrap();
    // Up by parents, each of which the recorder knows: the subshell that ran no program of its own is among them.
    let (mut at, mut names) = (sleep.process, Vec::new());
    while at.pid != std::process::id() {
        let fork =
            all.iter().find(|raw| raw.process == at && matches!(raw.what, What::Forked { .. })).unwrap();
        let programs = all.iter().filter(|raw| raw.process == at).cloned().filter_map(executed);
        names.push(programs.map(|program| program.path).next_back());
        let parent = fork.task.as_ref().unwrap().parent.unwrap();
        assert_eq!(fork.what, What::Forked { creator: Some(parent) });
        at = parent;
    }
    assert_eq!(at, identity(std::process::id()));
    let names: Vec<_> = names.iter().map(|name| name.as_ref().and_then(|name| name.file_name())).collect();
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let shell = shell.file_name();
    assert_eq!(names, [Some(OsStr::new("sleep")), None, shell, shell]);
}

#[test]
fn long_command_lines_are_exact_up_to_their_bound() {
    let Some(heard) = record(processes()) else { return };
    for length in [ARGUMENTS - 6, ARGUMENTS - 5, 100_000] {
        let long = vec![b'x'; length];
        let mut child = Command::new("true").arg(OsStr::from_bytes(&long)).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let program = heard.program(pid);
        let whole = [b"true\0", &long[..], b"\0"].concat();
        assert_eq!(program.command_size, whole.len() as u64);
        assert_eq!(program.command, whole[..whole.len().min(ARGUMENTS)]);
        assert_eq!(program.is_cut(), whole.len() > ARGUMENTS);
    }
}

#[test]
fn names_may_hold_any_byte_and_lie_deep() {
    let Some(heard) = record(processes()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut place = dir.path().to_owned();
    for _ in 0..20 {
        place.push(OsStr::from_bytes(b"a\xff\n\t'\xe2\x80\xae"));
    }
    std::fs::create_dir_all(&place).unwrap();
    let program = place.join(OsStr::from_bytes(b"\xfe evil"));
    std::fs::copy("/bin/true", &program).unwrap();
    let mut child = Command::new(&program);
    let mut child = child.current_dir(&place).arg(OsStr::from_bytes(b"\xff")).arg("").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let seen = heard.program(pid);
    assert_eq!((&seen.path, &seen.directory), (&program, &place));
    assert_eq!(args(&seen)[1..], [&b"\xff"[..], b""]);
    assert!(!seen.paths_cut);
}

#[test]
fn a_path_too_deep_to_be_walked_is_never_told_as_another() {
    let Some(heard) = record(processes()) else { return };
    let dir = tempfile::tempdir().unwrap();
    // What the kernel's programs see of it begins with directories of the system.
    let mut place = dir.path().join(".x/hidden/usr/bin");
    place.extend(std::iter::repeat_n("d", 38));
    std::fs::create_dir_all(&place).unwrap();
    let program = |name: &str| {
        let path = place.join(name);
        std::fs::copy(Path::new("/bin").join(name), &path).unwrap();
        path
    };
    let (lives, ends) = (program("sleep"), program("true"));
    let mut child = Command::new(&lives).arg("60").current_dir(&place).spawn().unwrap();
    let pid = child.id();
    let seen = heard.find("a deep program", |all| {
        all.iter().filter(|raw| raw.process.pid == pid).cloned().find_map(executed)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((&seen.path, &seen.directory, seen.paths_cut), (&lives, &place, false));
    let mut child = Command::new(&ends).current_dir(&place).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let seen = heard.program(pid);
    let is_marked = seen.path.starts_with("…") && seen.directory.starts_with("…") && seen.paths_cut;
    assert!(seen.path == ends || is_marked && seen.path.ends_with("d/true"), "{:?}", seen.path);
    assert!(seen.directory == place || seen.directory.starts_with("…"), "{:?}", seen.directory);
}

#[test]
fn programs_without_a_name_are_known_as_such() {
    let Some(heard) = record(processes()) else { return };
    let mut bytes = Vec::new();
    std::fs::File::open("/bin/true").unwrap().read_to_end(&mut bytes).unwrap();
    let memory = rustix::fs::memfd_create("quiet one", rustix::fs::MemfdFlags::empty()).unwrap();
    let mut file: std::fs::File = memory.into();
    file.write_all(&bytes).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let mut child = Command::new(path).arg0("innocent").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let program = heard.program(pid);
    assert!(program.in_memory && !program.deleted, "{program:?}");
    assert_eq!(program.path, Path::new("/memfd:quiet one"));
    assert_eq!(args(&program), [b"innocent"]);

    // Deleted while a descriptor holds it.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone");
    std::fs::copy("/bin/true", &path).unwrap();
    let held = rustix::fs::open(&path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held));
    let mut child = Command::new(through).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let program = heard.program(pid);
    assert!(program.deleted && !program.in_memory, "{program:?}");
    assert_eq!(program.path, path);
}

#[test]
fn what_ran_before_is_told_first_with_its_details() {
    let mut child = Command::new("sleep").arg("61.5").spawn().unwrap();
    let seen = identity(child.id());
    until("its program", || {
        std::fs::read_link(format!("/proc/{}/exe", child.id())).is_ok_and(|path| path.ends_with("sleep"))
    });
    let Some(heard) = record(processes()) else {
        child.kill().unwrap();
        return drop(child.wait());
    };
    let running = heard.find("the one that runs", |all| {
        all.iter().find(|raw| raw.process == seen && matches!(raw.what, What::Running(_))).cloned()
    });
    let What::Running(program) = running.what else { panic!("{running:?}") };
    assert_eq!((args(&program), program.details), (vec![&b"sleep"[..], b"61.5"], Details::Afterwards));
    assert_eq!(program.path, std::fs::canonicalize("/bin/sleep").unwrap());
    assert_eq!(running.task.unwrap().parent, Some(identity(std::process::id())));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(heard.exit(seen.pid).process, seen);
    let ebpf = &heard.standing().sources[0];
    assert_eq!((ebpf.name, ebpf.reason.is_empty()), ("ebpf", false));
}

/// One line of `quell-host-trial record`.
#[derive(Debug, Clone)]
struct Line {
    kind: String,
    /// pid, start, parent's pid, parent's start, pid in its own namespace
    numbers: Vec<u64>,
    path: String,
    command: String,
}

/// What a recorder hears that lives in the namespaces that `unshare` makes by these options.
fn recorded(unshare: &[&str], source: &str, command: &str) -> Option<Vec<Line>> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: namespaces need root");
        return None;
    }
    let mut run = Command::new("unshare");
    run.args(unshare).arg(env!("CARGO_BIN_EXE_quell-host-trial")).args(["record", source, command]);
    let output = match run.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: unshare cannot be run: {error}");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && errors.contains("cannot be heard of") {
        println!("skipped: {errors}");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |field: &&str| field.parse().unwrap_or(0);
        Line {
            kind: fields[0].to_owned(),
            numbers: fields.iter().skip(1).take(5).map(number).collect(),
            path: fields.get(6).unwrap_or(&"").to_string(),
            command: fields.get(7).map_or_else(|| fields[1..].join(" "), ToString::to_string),
        }
    };
    Some(text.lines().map(line).collect())
}

const OWN: &[&str] = &["--pid", "--fork", "--mount-proc"];

#[test]
fn a_recorder_in_a_pid_namespace_sees_its_own_processes_by_their_pids_there() {
    let mut outside = Command::new("sleep").arg("47.11").spawn().unwrap();
    let Some(heard) = record(processes()) else {
        outside.kill().unwrap();
        return drop(outside.wait());
    };
    let Some(lines) = recorded(OWN, "ebpf", "sleep 0.0815 & wait; true") else { return };
    outside.kill().unwrap();
    outside.wait().unwrap();
    assert!(lines.iter().all(|line| !line.command.contains("47.11")), "{lines:#?}");
    let inside = lines.iter().find(|line| line.kind == "exec" && line.command == "sleep 0.0815 ").unwrap();
    // The recorder is the first of its namespace, then comes the shell, then this.
    let shell = lines.iter().find(|line| line.kind == "exec" && line.command.starts_with("sh -c")).unwrap();
    assert_eq!(inside.numbers[2..4], shell.numbers[..2]);
    assert_eq!(shell.numbers[2], 1, "its own number 1: {shell:?}");
    assert_eq!(inside.numbers[4], 0, "it lives in the recorder's namespace: {inside:?}");
    assert!(inside.numbers[0] < 30);
    // The same one, seen from outside: by both of its pids.
    let seen = heard.find("the same from outside", |all| {
        let is_it =
            |raw: &&Raw| matches!(&raw.what, What::Executed(it) if it.command == b"sleep\x000.0815\0");
        all.iter().find(is_it).cloned()
    });
    let inner = seen.task.unwrap().inner.unwrap();
    assert_eq!(u64::from(inner.pid), inside.numbers[0]);
    assert_eq!(seen.process.start_time, inside.numbers[1]);
    assert_ne!(u64::from(seen.process.pid), inside.numbers[0]);
}

#[test]
fn a_pid_that_is_handed_out_again_is_another_process() {
    // Two of the same pid, one after the other, each with a child of its own; more than a tick apart.
    let command = "for name in one two; do echo 99 > /proc/sys/kernel/ns_last_pid; \
                   sh -c \"true $name; sleep 0.03; true\"; done";
    let Some(lines) = recorded(OWN, "ebpf", command) else { return };
    let hundred = |name: &str| {
        let is_it = |line: &&Line| line.kind == "exec" && line.command.starts_with("sh -c true ");
        lines.iter().filter(is_it).find(|line| line.command.contains(name)).unwrap().numbers.clone()
    };
    let (one, two) = (hundred("one"), hundred("two"));
    assert_eq!((one[0], two[0]), (100, 100), "{lines:#?}");
    assert!(one[1] < two[1]);
    let sleeps: Vec<_> =
        lines.iter().filter(|line| line.kind == "exec" && line.command == "sleep 0.03 ").collect();
    assert_eq!(sleeps.len(), 2);
    assert_eq!((&sleeps[0].numbers[2..4], &sleeps[1].numbers[2..4]), (&one[..2], &two[..2]));
    let exits: Vec<_> = lines.iter().filter(|line| line.kind == "exit" && line.numbers[0] == 100).collect();
    assert_eq!(exits.iter().map(|line| line.numbers[1]).collect::<Vec<_>>(), [one[1], two[1]]);
}

#[test]
fn without_programs_in_the_kernel_the_connector_tells_of_processes() {
    let Some(lines) = recorded(&["--mount"], "connector", "sleep 0.2371; exit 3") else { return };
    let sleep = lines.iter().find(|line| line.kind == "exec" && line.command == "sleep 0.2371 ").unwrap();
    assert!(sleep.path.ends_with("/sleep"));
    let shell = lines.iter().find(|line| line.kind == "exec" && line.command.starts_with("sh -c")).unwrap();
    assert_eq!(sleep.numbers[2..4], shell.numbers[..2]);
    let of =
        |kind: &str| lines.iter().any(|line| line.kind == kind && line.numbers[..2] == sleep.numbers[..2]);
    assert!(of("fork") && of("exit"), "{lines:#?}");
    // In a PID namespace it does not work, and the last way does.
    let Some(lines) = recorded(OWN, "polling", "sleep 1.3") else { return };
    assert!(lines.iter().any(|line| line.kind == "exec" && line.command == "sleep 1.3 "), "{lines:#?}");
}
