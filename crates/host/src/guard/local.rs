//! Which files can be opened without waiting for somebody who may never answer.
//!
//! A file system may be served by another machine, or by a program of any user's (FUSE): whoever opens a file there waits
//! for as long as the server likes, and no signal ends that. In a user namespace of one's own everybody mounts such file
//! systems, and overlays over them that hide it. So before anything is opened for reading, its mount is looked up by its
//! number in the kernel's table, which asks no file system. What the table does not show is not opened.

use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, FileType, MemfdFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::scope::{Mount, parse};

/// No table of mounts is longer. Bytes.
const MOST: u64 = 8 << 20;
/// Links in one path, as for the kernel.
const LINKS: u32 = 40;
/// Overlays over overlays; the kernel allows two.
const STACKED: u32 = 3;
/// File systems behind which nobody stands, whoever mounted them.
const MEMORY: &[&str] = &["ramfs", "tmpfs"];
/// The user namespace that owns another namespace (ioctl_ns(2)); so on all architectures that are served.
const GET_USERNS: libc::Ioctl = 0xb701;

/// The mounts that one process sees.
#[derive(Debug)]
pub(super) struct Table {
    pub mounts: Vec<Mount>,
    /// Only root of our own user namespace mounts there.
    pub ours: bool,
}

impl Table {
    /// Of the calling thread.
    pub fn own() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::read(rustix::fs::open("/proc/thread-self", flags, Mode::empty())?.as_fd())
    }

    /// Of a process, by its directory. In a stranger's, which he makes as large as he likes, no overlay answers.
    pub fn read(process: BorrowedFd<'_>) -> io::Result<Self> {
        let (file, ours) = Self::open(process)?;
        Self::parse(file, ours)
    }

    /// The same, but a stranger's is not even read.
    pub fn if_ours(process: BorrowedFd<'_>) -> Option<Self> {
        let (file, ours) = Self::open(process).ok()?;
        ours.then(|| Self::parse(file, true).ok())?
    }

    /// The table stays that of the namespace in which it was opened. Looked at in this order, a process that goes into a
    /// namespace of its own meanwhile passes for a stranger, and none the other way round.
    fn open(process: BorrowedFd<'_>) -> io::Result<(File, bool)> {
        let file = open_at(process, "mountinfo")?;
        Ok((file.into(), is_ours(process)))
    }

    fn parse(file: File, ours: bool) -> io::Result<Self> {
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text)?;
        let mut mounts: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(parse).collect();
        if ours {
            judge(&mut mounts);
        } else {
            for mount in &mut mounts {
                mount.answers &= !mount.is_layered();
            }
        }
        Ok(Self { mounts, ours })
    }

    pub fn find(&self, id: u64) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.id == id)
    }

    pub fn places(&self) -> Places<'_> {
        Places::of(&self.mounts)
    }

    /// Whether, as far as this table knows, all layers of an overlay answer. Another mount has none.
    pub fn has_good_layers(&self, mount: &Mount) -> bool {
        !mount.is_layered() || self.places().have_layers(mount)
    }

    /// Whether a file system, by its device (`8:1`), is one of those here that answer.
    fn has_too(&self, device: &str) -> bool {
        self.ours && self.mounts.iter().any(|known| known.answers && known.device == device)
    }
}

/// What is mounted where, to be asked often: no answer costs more for there being more mounts.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    /// Of mounts that answer.
    good: HashSet<&'a Path>,
    bad: HashSet<&'a Path>,
    /// What the places of root's bad ones end with.
    tails: HashSet<&'a Path>,
    fuse: HashSet<&'a Path>,
}

impl<'a> Places<'a> {
    fn of(mounts: &'a [Mount]) -> Self {
        let mut places = Self::default();
        for mount in mounts {
            let set = if mount.answers { &mut places.good } else { &mut places.bad };
            set.insert(&mount.place);
            if mount.is_fuse() {
                places.fuse.insert(&mount.place);
            }
            // What a user has mounted for himself under such a name is none of it.
            if !mount.answers && mount.by_root {
                let mut parts = mount.place.components();
                while parts.next().is_some() {
                    places.tails.insert(parts.as_path());
                }
            }
        }
        places.tails.remove(Path::new(""));
        places
    }

    /// Whether the path of this mount leads through somebody's own file system.
    pub fn lead_astray(&self, mount: &Mount) -> bool {
        mount.place.ancestors().skip(1).any(|above| self.fuse.contains(above))
    }

    pub fn have_layers(&self, mount: &Mount) -> bool {
        mount.layers.as_ref().is_some_and(|layers| layers.iter().all(|layer| self.is_good(layer)))
    }

    /// By the names alone: nothing is asked. A path that only the namespace of whoever mounted it shows is taken for good:
    /// that was root.
    fn is_good(&self, layer: &Path) -> bool {
        if layer.is_relative() {
            return !layer.ancestors().any(|name| self.tails.contains(name));
        }
        for place in layer.ancestors() {
            if self.bad.contains(place) {
                return false;
            }
            // What is mounted further up is not on the way any more.
            if self.good.contains(place) {
                return true;
            }
        }
        true
    }
}

/// Finds out which overlays have a layer that may not answer, and those that are layers of others.
fn judge(mounts: &mut [Mount]) {
    for _ in 0..STACKED {
        let places = Places::of(mounts);
        let is_bad = |mount: &Mount| mount.answers && mount.is_layered() && !places.have_layers(mount);
        let bad: Vec<usize> = (0..mounts.len()).filter(|at| mounts.get(*at).is_some_and(is_bad)).collect();
        if bad.is_empty() {
            break;
        }
        for at in bad {
            if let Some(mount) = mounts.get_mut(at) {
                mount.answers = false;
            }
        }
    }
}

/// Whether the user namespace that owns a process's mount namespace is that of the caller.
fn is_ours(process: BorrowedFd<'_>) -> bool {
    let identity = |file: OwnedFd| rustix::fs::fstat(file).ok().map(|facts| (facts.st_dev, facts.st_ino));
    // A kernel without user namespaces has no such file.
    let Ok(own) =
        rustix::fs::open("/proc/thread-self/ns/user", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    else {
        return !Path::new("/proc/thread-self/ns/user").exists();
    };
    let Ok(space) = open_at(process, "ns/mnt") else { return false };
    // SAFETY: this request takes no argument, and answers with a new descriptor or -1.
    let owner = unsafe { libc::ioctl(space.as_raw_fd(), GET_USERNS) };
    let owner = if owner >= 0 {
        // SAFETY: the kernel has just made this descriptor for the caller, and nobody else knows it.
        Some(unsafe { OwnedFd::from_raw_fd(owner) })
    } else if io::Error::last_os_error().raw_os_error() == Some(libc::ENOTTY) {
        // Before 4.9: whoever is in our user namespace is in no mount namespace of others', but by root.
        open_at(process, "ns/user").ok()
    } else {
        None
    };
    let own = identity(own);
    own.is_some() && owner.and_then(identity) == own
}

fn open_at(process: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(process, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The number of the mount by which a file was opened, from the kernel and not from the file system.
pub(super) fn mount_id(file: BorrowedFd<'_>) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", file.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// The kernel's own mount, on which files in memory are (`memfd_create`).
fn memory() -> Option<u64> {
    static ID: OnceLock<Option<u64>> = OnceLock::new();
    *ID.get_or_init(|| mount_id(rustix::fs::memfd_create(c"quell", MemfdFlags::CLOEXEC).ok()?.as_fd()))
}

/// Whether a file can be opened and read without waiting for a stranger. `file` is a handle (`O_PATH`) from a process's
/// directory, which asked no file system; `process` that directory.
pub(crate) fn answers(file: BorrowedFd<'_>, process: BorrowedFd<'_>) -> bool {
    let Some(id) = mount_id(file) else { return false };
    if memory() == Some(id) {
        return true;
    }
    // The handle keeps the mount, and its number, from being another's; so the tables are read after it.
    let Ok(own) = Table::own() else { return false };
    if let Some(mount) = own.find(id) {
        return own.ours && mount.answers;
    }
    let Ok(theirs) = Table::read(process) else { return false };
    let Some(mount) = theirs.find(id) else {
        // By a mount that neither has: one of a third namespace, or one that was taken away.
        let Ok(facts) = facts(file) else { return false };
        return own.has_too(&format!("{}:{}", facts.stx_dev_major, facts.stx_dev_minor));
    };
    if theirs.ours {
        return mount.answers && own.has_good_layers(mount);
    }
    // In a stranger's namespace: what the kernel itself keeps in memory, or a place of a file system that we have too.
    let is_in_memory = MEMORY.contains(&mount.kind.as_str());
    is_in_memory || own.has_too(&mount.device)
}

/// Devices (`8:1`) of the file systems that a process sees and that answer: those of ours, and those that root mounted
/// where it is.
pub(crate) fn answering(process: BorrowedFd<'_>) -> HashSet<String> {
    let own = Table::own().ok().filter(|own| own.ours);
    let theirs = Table::if_ours(process);
    let places = own.as_ref().map(Table::places);
    let is_good =
        |mount: &&Mount| mount.answers && places.as_ref().is_none_or(|places| places.have_layers(mount));
    let tables = own.iter().chain(&theirs).flat_map(|table| &table.mounts);
    tables.filter(is_good).map(|mount| mount.device.clone()).collect()
}

/// Opens what a handle (`O_PATH`) holds, for reading.
pub(crate) fn reopen(handle: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/thread-self/fd/{}", handle.as_raw_fd());
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// What the kernel remembers of a file, without asking its file system anew.
pub(crate) fn facts(file: BorrowedFd<'_>) -> io::Result<rustix::fs::Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    Ok(rustix::fs::statx(file, "", flags, StatxFlags::BASIC_STATS)?)
}

/// A handle (`O_PATH`) of what lies at an absolute path; nothing on the way there may keep the caller waiting, or it is an
/// error (`Unsupported`). A link in the last part is not followed. `/proc/PID/root/…` is what that process has there.
pub(crate) fn find(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (root, tables, rest) = begin(path)?;
    let mut walk = Walk { tables, links: 0, left: VecDeque::new() };
    walk.push(rest);
    walk.check(root.as_fd())?;
    let mut at = root.try_clone()?;
    while let Some(name) = walk.left.pop_front() {
        let next = rustix::fs::openat(&at, &name, flags, Mode::empty())?;
        let is_magic = walk.check(next.as_fd())? == "proc";
        if !FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode).is_symlink() {
            at = next;
            continue;
        }
        walk.links += 1;
        if walk.left.is_empty() || walk.links > LINKS {
            return Err(Errno::LOOP.into());
        }
        if is_magic {
            // It leads elsewhere than it says.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let target = rustix::fs::readlinkat(&next, "", Vec::with_capacity(256))?.into_bytes();
        let target = PathBuf::from(OsString::from_vec(target));
        if target.is_absolute() {
            at = root.try_clone()?;
        }
        walk.push(&target);
    }
    Ok(at)
}

/// Where a path begins: a root, the tables that say what answers there, and the rest of the path. The tables are read after
/// the root is held.
fn begin(path: &Path) -> io::Result<(OwnedFd, Vec<Table>, &Path)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut names = path.components();
    let process = match (names.next(), names.next(), names.next(), names.next()) {
        (
            Some(Component::RootDir),
            Some(Component::Normal(proc)),
            Some(Component::Normal(pid)),
            Some(Component::Normal(root)),
        ) if proc == "proc" && root == "root" => pid.to_str().filter(|pid| pid.parse::<u32>().is_ok()),
        _ => None,
    };
    let Some(pid) = process else {
        return Ok((rustix::fs::openat(CWD, "/", flags, Mode::empty())?, vec![Table::own()?], path));
    };
    let process = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?;
    let root = rustix::fs::openat(&process, "root", flags, Mode::empty())?;
    Ok((root, vec![Table::read(process.as_fd())?, Table::own()?], names.as_path()))
}

/// Opens a file by its path for reading, as [`find`] finds it.
pub fn open_local(path: &Path) -> io::Result<File> {
    let handle = find(path)?;
    let mode = rustix::fs::fstat(&handle)?.st_mode;
    if FileType::from_raw_mode(mode).is_symlink() {
        return Err(Errno::LOOP.into());
    }
    reopen(handle.as_fd())
}

struct Walk {
    /// The first is the one that counts; overlays have their layers in any.
    tables: Vec<Table>,
    links: u32,
    left: VecDeque<OsString>,
}

impl Walk {
    /// Puts a path before what is left.
    fn push(&mut self, path: &Path) {
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            Component::ParentDir => Some(OsStr::new("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        let names: Vec<_> = names.map(OsStr::to_owned).collect();
        for name in names.into_iter().rev() {
            self.left.push_front(name);
        }
    }

    /// The kind of file system that this is on, where it answers.
    fn check(&self, file: BorrowedFd<'_>) -> io::Result<&str> {
        let table = self.tables.first().filter(|table| table.ours);
        let mount = table.zip(mount_id(file)).and_then(|(table, id)| table.find(id));
        let good = mount.filter(|mount| {
            mount.answers
                && mount.kind != "autofs"
                && self.tables.iter().all(|table| table.has_good_layers(mount))
        });
        good.map(|mount| mount.kind.as_str()).ok_or_else(|| {
            let what = mount.map_or("of others", |mount| mount.kind.as_str());
            io::Error::new(io::ErrorKind::Unsupported, format!("a file system that may not answer ({what})"))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
    use super::*;

    fn table(lines: &[&str]) -> Vec<bool> {
        let mut mounts: Vec<Mount> = lines.iter().map(|line| parse(line.as_bytes()).unwrap()).collect();
        judge(&mut mounts);
        mounts.iter().map(|mount| mount.answers).collect()
    }

    #[test]
    fn an_overlay_is_as_good_as_its_layers() {
        let root = "1 0 8:1 / / rw - ext4 /dev/sda rw";
        let fuse = "2 1 0:50 / /home/u/f rw - fuse.x x rw";
        let over = |id: u32, options: &str| {
            format!("{id} 1 0:{id} / /o{id} rw shared:1 - overlay overlay rw,{options}")
        };
        let judged = |options: &str| table(&[root, fuse, &over(60, options)])[2];
        assert!(judged("lowerdir=/a:/b,upperdir=/c,workdir=/d"));
        assert!(!judged("lowerdir=/a:/home/u/f/x,upperdir=/c"));
        assert!(!judged("lowerdir=/home/u/f::/b") && !judged("upperdir=/home/u/f/x,lowerdir=/a"));
        assert!(!judged("lowerdir+=/a,lowerdir+=/home/u/f"));
        assert!(!judged("redirect_dir=on") && !judged("lowerdir=/a\\134:b"), "layers that nobody can read");
        // Relative to a directory that is not told.
        assert!(!judged("lowerdir=u/f/x:l/1") && judged("lowerdir=l/1:l/2"));
        let user = "2 1 0:50 / /home/u/f rw - fuse.x x rw,user_id=1000,group_id=1000";
        assert!(table(&[root, user, &over(60, "lowerdir=f/x:l/1")])[2]);
        // Another mount lies within the bad one; an overlay over an overlay.
        let inner = "3 2 8:1 / /home/u/f/in rw - ext4 /dev/sda rw";
        assert!(table(&[root, fuse, inner, &over(60, "lowerdir=/home/u/f/in/a")])[3]);
        let stacked = [&over(61, "lowerdir=/o60/x"), &over(60, "lowerdir=/home/u/f")];
        assert_eq!(table(&[root, fuse, stacked[0], stacked[1]]), [true, false, false, false]);
        // Its own place, as another namespace has it.
        assert!(table(&["1 0 0:60 / / rw - overlay overlay rw,lowerdir=/"])[0]);
    }

    #[test]
    fn many_mounts_and_layers_are_judged_in_no_time() {
        let layers: Vec<String> = (0..100).map(|layer| format!("/home/u/layers/{layer}/of/it")).collect();
        let layers = layers.join(":");
        let lines: Vec<String> = (0..10_000)
            .map(|id| match id % 10 {
                0 => format!("{id} 1 0:{id} / /o/{id} rw - overlay overlay rw,lowerdir={layers}"),
                _ => format!("{id} 1 0:50 / /home/u/{id} rw - fuse.x x rw"),
            })
            .collect();
        let began = std::time::Instant::now();
        let answers = table(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(answers.iter().filter(|answers| **answers).count(), 1_000);
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn a_strangers_table_is_not_judged_and_his_memory_answers() {
        let dir = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs x \"$0\" && cp /bin/sleep \"$0/x\" && exec \"$0/x\" 60";
        let mut command = std::process::Command::new("unshare");
        let mut stranger = match command.args(["-Urm", "sh", "-c", script]).arg(dir.path()).spawn() {
            Ok(stranger) => stranger,
            Err(error) => return println!("skipped: unshare: {error}"),
        };
        let directory = |pid: u32| File::open(format!("/proc/{pid}")).unwrap();
        let process = directory(stranger.id());
        let exe = || {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            rustix::fs::openat(&process, "exe", flags, Mode::empty()).ok()
        };
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut seen = None;
        while seen.is_none() && std::time::Instant::now() < until && stranger.try_wait().unwrap().is_none() {
            let at = std::fs::read_link(format!("/proc/{}/exe", stranger.id()));
            if at.is_ok_and(|at| at.ends_with("x")) {
                let program = exe().unwrap();
                let ours = Table::if_ours(process.as_fd());
                seen = Some((
                    ours.is_some(),
                    Table::read(process.as_fd()),
                    answers(program.as_fd(), process.as_fd()),
                ));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = stranger.kill();
        let _ = stranger.wait();
        let Some((is_ours, theirs, answers)) = seen else {
            return println!("skipped: no mounts of one's own in a user namespace here");
        };
        let theirs = theirs.unwrap();
        assert!(!is_ours && !theirs.ours && theirs.mounts.iter().any(|mount| mount.place == dir.path()));
        assert!(theirs.mounts.iter().all(|mount| !mount.answers || !mount.is_layered()));
        assert!(answers, "nobody stands behind what is in memory");
        assert!(Table::if_ours(directory(std::process::id()).as_fd()).is_some());
    }

    #[test]
    fn a_path_is_found_as_the_kernel_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(
            "../".to_owned() + dir.path().file_name().unwrap().to_str().unwrap(),
            dir.path().join("l"),
        )
        .unwrap();
        let mut text = String::new();
        open_local(&dir.path().join("l/l/file")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        let errno = |path: &Path| open_local(path).unwrap_err().raw_os_error();
        assert_eq!(errno(&dir.path().join("l")), Some(libc::ELOOP));
        assert_eq!(errno(&dir.path().join("none")), Some(libc::ENOENT));
        assert_eq!(errno(&dir.path().join("file/x")), Some(libc::ENOTDIR));
        assert_eq!(
            open_local(Path::new("/proc/self/root/etc/passwd")).unwrap_err().kind(),
            io::ErrorKind::Unsupported
        );
        assert!(answers(
            File::open("/proc/self/exe").unwrap().as_fd(),
            File::open("/proc/self").unwrap().as_fd()
        ));
    }
}
