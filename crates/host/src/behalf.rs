//! What an account may do with files, done by a thread of a program that may do more.
//!
//! Only the numbers that file systems ask for change (setfsuid(2)), and the thread's capabilities go. Its user stays: the
//! account cannot send it signals, nor look into it.

use std::io;

use rustix::process::Gid;
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

/// An account, by its numbers.
#[expect(
    clippy::unsafe_derive_deserialize,
    reason = "no invariant of its fields is what the unsafe calls rest on"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

impl Account {
    /// Whether this program acts as it anyway.
    pub fn is_own(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.uid
    }

    /// The calling thread has this account's rights over files and processes from here on, and no way back. For a thread
    /// of its own that starts no other. An error leaves it with less than it had, and not with what was asked for.
    pub fn take_on(&self) -> io::Result<()> {
        if self.is_own() {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        rustix::thread::set_thread_groups(&groups)?;
        // SAFETY: numbers in, a number out; both change the calling thread alone, and the answer is the number before. A
        // number that no user has (-1) changes nothing and asks.
        let (gid, uid) = unsafe {
            libc::setfsgid(self.gid);
            libc::setfsuid(self.uid);
            (libc::setfsgid(u32::MAX), libc::setfsuid(u32::MAX))
        };
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets)?;
        if (gid.cast_unsigned(), uid.cast_unsigned()) != (self.gid, self.uid) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_thread_may_what_the_account_may_and_the_others_are_left_alone() {
        let other = Account { uid: 12_345, gid: 12_346, groups: vec![12_347] };
        if !rustix::process::geteuid().is_root() {
            assert!(std::thread::spawn(move || other.take_on()).join().unwrap().is_err());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, mode, group) in [("root", 0o600, 0), ("group", 0o640, 12_347), ("all", 0o644, 0)] {
            fs::write(path(name), name).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(path(name), None, Some(group)).unwrap();
        }
        let found = std::thread::scope(|scope| {
            let look = || {
                other.take_on().unwrap();
                let environ = fs::read("/proc/1/environ").is_ok();
                fs::write(path("new"), b"").unwrap();
                (["root", "group", "all"].map(|name| fs::read(path(name)).is_ok()), environ)
            };
            scope.spawn(look).join().unwrap()
        });
        assert_eq!(found, ([false, true, true], false));
        let new = fs::metadata(path("new")).unwrap();
        assert_eq!((new.uid(), new.gid()), (12_345, 12_346));
        assert!(fs::read(path("root")).is_ok() && rustix::process::geteuid().is_root());
    }
}
