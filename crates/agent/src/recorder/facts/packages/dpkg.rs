//! dpkg's records (`/var/lib/dpkg`, dpkg-query(1)): a list of paths for each package, and MD5 sums beside it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Digest, Owner, PACKAGES, Paths, plain, short};

/// dpkg's directory.
const PLACE: &str = "var/lib/dpkg";
/// Longest line that is read. Bytes.
const LINE: usize = 8192;

#[derive(Debug)]
pub struct Dpkg {
    place: PathBuf,
    /// Names as files have them (`libc6:amd64`).
    names: Vec<Box<str>>,
    versions: HashMap<Box<str>, Arc<str>>,
}

/// The file that changes with every package.
pub fn status(root: &Path) -> PathBuf {
    root.join(PLACE).join("status")
}

impl Dpkg {
    pub fn read(root: &Path, paths: &mut Paths) -> Self {
        let place = root.join(PLACE);
        let versions = versions(&status(root));
        let mut names: Vec<Box<str>> = Vec::new();
        for entry in fs::read_dir(place.join("info")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".list")) else { continue };
            if names.len() >= PACKAGES || paths.is_full() {
                break;
            }
            let owner = names.len() as u16;
            names.push(name.into());
            each_line(&entry.path(), |line| {
                paths.add(line, owner);
                true
            });
        }
        Self { place, names, versions }
    }

    /// How many packages it has.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// This package, where its list has the path.
    pub fn owner(&self, package: usize, path: &[u8]) -> Option<Owner> {
        let name = self.names.get(package).filter(|name| self.lists(name, path))?;
        let bare = name.split(':').next().unwrap_or_default();
        let package = self.versions.get(bare).cloned().unwrap_or_else(|| bare.into());
        Some(Owner { package, digest: self.digest(name, path) })
    }

    fn lists(&self, name: &str, path: &[u8]) -> bool {
        let mut found = false;
        each_line(&self.place.join("info").join(format!("{name}.list")), |line| {
            found = plain(line) == path;
            !found
        });
        found
    }

    /// `0cc175b9c0f1b6a831c399e269772661  usr/bin/x`
    fn digest(&self, name: &str, path: &[u8]) -> Option<Digest> {
        let mut found = None;
        each_line(&self.place.join("info").join(format!("{name}.md5sums")), |line| {
            let Some((digits, rest)) = line.split_at_checked(32) else { return true };
            let mut whole = vec![b'/'];
            whole.extend_from_slice(rest.trim_ascii_start());
            if plain(&whole) == path {
                found = Digest::md5(digits);
            }
            found.is_none()
        });
        found
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
