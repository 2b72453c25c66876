//! Programs started to stay, and those that cannot be started.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use quell_host::process::start::{End, Plan, Standing, Started, look, output, start};
use quell_host::process::{Identity, get};
use quell_host::script::Launcher;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::until;

fn launcher() -> Launcher {
    Launcher { program: env!("CARGO_BIN_EXE_quell-host-trial").into(), args: vec!["supervise".into()] }
}

fn plan(program: impl AsRef<Path>, arguments: &[&str]) -> Plan {
    Plan {
        program: program.as_ref().to_owned(),
        sha256: None,
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        environment: Vec::new(),
        directory: None,
        user: None,
        output: 64 << 10,
    }
}

struct Start {
    _base: TempDir,
    dir: PathBuf,
    standing: Standing,
}

impl Start {
    fn of(plan: &Plan) -> Self {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("start");
        let standing = start(&dir, plan, &launcher()).unwrap();
        Self { _base: base, dir, standing }
    }

    fn started(&self) -> &Started {
        match &self.standing {
            Standing::Running(started) | Standing::Ended(started, _) => started,
            other => panic!("{other:?}"),
        }
    }

    fn end(&self) -> End {
        let mut end = None;
        until("its end", || {
            if let Standing::Ended(_, ended) = look(&self.dir).unwrap() {
                end = Some(ended);
            }
            end.is_some()
        });
        end.unwrap()
    }

    fn said(&self) -> String {
        String::from_utf8(output(&self.dir, 1 << 20).unwrap()).unwrap()
    }
}

fn refused(plan: &Plan) -> String {
    match Start::of(plan).standing {
        Standing::Refused(refusal) => {
            println!("{}: {}", refusal.code, refusal.message);
            refusal.code
        }
        other => panic!("{other:?}"),
    }
}

fn shell(script: &str) -> Plan {
    plan(std::fs::canonicalize("/bin/sh").unwrap(), &["-c", script])
}

#[test]
fn a_program_says_its_first_words_and_its_end() {
    let mut plan =
        shell("pwd; echo $QUIET-$HOME; umask; id -un >&2; echo \"$1|$2\"; ls /proc/self/fd | wc -l; exit 7");
    plan.arguments.extend(["sh".to_owned(), "a b".to_owned(), "$(id) ;".to_owned()]);
    plan.environment.push(("QUIET".to_owned(), "yes".to_owned()));
    plan.directory = Some("/usr".into());
    let start = Start::of(&plan);
    let (started, end) = (start.started(), start.end());
    assert_eq!((end.code, end.signal), (Some(7), None));
    let bytes = std::fs::read(&plan.program).unwrap();
    assert_eq!(started.sha256, <[u8; 32]>::from(Sha256::digest(bytes)));
    let said = start.said();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines[0], lines[2], lines[4], lines[5]), ("/usr", "0022", "a b|$(id) ;", "4"), "{said}");
    assert!(lines[1].starts_with("yes-/") && !lines[3].is_empty(), "{said}");
    let killed = Start::of(&shell("kill -9 $$"));
    assert_eq!(killed.end().signal, Some(9));
}

#[test]
fn it_stays_when_who_started_it_is_gone_and_never_chokes_on_its_output() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!(
        "head -c 3000000 /dev/zero | tr '\\0' x; echo flooded > {0}; while :; do echo more; sleep 0.01; done",
        mark.display()
    );
    let start = Start::of(&shell(&script));
    let started = start.started();
    assert!(started.seen && !started.script);
    let process = get(started.identity.pid).unwrap();
    assert_eq!((process.identity, process.session), (started.identity, started.identity.pid));
    until("the flood", || mark.exists());
    assert_eq!(start.said().len(), 64 << 10);
    // Nobody of the caller's: its parent is the attendant, in a session of its own.
    let attendant = get(process.ppid).unwrap();
    assert_ne!(attendant.session, get(std::process::id()).unwrap().session);
    assert!(matches!(look(&start.dir).unwrap(), Standing::Running(_)));
    // The directory goes, the program stays.
    std::fs::remove_dir_all(&start.dir).unwrap();
    assert!(started.identity.is_running().unwrap());
    let pid = rustix::process::Pid::from_raw(started.identity.pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("the attendant's end", || !attendant.identity.is_running().unwrap());
}

#[test]
fn scripts_run_by_their_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    std::fs::write(&path, "#!/bin/sh\necho \"$0 $1\"\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let start = Start::of(&plan(&path, &["x"]));
    assert!(start.started().script);
    assert_eq!(start.end().code, Some(0));
    assert_eq!(start.said(), format!("{} x\n", path.display()));
}

#[test]
fn as_another_user_with_that_users_groups() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: becoming somebody else needs root");
        return;
    }
    let mut plan =
        shell("id -u; id -g; id -G; echo $HOME $USER; cat /etc/shadow 2>&1 | head -1; kill -0 1 2>&1");
    plan.user = Some("nobody".to_owned());
    let start = Start::of(&plan);
    start.end();
    let said = start.said();
    assert!(said.starts_with("65534\n65534\n65534\n") && said.contains(" nobody\n"), "{said}");
    assert!(said.contains("denied") && !said.contains("root:"), "{said}");
    assert_eq!(start.started().uid, 65534);
    plan.user = Some("no such user".to_owned());
    assert_eq!(refused(&plan), "user_unknown");
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let plan =
        Plan { user: Some("nobody".to_owned()), directory: Some(dir.path().to_owned()), ..shell("pwd") };
    assert_eq!(refused(&plan), "directory_refused");
}

#[test]
fn what_cannot_be_started_says_why_and_nothing_runs() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = |name: &str, content: &[u8], mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let code = |path: &Path| refused(&plan(path, &[]));
    assert_eq!(code(dir.path()), "is_directory");
    assert_eq!(code(&dir.path().join("absent")), "not_found");
    assert_eq!(code(Path::new("relative")), "path_refused");
    assert_eq!(code(Path::new("/dev/null")), "is_no_file");
    assert_eq!(code(&file("plain", b"#!/bin/sh\n", 0o644)), "not_executable");
    assert_eq!(code(&file("lost", b"#!/no/such/interpreter\n", 0o755)), "interpreter_missing");
    assert_eq!(code(&file("noise", b"\x00\x01\x02nothing", 0o755)), "not_a_program");
    let own = std::fs::read("/bin/true").unwrap();
    assert_eq!(code(&file("setuid", &own, 0o4755)), "is_setuid");
    let busy = file("busy", &own, 0o755);
    let writer = std::fs::File::options().write(true).open(&busy).unwrap();
    // Kernels 6.11 and 6.12 let a file be executed while it is open for writing.
    let held = Start::of(&plan(&busy, &[]));
    assert!(!matches!(held.standing, Standing::NotBegun | Standing::Unknown), "{:?}", held.standing);
    drop(writer);
    let link = dir.path().join("link");
    symlink(&busy, &link).unwrap();
    let linked = Start::of(&plan(&link, &[]));
    assert_eq!((linked.started().program.as_path(), linked.end().code), (busy.as_path(), Some(0)));
    let other = Plan { sha256: Some([1; 32]), ..plan(&busy, &[]) };
    assert_eq!(refused(&other), "hash_mismatch");
    let nowhere = Plan { directory: Some("/no/such/place".into()), ..plan(&busy, &[]) };
    assert_eq!(refused(&nowhere), "directory_missing");
    let nul = plan(&busy, &["a\0b"]);
    assert_eq!(refused(&nul), "params_invalid");
    if rustix::process::geteuid().is_root() {
        let script = "mkdir $1/m && mount -t tmpfs -o noexec none $1/m && cp /bin/true $1/m/ && \
                      mkdir $1/s && echo \"{\\\"program\\\":\\\"$1/m/true\\\",\\\"sha256\\\":null,\\\"arguments\\\":[],\\\"environment\\\":[],\
                      \\\"directory\\\":null,\\\"user\\\":null,\\\"output\\\":10}\" > $1/s/plan.json && $2 supervise $1/s; cat $1/s/refused.json";
        let output = Command::new("unshare")
            .args([
                "-m",
                "sh",
                "-c",
                script,
                "sh",
                dir.path().to_str().unwrap(),
                env!("CARGO_BIN_EXE_quell-host-trial"),
            ])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("noexec_mount"), "{output:?}");
    }
}

#[test]
fn one_directory_starts_once() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("start");
    let mark = base.path().join("mark");
    let plan = shell(&format!("echo x >> {}", mark.display()));
    start(&dir, &plan, &launcher()).unwrap();
    assert!(start(&dir, &plan, &launcher()).is_err(), "the directory is there");
    // A second attendant finds the claim.
    let again = Command::new(launcher().program).arg("supervise").arg(&dir).status().unwrap();
    assert!(!again.success());
    until("its end", || matches!(look(&dir).unwrap(), Standing::Ended(..)));
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "x\n");
    // One that was never begun can never begin after it was looked at.
    let late = base.path().join("late");
    std::fs::create_dir(&late).unwrap();
    std::fs::copy(dir.join("plan.json"), late.join("plan.json")).unwrap();
    assert_eq!(look(&late).unwrap(), Standing::NotBegun);
    assert!(!Command::new(launcher().program).arg("supervise").arg(&late).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "x\n");
}

#[test]
fn a_dead_attendant_leaves_a_doubt_and_no_second_start() {
    // A program large enough for its hashing to take a moment, in which the attendant is killed.
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = dir.path().join("large");
    std::fs::copy("/bin/true", &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    let start_dir = dir.path().join("start");
    let (plan, place) = (plan(&path, &[]), start_dir.clone());
    let began = Instant::now();
    let caller = std::thread::spawn(move || start(&place, &plan, &launcher()).unwrap());
    let claim = start_dir.join("claim.json");
    until("the claim", || claim.exists());
    let text = std::fs::read_to_string(&claim).unwrap();
    let claim: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| claim["attendant"]["identity"][name].as_u64().unwrap();
    let attendant = Identity { pid: number("pid") as u32, start_time: number("start_time") };
    let pid = rustix::process::Pid::from_raw(attendant.pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let standing = caller.join().unwrap();
    println!("{standing:?} after {:?}", began.elapsed());
    until("its end", || !attendant.is_running().unwrap());
    assert!(matches!(look(&start_dir).unwrap(), Standing::Unknown), "{standing:?}");
}
