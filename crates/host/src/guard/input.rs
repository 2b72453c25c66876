//! What the agent asks of the guard: lines on standard input.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::Settings;

/// Longest line that is understood. Bytes.
const LONGEST: usize = 8 << 20;

/// Standard input, by lines, never waited for.
pub(super) struct Input {
    pub file: io::Stdin,
    bytes: Vec<u8>,
}

impl Input {
    pub fn new() -> io::Result<Self> {
        let file = io::stdin();
        rustix::io::ioctl_fionbio(&file, true)?;
        Ok(Self { file, bytes: Vec::new() })
    }

    pub fn first(&mut self) -> io::Result<Settings> {
        loop {
            wait(&mut [PollFd::new(&self.file, PollFlags::IN)], None)?;
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(line) = self.line() {
                return Ok(serde_json::from_slice(&line)?);
            }
        }
    }

    /// Takes what is there; whether there may be more in time.
    pub fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        loop {
            // Not through the standard library's buffer, which `poll` does not see.
            match rustix::io::read(&self.file, &mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(rustix::io::Errno::AGAIN) => return Ok(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if self.bytes.len() > LONGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    pub fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let rest = self.bytes.split_off(end + 1);
        Some(std::mem::replace(&mut self.bytes, rest))
    }
}

pub(super) fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
    let limit = limit
        .map(|limit| Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) });
    match poll(fds, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
