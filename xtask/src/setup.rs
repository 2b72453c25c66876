//! System packages: what is missing is installed where that is allowed, and named exactly where it is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::cargo::{must, words};

/// Something of the system that a command needs.
struct Need {
    /// What it is for.
    purpose: &'static str,
    /// Any of these files shows that it is there; one `*` may stand for a folder, a bare name for a program on the path.
    shown_by: &'static [&'static str],
    /// The package that brings it, by its names on different releases; the first that exists is taken.
    packages: &'static [&'static str],
    /// How a test says that it skipped itself for want of it.
    missed_as: &'static [&'static str],
}

const NFT: Need = Need {
    purpose: "network isolation",
    shown_by: &["/usr/sbin/nft", "/sbin/nft"],
    packages: &["nftables"],
    missed_as: &["nft is not installed"],
};
const IP: Need = Need {
    purpose: "endpoints made of network namespaces",
    shown_by: &["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"],
    packages: &["iproute2"],
    missed_as: &["ip is not installed"],
};
const UNSHARE: Need = Need {
    purpose: "endpoints made of namespaces",
    shown_by: &["/usr/bin/unshare"],
    packages: &["util-linux"],
    missed_as: &["unshare is not installed", "unshare cannot be run"],
};
const SEVEN_ZIP: Need = Need {
    purpose: "opening collected archives with 7-Zip",
    shown_by: &["/usr/bin/7z"],
    packages: &["p7zip-full", "7zip"],
    missed_as: &["7z is not installed", "7z cannot be run", "install p7zip-full"],
};
const POSTGRES: Need = Need {
    purpose: "tests of the store on PostgreSQL",
    shown_by: &["/usr/lib/postgresql/*/bin/initdb"],
    packages: &["postgresql"],
    missed_as: &["PostgreSQL"],
};
const PYTHON: Need = Need {
    purpose: "tests of scripts in Python",
    shown_by: &["/usr/bin/python3"],
    packages: &["python3-minimal"],
    missed_as: &["python3 is not installed", "no python3"],
};
const QEMU: Need = Need {
    purpose: "endpoints with a kernel of their own",
    shown_by: &["/usr/bin/qemu-system-x86_64"],
    packages: &["qemu-system-x86"],
    missed_as: &["not installed: qemu-system-x86"],
};
const BUSYBOX: Need = Need {
    purpose: "the disk of such endpoints",
    shown_by: &["/usr/bin/busybox", "/bin/busybox"],
    packages: &["busybox-static"],
    missed_as: &["not installed: busybox-static"],
};
const MKE2FS: Need = Need {
    purpose: "the disk of such endpoints",
    shown_by: &["/usr/sbin/mke2fs", "/sbin/mke2fs"],
    packages: &["e2fsprogs"],
    missed_as: &["not installed: e2fsprogs"],
};
const STRACE: Need = Need {
    purpose: "kills at chosen system calls",
    shown_by: &["/usr/bin/strace"],
    packages: &["strace"],
    missed_as: &["strace is not installed"],
};
const YARA: Need = Need {
    purpose: "rules beside those of another engine",
    shown_by: &["/usr/bin/yara"],
    packages: &["yara"],
    missed_as: &["yara is not installed"],
};
const CLAMD: Need = Need {
    purpose: "scans for malware by ClamAV",
    shown_by: &["/usr/sbin/clamd"],
    packages: &["clamav-daemon", "clamd"],
    missed_as: &["clamd is not installed"],
};
const RPM: Need = Need {
    purpose: "packages as rpm keeps them",
    shown_by: &["/usr/bin/rpmbuild"],
    packages: &["rpm"],
    missed_as: &["rpm is not installed"],
};
const SSHD: Need = Need {
    purpose: "logins by a real SSH server, of the tests' own",
    shown_by: &["/usr/sbin/sshd"],
    packages: &["openssh-server"],
    missed_as: &["/usr/sbin/sshd is not installed"],
};
const SSH: Need = Need {
    purpose: "logging in to it",
    shown_by: &["/usr/bin/ssh"],
    packages: &["openssh-client"],
    missed_as: &["/usr/bin/ssh is not installed", "/usr/bin/ssh-keygen is not installed"],
};
const CRON: Need = Need {
    purpose: "what is left behind with a real cron, on an endpoint of the tests' own",
    shown_by: &["/usr/sbin/cron"],
    packages: &["cron"],
    missed_as: &["cron is not installed"],
};

const NODE: Need = Need {
    purpose: "building the web console",
    shown_by: &["node"],
    packages: &["nodejs"],
    missed_as: &["Node.js is absent"],
};
const NPM: Need = Need {
    purpose: "the packages of the web console",
    shown_by: &["npm"],
    packages: &["npm"],
    missed_as: &["Node.js has no npm"],
};
const CHROMIUM: Need = Need {
    purpose: "tests of the web console in a browser",
    shown_by: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    packages: &["chromium", "chromium-browser"],
    missed_as: &["no browser: install the package chromium"],
};
const PNGQUANT: Need = Need {
    purpose: "small pictures of the web console",
    shown_by: &["pngquant"],
    packages: &["pngquant"],
    missed_as: &["pngquant is not installed"],
};

const TESTS: &[&Need] = &[
    &NFT, &IP, &UNSHARE, &SEVEN_ZIP, &POSTGRES, &PYTHON, &QEMU, &BUSYBOX, &MKE2FS, &STRACE, &YARA, &CLAMD,
    &RPM, &SSHD, &SSH, &CRON, &NODE, &NPM, &CHROMIUM, &PNGQUANT,
];

/// What the demo needs. An error where something is missing and cannot be installed.
pub fn for_demo() -> Result<()> {
    install(&[&NFT, &IP, &UNSHARE, &SEVEN_ZIP])?;
    // It can be shown without the console, so this is no reason to stop.
    if let Err(error) = install(&[&NODE, &NPM]) {
        eprintln!("warning: {error:#}");
    }
    Ok(())
}

/// What the tests need.
pub fn for_tests() -> Result<()> {
    install(TESTS)
}

/// Whether a test that skipped itself for this reason should have run: what it missed is there.
pub fn is_no_reason(reason: &str) -> bool {
    // Who has the rights may be refused all the same, by a container; then the reason says so.
    let wants_root = ["needs root", "need root"].iter().any(|words| reason.contains(words));
    let is_missed = |need: &&Need| need.missed_as.iter().any(|words| reason.contains(words));
    (wants_root && may_mount() && !reason.contains("refused"))
        || TESTS.iter().copied().filter(is_missed).any(Need::is_met)
}

fn install(needs: &[&Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().copied().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} ({})", need.packages[0], need.purpose);
    }
    let Some(apt) = Apt::find() else {
        bail!(
            "{}\nThis machine has no apt-get; install the programs with its own package manager.",
            list(&missing)
        );
    };
    let Some(apt) = apt.with_rights() else {
        let names: Vec<&str> = missing.iter().map(|need| need.packages[0]).collect();
        bail!(
            "{}\nNeither root nor sudo is at hand. Ask for: apt-get install -y {}",
            list(&missing),
            names.join(" ")
        );
    };
    apt.install(&missing)?;
    let left: Vec<&Need> = missing.into_iter().filter(|need| !need.is_met()).collect();
    if left.is_empty() { Ok(()) } else { bail!("installed, and still {}", list(&left)) }
}

fn list(missing: &[&Need]) -> String {
    let names: Vec<String> =
        missing.iter().map(|need| format!("{} ({})", need.packages[0], need.purpose)).collect();
    format!("missing: {}", names.join(", "))
}

impl Need {
    fn is_met(&self) -> bool {
        self.shown_by.iter().any(|pattern| exists(pattern))
    }
}

fn exists(pattern: &str) -> bool {
    match pattern.split_once("/*/") {
        None if !pattern.contains('/') => std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(pattern).is_file())),
        None => Path::new(pattern).exists(),
        Some((folder, rest)) => fs::read_dir(folder)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.path().join(rest).exists())),
    }
}

/// The package manager of Debian and Ubuntu.
struct Apt {
    /// `sudo`, where this user is not root.
    sudo: Option<PathBuf>,
}

impl Apt {
    fn find() -> Option<Self> {
        Path::new("/usr/bin/apt-get").exists().then_some(Self { sudo: None })
    }

    fn with_rights(mut self) -> Option<Self> {
        if is_root() {
            return Some(self);
        }
        let sudo = PathBuf::from("/usr/bin/sudo");
        if !sudo.exists() {
            return None;
        }
        // Without a terminal a question for a password would wait for ever.
        let silent = Command::new(&sudo).args(["-n", "true"]).stderr(Stdio::null()).status();
        let asked = std::io::IsTerminal::is_terminal(&std::io::stdin());
        self.sudo = Some(sudo);
        (silent.is_ok_and(|status| status.success()) || asked).then_some(self)
    }

    fn install(&self, needs: &[&Need]) -> Result<()> {
        let mut names = needs.iter().map(|need| candidate(need)).collect::<Option<Vec<_>>>();
        if names.is_none() {
            self.run(&["/usr/bin/apt-get", "update"])?;
            names = needs.iter().map(|need| candidate(need)).collect();
        }
        let Some(names) = names else { bail!("apt knows no package for all of it: {}", list(needs)) };
        let quiet = NoDaemons::begin(self)?;
        let install = || {
            let mut arguments = vec!["/usr/bin/apt-get", "install", "-y", "--no-install-recommends"];
            arguments.extend(&names);
            self.run(&arguments)
        };
        // Lists that are older than the mirror name files that are gone.
        let result =
            install().or_else(|_| self.run(&["/usr/bin/apt-get", "update"]).and_then(|()| install()));
        drop(quiet);
        result?;
        self.disable(&names);
        Ok(())
    }

    /// Services of what was just installed do not begin at the next boot either: nobody asked for an SSH server.
    fn disable(&self, packages: &[&str]) {
        const SYSTEMCTL: &str = "/usr/bin/systemctl";
        let listed = Command::new("/usr/bin/dpkg").arg("-L").args(packages).output();
        let listed =
            listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let units = listed.lines().filter_map(unit_of).collect::<Vec<_>>();
        if units.is_empty() || !Path::new(SYSTEMCTL).exists() {
            return;
        }
        let mut arguments = vec![SYSTEMCTL, "disable", "--quiet"];
        arguments.extend(&units);
        if let Err(error) = self.run(&arguments) {
            eprintln!("warning: these may begin at the next boot: {}: {error:#}", units.join(", "));
        }
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(arguments);
        eprintln!("$ {}", words(&command));
        must(&mut command)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.sudo.as_deref().unwrap_or(Path::new("/usr/bin/env")));
        if self.sudo.is_some() {
            command.arg("/usr/bin/env");
        }
        command.arg("DEBIAN_FRONTEND=noninteractive").args(arguments);
        command
    }
}

/// The unit of systemd that a file of a package is, where it is one that begins by itself.
fn unit_of(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    let begins =
        [".service", ".socket", ".timer"].iter().any(|kind| name.ends_with(kind)) && !name.contains('@');
    (folder.ends_with("/systemd/system") && begins).then_some(name)
}

/// The first of a need's packages that apt can install.
fn candidate(need: &Need) -> Option<&'static str> {
    need.packages.iter().copied().find(|name| {
        let policy = Command::new("/usr/bin/apt-cache").args(["policy", name]).env("LC_ALL", "C").output();
        policy.is_ok_and(|output| {
            let text = String::from_utf8_lossy(&output.stdout);
            text.contains("Candidate:") && !text.contains("Candidate: (none)")
        })
    })
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// Whether this process has CAP_SYS_ADMIN, as root of a container may not.
fn may_mount() -> bool {
    const SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set >> SYS_ADMIN & 1 == 1)
}

/// While it lives, packages start no daemons: a database server is wanted as a program, not as a service. The file is
/// Debian's own way to say so; one that exists already is left as it is.
struct NoDaemons<'a>(Option<&'a Apt>);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl<'a> NoDaemons<'a> {
    fn begin(apt: &'a Apt) -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self(None));
        }
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
        must(&mut apt.command(&["/bin/sh", "-c", &script]))?;
        Ok(Self(Some(apt)))
    }
}

impl Drop for NoDaemons<'_> {
    fn drop(&mut self) {
        let Some(apt) = self.0 else { return };
        if let Err(error) = must(&mut apt.command(&["/bin/rm", "-f", POLICY])) {
            eprintln!("warning: {POLICY} stays, and keeps packages from starting services: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_packages_are_known_by_their_units() {
        assert_eq!(unit_of("/lib/systemd/system/ssh.service"), Some("ssh.service"));
        assert_eq!(unit_of("/usr/lib/systemd/system/ssh.socket"), Some("ssh.socket"));
        for path in ["/lib/systemd/system/ssh@.service", "/lib/systemd/user/a.service", "/usr/sbin/sshd", "x"]
        {
            assert_eq!(unit_of(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_there_is_no_reason_to_skip() {
        let unshare = "unshare cannot be run: No such file or directory (os error 2)";
        assert_eq!(is_no_reason(unshare), UNSHARE.is_met());
        assert_eq!(is_no_reason("PostgreSQL: initdb failed: no space"), POSTGRES.is_met());
        assert_eq!(is_no_reason("network namespaces need root"), may_mount());
        assert!(!is_no_reason("this kernel has no u32 filters, or no mirred action"));
        assert!(!is_no_reason("a lab needs root, or user namespaces: making namespaces was refused (EPERM)"));
    }
}
