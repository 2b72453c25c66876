//! The file that shall run, opened and looked at, and the account that it shall run as.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::unistd::{User, getgrouplist};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Plan, Refusal};
use crate::file::{self, Error as FileError, Kind, Stat};

/// Bytes of a program.
const MOST: u64 = 2 << 30;

/// A program, open.
pub(super) struct Program {
    pub file: File,
    pub stat: Stat,
    pub resolved: PathBuf,
    pub sha256: [u8; 32],
    pub script: bool,
}

/// As whom it runs.
pub(super) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// `None`: the caller's own, as they are.
    pub groups: Option<Vec<u32>>,
    pub variables: Vec<(String, String)>,
}

pub(super) fn refusal(code: &str, message: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), message: message.into() }
}

impl Program {
    pub fn open(plan: &Plan) -> Result<Self, Refusal> {
        let path = &plan.program;
        file::check_path(path).map_err(|error| refusal("path_refused", error.to_string()))?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let handle = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
            .map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => refusal("not_found", "there is no such program"),
                errno => refusal("open_failed", format!("cannot open the program: {errno}")),
            })?;
        let (file, stat) = file::open_handle(&handle).map_err(|error| match error {
            FileError::NotRegular(Kind::Directory) => {
                refusal("is_directory", "it is a directory, not a program")
            }
            FileError::NotRegular(kind) => refusal("is_no_file", format!("it is {kind}, not a program")),
            error => refusal("open_failed", error.to_string()),
        })?;
        check(&handle, &file, &stat)?;
        let script = first_bytes(&file) == Some(*b"#!");
        let sha256 =
            hash(&file).map_err(|error| refusal("open_failed", format!("cannot read it: {error}")))?;
        if plan.sha256.is_some_and(|wanted| wanted != sha256) {
            let found = crate::hex(&sha256);
            return Err(refusal(
                "hash_mismatch",
                format!("its SHA-256 is {found}, another than was asked for"),
            ));
        }
        let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let resolved = rustix::fs::readlink(link, Vec::new()).map(CString::into_bytes).unwrap_or_default();
        Ok(Self { file, stat, resolved: OsString::from_vec(resolved).into(), sha256, script })
    }

    /// Nothing wrote to it since it was hashed.
    pub fn is_unchanged(&self) -> bool {
        file::stat(&self.file).is_ok_and(|is| {
            (is.size, is.mtime, is.ctime) == (self.stat.size, self.stat.mtime, self.stat.ctime)
        })
    }
}

fn check(handle: &OwnedFd, file: &File, stat: &Stat) -> Result<(), Refusal> {
    if stat.mode & 0o111 == 0 {
        return Err(refusal("not_executable", "nobody may execute it: it has no such permission"));
    }
    if stat.mode & 0o6000 != 0 || has_capabilities(file) {
        let message = "it is set-user-ID, set-group-ID or has capabilities: it would run as somebody else than was asked";
        return Err(refusal("is_setuid", message));
    }
    if stat.size > MOST {
        return Err(refusal("too_large", format!("it has {} bytes, and {MOST} are allowed", stat.size)));
    }
    let system = rustix::fs::fstatvfs(handle).map_err(|errno| refusal("open_failed", errno.to_string()))?;
    if system.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(refusal(
            "noexec_mount",
            "its file system is mounted so that nothing there may be executed",
        ));
    }
    Ok(())
}

fn has_capabilities(file: &File) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::fgetxattr(file, c"security.capability", &mut none).is_ok_and(|size| size > 0)
}

fn first_bytes(file: &File) -> Option<[u8; 2]> {
    let mut bytes = [0; 2];
    file.read_exact_at(&mut bytes, 0).ok().map(|()| bytes)
}

fn hash(file: &File) -> std::io::Result<[u8; 32]> {
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0u8; 128 << 10], 0);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
                if at > MOST {
                    return Err(std::io::ErrorKind::FileTooLarge.into());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Account {
    pub fn of(name: Option<&str>) -> Result<Self, Refusal> {
        let own = rustix::process::geteuid();
        let found = match name {
            Some(name) => User::from_name(name),
            None => User::from_uid(own.as_raw().into()),
        };
        let found =
            found.map_err(|errno| refusal("user_unknown", format!("cannot look the user up: {errno}")))?;
        let user = match (found, name) {
            (Some(user), _) => user,
            (None, Some(_)) => return Err(refusal("user_unknown", "the endpoint has no such user")),
            (None, None) => return Ok(Self::nameless(own.as_raw())),
        };
        if user.uid.as_raw() != own.as_raw() && !own.is_root() {
            return Err(refusal(
                "permission",
                "the agent does not run as root and can start nothing as somebody else",
            ));
        }
        let groups = match name {
            Some(_) => {
                let name = CString::new(user.name.as_str())
                    .map_err(|_| refusal("user_unknown", "its name cannot be used"))?;
                let groups = getgrouplist(&name, user.gid).map_err(|errno| {
                    refusal("user_unknown", format!("cannot look its groups up: {errno}"))
                })?;
                Some(groups.iter().map(|group| group.as_raw()).collect())
            }
            None => None,
        };
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let variables = [
            ("HOME", text(user.dir)),
            ("USER", user.name.clone()),
            ("LOGNAME", user.name),
            ("SHELL", text(user.shell)),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups, variables })
    }

    fn nameless(uid: u32) -> Self {
        let gid = rustix::process::getegid().as_raw();
        Self { uid, gid, groups: None, variables: vec![("HOME".to_owned(), "/".to_owned())] }
    }
}
