//! An update of a chain on its way into the database: written once, whole, and joined to the incident that it belongs to.
//!
//! Everything here happens in the transaction of the caller and decides from the database alone, since it may be run again.

use std::collections::BTreeSet;

use quell_engine::Change;
use quell_incident::View;
use quell_incident::join::{self, Links};
use quell_store::chain::{self, Chain, batch};
use quell_store::incident::{self, Incident};
use quell_store::{Error, Tx, detection};
use quell_wire::limits;
use uuid::Uuid;

use super::belong::belong;
use super::update::{Update, signed};
use super::{BYTES_OF_ENDPOINT, CHAINS_OF_ENDPOINT, gather, hit, late};

/// Whose update it is.
#[derive(Clone, Debug)]
pub(crate) struct From {
    /// Whose endpoint.
    pub tenant: Uuid,
    /// Which.
    pub endpoint: Uuid,
    /// Its name.
    pub name: String,
    /// Where it speaks from.
    pub remote: Option<String>,
}

/// What became of an update.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The newest update of the chain that is stored; 0 where the chain is not known.
    pub serial: i64,
    /// No more updates are wanted.
    pub close: bool,
    /// What is to be told once it is committed.
    pub news: Vec<Change>,
}

impl Taken {
    fn nothing(serial: i64, close: bool) -> Self {
        Self { serial, close, news: Vec::new() }
    }
}

/// Writes an update.
pub(crate) fn take(tx: &mut Tx<'_>, from: &From, update: &Update) -> Result<Taken, Error> {
    let has_detections = !update.detections.is_empty();
    let leaves_links = update.activities.iter().any(join::leaves);
    let (known, is_alone) = look_up(tx, from, update, leaves_links)?;
    let Some(mut row) = (match known {
        Some(row) => Some(row),
        None if update.serial > 1 => return Ok(Taken::nothing(0, false)),
        None => begin(tx, from, update)?,
    }) else {
        return Ok(Taken::nothing(0, true));
    };
    let of = match row.incident_id {
        Some(id) => incident::get(tx, from.tenant, id)?,
        None => None,
    };
    let is_over = of.as_ref().is_some_and(|incident| !goes_on(incident, has_detections));
    if update.serial <= row.serial || row.is_closed || is_over {
        return Ok(Taken::nothing(row.serial, row.is_closed || is_over));
    }
    if update.serial > row.serial + 1 {
        return Ok(Taken::nothing(row.serial, false));
    }
    let told = write(tx, from, &mut row, update)?;
    let mut news = Vec::new();
    let changes_a_key = fill_keys(tx, &row, update)?;
    if !told.is_empty() {
        news = belong(tx, from, &mut row, (of, &told), update.received_at)?;
    } else if let Some(of) = of.filter(|_| leaves_links || changes_a_key) {
        let links = links_of_part(tx, from, &row, (update, changes_a_key))?;
        news = late::go_on(tx, from, &mut row, (of, &links), (is_alone, update.received_at))?;
    }
    row.serial = update.serial;
    row.is_closed = update.is_closed;
    if !chain::update(tx, &row)? {
        return Err(Error::Conflict("chain".to_owned()));
    }
    Ok(Taken { serial: row.serial, close: row.is_closed, news })
}

/// The chain of an update, and whether what follows may make, join or merge incidents: that is one transaction's at a time.
fn look_up(
    tx: &mut Tx<'_>,
    from: &From,
    update: &Update,
    leaves_links: bool,
) -> Result<(Option<Chain>, bool), Error> {
    let known = chain::by_name(tx, from.tenant, from.endpoint, &update.name)?;
    let may_merge = |row: &Chain| leaves_links && late::is_young(row, update.received_at);
    if update.detections.is_empty() && !known.as_ref().is_some_and(may_merge) {
        return Ok((known, false));
    }
    // Before anything is written: whoever waits for another's rows must not be waited for.
    incident::serialise(tx, from.tenant)?;
    Ok((chain::by_name(tx, from.tenant, from.endpoint, &update.name)?, true))
}

/// Whether an incident takes more. One that was a true positive goes on when something is detected again; one that was
/// nothing is left alone.
fn goes_on(incident: &Incident, has_detections: bool) -> bool {
    incident.state != "closed" || (has_detections && incident.resolution.as_deref() == Some("true_positive"))
}

/// A chain that begins; none where the endpoint has more than is kept of one.
fn begin(tx: &mut Tx<'_>, from: &From, update: &Update) -> Result<Option<Chain>, Error> {
    let held = chain::held(tx, from.tenant, from.endpoint)?;
    if held.chains >= CHAINS_OF_ENDPOINT || held.bytes >= BYTES_OF_ENDPOINT {
        tracing::warn!(endpoint.id = %from.endpoint, held.chains, held.bytes, "an endpoint has more chains than are kept of one");
        return Ok(None);
    }
    chain::make_room(tx, from.tenant, from.endpoint, limits::OPEN_CHAINS as i64)?;
    let row = Chain {
        tenant_id: from.tenant,
        id: Uuid::now_v7(),
        endpoint_id: from.endpoint,
        name: update.name.clone(),
        incident_id: None,
        boot_id: update.boot_id.clone(),
        root_pid: i64::from(update.root.pid),
        root_start: signed(update.root.start),
        serial: 0,
        is_closed: false,
        opened_at: update.received_at,
        updated_at: update.received_at,
        processes: 0,
        activities: 0,
        detections: 0,
        bytes: 0,
        lost: 0,
        processes_beyond: 0,
        activities_beyond: 0,
        dropped: 0,
        begins_late: false,
    };
    chain::insert(tx, &row)?;
    Ok(Some(row))
}

/// Writes processes, activity events and detections; the detections that are new.
fn write(
    tx: &mut Tx<'_>,
    from: &From,
    row: &mut Chain,
    update: &Update,
) -> Result<Vec<detection::Detection>, Error> {
    let (tenant, id) = (row.tenant_id, row.id);
    let room = limits::CHAIN_PROCESSES as i64 - row.processes;
    let (new, beyond) = batch::put_processes(tx, tenant, id, &update.process_rows, room)?;
    (row.processes, row.dropped) = (row.processes + new, row.dropped + beyond);
    let room = limits::CHAIN_ACTIVITIES as i64 - row.activities;
    let (new, beyond) = batch::put_activities(tx, tenant, id, &update.activity_rows, room)?;
    (row.activities, row.dropped) = (row.activities + new, row.dropped + beyond);
    let mut told = Vec::new();
    for (found, told_at) in &update.detections {
        if row.detections >= limits::CHAIN_DETECTIONS as i64 {
            row.dropped += 1;
            continue;
        }
        let found = hit::row(tx, from, row, update, (found, *told_at))?;
        if detection::insert(tx, &found)? {
            row.detections += 1;
            told.push(found);
        }
    }
    (row.root_pid, row.root_start) = (i64::from(update.root.pid), signed(update.root.start));
    row.lost = signed(update.gaps.lost);
    row.processes_beyond = signed(update.gaps.processes_beyond);
    row.activities_beyond = signed(update.gaps.activities_beyond);
    row.begins_late = update.gaps.begins_late;
    row.bytes = row.bytes.saturating_add(update.bytes);
    row.updated_at = update.received_at;
    Ok(told)
}

/// Brings the hashes of what was detected before, where they come only now. Whether the update tells of any of that again.
fn fill_keys(tx: &mut Tx<'_>, row: &Chain, update: &Update) -> Result<bool, Error> {
    if row.detections == 0 || update.activities.is_empty() {
        return Ok(false);
    }
    let marks = detection::marks(tx, row.tenant_id, row.id, limits::CHAIN_DETECTIONS as i64)?;
    let keys: BTreeSet<i64> = marks.into_iter().map(|mark| mark.activity).collect();
    let mut is_any = false;
    for activity in update.activities.iter().filter(|activity| keys.contains(&signed(activity.id))) {
        is_any = true;
        if let Some(sha256) = hit::hash(activity) {
            detection::fill(tx, (row.tenant_id, row.id), signed(activity.id), sha256)?;
        }
    }
    Ok(is_any)
}

/// The links of what an update tells, among all processes of its chain.
fn links_of_part(
    tx: &mut Tx<'_>,
    from: &From,
    row: &Chain,
    (update, has_keys): (&Update, bool),
) -> Result<Links, Error> {
    let part = gather::part(tx, row, &update.activities, has_keys)?;
    let setting = gather::setting(tx, from.tenant, [from.endpoint], |_| true, &[])?;
    Ok(join::links(&View::of(&part), &setting))
}
