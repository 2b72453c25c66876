//! The file systems that are listened to, and by which places their directories are found again.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags};
use rustix::io::Errno;

use super::group::Group;
use crate::guard::{Scope, each_place, find_local, mounts};

/// Places of one file system that are tried.
const PLACES: usize = 8;

/// By what the kernel calls a file system.
#[derive(Debug, Default)]
pub(super) struct Systems(HashMap<u64, Vec<Place>>);

/// Where a file system is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As this process, or the other one, has it.
    pub path: PathBuf,
    /// A process of another mount namespace.
    process: Option<PathBuf>,
    /// The number of the mount.
    mount: u64,
}

impl Place {
    pub fn is_foreign(&self) -> bool {
        self.process.is_some()
    }

    /// Opens it for reading, which finding by handle wants. Something else may have been mounted over it or over the way
    /// there, by a stranger too: nobody's file system is asked before it is known that this is the mount.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = match &self.process {
            None => rustix::fs::open("/", path, Mode::empty())?,
            // With the slash it is the root itself, and not the link to it.
            Some(process) => {
                rustix::fs::open(process.join("root/"), path | OFlags::DIRECTORY, Mode::empty())?
            }
        };
        let below = self.path.strip_prefix("/").unwrap_or(&self.path);
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let handle = match rustix::fs::openat2(&root, below, path, Mode::empty(), ResolveFlags::CACHED) {
            // Before 5.12 the kernel does not know how to look without asking.
            Err(Errno::INVAL) if self.process.is_none() => find_local(&self.path)?,
            handle => handle?,
        };
        if mount(handle.as_fd())? != self.mount {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(rustix::fs::openat(
            &handle,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }
}

impl Systems {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn places(&self, system: u64) -> &[Place] {
        self.0.get(&system).map(Vec::as_slice).unwrap_or_default()
    }

    /// Marks what there is now, and learns where it is seen.
    pub fn watch(&mut self, scope: Scope, group: &mut Group) -> Vec<String> {
        let mut systems: HashMap<u64, Vec<Place>> = HashMap::new();
        let mut devices: HashMap<String, u64> = HashMap::new();
        let watched = each_place(scope, &mut |place, mount, process| {
            let facts = rustix::fs::fstatvfs(place)?;
            if facts.f_flag.contains(StatVfsMountFlags::RDONLY) {
                return Err(io::ErrorKind::NotFound.into());
            }
            group.watch(place)?;
            devices.insert(mount.device.clone(), facts.f_fsid);
            let process = process.and_then(directory);
            let places = systems.entry(facts.f_fsid).or_default();
            if places.len() < PLACES {
                places.push(Place { path: mount.place.clone(), process, mount: mount.id });
            }
            Ok(())
        });
        for mount in mounts(Path::new("/proc/thread-self/mountinfo")).unwrap_or_default() {
            let Some(places) = devices.get(&mount.device).and_then(|system| systems.get_mut(system)) else {
                continue;
            };
            let place = Place { path: mount.place, process: None, mount: mount.id };
            if mount.answers && places.len() < PLACES && !places.contains(&place) {
                places.push(place);
            }
        }
        for places in systems.values_mut() {
            // Nearest to the root first: more of the file system is seen from there.
            places.sort_by_key(|place| (place.is_foreign(), place.path.components().count()));
        }
        self.0 = systems;
        watched.problems
    }
}

/// The number of the mount by which something was opened. Answered by the kernel itself.
fn mount(file: BorrowedFd<'_>) -> io::Result<u64> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    Ok(rustix::fs::statx(file, "", flags, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// `/proc/PID`, by its handle.
fn directory(process: BorrowedFd<'_>) -> Option<PathBuf> {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/thread-self/fd/{}", process.as_raw_fd())).ok()
}
