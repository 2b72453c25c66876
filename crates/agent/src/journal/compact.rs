//! Rewrites the journal's file, so that it stays small: whole orders until they are acknowledged, then their ids.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quell_wire::limits;

use super::record::{self, Body, HEADER, MAGIC};
use super::{Entry, Error, Journal, REMEMBER_US, Stage, replay};
use crate::random;
use crate::state::sync_directory;

/// The longest window of an order, after which no order from before the damage can come any more.
const KEEP_DAMAGE_US: i64 = limits::ORDER_WINDOW_US + REMEMBER_US;

impl Journal {
    /// Rewrites the file with what must be kept: whole orders until they are acknowledged, then their ids
    /// until they cannot come again.
    pub fn compact(&mut self, now_us: i64) -> Result<(), Error> {
        let mut keep = Vec::new();
        if let Some(at_us) = self.damaged_us.filter(|at| now_us < at.saturating_add(KEEP_DAMAGE_US)) {
            keep.push(Body::Damaged(record::Damaged { at_us }));
        }
        let entries: Vec<_> = self.entries.iter().map(|(id, entry)| (id.clone(), entry.clone())).collect();
        for (order_id, entry) in entries {
            self.keep(order_id, &entry, now_us, &mut keep)?;
        }
        let fresh = Fresh::write(&self.path, &keep)?;
        let (records, end) = replay::scan(fresh.salt, &fresh.bytes, HEADER, record::FIRST);
        if end != fresh.bytes.len() {
            return Err(Error::io("rewrite")(io::ErrorKind::InvalidData.into()));
        }
        let end = end as u64;
        let (file, salt) = fresh.rename(&self.path)?;
        // The old file has no name any more: whatever fails from here on, the new one is the journal.
        self.file = Arc::new(file);
        self.adrift = true;
        self.salt = salt;
        self.end = end;
        self.room = end;
        // Acknowledged orders are in the new file as what remains of them.
        self.noted.clear();
        self.compacted = end;
        self.entries = HashMap::new();
        self.damaged_us = None;
        for (body, span) in records {
            self.index(&body, span);
        }
        self.moor()
    }

    /// Makes sure that a loss of power does not bring an older file back. Until then nothing may be written: it would
    /// be lost with the newer one.
    pub(super) fn moor(&mut self) -> Result<(), Error> {
        if self.adrift {
            sync_directory(parent(&self.path)).map_err(Error::io("keep the name of"))?;
            self.adrift = false;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        order_id: String,
        entry: &Entry,
        now_us: i64,
        keep: &mut Vec<Body>,
    ) -> Result<(), Error> {
        match (entry.stage, entry.accepted) {
            (Stage::Acknowledged, _) | (_, None) => {
                if now_us <= entry.not_after_us.saturating_add(REMEMBER_US) {
                    let order_sha256 = entry.order_sha256.clone();
                    keep.push(Body::Spent(record::Spent {
                        order_id,
                        order_sha256,
                        not_after_us: entry.not_after_us,
                    }));
                }
            }
            (stage, Some(accepted)) => {
                keep.push(self.read(accepted)?);
                if let Stage::Started { attempts, first_us } = stage {
                    let started = record::Started { order_id, at_us: first_us, attempt: attempts };
                    keep.push(Body::Started(started));
                }
                if let Some(finished) = entry.finished {
                    keep.push(self.read(finished)?);
                }
            }
        }
        Ok(())
    }
}

/// A file on the disk that has its place still before it, and its bytes.
struct Fresh {
    path: PathBuf,
    file: File,
    salt: [u8; 8],
    bytes: Vec<u8>,
}

impl Fresh {
    fn write(path: &Path, records: &[Body]) -> Result<Self, Error> {
        let salt = random::bytes::<8>()?;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&salt);
        for body in records {
            // Each by itself: the file appears whole or not at all, and damage to one must not cost the rest.
            record::frame(salt, record::FIRST, body, &mut bytes);
        }
        let path = path.with_extension("new");
        let written = || -> io::Result<File> {
            let mut how = OpenOptions::new();
            how.create(true).truncate(true).read(true).write(true).mode(0o600);
            let mut file = how.open(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            Ok(file)
        };
        match written() {
            Ok(file) => Ok(Self { path, file, salt, bytes }),
            Err(source) => {
                let _ = fs::remove_file(&path);
                Err(Error::io("rewrite")(source))
            }
        }
    }

    /// Gives it the journal's name, which is not on the disk yet when this returns.
    fn rename(self, path: &Path) -> Result<(File, [u8; 8]), Error> {
        fs::rename(&self.path, path).map_err(|source| {
            let _ = fs::remove_file(&self.path);
            Error::io("rewrite")(source)
        })?;
        Ok((self.file, self.salt))
    }
}

/// Makes the file anew with these records, atomically.
pub(super) fn create(path: &Path, records: &[Body]) -> Result<[u8; 8], Error> {
    let (_, salt) = Fresh::write(path, records)?.rename(path)?;
    sync_directory(parent(path)).map_err(Error::io("keep the name of"))?;
    Ok(salt)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
