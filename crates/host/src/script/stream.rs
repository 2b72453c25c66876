//! One stream of a script's output: read without end, kept up to a cap.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Output, dir};

/// What is read in one go before the other stream has its turn.
const TURN: usize = 16;

pub(super) struct Capture {
    /// `None` at the end of the stream.
    pipe: Option<OwnedFd>,
    file: File,
    cap: u64,
    seen: u64,
    kept: u64,
    hash: Sha256,
    buffer: Box<[u8]>,
    /// The disk refused: the rest is counted only, for a blocked script is worse than a short log.
    full: bool,
}

impl Capture {
    pub fn new(pipe: OwnedFd, path: &Path, cap: u64) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let buffer = vec![0; 64 * 1024].into_boxed_slice();
        let (file, hash) = (dir::create(path)?, Sha256::new());
        Ok(Self { pipe: Some(pipe), file, cap, seen: 0, kept: 0, hash, buffer, full: false })
    }

    pub const fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Takes what is there, without waiting and without end for the other stream.
    pub fn drain(&mut self) {
        for _ in 0..TURN {
            let Some(pipe) = &self.pipe else { return };
            match rustix::io::read(pipe, &mut *self.buffer) {
                Ok(0) => self.pipe = None,
                Ok(n) => self.take(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn take(&mut self, n: usize) {
        self.seen += n as u64;
        let room = usize::try_from(self.cap - self.kept).unwrap_or(usize::MAX);
        let bytes = &self.buffer[..n.min(room)];
        if self.full || bytes.is_empty() {
            return;
        }
        if self.file.write_all(bytes).is_ok() {
            self.kept += bytes.len() as u64;
            self.hash.update(bytes);
        } else {
            self.full = true;
            // A part may have been written: what is not counted as kept must not stay.
            let _ = self.file.set_len(self.kept);
        }
    }

    pub fn finish(self) -> io::Result<Output> {
        self.file.sync_all()?;
        let sha256 = crate::hex(&self.hash.finalize());
        Ok(Output { seen: self.seen, kept: self.kept, sha256 })
    }
}
