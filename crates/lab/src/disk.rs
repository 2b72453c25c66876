//! An endpoint's disk: a root of its own on a superblock of its own, so that a watch on it sees this endpoint only.
//!
//! The mount namespace is kept by a descriptor, not by a process: the disk survives a reboot of its endpoint and
//! goes with the last descriptor. Programs and libraries are the machine's, mounted read-only.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{chdir, pivot_root};
use quell_host::namespace::on_a_thread;

use crate::switch::Addresses;
use crate::{Error, failed, privilege};

/// Something of the machine that an endpoint sees, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// A file or directory of the machine.
    pub host: PathBuf,
    /// Where the endpoint finds it; absolute, made if need be.
    pub inside: PathBuf,
}

pub(crate) struct Disk {
    /// The mount namespace.
    pub mounts: OwnedFd,
    root: OwnedFd,
    /// Whether an endpoint was started on it before.
    pub used: AtomicBool,
}

impl Disk {
    /// Makes a disk of at most `megabytes` (memory is taken as it fills).
    pub fn make(name: &str, shares: &[Share], megabytes: u64) -> Result<Self, Error> {
        on_a_thread(|| build(name, shares, megabytes)).map_err(failed("make an endpoint's disk"))
    }

    /// The outside view of a path; absolute links inside resolve against the machine's root.
    pub fn path(&self, inside: &Path) -> PathBuf {
        let root = format!("/proc/{}/fd/{}", std::process::id(), self.root.as_raw_fd());
        Path::new(&root).join(inside.strip_prefix("/").unwrap_or(inside))
    }
}

/// Opened before anything is mounted, so that no mount can hide it.
/// dpkg's records.
const PACKAGES: &str = "/var/lib/dpkg";

struct Source {
    fd: OwnedFd,
    directory: bool,
    inside: PathBuf,
}

impl Source {
    fn open(share: &Share) -> io::Result<Self> {
        let fd = open(&share.host, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { fd, directory: share.host.is_dir(), inside: share.inside.clone() })
    }

    fn bind(&self, root: &Path) -> io::Result<()> {
        let target = root.join(self.inside.strip_prefix("/").unwrap_or(&self.inside));
        if self.directory {
            fs::create_dir_all(&target)?;
        } else {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(&target)?;
        }
        let source = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let none = None::<&str>;
        mount(Some(source.as_str()), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        // What the source's mount forbids must stay forbidden, or a user namespace is refused.
        let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let held = fstatvfs(self.fd.as_fd())?.flags();
        for (flag, keep) in [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
            (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
            (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
        ] {
            if held.contains(flag) {
                flags |= keep;
            }
        }
        mount(none, &target, none, flags, none)?;
        Ok(())
    }
}

fn build(name: &str, shares: &[Share], megabytes: u64) -> io::Result<Disk> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let mounts = File::open("/proc/thread-self/ns/mnt")?.into();
    let shares = shares.iter().map(Source::open).collect::<io::Result<Vec<_>>>()?;
    let places = ["/mnt", "/media", "/srv", "/tmp"].map(Path::new);
    let root = places.into_iter().find(|p| p.is_dir()).ok_or(io::ErrorKind::NotFound)?;
    let options = format!("mode=0755,size={megabytes}m");
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?;
    system(root)?;
    settings(&root.join("etc"), name)?;
    devices(&root.join("dev"))?;
    if privilege::in_user_namespace() {
        // There the kernel mounts a new /proc only where one can be seen; the new one then covers this.
        mount(Some("/proc"), &root.join("proc"), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    }
    shares.iter().try_for_each(|share| share.bind(root))?;
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(Disk { mounts, root, used: AtomicBool::new(false) })
}

/// Directories, and the machine's programs.
fn system(root: &Path) -> io::Result<()> {
    for directory in ["dev", "etc", "home/user", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr"] {
        fs::create_dir_all(root.join(directory))?;
    }
    for directory in ["cache", "lib", "log", "spool", "tmp"] {
        fs::create_dir_all(root.join("var").join(directory))?;
    }
    let bind = |path: &str| Source::open(&Share { host: path.into(), inside: path.into() })?.bind(root);
    bind("/usr")?;
    // Which packages those programs came with is the machine's too.
    if Path::new(PACKAGES).is_dir() {
        bind(PACKAGES)?;
    }
    for directory in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let host = Path::new("/").join(directory);
        match fs::symlink_metadata(&host) {
            Ok(found) if found.is_symlink() => symlink(fs::read_link(&host)?, root.join(directory))?,
            Ok(found) if found.is_dir() => bind(&format!("/{directory}"))?,
            _ => {}
        }
    }
    Ok(())
}

/// An `/etc` of its own: written here, but for what the machine's programs need to start.
fn settings(etc: &Path, name: &str) -> io::Result<()> {
    let outside = Addresses::OUTSIDE;
    let id: String = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
    for (file, text) in [
        ("hostname", format!("{name}\n")),
        ("hosts", format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n")),
        ("machine-id", id),
        ("resolv.conf", format!("nameserver {}\noptions timeout:1 attempts:1\n", outside.ip4())),
        ("passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n".into()),
        ("group", "root:x:0:\nuser:x:1000:\n".into()),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".into()),
    ] {
        fs::write(etc.join(file), text)?;
    }
    symlink("../usr/lib/os-release", etc.join("os-release"))?;
    for file in ["ld.so.cache", "ld.so.conf"] {
        let host = Path::new("/etc").join(file);
        if host.is_file() {
            fs::copy(host, etc.join(file))?;
        }
    }
    fs::create_dir(etc.join("alternatives"))?;
    let alternatives = fs::read_dir("/etc/alternatives").into_iter().flatten().flatten();
    for entry in alternatives.filter(|e| e.file_type().is_ok_and(|t| t.is_symlink())) {
        symlink(fs::read_link(entry.path())?, etc.join("alternatives").join(entry.file_name()))?;
    }
    Ok(())
}

fn devices(dev: &Path) -> io::Result<()> {
    let none = None::<&str>;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), dev, Some("tmpfs"), quiet, Some("mode=0755,size=64k"))?;
    for device in ["full", "null", "random", "tty", "urandom", "zero"] {
        let target = dev.join(device);
        File::create(&target)?;
        mount(Some(&Path::new("/dev").join(device)), &target, none, MsFlags::MS_BIND, none)?;
    }
    for (link, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(to, dev.join(link))?;
    }
    for directory in ["pts", "shm"] {
        fs::create_dir(dev.join(directory))?;
    }
    mount(
        Some("devpts"),
        &dev.join("pts"),
        Some("devpts"),
        quiet,
        Some("newinstance,ptmxmode=0666,mode=620"),
    )?;
    mount(Some("tmpfs"), &dev.join("shm"), Some("tmpfs"), quiet | MsFlags::MS_NODEV, Some("mode=1777"))?;
    Ok(())
}
