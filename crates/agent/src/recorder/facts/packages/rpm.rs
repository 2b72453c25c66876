//! rpm's records: the headers of packages in its database. A header names each file with a digest, of settings too.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_tables::rpmdb::{self, Database, Error, File, Header};
use rustix::process::geteuid;

use super::{Digest, Owner, PACKAGES, Paths, plain, short};

/// Longest path that is looked at, as no call takes a longer one. Bytes.
const PATH: usize = 4096;
/// Files of all packages that are looked at: ten times those of a large machine.
const FILES: usize = 5_000_000;
/// For how long all is read at most, and one package.
const ALL: Duration = Duration::from_mins(1);
const ONE: Duration = Duration::from_secs(5);
/// Type and `S_IFREG`, as in `stat`.
const KIND: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;

#[derive(Debug, Default)]
pub struct Rpm {
    file: PathBuf,
    /// Number of the row, name and version.
    packages: Vec<(i64, Arc<str>)>,
}

impl Rpm {
    /// `before`: packages that have numbers already.
    pub fn read(root: &Path, before: usize, paths: &mut Paths) -> Self {
        let Some(file) = rpmdb::find(root) else { return Self::default() };
        let (mut packages, mut path, mut left) = (Vec::new(), Vec::new(), FILES);
        let mut is_whole = true;
        let read = open(&file, ALL).and_then(|database| {
            database.each(|row, header| {
                let owner = before + packages.len();
                if owner >= PACKAGES || paths.is_full() || left == 0 {
                    is_whole = false;
                    return ControlFlow::Break(());
                }
                packages.push((row, title(header)));
                for found in header.files() {
                    left = left.saturating_sub(1);
                    if left > 0 && whole(&found, &mut path) {
                        paths.add(&path, owner as u16);
                    }
                }
                ControlFlow::Continue(())
            })
        });
        if let Err(error) = read {
            // The next change of the file is another try.
            tracing::warn!("{} is known in part: {error}; `rpm --rebuilddb` makes it anew", file.display());
        }
        if !is_whole {
            tracing::warn!(
                "{} names more packages or files than are kept: of the rest it is not known whose they are",
                file.display()
            );
        }
        Self { file, packages }
    }

    /// This package, where its header has the path.
    pub fn owner(&self, package: usize, path: &[u8]) -> Option<Owner> {
        let (row, package) = self.packages.get(package)?;
        let mut known = Vec::new();
        let found = open(&self.file, ONE).and_then(|database| {
            database.one(*row, |header| {
                let mut files = header.files();
                files.find(|file| whole(file, &mut known) && plain(&known) == path).map(|file| digest(&file))
            })
        });
        let digest = found.ok().flatten()?;
        Some(Owner { package: package.clone(), digest })
    }
}

/// What others may write to says nothing of whose a file is.
fn open(file: &Path, time: Duration) -> Result<Database, Error> {
    let is_anybodys = |path: &Path| {
        let is_open = |facts: fs::Metadata| {
            facts.mode() & 0o022 != 0 || ![0, geteuid().as_raw()].contains(&facts.uid())
        };
        // There need be no log.
        fs::metadata(path).is_ok_and(is_open)
    };
    if is_anybodys(file) || is_anybodys(&rpmdb::log(file)) {
        return Err(std::io::Error::other("others than root may write to it").into());
    }
    let began = Instant::now();
    Database::open(file, move || began.elapsed() > time)
}

fn title(header: &Header<'_>) -> Arc<str> {
    let name = header.name().unwrap_or_default();
    format!("{} {}", short(name.as_bytes()), short(header.version().as_bytes())).into()
}

/// The path of a file that lies on the disk and has content; whether it is one.
fn whole(file: &File<'_>, path: &mut Vec<u8>) -> bool {
    path.clear();
    let is_one = file.is_there && file.mode & KIND == REGULAR && !file.digest.is_empty();
    if !is_one || file.directory.len() + file.name.len() > PATH {
        return false;
    }
    path.extend_from_slice(file.directory);
    path.extend_from_slice(file.name);
    true
}

fn digest(file: &File<'_>) -> Option<Digest> {
    match file.digest_kind {
        rpmdb::MD5 => Digest::md5(file.digest),
        rpmdb::SHA256 => Digest::sha256(file.digest),
        _ => None,
    }
}
