//! Which paths have a shape.

use std::ffi::{CString, OsString};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::file::is_pseudo;

/// Directories open at one time.
const DEPTH: u32 = 64;
/// File systems whose files lie on another machine, which may never answer: names and values of linux/magic.h.
const REMOTE: [u64; 8] = [
    0x6969,      // nfs
    0x517b,      // smb
    0xff53_4d42, // cifs
    0xfe53_4d42, // smb2
    0x6573_5546, // fuse
    0x00c3_6400, // ceph
    0x5346_414f, // afs
    0x0102_1997, // 9p
];

/// One part of a path.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// Exactly this name. A symbolic link of this name is followed where more parts come.
    Name(&'a [u8]),
    /// Names that this says yes to. Symbolic links are found, and not gone through.
    Like(&'a dyn Fn(&[u8]) -> bool),
    /// So many levels of directories, or none. At the end: all that lies within so many levels.
    Deep(u32),
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries of directories looked at.
    pub entries: u64,
    /// Also file systems that the kernel makes up.
    pub pseudo: bool,
    /// Also file systems of other machines.
    pub remote: bool,
}

/// What a walk tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A path of the shape.
    Path(PathBuf),
    /// A directory that was not gone into, and a stable code for why.
    Passed(PathBuf, &'static str),
}

/// Tells each path of the shape, until it is told to stop. The order is that of the directories.
pub fn walk(
    steps: &[Step<'_>],
    limits: Limits,
    found: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, "/", flags, Mode::empty()) else {
        return ControlFlow::Continue(());
    };
    let mut walk = Walk { limits, seen: 0, depth: 0, path: Vec::new(), found };
    walk.steps(root.as_fd(), steps)
}

/// Takes an entry: the directory, open for listing, the name in it, and what it is.
type Each<'e, W> = dyn FnMut(&mut W, BorrowedFd<'_>, &[u8], FileType) -> ControlFlow<()> + 'e;

struct Walk<'f> {
    limits: Limits,
    seen: u64,
    depth: u32,
    path: Vec<u8>,
    found: &'f mut dyn FnMut(Found) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn here(&self) -> PathBuf {
        let path = if self.path.is_empty() { b"/".to_vec() } else { self.path.clone() };
        PathBuf::from(OsString::from_vec(path))
    }

    fn tell(&mut self) -> ControlFlow<()> {
        let here = self.here();
        (self.found)(Found::Path(here))
    }

    fn pass(&mut self, reason: &'static str) -> ControlFlow<()> {
        let here = self.here();
        (self.found)(Found::Passed(here, reason))
    }

    /// Does `then` with a name put behind the path.
    fn at(&mut self, name: &[u8], then: impl FnOnce(&mut Self) -> ControlFlow<()>) -> ControlFlow<()> {
        let length = self.path.len();
        self.path.push(b'/');
        self.path.extend_from_slice(name);
        let flow = then(self);
        self.path.truncate(length);
        flow
    }

    fn steps(&mut self, dir: BorrowedFd<'_>, steps: &[Step<'_>]) -> ControlFlow<()> {
        let Some((first, rest)) = steps.split_first() else { return self.tell() };
        match first {
            Step::Name(name) if rest.is_empty() => {
                match rustix::fs::statat(dir, *name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => self.at(name, Self::tell),
                    Err(errno) => self.at(name, |walk| walk.refused(errno)),
                }
            }
            Step::Name(name) => self.at(name, |walk| {
                walk.enter(dir, name, OFlags::empty(), |walk, child| walk.steps(child, rest))
            }),
            Step::Like(fits) => self.list(dir, &mut |walk, list, name, _| {
                if !fits(name) {
                    return ControlFlow::Continue(());
                }
                walk.at(name, |walk| {
                    if rest.is_empty() {
                        return walk.tell();
                    }
                    walk.enter(list, name, OFlags::NOFOLLOW, |walk, child| walk.steps(child, rest))
                })
            }),
            Step::Deep(levels) => self.deep(dir, *levels, rest),
        }
    }

    fn deep(&mut self, dir: BorrowedFd<'_>, levels: u32, rest: &[Step<'_>]) -> ControlFlow<()> {
        if !rest.is_empty() {
            self.steps(dir, rest)?;
        }
        if levels == 0 {
            return ControlFlow::Continue(());
        }
        self.list(dir, &mut |walk, list, name, kind| {
            walk.at(name, |walk| {
                if rest.is_empty() {
                    walk.tell()?;
                }
                let is_over = levels == 1 && rest.is_empty();
                if is_over || !matches!(kind, FileType::Directory | FileType::Unknown) {
                    return ControlFlow::Continue(());
                }
                walk.enter(list, name, OFlags::NOFOLLOW, |walk, child| walk.deep(child, levels - 1, rest))
            })
        })
    }

    /// Opens a directory, without touching it, and does `then` in it. What is no directory is passed by in silence.
    fn enter(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        more: OFlags,
        then: impl FnOnce(&mut Self, BorrowedFd<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.depth == DEPTH {
            return self.pass("too_deep");
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
        match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            Ok(child) => {
                self.depth += 1;
                let flow = then(self, child.as_fd());
                self.depth -= 1;
                flow
            }
            Err(errno) => self.refused(errno),
        }
    }

    fn refused(&mut self, errno: Errno) -> ControlFlow<()> {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => ControlFlow::Continue(()),
            Errno::LOOP => self.pass("link_loop"),
            Errno::ACCESS | Errno::PERM => self.pass("permission"),
            _ => self.pass("unreadable"),
        }
    }

    /// Hands each entry of a directory to `each`.
    fn list(&mut self, dir: BorrowedFd<'_>, each: &mut Each<'_, Self>) -> ControlFlow<()> {
        if let Some(reason) = self.shunned(dir) {
            return self.pass(reason);
        }
        let list = match readable(dir) {
            Ok(list) => list,
            Err(errno) => return self.refused(errno),
        };
        let mut entries = match Dir::read_from(&list) {
            Ok(entries) => entries,
            Err(errno) => return self.refused(errno),
        };
        while let Some(entry) = entries.read() {
            let Ok(entry) = entry else { return self.pass("unreadable") };
            let name: CString = entry.file_name().to_owned();
            let name = name.to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > self.limits.entries {
                self.pass("too_many_entries")?;
                return ControlFlow::Break(());
            }
            each(self, list.as_fd(), name, entry.file_type())?;
        }
        ControlFlow::Continue(())
    }

    fn shunned(&self, dir: BorrowedFd<'_>) -> Option<&'static str> {
        let kind = rustix::fs::fstatfs(dir).ok()?.f_type as u64 & 0xffff_ffff;
        if is_pseudo(kind) && !self.limits.pseudo {
            Some("pseudo_file_system")
        } else if REMOTE.contains(&kind) && !self.limits.remote {
            Some("remote_file_system")
        } else {
            None
        }
    }
}

/// The same directory, to be listed; its access time stays where that may be.
fn readable(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::openat(dir, ".", flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(dir, ".", flags, Mode::empty()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    const LIMITS: Limits = Limits { entries: 10_000, pseudo: false, remote: false };

    fn found(root: &Path, steps: &[Step<'_>], limits: Limits) -> Vec<String> {
        let parts: Vec<Vec<u8>> =
            root.components().skip(1).map(|part| part.as_os_str().as_bytes().to_vec()).collect();
        let mut all: Vec<Step<'_>> = parts.iter().map(|part| Step::Name(part)).collect();
        all.extend_from_slice(steps);
        let mut told = Vec::new();
        let _ = walk(&all, limits, &mut |one| {
            let text =
                |path: PathBuf| path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            told.push(match one {
                Found::Path(path) => text(path),
                Found::Passed(path, why) => format!("{why}:{}", text(path)),
            });
            ControlFlow::Continue(())
        });
        told.sort();
        told
    }

    #[test]
    fn shapes_are_found_and_links_are_not_gone_through() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for path in ["a/b/c/d", "a/x.log", "a/b/y.log", "e"] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        symlink("..", root.join("a/loop")).unwrap();
        symlink("loop2", root.join("loop2")).unwrap();
        symlink("a", root.join("to-a")).unwrap();
        let log = |name: &[u8]| name.ends_with(b".log");
        let any = |_: &[u8]| true;
        assert_eq!(found(&root, &[Step::Name(b"a"), Step::Like(&log)], LIMITS), ["a/x.log"]);
        assert_eq!(found(&root, &[Step::Name(b"to-a"), Step::Like(&log)], LIMITS), ["to-a/x.log"], "named");
        assert_eq!(
            found(&root, &[Step::Like(&any), Step::Like(&log)], LIMITS),
            ["a/x.log"],
            "found, not named"
        );
        assert_eq!(
            found(&root, &[Step::Deep(3), Step::Like(&log)], LIMITS),
            ["a/b/y.log", "a/x.log"],
            "no circle is walked"
        );
        assert_eq!(found(&root, &[Step::Name(b"a"), Step::Deep(1)], LIMITS), ["a/b", "a/loop", "a/x.log"]);
        assert_eq!(found(&root, &[Step::Name(b"loop2"), Step::Name(b"x")], LIMITS), ["link_loop:loop2"]);
        assert!(found(&root, &[Step::Name(b"none"), Step::Deep(3)], LIMITS).is_empty());
        assert!(found(&root, &[Step::Name(b"e"), Step::Name(b"x")], LIMITS).is_empty());
        let few = found(&root, &[Step::Deep(5)], Limits { entries: 2, ..LIMITS });
        assert!(few.iter().any(|told| told.starts_with("too_many_entries")), "{few:?}");
    }

    #[test]
    fn what_the_kernel_makes_up_is_left_out_unless_it_was_named() {
        let any = |_: &[u8]| true;
        let told = found(Path::new("/"), &[Step::Name(b"proc"), Step::Like(&any)], LIMITS);
        assert_eq!(told, ["pseudo_file_system:proc"]);
        let me = std::process::id().to_string();
        let mine = |name: &[u8]| name == me.as_bytes();
        let steps = [Step::Name(b"proc"), Step::Like(&mine), Step::Name(b"status")];
        let told = found(Path::new("/"), &steps, Limits { pseudo: true, ..LIMITS });
        assert_eq!(told, [format!("proc/{me}/status")]);
    }
}
