//! Real scripts under real supervisors: polite ones, endless ones, and those that try to get away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quell_host::process::{self, Identity, State, list};
use quell_host::script::{
    Adopted, Ended, Error, Interpreter, Job, Launcher, Limits, Outcome, Running, Stream, adopt, cancel, spawn,
};
use sha2::{Digest, Sha256};

use crate::until;

const LIMITS: Limits =
    Limits { time: Duration::from_mins(1), output: 1 << 20, memory: None, cpu: None, processes: None };

/// What runs as a process of its own.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_quell-host-trial").into()
}

fn launcher() -> Launcher {
    Launcher { program: program(), args: vec!["supervise".into()] }
}

fn job(body: &str) -> Job {
    Job {
        interpreter: Interpreter::Bash,
        body: body.as_bytes().to_vec(),
        sha256: Sha256::digest(body.as_bytes()).into(),
        args: Vec::new(),
        env: BTreeMap::new(),
        cwd: None,
        limits: LIMITS,
    }
}

struct Made {
    dir: tempfile::TempDir,
    running: Running,
}

fn start(job: &Job) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let running = spawn(&dir.path().join("run"), job, &launcher()).unwrap();
    Made { dir, running }
}

impl Made {
    fn end(&self) -> Outcome {
        finished(&self.running)
    }

    fn out(&self) -> String {
        String::from_utf8(self.running.tail(Stream::Stdout, 0, 1 << 20).unwrap()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("run/work").join(name)
    }

    /// A pid that the script wrote into a file of its working directory.
    fn pid(&self, name: &str) -> Identity {
        let path = self.file(name);
        until("a pid", || std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
        let pid = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        process::get(pid).unwrap().identity
    }
}

fn finished(running: &Running) -> Outcome {
    match running.wait(Duration::from_mins(1)).unwrap() {
        Some(Adopted::Finished(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

fn run(body: &str) -> (Outcome, String) {
    let made = start(&job(body));
    (made.end(), made.out())
}

#[test]
fn a_script_runs_and_says_what_came_of_it() {
    let mut wanted = job("echo \"$1-$2-$QUELL_CASE\"; echo oops >&2; exit 7");
    wanted.args = vec!["-a b".into(), "$(id)".into()];
    wanted.env = BTreeMap::from([("QUELL_CASE".into(), "42".into())]);
    let made = start(&wanted);
    let outcome = made.end();
    assert_eq!(outcome.ended, Ended::Exited { code: 7 });
    assert_eq!(made.out(), "-a b-$(id)-42\n");
    assert_eq!(made.running.tail(Stream::Stderr, 2, 100).unwrap(), b"ps\n");
    assert_eq!((outcome.stdout.seen, outcome.stderr.seen, outcome.stopped, outcome.left), (14, 5, 0, 0));
    let digest = crate::hex(&Sha256::digest(made.out()));
    assert_eq!(outcome.stdout.sha256, digest);
    let mode = |name: &str| {
        let path = made.dir.path().join("run").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(""), mode("body.sh"), mode("stdout"), mode("result.json")),
        (0o700, 0o600, 0o600, 0o600)
    );
    assert_eq!(run("kill -USR1 $$").0.ended, Ended::Signaled { signal: 10 });
}

#[test]
fn nothing_of_the_agent_reaches_the_script() {
    let (_, out) = run("env | sed 's/=.*//' | sort | tr '\\n' ' '; ls /proc/self/fd | wc -l; ulimit -c");
    let (names, rest) = out.split_once('\n').unwrap_or_default();
    let names = names.trim_end_matches(|c: char| c.is_ascii_digit());
    let expected = ["HOME", "LANG", "PATH", "PWD", "QUELL_RUN", "SHLVL", "TMPDIR", "TZ", "_"];
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), expected);
    assert_eq!(rest, "0\n");
    let (_, out) = run(
        "ls -l /proc/self/fd | grep -c -v 'pipe\\|/dev/null\\|/proc\\|^total'; grep SigBlk /proc/self/status",
    );
    assert_eq!(out, "0\nSigBlk:\t0000000000000000\n");
}

#[test]
fn each_interpreter_runs_or_is_said_to_be_missing() {
    for (interpreter, body) in [
        (Interpreter::Bash, "echo \"$BASH\" | grep -o bash"),
        (Interpreter::Sh, "echo sh"),
        (Interpreter::Python3, "import sys; print(sys.flags.isolated)"),
        (Interpreter::Pwsh, "Write-Output pwsh"),
    ] {
        let mut wanted = job(body);
        wanted.interpreter = interpreter;
        let dir = tempfile::tempdir().unwrap();
        match spawn(&dir.path().join("run"), &wanted, &launcher()) {
            Ok(running) => {
                assert_eq!(finished(&running).ended, Ended::Exited { code: 0 });
                assert!(!running.tail(Stream::Stdout, 0, 100).unwrap().is_empty());
            }
            Err(Error::InterpreterMissing(missing)) => {
                assert_eq!(missing, interpreter);
                assert!(!dir.path().join("run").exists());
                println!("skipped: {} is not installed", interpreter.program());
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn unusable_jobs_are_refused_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let refused = |change: &dyn Fn(&mut Job)| {
        let mut wanted = job("touch /tmp/never");
        change(&mut wanted);
        let error = spawn(&path, &wanted, &launcher()).unwrap_err();
        assert!(!path.exists());
        error
    };
    assert!(matches!(refused(&|job| job.sha256[0] ^= 1), Error::Digest));
    assert!(matches!(refused(&|job| job.args = vec!["a\0b".into()]), Error::Job(_)));
    assert!(matches!(refused(&|job| job.args = vec![String::new(); 257]), Error::Job(_)));
    assert!(matches!(refused(&|job| job.body = vec![b'#'; 5 << 20]), Error::Job(_)));
    for name in ["LD_PRELOAD", "PATH", "BASH_ENV", "QUELL_RUN", "QUELL_a", "QUELL_A=B"] {
        assert!(matches!(refused(&|job| drop(job.env.insert(name.into(), "x".into()))), Error::Job(_)));
    }
    let missing = Launcher { program: "/nowhere".into(), args: Vec::new() };
    assert!(matches!(spawn(&path, &job(""), &missing), Err(Error::Supervisor(_))));
    assert!(matches!(spawn(&path, &job(""), &launcher()), Err(Error::Exists)));
}

#[test]
fn a_supervisor_that_fails_leaves_a_run_that_never_happens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let failing = Launcher { program: "/bin/false".into(), args: Vec::new() };
    assert!(matches!(spawn(&path, &job("touch ran"), &failing), Err(Error::Supervisor(_))));
    assert!(matches!(adopt(&path).unwrap(), Adopted::NotStarted));
    // A late supervisor finds the claim taken.
    let late = Command::new(program()).arg("supervise").arg(&path).output().unwrap();
    assert!(!late.status.success() && !path.join("work/ran").exists());
}

#[test]
#[expect(unsafe_code, reason = "a mount namespace of a thread's own")]
fn a_full_disk_leaves_nothing_of_a_run_that_never_happened() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounts are for root");
        return;
    }
    let work = || {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        // SAFETY: this thread alone, which ends with the test; it holds nothing that others use.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let dir = tempfile::tempdir().unwrap();
        mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), Some(c"size=1m")).unwrap();
        let path = dir.path().canonicalize().unwrap().join("run");
        // The disk is full once the supervisor wants to claim the run.
        let text = format!("cat /dev/zero > \"$0/../fill\"; exec {} supervise \"$0\"", program().display());
        let filled = Launcher { program: "/bin/sh".into(), args: vec!["-c".into(), text.into()] };
        let refused = spawn(&path, &job("touch ran"), &filled).unwrap_err();
        assert!(
            matches!(&refused, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
            "{refused:?}"
        );
        assert!(!path.exists());
        // And where there is no room for the job itself.
        let full = Launcher { program: "/bin/false".into(), args: Vec::new() };
        assert!(matches!(spawn(&path, &job("true"), &full), Err(Error::Io { .. })));
        assert!(!path.exists());
        rustix::mount::unmount(dir.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    };
    std::thread::spawn(work).join().unwrap();
}

#[test]
fn a_run_is_made_once() {
    let made = start(&job("echo x >> count"));
    made.end();
    let again = Command::new(program()).arg("supervise").arg(made.running.path()).output().unwrap();
    assert!(!again.status.success());
    assert_eq!(std::fs::read_to_string(made.file("count")).unwrap(), "x\n");
}

#[test]
fn a_body_changed_on_disk_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    // A launcher that changes the body and then becomes the supervisor.
    let text = format!("echo 'touch ran' > \"$0\"/body.sh; exec {} supervise \"$0\"", program().display());
    let hostile = Launcher { program: "/bin/sh".into(), args: vec!["-c".into(), text.into()] };
    let outcome = finished(&spawn(&path, &job("true"), &hostile).unwrap());
    assert!(matches!(outcome.ended, Ended::NotStarted { reason } if reason.contains("SHA-256")));
    assert!(!path.join("work/ran").exists());
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(adopt(dir.path()), Err(Error::Directory(_))));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/tmp", &link).unwrap();
    assert!(matches!(adopt(&link), Err(Error::Directory(_))));
}

#[test]
fn a_flood_of_output_is_capped_counted_and_not_held_up() {
    let mut wanted = job("head -c 1000000000 /dev/zero; echo done >&2");
    wanted.limits.output = 10_000;
    let made = start(&wanted);
    let outcome = made.end();
    assert_eq!(outcome.ended, Ended::Exited { code: 0 });
    assert_eq!((outcome.stdout.seen, outcome.stdout.kept), (1_000_000_000, 10_000));
    assert!(outcome.stdout.truncated() && !outcome.stderr.truncated());
    assert_eq!(std::fs::metadata(made.dir.path().join("run/stdout")).unwrap().len(), 10_000);
}

#[test]
fn output_can_be_followed_while_it_comes() {
    let made = start(&job("echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"));
    until("the first line", || made.out() == "one\n");
    assert!(made.running.wait(Duration::ZERO).unwrap().is_none());
    std::fs::write(made.file("go"), "").unwrap();
    made.end();
    assert_eq!(made.running.tail(Stream::Stdout, 4, 100).unwrap(), b"two\n");
    assert!(made.running.tail(Stream::Stdout, 999, 100).unwrap().is_empty());
}

#[test]
fn a_script_without_end_is_killed_at_the_limit_whatever_it_ignores() {
    let mut wanted = job("trap '' TERM INT HUP; echo $$ > pid; while :; do sleep 1; done");
    wanted.limits.time = Duration::from_millis(600);
    let start_at = Instant::now();
    let made = start(&wanted);
    let script = made.pid("pid");
    let outcome = made.end();
    assert_eq!(outcome.ended, Ended::TimedOut);
    assert!(outcome.stopped >= 1 && outcome.left == 0);
    assert!((600..6000).contains(&start_at.elapsed().as_millis()));
    assert!(!script.is_running().unwrap());
}

#[test]
fn what_a_script_leaves_behind_ends_with_it() {
    let daemon = "import os,sys,time\nfor _ in range(2):\n  if os.fork(): os._exit(0)\n  os.setsid()\n\
                  for fd in (0,1,2): os.close(fd)\nos.environ.clear()\nopen('daemon','w').write(f'{os.getpid()}\\n')\n\
                  time.sleep(300)";
    let body = format!(
        "sleep 300 & echo $! > child; (setsid sleep 300 & echo $! > session); python3 -c \"{daemon}\"\n\
         while ! [ -s daemon ]; do sleep 0.02; done; while ! [ -e go ]; do sleep 0.02; done; echo end"
    );
    let made = start(&job(&body));
    let mut left = vec![made.pid("child"), made.pid("session")];
    if Path::new("/usr/bin/python3").exists() {
        left.push(made.pid("daemon"));
    } else {
        println!("skipped: no python3 to make a daemon with");
        std::fs::write(made.file("daemon"), "0\n").unwrap();
    }
    assert!(left.iter().all(|identity| identity.is_running().unwrap()));
    std::fs::write(made.file("go"), "").unwrap();
    let outcome = made.end();
    assert_eq!(outcome.ended, Ended::Exited { code: 0 });
    assert_eq!(made.out(), "end\n");
    assert_eq!((outcome.stopped, outcome.left), (left.len() as u64, 0));
    assert!(left.iter().all(|identity| !identity.is_running().unwrap()));
}

#[test]
fn a_fork_bomb_ends_at_the_limit_of_processes() {
    // Its own user limit keeps the machine whole should the supervisor fail.
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: needs root and setpriv, to give the bomb a limit of its own");
        return;
    }
    let uid = 62_000 + std::process::id() % 1000;
    let mut wanted = job(&format!(
        "exec setpriv --reuid={uid} --clear-groups bash -c 'ulimit -u 500; b() {{ setsid true & b & b & }}; b; sleep 300'"
    ));
    wanted.limits.processes = Some(100);
    wanted.cwd = Some("/".into());
    let outcome = start(&wanted).end();
    assert!(matches!(outcome.ended, Ended::TooManyProcesses { seen } if seen > 100), "{outcome:?}");
    assert_eq!(outcome.left, 0);
    assert_eq!(list().unwrap().iter().filter(|p| p.uid == Some(uid) && p.state != State::Zombie).count(), 0);
}

#[test]
fn memory_and_processor_time_are_limited() {
    if Path::new("/usr/bin/python3").exists() {
        let mut wanted = job("x = bytearray(1 << 30)");
        wanted.interpreter = Interpreter::Python3;
        wanted.limits.memory = Some(256 << 20);
        let made = start(&wanted);
        assert_eq!(made.end().ended, Ended::Exited { code: 1 });
        assert!(
            made.running
                .tail(Stream::Stderr, 0, 4096)
                .unwrap()
                .windows(11)
                .any(|text| text == b"MemoryError")
        );
    } else {
        println!("skipped: no python3 to use memory with");
    }
    let mut wanted = job("while :; do :; done");
    wanted.limits.cpu = Some(Duration::from_secs(1));
    assert!(matches!(start(&wanted).end().ended, Ended::Signaled { signal: 9 | 24 }));
}

#[test]
fn a_cancel_ends_everything_and_says_so() {
    let made = start(&job("trap '' TERM; setsid sleep 300 & echo $! > child; sleep 300"));
    let child = made.pid("child");
    assert!(made.running.cancel().unwrap());
    assert_eq!(made.end().ended, Ended::Canceled);
    assert!(!child.is_running().unwrap());
    assert!(!cancel(made.running.path()).unwrap());
}

/// Starts a run from a process of its own, kills that one with SIGKILL, and returns the supervisor.
fn orphaned(dir: &Path, body: &str) -> Identity {
    let mut parent = Command::new(program())
        .args(["launch", dir.to_str().unwrap(), body])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let supervisor = process::get(line.trim().parse().unwrap()).unwrap().identity;
    parent.kill().unwrap();
    parent.wait().unwrap();
    supervisor
}

#[test]
fn a_run_survives_the_death_of_its_agent_and_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let supervisor = orphaned(&path, "while [ ! -e go ]; do sleep 0.02; done; echo survived");
    let Adopted::Running(running) = adopt(&path).unwrap() else { panic!("not running") };
    assert_eq!(running.supervisor(), Some(supervisor));
    std::fs::write(path.join("work/go"), "").unwrap();
    assert_eq!(finished(&running).ended, Ended::Exited { code: 0 });
    assert_eq!(running.tail(Stream::Stdout, 0, 100).unwrap(), b"survived\n");
    // And once more, after the end.
    assert!(matches!(adopt(&path).unwrap(), Adopted::Finished(_)));
}

#[test]
fn a_run_whose_supervisor_was_killed_is_lost_and_its_processes_are_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let body = "echo begun; setsid sleep 300 & echo $! > child; while :; do sleep 0.05; done";
    let supervisor = orphaned(&path, body);
    let file = path.join("work/child");
    until("the child", || std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let child = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let child = process::get(child).unwrap().identity;
    until("the output", || std::fs::metadata(path.join("stdout")).is_ok_and(|about| about.len() == 6));
    let guard = process::Guard::new().unwrap();
    process::terminate(supervisor, process::Options::default(), &guard).unwrap();
    match adopt(&path).unwrap() {
        Adopted::Lost(lost) => {
            assert!(!lost.rebooted && lost.stopped >= 1 && lost.left == 0, "{lost:?}");
            assert_eq!((lost.stdout, lost.stderr), (6, 0));
        }
        other => panic!("{other:?}"),
    }
    assert!(!child.is_running().unwrap());
}

#[test]
fn a_run_of_an_earlier_boot_is_lost() {
    let made = start(&job("sleep 300"));
    made.running.cancel().unwrap();
    made.end();
    let run = made.running.path();
    std::fs::remove_file(run.join("result.json")).unwrap();
    let claim = std::fs::read_to_string(run.join("supervisor.json")).unwrap();
    let now = quell_host::system::boot_id().unwrap().to_string();
    let then = claim.replace(&now, "00000000-0000-0000-0000-000000000000");
    std::fs::write(run.join("supervisor.json"), then).unwrap();
    assert!(matches!(adopt(run).unwrap(), Adopted::Lost(lost) if lost.rebooted));
    std::fs::write(run.join("supervisor.json"), "{\"half").unwrap();
    assert!(matches!(adopt(run), Err(Error::Directory(_))));
}
