//! Which package a file came with, by the records of dpkg and of rpm. Other package managers' are not read: what they
//! installed belongs to no package here.
//!
//! The index holds a number for each path that may be a program's, not the path: a few bytes each. What it finds is looked
//! up again in the package's own list, so that a path that has the same number by chance is not taken for another.

mod dpkg;
mod rpm;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use quell_wire::digest::unhex;

use self::dpkg::Dpkg;
use self::rpm::Rpm;

/// Paths that are held, about 10 bytes each.
const MOST: usize = 240_000;
/// Packages that are held.
const PACKAGES: usize = u16::MAX as usize;
/// Between two looks whether the records changed.
const LOOK: Duration = Duration::from_secs(20);
const STACK: usize = 256 << 10;
/// Where nothing is that runs: most files of most packages.
const DULL: [&[u8]; 8] = [
    b"/usr/share/doc/",
    b"/usr/share/man/",
    b"/usr/share/locale/",
    b"/usr/share/icons/",
    b"/usr/share/zoneinfo/",
    b"/usr/share/fonts/",
    b"/usr/share/info/",
    b"/usr/include/",
];

/// Whose a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Name and version.
    pub package: Arc<str>,
    /// Of the content that the package brought; none where it keeps none.
    pub digest: Option<Digest>,
}

/// What package managers know of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5([u8; 16]),
    Sha256([u8; 32]),
}

impl Digest {
    /// Of its hexadecimal digits, as many as such a digest has.
    fn md5(digits: &[u8]) -> Option<Self> {
        bytes(digits).map(Self::Md5)
    }

    fn sha256(digits: &[u8]) -> Option<Self> {
        bytes(digits).map(Self::Sha256)
    }
}

fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    unhex(str::from_utf8(digits).ok()?)
}

/// Numbers of paths while they are gathered, each with whose it is.
struct Paths {
    hasher: RandomState,
    all: Vec<(u64, u16)>,
}

impl Paths {
    fn add(&mut self, path: &[u8], owner: u16) {
        let is_dull = path.len() < 2 || DULL.iter().any(|dull| path.starts_with(dull));
        if !is_dull && !self.is_full() {
            self.all.push((self.hasher.hash_one(plain(path)), owner));
        }
    }

    fn is_full(&self) -> bool {
        self.all.len() >= MOST
    }
}

/// Numbers of paths, in order, and at the same places whose they are: dpkg's packages first, then rpm's.
#[derive(Debug)]
struct Index {
    hasher: RandomState,
    paths: Vec<u64>,
    owners: Vec<u16>,
    dpkg: Dpkg,
    rpm: Rpm,
}

/// When records changed last, and how long they are: dpkg's, rpm's, and rpm's log.
type Stamp = [Option<(i64, i64, u64)>; 3];

/// What is known of packages. The index is made beside, and anew when the records change: nobody waits for it.
#[derive(Debug)]
pub struct Packages {
    /// The top of the file system; another one in tests.
    root: PathBuf,
    index: Option<Index>,
    making: Option<Receiver<Index>>,
    is_other: bool,
    looked: Option<Instant>,
    stamp: Stamp,
}

impl Default for Packages {
    fn default() -> Self {
        Self::new("/".into())
    }
}

impl Packages {
    pub fn new(root: PathBuf) -> Self {
        Self { root, index: None, making: None, is_other: false, looked: None, stamp: Stamp::default() }
    }

    /// Whose the file of this path is, as far as that is known by now.
    pub fn owner(&mut self, path: &[u8]) -> Option<Owner> {
        self.renew();
        self.index.as_ref()?.owner(path)
    }

    /// Whether all is known that there is.
    pub fn is_ready(&self) -> bool {
        self.making.is_none()
    }

    /// Whether that changed since it was asked last.
    pub fn is_other(&mut self) -> bool {
        self.renew();
        std::mem::take(&mut self.is_other)
    }

    /// Looks whether an index is ready, and whether the records changed.
    pub fn renew(&mut self) {
        if let Some(making) = &self.making {
            match making.try_recv() {
                Ok(index) => {
                    self.index = Some(index);
                    self.is_other = true;
                    self.making = None;
                    quell_host::heap::give_back();
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.making = None,
            }
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let stamp = stamp(&self.root);
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let (told, making) = std::sync::mpsc::sync_channel(1);
        let root = self.root.clone();
        let thread = std::thread::Builder::new().name("flight-packages".into()).stack_size(STACK);
        if thread.spawn(move || drop(told.send(Index::read(&root)))).is_ok() {
            self.making = Some(making);
        }
    }
}

impl Index {
    fn read(root: &Path) -> Self {
        let mut paths = Paths { hasher: RandomState::new(), all: Vec::new() };
        let dpkg = Dpkg::read(root, &mut paths);
        let rpm = Rpm::read(root, dpkg.count(), &mut paths);
        let Paths { hasher, mut all } = paths;
        all.sort_unstable();
        let paths = all.iter().map(|(number, _)| *number).collect();
        let owners = all.iter().map(|(_, owner)| *owner).collect();
        Self { hasher, paths, owners, dpkg, rpm }
    }

    fn owner(&self, path: &[u8]) -> Option<Owner> {
        let path = plain(path);
        let number = self.hasher.hash_one(path);
        let from = self.paths.partition_point(|known| *known < number);
        let same = self.paths.get(from..)?.iter().take_while(|known| **known == number).count();
        let owners = self.owners.get(from..from + same)?.iter();
        owners.map(|owner| usize::from(*owner)).find_map(|owner| match owner.checked_sub(self.dpkg.count()) {
            None => self.dpkg.owner(owner, path),
            Some(owner) => self.rpm.owner(owner, path),
        })
    }
}

fn stamp(root: &Path) -> Stamp {
    let rpm = quell_tables::rpmdb::find(root);
    let log = rpm.as_deref().map(quell_tables::rpmdb::log);
    [Some(dpkg::status(root)), rpm, log].map(|path| {
        let facts = fs::metadata(path?).ok()?;
        Some((facts.mtime(), facts.mtime_nsec(), facts.len()))
    })
}

/// On a merged system `/bin` and `/usr/bin` are one directory, and records name either.
fn plain(path: &[u8]) -> &[u8] {
    let merged = [&b"/usr/bin/"[..], b"/usr/sbin/", b"/usr/lib"];
    if merged.iter().any(|directory| path.starts_with(directory)) {
        path.get(4..).unwrap_or_default()
    } else {
        path
    }
}

/// As much of a text of the records as is shown.
fn short(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
pub(super) mod tests;
