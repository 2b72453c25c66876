//! The audit trail: appended in the same closure as what it records, never changed. Once, later, a row is given its
//! place under a checkpoint ([`crate::checkpoint`]).

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub tenant_id: Uuid,
    /// UUID version 7, so that the id orders the trail.
    pub id: Uuid,
    /// When.
    pub at: Micros,
    /// What kind of actor: `api_key`, `endpoint`, `system` …
    pub actor_kind: String,
    /// Which actor.
    pub actor_id: String,
    /// Its name at that time.
    pub actor_name: String,
    /// What was done: `task.submit`, `command.outcome` …
    pub verb: String,
    /// What kind of object it was done to.
    pub object_kind: String,
    /// Which object.
    pub object_id: String,
    /// `ok`, or why it was refused.
    pub outcome: String,
    /// JSON. Never holds a secret: what is redacted is redacted before it comes here.
    pub detail: String,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// The address it came from.
    pub remote: Option<String>,
}

/// Which records to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those about this object.
    pub object_id: Option<String>,
    /// Only those of this actor.
    pub actor_id: Option<String>,
    /// Only those of this verb.
    pub verb: Option<String>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, at, actor_kind, actor_id, actor_name, verb, object_kind, object_id, outcome, detail, \
        request_id, remote"
    };
}

sql! {
    INSERT = concat!("INSERT INTO audit (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
        $12, $13)");
    LIST = concat!("SELECT ", columns!(), " FROM audit WHERE tenant_id = $1 AND id < $2 \
        AND (object_id = $3 OR CAST($3 AS TEXT) IS NULL) AND (actor_id = $4 OR CAST($4 AS TEXT) IS NULL) \
        AND (verb = $5 OR CAST($5 AS TEXT) IS NULL) ORDER BY id DESC LIMIT $6");
    UNSEALED = concat!("SELECT ", columns!(), " FROM audit WHERE tenant_id = $1 AND batch IS NULL ORDER BY id LIMIT $2");
    TENANTS_UNSEALED = "SELECT DISTINCT tenant_id FROM audit WHERE batch IS NULL LIMIT $1";
    OLDEST_UNSEALED = "SELECT COUNT(*), MIN(at) FROM audit WHERE tenant_id = $1 AND batch IS NULL";
    SEAL = "UPDATE audit SET batch = $3, leaf = $4 WHERE tenant_id = $1 AND id = $2 AND batch IS NULL";
    OF_BATCH = concat!("SELECT ", columns!(), ", leaf FROM audit WHERE tenant_id = $1 AND id >= $2 AND id <= $3 \
        AND batch = $4 ORDER BY leaf");
    OF_BATCH_BUT = concat!("SELECT ", columns!(), " FROM audit WHERE tenant_id = $1 AND id >= $2 AND id <= $3 \
        AND batch = $4 AND object_kind <> $5 ORDER BY leaf");
    SEALED = "SELECT COUNT(*) FROM audit WHERE tenant_id = $1 AND batch IS NOT NULL";
    LIST_OF_OBJECT = concat!("SELECT ", columns!(), " FROM audit WHERE tenant_id = $1 AND object_id = $2 \
        AND id < $3 ORDER BY id DESC LIMIT $4");
}

fn read(mut row: Row) -> Result<Record, Error> {
    read_from(&mut row)
}

fn read_from(row: &mut Row) -> Result<Record, Error> {
    Ok(Record {
        tenant_id: row.take()?,
        id: row.take()?,
        at: row.take()?,
        actor_kind: row.take()?,
        actor_id: row.take()?,
        actor_name: row.take()?,
        verb: row.take()?,
        object_kind: row.take()?,
        object_id: row.take()?,
        outcome: row.take()?,
        detail: row.take()?,
        request_id: row.take()?,
        remote: row.take()?,
    })
}

/// Appends a record.
pub fn append(tx: &mut Tx<'_>, record: &Record) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &record.tenant_id,
            &record.id,
            &record.at,
            &record.actor_kind,
            &record.actor_id,
            &record.actor_name,
            &record.verb,
            &record.object_kind,
            &record.object_id,
            &record.outcome,
            &record.detail,
            &record.request_id,
            &record.remote,
        ],
    )
    .map(drop)
}

/// Records that stand under no checkpoint yet, oldest first.
pub fn unsealed(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Record>, Error> {
    tx.query(UNSEALED, &[&tenant, &limit], read)
}

/// Tenants with such records.
pub fn tenants_unsealed(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Uuid>, Error> {
    tx.query(TENANTS_UNSEALED, &[&limit], |mut row| row.take())
}

/// How many such records a tenant has, and when the oldest was made.
pub fn oldest_unsealed(tx: &mut Tx<'_>, tenant: Uuid) -> Result<(i64, Option<Micros>), Error> {
    let found = tx.query_opt(OLDEST_UNSEALED, &[&tenant], |mut row| Ok((row.take()?, row.take()?)))?;
    Ok(found.unwrap_or((0, None)))
}

/// Gives a record its place. `false` when it has one.
pub fn seal(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, batch: i64, leaf: i64) -> Result<bool, Error> {
    tx.execute(SEAL, &[&tenant, &id, &batch, &leaf]).map(|rows| rows == 1)
}

/// The records of a batch with their places in it, which all lie between these two ids.
pub fn of_batch(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    (first, last): (Uuid, Uuid),
    batch: i64,
) -> Result<Vec<(i64, Record)>, Error> {
    tx.query(OF_BATCH, &[&tenant, &first, &last, &batch], |mut row| {
        let record = read_from(&mut row)?;
        Ok((row.take()?, record))
    })
}

/// The same without those about one kind of object: of commands there are many times more than of anything else.
pub fn of_batch_but(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    (first, last): (Uuid, Uuid),
    batch: i64,
    object_kind: &str,
) -> Result<Vec<Record>, Error> {
    tx.query(OF_BATCH_BUT, &[&tenant, &first, &last, &batch, &object_kind], read)
}

/// How many records of a tenant say that they stand under a checkpoint.
pub fn sealed(tx: &mut Tx<'_>, tenant: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(SEALED, &[&tenant], |mut row| row.take())?.unwrap_or(0))
}

/// A page of a tenant's trail, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, page: Page) -> Result<Paged<Record>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = match filter {
        // The index by object serves only a statement that always names one.
        Filter { object_id: Some(object), actor_id: None, verb: None } => {
            tx.query(LIST_OF_OBJECT, &[&tenant, object, &after, &page.fetch()], read)?
        }
        Filter { object_id, actor_id, verb } => {
            tx.query(LIST, &[&tenant, &after, object_id, actor_id, verb, &page.fetch()], read)?
        }
    };
    Ok(page.cut(rows, |record| record.id))
}
