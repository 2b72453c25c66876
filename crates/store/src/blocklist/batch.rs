//! What is read and written of many objects at a time: a list of a hundred thousand is a few statements of 256 each batch,
//! not one for each object.
//!
//! Objects are named by kind and value; where a function takes several, none is named twice.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Object, Source, object, read_object, read_source};
use crate::{
    Error, Micros, Row, Tx,
    many::{Many, SIZES, many},
    value::Param,
};

/// What tells an object from others of its tenant: kind and value.
pub type Key = (i64, Vec<u8>);

/// Whose word is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    Everybody,
    /// This task's.
    Task(Uuid),
    /// Of all whose time is over at this one.
    Over(Micros),
}

many! {
    OBJECTS = concat!("SELECT ", object!(), " FROM blocklist_object WHERE tenant_id = $1 AND kind = $2 AND value IN ("),
        ("", "") 3 1, ")";
    LISTED = "SELECT value FROM blocklist_object WHERE tenant_id = $1 AND kind = $2 AND value IN (", ("", "") 3 1, ")";
    PUT = concat!("INSERT INTO blocklist_object (tenant_id, ", object!(), ") VALUES "), ("($1, ", ")") 2 12,
        " ON CONFLICT (tenant_id, kind, value) DO UPDATE SET action = excluded.action, risk = excluded.risk, \
        expires_at = excluded.expires_at, note = excluded.note, task_id = excluded.task_id, \
        added_by = excluded.added_by, version = excluded.version";
    DELETE = "DELETE FROM blocklist_object WHERE tenant_id = $1 AND kind = $2 AND value IN (", ("", "") 3 1,
        ") RETURNING value";
    PUT_WORDS = "INSERT INTO blocklist_source (tenant_id, kind, value, task_id, action, risk, expires_at, note, added_by, \
        added_at) VALUES ", ("($1, ", ")") 2 9, " ON CONFLICT (tenant_id, kind, value, task_id) DO UPDATE \
        SET action = excluded.action, risk = excluded.risk, expires_at = excluded.expires_at, removed_by = NULL";
    DROP_WORDS = "UPDATE blocklist_source SET removed_by = $3 WHERE tenant_id = $1 AND kind = $2 AND removed_by IS NULL \
        AND (CAST($4 AS TEXT) IS NULL OR task_id = $4) AND (CAST($5 AS BIGINT) IS NULL OR expires_at <= $5) \
        AND value IN (", ("", "") 6 1, ") RETURNING value";
    MERGED = "SELECT kind, value, task_id, action, risk, expires_at, note, added_by, added_at FROM (SELECT kind, value, \
        task_id, MAX(action) OVER w AS action, MAX(risk) OVER w AS risk, CASE WHEN COUNT(*) OVER w = COUNT(expires_at) \
        OVER w THEN MAX(expires_at) OVER w END AS expires_at, note, added_by, MIN(added_at) OVER w AS added_at, \
        ROW_NUMBER() OVER (w ORDER BY added_at DESC, task_id DESC) AS place FROM blocklist_source WHERE tenant_id = $1 \
        AND kind = $2 AND removed_by IS NULL AND (expires_at IS NULL OR expires_at > $3) AND value IN (", ("", "") 4 1,
        ") WINDOW w AS (PARTITION BY value)) said WHERE place = 1";
}

/// Runs a statement that names objects of one kind by their values, for each kind.
fn ask<T>(
    tx: &mut Tx<'_>,
    statement: &Many,
    tenant: Uuid,
    keys: &[Key],
    more: &[&dyn Param],
    read: impl Fn(i64, Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut by_kind: BTreeMap<i64, Vec<&Vec<u8>>> = BTreeMap::new();
    for (kind, value) in keys {
        by_kind.entry(*kind).or_default().push(value);
    }
    let mut found = Vec::new();
    for (kind, values) in &by_kind {
        statement.each(values, |text, piece| {
            let mut params: Vec<&dyn Param> = vec![&tenant, kind];
            params.extend(more);
            params.extend(piece.iter().map(|value| value as &dyn Param));
            found.extend(tx.query(text, &params, |row| read(*kind, row))?);
            Ok(())
        })?;
    }
    Ok(found)
}

fn read_key(kind: i64, mut row: Row) -> Result<Key, Error> {
    Ok((kind, row.take()?))
}

/// Those of these objects that are listed.
pub fn objects(tx: &mut Tx<'_>, tenant: Uuid, keys: &[Key]) -> Result<Vec<Object>, Error> {
    ask(tx, &OBJECTS, tenant, keys, &[], |_, row| read_object(row))
}

/// Which of these objects are listed.
pub fn listed(tx: &mut Tx<'_>, tenant: Uuid, keys: &[Key]) -> Result<BTreeSet<Key>, Error> {
    ask(tx, &LISTED, tenant, keys, &[], read_key).map(BTreeSet::from_iter)
}

/// Lists objects. Of one that is listed already its id, its value for people and when it was listed first stay.
pub fn put(tx: &mut Tx<'_>, tenant: Uuid, objects: &[Object]) -> Result<(), Error> {
    PUT.each(objects, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant];
        for object in piece {
            let Object { id, kind, value, shown, action, risk, expires_at, .. } = object;
            let Object { note, task_id, added_by, added_at, version, .. } = object;
            let row: [&dyn Param; 12] = [
                id, kind, value, shown, action, risk, expires_at, note, task_id, added_by, added_at, version,
            ];
            params.extend(row);
        }
        tx.execute(text, &params).map(drop)
    })?;
    if objects.len() >= SIZES[0] { tx.grew("blocklist_object") } else { Ok(()) }
}

/// Takes objects off the list. How many there were.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, keys: &[Key]) -> Result<usize, Error> {
    ask(tx, &DELETE, tenant, keys, &[], read_key).map(|gone| gone.len())
}

/// Notes that tasks list objects.
pub fn put_words(tx: &mut Tx<'_>, tenant: Uuid, words: &[&Source]) -> Result<(), Error> {
    PUT_WORDS.each(words, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant];
        for word in piece {
            let Source { kind, value, task_id, action, risk, expires_at, note, added_by, added_at } = word;
            let row: [&dyn Param; 9] =
                [kind, value, task_id, action, risk, expires_at, note, added_by, added_at];
            params.extend(row);
        }
        tx.execute(text, &params).map(drop)
    })?;
    if words.len() >= SIZES[0] { tx.grew("blocklist_source") } else { Ok(()) }
}

/// Takes words back that objects are listed, on behalf of a task, or of `expiry`. The objects that lost one.
pub fn drop_words(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    keys: &[Key],
    whose: Whose,
    by: &str,
) -> Result<BTreeSet<Key>, Error> {
    let (task, end) = match whose {
        Whose::Everybody => (None, None),
        Whose::Task(task) => (Some(task), None),
        Whose::Over(now) => (None, Some(now)),
    };
    ask(tx, &DROP_WORDS, tenant, keys, &[&by, &task, &end], read_key).map(BTreeSet::from_iter)
}

/// What all who list an object say of it, together, for each of these that anybody lists: the strictest action, the highest
/// risk, the latest end, and when it was said first. Who said it, and what is known of it, is of the last. Words that end at
/// `after` or before do not count.
pub fn merged(tx: &mut Tx<'_>, tenant: Uuid, keys: &[Key], after: Micros) -> Result<Vec<Source>, Error> {
    ask(tx, &MERGED, tenant, keys, &[&after], |_, row| read_source(row))
}
