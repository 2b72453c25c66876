//! Sources that are files: each into the archive, or into the manifest with the reason why not.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use quell_evidence::{FileRow, Pattern};
use quell_host::evidence::{Found, look};
use quell_host::file::{self, Kind, Opened, open_for_collect};
use quell_wire::digest::hex;

use super::{Collector, Stop, each, made_up, not_text, row};
use crate::transfer::free;

/// Bytes read of a file that the kernel makes up.
const PSEUDO: u64 = 4 << 20;
/// Free space on the spool's file system that is left to others. Bytes.
const SPARE: u64 = 96 << 20;

impl Collector<'_> {
    pub(super) fn files(&mut self, pattern: &Pattern, by: &str) -> Result<(), Stop> {
        let pseudo = made_up(pattern);
        let mut stop = None;
        let _ = each(pattern, false, &mut |found| {
            let done = match found {
                Found::Path(path) => self.file(path, pseudo, by),
                Found::Passed(path, reason) => self.passed(&path, reason, by),
            };
            match done {
                Ok(()) if self.is_over() => ControlFlow::Break(()),
                Ok(()) => ControlFlow::Continue(()),
                Err(why) => {
                    stop = Some(why);
                    ControlFlow::Break(())
                }
            }
        });
        stop.map_or(Ok(()), Err)
    }

    fn file(&mut self, path: PathBuf, pseudo: bool, by: &str) -> Result<(), Stop> {
        if self.paths.contains(&path) {
            return Ok(());
        }
        let Ok(facts) = look(&path) else { return Ok(()) };
        if facts.kind == Some(Kind::Directory) {
            return Ok(());
        }
        let mut row = row(&path, &facts, by);
        self.paths.insert(path.clone());
        match facts.kind {
            None | Some(Kind::Symlink) => {}
            Some(kind) => return self.leave(row, not_regular(kind)),
        }
        if self.totals.files >= self.asked.budgets.files {
            self.ended_by.get_or_insert("files");
            return self.leave(row, "budget_files");
        }
        let limits = file::Limits { size: self.asked.budgets.file_bytes, follow: true, pseudo };
        let opened = match open_for_collect(&path, limits) {
            Ok(opened) => opened,
            Err(file::Error::NotRegular(Kind::Directory)) => return Ok(()),
            Err(error) => return self.leave(row, unopened(&error)),
        };
        if opened.resolved != path {
            row.resolved = Some(opened.resolved.to_string_lossy().into_owned());
            row.size = opened.stat.size;
        }
        let left = self.asked.budgets.bytes.saturating_sub(self.totals.bytes);
        let wanted = if opened.pseudo { PSEUDO.min(left) } else { opened.stat.size };
        if wanted > left || left == 0 {
            self.ended_by.get_or_insert("bytes");
            return self.leave(row, "budget_bytes");
        }
        if !opened.pseudo && self.inodes.contains_key(&(opened.stat.device, opened.stat.inode)) {
            return self.leave(row, "same_as_other");
        }
        if free(&self.spool).is_some_and(|free| free < wanted.saturating_add(SPARE)) {
            return self.leave(row, "disk_full");
        }
        self.take(row, &path, &opened, wanted)
    }

    fn take(&mut self, mut row: FileRow, path: &Path, opened: &Opened, wanted: u64) -> Result<(), Stop> {
        let entry = self.names.file(path.as_os_str().as_bytes());
        let (before, watch) = (self.totals.bytes, &mut self.watch);
        let taken = self.bundle.file(&entry, opened, wanted, |read| watch(before + read));
        let taken = taken.map_err(|error| match error {
            file::Error::Canceled { at } => Stop::Asked { at: before + at },
            error => Stop::Archive(error),
        })?;
        self.totals.files += 1;
        self.totals.bytes += taken.size;
        if !opened.pseudo {
            self.inodes.insert((opened.stat.device, opened.stat.inode), self.totals.files);
        }
        row.entry = Some(entry);
        row.sha256 = Some(hex(&taken.sha256));
        row.sha1 = Some(hex(&taken.sha1));
        row.changed = taken.changed;
        row.truncated = taken.truncated || taken.failed.is_some();
        if opened.pseudo {
            row.size = taken.size;
        }
        row.reason = taken.failed.map(|_| "read_failed".to_owned());
        self.rows.push(&row).map_err(Stop::from)
    }

    fn passed(&mut self, path: &Path, reason: &'static str, by: &str) -> Result<(), Stop> {
        if !self.paths.insert(path.to_owned()) {
            return Ok(());
        }
        let row = FileRow {
            path: path.to_string_lossy().into_owned(),
            path_hex: not_text(path),
            asked_by: by.to_owned(),
            ..FileRow::default()
        };
        self.leave(row, reason)
    }
}

const fn not_regular(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "is_directory",
        Kind::Fifo => "is_fifo",
        Kind::Socket => "is_socket",
        Kind::Device => "is_device",
        Kind::Symlink => "is_symlink",
        Kind::Other => "is_no_file",
    }
}

fn unopened(error: &file::Error) -> &'static str {
    match error {
        file::Error::Path(_) => "link_loop",
        file::Error::NotFound => "vanished",
        file::Error::Symlink { .. } => "is_symlink",
        file::Error::ForeignLink { .. } => "foreign_link",
        file::Error::Own => "agent_state",
        file::Error::NotRegular(kind) => not_regular(*kind),
        file::Error::Pseudo => "is_pseudo",
        file::Error::TooLarge { .. } => "too_large",
        file::Error::Open(source) if source.kind() == std::io::ErrorKind::PermissionDenied => "permission",
        file::Error::Open(_)
        | file::Error::Read { .. }
        | file::Error::Process(_)
        | file::Error::NotHeld
        | file::Error::Archive(_)
        | file::Error::Password
        | file::Error::Canceled { .. } => "open_failed",
    }
}
