//! Reading the memory, and writing it out behind the headers.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::threads::Snapshot;
use super::{Error, Layout, Subject};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// The whole file; its hash, and the bytes that could not be read.
pub(super) fn write(
    subject: &Subject,
    layout: &Layout,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<([u8; 32], u64), Error> {
    let mut hash = Sha256::new();
    hash.update(&layout.prelude);
    out.write_all(&layout.prelude)?;
    let (mut at, mut unreadable) = (layout.prelude.len() as u64, 0);
    let mut buffer = vec![0u8; CHUNK];
    for segment in layout.segments.iter().filter(|segment| segment.filed > 0) {
        let mut address = segment.start;
        let end = segment.start + segment.filed;
        while address < end {
            let n = usize::try_from(end - address).unwrap_or(CHUNK).min(CHUNK);
            let piece = &mut buffer[..n];
            unreadable += read(&subject.memory, address, piece).ok_or(Error::Ended { at })?;
            overlay(&layout.snapshot, address, piece);
            hash.update(&*piece);
            out.write_all(piece)?;
            address += n as u64;
            at += n as u64;
            if progress(at, layout.size).is_break() {
                return Err(Error::Canceled { at });
            }
        }
    }
    Ok((hash.finalize().into(), unreadable))
}

/// Fills the piece, with zeros where there is nothing to read; how many those are. `None`: there is no such memory any
/// more at all.
fn read(memory: &File, address: u64, piece: &mut [u8]) -> Option<u64> {
    let page = page_size();
    let (mut filled, mut unreadable) = (0, 0);
    while filled < piece.len() {
        match memory.read_at(&mut piece[filled..], address + filled as u64) {
            Ok(0) => return None,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                let here = address as usize + filled;
                let n = (page - here % page).min(piece.len() - filled);
                piece[filled..filled + n].fill(0);
                filled += n;
                unreadable += n as u64;
            }
        }
    }
    Some(unreadable)
}

/// Bytes of a page of memory.
pub(super) fn page_size() -> usize {
    // SAFETY: takes no pointer.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// What was read during the stop takes the place of what is there now.
fn overlay(snapshot: &Snapshot, address: u64, piece: &mut [u8]) {
    let end = address + piece.len() as u64;
    for (start, bytes) in snapshot.stacks.range(..end).rev() {
        let stop = start + bytes.len() as u64;
        if stop <= address {
            // Stacks do not overlap: what begins earlier ends earlier.
            break;
        }
        let (from, to) = ((*start).max(address), stop.min(end));
        piece[(from - address) as usize..(to - address) as usize]
            .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
    }
}
