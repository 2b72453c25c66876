//! What is written of many processes and activity events at a time: few statements for each update of a chain.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::rows::{Activity, Process};
use crate::{Error, Tx, many::many, value::Param};

many! {
    PUT_PROCESSES = "INSERT INTO chain_process (tenant_id, chain_id, pid, start, parent_pid, parent_start, started_at, body) \
        VALUES ", ("($1, $2, ", ")") 3 6, " ON CONFLICT (tenant_id, chain_id, pid, start) DO UPDATE SET \
        parent_pid = excluded.parent_pid, parent_start = excluded.parent_start, started_at = excluded.started_at, \
        body = excluded.body";
    PUT_ACTIVITIES = "INSERT INTO chain_activity (tenant_id, chain_id, activity, at, kind, pid, start, received_at, body) \
        VALUES ", ("($1, $2, ", ")") 3 7, " ON CONFLICT (tenant_id, chain_id, activity) DO UPDATE SET at = excluded.at, \
        kind = excluded.kind, pid = excluded.pid, start = excluded.start, received_at = excluded.received_at, \
        body = excluded.body";
    KNOWN_PROCESSES = "SELECT pid, start FROM chain_process WHERE tenant_id = $1 AND chain_id = $2 AND pid IN (",
        ("", "") 3 1, ")";
    BODIES = "SELECT activity, body FROM chain_activity WHERE tenant_id = $1 AND chain_id = $2 AND activity IN (",
        ("", "") 3 1, ")";
    KNOWN_ACTIVITIES = "SELECT activity FROM chain_activity WHERE tenant_id = $1 AND chain_id = $2 AND activity IN (",
        ("", "") 3 1, ")";
}

/// Writes processes, each key once; those that are there are replaced. At most `room` new ones are taken: how many were new,
/// and how many there was no room for.
pub fn put_processes(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    rows: &[Process],
    room: i64,
) -> Result<(i64, i64), Error> {
    let pids: Vec<i64> = rows.iter().map(|row| row.pid).collect::<BTreeSet<_>>().into_iter().collect();
    let mut known: BTreeSet<(i64, i64)> = BTreeSet::new();
    KNOWN_PROCESSES.each(&pids, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &chain];
        params.extend(piece.iter().map(|pid| pid as &dyn Param));
        known.extend(tx.query(text, &params, |mut row| Ok((row.take()?, row.take()?)))?);
        Ok(())
    })?;
    let (kept, new, beyond) = choose(rows, room, |row| known.contains(&(row.pid, row.start)));
    PUT_PROCESSES.each(&kept, |text, piece| {
        let parents: Vec<[Option<i64>; 2]> =
            piece.iter().map(|row| [row.parent.map(|key| key.0), row.parent.map(|key| key.1)]).collect();
        let mut params: Vec<&dyn Param> = vec![&tenant, &chain];
        for (row, [parent_pid, parent_start]) in piece.iter().zip(&parents) {
            let values: [&dyn Param; 6] =
                [&row.pid, &row.start, parent_pid, parent_start, &row.started_at, &row.body];
            params.extend(values);
        }
        tx.execute(text, &params).map(drop)
    })?;
    Ok((new, beyond))
}

/// The numbers of those activity events that are stored as they are here.
pub fn unchanged(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    rows: &[Activity],
) -> Result<BTreeSet<i64>, Error> {
    let ids: Vec<i64> = rows.iter().map(|row| row.activity).collect();
    let mut stored: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    BODIES.each(&ids, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &chain];
        params.extend(piece.iter().map(|id| id as &dyn Param));
        stored.extend(tx.query(text, &params, |mut row| Ok((row.take()?, row.take()?)))?);
        Ok(())
    })?;
    let is_same = |row: &&Activity| stored.get(&row.activity).is_some_and(|body| *body == row.body);
    Ok(rows.iter().filter(is_same).map(|row| row.activity).collect())
}

/// Writes activity events, each number once, as [`put_processes`] does processes.
pub fn put_activities(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    chain: Uuid,
    rows: &[Activity],
    room: i64,
) -> Result<(i64, i64), Error> {
    let ids: Vec<i64> = rows.iter().map(|row| row.activity).collect();
    let mut known: BTreeSet<i64> = BTreeSet::new();
    KNOWN_ACTIVITIES.each(&ids, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &chain];
        params.extend(piece.iter().map(|id| id as &dyn Param));
        known.extend(tx.query(text, &params, |mut row| row.take::<i64>())?);
        Ok(())
    })?;
    let (kept, new, beyond) = choose(rows, room, |row| known.contains(&row.activity));
    PUT_ACTIVITIES.each(&kept, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &chain];
        for row in piece {
            let Activity { activity, at, kind, pid, start, received_at, body, .. } = row;
            let values: [&dyn Param; 7] = [activity, at, kind, pid, start, received_at, body];
            params.extend(values);
        }
        tx.execute(text, &params).map(drop)
    })?;
    Ok((new, beyond))
}

/// Those that are known, and as many others as there is room for; how many others, and how many are left out.
fn choose<R>(rows: &[R], room: i64, is_known: impl Fn(&R) -> bool) -> (Vec<&R>, i64, i64) {
    let (mut kept, mut new, mut beyond) = (Vec::with_capacity(rows.len()), 0, 0);
    for row in rows {
        if is_known(row) {
            kept.push(row);
        } else if new < room {
            new += 1;
            kept.push(row);
        } else {
            beyond += 1;
        }
    }
    (kept, new, beyond)
}
