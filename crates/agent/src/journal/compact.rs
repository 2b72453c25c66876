//! Rewrites the journal's file, so that it stays small: whole orders until they are acknowledged, then their ids.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use quell_wire::limits;

use super::record::{self, Body, HEADER, MAGIC};
use super::{Entry, Error, Journal, REMEMBER_US, Stage, replay};
use crate::random;
use crate::state::{sync_directory, write_synced};

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
        let salt = create(&self.path, &keep)?;
        let (found, _) = replay::open(&self.path, now_us)?;
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(Error::io("open"))?;
        self.file = Arc::new(file);
        self.salt = salt;
        self.end = found.end;
        self.room = found.room;
        // Acknowledged orders are in the new file as what remains of them.
        self.noted.clear();
        self.compacted = found.end;
        self.entries = HashMap::new();
        self.damaged_us = None;
        for (body, span) in found.records {
            self.index(&body, span);
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

/// Makes the file anew with these records, atomically.
pub(super) fn create(path: &Path, records: &[Body]) -> Result<[u8; 8], Error> {
    let salt = random::bytes::<8>()?;
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&salt);
    for body in records {
        // Each by itself: the file appears whole or not at all, and damage to one must not cost the rest.
        record::frame(salt, record::FIRST, body, &mut bytes);
    }
    let fresh = path.with_extension("new");
    let parent = path.parent().unwrap_or(Path::new("."));
    write_synced(&fresh, &bytes)
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| sync_directory(parent))
        .map_err(|source| {
            let _ = fs::remove_file(&fresh);
            Error::Io { what: "rewrite", source }
        })?;
    Ok(salt)
}
