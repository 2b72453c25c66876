//! A running endpoint: its first process, the namespaces that live with it, and what is started inside.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use quell_host::namespace::{Network, on_a_thread};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::disk::Disk;
use crate::{Error, failed};

const BOOT_LIMIT: Duration = Duration::from_secs(20);
const END_LIMIT: Duration = Duration::from_secs(20);
/// Mounts that belong to one boot.
const VOLATILE: [&str; 4] = ["/proc", "/sys", "/run", "/tmp"];

/// The endpoint's first process: it mounts what belongs to a boot, then collects orphans until its input, which the
/// lab holds open, ends. When it goes the kernel ends every process of the endpoint. The boot number is the
/// machine's own in a namespace, so one is laid over it: to programs a reboot looks like one.
const INIT: &str = "set -e
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys 2>/dev/null || true
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
mkdir /run/lock
cat /proc/sys/kernel/random/uuid > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id 2>/dev/null || true
echo ready
exec 3<&0 0</dev/null 1>/dev/null 2>&1
while :; do cat <&3 & wait $! && exit 0; done";

pub(crate) struct Machine {
    init: std::process::Child,
    pidfd: OwnedFd,
    pub network: Network,
    children: Mutex<Vec<Weak<Inner>>>,
}

impl Machine {
    /// Starts an endpoint on its disk, with an empty network.
    pub fn boot(disk: &Disk) -> Result<Self, Error> {
        let (mut init, network) = on_a_thread(|| start(disk)).map_err(failed("start an endpoint"))?;
        let answer = first_line(&mut init);
        if answer.as_deref() != Some("ready") {
            let _ = init.kill();
            let mut reason = String::new();
            let _ = init.stderr.take().map(|e| e.take(4096).read_to_string(&mut reason));
            let _ = init.wait();
            return Err(Error::Boot(reason.lines().next().unwrap_or("no sign of life").to_owned()));
        }
        let pidfd = pidfd(init.id()).map_err(failed("watch a process"))?;
        Ok(Self { init, pidfd, network, children: Mutex::default() })
    }

    /// The first process, as the machine sees it.
    pub fn pid(&self) -> u32 {
        self.init.id()
    }

    /// Starts a program inside.
    pub fn spawn(&self, mut command: Command) -> Result<Child, Error> {
        let spaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWPID;
        let spawn = || {
            unshare(CloneFlags::CLONE_FS)?;
            setns(&self.pidfd, spaces)?;
            // A key press in the lab's terminal is not for the endpoints.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            command.spawn()
        };
        let mut child = on_a_thread(spawn).map_err(failed("start a program on an endpoint"))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pidfd = pidfd(child.id()).map_err(failed("watch a process"))?;
        let inner = Arc::new(Inner { pid: child.id(), pidfd, child: Mutex::new(child) });
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|c| c.strong_count() > 0);
        children.push(Arc::downgrade(&inner));
        Ok(Child { inner, stdin, stdout, stderr })
    }

    /// Ends every process at once, as a power cut does.
    pub fn stop(&mut self) {
        let _ = self.init.kill();
        // The first process can only go when those that we started are collected.
        let children = std::mem::take(&mut *self.children.lock().unwrap_or_else(PoisonError::into_inner));
        for child in children.iter().filter_map(Weak::upgrade) {
            let _ = child.wait(END_LIMIT);
        }
        let _ = self.init.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(disk: &Disk) -> io::Result<(std::process::Child, Network)> {
    let fresh =
        CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    unshare(fresh)?;
    let network = Network::current()?;
    setns(&disk.mounts, CloneFlags::CLONE_NEWNS)?;
    if disk.used.swap(true, Ordering::SeqCst) {
        for mount in VOLATILE {
            // What the last boot could not mount is not there to be taken away.
            let _ = umount2(mount, MntFlags::MNT_DETACH);
        }
    }
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    rustix::system::sethostname(name.trim().as_bytes())?;
    unshare(CloneFlags::CLONE_NEWPID)?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", INIT]).env_clear().env("PATH", PATH);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok((command.spawn()?, network))
}

/// Where programs are looked for on an endpoint.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn first_line(init: &mut std::process::Child) -> Option<String> {
    let stdout = init.stdout.as_mut()?;
    let mut line = Vec::new();
    let end = Instant::now() + BOOT_LIMIT;
    while line.last() != Some(&b'\n') && line.len() < 256 {
        let mut byte = [0];
        if !readable(stdout.as_fd(), end.saturating_duration_since(Instant::now()))
            || stdout.read(&mut byte).ok()? == 0
        {
            return None;
        }
        line.push(byte[0]);
    }
    String::from_utf8(line).ok().map(|l| l.trim().to_owned())
}

fn readable(fd: impl AsFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(rest.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) if !rest.is_zero() => {}
            Ok(ready) => return ready > 0,
            Err(_) => return false,
        }
    }
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// A program on an endpoint. It goes on when this value is dropped, and ends with its endpoint at the latest.
pub struct Child {
    inner: Arc<Inner>,
    /// The other end of its input, where it was piped.
    pub stdin: Option<ChildStdin>,
    /// The other end of its output, where it was piped.
    pub stdout: Option<ChildStdout>,
    /// The other end of its complaints, where they were piped.
    pub stderr: Option<ChildStderr>,
}

struct Inner {
    pid: u32,
    pidfd: OwnedFd,
    child: Mutex<std::process::Child>,
}

impl Inner {
    fn wait(&self, limit: Duration) -> Result<ExitStatus, Error> {
        if !readable(self.pidfd.as_fd(), limit) {
            return Err(Error::Timeout(format!("process {}", self.pid)));
        }
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.wait().map_err(failed("wait for a process"))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Ok(None) = child.try_wait() {
            // Somebody has to collect it, or its endpoint cannot end.
            let _ = self.pidfd.try_clone().map(|pidfd| collect(self.pid, pidfd));
        }
    }
}

/// Waits for a forgotten child on a thread of its own.
fn collect(pid: u32, pidfd: OwnedFd) {
    std::thread::spawn(move || {
        while !readable(pidfd.as_fd(), Duration::from_hours(1)) {}
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid as i32), None);
    });
}

impl Child {
    /// Its pid, as the machine sees it.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Waits until it ends, at most for `limit`.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus, Error> {
        self.inner.wait(limit)
    }

    /// Whether it still runs.
    pub fn running(&self) -> bool {
        !readable(self.inner.pidfd.as_fd(), Duration::ZERO)
    }

    /// Ends it by SIGKILL and collects it.
    pub fn kill(&self) -> Result<ExitStatus, Error> {
        self.inner
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kill()
            .map_err(failed("end a process"))?;
        self.inner.wait(END_LIMIT)
    }
}

/// A file in memory for a program's output: neither side can block the other.
pub(crate) fn scratch() -> Result<File, Error> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(File::from(rustix::fs::memfd_create("quell-lab", flags).map_err(failed("make a file in memory"))?))
}
