//! A core file straight into an encrypted archive: nothing of the memory touches the disk in plain.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::{Dumped, Error, Layout, Options, Subject, dump_opened};
use crate::file::Password;
use crate::file::zip::Zip;
use crate::hex;
use crate::process::Identity;

/// Name of the entry that describes the core file.
pub const SIDECAR: &str = "dump.json";
/// Mappings that the sidecar names.
const NAMED: usize = 20_000;
const CHUNK: usize = 128 << 10;

/// A dump in its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// What was dumped.
    pub dumped: Dumped,
    /// Name of the core file in the archive.
    pub entry: String,
    /// Bytes of the archive.
    pub size: u64,
    /// SHA-256 of the archive.
    pub sha256: [u8; 32],
}

/// As [`super::dump`], compressed and encrypted into a new file of mode 0600 that must not exist yet; synced to disk.
/// Beside the core file, [`SIDECAR`] says what it is and lists the mappings. On failure the file is removed again.
pub fn dump_to_archive(
    identity: Identity,
    options: &Options,
    password: &Password,
    spool: &Path,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Archived, Error> {
    // First: who cannot be dumped leaves no file.
    let subject = Subject::open(identity)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(CWD, spool, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(made.map_err(|errno| Error::Write(errno.into()))?);
    let done = write(&subject, options, password, file, progress);
    if done.is_err() {
        let _ = std::fs::remove_file(spool);
    }
    done
}

fn write(
    subject: &Subject,
    options: &Options,
    password: &Password,
    file: File,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Archived, Error> {
    let now = crate::process::since_1970();
    let about = (now.as_secs() as i64, 0o100_600);
    let entry = format!("{}.{}.core", crate::file::entry_name(&subject.exe), subject.identity.pid);
    let mut zip = Zip::new(io::BufWriter::with_capacity(CHUNK, file));
    let (dumped, layout) = zip.entry(&entry, about, password.bytes(), |out| {
        let mut out = io::BufWriter::with_capacity(CHUNK, out);
        let dumped = dump_opened(subject, options, &mut out, progress)?;
        out.flush()?;
        Ok::<_, Error>(dumped)
    })?;
    let sidecar = sidecar(subject, options, &dumped, &layout, &entry, now.as_millis() as u64)?;
    zip.entry(SIDECAR, about, password.bytes(), |out| out.write_all(&sidecar))?;
    let written = zip.finish()?;
    let file = written.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Archived { dumped, entry, size: written.size, sha256: written.sha256 })
}

/// `dump.json`. Names and arguments are whatever the process chose: lossy text.
#[derive(Serialize)]
struct Sidecar<'a> {
    format: &'static str,
    entry: &'a str,
    /// When the dump began, milliseconds since 1970.
    began_ms: u64,
    pid: u32,
    start_time: u64,
    boot_id: String,
    executable: String,
    arguments: &'a [String],
    uid: u32,
    size: u64,
    sha256: String,
    threads: u64,
    threads_with_registers: u64,
    no_registers: Option<&'a str>,
    stopped_us: u64,
    one_instant: bool,
    mapped_files: bool,
    honour_dontdump: bool,
    left_out_bytes: u64,
    unreadable_bytes: u64,
    mappings: Vec<Mapped>,
    mappings_truncated: bool,
}

#[derive(Serialize)]
struct Mapped {
    start: String,
    end: String,
    access: String,
    offset: u64,
    inode: u64,
    name: String,
    held_bytes: u64,
}

fn sidecar(
    subject: &Subject,
    options: &Options,
    dumped: &Dumped,
    layout: &Layout,
    entry: &str,
    began_ms: u64,
) -> io::Result<Vec<u8>> {
    let flag = |is, letter| if is { letter } else { '-' };
    let mapped = layout.mappings.iter().take(NAMED).map(|mapping| Mapped {
        start: format!("{:x}", mapping.start),
        end: format!("{:x}", mapping.end),
        access: [flag(mapping.read, 'r'), flag(mapping.write, 'w'), flag(mapping.exec, 'x')].iter().collect(),
        offset: mapping.offset,
        inode: mapping.inode,
        name: String::from_utf8_lossy(&mapping.name).into_owned(),
        held_bytes: mapping.held,
    });
    let sidecar = Sidecar {
        format: "quell.dumped/1",
        entry,
        began_ms,
        pid: dumped.identity.pid,
        start_time: dumped.identity.start_time,
        boot_id: crate::system::boot_id().map(|id| id.to_string()).unwrap_or_default(),
        executable: dumped.exe.to_string_lossy().into_owned(),
        arguments: &subject.arguments,
        uid: subject.who.uid,
        size: dumped.size,
        sha256: hex(&dumped.sha256),
        threads: dumped.threads,
        threads_with_registers: dumped.threads_with_registers,
        no_registers: dumped.no_registers.as_deref(),
        stopped_us: dumped.stopped.as_micros() as u64,
        one_instant: dumped.one_instant,
        mapped_files: options.mapped_files,
        honour_dontdump: options.honour_dontdump,
        left_out_bytes: dumped.left_out,
        unreadable_bytes: dumped.unreadable,
        mappings: mapped.collect(),
        mappings_truncated: layout.mappings.len() > NAMED,
    };
    let mut json = serde_json::to_vec_pretty(&sidecar)?;
    json.push(b'\n');
    Ok(json)
}
