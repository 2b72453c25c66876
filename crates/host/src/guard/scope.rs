//! What is watched: every file system of the machine that can hold programs, or only the mounts of one mount namespace.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::local::{Table, mount_id};

/// No table of mounts is longer. Bytes.
const MOST: u64 = 8 << 20;
/// Reasons that are told.
const REASONS: usize = 8;

/// What a guard watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Whole file systems, in every mount namespace: a program is met wherever it is seen from, containers included. Right
    /// for a machine, wrong where the file systems belong to more than this machine.
    #[default]
    FileSystems,
    /// The mounts of the guard's own mount namespace, and no inode of a read-only one. For a system that shares the files
    /// of another, such as an endpoint of the lab or an agent within a container.
    Mounts,
}

/// Made by the kernel: nothing in them can be executed.
const KERNEL: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];
/// To answer for a file, the kernel opens it for the guard, and denies where that fails: root may not open what these file
/// systems keep for their user, and a server that is away would keep the machine waiting.
const REMOTE: &[&str] = &[
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "cvfs", "fuse", "fuseblk", "gfs2", "gpfs",
    "hostfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb3",
    "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs",
];
/// Over other file systems, which may be any; of an overlay the table says which.
const STACKED: &[&str] = &["aufs", "ecryptfs", "shiftfs", "unionfs", "wrapfs"];

/// One mount, of mountinfo (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub id: u64,
    pub device: String,
    pub kind: String,
    pub place: PathBuf,
    /// Whoever opens a file there waits for no other machine and no program.
    pub answers: bool,
    /// Not a user's, as far as the options tell.
    pub by_root: bool,
    /// Of an overlay; none of anything else, and not known where its options cannot be read.
    pub layers: Option<Vec<PathBuf>>,
}

/// How watching went.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub count: u64,
    pub problems: Vec<String>,
}

impl Mount {
    fn can_hold_programs(&self) -> bool {
        self.answers && !KERNEL.contains(&self.kind.as_str())
    }

    /// Has layers, or may have some that are not told.
    pub fn is_layered(&self) -> bool {
        self.layers.as_ref().is_none_or(|layers| !layers.is_empty())
    }

    pub fn is_fuse(&self) -> bool {
        ["fuse", "fuseblk"].contains(&self.kind.split('.').next().unwrap_or_default())
    }
}

/// Watches everything that there is now. What is watched already stays so.
pub(super) fn watch(group: &Group) -> Watched {
    each(group.scope(), &mut |place, _, _| group.watch(place))
}

/// Hands over a handle (`O_PATH`) of everything that is to be watched now, its mount, and where that is another mount
/// namespace's the directory of a process there. What is [`io::ErrorKind::NotFound`] is tried by its other places.
pub(crate) fn each(scope: Scope, mark: &mut Mark<'_>) -> Watched {
    let mut look = Look { scope, mark, seen: HashSet::new(), watched: Watched::default() };
    match Table::own() {
        Ok(own) if own.ours => {
            look.mark(None, &own, &own);
            if scope == Scope::FileSystems {
                look.others(&own);
            }
        }
        Ok(_) => look.problem("these mounts belong to another user namespace"),
        Err(error) => look.problem(&format!("the table of mounts cannot be read: {error}")),
    }
    look.watched
}

/// What is done with a place.
pub(crate) type Mark<'a> = dyn FnMut(BorrowedFd<'_>, &Mount, Option<BorrowedFd<'_>>) -> io::Result<()> + 'a;

/// One look at all mounts.
struct Look<'a, 'm> {
    scope: Scope,
    mark: &'a mut Mark<'m>,
    seen: HashSet<String>,
    watched: Watched,
}

impl Look<'_, '_> {
    fn problem(&mut self, problem: &str) {
        if self.watched.problems.len() < REASONS {
            self.watched.problems.push(problem.to_owned());
        }
    }

    /// File systems that only other mount namespaces show, such as those of containers: through the root of a process
    /// there. What somebody mounted in a user namespace of his own is left alone: he may never answer the kernel, which
    /// opens each file for the guard before it asks.
    fn others(&mut self, own: &Table) {
        let same = std::fs::read_link("/proc/self/ns/mnt").ok();
        let mut spaces: HashSet<PathBuf> = same.into_iter().collect();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(process) = rustix::fs::open(entry.path(), flags, Mode::empty()) else { continue };
            // It may have ended, or be a thread of the kernel.
            let Ok(space) = rustix::fs::readlinkat(&process, "ns/mnt", Vec::with_capacity(32)) else {
                continue;
            };
            if spaces.insert(OsString::from_vec(space.into_bytes()).into())
                && let Some(table) = Table::if_ours(process.as_fd())
            {
                self.mark(Some(process.as_fd()), &table, own);
            }
        }
    }

    /// Marks what one table shows, below the root of its process.
    fn mark(&mut self, process: Option<BorrowedFd<'_>>, table: &Table, own: &Table) {
        let (places, own) = (table.places(), own.places());
        for mount in table.mounts.iter().filter(|mount| mount.can_hold_programs()) {
            let is_seen = self.scope == Scope::FileSystems && self.seen.contains(&mount.device);
            if is_seen || places.lead_astray(mount) || !own.have_layers(mount) {
                continue;
            }
            match open(process, mount).and_then(|place| (self.mark)(place.as_fd(), mount, process)) {
                Ok(()) => {
                    self.seen.insert(mount.device.clone());
                    self.watched.count += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.problem(&format!("{} ({}): {error}", mount.place.display(), mount.kind));
                }
            }
        }
    }
}

/// A handle of exactly this mount. What lies over its place is another one, such as somebody's own over the directory
/// that the system gave him: then it is not found, and is tried by its other places.
fn open(process: Option<BorrowedFd<'_>>, mount: &Mount) -> io::Result<std::os::fd::OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = match process {
        None => rustix::fs::open(&mount.place, flags, Mode::empty())?,
        Some(process) => {
            let below = mount.place.strip_prefix("/").unwrap_or(&mount.place);
            // With the slash it is the root itself, and not the link to it.
            rustix::fs::openat(process, Path::new("root/").join(below), flags, Mode::empty())?
        }
    };
    if mount_id(place.as_fd()) != Some(mount.id) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(place)
}

/// The mounts of a mount namespace, in their order.
pub(crate) fn table(path: &Path) -> io::Result<Vec<Mount>> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MOST).read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
pub(super) fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = fields.nth(1)?;
    let place = fields.nth(1)?;
    let mut fields = fields.skip_while(|field| *field != b"-");
    let kind = String::from_utf8_lossy(fields.nth(1)?).into_owned();
    let is_remote = REMOTE.contains(&kind.as_str())
        || STACKED.contains(&kind.as_str())
        || ["fuse.", "fuseblk."].iter().any(|begin| kind.starts_with(begin));
    let options = fields.nth(1)?;
    let layers = if kind == "overlay" { layers(options) } else { Some(Vec::new()) };
    let user = options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(b"user_id="));
    Some(Mount {
        id,
        device: String::from_utf8_lossy(device).into_owned(),
        kind,
        place: OsString::from_vec(unescape(place)).into(),
        answers: !is_remote && layers.is_some(),
        by_root: user.is_none_or(|user| user == b"0"),
        layers,
    })
}

/// The layers of an overlay by its options; `None` where they are not told, or hold what stands for something else.
fn layers(options: &[u8]) -> Option<Vec<PathBuf>> {
    let options = unescape(options);
    if options.contains(&b'\\') {
        return None;
    }
    let mut layers = Vec::new();
    for option in options.split(|byte| *byte == b',') {
        let Some(at) = option.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = option.split_at(at);
        if [&b"lowerdir"[..], b"lowerdir+", b"datadir+", b"upperdir"].contains(&name) {
            let places = value.get(1..)?.split(|byte| *byte == b':').filter(|place| !place.is_empty());
            layers.extend(places.map(|place| PathBuf::from(std::ffi::OsStr::from_bytes(place))));
        }
    }
    (!layers.is_empty()).then_some(layers)
}

/// Space, tab, line break and backslash are written as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, more @ ..] = rest {
        if *first == b'\\'
            && let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = more
        {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
            rest = more;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_table_of_mounts_is_read_as_the_kernel_writes_it() {
        let line = b"36 35 0:98 /a /mnt\\040two\\134 rw,noatime shared:7 master:1 - fuse.sshfs host:/ rw";
        let mount = parse(line).unwrap();
        assert_eq!((mount.device.as_str(), mount.kind.as_str()), ("0:98", "fuse.sshfs"));
        assert_eq!(mount.place, Path::new("/mnt two\\"));
        assert!(!mount.can_hold_programs() && mount.is_fuse() && mount.id == 36);
        assert!(!parse(b"1 2 8:1 / / rw - fuseblk /dev/sdb rw").unwrap().can_hold_programs());
        assert_eq!(parse(b"1 2 3"), None);
        assert!(parse(b"1 2 8:1 / / rw - ext4 /dev/sda rw").unwrap().can_hold_programs());
        let own = table(Path::new("/proc/self/mountinfo")).unwrap();
        assert!(own.iter().any(|mount| mount.place == Path::new("/")));
    }
}
