//! As whom a shell runs: the account, its groups, its program and its environment.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};

use super::{Failure, Program};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What terminals of people understand, the console's among them.
const TERM: &str = "xterm-256color";

/// An account on this system.
pub(super) struct Account {
    /// Its name.
    pub name: String,
    /// User.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// All groups.
    pub groups: Vec<Gid>,
    home: PathBuf,
    shell: PathBuf,
}

type Failed = (Failure, String);

impl Account {
    /// The account of this name, or the caller's own.
    pub fn find(name: Option<&str>) -> Result<Self, Failed> {
        let found = match name {
            Some(name) => User::from_name(name),
            None => User::from_uid(Uid::effective()),
        };
        let shown = name.unwrap_or("of the agent itself");
        let user = found
            .map_err(|errno| (Failure::Account, format!("the account {shown} cannot be looked up: {errno}")))?
            .ok_or_else(|| (Failure::Account, format!("there is no account {shown}")))?;
        if !Uid::effective().is_root() && user.uid != Uid::effective() {
            return Err((
                Failure::Account,
                "the agent does not run as root and cannot be somebody else".to_owned(),
            ));
        }
        let c_name = CString::new(user.name.clone()).map_err(|_| (Failure::Account, "a NUL".to_owned()))?;
        let groups = getgrouplist(&c_name, user.gid).unwrap_or_else(|_| vec![user.gid]);
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid, groups, home: user.dir, shell: user.shell })
    }

    /// What the agent acts by where it answers for this account.
    pub fn numbers(&self) -> crate::behalf::Account {
        let groups = self.groups.iter().map(|group| group.as_raw()).collect();
        crate::behalf::Account { uid: self.uid.as_raw(), gid: self.gid.as_raw(), groups }
    }

    /// The file of the program.
    pub fn program(&self, wanted: Program) -> Result<PathBuf, Failed> {
        let named = match wanted {
            // passwd(5): an empty field means /bin/sh.
            Program::Login if self.shell.as_os_str().is_empty() => vec![PathBuf::from("/bin/sh")],
            Program::Login => vec![self.shell.clone()],
            Program::Bash => vec![PathBuf::from("/bin/bash"), PathBuf::from("/usr/bin/bash")],
            Program::Sh => vec![PathBuf::from("/bin/sh"), PathBuf::from("/usr/bin/sh")],
        };
        let usable =
            |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
        let shown = named.first().map(|path| path.display().to_string()).unwrap_or_default();
        named
            .into_iter()
            .find(usable)
            .ok_or_else(|| (Failure::Program, format!("{shown} is no program that can be started")))
    }

    /// Where the shell begins: what was asked for, or else what there is.
    pub fn directories(&self, asked: Option<&Path>) -> Vec<CString> {
        let own = [self.home.as_path(), Path::new("/")];
        let all: Vec<&Path> = match asked {
            Some(asked) => vec![asked],
            None => own.to_vec(),
        };
        all.into_iter().filter_map(|path| CString::new(path.as_os_str().as_bytes()).ok()).collect()
    }

    /// Its environment, and nothing of the agent's.
    pub fn environment<'a>(&'a self, program: &'a Path) -> [(&'static str, &'a OsStr); 7] {
        [
            ("PATH", OsStr::new(PATH)),
            ("TERM", OsStr::new(TERM)),
            ("LANG", OsStr::new("C.UTF-8")),
            ("HOME", self.home.as_os_str()),
            ("USER", OsStr::new(&self.name)),
            ("LOGNAME", OsStr::new(&self.name)),
            ("SHELL", program.as_os_str()),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn accounts_are_found_and_others_refused() {
        let own = Account::find(None).unwrap();
        assert!(own.groups.contains(&own.gid) && own.program(Program::Sh).is_ok());
        assert_eq!(Account::find(Some("nobody-of-this-name")).err().unwrap().0, Failure::Account);
        assert_eq!(own.directories(Some(Path::new("/tmp"))).len(), 1);
    }
}
