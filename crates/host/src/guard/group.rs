//! The kernel's side: one fanotify group, and marks on inodes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::fanotify::{
    EventFFlags, Fanotify, FanotifyEvent, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response,
};

use super::scope::Scope;

const EXEC: MaskFlags = MaskFlags::FAN_OPEN_EXEC_PERM;
const BOTH: MaskFlags = MaskFlags::FAN_OPEN_EXEC_PERM.union(MaskFlags::FAN_OPEN_PERM);
const WRITTEN: MaskFlags = MaskFlags::FAN_CLOSE_WRITE;
const NO_PATH: Option<&Path> = None;

/// An open group. When its last descriptor closes, the kernel lets everything pass that waits for an answer.
pub struct Group {
    fan: Fanotify,
    scope: Scope,
    /// The kernel knows marks that do not hold an inode in memory (5.19).
    evictable: AtomicBool,
}

impl Group {
    /// The queue keeps its usual bound: what does not fit passes, and the kernel says so.
    pub fn open(scope: Scope) -> io::Result<Self> {
        let flags = InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_CLASS_CONTENT
            | InitFlags::FAN_UNLIMITED_MARKS;
        let opened = EventFFlags::O_RDONLY
            | EventFFlags::O_LARGEFILE
            | EventFFlags::O_CLOEXEC
            | EventFFlags::O_NOATIME;
        let fan = Fanotify::init(flags, opened)?;
        Ok(Self { fan, scope, evictable: AtomicBool::new(true) })
    }

    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Everything that waits to be answered; empty where nothing does.
    pub fn read(&self) -> io::Result<Vec<FanotifyEvent>> {
        match self.fan.read_events() {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Vec::new()),
            events => Ok(events?),
        }
    }

    /// Answers; an answer that nobody waits for any more is none.
    pub fn answer(&self, event: &FanotifyEvent, allow: bool) {
        let Some(fd) = event.fd() else { return };
        let response = if allow { Response::FAN_ALLOW } else { Response::FAN_DENY };
        // ENOENT: the process was killed while it waited.
        let _ = self.fan.write_response(FanotifyResponse::new(fd, response));
    }

    /// From now on the kernel asks before a file of this mount, or of its file system, is executed.
    /// `mount` is a handle (`O_PATH`) of anything on it.
    pub fn watch(&self, mount: BorrowedFd<'_>) -> io::Result<()> {
        let what = match self.scope {
            Scope::FileSystems => MarkFlags::FAN_MARK_FILESYSTEM,
            Scope::Mounts => MarkFlags::FAN_MARK_MOUNT,
        };
        let place = format!("/proc/self/fd/{}", mount.as_raw_fd());
        Ok(self.fan.mark(MarkFlags::FAN_MARK_ADD | what, EXEC, rustix::fs::CWD, Some(Path::new(&place)))?)
    }

    /// Not to be asked about this inode until it is written. Where somebody has it open for writing, the kernel itself
    /// sets no such mark.
    ///
    /// A mapping that is written to is not noticed by that mark, so closing after writing is heard too.
    pub fn ignore(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        if self.evictable.load(Ordering::Relaxed) {
            match self.ignore_with(file, MarkFlags::FAN_MARK_EVICTABLE) {
                // EEXIST: a mark of another kind is there; it is asked about again, which is no harm.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    self.evictable.store(false, Ordering::Relaxed);
                }
                done => return done,
            }
        }
        self.ignore_with(file, MarkFlags::empty())
    }

    fn ignore_with(&self, file: BorrowedFd<'_>, how: MarkFlags) -> io::Result<()> {
        self.fan.mark(MarkFlags::FAN_MARK_ADD | how, WRITTEN, file, NO_PATH)?;
        let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_IGNORED_MASK | how;
        Ok(self.fan.mark(flags, EXEC, file, NO_PATH)?)
    }

    /// To be asked again.
    pub fn unignore(&self, file: BorrowedFd<'_>) {
        // ENOENT: there was no such mark.
        let flags = MarkFlags::FAN_MARK_REMOVE | MarkFlags::FAN_MARK_IGNORED_MASK;
        let _ = self.fan.mark(flags, EXEC, file, NO_PATH);
        let _ = self.fan.mark(MarkFlags::FAN_MARK_REMOVE, WRITTEN, file, NO_PATH);
    }

    /// To be asked about this inode before it is opened at all.
    pub fn block(&self, file: impl AsFd) -> io::Result<()> {
        self.unignore(file.as_fd());
        if !self.is_ours(file.as_fd()) {
            return Ok(());
        }
        Ok(self.fan.mark(MarkFlags::FAN_MARK_ADD, BOTH, file, NO_PATH)?)
    }

    /// Only before it is executed.
    pub fn unblock(&self, file: impl AsFd) {
        let _ = self.fan.mark(MarkFlags::FAN_MARK_REMOVE, BOTH, file, NO_PATH);
    }

    /// Forgets every mark on inodes. Mounts and file systems stay watched.
    pub fn flush(&self) {
        let flags = MarkFlags::FAN_MARK_FLUSH;
        let _ = self.fan.mark(flags, MaskFlags::empty(), rustix::fs::CWD, NO_PATH);
    }

    /// A mark on an inode is seen through every mount of it. Where only mounts are ours, a read-only one shows somebody
    /// else's files.
    fn is_ours(&self, file: BorrowedFd<'_>) -> bool {
        match self.scope {
            Scope::FileSystems => true,
            Scope::Mounts => rustix::fs::fstatvfs(file)
                .is_ok_and(|disk| !disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)),
        }
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fan.as_fd()
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.fan.as_raw_fd())
    }
}
