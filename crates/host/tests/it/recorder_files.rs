//! The recorder on the real kernel: files, in a mount namespace and on file systems of the tests' own, and logins.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use quell_host::guard::Scope;
use quell_host::namespace::on_a_thread;
use quell_host::process::Identity;
use quell_host::recorder::raw::{Change, FileChange, Format};
use quell_host::recorder::{Kind, LoginFiles, Raw, Settings, What};

use crate::recorder::{Heard, processes, record};
use crate::until;

fn settings() -> Settings {
    Settings { files: Some(Scope::Mounts), ..processes() }
}

/// A tmpfs that only this thread and what it starts can see, with a recorder of its mounts.
fn world(settings: impl FnOnce(&Path) -> Settings + Send, test: impl FnOnce(&Heard, &Path) + Send) {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: marks need root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), place.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64m")).unwrap();
        let Some(heard) = record(settings(place.path())) else { return };
        test(&heard, place.path());
        drop(heard);
        // Nothing of it is held open.
        umount2(place.path(), MntFlags::empty()).unwrap();
    });
}

impl Heard {
    /// Waits for what happened to a path.
    #[track_caller]
    fn file(&self, path: &Path, is_it: impl Fn(&Change) -> bool) -> (Raw, FileChange) {
        self.find(&format!("{}", path.display()), |all| {
            all.iter().find_map(|raw| match &raw.what {
                What::File(file) if file.path == path && is_it(&file.change) => {
                    Some((raw.clone(), (**file).clone()))
                }
                _ => None,
            })
        })
    }

    fn files(&self, below: &Path) -> Vec<(PathBuf, Change)> {
        let all = self.all.lock().unwrap();
        let file = |raw: &Raw| match &raw.what {
            What::File(file) if file.path.starts_with(below) => {
                Some((file.path.clone(), file.change.clone()))
            }
            _ => None,
        };
        all.iter().filter_map(file).collect()
    }
}

fn is_created(change: &Change) -> bool {
    *change == Change::Created
}

#[test]
fn files_are_seen_with_who_made_them_and_what_they_are() {
    world(
        |_| settings(),
        |heard, dir| {
            let odd = dir.join(OsStr::from_bytes(b"a\xff b"));
            fs::create_dir(&odd).unwrap();
            // By another process, which is over at once.
            let program = odd.join("program");
            let mut child = Command::new("cp").arg("/bin/true").arg(&program).spawn().unwrap();
            let pid = child.id();
            child.wait().unwrap();
            let script = odd.join("script");
            fs::write(&script, "#!/bin/sh\n").unwrap();
            let plain = odd.join("plain");
            fs::write(&plain, "text").unwrap();

            let (raw, seen) = heard.file(&program, is_created);
            let end = heard.exit(pid);
            assert_eq!(raw.process, end.process);
            assert!(raw.at < end.at, "nobody acts after his end");
            let (facts, now) = (seen.facts.unwrap(), fs::metadata(&program).unwrap());
            assert_eq!((facts.format, facts.size, facts.mode), (Format::Elf, now.len(), now.mode()));
            assert_eq!((facts.inode, facts.uid), (now.ino(), 0));
            assert!(!seen.sensitive && !seen.foreign);
            let (raw, seen) = heard.file(&script, is_created);
            assert_eq!((raw.process, seen.facts.unwrap().format), (Identity::own().unwrap(), Format::Script));
            let (_, seen) = heard.file(&plain, is_created);
            assert_eq!(seen.facts.unwrap().format, Format::Other);

            File::options().append(true).open(&script).unwrap().write_all(b"exit 0\n").unwrap();
            heard.file(&script, |change| *change == Change::Written);
            // Of a plain file only the beginning is told.
            File::options().append(true).open(&plain).unwrap().write_all(b"more").unwrap();
            let to = dir.join("moved");
            fs::rename(&script, &to).unwrap();
            let (_, seen) = heard.file(&to, |change| *change == Change::Renamed(Some(script.clone())));
            assert_eq!(seen.facts.unwrap().format, Format::Script);
            let all = heard.files(dir);
            assert_eq!(all.len(), 5, "each once: {all:#?}");
        },
    );
}

#[test]
fn what_is_made_without_writing_and_what_stays_open_is_told_too() {
    world(
        |_| settings(),
        |heard, dir| {
            let (target, link, hard) = (dir.join("target"), dir.join("link"), dir.join("hard"));
            fs::write(&target, "x").unwrap();
            symlink("/etc/passwd", &link).unwrap();
            fs::hard_link(&target, &hard).unwrap();
            for path in [&link, &hard] {
                heard.file(path, is_created);
            }
            let open = dir.join("open.sh");
            let mut file = File::create(&open).unwrap();
            file.write_all(b"#!/bin/sh\n").unwrap();
            let (_, seen) = heard.file(&open, is_created);
            assert_eq!(seen.facts.unwrap().format, Format::Script);
            drop(file);
            heard.file(&open, |change| *change == Change::Written);
            // One that is gone by then is nothing.
            let brief = dir.join("brief");
            drop(File::create(&brief).unwrap());
            fs::remove_file(&brief).unwrap();
            fs::write(dir.join("last"), "").unwrap();
            heard.file(&dir.join("last"), is_created);
        },
    );
}

#[test]
fn only_what_may_run_or_matters_is_told_where_that_is_asked_for() {
    world(
        |_| Settings { all_files: false, ..settings() },
        |heard, dir| {
            let write = |name: &str, text: &str, mode: u32| {
                let path = dir.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                // Once more, with the permissions that it has now.
                File::options().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
                path
            };
            write("notes.txt", "text", 0o644);
            let runs = write("runs", "anything", 0o755);
            let python = write("tool.py", "print()", 0o644);
            let keys = write("home/.ssh/authorized_keys", "key", 0o600);
            let history = dir.join("home/.bash_history");
            symlink("/dev/null", &history).unwrap();
            // Both times together, where nobody looked in between.
            let any = |_: &Change| true;
            assert_ne!(heard.file(&runs, any).1.facts.unwrap().mode & 0o111, 0);
            heard.file(&python, is_created);
            assert!(heard.file(&keys, any).1.sensitive);
            assert!(heard.file(&history, is_created).1.sensitive);
            let all = heard.files(dir);
            assert!(all.iter().all(|(path, _)| !path.ends_with("notes.txt")), "{all:#?}");
        },
    );
}

#[test]
fn a_file_system_that_is_mounted_later_is_listened_to() {
    world(
        |_| settings(),
        |heard, dir| {
            let later = dir.join("later");
            fs::create_dir(&later).unwrap();
            mount(Some("tmpfs"), &later, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            let mut number = 0;
            until("a file there", || {
                number += 1;
                fs::write(later.join(format!("{number}.sh")), "#!/bin/sh\n").unwrap();
                !heard.files(&later).is_empty()
            });
            // It is not in the way of those who want it gone, but for the moment of a look.
            until("the end of it", || umount2(&later, MntFlags::empty()).is_ok());
        },
    );
}

#[test]
fn files_in_another_mount_namespace_are_told_where_whole_file_systems_are_heard_of() {
    let settings = Settings { files: Some(Scope::FileSystems), ..processes() };
    let Some(heard) = record(settings) else { return };
    let dir = tempfile::tempdir().unwrap();
    // A file system that nobody else sees, made after the recorder began.
    let script = "mount -t tmpfs tmpfs \"$0\" && while ! read -t 0.05 line; do \
                  i=$((i+1)); printf '#!/bin/sh\\n' > \"$0/run$i.sh\"; done";
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "bash", "-c", script]).arg(dir.path());
    let mut inside = match inside.stdin(std::process::Stdio::piped()).spawn() {
        Ok(inside) => inside,
        Err(error) => return println!("skipped: unshare cannot be run: {error}"),
    };
    let file = heard.find("a file there", |all| {
        all.iter().find_map(|raw| match &raw.what {
            What::File(file) if file.path.starts_with(dir.path()) => Some((raw.process, (**file).clone())),
            _ => None,
        })
    });
    assert_eq!(file.0.pid, inside.id());
    assert!(file.1.foreign && file.1.facts.unwrap().format == Format::Script);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "it is not to be seen here");
    inside.stdin.take().unwrap().write_all(b"over\n").unwrap();
    inside.wait().unwrap();
}

#[test]
fn too_many_files_are_counted_as_lost_and_the_recorder_goes_on() {
    world(
        |_| settings(),
        |heard, dir| {
            let many = "i=0; while [ $i -lt 20000 ]; do : > $i; i=$((i+1)); done";
            let done = Command::new("sh").args(["-c", many]).current_dir(dir).status().unwrap();
            assert!(done.success());
            let last = dir.join("the last");
            until("the last one", || {
                fs::write(&last, "x").unwrap();
                !heard.files(&last).is_empty()
            });
            let count = heard.standing().count(Kind::File);
            let seen = heard.files(dir).iter().filter(|(path, _)| *path != last).count();
            assert!(seen == 20_000 || count.lost > 0, "{seen} {count:?}");
            println!("{seen} of 20000 files, {} times too many", count.lost);
        },
    );
}

#[test]
fn what_happened_before_it_was_asked_for_is_handed_on() {
    world(
        |_| settings(),
        |heard, dir| {
            for n in 0..50 {
                let file = dir.join(format!("{n}.sh"));
                fs::write(&file, "#!/bin/sh\n").unwrap();
                heard.settle();
                assert!(!heard.files(&file).is_empty(), "{n}");
            }
        },
    );
}

#[test]
fn files_that_went_with_their_directory_are_counted_apart_from_what_was_lost() {
    world(
        |_| settings(),
        |heard, place| {
            // The recorder looks a moment later: most of them are gone by then.
            for n in 0..200 {
                let directory = place.join(format!("d{n}"));
                fs::create_dir(&directory).unwrap();
                fs::write(directory.join("run.sh"), "#!/bin/sh\n").unwrap();
                fs::remove_dir_all(&directory).unwrap();
            }
            let last = place.join("last.sh");
            fs::write(&last, "#!/bin/sh\n").unwrap();
            heard.file(&last, is_created);
            let told = heard.files(place).iter().filter(|(path, _)| path.ends_with("run.sh")).count() as u64;
            let standing = heard.standing();
            let (vanished, lost) = (standing.vanished_files, standing.count(Kind::File).lost);
            assert!(vanished > 0 && told + vanished >= 200, "{told} told, {vanished} vanished");
            assert_eq!(lost, 0, "nothing that was there");
        },
    );
}

#[test]
fn logins_are_told_as_they_are_written() {
    let Some(logins) = tempfile::tempdir().ok() else { return };
    let files = LoginFiles { accepted: logins.path().join("wtmp"), refused: logins.path().join("btmp") };
    let Some(heard) = record(Settings { logins: Some(files.clone()), ..processes() }) else { return };
    assert!(heard.standing().problems.iter().any(|problem| problem.contains("neither wtmp nor btmp")));
    let user = format!("u{}", std::process::id());
    for (path, kind) in [(&files.accepted, 7_u16), (&files.refused, 6)] {
        let length = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) { 384 } else { 400 };
        let mut record = vec![0; length];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&std::process::id().to_ne_bytes());
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        fs::write(path, record).unwrap();
        let login = heard.find("a login", |all| {
            all.iter().find_map(|raw| match &raw.what {
                What::Login(login) if login.user == user && login.accepted == (kind == 7) => {
                    Some(raw.clone())
                }
                _ => None,
            })
        });
        assert_eq!(login.process, Identity::own().unwrap());
    }
}
