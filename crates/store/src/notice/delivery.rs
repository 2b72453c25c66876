//! What is on its way: one row for each receiver of a notice, until it arrived or was given up.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// One notice for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id, the same over all tries.
    pub id: Uuid,
    /// Of what.
    pub notice_id: Uuid,
    /// `mail` or `webhook`.
    pub channel: String,
    /// An address, or the id of a webhook.
    pub destination: String,
    /// The person behind the address, where there is one.
    pub person_id: Option<Uuid>,
    /// The notice's kind.
    pub kind: String,
    /// `pending`, `sent`, `held` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was written.
    pub created_at: Micros,
    /// When it is tried next.
    pub next_at: Micros,
    /// Who is trying.
    pub claim: Option<Uuid>,
    /// What the last try said.
    pub last_error: Option<String>,
    /// When it arrived.
    pub sent_at: Option<Micros>,
    /// What it is folded by.
    pub fold_key: Option<String>,
    /// How many more it stands for.
    pub folded: i64,
}

/// What comes after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// `sent`, `pending`, `held` or `dead`.
    pub state: &'static str,
    /// When it is tried next.
    pub next_at: Micros,
    /// What went wrong.
    pub error: Option<String>,
    /// When it arrived.
    pub sent_at: Option<Micros>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, notice_id, channel, destination, person_id, kind, state, attempts, created_at, next_at, claim, \
        last_error, sent_at, fold_key, folded"
    };
}

sql! {
    INSERT = concat!("INSERT INTO delivery (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
        $12, $13, $14, $15, $16)");
    GET = concat!("SELECT ", columns!(), " FROM delivery WHERE tenant_id = $1 AND id = $2");
    OF_NOTICE = concat!("SELECT ", columns!(), " FROM delivery WHERE tenant_id = $1 AND notice_id = $2 ORDER BY id LIMIT $3");
    // One untouched delivery of the key takes the newcomer in.
    FOLD = "UPDATE delivery SET folded = folded + 1 WHERE tenant_id = $1 AND id = (SELECT id FROM delivery \
        WHERE tenant_id = $1 AND destination = $2 AND created_at > $4 AND fold_key = $3 AND state = 'pending' \
        AND attempts = 0 ORDER BY created_at DESC LIMIT 1) AND state = 'pending' AND attempts = 0";
    LAST_OF_KEY = "SELECT MAX(created_at) FROM delivery WHERE tenant_id = $1 AND destination = $2 AND created_at > $4 \
        AND fold_key = $3";
    RECENT_OF_KIND = "SELECT COUNT(*) FROM delivery WHERE tenant_id = $1 AND destination = $2 AND created_at > $4 \
        AND kind = $3";
    MAILS_SINCE = "SELECT COUNT(*) FROM delivery WHERE tenant_id = $1 AND created_at > $2 AND channel = 'mail'";
    DUE = concat!("SELECT ", columns!(), " FROM (SELECT d.*, ROW_NUMBER() OVER (PARTITION BY tenant_id, destination \
        ORDER BY next_at, id) AS place FROM delivery d WHERE state = 'pending' AND next_at <= $1) ranked \
        WHERE place <= $2 ORDER BY next_at, id LIMIT $3");
    ALIKE = concat!("SELECT ", columns!(), " FROM delivery WHERE tenant_id = $1 AND destination = $2 AND kind = $3 \
        AND channel = 'mail' AND state = 'pending' AND next_at <= $4 AND created_at > $5 ORDER BY id LIMIT $6");
    CLAIM = "UPDATE delivery SET claim = $3, next_at = $5, attempts = attempts + 1 \
        WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND next_at <= $4";
    SETTLE = "UPDATE delivery SET state = $4, next_at = $5, last_error = $6, sent_at = $7, claim = NULL \
        WHERE tenant_id = $1 AND id = $2 AND claim = $3";
    RETRY = "UPDATE delivery SET state = 'pending', attempts = 0, next_at = $3, claim = NULL \
        WHERE tenant_id = $1 AND notice_id = $2 AND state IN ('held', 'dead')";
    GIVE_UP = "UPDATE delivery SET state = 'dead', last_error = $3, claim = NULL \
        WHERE tenant_id = $1 AND destination = $2 AND state = 'pending'";
    NEXT = "SELECT MIN(next_at) FROM delivery WHERE state = 'pending'";
}

fn read(mut row: Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        tenant_id: row.take()?,
        id: row.take()?,
        notice_id: row.take()?,
        channel: row.take()?,
        destination: row.take()?,
        person_id: row.take()?,
        kind: row.take()?,
        state: row.take()?,
        attempts: row.take()?,
        created_at: row.take()?,
        next_at: row.take()?,
        claim: row.take()?,
        last_error: row.take()?,
        sent_at: row.take()?,
        fold_key: row.take()?,
        folded: row.take()?,
    })
}

/// Adds one.
pub fn insert(tx: &mut Tx<'_>, row: &Delivery) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &row.tenant_id,
            &row.id,
            &row.notice_id,
            &row.channel,
            &row.destination,
            &row.person_id,
            &row.kind,
            &row.state,
            &row.attempts,
            &row.created_at,
            &row.next_at,
            &row.claim,
            &row.last_error,
            &row.sent_at,
            &row.fold_key,
            &row.folded,
        ],
    )
    .map(drop)
}

/// The delivery with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Delivery>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The deliveries of a notice.
pub fn of_notice(tx: &mut Tx<'_>, tenant: Uuid, notice: Uuid, limit: i64) -> Result<Vec<Delivery>, Error> {
    tx.query(OF_NOTICE, &[&tenant, &notice, &limit], read)
}

/// Counts one more into a delivery of the key that was written after `since` and not tried yet. `false` when there is none.
pub fn fold(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    destination: &str,
    key: &str,
    since: Micros,
) -> Result<bool, Error> {
    tx.execute(FOLD, &[&tenant, &destination, &key, &since]).map(|rows| rows == 1)
}

/// When the last delivery of the key was written, if after `since`.
pub fn last_of_key(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    destination: &str,
    key: &str,
    since: Micros,
) -> Result<Option<Micros>, Error> {
    Ok(tx.query_opt(LAST_OF_KEY, &[&tenant, &destination, &key, &since], |mut row| row.take())?.flatten())
}

/// How many of a kind were written for a receiver after `since`.
pub fn recent_of_kind(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    destination: &str,
    kind: &str,
    since: Micros,
) -> Result<i64, Error> {
    let count =
        tx.query_opt(RECENT_OF_KIND, &[&tenant, &destination, &kind, &since], |mut row| row.take())?;
    Ok(count.unwrap_or(0))
}

/// How many mails of a tenant were written after `since`.
pub fn mails_since(tx: &mut Tx<'_>, tenant: Uuid, since: Micros) -> Result<i64, Error> {
    Ok(tx.query_opt(MAILS_SINCE, &[&tenant, &since], |mut row| row.take())?.unwrap_or(0))
}

/// What is due, at most `each` for one receiver, so that a slow one does not stand before all others.
pub fn due(tx: &mut Tx<'_>, now: Micros, each: i64, limit: i64) -> Result<Vec<Delivery>, Error> {
    tx.query(DUE, &[&now, &each, &limit], read)
}

/// Mails of a kind that wait for one receiver, due before `until` and written after `since`.
pub fn alike(
    tx: &mut Tx<'_>,
    of: &Delivery,
    until: Micros,
    since: Micros,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    tx.query(ALIKE, &[&of.tenant_id, &of.destination, &of.kind, &until, &since, &limit], read)
}

/// Takes a delivery that is due before `until`: nobody else takes it before `lapses`. `false` when somebody did.
pub fn claim(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    claim: Uuid,
    until: Micros,
    lapses: Micros,
) -> Result<bool, Error> {
    tx.execute(CLAIM, &[&tenant, &id, &claim, &until, &lapses]).map(|rows| rows == 1)
}

/// Writes what came of a try. `false` when the claim had lapsed and another has it.
pub fn settle(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, claim: Uuid, after: &After) -> Result<bool, Error> {
    let After { state, next_at, error, sent_at } = after;
    tx.execute(SETTLE, &[&tenant, &id, &claim, state, next_at, error, sent_at]).map(|rows| rows == 1)
}

/// Tries again what of a notice was held back or given up; how many.
pub fn retry(tx: &mut Tx<'_>, tenant: Uuid, notice: Uuid, now: Micros) -> Result<u64, Error> {
    tx.execute(RETRY, &[&tenant, &notice, &now])
}

/// Gives up what waits for a receiver.
pub fn give_up(tx: &mut Tx<'_>, tenant: Uuid, destination: &str, why: &str) -> Result<u64, Error> {
    tx.execute(GIVE_UP, &[&tenant, &destination, &why])
}

/// When something is due next.
pub fn next(tx: &mut Tx<'_>) -> Result<Option<Micros>, Error> {
    Ok(tx.query_opt(NEXT, &[], |mut row| row.take())?.flatten())
}
