//! Processes of this machine, begun for this, that are ended by a rule.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

use quell_wire::activity::Verdict;
use quell_wire::digest::sha256;

use super::*;
use crate::state::StateDir;

/// One that sleeps under a name where the rule looks.
struct Sleeper {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Sleeper {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("quell").tempdir_in("/tmp").unwrap();
        let path = dir.path().join("sleeper");
        std::fs::copy("/bin/sleep", &path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self { _dir: dir, path }
    }

    /// Begins it, and how the kernel would tell that.
    fn begin(&self, at: u64) -> (Child, Raw) {
        let child = Command::new(&self.path).arg("60").spawn().unwrap();
        let process = quell_host::process::get(child.id()).unwrap().identity;
        let path = self.path.to_str().unwrap();
        let mut raw = exec(at, child.id(), 21, path, &[path, "60"]);
        raw.process = process;
        if let What::Executed(program) = &mut raw.what {
            let facts = std::fs::metadata(&self.path).unwrap();
            program.inode = facts.ino();
            program.device = (rustix::fs::major(facts.dev()), rustix::fs::minor(facts.dev()));
        }
        (child, raw)
    }
}

fn machine(exclusion: Option<Exclusion>) -> Machine {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let state = StateDir::open(&dir.path().join("state")).unwrap();
    let current = current(|document| {
        let prevent = SourceMode { source: Source::Behaviour.into(), mode: Mode::Prevent.into() };
        document.modes = vec![prevent];
        document.exclusions = exclusion.into_iter().collect();
    });
    let mut machine = Machine::with(dir, BOOT, current, Hand::ending(state));
    begun(&mut machine);
    machine
}

/// Waits for an end by a signal.
fn is_killed(child: &mut Child) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status.signal() == Some(9),
            None if Instant::now() > end => {
                child.kill().unwrap();
                child.wait().unwrap();
                return false;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn a_second_try_is_ended_too_also_where_a_hash_may_exclude_it() {
    for sha256 in [Vec::new(), vec![7; 32]] {
        let exclusion = Exclusion { rule: "another".into(), sha256, ..Exclusion::default() };
        let exclusion = if exclusion.sha256.is_empty() {
            exclusion
        } else {
            Exclusion { rule: String::new(), ..exclusion }
        };
        let mut machine = machine(Some(exclusion));
        let sleeper = Sleeper::new();
        let at = machine.later(10);
        let ((mut one, first), (mut other, second)) = (sleeper.begin(at), sleeper.begin(at + MS));
        machine.tell(vec![first, second]);
        assert!(is_killed(&mut one) && is_killed(&mut other));
        machine.until("a detection", |told| told.one(|seen| !seen.detections.is_empty()));
        let detections = &machine.only().detections;
        assert_eq!((detections.len(), detections[0].verdict), (1, Verdict::Prevented.into()));
        assert!(detections[0].note.contains("was ended"), "{}", detections[0].note);
        assert_eq!(machine.door.counts().folded.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn what_a_hash_excludes_is_let_alone_as_soon_as_it_is_known() {
    let digest = sha256(&[&std::fs::read("/bin/sleep").unwrap()]);
    let mut machine = machine(Some(Exclusion { sha256: digest.to_vec(), ..Exclusion::default() }));
    let sleeper = Sleeper::new();
    let at = machine.later(10);
    let ((mut one, first), (mut other, second)) = (sleeper.begin(at), sleeper.begin(at + MS));
    let third = exec(at + 2 * MS, 3, 21, "/tmp/nothing", &["nothing"]);
    machine.tell(vec![first, second, third]);
    // Its file is read after theirs.
    machine.until("the other one", |told| told.one(|seen| !seen.detections.is_empty()));
    let detections = &machine.only().detections;
    assert_eq!((detections.len(), detections[0].verdict), (1, Verdict::NotPrevented.into()));
    for child in [&mut one, &mut other] {
        assert_eq!(child.try_wait().unwrap(), None, "it lives");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
