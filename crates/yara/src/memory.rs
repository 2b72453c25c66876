//! The memory of a process, through the descriptor of its `/proc/PID/mem`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use boreal::memory::{FragmentedMemory, MemoryParams, Region as Fetched, RegionDescription};
use serde::{Deserialize, Serialize};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The first address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// Larger regions are looked at in pieces of this size; a match across two pieces is not seen. Bytes.
pub(crate) const PIECE: u64 = 16 << 20;
/// One page of most machines, and a part of one on others. Bytes.
const PAGE: u64 = 4096;

/// What came of reading.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub read: AtomicU64,
    pub unreadable: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Memory<'a> {
    file: &'a File,
    pieces: Vec<Region>,
    next: usize,
    buffer: Vec<u8>,
    tally: &'a Tally,
    first_round: bool,
}

impl<'a> Memory<'a> {
    pub fn new(file: &'a File, regions: &[Region], tally: &'a Tally) -> Self {
        let cut = |region: &Region| {
            let (start, length) = (region.start, region.length);
            let pieces = (0..length).step_by(PIECE as usize);
            pieces
                .map(move |at| Region { start: start.saturating_add(at), length: PIECE.min(length - at) })
                .collect::<Vec<_>>()
        };
        let pieces = regions.iter().flat_map(cut).collect();
        Self { file, pieces, next: 0, buffer: Vec::new(), tally, first_round: true }
    }

    fn fill(&mut self, piece: Region) -> bool {
        self.buffer.resize(piece.length as usize, 0);
        let mut at = 0;
        let mut any = false;
        while at < piece.length {
            let (from, to) = (at as usize, piece.length as usize);
            match self.file.read_at(&mut self.buffer[from..to], piece.start + at) {
                Ok(0) => break,
                Ok(read) => {
                    any = true;
                    at += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // One page that cannot be had is zeroes, so that offsets stay what they are.
                Err(_) => {
                    let skip = (PAGE - (piece.start + at) % PAGE).min(piece.length - at);
                    self.buffer[from..from + skip as usize].fill(0);
                    at += skip;
                    if !any && at > 64 * PAGE {
                        break;
                    }
                }
            }
        }
        if self.first_round {
            let tally = if any { &self.tally.read } else { &self.tally.unreadable };
            tally.fetch_add(piece.length, Ordering::Relaxed);
        }
        self.buffer[at as usize..].fill(0);
        any
    }
}

impl FragmentedMemory for Memory<'_> {
    fn next(&mut self, _: &MemoryParams) -> Option<RegionDescription> {
        let piece = *self.pieces.get(self.next)?;
        self.next += 1;
        Some(RegionDescription { start: piece.start as usize, length: piece.length as usize })
    }

    fn fetch(&mut self, _: &MemoryParams) -> Option<Fetched<'_>> {
        let piece = *self.pieces.get(self.next.checked_sub(1)?)?;
        if !self.fill(piece) {
            return None;
        }
        Some(Fetched { start: piece.start as usize, mem: &self.buffer })
    }

    fn reset(&mut self) {
        // The engine begins with a reset; what comes after the last piece is another round.
        self.first_round = self.first_round && self.next < self.pieces.len();
        self.next = 0;
    }
}
