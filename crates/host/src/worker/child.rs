//! The worker's side: confined first, then questions until the line ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::frame::{self, Incoming, Step};
use crate::confine::{self, Confined, Limits, Profile};

/// The first message: how the worker is to be confined.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) limits: Limits,
}

/// The first answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ready {
    Confined(Confined),
    Refused(String),
}

/// A question.
#[derive(Debug)]
pub struct Request {
    /// Its bytes.
    pub body: Vec<u8>,
    /// What came with it.
    pub descriptors: Vec<OwnedFd>,
}

/// The line to the parent.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// The next question; `None` when the parent is done.
    pub fn receive(&mut self) -> io::Result<Option<Request>> {
        let (mut incoming, mut descriptors) = (Incoming::default(), Vec::new());
        loop {
            let step = match incoming.step(self.socket.as_fd(), &mut descriptors) {
                Err(rustix::io::Errno::INTR) => continue,
                step => step?,
            };
            match step {
                Step::More => {}
                Step::Whole(body) => return Ok(Some(Request { body, descriptors })),
                Step::End { torn: false } => return Ok(None),
                Step::End { torn: true } => return Err(io::ErrorKind::UnexpectedEof.into()),
                Step::TooLong(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "too long")),
            }
        }
    }

    /// Says something to the parent, at most [`frame::MOST_BYTES`].
    pub fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let head = frame::head(body, 0)?;
        for mut part in [&head[..], body] {
            while !part.is_empty() {
                match frame::send_some(self.socket.as_fd(), part) {
                    Ok(sent) => part = &part[sent..],
                    Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}

/// The whole life of a worker: for a process that [`super::Worker::start`] has just started, before it opened anything or
/// made a thread. `work` runs confined. Returns the exit code.
pub fn serve(profile: Profile, work: impl FnOnce(&mut Channel) -> io::Result<()>) -> i32 {
    // Where the parent is gone already, the line has ended, and there is nothing to begin.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: numbers only. Nothing in this process owns a descriptor but the standard three: it has just started.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    let _ = rustix::thread::set_name(c"quell-worker");
    match begin(profile).and_then(|mut channel| work(&mut channel)) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// The line is standard input, a socket.
fn begin(profile: Profile) -> io::Result<Channel> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let mut channel = Channel { socket };
    let request = channel.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let begin: Begin = serde_json::from_slice(&request.body)?;
    match confine::enter(profile, &begin.limits) {
        Ok(confined) => {
            channel.send(&serde_json::to_vec(&Ready::Confined(confined))?)?;
            Ok(channel)
        }
        Err(error) => {
            let text = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            channel.send(&serde_json::to_vec(&Ready::Refused(text))?)?;
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}
