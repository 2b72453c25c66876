//! Which package a file came with, by dpkg's own records (`/var/lib/dpkg`, dpkg-query(1)). Other package managers' are not
//! read: what they installed belongs to no package here.
//!
//! The index holds a number for each path that may be a program's, not the path: a few bytes each. What it finds is looked
//! up again in the package's own list, so that a path that has the same number by chance is not taken for another.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// dpkg's directory.
const DPKG: &str = "/var/lib/dpkg";
/// Paths that are held, about 10 bytes each.
const MOST: usize = 240_000;
/// Packages that are held.
const PACKAGES: usize = u16::MAX as usize;
/// Between two looks whether the records changed.
const LOOK: Duration = Duration::from_secs(20);
const STACK: usize = 256 << 10;
/// Longest line that is read. Bytes.
const LINE: usize = 8192;
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
    pub md5: Option<[u8; 16]>,
}

/// Numbers of paths, in order, and at the same places whose they are.
#[derive(Debug)]
struct Index {
    root: PathBuf,
    hasher: RandomState,
    paths: Vec<u64>,
    owners: Vec<u16>,
    /// Names as files have them (`libc6:amd64`).
    names: Vec<Box<str>>,
    versions: HashMap<Box<str>, Arc<str>>,
}

/// What is known of packages. The index is made beside, and anew when the records change: nobody waits for it.
#[derive(Debug)]
pub struct Packages {
    root: PathBuf,
    index: Option<Index>,
    making: Option<Receiver<Index>>,
    is_other: bool,
    looked: Option<Instant>,
    /// When the records changed last.
    stamp: Option<(i64, i64)>,
}

impl Default for Packages {
    fn default() -> Self {
        Self::new(DPKG.into())
    }
}

impl Packages {
    pub fn new(root: PathBuf) -> Self {
        Self { root, index: None, making: None, is_other: false, looked: None, stamp: None }
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
        let facts = fs::metadata(self.root.join("status")).ok();
        let stamp = facts.map(|facts| (facts.mtime(), facts.mtime_nsec()));
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let (told, making) = std::sync::mpsc::sync_channel(1);
        let root = self.root.clone();
        let thread = std::thread::Builder::new().name("flight-packages".into()).stack_size(STACK);
        if thread.spawn(move || drop(told.send(Index::read(root)))).is_ok() {
            self.making = Some(making);
        }
    }
}

impl Index {
    fn read(root: PathBuf) -> Self {
        let hasher = RandomState::new();
        let versions = versions(&root.join("status"));
        let (mut names, mut all): (Vec<Box<str>>, Vec<(u64, u16)>) = Default::default();
        for entry in fs::read_dir(root.join("info")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".list")) else { continue };
            if names.len() >= PACKAGES || all.len() >= MOST {
                break;
            }
            let owner = names.len() as u16;
            names.push(name.into());
            each_line(&entry.path(), |line| {
                let is_dull = line.len() < 2 || DULL.iter().any(|dull| line.starts_with(dull));
                if !is_dull && all.len() < MOST {
                    all.push((hasher.hash_one(plain(line)), owner));
                }
                true
            });
        }
        all.sort_unstable();
        let paths = all.iter().map(|(number, _)| *number).collect();
        let owners = all.iter().map(|(_, owner)| *owner).collect();
        Self { root, hasher, paths, owners, names, versions }
    }

    fn owner(&self, path: &[u8]) -> Option<Owner> {
        let path = plain(path);
        let number = self.hasher.hash_one(path);
        let from = self.paths.partition_point(|known| *known < number);
        let same = self.paths.get(from..)?.iter().take_while(|known| **known == number).count();
        let owners = self.owners.get(from..from + same)?.iter();
        let mut names = owners.filter_map(|owner| self.names.get(usize::from(*owner)));
        let name = names.find(|name| self.lists(name, path))?;
        let bare = name.split(':').next().unwrap_or_default();
        let package = self.versions.get(bare).cloned().unwrap_or_else(|| bare.into());
        Some(Owner { package, md5: self.md5(name, path) })
    }

    fn lists(&self, name: &str, path: &[u8]) -> bool {
        let mut found = false;
        each_line(&self.root.join("info").join(format!("{name}.list")), |line| {
            found = plain(line) == path;
            !found
        });
        found
    }

    /// `0cc175b9c0f1b6a831c399e269772661  usr/bin/x`
    fn md5(&self, name: &str, path: &[u8]) -> Option<[u8; 16]> {
        let mut found = None;
        each_line(&self.root.join("info").join(format!("{name}.md5sums")), |line| {
            let Some((digest, rest)) = line.split_at_checked(32) else { return true };
            let mut whole = vec![b'/'];
            whole.extend_from_slice(rest.trim_ascii_start());
            if plain(&whole) == path {
                let digest = std::str::from_utf8(digest).ok();
                found =
                    digest.and_then(|digest| u128::from_str_radix(digest, 16).ok()).map(u128::to_be_bytes);
            }
            found.is_none()
        });
        found
    }
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

/// Name and version of each package, by name.
fn versions(status: &Path) -> HashMap<Box<str>, Arc<str>> {
    let (mut all, mut name) = (HashMap::new(), String::new());
    each_line(status, |line| {
        if let Some(rest) = line.strip_prefix(b"Package: ") {
            name = short(rest);
        } else if let Some(rest) = line.strip_prefix(b"Version: ")
            && all.len() < PACKAGES
        {
            all.insert(name.as_str().into(), format!("{name} {}", short(rest)).into());
        }
        true
    });
    all
}

fn short(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Each line of a file of root's, until it is enough.
fn each_line(path: &Path, mut tell: impl FnMut(&[u8]) -> bool) {
    let Ok(file) = fs::File::open(path) else { return };
    let mut reader = BufReader::with_capacity(32 << 10, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !tell(text) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_is_its_packages_where_the_records_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let info = dir.path().join("info");
        fs::create_dir(&info).unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write(
            "status",
            "Package: dash\nStatus: install ok installed\nVersion: 0.5-1\n\nPackage: libx\nVersion: 2\n",
        );
        write("info/dash.list", "/.\n/bin\n/bin/dash\n/usr/share/doc/dash/copyright\n");
        write("info/dash.md5sums", "0cc175b9c0f1b6a831c399e269772661  bin/dash\n");
        write("info/libx:amd64.list", "/usr/lib/x/run\n");
        let packages = Index::read(dir.path().to_owned());
        let owner = packages.owner(b"/usr/bin/dash").unwrap();
        assert_eq!((&*owner.package, owner.md5.unwrap()[0]), ("dash 0.5-1", 0x0c));
        assert_eq!(packages.owner(b"/bin/dash").unwrap(), owner);
        let owner = packages.owner(b"/usr/lib/x/run").unwrap();
        assert_eq!((&*owner.package, owner.md5), ("libx 2", None));
        assert_eq!(packages.owner(b"/usr/bin/das"), None);
        assert_eq!(packages.owner(b"/usr/share/doc/dash/copyright"), None, "nothing that runs");
        assert_eq!(Index::read(dir.path().join("none")).owner(b"/bin/dash"), None);
    }

    #[test]
    fn the_index_of_this_machine_is_small() {
        let began = Instant::now();
        let index = Index::read(DPKG.into());
        println!("{} paths in {:?}", index.paths.len(), began.elapsed());
        assert!(index.paths.capacity() * 10 < 3 << 20);
        let mut packages = Packages::default();
        packages.renew();
        assert!(!packages.is_ready() && !packages.is_other());
        let end = Instant::now() + Duration::from_secs(30);
        while !packages.is_ready() && Instant::now() < end {
            packages.renew();
            std::thread::yield_now();
        }
        assert!(packages.is_other() && !packages.is_other());
    }
}
