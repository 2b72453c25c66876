//! How much the process may use, and how little it matters to the system.

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

use super::{Error, Limits};

/// Address space beyond its own memory, for files that it maps. Bytes.
const MAPPED: u64 = 64 << 30;
/// `IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT` (ioprio_set(2)).
const IDLE: libc::c_int = 3 << 13;

/// The first that the kernel takes when memory ends; last in line for processor and disk where asked. All of it is
/// a courtesy, so nothing here fails.
pub(super) fn lower_standing(background: bool) {
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    if background {
        let _ = setpriority_process(None, 19);
        // SAFETY: three plain numbers: IOPRIO_WHO_PROCESS, this process, the class.
        unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, IDLE) };
    }
}

pub(super) fn set(limits: &Limits) -> Result<(), Error> {
    let seconds = limits.cpu.as_secs().max(1);
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // The soft limit sends SIGXCPU, by which the parent knows; the hard one kills whoever ignores that.
    let cpu = Rlimit { current: Some(seconds), maximum: Some(seconds + 1) };
    let all = [
        ("core files", Resource::Core, both(0)),
        ("the size of files", Resource::Fsize, both(0)),
        ("locked memory", Resource::Memlock, both(0)),
        ("message queues", Resource::Msgqueue, both(0)),
        ("descriptors", Resource::Nofile, both(u64::from(limits.descriptors))),
        ("processor time", Resource::Cpu, cpu),
        // Counts heap and private writable mappings (setrlimit(2)); the filter refuses the kinds of mapping that it does
        // not count.
        ("memory", Resource::Data, both(limits.memory)),
        ("address space", Resource::As, both(limits.memory.saturating_add(MAPPED))),
    ];
    for (what, resource, limit) in all {
        setrlimit(resource, limit).map_err(|errno| Error::Limit { what, source: errno.into() })?;
    }
    Ok(())
}

/// After the change of user, whose other processes would otherwise count.
pub(super) fn no_processes() -> Result<(), Error> {
    setrlimit(Resource::Nproc, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|errno| Error::Limit { what: "processes", source: errno.into() })
}
