//! The state directory: what the agent keeps over restarts, private to its user, each file replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the agent keeps its state unless told otherwise.
pub const DEFAULT: &str = "/var/lib/quell-agent";
/// No file that is read as a whole is larger. Bytes.
const LARGEST: u64 = 4 << 20;
/// Held while an agent uses the directory.
const LOCK: &str = "lock";

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Others could have put something there.
    #[error("{path} {problem}; the agent trusts only a directory of its own user that no other may write")]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// Another agent runs.
    #[error("another agent uses {path}")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// An open state directory. Cheap to clone; the lock is held until the last clone is gone.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl StateDir {
    /// Opens it, makes it (mode 0700) where it is missing, refuses it where others may write, and locks it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        make(path)?;
        check(path)?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(Error::io("open", &lock_path))?;
        match lock.try_lock() {
            // Absolute from here on: a script's run is named to a process that works elsewhere.
            Ok(()) => {
                let path = fs::canonicalize(path).map_err(Error::io("look at", path))?;
                Ok(Self { path, _lock: Arc::new(lock) })
            }
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(Error::io("lock", &lock_path)(source)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path within it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A directory (mode 0700) within it, made where it is missing.
    pub fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        make(&path)?;
        Ok(path)
    }

    /// A file's content; `None` where it is missing. At most 4 MiB.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Error::io("read", &path)(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(bytes))
    }

    /// Replaces a file (mode 0600): after a crash at any moment either the old or the new content is there,
    /// and once this returns it is the new one.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let fresh = self.path.join(format!("{name}.new"));
        let result = write_synced(&fresh, bytes)
            .and_then(|()| fs::rename(&fresh, &path))
            .and_then(|()| sync_directory(&self.path));
        result.map_err(Error::io("write", &path)).inspect_err(|_| {
            // A full disk must not stay full because of our own half-written file.
            let _ = fs::remove_file(&fresh);
        })
    }

    /// Removes a file; fine where it is missing.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(&self.path).map_err(Error::io("remove", &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &path)(error)),
        }
    }
}

/// Refuses a directory that another user owns or may write.
pub fn check(path: &Path) -> Result<(), Error> {
    let facts = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    let problem = if !facts.is_dir() {
        "is not a directory"
    } else if facts.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if facts.mode() & 0o022 != 0 {
        "may be written by others"
    } else {
        return Ok(());
    };
    Err(Error::Unsafe { path: path.to_owned(), problem })
}

fn make(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::io("make", path)(error)),
    }
}

/// A new file, mode 0600, synced.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes what was created, renamed or removed in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_replaced_as_a_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        assert_eq!(state.read("a").unwrap(), None);
        state.write("a", b"one").unwrap();
        state.write("a", b"two").unwrap();
        assert_eq!(state.read("a").unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(state.join("a")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(state.path()).unwrap().mode() & 0o777, 0o700);
        state.remove("a").unwrap();
        state.remove("a").unwrap();
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(StateDir::open(dir.path()), Err(Error::Unsafe { .. })));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(matches!(check(&link), Err(Error::Unsafe { .. })));
    }

    #[test]
    fn a_relative_directory_is_absolute_once_open() {
        // Relative to where the tests run, without changing that for the others.
        let dir = tempfile::tempdir_in(".").unwrap();
        let relative = Path::new(dir.path().file_name().unwrap()).join("state");
        let state = StateDir::open(&relative).unwrap();
        assert!(state.path().is_absolute(), "{:?}", state.path());
        assert!(state.directory("runs").unwrap().is_absolute());
        state.write("a", b"one").unwrap();
        assert_eq!(fs::read(relative.join("a")).unwrap(), b"one");
    }

    #[test]
    fn one_agent_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::open(&path).unwrap();
        assert!(matches!(StateDir::open(&path), Err(Error::InUse { .. })));
        drop(first);
        StateDir::open(&path).unwrap();
    }
}
