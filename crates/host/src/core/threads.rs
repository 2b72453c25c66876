//! The registers of all threads at one instant, with the tops of their stacks.
//!
//! `PTRACE_SEIZE` and `PTRACE_INTERRUPT` stop a thread without a signal that it could see. Everything here happens on a
//! thread that ends afterwards: the kernel detaches whatever a tracer's thread held when that ends, so nothing can stay
//! stopped, neither by a mistake here nor when the whole program is killed (ptrace(2), "Death of tracer").

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// For stopping, reading and letting go. A thread that waits on a device does not stop before the device answers.
const LIMIT: Duration = Duration::from_secs(2);
/// Between looks at threads that have not stopped.
const LOOK: Duration = Duration::from_micros(200);
/// New threads may appear while those known are stopped.
const ROUNDS: u32 = 10;
/// Bytes of one register set; AVX-512 and AMX take 11 KiB.
const SET: usize = 16 << 10;
/// Threads whose extended registers are kept too.
const EXTENDED: usize = 1024;
/// Bytes above (and 128 below) the stack pointer that are read while the thread is stopped.
const STACK: usize = 64 << 10;
/// Below the stack pointer a function may keep values (the red zone of the x86-64 ABI).
const RED_ZONE: u64 = 128;
/// Bytes of all stacks.
const STACKS: usize = 16 << 20;

const SEIZE: libc::c_uint = 0x4206;
const INTERRUPT: libc::c_uint = 0x4207;
const GETREGSET: libc::c_uint = 0x4204;
const DETACH: libc::c_uint = 17;
const EVENT_STOP: libc::c_int = 128;
/// Register sets of linux/elf.h, as they stand in the notes.
pub(super) const PRSTATUS: u32 = 1;
pub(super) const FPREGSET: u32 = 2;
pub(super) const XSTATE: u32 = 0x202;

/// Bytes of the general registers of this machine's own programs.
#[cfg(target_arch = "x86_64")]
pub(super) const GENERAL: usize = 27 * 8;
#[cfg(not(target_arch = "x86_64"))]
pub(super) const GENERAL: usize = 34 * 8;

/// One thread.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    pub tid: u32,
    /// The signal that was about to be delivered to it, 0 for none.
    pub signal: u16,
    /// General registers; empty where they could not be had.
    pub general: Vec<u8>,
    /// Other register sets, by the type of their note.
    pub others: Vec<(u32, Vec<u8>)>,
}

/// What one stop gave.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The leader first.
    pub threads: Vec<Thread>,
    /// Threads without registers.
    pub missed: u64,
    /// Memory as it was during the stop: address and bytes, not overlapping.
    pub stacks: BTreeMap<u64, Vec<u8>>,
    /// Why there are no registers at all.
    pub refused: Option<io::Error>,
}

/// Threads held by the calling thread; let go when dropped.
pub(super) struct Held {
    since: Instant,
    /// Thread id, and the signal to hand on when it is let go.
    threads: BTreeMap<u32, Option<libc::c_int>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        for (tid, signal) in &self.threads {
            // One that never stopped cannot be detached; the end of this thread does it.
            let _ = ptrace(DETACH, *tid, 0, signal.unwrap_or(0) as usize);
        }
    }
}

impl Held {
    /// Seizes and stops all threads. `Err`: not even one, for instance because somebody else traces it.
    pub fn stop(tids: &dyn Fn() -> Vec<u32>) -> Result<Self, io::Error> {
        let mut held = Self { since: Instant::now(), threads: BTreeMap::new() };
        let until = held.since + LIMIT;
        let mut refused = None;
        for _ in 0..ROUNDS {
            let fresh: Vec<u32> = tids().into_iter().filter(|tid| !held.threads.contains_key(tid)).collect();
            if fresh.is_empty() || Instant::now() >= until {
                break;
            }
            for tid in &fresh {
                match ptrace(SEIZE, *tid, 0, 0) {
                    Ok(()) => {
                        held.threads.insert(*tid, None);
                        let _ = ptrace(INTERRUPT, *tid, 0, 0);
                    }
                    Err(error) => refused = Some(error),
                }
            }
            held.await_stops(&fresh, until);
            if held.threads.is_empty() {
                break;
            }
        }
        if held.threads.is_empty() {
            return Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        }
        Ok(held)
    }

    fn await_stops(&mut self, tids: &[u32], until: Instant) {
        let mut open: Vec<u32> = tids.iter().copied().filter(|tid| self.threads.contains_key(tid)).collect();
        loop {
            open.retain(|tid| match wait(*tid) {
                Waited::Running => true,
                Waited::Stopped(signal) => {
                    self.threads.insert(*tid, signal);
                    false
                }
                Waited::Gone => {
                    self.threads.remove(tid);
                    false
                }
            });
            if open.is_empty() || Instant::now() >= until {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Reads registers; no memory, where a page may keep the reader waiting.
    pub fn snapshot(&self, leader: u32) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let tids = self.threads.keys().copied();
        let ordered = tids.clone().filter(|tid| *tid == leader).chain(tids.filter(|tid| *tid != leader));
        for (at, tid) in ordered.enumerate() {
            let general = registers(tid, PRSTATUS).unwrap_or_default();
            let native = general.len() == GENERAL;
            if !native {
                // Not stopped in time, gone, or a program of another width, whose registers have another shape.
                snapshot.missed += 1;
            }
            let signal = self.threads.get(&tid).copied().flatten().unwrap_or(0) as u16;
            let mut others = Vec::new();
            if native {
                let kinds: &[u32] = if at < EXTENDED { &[FPREGSET, XSTATE] } else { &[FPREGSET] };
                for kind in kinds {
                    others.extend(
                        registers(tid, *kind).ok().filter(|set| !set.is_empty()).map(|set| (*kind, set)),
                    );
                }
            }
            let general = if native { general } else { Vec::new() };
            snapshot.threads.push(Thread { tid, signal, general, others });
        }
        snapshot
    }

    /// Since the first thread was stopped.
    pub fn time(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Snapshot {
    /// Reads the tops of the stacks while the threads are held. `read` gives memory from an address on, as far as there is
    /// any that may be read.
    pub fn read_stacks(&mut self, read: &dyn Fn(u64, &mut [u8]) -> usize) {
        let mut room = STACKS;
        for thread in self.threads.iter().filter(|thread| !thread.general.is_empty()) {
            stack(&thread.general, read, &mut room, &mut self.stacks);
        }
    }
}

fn stack(
    general: &[u8],
    read: &dyn Fn(u64, &mut [u8]) -> usize,
    room: &mut usize,
    stacks: &mut BTreeMap<u64, Vec<u8>>,
) {
    // Register 19 of user_regs_struct is rsp; 31 of user_pt_regs is sp.
    let at = if cfg!(target_arch = "x86_64") { 19 * 8 } else { 31 * 8 };
    let Some(pointer) =
        general.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes)
    else {
        return;
    };
    let start = pointer.saturating_sub(RED_ZONE);
    // Two threads on one stack, or close by: what is kept must not overlap.
    let before =
        stacks.range(..=start).next_back().is_some_and(|(at, bytes)| at + bytes.len() as u64 > start);
    let next = stacks.range(start..).next().map_or(u64::MAX, |(at, _)| *at);
    let most = STACK.min(*room).min(usize::try_from(next.saturating_sub(start)).unwrap_or(usize::MAX));
    if before || most == 0 {
        return;
    }
    let mut bytes = vec![0; most];
    let n = read(start, &mut bytes);
    bytes.truncate(n);
    if n > 0 {
        *room -= n;
        stacks.insert(start, bytes);
    }
}

enum Waited {
    Running,
    Stopped(Option<libc::c_int>),
    Gone,
}

fn wait(tid: u32) -> Waited {
    let mut status = 0;
    let flags = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
    // SAFETY: `status` lives through the call, which writes it.
    let found = unsafe { libc::waitpid(tid as libc::pid_t, &raw mut status, flags) };
    if found == 0 {
        return Waited::Running;
    }
    if found < 0 {
        return if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            Waited::Running
        } else {
            Waited::Gone
        };
    }
    if !libc::WIFSTOPPED(status) {
        return Waited::Gone;
    }
    // A stop of the tracer's own asking, or of its group, takes nothing from the thread; a signal on its way does.
    let is_event = status >> 16 == EVENT_STOP;
    Waited::Stopped((!is_event).then(|| libc::WSTOPSIG(status)))
}

fn registers(tid: u32, kind: u32) -> io::Result<Vec<u8>> {
    let mut set = vec![0u8; SET];
    let mut place = libc::iovec { iov_base: set.as_mut_ptr().cast(), iov_len: set.len() };
    ptrace(GETREGSET, tid, kind as usize, (&raw mut place) as usize)?;
    set.truncate(place.iov_len);
    Ok(set)
}

fn ptrace(request: libc::c_uint, tid: u32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: of the requests here only GETREGSET takes a pointer: `data` is an iovec over a live buffer, which the
    // kernel fills no further than its length. The others take plain numbers.
    let done = unsafe { libc::ptrace(request as _, tid as libc::pid_t, address, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
