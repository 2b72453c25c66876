//! Which files a statement means. As in osquery, `%` stands for anything within one part of a path, and `%%` for any
//! number of parts, where it is the last part.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::env::{Env, Scan, under};
use crate::read;

/// How deep `%%` goes.
const DEPTH: usize = 64;
/// Entries of one directory.
const ENTRIES: usize = 200_000;

/// A file that is meant: as the statement says it, and where it really lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Path as it is shown, within the namespace of the scan.
    pub path: PathBuf,
    /// Its directory as it is shown.
    pub directory: String,
}

/// What `path` and `directory` of a scan lead to. Relative paths lead nowhere.
pub(crate) fn files(scan: &Scan) -> Box<dyn Iterator<Item = Found>> {
    let root = scan.root();
    let env = scan.env.clone();
    if let Some(path) = scan.text("path") {
        if !path.starts_with('/') || path.contains('\0') {
            return Box::new(std::iter::empty());
        }
        let path = PathBuf::from(path);
        let directory = parent(&path);
        return Box::new(std::iter::once(Found { path, directory }));
    }
    if let Some(pattern) = scan.like("path") {
        let found = Matches::new(env, root, &pattern, Want::Anything);
        return Box::new(found.map(|path| Found { directory: parent(&path), path }));
    }
    if let Some(directory) = scan.text("directory") {
        if !directory.starts_with('/') || directory.contains('\0') {
            return Box::new(std::iter::empty());
        }
        return Box::new(within(&env, &root, directory));
    }
    if let Some(pattern) = scan.like("directory") {
        let directories = Matches::new(env.clone(), root.clone(), &pattern, Want::Directory);
        return Box::new(directories.flat_map(move |path| {
            within(&env, &root, path.to_string_lossy().into_owned()).collect::<Vec<_>>()
        }));
    }
    Box::new(std::iter::empty())
}

/// What lies in a directory, not deeper.
fn within(env: &Env, root: &Path, directory: String) -> impl Iterator<Item = Found> + use<> {
    let names = names(env, &under(root, directory.as_ref()));
    let base = PathBuf::from(&directory);
    names.into_iter().map(move |name| Found { path: base.join(name), directory: directory.clone() })
}

/// What lies in a directory. Nothing else is opened: a pipe would wait for its other end, and to open a device may already
/// do something.
fn names(env: &Env, directory: &Path) -> Vec<OsString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Vec::new(),
        Err(error) => {
            env.trouble(&format!("{}: {}", directory.display(), io::Error::from(error)));
            return Vec::new();
        }
    };
    if quell_host::file::is_kept(&opened) {
        env.trouble(&format!("{}: {}", directory.display(), read::OWN));
        return Vec::new();
    }
    // Of what was looked at: the name may lead elsewhere by now.
    let entries = match Dir::new(opened) {
        Ok(entries) => entries,
        Err(error) => {
            env.trouble(&format!("{}: {}", directory.display(), io::Error::from(error)));
            return Vec::new();
        }
    };
    let names = entries.flatten().map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()));
    let mut names: Vec<OsString> = names.filter(|name| name != "." && name != "..").take(ENTRIES).collect();
    names.sort();
    names
}

/// The directory as osquery shows it: without the slash at its end.
fn parent(path: &Path) -> String {
    path.parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Anything,
    Directory,
}

/// Paths that match a pattern, found directory by directory.
struct Matches {
    env: Arc<Env>,
    root: PathBuf,
    parts: Vec<String>,
    want: Want,
    /// Paths that match as many parts as said, with how deep below `%%` they are.
    open: VecDeque<(PathBuf, usize, usize)>,
}

impl Matches {
    fn new(env: Arc<Env>, root: PathBuf, pattern: &str, want: Want) -> Self {
        let parts: Vec<String> =
            pattern.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
        let mut open = VecDeque::new();
        if pattern.starts_with('/') && !pattern.contains('\0') {
            open.push_back((PathBuf::from("/"), 0, 0));
        }
        Self { env, root, parts, want, open }
    }

    fn is_directory(&self, path: &Path) -> bool {
        // A link to a directory is not gone through: it may lead in a circle.
        fs::symlink_metadata(under(&self.root, path)).is_ok_and(|facts| facts.is_dir())
    }

    /// Children of a directory, the first to be looked at last, since the end is taken first.
    fn push(&mut self, path: &Path, matched: usize, depth: usize, fits: impl Fn(&OsString) -> bool) {
        let names = names(&self.env, &under(&self.root, path));
        for name in names.into_iter().filter(fits).rev() {
            self.open.push_front((path.join(name), matched, depth));
        }
    }
}

impl Iterator for Matches {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while let Some((path, matched, depth)) = self.open.pop_front() {
            if self.env.stop.is_due() {
                return None;
            }
            let Some(part) = self.parts.get(matched).cloned() else {
                let is_wanted = self.want == Want::Anything || self.is_directory(&path);
                if is_wanted && fs::symlink_metadata(under(&self.root, &path)).is_ok() {
                    return Some(path);
                }
                continue;
            };
            let is_last = matched + 1 == self.parts.len();
            if part.contains("%%") && is_last {
                // All that lies below, this path's own children first.
                if depth < DEPTH && (depth == 0 || self.is_directory(&path)) {
                    let prefix = part.split("%%").next().unwrap_or_default().to_owned();
                    self.push(&path, matched, depth + 1, move |name| {
                        depth > 0 || name.as_bytes().starts_with(prefix.as_bytes())
                    });
                }
                if depth > 0 && (self.want == Want::Anything || self.is_directory(&path)) {
                    return Some(path);
                }
                continue;
            }
            if part.contains(['%', '_']) {
                self.push(&path, matched + 1, 0, |name| matches(&part, name.as_bytes()));
                // A name may hold `_` without meaning any letter; it matches itself all the same.
            } else {
                self.open.push_front((path.join(&part), matched + 1, 0));
            }
        }
        None
    }
}

/// One part of a path against `LIKE`: `%` for any bytes, `_` for one.
fn matches(pattern: &str, name: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut at, mut star) = ((0, 0), None);
    while at.1 < name.len() {
        match pattern.get(at.0) {
            Some(b'%') => {
                star = Some((at.0 + 1, at.1));
                at.0 += 1;
            }
            Some(c) if *c == b'_' || c.eq_ignore_ascii_case(&name[at.1]) => at = (at.0 + 1, at.1 + 1),
            _ => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                at = (after, from + 1);
            }
        }
    }
    pattern[at.0..].iter().all(|c| *c == b'%')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

    use super::*;

    #[test]
    fn patterns_are_those_of_like() {
        for (pattern, name, fits) in [
            ("%", "anything", true),
            ("%", "", true),
            ("a%c", "abbc", true),
            ("a%c", "abbd", false),
            ("%.log", "x.LOG", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("%a%a%a%a%a%b", &"a".repeat(200), false),
        ] {
            assert_eq!(matches(pattern, name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn two_signs_go_deeper_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("etc/a/b")).unwrap();
        for name in ["etc/x.conf", "etc/a/y.conf", "etc/a/b/z.conf"] {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/", at("etc/a/loop")).unwrap();
        let found = |pattern: &str| -> Vec<String> {
            let env = Arc::new(Env::default());
            let matches = Matches::new(env, dir.path().to_owned(), pattern, Want::Anything);
            matches.map(|path| path.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(found("/etc/%"), ["/etc/a", "/etc/x.conf"]);
        assert_eq!(found("/etc/%.conf"), ["/etc/x.conf"]);
        assert_eq!(found("/etc/%/%.conf"), ["/etc/a/y.conf"]);
        let mut below = found("/etc/%%");
        below.sort();
        assert_eq!(
            below,
            ["/etc/a", "/etc/a/b", "/etc/a/b/z.conf", "/etc/a/loop", "/etc/a/y.conf", "/etc/x.conf"]
        );
        assert_eq!(found("etc/%"), Vec::<String>::new());
    }

    #[test]
    fn nothing_but_directories_is_opened() {
        use std::sync::mpsc::channel;
        use std::time::Duration;

        use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
        use rustix::fs::{CWD, FileType, makedev, mknodat};

        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        fs::create_dir_all(place.join("deeper")).unwrap();
        fs::write(place.join("deeper/file"), "x").unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, place.join("pipe"), FileType::Fifo, mode, 0).unwrap();
        std::os::unix::fs::symlink("pipe", place.join("to_pipe")).unwrap();
        let device = place.join("device");
        let has_device = mknodat(CWD, &device, FileType::CharacterDevice, mode, makedev(1, 3)).is_ok();

        // The kernel tells what is opened in a directory, by name.
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, &place, WatchFlags::OPEN).unwrap();
        let opened = || -> Vec<String> {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(&watch, &mut buffer);
            let mut names = Vec::new();
            while let Ok(event) = reader.next() {
                names.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
            names
        };
        if has_device && fs::File::open(&device).is_ok() {
            assert_eq!(opened(), ["device"]);
        } else {
            println!("skipped: the device, which cannot be made here");
        }

        let (sender, receiver) = channel();
        let root = dir.path().to_owned();
        std::thread::spawn(move || {
            let env = Arc::new(Env::default());
            let found: Vec<PathBuf> =
                Matches::new(env.clone(), root.clone(), "/%/%/%", Want::Anything).collect();
            let within: usize = ["/place/pipe", "/place/device", "/place/to_pipe", "/place/deeper/file"]
                .map(|name| within(&env, &root, name.to_owned()).count())
                .iter()
                .sum();
            sender.send((found, within, env.troubles().0))
        });
        // Nobody is waited for.
        let (found, within, troubles) = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(found, [Path::new("/place/deeper/file")]);
        assert_eq!((within, troubles), (0, 0));
        assert_eq!(opened(), ["deeper"]);
    }
}
