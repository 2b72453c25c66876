//! Places that matter whoever writes there: what is started by itself, what says who may do what, and what programs load
//! without being told to.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Files, by their whole path.
const FILES: &[&str] = &[
    "/etc/anacrontab",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/crontab",
    "/etc/doas.conf",
    "/etc/environment",
    "/etc/fstab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/hosts",
    "/etc/inittab",
    "/etc/ld.so.conf",
    "/etc/ld.so.preload",
    "/etc/modules",
    "/etc/nsswitch.conf",
    "/etc/pam.conf",
    "/etc/passwd",
    "/etc/profile",
    "/etc/rc.local",
    "/etc/resolv.conf",
    "/etc/shadow",
    "/etc/shells",
    "/etc/ssh/ssh_config",
    "/etc/ssh/sshd_config",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/sudoers",
    "/etc/sysctl.conf",
    "/etc/zshrc",
];
/// Everything below these directories.
const BELOW: &[&str] = &[
    "/boot/",
    "/etc/NetworkManager/dispatcher.d/",
    "/etc/apt/apt.conf.d/",
    "/etc/cron.d/",
    "/etc/cron.daily/",
    "/etc/cron.hourly/",
    "/etc/cron.monthly/",
    "/etc/cron.weekly/",
    "/etc/dbus-1/",
    "/etc/init.d/",
    "/etc/init/",
    "/etc/ld.so.conf.d/",
    "/etc/modprobe.d/",
    "/etc/modules-load.d/",
    "/etc/network/",
    "/etc/pam.d/",
    "/etc/polkit-1/",
    "/etc/profile.d/",
    "/etc/rc.d/",
    "/etc/security/",
    "/etc/ssh/sshd_config.d/",
    "/etc/sudoers.d/",
    "/etc/sysctl.d/",
    "/etc/systemd/",
    "/etc/sysusers.d/",
    "/etc/tmpfiles.d/",
    "/etc/udev/rules.d/",
    "/etc/update-motd.d/",
    "/etc/xdg/autostart/",
    "/etc/zsh/",
    "/lib/modules/",
    "/lib/security/",
    "/lib/systemd/",
    "/lib/udev/rules.d/",
    "/run/systemd/system/",
    "/usr/lib/modules/",
    "/usr/lib/systemd/",
    "/usr/lib/udev/rules.d/",
    "/usr/local/lib/systemd/",
    "/usr/share/polkit-1/",
    "/var/spool/anacron/",
    "/var/spool/at/",
    "/var/spool/cron/",
];
/// In anybody's home: how the path ends.
const ENDS: &[&str] = &[
    "/.bash_aliases",
    "/.bash_history",
    "/.bash_login",
    "/.bash_logout",
    "/.bash_profile",
    "/.bashrc",
    "/.config/fish/config.fish",
    "/.profile",
    "/.ssh/authorized_keys",
    "/.ssh/authorized_keys2",
    "/.ssh/config",
    "/.ssh/rc",
    "/.xinitrc",
    "/.xprofile",
    "/.xsession",
    "/.zlogin",
    "/.zprofile",
    "/.zsh_history",
    "/.zshenv",
    "/.zshrc",
];
/// In anybody's home: what lies somewhere on the path.
const WITHIN: &[&str] = &["/.config/autostart/", "/.config/systemd/", "/.local/share/systemd/"];
/// Of pluggable authentication, wherever the machine keeps its libraries.
const PAM: (&str, &str) = ("/security/pam_", ".so");

/// Whether this is one of them.
pub(super) fn is_sensitive(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    let has = |part: &str| path.windows(part.len()).any(|window| window == part.as_bytes());
    FILES.binary_search_by(|file| file.as_bytes().cmp(path)).is_ok()
        || BELOW.iter().any(|place| path.starts_with(place.as_bytes()))
        || (has("/etc/rc") && path.starts_with(b"/etc/rc") && path.get(8..11) == Some(b".d/"))
        || ENDS.iter().any(|end| path.ends_with(end.as_bytes()))
        || WITHIN.iter().any(|place| has(place))
        || (path.ends_with(PAM.1.as_bytes()) && has(PAM.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_known_by_their_paths() {
        assert!(FILES.is_sorted());
        for path in [
            "/etc/passwd",
            "/etc/crontab",
            "/etc/cron.d/x",
            "/var/spool/cron/crontabs/root",
            "/root/.ssh/authorized_keys",
            "/home/u/.config/systemd/user/x.service",
            "/etc/rc3.d/S01x",
            "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
            "/etc/ld.so.preload",
        ] {
            assert!(is_sensitive(Path::new(path)), "{path}");
        }
        for path in ["/etc/passwd-", "/tmp/x", "/home/u/notes", "/etc/rcx", "/usr/lib/libx.so", ""] {
            assert!(!is_sensitive(Path::new(path)), "{path}");
        }
    }
}
