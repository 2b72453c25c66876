//! A file tree that is still to be written: as a cpio archive for the kernel, or as a directory from which
//! `mke2fs` makes a disk. Its digest names what was made from it in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::error::{Error, io_error};
use super::packages::said;

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A file with this content.
    Text(Vec<u8>, u32),
    /// A copy of a file of this machine.
    Copy(PathBuf, u32),
    Link(String),
    /// A character device: major, minor.
    Device(u32, u32),
}

/// Entries by their path without a leading slash. Directories come from the paths.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: BTreeMap<String, Entry>,
    dirs: BTreeSet<String>,
}

impl Tree {
    pub(super) fn text(&mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) {
        self.insert(path, Entry::Text(content.into(), mode));
    }

    pub(super) fn copy(&mut self, path: &str, from: &Path, mode: u32) {
        self.insert(path, Entry::Copy(from.to_owned(), mode));
    }

    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.insert(path, Entry::Link(to.to_owned()));
    }

    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.insert(path, Entry::Device(major, minor));
    }

    pub(super) fn dir(&mut self, path: &str) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            self.dirs.insert(path[..at].to_owned());
        }
        self.dirs.insert(path.to_owned());
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_start_matches('/'))
    }

    /// A program of this machine at `path`, with the shared libraries that it loads, where it looks for them.
    pub(super) fn program(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        self.copy(path, from, 0o755);
        self.libraries(&libraries(&mut Command::new("ldd"), from)?, Path::new("/"));
        Ok(())
    }

    /// A program at `path` below `root`, where packages were unpacked; its libraries are looked for there first.
    pub(super) fn unpacked_program(&mut self, path: &str, root: &Path) -> Result<(), Error> {
        let from = root.join(path.trim_start_matches('/'));
        let dirs = ["lib", "usr/lib"].map(|lib| root.join(lib).join("x86_64-linux-gnu"));
        let dirs: Vec<String> = dirs
            .iter()
            .chain([&dirs[0].join("systemd"), &dirs[1].join("systemd")])
            .map(|dir| dir.to_string_lossy().into_owned())
            .collect();
        self.copy(&merged(path), &from, 0o755);
        let found = libraries(Command::new("ldd").env("LD_LIBRARY_PATH", dirs.join(":")), &from)?;
        self.libraries(&found, root);
        Ok(())
    }

    fn libraries(&mut self, found: &[PathBuf], root: &Path) {
        for library in found {
            let at = Path::new("/").join(library.strip_prefix(root).unwrap_or(library));
            self.copy(&merged(&at.to_string_lossy()), library, 0o755);
        }
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.dir(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Names every path, mode and text; copied files by size and time of change, which is much faster.
    pub(super) fn digest(&self) -> Result<String, Error> {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for dir in &self.dirs {
            field(dir.as_bytes());
        }
        for (path, entry) in &self.entries {
            field(path.as_bytes());
            field(&entry.mode().to_le_bytes());
            field(&entry.stamp()?);
        }
        Ok(hex(&hash.finalize()))
    }

    /// The tree as an archive in the "new ASCII" cpio format that the kernel unpacks at boot
    /// (Linux: `Documentation/driver-api/early-userspace/buffer-format.rst`). Owned by root.
    pub(super) fn cpio(&self) -> Result<Vec<u8>, Error> {
        let mut archive = Vec::new();
        let mut number = 0;
        let mut add = |name: &str, mode: u32, device: (u32, u32), content: &[u8]| {
            number += 1;
            let (size, name_size) = (content.len(), name.len() + 1);
            let (major, minor) = device;
            let _ = write!(
                archive,
                "070701{number:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:08x}{0:08x}{major:08x}{minor:08x}{name_size:08x}{0:08x}",
                0, 1
            );
            archive.extend_from_slice(name.as_bytes());
            archive.push(0);
            archive.resize(archive.len().next_multiple_of(4), 0);
            archive.extend_from_slice(content);
            archive.resize(archive.len().next_multiple_of(4), 0);
        };
        for dir in &self.dirs {
            add(dir, 0o040_755, (0, 0), &[]);
        }
        for (path, entry) in &self.entries {
            let device = if let Entry::Device(major, minor) = entry { (*major, *minor) } else { (0, 0) };
            let content = if device == (0, 0) { entry.content()? } else { Vec::new() };
            add(path, entry.mode(), device, &content);
        }
        add("TRAILER!!!", 0, (0, 0), &[]);
        Ok(archive)
    }

    /// The tree as an ext4 disk of `size` bytes at `image`, sparse. Devices are left out: the guest's kernel
    /// makes them itself.
    pub(super) fn disk(&self, image: &Path, size: u64) -> Result<(), Error> {
        let stage = tempfile::tempdir().map_err(io_error("making a place for the root disk's files"))?;
        let root = stage.path();
        for dir in &self.dirs {
            fs::create_dir_all(root.join(dir)).map_err(io_error(format!("making /{dir}")))?;
        }
        for (path, entry) in &self.entries {
            let (at, failed) = (root.join(path), io_error(format!("writing /{path}")));
            match entry {
                Entry::Text(content, _) => fs::write(&at, content),
                Entry::Copy(from, _) => fs::copy(from, &at).map(drop),
                Entry::Link(to) => symlink(to, &at),
                Entry::Device(..) => continue,
            }
            .map_err(failed)?;
            if let Entry::Text(_, mode) | Entry::Copy(_, mode) = entry {
                fs::set_permissions(&at, fs::Permissions::from_mode(*mode))
                    .map_err(io_error(format!("permissions of /{path}")))?;
            }
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).map_err(io_error("permissions of /"))?;
        let file = fs::File::create(image).map_err(io_error("making the root disk"))?;
        file.set_len(size).map_err(io_error("making the root disk"))?;
        let mke2fs = super::packages::find_program("mke2fs").unwrap_or_else(|| "mke2fs".into());
        said(
            Command::new(mke2fs)
                .args(["-q", "-F", "-t", "ext4", "-L", "quell-guest", "-m", "0"])
                .args(["-E", "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1", "-d"])
                .arg(root)
                .arg(image),
        )?;
        Ok(())
    }
}

impl Entry {
    /// Type and permissions as in `st_mode`.
    fn mode(&self) -> u32 {
        match self {
            Self::Text(_, mode) | Self::Copy(_, mode) => 0o100_000 | mode,
            Self::Link(_) => 0o120_777,
            Self::Device(..) => 0o020_600,
        }
    }

    fn stamp(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Copy(from, _) => stamp(from).map(String::into_bytes),
            Self::Text(..) | Self::Link(_) | Self::Device(..) => self.content(),
        }
    }

    fn content(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Text(content, _) => Ok(content.clone()),
            Self::Copy(from, _) => fs::read(from).map_err(io_error(format!("reading {}", from.display()))),
            Self::Link(to) => Ok(to.clone().into_bytes()),
            Self::Device(major, minor) => Ok(format!("{major}:{minor}").into_bytes()),
        }
    }
}

/// Debian's `/lib` is `/usr/lib`, and so on; a guest has the same links.
pub(super) fn merged(path: &str) -> String {
    let top = ["/lib", "/bin/", "/sbin/"].iter().any(|top| path.starts_with(top));
    if top { format!("/usr{path}") } else { path.to_owned() }
}

/// What tells a file from another version of it without reading it.
pub(super) fn stamp(path: &Path) -> Result<String, Error> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).map_err(io_error(format!("reading {}", path.display())))?;
    Ok(format!("{} {} {}.{}", path.display(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

/// Shared libraries and the loader of a program, as the system's own loader finds them.
fn libraries(ldd: &mut Command, program: &Path) -> Result<Vec<PathBuf>, Error> {
    match said(ldd.arg(program)) {
        Ok(text) => library_paths(&text),
        // So it answers for a static program.
        Err(Error::Failed { said, .. }) if said.contains("not a dynamic executable") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn library_paths(text: &str) -> Result<Vec<PathBuf>, Error> {
    if let Some(line) = text.lines().find(|line| line.ends_with("not found")) {
        return Err(Error::Invalid(format!("a library is absent: {}", line.trim())));
    }
    let path = |line: &str| {
        let found = line.trim().rsplit("=> ").next()?.split(" (").next()?.to_owned();
        found.starts_with('/').then(|| PathBuf::from(found))
    };
    Ok(text.lines().filter_map(path).collect())
}

/// Hexadecimal SHA-256.
pub(super) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_loader_list_gives_absolute_paths() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(
            library_paths(text).unwrap(),
            [Path::new("/lib/x/libc.so.6"), Path::new("/lib64/ld.so.2")]
        );
        assert!(library_paths("\tstatically linked\n").unwrap().is_empty());
        assert!(library_paths("\tlibx.so => not found\n").is_err());
    }

    #[test]
    fn an_archive_is_aligned_and_ends_with_its_trailer() {
        let mut tree = Tree::default();
        tree.text("/etc/name", "guest", 0o644);
        tree.link("/bin", "usr/bin");
        tree.device("/dev/console", 5, 1);
        let archive = tree.cpio().unwrap();
        assert_eq!(archive.len() % 4, 0);
        assert!(archive.starts_with(b"070701"));
        let headers = archive.windows(6).filter(|w| w == b"070701").count();
        assert_eq!(headers, 6, "two directories, three entries, the trailer");
        assert!(archive.windows(10).any(|w| w == b"TRAILER!!!"));
    }

    #[test]
    fn the_digest_names_path_mode_and_content() {
        let digest = |path: &str, content: &str, mode| {
            let mut tree = Tree::default();
            tree.text(path, content, mode);
            tree.digest().unwrap()
        };
        let one = digest("/a", "x", 0o644);
        assert_eq!(one, digest("a", "x", 0o644));
        assert!(
            [digest("/b", "x", 0o644), digest("/a", "y", 0o644), digest("/a", "x", 0o755)]
                .iter()
                .all(|d| *d != one)
        );
    }
}
