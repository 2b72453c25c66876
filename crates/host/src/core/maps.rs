//! What a process has mapped, and which pages of it exist: `/proc/PID/smaps` for the mappings, the page map for the
//! pages. A page that was never touched is not read, for reading would make it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Mappings of one process at most; the system's own bound (`vm.max_map_count`) is 65,530 unless it was raised.
const MOST_MAPPINGS: usize = 1_000_000;
/// Bytes of a line of `smaps`: a path of 4 KiB, with every byte escaped.
const LINE: u64 = 20 << 10;
/// Regions told by one call.
const REGIONS: usize = 512;
/// Entries of the page map read at once.
const ENTRIES: usize = 8192;

/// `PAGEMAP_SCAN` of linux/fs.h: `_IOWR('f', 16, struct pm_scan_arg)` of 96 bytes (Linux 6.7).
const PAGEMAP_SCAN: u32 = 0xc060_6610;
const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
const IS_ZERO: u64 = 1 << 5;
/// Bits of an entry of the page map (Documentation/admin-guide/mm/pagemap.rst).
const ENTRY_PRESENT: u64 = 1 << 63;
const ENTRY_SWAPPED: u64 = 1 << 62;
const ENTRY_FILE: u64 = 1 << 61;

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub start: u64,
    pub end: u64,
    pub read: bool,
    pub write: bool,
    pub exec: bool,
    pub offset: u64,
    pub inode: u64,
    /// As the kernel shows it, escapes undone; empty for anonymous memory.
    pub name: Vec<u8>,
    /// Bytes that are somewhere: in memory or in swap.
    pub held: u64,
    /// `MADV_DONTDUMP`.
    pub dont_dump: bool,
    /// Memory of a device, which may answer to being read.
    pub device: bool,
    /// Of a file whose file system may keep the reader waiting for ever.
    pub foreign: bool,
}

impl Mapping {
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Of a file, also one that is deleted or never had a name (memfd).
    pub fn of_file(&self) -> bool {
        self.inode != 0
    }

    /// The kernel's own pages, the same in every process, and some of them unreadable.
    fn of_kernel(&self) -> bool {
        matches!(self.name.as_slice(), b"[vvar]" | b"[vvar_vclock]" | b"[vsyscall]")
    }

    /// Whether its pages are looked at.
    pub fn is_wanted(&self, honour_dontdump: bool) -> bool {
        !(self.device || self.foreign || self.of_kernel() || honour_dontdump && self.dont_dump)
    }
}

/// The mappings of the process whose directory is behind `smaps` (or `maps`, which tells no details), in order. `answers`
/// says whether the files of a device can be read.
pub(super) fn mappings(smaps: OwnedFd, answers: &dyn Fn(&[u8]) -> bool) -> io::Result<Vec<Mapping>> {
    let mut reader = BufReader::with_capacity(64 << 10, File::from(smaps));
    let mut all: Vec<Mapping> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(all);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(mapping) = head(text, answers) {
            if all.len() == MOST_MAPPINGS {
                return Err(io::Error::other("it has more than a million mappings"));
            }
            all.push(mapping);
        } else if let Some(last) = all.last_mut() {
            detail(last, text);
        }
    }
}

/// `559c…-559c… r--p 00000000 fe:00 247026      /usr/bin/cat`.
fn head(line: &[u8], answers: &dyn Fn(&[u8]) -> bool) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut next = || fields.next();
    let range = std::str::from_utf8(next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let number = |text: &str, radix| u64::from_str_radix(text, radix).ok();
    let (start, end) = (number(start, 16)?, number(end, 16)?);
    let &[read, write, exec, _] = next()? else { return None };
    let offset = number(std::str::from_utf8(next()?).ok()?, 16)?;
    let foreign = !answers(next()?);
    let inode = number(std::str::from_utf8(next()?).ok()?, 10)?;
    let name = fields.next().unwrap_or_default().trim_ascii_start();
    (start < end).then(|| Mapping {
        start,
        end,
        read: read == b'r',
        write: write == b'w',
        exec: exec == b'x',
        offset,
        inode,
        name: unescaped(name),
        held: 0,
        dont_dump: false,
        device: false,
        foreign,
    })
}

fn detail(mapping: &mut Mapping, line: &[u8]) {
    let kilobytes =
        |line: &[u8]| std::str::from_utf8(line).ok()?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
    if let Some(rest) = line.strip_prefix(b"Rss:").or_else(|| line.strip_prefix(b"Swap:")) {
        mapping.held = mapping.held.saturating_add(kilobytes(rest).unwrap_or(0) << 10);
    } else if let Some(rest) =
        line.strip_prefix(b"Private_Hugetlb:").or_else(|| line.strip_prefix(b"Shared_Hugetlb:"))
    {
        // Huge pages of their own file system are not in Rss.
        mapping.held = mapping.held.saturating_add(kilobytes(rest).unwrap_or(0) << 10);
    } else if let Some(flags) = line.strip_prefix(b"VmFlags:") {
        for flag in flags.split(|byte| *byte == b' ') {
            match flag {
                b"dd" => mapping.dont_dump = true,
                b"io" | b"pf" => mapping.device = true,
                _ => {}
            }
        }
    }
}

/// The kernel writes a line feed in a path as `\012`.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        if let Some(tail) = rest.strip_prefix(b"\\012") {
            out.push(b'\n');
            rest = tail;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// A stretch of pages that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub start: u64,
    pub end: u64,
}

/// Looks which pages of a mapping exist. Stretches that lie closer together than `gap` bytes are taken as one where
/// what lies between is zeros: fewer, longer pieces.
pub(super) struct Pages {
    map: File,
    page: u64,
    scans: bool,
}

/// struct pm_scan_arg of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// struct page_region of linux/fs.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

impl Pages {
    pub fn new(pagemap: OwnedFd, page: u64) -> Self {
        Self { map: File::from(pagemap), page, scans: true }
    }

    /// Stretches in order. `files` also takes pages that are still as they are in the mapped file.
    pub fn of(&mut self, mapping: &Mapping, files: bool) -> io::Result<Vec<Range>> {
        if mapping.held == 0 {
            return Ok(Vec::new());
        }
        let is_wanted = |categories: u64| {
            let exists = categories & (IS_PRESENT | IS_SWAPPED) != 0;
            exists && categories & IS_ZERO == 0 && (files || categories & IS_FILE == 0)
        };
        let mut all = Vec::new();
        let mut add = |region: Region| {
            if is_wanted(region.categories) {
                joined(&mut all, Range { start: region.start, end: region.end });
            }
        };
        if self.scans {
            match self.scan(mapping, &mut add) {
                // A kernel before 6.7.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
                    self.scans = false;
                }
                done => return done.map(|()| all),
            }
        }
        self.read(mapping, &mut add)?;
        Ok(all)
    }

    fn scan(&self, mapping: &Mapping, add: &mut dyn FnMut(Region)) -> io::Result<()> {
        let mut regions = [Region::default(); REGIONS];
        let mut at = mapping.start;
        while at < mapping.end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                start: at,
                end: mapping.end,
                vec: regions.as_mut_ptr() as u64,
                vec_len: REGIONS as u64,
                category_anyof_mask: IS_PRESENT | IS_SWAPPED,
                return_mask: IS_PRESENT | IS_SWAPPED | IS_ZERO | IS_FILE,
                ..Scan::default()
            };
            // SAFETY: `scan` and the `REGIONS` regions that it points to live through the call, which writes no
            // more of them than it was told.
            let found = unsafe {
                libc::ioctl(
                    self.map.as_raw_fd(),
                    libc::Ioctl::from(PAGEMAP_SCAN),
                    std::ptr::from_mut(&mut scan),
                )
            };
            if found < 0 {
                return Err(io::Error::last_os_error());
            }
            for region in regions.iter().take(found as usize) {
                add(*region);
            }
            if scan.walk_end <= at {
                return Ok(());
            }
            at = scan.walk_end;
        }
        Ok(())
    }

    fn read(&self, mapping: &Mapping, add: &mut dyn FnMut(Region)) -> io::Result<()> {
        let mut buffer = vec![0u8; ENTRIES * 8];
        let mut at = mapping.start;
        while at < mapping.end {
            let pages = ((mapping.end - at) / self.page).min(ENTRIES as u64) as usize;
            let n = self.map.read_at(&mut buffer[..pages * 8], at / self.page * 8)?;
            if n < 8 {
                return Ok(());
            }
            let (entries, _) = buffer[..n].as_chunks::<8>();
            for entry in entries {
                let entry = u64::from_ne_bytes(*entry);
                let bit = |mask, category| if entry & mask == 0 { 0 } else { category };
                let categories = bit(ENTRY_PRESENT, IS_PRESENT)
                    | bit(ENTRY_SWAPPED, IS_SWAPPED)
                    | bit(ENTRY_FILE, IS_FILE);
                add(Region { start: at, end: at + self.page, categories });
                at += self.page;
            }
        }
        Ok(())
    }
}

fn joined(all: &mut Vec<Range>, next: Range) {
    match all.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => all.push(next),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        let line =
            b"7f00-8f00 r-xp 00002000 fe:00 247026                     /tmp/a b\\012VmFlags: dd (deleted)";
        let answers = |device: &[u8]| device != b"00:50";
        let mapping = head(line, &answers).unwrap();
        assert_eq!(
            (mapping.start, mapping.end, mapping.offset, mapping.inode),
            (0x7f00, 0x8f00, 0x2000, 247_026)
        );
        assert_eq!(mapping.name, b"/tmp/a b\nVmFlags: dd (deleted)");
        assert!(mapping.read && !mapping.write && mapping.exec);
        for line in
            [&b"Rss:  4 kB"[..], b"VmFlags: rd ex", b"", b"7f-", b"9-1 r--p 0 0:0 0", b"1-2 r-- 0 0:0 0"]
        {
            assert!(head(line, &answers).is_none(), "{line:?}");
        }
        let foreign = head(b"1-2 r--p 0 00:50 7 /x", &answers).unwrap();
        assert!(foreign.foreign && !foreign.is_wanted(false) && !mapping.foreign);
    }

    #[test]
    fn pages_of_this_process_are_known_without_touching_the_rest() {
        // SAFETY: a new private mapping of this test's own, unmapped at its end.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(std::ptr::null_mut(), 1 << 30, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        let address = start as u64;
        // SAFETY: within that mapping.
        unsafe { *start.cast::<u8>().add(5 * 4096) = 7 };
        let smaps = File::open("/proc/self/smaps").unwrap().into();
        let mapping = mappings(smaps, &|_| true)
            .unwrap()
            .into_iter()
            .find(|m| m.start <= address && address < m.end)
            .unwrap();
        for scans in [true, false] {
            let mut pages = Pages::new(File::open("/proc/self/pagemap").unwrap().into(), 4096);
            pages.scans = scans;
            let found = pages.of(&mapping, true).unwrap();
            let touched: u64 = found
                .iter()
                .filter(|range| range.start >= address && range.end <= address + (1 << 30))
                .map(|range| range.end - range.start)
                .sum();
            assert!((4096..=4 << 20).contains(&touched), "{scans}: {touched}");
        }
        // SAFETY: the mapping from above.
        unsafe { libc::munmap(start, 1 << 30) };
    }
}
