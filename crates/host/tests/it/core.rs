//! Core files of live processes, read back by gdb and readelf.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use quell_host::core::{Dumped, Error, Options, SIDECAR, dump, dump_to_archive};
use quell_host::file::Password;
use quell_host::process::{Error as ProcessError, Identity, State, get, list};
use sha2::{Digest, Sha256};

use crate::until;

struct Victim {
    child: Child,
    out: BufReader<ChildStdout>,
    heap: u64,
    sparse: u64,
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    fn start() -> Self {
        let program = env!("CARGO_BIN_EXE_quell-host-trial");
        let mut child = Command::new(program).arg("victim").stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let mut words = line.trim().strip_prefix("ready ").unwrap().split(' ');
        let mut next = || u64::from_str_radix(words.next().unwrap(), 16).unwrap();
        Self { child, heap: next(), sparse: next(), out }
    }

    fn identity(&self) -> Identity {
        get(self.child.id()).unwrap().identity
    }

    /// It says something more: it runs.
    fn goes_on(&mut self) {
        for _ in 0..200 {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0);
        }
    }
}

fn dumped(victim: &Victim, options: &Options, path: &Path) -> Dumped {
    let mut file = std::fs::File::create(path).unwrap();
    let done = dump(victim.identity(), options, &mut file, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let bytes = std::fs::read(path).unwrap();
    assert_eq!((done.size, done.sha256), (bytes.len() as u64, Sha256::digest(&bytes).into()));
    done
}

fn holds(core: &[u8], text: &str) -> bool {
    core.windows(text.len()).any(|window| window == text.as_bytes())
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).stdin(Stdio::null()).output() else {
        println!("skipped: {program} is not installed");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_debugger_reads_it_and_the_process_goes_on() {
    let mut victim = Victim::start();
    let pid = victim.child.id();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let began = Instant::now();
    let done = dumped(&victim, &Options::default(), &path);
    println!("{} bytes in {:?}, held for {:?}", done.size, began.elapsed(), done.stopped);
    victim.goes_on();
    assert!(done.size < 64 << 20 && done.address_space > 1100 << 30, "{done:?}");
    assert!(done.stopped < Duration::from_millis(500), "{done:?}");
    assert_eq!((done.threads, done.threads_with_registers, done.unreadable), (4, 4, 0), "{done:?}");
    let core = std::fs::read(&path).unwrap();
    for kind in ["heap", "sparse", "unwanted", "closed"] {
        // Put together here, so that no constant of the program holds it.
        assert!(holds(&core, &format!("{kind} secret of {pid}")), "{kind}");
    }
    let core = path.to_str().unwrap();
    if let Some(text) = said("readelf", &["-Whln", core]) {
        assert!(text.contains("CORE (Core file)") && text.contains("NT_FILE"));
        assert_eq!(text.matches("NT_PRSTATUS").count(), 4);
        assert!(
            !text.contains("arning"),
            "{}",
            text.lines().filter(|line| line.contains("arning")).collect::<String>()
        );
    }
    let program = env!("CARGO_BIN_EXE_quell-host-trial");
    let (heap, sparse) =
        (format!("x/s {:#x}", victim.heap), format!("x/s {:#x}", victim.sparse + (777 << 30)));
    let untouched = format!("x/2xg {:#x}", victim.sparse + (500 << 30));
    let commands = ["thread apply all bt", &heap, &sparse, &untouched, "info proc"];
    let mut arguments = vec!["-batch", "-nx"];
    for command in commands {
        arguments.extend(["-ex", command]);
    }
    arguments.extend([program, core]);
    if let Some(text) = said("gdb", &arguments) {
        assert!(text.contains("waits_for_ever") && text.contains("trial/victim.rs"), "{text}");
        assert!(text.contains(&format!("heap secret of {pid}")), "{text}");
        assert!(text.contains(&format!("sparse secret of {pid}")), "{text}");
        assert!(text.contains("0x0000000000000000"), "an untouched page reads as zeros: {text}");
    }
}

#[test]
fn what_is_left_out_is_left_out() {
    let mut victim = Victim::start();
    let pid = victim.child.id();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let whole = dumped(&victim, &Options::default(), &path);
    let options = Options { honour_dontdump: true, mapped_files: false, ..Options::default() };
    let part = dumped(&victim, &options, &path);
    let core = std::fs::read(&path).unwrap();
    assert!(!holds(&core, &format!("unwanted secret of {pid}")));
    assert!(holds(&core, &format!("heap secret of {pid}")));
    assert!(part.size < whole.size && part.left_out == 4096, "{part:?} {whole:?}");
    let still = dumped(&victim, &Options { registers: false, ..Options::default() }, &path);
    assert_eq!((still.stopped, still.threads_with_registers), (Duration::ZERO, 0));
    assert!(still.no_registers.is_some());
    victim.goes_on();
}

#[test]
fn a_held_process_is_of_one_instant_and_runs_on_when_the_holder_dies() {
    let mut victim = Victim::start();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let options = Options { hold: Some(Duration::from_secs(20)), ..Options::default() };
    let mut file = std::fs::File::create(&path).unwrap();
    let (identity, mut states) = (victim.identity(), Vec::new());
    let done = dump(identity, &options, &mut file, &mut |_, _| {
        states.push(get(identity.pid).unwrap().state);
        ControlFlow::Continue(())
    });
    let done = done.unwrap();
    assert!(done.one_instant && done.stopped > Duration::ZERO, "{done:?}");
    assert!(states.iter().all(|state| *state == State::Stopped), "{states:?}");
    victim.goes_on();
    // The limit of the hold ends it, not the dump.
    let options = Options { hold: Some(Duration::from_millis(50)), ..options };
    let done = dump(identity, &options, &mut file, &mut |_, _| {
        until("it is let go", || get(identity.pid).unwrap().state != State::Stopped);
        ControlFlow::Continue(())
    });
    assert!(!done.unwrap().one_instant);
    let mut holder = Command::new(env!("CARGO_BIN_EXE_quell-host-trial"))
        .args(["hold", &identity.pid.to_string(), &identity.start_time.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    assert_eq!(get(identity.pid).unwrap().state, State::Stopped);
    // Somebody else traces it: its memory can be had all the same.
    let traced = dumped(&victim, &Options::default(), &path);
    assert!(
        traced.threads_with_registers == 0 && traced.no_registers.unwrap().contains("traces it")
            || traced.size > 0
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    victim.goes_on();
}

#[test]
fn a_stopped_process_stays_stopped() {
    let victim = Victim::start();
    let pid = rustix::process::Pid::from_raw(victim.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let state = || get(victim.child.id()).unwrap().state;
    until("it stops", || state() == State::Stopped);
    let dir = tempfile::tempdir().unwrap();
    let done = dumped(&victim, &Options::default(), &dir.path().join("core"));
    assert_eq!(done.threads_with_registers, 4);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(state(), State::Stopped);
}

#[test]
fn the_archive_holds_core_and_sidecar_and_nothing_is_left_of_a_failure() {
    let victim = Victim::start();
    let dir = tempfile::tempdir().unwrap();
    let (spool, password) = (dir.path().join("archive.zip"), Password::new("correct horse").unwrap());
    let dump = |options: &Options, stop: bool| {
        dump_to_archive(victim.identity(), options, &password, &spool, &mut |_, _| {
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let small = Options { max_bytes: 100_000, ..Options::default() };
    assert!(matches!(dump(&small, false), Err(Error::TooLarge { limit: 100_000, .. })));
    assert!(!spool.exists());
    assert!(matches!(dump(&Options::default(), true), Err(Error::Canceled { .. })));
    assert!(!spool.exists());
    let done = dump(&Options::default(), false).unwrap();
    let bytes = std::fs::read(&spool).unwrap();
    assert!(!holds(&bytes, "secret"), "nothing in plain");
    assert_eq!((done.size, done.sha256), (bytes.len() as u64, Sha256::digest(&bytes).into()));
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut read = |name: &str| {
        let mut out = Vec::new();
        zip.by_name_decrypt(name, b"correct horse").unwrap().read_to_end(&mut out).unwrap();
        out
    };
    let core = read(&done.entry);
    assert_eq!(done.dumped.sha256, <[u8; 32]>::from(Sha256::digest(&core)));
    let sidecar: serde_json::Value = serde_json::from_slice(&read(SIDECAR)).unwrap();
    assert_eq!(sidecar["pid"], victim.child.id());
    assert!(sidecar["mappings"].as_array().unwrap().len() > 20);
}

#[test]
fn what_cannot_be_dumped_says_so() {
    let refused = |identity: Identity| {
        let mut sink = std::io::sink();
        dump(identity, &Options::default(), &mut sink, &mut |_, _| ControlFlow::Continue(())).unwrap_err()
    };
    let own = Identity::own().unwrap();
    assert!(matches!(refused(own), Error::Process(ProcessError::Protected { .. })));
    let absent = Identity { pid: 4_000_000, start_time: 1 };
    assert!(matches!(refused(absent), Error::Process(ProcessError::NoSuchProcess { .. })));
    if let Some(kernel) = list().unwrap().into_iter().find(|process| process.kernel) {
        assert!(matches!(refused(kernel.identity), Error::Kernel { .. }));
    }
    let mut victim = Victim::start();
    let identity = victim.identity();
    let reused = Identity { start_time: identity.start_time + 1, ..identity };
    assert!(matches!(refused(reused), Error::Process(ProcessError::Reused { .. })));
    // Ended in the middle of being read.
    let ended = dump(identity, &Options::default(), &mut std::io::sink(), &mut |at, _| {
        if at < 4 << 20 {
            let _ = victim.child.kill();
            until("its end", || get(identity.pid).is_ok_and(|process| process.state == State::Zombie));
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(ended, Err(Error::Ended { .. })), "{ended:?}");
    until("its last thread's end", || !identity.is_running().unwrap());
    let late = refused(identity);
    assert!(matches!(late, Error::Process(ProcessError::Zombie { .. })), "{late:?}");
}

/// What a stranger serves, and may never bring, is mapped into his own process: its memory is taken without that.
#[test]
fn what_is_mapped_from_a_strangers_file_system_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut stranger) = crate::stranger::Stranger::start("nobody", dir.path()) else { return };
    let pid = stranger.program;
    // Loaded, with all that it maps.
    let waits_in = || std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    until("its sleep", || waits_in().contains("nanosleep"));
    stranger.fall_silent();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let identity = get(pid).unwrap().identity;
        let memory = quell_host::process::open_memory(identity).unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let options = Options { hold: Some(Duration::from_secs(5)), ..Options::default() };
        let done = dump(identity, &options, &mut std::io::sink(), &mut |_, _| ControlFlow::Continue(()));
        sender.send((memory.foreign, memory.ranges, maps, done.unwrap())).unwrap();
    });
    let said = receiver.recv_timeout(Duration::from_secs(15));
    let state = get(pid).unwrap().state;
    drop(stranger);
    let Ok((foreign, ranges, maps, done)) = said else { panic!("it waits for the stranger") };
    let theirs: Vec<u64> = maps
        .lines()
        .filter(|line| line.ends_with("o/x") || line.ends_with("/x"))
        .map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap())
        .collect();
    assert!(!theirs.is_empty() && foreign as usize >= theirs.len(), "{maps}");
    assert!(!ranges.is_empty() && ranges.iter().all(|(start, _)| !theirs.contains(start)), "{maps}");
    assert!(done.left_out > 0 && done.threads_with_registers > 0 && done.one_instant);
    assert_ne!(state, State::Stopped);
}
