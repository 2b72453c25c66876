//! Every process with what a person needs to choose one: who runs it, since when, from what file, in which container.
//! One pass, a few small reads per process, one buffer for all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::time::Duration;

use super::procfs::{self, Proc};
use super::{Commands, Error, Executable, Identity, State};

/// Bytes read of a process's control groups.
const CGROUP: usize = 4 << 10;
/// Bytes read of the list of accounts.
const PASSWD: u64 = 4 << 20;

/// One process, as it stood when it was looked at.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Pid and start time.
    pub identity: Identity,
    /// Parent.
    pub parent: u32,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Bytes of memory that are resident.
    pub resident: u64,
    /// Short name.
    pub name: OsString,
    /// The executable.
    pub exe: Option<Executable>,
    /// The command line, arguments separated by blanks, lossy, at most [`super::COMMAND`] bytes. `None`: not asked for,
    /// or not read.
    pub command: Option<String>,
    /// Its control group (version 2), or the first with a name; empty for the root.
    pub cgroup: String,
    /// The container that the control group's name speaks of, as far as it does.
    pub container: Option<String>,
    /// What it does now.
    pub state: State,
    /// A thread of the kernel's own.
    pub kernel: bool,
    /// Threads.
    pub threads: u64,
    /// When it started, counted from 1970.
    pub started: Duration,
}

/// Tells every process, in the order of `/proc`, with its command line where `commands` reads it. Those that end meanwhile
/// are left out.
pub fn each(
    commands: Option<&Commands>,
    mut tell: impl FnMut(Listed) -> ControlFlow<()>,
) -> Result<(), Error> {
    let clock = Clock::now();
    let mut buffer = vec![0u8; 8 << 10];
    for pid in procfs::pids()? {
        let Some(proc) = Proc::open(pid?)? else { continue };
        // One that cannot be looked at is not one that is not there; but it is one that nothing can be said about.
        let Ok(Some(row)) = proc.row() else { continue };
        let (uid, resident) = status(&proc, &mut buffer);
        let command = commands.and_then(|commands| {
            if row.kernel { Some(String::new()) } else { commands.line(&proc, row.identity()) }
        });
        let cgroup = cgroup(&proc, &mut buffer);
        let listed = Listed {
            identity: row.identity(),
            parent: row.ppid,
            uid,
            resident,
            exe: if row.kernel { None } else { proc.exe() },
            command,
            container: container(&cgroup),
            cgroup,
            state: row.state,
            kernel: row.kernel,
            threads: row.threads,
            started: clock.time(row.start_time),
            name: row.name,
        };
        if tell(listed).is_break() {
            break;
        }
    }
    Ok(())
}

/// Names of accounts by user id, as `/etc/passwd` has them. Accounts of a directory service are not in it.
pub fn accounts() -> BTreeMap<u32, String> {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open("/etc/passwd") {
        let _ = file.take(PASSWD).read_to_end(&mut bytes);
    }
    let mut names = BTreeMap::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
            // The first one counts, as for the system itself.
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// Effective user id and resident memory.
fn status(proc: &Proc, buffer: &mut [u8]) -> (Option<u32>, u64) {
    let (mut uid, mut resident) = (None, 0);
    let Ok(len) = proc.read("status", buffer) else { return (None, 0) };
    // The kernel escapes line feeds in the name, which comes first.
    for line in buffer[..len].split(|byte| *byte == b'\n') {
        let word =
            |rest: &[u8], at| std::str::from_utf8(rest).ok()?.split_ascii_whitespace().nth(at)?.parse().ok();
        if let Some(rest) = line.strip_prefix(b"Uid:") {
            uid = word(rest, 1).and_then(|uid: u64| u32::try_from(uid).ok());
        } else if let Some(rest) = line.strip_prefix(b"VmRSS:") {
            resident = word(rest, 0).unwrap_or(0) << 10;
        }
    }
    (uid, resident)
}

/// The line of version 2 (`0::/…`), else the first that names a group.
pub(super) fn cgroup(proc: &Proc, buffer: &mut [u8]) -> String {
    let Ok(len) = proc.read("cgroup", &mut buffer[..CGROUP]) else { return String::new() };
    let text = String::from_utf8_lossy(&buffer[..len]);
    let group = |line: &str| line.splitn(3, ':').nth(2).filter(|path| *path != "/").map(str::to_owned);
    let unified = text.lines().find(|line| line.starts_with("0::")).and_then(group);
    unified.or_else(|| text.lines().find_map(group)).unwrap_or_default()
}

/// The id that container engines put into the name of a group: 64 hex digits, with a prefix and `.scope` or without.
pub(super) fn container(cgroup: &str) -> Option<String> {
    cgroup.rsplit('/').find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit(['-', ':']).next()?;
        (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    })
}

/// The time of day, for a fact about the system: what is told is when something was seen on this machine.
pub(crate) fn since_1970() -> Duration {
    clock(rustix::time::ClockId::Realtime)
}

fn clock(which: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(which);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), time.tv_nsec as u32)
}

/// From ticks since boot to a time of day.
struct Clock {
    boot: Duration,
    ticks: u64,
}

impl Clock {
    fn now() -> Self {
        let (now, since) = (since_1970(), clock(rustix::time::ClockId::Boottime));
        // SAFETY: takes no pointer.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Self { boot: now.saturating_sub(since), ticks: u64::try_from(ticks).unwrap_or(100).max(1) }
    }

    fn time(&self, start: u64) -> Duration {
        let (whole, part) = (start / self.ticks, start % self.ticks);
        self.boot + Duration::from_secs(whole) + Duration::from_millis(part * 1000 / self.ticks)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn this_process_is_listed_as_it_is() {
        let mut found = None;
        each(Some(&Commands::new()), |listed| {
            if listed.identity.pid == std::process::id() {
                found = Some(listed);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let found = found.unwrap();
        assert_eq!(found.identity, Identity::own().unwrap());
        assert_eq!(found.uid, Some(rustix::process::geteuid().as_raw()));
        assert_eq!(found.exe.unwrap().path, std::env::current_exe().unwrap());
        assert!(found.command.is_some_and(|command| command.starts_with('/')));
        assert!(found.resident > 100_000 && found.threads >= 1 && !found.kernel);
        let now = since_1970();
        assert!(now.abs_diff(found.started) < Duration::from_hours(1));
        assert_eq!(accounts().get(&0).map(String::as_str), Some("root"));
    }

    #[test]
    fn containers_are_known_by_their_groups() {
        let id = "0123456789abcdef".repeat(4);
        for group in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
        ] {
            assert_eq!(container(&group).as_deref(), Some(id.as_str()), "{group}");
        }
        assert_eq!(container("/user.slice/user-1000.slice/session-2.scope"), None);
    }
}
