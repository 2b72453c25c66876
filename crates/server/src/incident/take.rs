//! An update of a chain on its way into the database: written once, whole, and joined to the incident that it belongs to.
//!
//! Everything here happens in the transaction of the caller and decides from the database alone, since it may be run again.

use std::borrow::Cow;
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
use super::{gather, hit, judged, late, room};

/// Activity events beyond which not all of a chain is looked at.
const LOOKED_AT: i64 = 4_000;

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
    /// No more updates are wanted, but for what is on its way.
    pub close: bool,
    /// The endpoint has all chains that are kept of one: for this one room is to be made.
    pub is_full: bool,
    /// Rows that were looked at to find out to what it belongs.
    pub looked_at: i64,
    /// What is to be told once it is committed.
    pub news: Vec<Change>,
}

impl Taken {
    fn nothing(serial: i64, close: bool) -> Self {
        Self { serial, close, is_full: false, looked_at: 0, news: Vec::new() }
    }
}

/// Writes an update.
pub(crate) fn take(tx: &mut Tx<'_>, from: &From, update: &Update) -> Result<Taken, Error> {
    let (known, is_alone) = look_up(tx, from, update)?;
    let mut is_full = false;
    let mut row = match known {
        Some(row) => row,
        None if update.serial > 1 => return Ok(Taken::nothing(0, false)),
        None => {
            is_full = room::is_full(chain::held(tx, from.tenant, from.endpoint)?);
            begin(tx, from, update)?
        }
    };
    let of = match row.incident_id {
        Some(id) => incident::get(tx, from.tenant, id)?,
        None => None,
    };
    let was_over = row.is_closed || of.as_ref().is_some_and(|incident| incident.state == "closed");
    if update.serial != row.serial + 1 {
        return Ok(Taken::nothing(row.serial, was_over));
    }
    let update = &of_change(tx, &row, update)?;
    let told = write(tx, from, &mut row, update)?;
    let Joined { news, looked_at, is_open } = settle(tx, from, &mut row, (of, &told), (update, is_alone))?;
    if is_open && row.is_closed && !update.is_closed {
        chain::make_room(tx, from.tenant, from.endpoint, limits::OPEN_CHAINS as i64)?;
    }
    row.serial = update.serial;
    row.is_closed = update.is_closed || (row.is_closed && !is_open);
    if !chain::update(tx, &row)? {
        return Err(Error::Conflict("chain".to_owned()));
    }
    let close = row.is_closed || (was_over && !is_open);
    Ok(Taken { serial: row.serial, close, is_full, looked_at, news })
}

/// The chain of an update, and whether no other transaction of the tenant makes or joins incidents until this one ends.
fn look_up(tx: &mut Tx<'_>, from: &From, update: &Update) -> Result<(Option<Chain>, bool), Error> {
    let has_detections = !update.detections.is_empty();
    let leaves_links = update.activities.iter().any(join::leaves);
    let mut known = chain::by_name(tx, from.tenant, from.endpoint, &update.name)?;
    let may_merge = |row: &Chain| leaves_links && late::is_young(row, update.received_at);
    let is_alone = has_detections || known.as_ref().is_some_and(may_merge);
    if is_alone {
        // Before anything is written: whoever waits for another's rows must not be waited for.
        incident::serialise(tx, from.tenant)?;
        known = chain::by_name(tx, from.tenant, from.endpoint, &update.name)?;
    }
    Ok((known, is_alone))
}

/// An update without what is stored already just as it is: that changes nothing.
fn of_change<'u>(tx: &mut Tx<'_>, row: &Chain, update: &'u Update) -> Result<Cow<'u, Update>, Error> {
    if row.activities == 0 || update.activities.is_empty() {
        return Ok(Cow::Borrowed(update));
    }
    let same = batch::unchanged(tx, row.tenant_id, row.id, &update.activity_rows)?;
    if same.is_empty() {
        return Ok(Cow::Borrowed(update));
    }
    let mut changed = update.clone();
    changed.activities.retain(|activity| !same.contains(&signed(activity.id)));
    changed.activity_rows.retain(|row| !same.contains(&row.activity));
    Ok(Cow::Owned(changed))
}

/// What came of joining an update to its incident.
struct Joined {
    news: Vec<Change>,
    /// Rows that were looked at for it.
    looked_at: i64,
    /// Something was detected that nobody judged yet: whatever was closed is open again.
    is_open: bool,
}

/// Joins what an update brought to the incident `of` its chain. What was detected is never left out: on a closed incident it
/// opens that again, but where it is just what a person judged.
fn settle(
    tx: &mut Tx<'_>,
    from: &From,
    row: &mut Chain,
    (of, told): (Option<Incident>, &[detection::Detection]),
    (update, is_alone): (&Update, bool),
) -> Result<Joined, Error> {
    let leaves_links = update.activities.iter().any(join::leaves);
    let changes_a_key = fill_keys(tx, row, update)?;
    let now = update.received_at;
    let mut joined = Joined { news: Vec::new(), looked_at: 0, is_open: false };
    match of {
        Some(of) if !told.is_empty() && judged::is_judged(tx, &of, told)? => {
            joined.looked_at = of.detections;
            joined.news = judged::keep(tx, row, (of, told))?;
        }
        of if !told.is_empty() => {
            joined.looked_at = row.processes + row.activities.min(LOOKED_AT);
            joined.news = belong(tx, from, row, (of, told), now)?;
            joined.is_open = true;
        }
        Some(of) if leaves_links || changes_a_key => {
            joined.looked_at = row.processes;
            let links = links_of_part(tx, from, row, (update, changes_a_key))?;
            joined.news = late::go_on(tx, from, row, (of, &links), (is_alone, now))?;
        }
        _ => {}
    }
    Ok(joined)
}

/// A chain that begins.
fn begin(tx: &mut Tx<'_>, from: &From, update: &Update) -> Result<Chain, Error> {
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
        vanished_files: 0,
    };
    chain::insert(tx, &row)?;
    Ok(row)
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
    row.vanished_files = signed(update.gaps.vanished_files);
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
