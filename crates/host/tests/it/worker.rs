//! Confined workers that try everything, looked at from outside.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use quell_host::confine::Limits;
use quell_host::worker::{Failure, Launcher, Worker};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::script::program;
use crate::stranger::Stranger;

const SOON: Duration = Duration::from_secs(20);

fn launcher(profile: &str) -> Launcher {
    Launcher { program: program(), args: vec!["worker".into(), profile.into()] }
}

fn start(profile: &str) -> Worker {
    Worker::start(&launcher(profile), Limits { memory: 64 << 20, ..Limits::default() }).unwrap()
}

fn ask(worker: &mut Worker, what: &str) -> Result<String, Failure> {
    worker.call(what.as_bytes(), &[], SOON, || false).map(|answer| String::from_utf8(answer).unwrap())
}

/// A fresh worker's answer, since the last one may be dead.
fn once(profile: &str, what: &str) -> Result<String, Failure> {
    ask(&mut start(profile), what)
}

fn status(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split_once(':').unwrap().1.trim()
}

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: not root");
    }
    root
}

#[test]
fn the_kernel_says_how_a_worker_is_confined() {
    // CAP_DAC_READ_SEARCH is bit 2, CAP_SYS_PTRACE bit 19 (capabilities(7)).
    for (profile, capabilities, landlock) in
        [("sealed", 0, true), ("reader", 1 << 2, true), ("inspector", 1 << 2 | 1 << 19, false)]
    {
        let begun = Instant::now();
        let worker = start(profile);
        println!("{profile}: confined {:?} after its start ({})", begun.elapsed(), worker.confined());
        let status = status(worker.pid());
        assert_eq!(
            (field(&status, "Seccomp"), field(&status, "NoNewPrivs"), field(&status, "Threads")),
            ("2", "1", "1")
        );
        assert_eq!(field(&status, "Seccomp_filters"), "2");
        assert_eq!(field(&status, "Name"), "quell-worker");
        assert_eq!(worker.confined().landlock.is_some(), landlock && worker.confined().warnings.is_empty());
        if !root() {
            continue;
        }
        let set = |name| u64::from_str_radix(field(&status, name), 16).unwrap();
        assert_eq!(set("CapEff"), capabilities, "{profile}");
        assert_eq!((set("CapPrm"), set("CapBnd"), set("CapInh"), set("CapAmb")), (capabilities, 0, 0, 0));
        assert_eq!(field(&status, "Uid"), "65534\t65534\t65534\t65534");
        assert_eq!(field(&status, "Groups"), "");
        let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", worker.pid())).unwrap();
        assert_eq!(score.trim(), "1000");
        let environment = std::fs::read(format!("/proc/{}/environ", worker.pid())).unwrap();
        assert!(environment.is_empty());
    }
}

#[test]
fn a_sealed_worker_gets_nowhere() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let socket = tempfile::tempdir().unwrap();
    let listening = socket.path().join("socket");
    let _listener = UnixListener::bind(&listening).unwrap();
    let path = file.path().display().to_string();
    for what in [
        "open /etc/passwd",
        "list /",
        "open /proc/self/mem",
        "stat /etc/passwd",
        "thread",
        "fork",
        "kill 1",
        "shared",
        "code",
        "link /proc/1/exe",
    ] {
        assert!(once("sealed", what).unwrap().starts_with("errno "), "{what}");
    }
    let paths = [format!("write {path}"), format!("append {path}"), format!("create {path}.new")];
    for what in paths {
        assert_eq!(once("sealed", &what).unwrap(), "errno 1", "{what}");
    }
    let deadly = [
        "ptrace 1".to_owned(),
        "tcp".to_owned(),
        "listen".to_owned(),
        "netlink 0".to_owned(),
        format!("unix {}", listening.display()),
        format!("unlink {path}"),
        format!("chmod {path}"),
    ];
    for what in deadly {
        let failure = once("sealed", &what).unwrap_err();
        assert!(
            matches!(&failure, Failure::Crashed { signal: Some(31), how } if how.contains("SIGSYS")),
            "{what}: {failure:?}"
        );
    }
    // `Command` makes a pair of sockets or a pipe and a process first, one of which is refused.
    assert!(once("sealed", "exec").map_or(true, |answer| answer.starts_with("errno")));
    for call in [
        libc::SYS_execve,
        libc::SYS_bpf,
        libc::SYS_mount,
        libc::SYS_io_uring_setup,
        libc::SYS_memfd_create,
        libc::SYS_setresuid,
        libc::SYS_unshare,
        libc::SYS_perf_event_open,
    ] {
        let failure = once("sealed", &format!("call {call}")).unwrap_err();
        assert!(matches!(failure, Failure::Crashed { signal: Some(31), .. }), "{call}: {failure:?}");
    }
}

#[test]
fn a_reader_reads_and_does_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, b"12345").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let path = secret.display();
    for profile in ["reader", "inspector"] {
        let mut worker = start(profile);
        let mut says = |what: &str| ask(&mut worker, what).unwrap();
        assert_eq!(says(&format!("read {path}")), "5 bytes");
        assert!(says("list /etc").ends_with("entries"));
        assert_eq!(says("stat /etc/passwd"), "ok");
        for what in [
            format!("write {path}"),
            format!("append {path}"),
            format!("create {path}"),
            format!("create {path}.new"),
        ] {
            assert_eq!(says(&what), "errno 1", "{what}");
        }
        assert_eq!(says("thread"), "errno 1");
        assert_eq!(says("fork"), "errno 1");
        for what in [
            format!("unlink {path}"),
            format!("chmod {path}"),
            "tcp".to_owned(),
            "ptrace 1".to_owned(),
            format!("call {}", libc::SYS_execve),
        ] {
            assert!(
                matches!(once(profile, &what), Err(Failure::Crashed { signal: Some(31), .. })),
                "{profile} {what}"
            );
        }
    }
    assert_eq!(std::fs::read(&secret).unwrap(), b"12345");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn only_an_inspector_looks_into_processes() {
    if !root() {
        return;
    }
    let own = std::process::id();
    let exe = std::fs::read_link("/proc/self/exe").unwrap().display().to_string();
    assert_eq!(once("inspector", &format!("link /proc/{own}/exe")).unwrap(), exe);
    assert!(once("inspector", &format!("list /proc/{own}/fd")).unwrap().ends_with("entries"));
    assert_eq!(once("inspector", "netlink 0").unwrap(), "ok");
    assert!(matches!(once("inspector", "netlink 9"), Ok(answer) if answer == "errno 1"));
    let mut reader = start("reader");
    let seen = ask(&mut reader, &format!("link /proc/{own}/exe")).unwrap();
    assert!(reader.confined().landlock.is_none() || seen.starts_with("errno"), "{seen}");
    assert!(ask(&mut reader, &format!("read /proc/{own}/stat")).unwrap().ends_with("bytes"));
}

#[test]
fn descriptors_arrive_and_can_be_read() {
    let files: Vec<_> = (0..16)
        .map(|n| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("file {n}")).unwrap();
            file
        })
        .collect();
    let open: Vec<_> = files.iter().map(|file| std::fs::File::open(file.path()).unwrap()).collect();
    let borrowed: Vec<_> = open.iter().map(AsFd::as_fd).collect();
    let mut worker = start("sealed");
    for _ in 0..20 {
        let answer = worker.call(b"descriptors", &borrowed, SOON, || false).unwrap();
        let expected: Vec<_> = (0..16).map(|n| format!("file {n}")).collect();
        assert_eq!(String::from_utf8(answer).unwrap(), expected.join("|"));
    }
    assert!(worker.call(b"descriptors", &[borrowed[0]; 17], SOON, || false).is_err());
}

/// It waits in the kernel for a file system that does not answer: no signal ends it, and nobody waits for it.
#[test]
fn a_worker_that_stands_in_the_kernel_is_left_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_owned();
    if !root() {
        return;
    }
    quell_host::namespace::on_a_thread(move || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let Some(mut stranger) = Stranger::start("root", &place) else { return };
        let file = std::fs::File::open(place.join("f/x")).unwrap();
        let mut worker = start("sealed");
        let pid = worker.pid();
        stranger.fall_silent();
        let began = Instant::now();
        let limit = Duration::from_secs(1);
        let failed = worker.call(b"descriptors", &[file.as_fd()], limit, || false).unwrap_err();
        assert!(matches!(failed, Failure::Time { .. }), "{failed:?}");
        let stood = field(&status(pid), "State").to_owned();
        drop(worker);
        let took = began.elapsed();
        drop(stranger);
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert!(stood.starts_with('D'), "{stood}");
        drop(file);
        crate::until("its burial", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    });
}

#[test]
fn large_messages_go_both_ways_and_larger_ones_do_not_go() {
    let mut worker = start("sealed");
    let large = "x".repeat((16 << 20) - 5);
    assert_eq!(ask(&mut worker, &format!("echo {large}")).unwrap(), large);
    assert!(matches!(ask(&mut worker, &format!("echo {large}x")), Err(Failure::Line(_))));
    assert_eq!(ask(&mut worker, "echo still here").unwrap(), "still here");
    assert_eq!(ask(&mut worker, "many 5000").unwrap(), "one of many");
    let rest: Vec<_> = (0..5000).map(|_| worker.receive(SOON, || false).unwrap()).collect();
    assert_eq!(rest.last().unwrap(), b"last");
}

#[test]
fn whatever_becomes_of_a_worker_is_an_error_of_that_call() {
    let crash = |what: &str| once("sealed", what).unwrap_err();
    assert!(matches!(crash("segfault"), Failure::Crashed { signal: Some(11), .. }));
    let panic = crash("panic");
    assert!(
        matches!(&panic, Failure::Crashed { signal: None, how } if how.contains("101") && how.contains("as told")),
        "{panic:?}"
    );
    assert!(matches!(crash("memory 268435456"), Failure::Memory { limit } if limit == 64 << 20));
    assert_eq!(once("sealed", "memory 33554432").unwrap(), "32 held");
    assert!(matches!(crash("oversize"), Failure::Garbled(_)));
    assert!(matches!(crash("torn"), Failure::Crashed { .. }));
    assert!(matches!(crash("hangup"), Failure::Garbled(_)));
    let mut worker = start("sealed");
    let garbage = worker.call(b"garbage", &[], SOON, || false).unwrap();
    assert!(String::from_utf8(garbage).is_err());
    assert_eq!(worker.reject("bad").code(), "worker_garbled");
    assert_eq!(once("sealed", "words").unwrap(), "told");
    // It was told to use 64 descriptors at most; four are in use.
    assert!(once("sealed", "descriptor_limit").unwrap().parse::<u32>().unwrap() <= 60);
    // This process has no child left.
    until_no_children();
}

fn until_no_children() {
    crate::until("no dead children", || {
        let own = std::process::id();
        quell_host::process::list().unwrap().iter().all(|process| {
            process.ppid != own
                || process.name != "quell-worker"
                || process.state != quell_host::process::State::Zombie
        })
    });
}

#[test]
fn endless_work_ends_at_its_limit_or_when_asked() {
    for what in ["loop", "sleep"] {
        let begun = Instant::now();
        let failure =
            start("sealed").call(what.as_bytes(), &[], Duration::from_millis(300), || false).unwrap_err();
        assert!(matches!(failure, Failure::Time { .. }), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let (begun, asked) = (Instant::now(), Cell::new(0));
    let failure = start("sealed")
        .call(b"loop", &[], SOON, || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        })
        .unwrap_err();
    assert!(matches!(failure, Failure::Canceled), "{failure:?}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    let limits = Limits { cpu: Duration::from_secs(1), ..Limits::default() };
    let mut worker = Worker::start(&launcher("sealed"), limits).unwrap();
    let failure = worker.call(b"loop", &[], SOON, || false).unwrap_err();
    assert!(matches!(failure, Failure::Time { limit } if limit == Duration::from_secs(1)), "{failure:?}");
}

#[test]
fn a_worker_that_cannot_be_confined_does_not_begin() {
    let crowd = Worker::start(&launcher("crowd"), Limits::default()).unwrap_err();
    assert!(matches!(crowd, Failure::Unconfined(_)), "{crowd:?}");
    assert!(matches!(Worker::start(&launcher("nonsense"), Limits::default()), Err(Failure::Crashed { .. })));
    let missing = Launcher { program: "/nonexistent".into(), args: Vec::new() };
    assert!(matches!(Worker::start(&missing, Limits::default()), Err(Failure::Start(_))));
    let other = Launcher { program: "/bin/true".into(), args: Vec::new() };
    assert!(Worker::start(&other, Limits::default()).is_err());
}

#[test]
fn a_worker_ends_with_the_thread_that_started_it() {
    let pid = std::thread::spawn(|| {
        let mut worker = start("sealed");
        worker.send(b"loop", &[], SOON, || false).unwrap();
        let pid = worker.pid();
        // As if the parent died: nobody drops it.
        std::mem::forget(worker);
        pid
    })
    .join()
    .unwrap();
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    let ended = || rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    crate::until("the worker's end", || ended().unwrap().is_some());
}
