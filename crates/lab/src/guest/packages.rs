//! What a guest needs from the system: a few packages, and a kernel that is unpacked but never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::error::{Error, io_error};

/// The kernel's name in Debian. It depends on the newest one, which carries the version in its name.
const KERNEL: &str = "linux-image-cloud-amd64";

/// Programs that are run here or copied into guests, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 7] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("mke2fs", "e2fsprogs"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("bash", "bash"),
    ("ldd", "libc-bin"),
];

/// A kernel and its modules in the cache.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// The compressed kernel.
    pub image: PathBuf,
    /// `lib/modules/VERSION`.
    pub modules: PathBuf,
    /// Such as `6.1.0-50-cloud-amd64`.
    pub version: String,
}

/// Debian packages to install before guests can run: empty when all are there. The kernel is not among
/// them, [`prepare`] gets it.
pub fn missing_packages() -> Vec<&'static str> {
    PROGRAMS
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect()
}

/// Puts a kernel into the cache unless one is there. Downloads about 27 MB through the system's own
/// `apt-get`, which checks its signature; installs nothing and needs no root.
pub fn prepare() -> Result<(), Error> {
    supported()?;
    if cached_kernel()?.is_some() {
        return Ok(());
    }
    let depends = said(Command::new("apt-cache").args(["depends", KERNEL]))?;
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| {
            unavailable("apt offers no kernel for guests", "run `apt-get update` on a Debian system")
        })?;
    unpack(&[package], &cache()?.join("kernel").join(package))
}

/// Downloads Debian packages of this machine's release through its own `apt-get`, and unpacks them into `place`.
pub(super) fn unpack(packages: &[&str], place: &Path) -> Result<(), Error> {
    let parent = place.parent().unwrap_or(place);
    fs::create_dir_all(parent).map_err(io_error("making the cache of packages"))?;
    let work = tempfile::tempdir_in(parent).map_err(io_error("making a place to unpack a package"))?;
    said(Command::new("apt-get").arg("download").args(packages).current_dir(work.path()))?;
    let archives = fs::read_dir(work.path())
        .map_err(io_error("looking for a package"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "deb"));
    let archives: Vec<PathBuf> = archives.collect();
    if archives.len() != packages.len() {
        return Err(Error::Protocol(format!("apt-get downloaded {} of {packages:?}", archives.len())));
    }
    for archive in &archives {
        said(Command::new("dpkg").arg("-x").arg(archive).arg(work.path().join("root")))?;
    }
    match fs::rename(work.path().join("root"), place) {
        // Another process was faster; what it unpacked is as good.
        Err(_) if place.exists() => Ok(()),
        done => done.map_err(io_error("keeping what was unpacked")),
    }
}

/// The kernel that guests boot, or why there is none.
pub(super) fn kernel() -> Result<Kernel, Error> {
    supported()?;
    let missing = missing_packages();
    if !missing.is_empty() {
        let names = missing.join(" ");
        return Err(unavailable(
            &format!("not installed: {names}"),
            &format!("install with `apt-get install --no-install-recommends {names}`"),
        ));
    }
    cached_kernel()?
        .ok_or_else(|| unavailable("no kernel in the cache", "run `cargo xtask test`, which downloads one"))
}

/// Where kernels, root disks and snapshots are kept between runs.
pub(super) fn cache() -> Result<PathBuf, Error> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .ok_or_else(|| unavailable("no cache directory", "set HOME or XDG_CACHE_HOME"))?;
    Ok(base.join("quell/guest"))
}

/// The absolute path of a program, also where the search path lacks `/usr/sbin`.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.is_file())
}

/// Runs a program to its end and gives what it printed.
pub(super) fn said(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .output()
        .map_err(|source| Error::Io { what: format!("running {program}"), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed { program, said: tail(&output.stderr, 600) })
}

/// The end of a text, for an error message.
pub(super) fn tail(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(most)..]).trim().to_owned()
}

/// This machine's time, for a guest's clock and a file's last use: nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "the real clock of a real machine is what a guest is to be set to"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

pub(super) fn supported() -> Result<(), Error> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(());
    }
    Err(unavailable("guests run x86-64 Linux with this machine's own libraries", "use such a machine"))
}

fn cached_kernel() -> Result<Option<Kernel>, Error> {
    let Ok(entries) = fs::read_dir(cache()?.join("kernel")) else { return Ok(None) };
    let mut packages: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("linux-image-")))
        .collect();
    packages.sort();
    Ok(packages.iter().rev().find_map(|package| {
        let name = package.file_name()?.to_str()?;
        let version = name.strip_prefix("linux-image-")?.to_owned();
        let image = package.join(format!("boot/vmlinuz-{version}"));
        let modules = package.join(format!("lib/modules/{version}"));
        (image.is_file() && modules.is_dir()).then_some(Kernel { image, modules, version })
    }))
}

pub(super) fn unavailable(reason: &str, hint: &str) -> Error {
    Error::Unavailable { reason: reason.into(), hint: hint.into() }
}
