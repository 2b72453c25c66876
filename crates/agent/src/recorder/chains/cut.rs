//! Cutting an update from what waits: within its limits, processes before what they did.

use std::collections::BTreeSet;

use prost::Message;
use quell_wire::activity::{ChainUpdate, Process, ProcessKey};
use quell_wire::limits;

use super::{Chain, Piece, Unseen};
use crate::recorder::ring::{Batch, Letter};

/// Bytes of an update: half of what a frame holds.
const BYTES: usize = 480 << 10;

/// Describes a process of the tree; none where it has left it.
pub type Names<'a> = &'a dyn Fn(ProcessKey) -> Option<Process>;

impl Chain {
    /// The next update, where something is to be told. With the rows of its processes, which go to the disk with it. `unseen`:
    /// what the endpoint could not tell until now.
    pub fn cut(&mut self, boot_id: &str, unseen: Unseen, names: Names<'_>) -> Option<(Letter, Batch)> {
        let closes = self.is_closing;
        if self.is_told() && !closes {
            self.due = None;
            return None;
        }
        let mut update = ChainUpdate {
            chain_id: self.state.id.clone(),
            boot_id: boot_id.to_owned(),
            root: self.root,
            ..ChainUpdate::default()
        };
        let mut bytes = 256;
        self.detections(&mut update, &mut bytes, names);
        self.processes(&mut update, &mut bytes, names);
        self.activities(&mut update, &mut bytes);
        update.gaps = self.gaps(unseen);
        self.gaps_changed = false;
        let is_last = self.is_told();
        update.closed = closes && is_last;
        self.due = if is_last && !closes { None } else { self.due };
        self.state.serial += 1;
        update.serial = self.state.serial;
        let members = std::mem::take(&mut self.members);
        let letter = Letter {
            chain: self.state.id.clone(),
            serial: update.serial,
            body: update.encode_to_vec(),
            state: (!update.closed).then(|| self.state.clone()),
            members,
        };
        Some((letter, Batch { processes: update.processes, activities: Vec::new() }))
    }

    /// With their key activity events, and the processes of those.
    fn detections(&mut self, update: &mut ChainUpdate, bytes: &mut usize, names: Names<'_>) {
        while update.detections.len() < limits::UPDATE_DETECTIONS && *bytes < BYTES / 2 {
            let Some((detection, key)) = self.detections.pop_front() else { return };
            // Whose process found no room is known by its number alone.
            if let Some(item) = key.filter(|item| self.tells(item.key)) {
                if self.fresh.remove(&item.key)
                    && let Some(process) = names(item.key)
                {
                    *bytes += process.encoded_len() + 8;
                    update.processes.push(process);
                }
                self.told_id = self.told_id.max(item.id);
                if update.activities.iter().all(|activity| activity.id != item.id) {
                    let activity = item.activity();
                    *bytes += activity.encoded_len() + 8;
                    update.activities.push(activity);
                }
                self.pieces.retain(|piece| piece.id() != item.id);
            }
            *bytes += detection.encoded_len() + 8;
            update.detections.push(detection);
        }
    }

    fn processes(&mut self, update: &mut ChainUpdate, bytes: &mut usize, names: Names<'_>) {
        while update.processes.len() < limits::UPDATE_PROCESSES && *bytes < BYTES {
            let process = match self.fresh.pop_first() {
                Some(key) => names(key),
                None => match self.rows.pop_front() {
                    Some(process) => Some(process),
                    None => return,
                },
            };
            if let Some(process) = process {
                *bytes += process.encoded_len() + 8;
                update.processes.push(process);
            }
        }
    }

    /// Only when all processes are told.
    fn activities(&mut self, update: &mut ChainUpdate, bytes: &mut usize) {
        if !self.fresh.is_empty() || !self.rows.is_empty() {
            return;
        }
        let mut there: BTreeSet<u64> = update.activities.iter().map(|activity| activity.id).collect();
        while update.activities.len() < limits::UPDATE_ACTIVITIES && *bytes < BYTES {
            let Some(piece) = self.pieces.pop_front() else { return };
            if !there.insert(piece.id()) {
                continue;
            }
            self.told_id = self.told_id.max(piece.id());
            let activity = match piece {
                Piece::Item(item) => item.activity(),
                Piece::Row(activity) => *activity,
            };
            *bytes += activity.encoded_len() + 8;
            update.activities.push(activity);
        }
    }
}
