//! What steps find that is no program's output: written to files within bounds. Hashes are taken when it is packed.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_catalog::endpoint::run_investigation_kit::OutputFile;

use crate::runner::Job;

/// What one step may use.
pub(super) struct Share<'s> {
    /// Which step, from 0.
    pub index: usize,
    /// Of how many.
    pub total: u64,
    /// What is told while it runs.
    pub note: &'s str,
    pub time: Duration,
    /// Bytes of all its output.
    pub output: u64,
}

impl Share<'_> {
    /// Tells that this step runs.
    pub fn tell(&self, job: &Job) {
        job.progress(self.index as u64 + 1, self.total, self.note);
    }

    /// The name in the archive of a file of this step's.
    pub fn name(&self, step: &str, file: &str) -> String {
        format!("{:02}-{step}/{file}", self.index + 1)
    }
}

/// A file of output that is not packed yet.
pub(super) fn file(name: String, size: u64, truncated: bool) -> OutputFile {
    OutputFile { name, size, truncated, sha256: String::new() }
}

/// Lines until there is no more room.
pub(super) struct Lines {
    file: io::BufWriter<File>,
    size: u64,
    most: u64,
    pub truncated: bool,
    path: PathBuf,
}

impl Lines {
    /// A new file; one that an interrupted try left is written anew.
    pub fn create(path: &Path, most: u64) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let (file, path) = (io::BufWriter::new(file), path.to_owned());
        Ok(Self { file, size: 0, most, truncated: false, path })
    }

    /// Adds a line; `false` where it does not fit, and nothing more does.
    pub fn push(&mut self, line: &[u8]) -> io::Result<bool> {
        let size = self.size + line.len() as u64 + 1;
        if self.truncated || size > self.most {
            self.truncated = true;
            return Ok(false);
        }
        for bytes in [line, b"\n"] {
            self.file.write_all(bytes)?;
        }
        self.size = size;
        Ok(true)
    }

    /// The file as it goes into the archive under this name.
    pub fn finish(mut self, name: String) -> io::Result<(OutputFile, PathBuf)> {
        self.file.flush()?;
        Ok((file(name, self.size, self.truncated), self.path))
    }
}
