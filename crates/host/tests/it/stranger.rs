//! A file system of somebody's own that does not answer any more: nobody else waits for it.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use quell_host::guard::{Error, Rule, Rules, Scope, Sentry, Settings, open_local};
use quell_host::namespace::on_a_thread;
use quell_host::process::{Commands, Selector, each, find, get};
use quell_host::script::Launcher;
use sha2::{Digest, Sha256};

const LIMIT: Duration = Duration::from_secs(15);

/// Ends with all that it keeps waiting.
pub(crate) struct Stranger {
    child: Child,
    said: BufReader<ChildStdout>,
    /// What runs from his file system.
    pub program: u32,
}

impl Stranger {
    /// `who`: `nobody` or `holder` in namespaces of his own, or `root` in the caller's mount namespace, which must be private.
    pub fn start(who: &str, dir: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
            println!("skipped: needs root and FUSE");
            return None;
        }
        std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
        for name in ["f", "e", "o"] {
            let place = dir.join(name);
            std::fs::create_dir(&place).unwrap();
            std::os::unix::fs::chown(&place, Some(65534), Some(65534)).unwrap();
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_quell-host-trial"))
            .args(["stranger".as_ref(), who.as_ref(), dir.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let Ok(program) = line.trim().parse() else {
            println!("skipped: no file system of one's own in a user namespace here");
            child.wait().unwrap();
            return None;
        };
        Some(Self { child, said, program })
    }

    /// From now on the kernel gets no answer.
    pub fn fall_silent(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"silent\n").unwrap();
        self.said.read_line(&mut String::new()).unwrap();
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Its end closes the device, and the kernel gives an error to all who wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(program) = rustix::process::Pid::from_raw(self.program.cast_signed()) {
            let _ = rustix::process::kill_process(program, rustix::process::Signal::KILL);
        }
    }
}

/// What `work` says, if it says so in time.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(LIMIT).ok()
}

#[test]
fn a_program_from_a_file_system_that_does_not_answer_is_unread_and_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut stranger) = Stranger::start("nobody", dir.path()) else { return };
    let pid = stranger.program;
    crate::until("the program", || get(pid).is_ok_and(|process| process.exe.unwrap().path.ends_with("o/x")));
    stranger.fall_silent();
    let sleep: [u8; 32] = Sha256::digest(std::fs::read("/bin/sleep").unwrap()).into();
    let found = in_time(move || find(&Selector::Sha256(sleep), &|| false).unwrap());
    let seen = in_time(move || get(pid).unwrap());
    drop(stranger);
    let Some(found) = found else { panic!("the hunt by hash does not end") };
    assert!(found.unreadable >= 1);
    assert!(found.matches.iter().all(|hit| hit.process.identity.pid != pid));
    assert!(seen.is_some(), "a look at the process that ends");
}

#[test]
fn a_process_that_keeps_the_lock_of_its_memory_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut stranger) = Stranger::start("holder", dir.path()) else { return };
    let (pid, own) = (stranger.program, std::process::id());
    let looks = move || {
        let (commands, mut found) = (Commands::new(), [None, None]);
        let note = |listed: quell_host::process::Listed| {
            for (wanted, found) in [pid, own].into_iter().zip(&mut found) {
                if listed.identity.pid == wanted {
                    *found = Some(listed.command.clone());
                }
            }
            ControlFlow::Continue(())
        };
        each(Some(&commands), note).unwrap();
        found.map(Option::unwrap)
    };
    crate::until("the holder", || looks()[0].as_ref().is_some_and(|line| line.contains("holder")));
    stranger.fall_silent();
    let command_line = format!("/proc/{pid}/cmdline");
    let held = || {
        let (sender, receiver) = channel();
        let command_line = command_line.clone();
        std::thread::spawn(move || sender.send(std::fs::read(command_line).map(drop)));
        receiver.recv_timeout(Duration::from_millis(500)).is_err()
    };
    let until = Instant::now() + Duration::from_secs(3);
    let mut is_held = held();
    while !is_held && Instant::now() < until {
        is_held = held();
    }
    let began = Instant::now();
    let seen = in_time(move || (looks(), looks()));
    let found = in_time(move || {
        let identity = get(pid).unwrap().identity;
        find(&Selector::Identity(identity), &|| false).unwrap().matches.len()
    });
    let took = began.elapsed();
    drop(stranger);
    if !is_held {
        println!("skipped: this kernel lets go of the lock");
        return;
    }
    let Some((first, second)) = seen else { panic!("the list does not end") };
    assert_eq!((&first[0], &second[0], found), (&None, &None, Some(1)));
    assert!(second[1].as_ref().is_some_and(|line| !line.is_empty()), "the others are read in the next order");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_guard_watches_nothing_of_a_strangers_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut stranger) = Stranger::start("nobody", dir.path()) else { return };
    let space = std::fs::File::open(format!("/proc/{}/ns/mnt", stranger.program)).unwrap();
    stranger.fall_silent();
    let applied = on_a_thread(move || {
        unshare(CloneFlags::CLONE_FS).unwrap();
        setns(space, CloneFlags::CLONE_NEWNS).unwrap();
        sentry().apply(rules(), LIMIT)
    });
    drop(stranger);
    let Err(Error::Broken(why)) = applied else { panic!("{applied:?}") };
    assert!(why.contains("another user namespace"), "{why}");
}

#[test]
fn an_overlay_is_not_watched_where_a_layer_may_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_owned();
    on_a_thread(move || {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let sentry = sentry();
        let Some(mut stranger) = Stranger::start("root", &place) else { return };
        let standing = sentry.apply(rules(), LIMIT).unwrap();
        assert!(standing.live && standing.watched > 0, "{standing:?}");
        let paths = [place.join("f/x"), place.join("o/x")];
        for path in &paths {
            assert_eq!(open_local(path).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
        }
        stranger.fall_silent();
        // Its own executor waits, and nobody else.
        let (path, began) = (place.join("o/x"), Instant::now());
        let executor = std::thread::spawn(move || Command::new(path).arg("0").output().map(drop));
        for turn in 0..4 {
            let other = place.join(format!("other-{turn}"));
            std::fs::copy("/bin/true", &other).unwrap();
            assert!(Command::new(&other).status().unwrap().success());
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let standing = sentry.standing();
        drop(stranger);
        let _ = executor.join();
        assert!(standing.live && standing.restarts == 0, "{standing:?}");
        sentry.apply(Rules::default(), LIMIT).unwrap();
    });
}

fn sentry() -> Sentry {
    let launcher =
        Launcher { program: env!("CARGO_BIN_EXE_quell-host-trial").into(), args: vec!["guard".into()] };
    let settings = Settings { scope: Scope::Mounts, agent: std::process::id() };
    Sentry::new(launcher, settings, |_| ()).unwrap()
}

fn rules() -> Rules {
    let rule = Rule { id: "order-1".into(), hash: "ab".repeat(32), paths: vec![] };
    Rules { rules: vec![rule], ..Rules::default() }
}
