//! The best source: programs of ours in the kernel, which tell of each process and connection at the moment itself.
//!
//! The programs are in `bpf/`; what is loaded is the object that lies beside them, built by `cargo xtask bpf`. It is fitted to
//! the kernel that runs by the description that the kernel gives of itself (BTF). Everything is held by descriptors of this
//! process: when it ends, however it ends, the programs are gone.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use aya::maps::{Map, MapData, PerCpuArray, RingBuf};
use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::{ProgramFd, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};

use super::decode::{COUNTERS, Decoder, counted};
use super::raw::{Kind, Raw};

/// What is loaded.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/recorder.bpf.o");

/// Each program, and the raw tracepoint that it listens at. The last may be missing where the kernel has no modules.
const PROGRAMS: &[At] = &[
    ("on_fork", "sched_process_fork", Kind::Fork),
    ("on_exec", "sched_process_exec", Kind::Exec),
    ("on_exit", "sched_process_exit", Kind::Exit),
];
const NETWORK: &[At] = &[
    ("on_state", "inet_sock_set_state", Kind::Network),
    ("on_read", "tcp_rcv_space_adjust", Kind::Network),
    ("on_packet", "net_dev_queue", Kind::Network),
];
const MODULES: At = ("on_module", "module_load", Kind::Module);
/// A program, where it listens, and what it tells of.
type At = (&'static str, &'static str, Kind);
/// The inode of the machine's own PID namespace, on every machine (`PROC_PID_INIT_INO`).
const MACHINE: u32 = 0xefff_fffc;

/// Programs in the kernel, and the ring that they fill.
pub(super) struct Programs {
    ring: RingBuf<MapData>,
    decoder: Decoder,
    /// Held for the programs: they go with them.
    _links: Vec<RawTracePointLink>,
}

/// What is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Bytes of the ring; made a power of two.
    pub ring: u32,
    /// Whose doings on the network are left out; 0: nobody's.
    pub own: u32,
    /// Connections, ports, questions.
    pub network: bool,
}

impl Programs {
    /// Loads them, and has them begin. The error says what the kernel refused.
    pub fn load(wanted: Wanted, decoder: Decoder) -> Result<(Self, Lost, Vec<String>), String> {
        let btf = Btf::from_sys_fs()
            .map_err(|error| format!("the kernel does not describe itself (BTF): {}", chain(&error)))?;
        let mut object = EbpfLoader::new()
            .btf(Some(&btf))
            .map_max_entries("ring", wanted.ring.clamp(1 << 16, 1 << 28).next_power_of_two())
            .override_global("agent_ns", &agent_namespace(decoder.namespace), true)
            .override_global("own_pid", &wanted.own, true)
            .load(OBJECT)
            .map_err(|error| format!("the kernel takes no programs: {}", chain(&error)))?;
        let mut problems = Vec::new();
        // What listens before the rest is there fills the ring, and is read later.
        let network = if wanted.network { NETWORK } else { &[] };
        let (mut links, mut loaded) = (Vec::new(), Vec::new());
        for at in PROGRAMS.iter().chain(network) {
            let (link, program) = attach(&mut object, *at)?;
            links.push(link);
            loaded.push((at.2, program));
        }
        match attach(&mut object, MODULES) {
            Ok((link, _)) => links.push(link),
            Err(error) if std::path::Path::new("/proc/modules").exists() => problems.push(error),
            Err(_) => {}
        }
        let mut map = |name: &str| object.take_map(name).ok_or_else(|| format!("the object has no {name}"));
        let (ring, lost): (Map, Map) = (map("ring")?, map("lost")?);
        let ring = RingBuf::try_from(ring).map_err(|error| chain(&error))?;
        let lost = PerCpuArray::try_from(lost).map_err(|error| chain(&error))?;
        Ok((Self { ring, decoder, _links: links }, Lost { records: lost, programs: loaded }, problems))
    }

    /// Hands over what waits in the ring, but no more than so many. True where more may wait.
    pub fn drain(&mut self, most: usize, mut tell: impl FnMut(Raw)) -> bool {
        for _ in 0..most {
            let Some(item) = self.ring.next() else { return false };
            if let Some(raw) = self.decoder.read(&item) {
                tell(raw);
            }
        }
        true
    }
}

/// What was not told.
pub(super) struct Lost {
    /// Records that found no room in the ring.
    records: PerCpuArray<MapData, u64>,
    programs: Vec<(Kind, ProgramFd)>,
}

impl std::fmt::Debug for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lost").finish_non_exhaustive()
    }
}

impl Lost {
    /// How many, by kind; a kind may come several times.
    pub fn each(&self, mut tell: impl FnMut(Kind, u64)) {
        for number in 0..COUNTERS {
            if let (Some(kind), Ok(counts)) = (counted(number), self.records.get(&number, 0)) {
                tell(kind, counts.iter().sum());
            }
        }
        for (kind, program) in &self.programs {
            tell(*kind, missed(program).unwrap_or(0));
        }
    }
}

/// How often the kernel did not call a program, since it interrupted the same one; kernels before 5.12 do not say.
fn missed(program: &ProgramFd) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

impl AsFd for Programs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// As the programs want it: 0 where nobody is hidden.
const fn agent_namespace(inode: u32) -> u32 {
    if inode == MACHINE { 0 } else { inode }
}

/// The inode of this process's PID namespace.
pub(super) fn own_namespace() -> io::Result<u32> {
    let facts = rustix::fs::stat("/proc/self/ns/pid")?;
    u32::try_from(facts.st_ino).map_err(io::Error::other)
}

/// Whether this process lives in the machine's own PID namespace.
pub(super) fn is_machine(inode: u32) -> bool {
    inode == MACHINE
}

fn attach(object: &mut Ebpf, (name, at, _): At) -> Result<(RawTracePointLink, ProgramFd), String> {
    let program = object.program_mut(name).ok_or_else(|| format!("the object has no {name}"))?;
    let program: &mut RawTracePoint = program.try_into().map_err(|error| chain(&error))?;
    program.load().map_err(|error| format!("the kernel refuses {name}: {}", chain(&error)))?;
    let link = program.attach(at).and_then(|link| program.take_link(link));
    let link = link.map_err(|error| format!("the kernel has no tracepoint {at}: {}", chain(&error)))?;
    let held = program.fd().map_err(|error| chain(&error))?.try_clone();
    Ok((link, held.map_err(|error| chain(&error))?))
}

/// An error with its causes, bounded: the verifier writes a lot.
fn chain(error: &dyn std::error::Error) -> String {
    const MOST: usize = 400;
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text.truncate(text.floor_char_boundary(MOST));
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use sha2::{Digest as _, Sha256};

    /// The walk over a program that kernels before 6.7 begin with: of instructions that do not jump, the next one must not lie
    /// on the way to them. `None` where that holds, else the two.
    fn false_loop(code: &[[u8; 8]]) -> Option<(usize, usize)> {
        let next = |at: usize| {
            let [op, _, low, high, ..] = code[at];
            let to = (at + 1).wrapping_add_signed(i16::from_le_bytes([low, high]).into());
            match (op & 7, op & 0xf0) {
                // ld_imm64 takes the room of two.
                _ if op == 0x18 => vec![(at + 2, false)],
                (5 | 6, 0x90) => vec![],
                (5, 0) => vec![(to, true)],
                (5 | 6, 0x10..=0x70 | 0xa0..) => vec![(at + 1, true), (to, true)],
                _ => vec![(at + 1, false)],
            }
        };
        let (mut state, mut way) = (vec![0; code.len() + 2], vec![(0, next(0))]);
        while let Some((at, left)) = way.last_mut() {
            state[*at] = 1;
            if left.is_empty() {
                state[*at] = 2;
                way.pop();
                continue;
            }
            let (to, may_loop) = left.remove(0);
            match state[to] {
                0 => way.push((to, next(to))),
                1 if !may_loop => return Some((*at, to)),
                _ => {}
            }
        }
        None
    }

    #[test]
    fn no_loop_is_laid_out_so_that_older_kernels_refuse_it() {
        let object = super::OBJECT;
        let u64_at = |at: usize| u64::from_le_bytes(object[at..at + 8].try_into().unwrap()) as usize;
        let u16_at = |at: usize| usize::from(u16::from_le_bytes(object[at..at + 2].try_into().unwrap()));
        let mut programs = 0;
        for number in 0..u16_at(60) {
            let section = u64_at(40) + number * u16_at(58);
            let (is_code, from, size) =
                (object[section + 8] & 4 != 0, u64_at(section + 24), u64_at(section + 32));
            if is_code && size > 0 {
                let (code, rest) = object[from..from + size].as_chunks::<8>();
                assert!(rest.is_empty());
                assert_eq!(false_loop(code), None, "section {number}: keep xtask's options of the compiler");
                programs += 1;
            }
        }
        // And `.text`, with what they share.
        assert_eq!(programs, super::PROGRAMS.len() + super::NETWORK.len() + 2);
    }

    #[test]
    fn the_object_was_made_from_the_source_that_lies_beside_it() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf"));
        let record = std::fs::read_to_string(folder.join("recorder.bpf.built")).unwrap();
        let mut named = Vec::new();
        for line in record.lines().skip(1) {
            let (digest, name) = line.split_once("  ").unwrap();
            let bytes = std::fs::read(folder.join(name)).unwrap();
            assert_eq!(crate::hex(&Sha256::digest(bytes)), digest, "{name} changed: run `cargo xtask bpf`");
            named.push(name.to_owned());
        }
        let there = std::fs::read_dir(folder).unwrap().flatten();
        let mut there: Vec<String> = there.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        there.retain(|name| name != "recorder.bpf.built");
        there.sort();
        named.sort();
        assert_eq!(named, there);
    }
}
