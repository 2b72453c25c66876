//! The core file's own bytes: ELF header, program headers, notes. Only what is written once, in order; the memory
//! follows from elsewhere.
//!
//! Sources: elf(5), core(5), and the kernel's include/uapi/linux/elf.h and include/linux/elfcore.h for the notes.

use super::maps::{Mapping, Range};
use super::threads::{GENERAL, PRSTATUS, Snapshot, Thread};

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// More program headers than a 16-bit field counts: then section 0 does.
const PN_XNUM: usize = 0xffff;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(not(target_arch = "x86_64"))]
const MACHINE: u16 = 183;
/// Bytes of all register notes; beyond, threads keep their general registers only, and then none.
const NOTES: usize = 64 << 20;

/// One program header of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub start: u64,
    /// Bytes that stand in the file.
    pub filed: u64,
    /// Bytes of address space.
    pub size: u64,
    flags: u32,
}

/// Who the process is, for the notes.
#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    pub pid: u32,
    pub ppid: u32,
    pub group: u32,
    pub session: u32,
    pub uid: u32,
    pub gid: u32,
    pub state: u8,
    pub name: Vec<u8>,
    pub arguments: Vec<u8>,
    pub auxv: Vec<u8>,
}

/// The segments of one mapping: what exists stands in the file, what does not has an address and no bytes. Stretches
/// closer than `gap` bytes are one, with what lies between read as well, where that is private memory.
pub(super) fn segments(mapping: &Mapping, ranges: &[Range], gap: u64, out: &mut Vec<Segment>) {
    let flag = |is, bit| if is { bit } else { 0 };
    let flags = flag(mapping.read, 4) | flag(mapping.write, 2) | flag(mapping.exec, 1);
    // Between pages of a file lie pages of that file: whoever reads the core takes them from there, and not as zeros.
    let gap = if mapping.of_file() { 0 } else { gap };
    let mut merged: Vec<Range> = Vec::new();
    for range in ranges {
        let range = Range { start: range.start.max(mapping.start), end: range.end.min(mapping.end) };
        match merged.last_mut() {
            Some(last) if range.start.saturating_sub(last.end) <= gap => last.end = range.end,
            _ => merged.push(range),
        }
    }
    let mut at = mapping.start;
    for range in merged {
        if range.start > at {
            out.push(Segment { start: at, filed: 0, size: range.start - at, flags });
        }
        let filed = range.end - range.start;
        out.push(Segment { start: range.start, filed, size: filed, flags });
        at = range.end;
    }
    if at < mapping.end {
        out.push(Segment { start: at, filed: 0, size: mapping.end - at, flags });
    }
}

/// Everything before the memory. The memory of the segments follows, each from a page's beginning on.
pub(super) fn prelude(segments: &[Segment], notes: &[u8], page: u64) -> Vec<u8> {
    let count = segments.len() + 1;
    let is_many = count >= PN_XNUM;
    let sections = if is_many { SECTION_HEADER } else { 0 };
    let notes_at = HEADER + sections + count * PROGRAM_HEADER;
    let data_at = ((notes_at + notes.len()) as u64).next_multiple_of(page);
    let mut out = Bytes::default();
    out.raw(b"\x7fELF\x02\x01\x01").raw(&[0; 9]);
    out.u16(ET_CORE).u16(MACHINE).u32(1).u64(0);
    out.u64((HEADER + sections) as u64).u64(if is_many { HEADER as u64 } else { 0 });
    out.u32(0).u16(HEADER as u16).u16(PROGRAM_HEADER as u16);
    out.u16(if is_many { PN_XNUM as u16 } else { count as u16 });
    out.u16(if is_many { SECTION_HEADER as u16 } else { 0 }).u16(u16::from(is_many)).u16(0);
    if is_many {
        // Section 0: sh_size counts sections, sh_info program headers.
        out.u32(0).u32(0).u64(0).u64(0).u64(0).u64(1).u32(0).u32(count as u32).u64(0).u64(0);
    }
    out.u32(PT_NOTE).u32(0).u64(notes_at as u64).u64(0).u64(0).u64(notes.len() as u64).u64(0).u64(4);
    let mut at = data_at;
    for segment in segments {
        out.u32(PT_LOAD).u32(segment.flags).u64(at).u64(segment.start).u64(0);
        out.u64(segment.filed).u64(segment.size).u64(page);
        at += segment.filed;
    }
    out.raw(notes);
    out.0.resize(data_at as usize, 0);
    out.0
}

/// The notes, in the kernel's order: the first thread, the process, then the other threads.
pub(super) fn notes(who: &Who, snapshot: &Snapshot, mappings: &[Mapping], page: u64) -> Vec<u8> {
    let mut out = Bytes::default();
    let nobody = [Thread { tid: who.pid, signal: 0, general: vec![0; GENERAL], others: Vec::new() }];
    let seen = snapshot.threads.iter().filter(|thread| !thread.general.is_empty());
    let mut threads: Vec<&Thread> = seen.collect();
    if threads.is_empty() {
        threads.extend(&nobody);
    }
    for (at, thread) in threads.into_iter().enumerate() {
        if out.0.len() > NOTES {
            break;
        }
        out.note(b"CORE\0", PRSTATUS, &prstatus(who, thread));
        if at == 0 {
            out.note(b"CORE\0", NT_PRPSINFO, &prpsinfo(who));
            out.note(b"CORE\0", NT_AUXV, &who.auxv);
            out.note(b"CORE\0", NT_FILE, &files(mappings, page));
        }
        for (kind, set) in &thread.others {
            let owner: &[u8] = if *kind == super::threads::XSTATE { b"LINUX\0" } else { b"CORE\0" };
            out.note(owner, *kind, set);
        }
    }
    out.0
}

fn prstatus(who: &Who, thread: &Thread) -> Vec<u8> {
    let mut out = Bytes::default();
    out.u32(u32::from(thread.signal)).u32(0).u32(0).u16(thread.signal).u16(0);
    out.u64(0).u64(0);
    out.u32(thread.tid).u32(who.ppid).u32(who.group).u32(who.session);
    out.raw(&[0; 64]);
    out.raw(&thread.general);
    out.u32(u32::from(!thread.others.is_empty())).u32(0);
    out.0
}

fn prpsinfo(who: &Who) -> Vec<u8> {
    let mut out = Bytes::default();
    let state = who.state;
    out.raw(&[0, state, u8::from(state == b'Z'), 0]).u32(0).u64(0).u32(who.uid).u32(who.gid);
    out.u32(who.pid).u32(who.ppid).u32(who.group).u32(who.session);
    out.fixed(&who.name, 16).fixed(&who.arguments, 80);
    out.0
}

fn files(mappings: &[Mapping], page: u64) -> Vec<u8> {
    let named: Vec<&Mapping> =
        mappings.iter().filter(|mapping| mapping.of_file() && mapping.name.first() == Some(&b'/')).collect();
    let mut out = Bytes::default();
    out.u64(named.len() as u64).u64(page);
    for mapping in &named {
        out.u64(mapping.start).u64(mapping.end).u64(mapping.offset / page);
    }
    for mapping in &named {
        out.raw(&mapping.name).raw(&[0]);
    }
    out.0
}

/// Fields in this machine's order, which is little-endian on all that are supported.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    /// A text field of `size` bytes, ended by NUL.
    fn fixed(&mut self, text: &[u8], size: usize) -> &mut Self {
        let text = &text[..text.len().min(size - 1)];
        self.raw(text);
        self.raw(&vec![0; size - text.len()])
    }
    fn note(&mut self, owner: &[u8], kind: u32, content: &[u8]) {
        self.u32(owner.len() as u32).u32(content.len() as u32).u32(kind);
        for part in [owner, content] {
            self.raw(part);
            self.0.resize(self.0.len().next_multiple_of(4), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, inode: u64) -> Mapping {
        Mapping {
            start,
            end,
            read: true,
            write: false,
            exec: true,
            offset: 0,
            inode,
            name: b"/a\nb".to_vec(),
            held: 1,
            dont_dump: false,
            device: false,
            foreign: false,
        }
    }

    #[test]
    fn what_was_never_touched_takes_no_room() {
        let ranges = [Range { start: 0x2000, end: 0x3000 }, Range { start: 0x5000, end: 0x6000 }];
        let sizes = |inode, gap| {
            let mut out = Vec::new();
            segments(&mapping(0x1000, 0x9000, inode), &ranges, gap, &mut out);
            out.iter().map(|s| (s.start, s.filed, s.size)).collect::<Vec<_>>()
        };
        let apart = [
            (0x1000, 0, 0x1000),
            (0x2000, 0x1000, 0x1000),
            (0x3000, 0, 0x2000),
            (0x5000, 0x1000, 0x1000),
            (0x6000, 0, 0x3000),
        ];
        assert_eq!(sizes(0, 0x1000), apart);
        assert_eq!(sizes(9, 0x4000), apart, "between pages of a file lies that file");
        assert_eq!(sizes(0, 0x4000), [(0x1000, 0, 0x1000), (0x2000, 0x4000, 0x4000), (0x6000, 0, 0x3000)]);
    }

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        let who = Who { name: vec![b'x'; 40], arguments: vec![b'y'; 200], ..Who::default() };
        let thread = Thread { tid: 1, signal: 0, general: vec![0; GENERAL], others: vec![] };
        assert_eq!(prstatus(&who, &thread).len(), 112 + GENERAL + 8);
        assert_eq!(prpsinfo(&who).len(), 136);
        assert_eq!(files(&[mapping(1, 2, 0), mapping(1, 2, 3)], 4096).len(), 16 + 24 + 5);
    }
}
