//! Reading what others wrote: regular files alone, and so much of each.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::env::Env;

/// A file of configuration. Bytes.
pub(crate) const CONFIG: u64 = 8 << 20;
/// A file of `/proc` or `/sys`. Bytes.
pub(crate) const FACT: u64 = 4 << 20;
/// Entries of a directory.
const ENTRIES: usize = 1_000_000;
/// A line. Bytes.
const LINE: usize = 64 << 10;

/// What is said of the agent's state directory.
pub(crate) const OWN: &str = "it belongs to the agent, which reads it to nobody";

/// Opens a regular file for reading: no pipe is waited for, no device is touched, and nothing of the agent's own is read,
/// whatever name leads to it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before the open: to open a device may already do something.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(path)?;
    // It may have been exchanged since.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
    }
    if quell_host::file::is_kept(&file) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, OWN));
    }
    Ok(file)
}

/// The beginning of a file, at most so many bytes.
pub(crate) fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that need not be there: empty where it is not. Everything else is counted as a trouble.
pub(crate) fn config(env: &Env, path: &Path) -> Vec<u8> {
    match bytes(path, CONFIG) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound
                && error.raw_os_error() != Some(rustix::io::Errno::NOTDIR.raw_os_error())
            {
                env.trouble(&format!("{}: {error}", path.display()));
            }
            Vec::new()
        }
    }
}

/// A short fact of `/proc` or `/sys`, without the space around it.
pub(crate) fn fact(path: &Path) -> Option<String> {
    let bytes = bytes(path, FACT).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_matches(['\n', ' ', '\0', '\t']).to_owned())
}

/// A number of `/proc` or `/sys`.
pub(crate) fn number(path: &Path) -> Option<i64> {
    fact(path)?.parse().ok()
}

/// Lines, lossy, without those that are empty; a line that is too long is cut.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(&line[..line.len().min(LINE)]).trim_end_matches('\r').to_owned())
        .filter(|line| !line.trim().is_empty())
}

/// Lines without comments that begin with `#`.
pub(crate) fn settings(bytes: &[u8]) -> impl Iterator<Item = String> {
    lines(bytes).filter(|line| !line.trim_start().starts_with('#'))
}

/// What is in a directory, sorted by name. Empty where it cannot be read.
pub(crate) fn directory(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().take(ENTRIES).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The last part of a path, lossy.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where a link points, lossy.
pub(crate) fn link(path: &Path) -> Option<String> {
    std::fs::read_link(path).ok().map(|target| target.to_string_lossy().into_owned())
}

/// The end of a file, at most so many bytes.
pub(crate) fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        file.seek(io::SeekFrom::Start(length - most))?;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
