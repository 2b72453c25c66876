//! What leads an agent from its version to the newest: deltas where few are missing, else the whole list.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use quell_store::{Tx, blocklist as rows};
use quell_wire::blocklist::{Delta, Held, Part, SignedDelta, framed};
use quell_wire::limits;
use uuid::Uuid;

use super::change::{group, plain};
use super::{BlockLists, Error, lock};

/// Deltas that one answer holds at most, and their bytes: beyond it the whole list is likely less.
const DELTAS: i64 = 512;
const DELTA_BYTES: usize = 8 << 20;
/// Bytes of values in one part.
const PART: usize = limits::BLOCK_LIST_DELTA * 3 / 4;
/// Objects that are read at a time.
const PAGE: i64 = 5000;

/// The whole list at one version, signed and ready to be sent.
pub(super) struct Snapshot {
    version: u64,
    body: Bytes,
}

impl BlockLists {
    /// What leads from a version to the newest; `None` where that is held already.
    pub(crate) async fn since(&self, tenant: Uuid, from: u64) -> Result<Option<Bytes>, Error> {
        let newest = self.newest(tenant).version;
        // Who says to hold a newer one than there is gets the whole of what there is, and decides; of nothing there is no whole.
        if from == newest || newest == 0 {
            return Ok(None);
        }
        if from < newest
            && from > 0
            && let Some(body) = self.deltas(tenant, from, newest).await?
        {
            return Ok(Some(body.into()));
        }
        let snapshot = self.snapshot(tenant, newest).await?;
        match self.deltas(tenant, snapshot.version, newest).await? {
            Some(tail) if !tail.is_empty() => Ok(Some([&snapshot.body[..], &tail].concat().into())),
            _ => Ok(Some(snapshot.body.clone())),
        }
    }

    /// The deltas between two versions; `None` where one is missing or they are too many.
    async fn deltas(&self, tenant: Uuid, from: u64, to: u64) -> Result<Option<Vec<u8>>, Error> {
        if from >= to {
            return Ok(Some(Vec::new()));
        }
        if to - from > DELTAS.unsigned_abs() {
            return Ok(None);
        }
        let from_row = i64::try_from(from).unwrap_or(i64::MAX);
        let rows = self.store.read(move |tx| rows::deltas(tx, tenant, from_row, DELTAS)).await?;
        let (mut body, mut at) = (Vec::new(), from_row);
        for row in rows {
            let (Some(signature), Some(key_id)) = (row.signature, row.key_id) else { break };
            if row.version != at + 1 || body.len() + row.delta.len() > DELTA_BYTES {
                return Ok(None);
            }
            at = row.version;
            body.extend(framed(&SignedDelta { delta: row.delta, signature, key_id }));
        }
        Ok((at.unsigned_abs() >= to).then_some(body))
    }

    /// A snapshot from which the newest version is not far.
    pub(super) async fn snapshot(&self, tenant: Uuid, newest: u64) -> Result<Arc<Snapshot>, Error> {
        let near = |snapshot: &Arc<Snapshot>| {
            snapshot.version <= newest && newest - snapshot.version <= DELTAS.unsigned_abs() / 4
        };
        let _building = self.building.lock().await;
        let held = lock(&self.snapshots).get(&tenant).cloned().filter(near);
        if let Some(held) = held
            && self
                .deltas(tenant, held.version, newest)
                .await?
                .is_some_and(|tail| tail.len() < held.body.len() / 2 + (1 << 20))
        {
            return Ok(held);
        }
        let (held, parts) = self.store.read(move |tx| read(tx, tenant)).await?;
        let mut body = Vec::new();
        for part in parts {
            body.extend(framed(&self.engine.signer().sign_delta(&part).await?));
        }
        let snapshot = Arc::new(Snapshot { version: held.version, body: body.into() });
        lock(&self.snapshots).insert(tenant, Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

/// The encoded parts of the list as it stands.
fn read(tx: &mut Tx<'_>, tenant: Uuid) -> Result<(Held, Vec<Vec<u8>>), quell_store::Error> {
    let state = rows::state(tx, tenant)?;
    let held = Held { version: state.version.unsigned_abs(), digest: state.digest };
    let mut parts = Parts::default();
    let mut after = Uuid::nil();
    loop {
        let page = rows::all_after(tx, tenant, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for object in page {
            let said = (object.kind, object.action, object.risk, object.expires_at.unwrap_or(0));
            parts.make_room(object.value.len());
            parts.groups.entry(said).or_default().push(object.value);
        }
    }
    for exception in rows::exceptions(tx, tenant)? {
        parts.make_room(exception.value.len());
        parts.excepts.entry(exception.kind).or_default().push(exception.value);
    }
    parts.cut();
    let snapshot = Uuid::new_v4().as_bytes().to_vec();
    let count = parts.done.len() as u32;
    let encoded = parts.done.into_iter().enumerate().map(|(index, delta)| {
        let part =
            Part { snapshot: snapshot.clone(), index: index as u32, count, digest: held.digest.clone() };
        Delta {
            tenant_id: tenant.to_string(),
            to_version: held.version,
            made_at_us: state.updated_at,
            part: Some(part),
            ..delta
        }
        .encode_to_vec()
    });
    Ok((held.clone(), encoded.collect()))
}

#[derive(Default)]
struct Parts {
    done: Vec<Delta>,
    groups: BTreeMap<(i64, i64, i64, i64), Vec<Vec<u8>>>,
    excepts: BTreeMap<i64, Vec<Vec<u8>>>,
    size: usize,
}

impl Parts {
    fn make_room(&mut self, size: usize) {
        // A value costs its length and a few bytes; a group of its own, some more.
        self.size += size + 24;
        if self.size > PART {
            self.cut();
            self.size = size + 24;
        }
    }

    fn cut(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        self.done.push(Delta {
            adds: groups.into_iter().map(|(said, values)| group(said, values)).collect(),
            excepts: plain(std::mem::take(&mut self.excepts)),
            ..Delta::default()
        });
    }
}
