//! Which memory of a process can be read without waiting for a stranger: what is mapped from a file of a server that does
//! not answer keeps whoever reads it for ever, and no signal ends that.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::MemfdFlags;

use super::Proc;
use crate::guard::answering;

/// Devices (major, minor) whose files answer.
#[derive(Debug)]
pub(crate) struct Backing {
    known: HashSet<(u32, u32)>,
}

impl Backing {
    /// As a process sees them: what is mounted here, what root mounted where that process is, and what the kernel keeps for
    /// itself. Anything else is a stranger's.
    pub fn of(process: &Proc) -> Self {
        let mut known: HashSet<(u32, u32)> = kernels().into_iter().collect();
        for device in answering(process.as_fd()) {
            let Some((major, minor)) = device.split_once(':') else { continue };
            if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) {
                known.insert((major, minor));
            }
        }
        Self { known }
    }

    /// Whether a mapping may be read, by its device as `/proc/PID/maps` has it: `fe:00`, and `00:00` where there is no file.
    pub fn answers(&self, device: &[u8]) -> bool {
        let parsed = || {
            let (major, minor) = std::str::from_utf8(device).ok()?.split_once(':')?;
            Some((u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
        };
        parsed().is_some_and(|device| device == (0, 0) || self.known.contains(&device))
    }
}

/// File systems that are mounted nowhere: shared memory, huge pages, and what a descriptor alone leads to.
fn kernels() -> Vec<(u32, u32)> {
    let made: [Option<OwnedFd>; 3] = [
        rustix::fs::memfd_create(c"quell", MemfdFlags::CLOEXEC).ok(),
        rustix::fs::memfd_create(c"quell", MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB).ok(),
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).ok(),
    ];
    let device = |file: OwnedFd| {
        let device = rustix::fs::fstat(file).ok()?.st_dev;
        Some((rustix::fs::major(device), rustix::fs::minor(device)))
    };
    made.into_iter().flatten().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_this_process_has_mapped_answers() {
        let backing = Backing::of(&Proc::open(std::process::id()).unwrap().unwrap());
        for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
            let device = line.split(' ').nth(3).unwrap();
            assert!(backing.answers(device.as_bytes()), "{line}");
        }
        for odd in ["", "00", "ff:fffff", "0:0:0", "x:y"] {
            assert!(!backing.answers(odd.as_bytes()), "{odd}");
        }
    }
}
