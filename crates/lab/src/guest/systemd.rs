//! Debian's systemd as the first process of a guest: its packages unpacked into the cache, never installed, and of them
//! what a machine without D-Bus, logins, devices that come and go, or encrypted disks has use for.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, io_error};
use super::packages::{cache, supported, unavailable, unpack};
use super::tree::{Tree, merged};

/// The packages, with the libraries that a small system may lack. Further ones are this machine's own.
const PACKAGES: [&str; 6] =
    ["systemd", "libsystemd-shared", "libapparmor1", "libip4tc2", "libkmod2", "libseccomp2"];
/// What is carried of their programs.
const PROGRAMS: [&str; 18] = [
    "/lib/systemd/systemd",
    "/lib/systemd/systemd-cgroups-agent",
    "/lib/systemd/systemd-journald",
    "/lib/systemd/systemd-modules-load",
    "/lib/systemd/systemd-random-seed",
    "/lib/systemd/systemd-remount-fs",
    "/lib/systemd/systemd-shutdown",
    "/lib/systemd/systemd-sysctl",
    "/lib/systemd/systemd-update-utmp",
    "/lib/systemd/systemd-user-sessions",
    "/bin/journalctl",
    "/bin/systemctl",
    "/bin/systemd-notify",
    "/bin/systemd-sysusers",
    "/bin/systemd-tmpfiles",
    "/usr/bin/systemd-analyze",
    "/usr/bin/systemd-cat",
    "/usr/bin/systemd-run",
];
/// Carried whole.
const FOLDERS: [&str; 4] =
    ["/lib/systemd/system", "/usr/lib/tmpfiles.d", "/usr/lib/sysusers.d", "/usr/lib/sysctl.d"];
/// Units for what is not there.
const MASKED: [&str; 6] = [
    "getty.target",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-networkd-wait-online.service",
    "systemd-pcrphase-sysinit.service",
];

/// Puts Debian's systemd into the cache unless one is there. Downloads about 5 MB through the system's own `apt-get`;
/// installs nothing and needs no root.
pub fn prepare() -> Result<(), Error> {
    supported()?;
    if cached()?.is_some() {
        return Ok(());
    }
    unpack(&PACKAGES, &place()?)
}

fn place() -> Result<PathBuf, Error> {
    Ok(cache()?.join("systemd").join("root"))
}

fn cached() -> Result<Option<PathBuf>, Error> {
    let root = place()?;
    Ok(root.join("lib/systemd/systemd").is_file().then_some(root))
}

/// Makes systemd the first process of what starts from this tree.
pub(super) fn add(tree: &mut Tree) -> Result<(), Error> {
    let root =
        cached()?.ok_or_else(|| unavailable("no systemd in the cache", "ask for one: `prepare_systemd`"))?;
    for program in PROGRAMS {
        tree.unpacked_program(program, &root)?;
    }
    for folder in FOLDERS {
        add_folder(tree, &root, folder)?;
    }
    for unit in MASKED {
        tree.link(&format!("etc/systemd/system/{unit}"), "/dev/null");
    }
    for (name, text) in [
        ("quell-guest-answer.service", include_str!("answer.service")),
        ("quell-guest-network.service", include_str!("network.service")),
    ] {
        let unit = format!("etc/systemd/system/{name}");
        tree.text(&unit, text, 0o644);
        tree.link(&format!("etc/systemd/system/sysinit.target.wants/{name}"), &format!("/{unit}"));
    }
    tree.link("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target");
    tree.text("etc/fstab", "", 0o644);
    tree.link("usr/sbin/init", "/lib/systemd/systemd");
    Ok(())
}

/// Files and links of a folder, with those below.
fn add_folder(tree: &mut Tree, root: &Path, folder: &str) -> Result<(), Error> {
    let told = || io_error(format!("reading {folder} of the packages"));
    for entry in fs::read_dir(root.join(folder.trim_start_matches('/'))).map_err(told())? {
        let entry = entry.map_err(told())?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(told())?);
        let at = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            add_folder(tree, root, &at)?;
        } else if kind.is_symlink() {
            let to = fs::read_link(&path).map_err(told())?;
            tree.link(&merged(&at), &to.to_string_lossy());
        } else {
            tree.copy(&merged(&at), &path, 0o644);
        }
    }
    Ok(())
}
