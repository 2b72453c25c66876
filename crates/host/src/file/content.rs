//! Reading a file from start to end without reading what was never written: the holes of a sparse file are
//! zeros by definition, and having the kernel make gigabytes of them costs more than all the rest.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::Opened;

/// A position in a file, with what is known of the stretch ahead of it.
pub(super) struct Content<'a> {
    file: &'a File,
    at: u64,
    hole_end: u64,
    data_end: u64,
    /// Some of the kernel's own files can only be read in order, and none of them has holes.
    in_order: bool,
}

impl<'a> Content<'a> {
    pub fn new(opened: &'a Opened) -> Self {
        Self { file: &opened.file, at: 0, hole_end: 0, data_end: 0, in_order: opened.pseudo }
    }

    /// Looks what lies ahead. A change meanwhile can make it wrong; it shows in the file's times.
    fn look_ahead(&mut self) -> io::Result<()> {
        let data = match rustix::fs::seek(self.file, SeekFrom::Data(self.at)) {
            Ok(data) => data,
            // Behind the last data: a hole up to the end.
            Err(Errno::NXIO) => self.file.metadata()?.len(),
            // The file system does not tell.
            Err(_) => self.at,
        };
        self.hole_end = data;
        self.data_end = rustix::fs::seek(self.file, SeekFrom::Hole(data)).unwrap_or(u64::MAX);
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.in_order {
            return self.file.read(buffer);
        }
        if self.at >= self.hole_end && self.at >= self.data_end {
            self.look_ahead()?;
        }
        let n = if self.at < self.hole_end {
            let n = usize::try_from(self.hole_end - self.at).unwrap_or(usize::MAX).min(buffer.len());
            buffer[..n].fill(0);
            n
        } else {
            let room = usize::try_from(self.data_end - self.at).unwrap_or(usize::MAX).min(buffer.len());
            self.file.read_at(&mut buffer[..room], self.at)?
        };
        self.at += n as u64;
        Ok(n)
    }
}
