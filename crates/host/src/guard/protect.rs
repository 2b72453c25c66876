//! Content that no rule may block: without it the machine does not start, or nobody gets in to undo the rule.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::content::{Digests, digests};
use super::needs::needs;

/// A file that the system needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Where it lies.
    pub path: PathBuf,
    /// Its hashes, both.
    pub digests: Digests,
}

/// Programs that bring the machine up, let people in, or carry the agent's own work out.
const PROGRAMS: &[&str] = &[
    "/sbin/init",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-executor",
    "/usr/lib/systemd/systemd-logind",
    "/bin/sh",
    "/bin/bash",
    "/bin/dash",
    "/usr/bin/env",
    "/sbin/agetty",
    "/bin/login",
    "/usr/bin/sudo",
    "/bin/su",
    "/usr/sbin/sshd",
    "/usr/lib/openssh/sshd-session",
    "/bin/mount",
    "/usr/sbin/unix_chkpwd",
    "/usr/sbin/nft",
];
/// Most files that are protected.
const MOST: usize = 1024;
/// Directories of libraries.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/arm-linux-gnueabihf",
    "/lib/riscv64-linux-gnu",
];

/// Every protected file that is there, with its hashes. Reads some fifty megabytes.
pub fn protected() -> Vec<Protected> {
    let mut found = Vec::new();
    for path in places() {
        if let Ok(file) = File::open(&path)
            && let Ok(digests) = digests(&file, true)
        {
            found.push(Protected { path, digests });
        }
    }
    found
}

/// Device and inode of every protected file that is there.
pub(crate) fn inodes() -> BTreeSet<(u64, u64)> {
    let identity = |path: PathBuf| {
        let facts = rustix::fs::stat(&path).ok()?;
        #[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
        let identity = (u64::from(facts.st_dev), u64::from(facts.st_ino));
        Some(identity)
    };
    places().into_iter().filter_map(identity).collect()
}

fn places() -> BTreeSet<PathBuf> {
    let running = ["/proc/self/exe", "/proc/1/exe"].map(Path::new);
    let named =
        PROGRAMS.iter().map(Path::new).chain(running).filter_map(|path| std::fs::canonicalize(path).ok());
    let mut places: BTreeSet<PathBuf> = named.collect();
    for shell in shells() {
        places.extend(std::fs::canonicalize(shell));
    }
    for directory in LIBRARIES.iter().map(Path::new) {
        // The loader, the C library, and who users are; the modules that let them in.
        let library = ["ld-linux", "ld-musl", "libc.so.", "libnss_"];
        places.extend(named_so(directory, &library));
        places.extend(named_so(&directory.join("security"), &["pam_"]));
    }
    let mut open: Vec<PathBuf> = places.iter().cloned().collect();
    while let Some(file) = open.pop() {
        for needed in needs(&file, LIBRARIES) {
            if places.len() < MOST && places.insert(needed.clone()) {
                open.push(needed);
            }
        }
    }
    places
}

/// What lies in a directory under a name that begins so.
fn named_so(directory: &Path, begin: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_so = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        begin.iter().any(|begin| name.as_encoded_bytes().starts_with(begin.as_bytes()))
    };
    let places = entries.filter(is_so).filter_map(|entry| std::fs::canonicalize(entry.path()).ok());
    places.take(MOST / 4).collect()
}

/// The login shells of root and of people.
fn shells() -> BTreeSet<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users
        .lines()
        .filter_map(|line| line.split(':').nth(6))
        .filter(|shell| !shell.is_empty())
        .map(PathBuf::from)
        .collect()
}
