//! The memory of a process as something to read: what is really there, and a descriptor to read it by.
//!
//! Mappings that nobody may read, devices' registers and reservations that were never touched are left out and counted:
//! a runtime may reserve a hundred gigabytes and use ten megabytes of them. So are mappings of files that may keep their
//! reader waiting for ever.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;

use super::{Backing, Error, Identity, Proc};

/// Ranges of one process. More are cut off, and said so.
const RANGES: usize = 100_000;
/// Bytes of the list of mappings that are read; each takes about 800.
const LIST: u64 = 128 << 20;
/// Mappings from this size on are looked at page by page. Bytes.
const LARGE: u64 = 32 << 20;
/// Pages of one look at the page map.
const LOOK: usize = 64 << 10;
/// Pages of a mapping that are looked at: 64 GiB of 4 KiB pages each.
const PAGES: u64 = 16 << 20;
/// Holes up to so many pages do not part a range.
const GAP: u64 = 16;

/// Memory of one process.
#[derive(Debug)]
pub struct Memory {
    /// Its `/proc/PID/mem`, which stays with this very memory whatever becomes of the pid.
    pub file: OwnedFd,
    /// Addresses and lengths of what is there, ascending.
    pub ranges: Vec<(u64, u64)>,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes of mappings that nobody may read.
    pub unreadable: u64,
    /// Mappings of files whose file system may not answer: another machine's, or served by a program of any user's. Their
    /// bytes count as `unreadable`.
    pub foreign: u64,
    /// Bytes that are reserved and were never touched.
    pub untouched: u64,
    /// There were more ranges than are held.
    pub cut: bool,
}

/// Opens the memory of a process. Nothing of the process is stopped or changed.
///
/// A zombie and a thread of the kernel have no memory: both come back with no ranges.
pub fn open_memory(process: Identity) -> Result<Memory, Error> {
    let Identity { pid, start_time: expected } = process;
    let proc = Proc::open(pid)?.ok_or(Error::NoSuchProcess { pid })?;
    // Through this directory only this one process is seen, so one look at its start time is enough.
    let row = proc.row()?.ok_or(Error::NoSuchProcess { pid })?;
    if row.start_time != expected {
        return Err(Error::Reused { pid, expected, found: row.start_time });
    }
    let open = |name: &'static str| {
        proc.open_at(name, OFlags::RDONLY)
            .map_err(|errno| Error::Unreadable { what: "the memory of a process", source: errno.into() })
    };
    let (file, list) = (open("mem")?, open("smaps")?);
    let pages = proc.open_at("pagemap", OFlags::RDONLY).ok().map(File::from);
    let mut memory =
        Memory { file, ranges: Vec::new(), bytes: 0, unreadable: 0, foreign: 0, untouched: 0, cut: false };
    // Before the list: what is mounted later is none of it, and is left out.
    let backing = Backing::of(&proc);
    let mut list = BufReader::with_capacity(64 << 10, std::io::Read::take(File::from(list), LIST));
    let mut line = Vec::new();
    let mut mapping: Option<Mapping> = None;
    // A process that ends meanwhile has no more mappings: the list ends.
    while {
        line.clear();
        list.read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
    } {
        if let Some(next) = Mapping::parse(&line, &|device| backing.answers(device)) {
            memory.take(mapping.replace(next), pages.as_ref());
        } else if let Some(mapping) = &mut mapping {
            mapping.note(&line);
        }
    }
    memory.take(mapping, pages.as_ref());
    Ok(memory)
}

/// One mapping, as a line of `/proc/PID/smaps` begins it (proc_pid_smaps(5)).
#[derive(Debug, Clone, Copy)]
struct Mapping {
    start: u64,
    end: u64,
    readable: bool,
    /// Registers of devices, and what the kernel does not let others read.
    special: bool,
    foreign: bool,
    present: u64,
}

impl Mapping {
    fn parse(line: &[u8], answers: &dyn Fn(&[u8]) -> bool) -> Option<Self> {
        // Addresses and rights are ASCII; the name behind them may be anything.
        let text = String::from_utf8_lossy(&line[..line.len().min(64)]);
        let (range, rest) = text.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        // Range, rights, offset, device, inode, and then the name. A file may be called `/tmp/h[vvar]`, or `/tmp/h [vvar]`.
        let name = line.splitn(6, |byte| *byte == b' ').nth(5).unwrap_or_default().trim_ascii();
        let special = [&b"[vvar]"[..], b"[vvar_vclock]", b"[vsyscall]"].contains(&name);
        let device = line.splitn(6, |byte| *byte == b' ').nth(3).unwrap_or_default();
        let foreign = !answers(device);
        Some(Self { start, end, readable: rest.starts_with('r'), special, foreign, present: 0 })
    }

    /// A line of its details.
    fn note(&mut self, line: &[u8]) {
        for name in [&b"Rss:"[..], b"Swap:"] {
            if let Some(rest) = line.strip_prefix(name) {
                let number = std::str::from_utf8(rest)
                    .ok()
                    .and_then(|text| text.split_ascii_whitespace().next()?.parse::<u64>().ok());
                self.present = self.present.saturating_add(number.unwrap_or(0) << 10);
            }
        }
        // `io` is memory of a device, where reading may do things; `pf` are raw page frames.
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            self.special |= flags.split(u8::is_ascii_whitespace).any(|flag| flag == b"io" || flag == b"pf");
        }
    }
}

impl Memory {
    fn take(&mut self, mapping: Option<Mapping>, pages: Option<&File>) {
        let Some(mapping) = mapping else { return };
        let length = mapping.end.saturating_sub(mapping.start);
        if mapping.foreign {
            self.foreign += 1;
        }
        if !mapping.readable || mapping.special || mapping.foreign {
            self.unreadable = self.unreadable.saturating_add(length);
        } else if mapping.present == 0 {
            self.untouched = self.untouched.saturating_add(length);
        } else if let (true, Some(pages)) = (length >= LARGE, pages) {
            self.touched(mapping, pages);
        } else {
            self.push(mapping.start, length);
        }
    }

    fn push(&mut self, start: u64, length: u64) {
        if self.ranges.len() == RANGES {
            self.cut = true;
            return;
        }
        self.ranges.push((start, length));
        self.bytes = self.bytes.saturating_add(length);
    }

    /// Of a large mapping only the pages that are in memory or swapped out: bits 63 and 62 of their entries in
    /// `/proc/PID/pagemap` (proc_pid_pagemap(5)).
    fn touched(&mut self, mapping: Mapping, pages: &File) {
        let page = page_size();
        let (first, last) = (mapping.start / page, mapping.end / page);
        let end = last.min(first.saturating_add(PAGES));
        self.cut |= end < last;
        let before = self.bytes;
        let mut buffer = vec![0u8; LOOK * 8];
        let (mut at, mut run): (u64, Option<(u64, u64)>) = (first, None);
        while at < end {
            let count = (end - at).min(LOOK as u64) as usize;
            let read = pages.read_at(&mut buffer[..count * 8], at * 8).unwrap_or(0) / 8;
            if read == 0 {
                break;
            }
            for (index, entry) in buffer[..read * 8].as_chunks::<8>().0.iter().enumerate() {
                if u64::from_ne_bytes(*entry) >> 62 == 0 {
                    continue;
                }
                let here = at + index as u64;
                run = match run {
                    Some((from, to)) if here - to <= GAP => Some((from, here + 1)),
                    other => {
                        if let Some((from, to)) = other {
                            self.push(from * page, (to - from) * page);
                        }
                        Some((here, here + 1))
                    }
                };
            }
            at += read as u64;
        }
        if let Some((from, to)) = run {
            self.push(from * page, (to - from) * page);
        }
        let taken = self.bytes - before;
        self.untouched = self.untouched.saturating_add((mapping.end - mapping.start).saturating_sub(taken));
    }
}

fn page_size() -> u64 {
    // SAFETY: a plain number in, a plain number out.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parsed(line: &[u8]) -> Option<Mapping> {
        Mapping::parse(line, &|device| device != b"00:50")
    }

    #[test]
    fn mappings_are_read_as_they_are_written() {
        let line = b"7f00-7fff rw-p 00000000 00:00 0                          [heap]\n";
        let mut mapping = parsed(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.readable), (0x7f00, 0x7fff, true));
        mapping.note(b"Rss:                  12 kB\n");
        mapping.note(b"Swap:                  4 kB\n");
        mapping.note(b"SwapPss:               4 kB\n");
        assert_eq!(mapping.present, 16 << 10);
        mapping.note(b"VmFlags: rd wr mr mw me io ac \n");
        assert!(mapping.special);
        assert!(!parsed(b"1000-2000 ---p 00000000 00:00 0 \n").unwrap().readable);
        assert!(parsed(b"1000-2000 r--p 00000000 00:00 0    [vvar]\n").unwrap().special);
        for name in ["/tmp/h[vvar]", "/tmp/h [vvar]", "[anon: [vvar]", "/[vsyscall]"] {
            let line = format!("1000-2000 r-xp 00000000 08:01 12                 {name}\n");
            assert!(!parsed(line.as_bytes()).unwrap().special, "{name}");
        }
        assert!(parsed(b"Rss:    4 kB\n").is_none());
        assert!(parsed(b"THPeligible:    0\n").is_none());
        assert!(parsed(b"\xff\xfe\n").is_none());
        let odd = [&b"1000-2000 r--p 00000000 08:01 12  /a/"[..], &[0xc3; 300], b"\n"].concat();
        assert!(parsed(&odd).is_some());
        let foreign = |line: &[u8]| parsed(line).unwrap().foreign;
        assert!(foreign(b"1000-2000 r--p 00000000 00:50 1 /tmp/x\n") && !foreign(line));
    }

    #[test]
    fn a_large_reservation_is_not_read_and_what_was_touched_in_it_is() {
        let own = Identity::own().unwrap();
        let mut held = Vec::<u8>::new();
        // Reserved, not touched: 8 GiB.
        held.try_reserve_exact(8 << 30).unwrap();
        let base = held.as_ptr() as u64;
        held.resize(1 << 20, 7);
        let memory = open_memory(own).unwrap();
        let inside: Vec<_> = memory
            .ranges
            .iter()
            .filter(|(start, length)| *start < base + (8 << 30) && start + length > base)
            .collect();
        let bytes: u64 = inside.iter().map(|(_, length)| length).sum();
        assert!((1 << 20..64 << 20).contains(&bytes), "{bytes} in {}", inside.len());
        assert!(memory.untouched >= 7 << 30);
        assert!(memory.unreadable > 0, "the kernel's own pages are left out");
        let file = File::from(memory.file);
        let mut first = [0; 16];
        file.read_exact_at(&mut first, base).unwrap();
        assert_eq!(first, [7; 16]);
        let other = Identity { start_time: own.start_time + 1, ..own };
        assert!(matches!(open_memory(other), Err(Error::Reused { .. })));
    }
}
