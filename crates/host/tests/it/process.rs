//! Real processes, found, checked and ended.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quell_host::process::{
    Commands, Error, Guard, How, Identity, Options, Protection, Scope, Selector, State, find, get, list,
    still_running, terminate, terminate_tree, tree,
};
use sha2::{Digest, Sha256};

use crate::until;

/// A child that is killed and collected when the test ends, however it ends.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kept {
    fn identity(&self) -> Identity {
        get(self.0.id()).unwrap().identity
    }
}

fn run(program: impl AsRef<Path>, args: &[&str]) -> Kept {
    let mut command = Command::new(program.as_ref());
    Kept(command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn sleeper() -> Kept {
    run("/bin/sleep", &["300"])
}

/// A shell in a process group of its own, as an interactive shell starts its jobs.
fn shell(script: &str) -> Kept {
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]).process_group(0);
    Kept(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// A copy of `sleep` under a name of its own, made different by a few bytes at its end.
fn own_sleep(path: &Path) -> [u8; 32] {
    let mut bytes = std::fs::read("/bin/sleep").unwrap();
    bytes.extend_from_slice(path.as_os_str().as_bytes());
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&bytes).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    Sha256::digest(&bytes).into()
}

#[test]
fn a_process_is_read_as_it_is() {
    let child = sleeper();
    // The kernel sets the name first and the arguments later.
    let full = || {
        let mut process = get(child.0.id()).unwrap();
        assert_eq!(process.command, None, "only where it is asked for");
        Commands::new().fill(&mut process);
        process
    };
    until("the exec", || full().command.is_some_and(|command| command.starts_with("/bin/sleep")));
    let process = full();
    assert_eq!(process.ppid, std::process::id());
    assert_eq!(process.command.as_deref(), Some("/bin/sleep 300"));
    assert_eq!(process.uid, Some(rustix::process::geteuid().as_raw()));
    assert!(!process.exe.unwrap().deleted);
    assert!(!process.kernel);
    assert!(list().unwrap().iter().any(|other| other.identity == process.identity));
    assert!(list().unwrap().windows(2).all(|pair| pair[0].identity < pair[1].identity));
}

#[test]
fn a_process_is_killed_and_seen_to_end() {
    let mut child = sleeper();
    let identity = child.identity();
    let done = terminate(identity, Options::default(), &Guard::new().unwrap()).unwrap();
    assert_eq!(done.how, How::Killed);
    assert!(!identity.is_running().unwrap());
    // Not collected yet: a zombie, and a second termination says so.
    assert!(matches!(
        terminate(identity, Options::default(), &Guard::new().unwrap()),
        Err(Error::Zombie { .. })
    ));
    child.0.wait().unwrap();
    let gone = terminate(identity, Options::default(), &Guard::new().unwrap());
    assert!(matches!(gone, Err(Error::NoSuchProcess { .. } | Error::Reused { .. })), "{gone:?}");
}

#[test]
fn grace_lets_it_end_by_itself_and_is_not_endless() {
    let options = Options { grace: Some(Duration::from_secs(5)), ..Options::default() };
    let polite = sleeper();
    assert_eq!(terminate(polite.identity(), options, &Guard::new().unwrap()).unwrap().how, How::Asked);

    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let deaf = shell(&format!("trap '' TERM; touch {}; while :; do sleep 0.05; done", ready.display()));
    until("the trap", || ready.exists());
    let options = Options { grace: Some(Duration::from_millis(100)), ..Options::default() };
    assert_eq!(terminate(deaf.identity(), options, &Guard::new().unwrap()).unwrap().how, How::Killed);
}

#[test]
fn a_reused_pid_is_refused_before_any_signal() {
    let child = sleeper();
    let identity = child.identity();
    for start_time in [identity.start_time - 1, identity.start_time + 1, 0, u64::MAX] {
        let wrong = Identity { start_time, ..identity };
        let options = Options { grace: Some(Duration::ZERO), ..Options::default() };
        let refused = terminate(wrong, options, &Guard::new().unwrap());
        assert!(matches!(refused, Err(Error::Reused { found, .. }) if found == identity.start_time));
        let refused = terminate_tree(wrong, Scope::Tree, Duration::from_secs(1), &Guard::new().unwrap());
        assert!(matches!(refused, Err(Error::Reused { .. })));
    }
    assert!(identity.is_running().unwrap());
}

#[test]
fn a_pid_that_truly_changed_hands_is_refused() {
    // In a pid namespace of its own the next pid can be chosen, so the kernel hands the same one out again.
    let script = r#"
        start() { sed 's/.*) //' /proc/$1/stat | cut -d' ' -f20; }
        sleep 300 & first=$!; old=$(start $first); kill -9 $first; wait $first
        end=$(($(cut -d. -f1 /proc/uptime) + 20)); second=0
        while [ $second != $first ] && [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do
            [ $second = 0 ] || { kill -9 $second; wait $second; }
            echo $((first - 1)) > /proc/sys/kernel/ns_last_pid; sleep 300 & second=$!
        done
        [ $second = $first ] && [ "$(start $first)" != "$old" ] || { echo not reused; exit; }
        "$0" terminate $first $old; [ -d /proc/$first ] && echo alive
        "$0" terminate $second $(start $second)
    "#;
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", script]);
    let output = match command.arg(crate::script::program()).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        other => return println!("skipped: no pid namespace to be had: {other:?}"),
    };
    if output == "not reused\n" {
        return println!("skipped: the kernel did not hand the pid out again");
    }
    let lines: Vec<_> = output.lines().collect();
    assert!(lines[0].contains("now belongs to another process"), "{output}");
    assert_eq!(lines[1..], ["alive", "Killed"], "{output}");
}

#[test]
fn init_kernel_threads_the_caller_its_parents_and_its_own_are_refused() {
    let mut guard = Guard::new().unwrap();
    let why = |identity, guard: &Guard| match terminate(identity, Options::default(), guard) {
        Err(Error::Protected { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(Identity { pid: 1, start_time: 0 }, &guard), Protection::Init);
    assert_eq!(why(Identity { pid: 0, start_time: 0 }, &guard), Protection::Init);
    assert_eq!(why(Identity::own().unwrap(), &guard), Protection::Caller);
    let parent = get(get(std::process::id()).unwrap().ppid).unwrap();
    assert_eq!(why(parent.identity, &guard), Protection::Ancestor);
    match list().unwrap().into_iter().find(|process| process.kernel) {
        Some(thread) => assert_eq!(why(thread.identity, &guard), Protection::Kernel),
        None => println!("skipped: no kernel thread is visible in this pid namespace"),
    }
    let child = sleeper();
    guard.protect(child.identity());
    assert_eq!(why(child.identity(), &guard), Protection::Own);
    assert!(child.identity().is_running().unwrap());
}

#[test]
fn pids_that_cannot_be_are_refused() {
    let guard = Guard::new().unwrap();
    for pid in [u32::MAX, 0x8000_0000, 0x7fff_ffff] {
        let none = terminate(Identity { pid, start_time: 1 }, Options::default(), &guard);
        assert!(matches!(none, Err(Error::NoSuchProcess { .. })), "{none:?}");
    }
}

#[test]
fn the_tree_holds_children_and_their_children() {
    let parent = shell("sleep 300 & (sleep 300 & sleep 300) & wait");
    let root = parent.identity();
    until("five processes", || tree(root).unwrap().iter().filter(|p| p.name == "sleep").count() == 3);
    let below = tree(root).unwrap();
    assert!(below.iter().all(|process| process.identity != root));
    let done = terminate_tree(root, Scope::Tree, Duration::from_secs(10), &Guard::new().unwrap()).unwrap();
    assert!(done.left.is_empty(), "{done:?}");
    assert_eq!(done.members[0].identity, root);
    assert!(below.iter().all(|process| !process.identity.is_running().unwrap()));
}

#[test]
fn children_whose_parent_has_ended_are_found_through_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let parent = shell(&format!("( (sleep 300 & echo $! > {}) & ) ; sleep 300", file.display()));
    until("the orphan", || std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let pid: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    until("its parent's end", || tree(parent.identity()).unwrap().iter().all(|p| p.identity.pid != pid));
    let orphan = get(pid).unwrap().identity;
    let done =
        terminate_tree(parent.identity(), Scope::Tree, Duration::from_secs(10), &Guard::new().unwrap());
    assert!(done.unwrap().left.is_empty());
    assert!(!orphan.is_running().unwrap());
}

#[test]
fn a_protected_process_in_the_tree_is_spared_and_named() {
    let parent = shell("sleep 300 & wait");
    until("the child", || tree(parent.identity()).unwrap().iter().any(|p| p.name == "sleep"));
    let child = tree(parent.identity()).unwrap()[0].identity;
    let mut guard = Guard::new().unwrap();
    guard.protect(child);
    let done = terminate_tree(parent.identity(), Scope::Tree, Duration::from_secs(10), &guard).unwrap();
    assert_eq!(done.spared.iter().map(|member| member.identity).collect::<Vec<_>>(), [child]);
    assert!(child.is_running().unwrap() && !parent.identity().is_running().unwrap());
    assert_eq!(terminate(child, Options::default(), &Guard::new().unwrap()).unwrap().how, How::Killed);
}

/// Ends a fork bomb of a user who may have 400 processes, so that a failure of this test harms nobody.
fn beat(bomb: &str) {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: needs root and setpriv, to give the bomb a limit of its own");
        return;
    }
    // Each bomb as a user of its own: the limit counts per user.
    let uid = 64_000 + std::process::id() % 1000 + u32::try_from(bomb.len()).unwrap();
    let shell = format!("ulimit -u 400; {bomb}");
    let args = [format!("--reuid={uid}"), "--clear-groups".into(), "/bin/bash".into(), "-c".into(), shell];
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(args).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mine =
        || list().unwrap().into_iter().filter(|p| p.uid == Some(uid) && p.state != State::Zombie).count();
    let root = Kept(command.spawn().unwrap());
    until("the bomb", || mine() > 150);
    let start = Instant::now();
    let done = terminate_tree(root.identity(), Scope::Tree, Duration::from_secs(20), &Guard::new().unwrap())
        .unwrap();
    assert!(done.left.is_empty(), "{} left", done.left.len());
    assert_eq!(mine(), 0, "after {} rounds", done.rounds);
    println!("{} processes in {} rounds, {:?}", done.ended, done.rounds, start.elapsed());
}

#[test]
fn a_fork_bomb_whose_parents_end_at_once_is_beaten() {
    beat("b() { b & b & }; b; sleep 300");
}

#[test]
fn a_fork_bomb_that_leaves_the_group_is_beaten() {
    beat("set -m; b() { sleep 0.01; b & b & wait; }; b; sleep 300");
}

#[test]
fn selection_by_hash_finds_the_deleted_and_the_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("implant");
    let digest = own_sleep(&path);
    let first = run(&path, &["300"]);
    until("the exec", || !find(&Selector::Sha256(digest), &|| false).unwrap().matches.is_empty());
    std::fs::remove_file(&path).unwrap();
    let other = {
        let mut bytes = std::fs::read("/bin/sleep").unwrap();
        bytes.push(1);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Sha256::digest(&bytes).into()
    };
    let second = run(&path, &["300"]);
    until("the exec", || !find(&Selector::Sha256(other), &|| false).unwrap().matches.is_empty());

    let found = find(&Selector::Sha256(digest), &|| false).unwrap();
    assert_eq!(found.matches.len(), 1);
    assert_eq!(found.matches[0].process.identity, first.identity());
    let exe = found.matches[0].process.exe.clone().unwrap();
    assert_eq!(exe.path, path);
    assert!(exe.deleted);
    let running = std::fs::File::open(format!("/proc/{}/exe", first.identity().pid)).unwrap();
    let sha1 = quell_host::guard::digests(&running, true).unwrap().sha1.unwrap();
    assert_eq!(find(&Selector::Sha1(sha1), &|| false).unwrap().matches.len(), 1);

    // By path both: the deleted one was started from it too.
    let by_path = find(&Selector::Path(path), &|| false).unwrap();
    let ids: Vec<_> = by_path.matches.iter().map(|hit| hit.process.identity).collect();
    assert!(ids.contains(&first.identity()) && ids.contains(&second.identity()) && ids.len() == 2);

    terminate(first.identity(), Options::default(), &Guard::new().unwrap()).unwrap();
    assert!(still_running(&Selector::Sha256(digest), &|| false).unwrap().matches.is_empty());
    assert_eq!(still_running(&Selector::Sha256(other), &|| false).unwrap().matches.len(), 1);
}

#[test]
fn a_hunt_that_is_called_off_says_how_much_it_did_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (dir.path().join("small"), dir.path().join("large"));
    let digest = own_sleep(&small);
    std::fs::copy(&small, &large).unwrap();
    std::fs::File::options().write(true).open(&large).unwrap().set_len(3 << 30).unwrap();
    let children = [run(&small, &["300"]), run(&large, &["300"])];
    until("the exec", || {
        children
            .iter()
            .all(|child| get(child.0.id()).unwrap().exe.is_some_and(|exe| exe.path.starts_with(dir.path())))
    });
    let none = find(&Selector::Sha256(digest), &|| true).unwrap();
    assert!(none.matches.is_empty() && none.unreadable >= 2);
    // Small files come first, whoever runs them.
    let late = Instant::now() + Duration::from_secs(1);
    let some = find(&Selector::Sha256(digest), &|| Instant::now() >= late).unwrap();
    assert!(late.elapsed() < Duration::from_secs(5));
    assert_eq!(some.matches.len(), 1);
    assert!(some.unreadable >= 1);
}

#[test]
fn names_that_are_not_text_and_names_that_lie_are_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"x\xff\n) R 1 ("[..], b"really (deleted)"] {
        let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
        own_sleep(&path);
        let child = run(&path, &["300"]);
        until("the exec", || get(child.0.id()).unwrap().exe.is_some_and(|exe| exe.path == path));
        let process = get(child.0.id()).unwrap();
        assert!(!process.exe.unwrap().deleted);
        assert_eq!(process.name.as_bytes(), &name[..name.len().min(15)]);
        assert_eq!(find(&Selector::Path(path), &|| false).unwrap().matches.len(), 1);
    }
}

#[test]
fn a_process_whose_first_thread_has_ended_still_counts_as_running() {
    let code = "import ctypes,threading,time\nthreading.Thread(target=time.sleep,args=(300,)).start()\n\
                ctypes.CDLL(None).syscall(60,0)\n";
    if !cfg!(target_arch = "x86_64") || !Path::new("/usr/bin/python3").exists() {
        println!("skipped: needs python3 on x86_64");
        return;
    }
    let child = run("/usr/bin/python3", &["-c", code]);
    until("the first thread's end", || get(child.0.id()).unwrap().state == State::Zombie);
    let identity = child.identity();
    assert!(identity.is_running().unwrap());
    assert_eq!(terminate(identity, Options::default(), &Guard::new().unwrap()).unwrap().how, How::Killed);
    assert!(!identity.is_running().unwrap());
}
