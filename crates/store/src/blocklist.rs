//! The block list: its objects, who listed them, what is never listed, its versions, and what agents say of them.
//!
//! Kinds, actions and risks are the numbers of the agent protocol.

pub(crate) mod batch;
pub(crate) mod exception;
pub(crate) mod report;
pub(crate) mod version;

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

pub use batch::{Key, Whose, delete, drop_words, listed, merged, objects, put, put_words};
pub use exception::{Exception, except, exceptions, unexcept};
pub use report::{Report, report, reports};
pub use version::{
    Delta, State, advance, deltas, forget, set_state, sign, state, states, unsigned, versions,
};

/// An object that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// UUID version 7.
    pub id: Uuid,
    /// What it is.
    pub kind: i64,
    /// Its value as agents are told it.
    pub value: Vec<u8>,
    /// Its value for people.
    pub shown: String,
    /// What is done about it: of all who listed it, the strictest.
    pub action: i64,
    /// How dangerous it is: of all who listed it, the highest.
    pub risk: i64,
    /// When it counts no more: of all who listed it, the latest; `None`: never.
    pub expires_at: Option<Micros>,
    /// What is known of it.
    pub note: Option<String>,
    /// The task that listed it last.
    pub task_id: Uuid,
    /// Who asked for that.
    pub added_by: String,
    /// When it was listed first.
    pub added_at: Micros,
    /// The version in which it came, or was changed last.
    pub version: i64,
}

/// One task's word that an object is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub kind: i64,
    /// Its value.
    pub value: Vec<u8>,
    /// The task.
    pub task_id: Uuid,
    /// What is done about it.
    pub action: i64,
    /// How dangerous it is.
    pub risk: i64,
    /// When this word counts no more.
    pub expires_at: Option<Micros>,
    /// What is known of it.
    pub note: Option<String>,
    /// Who asked.
    pub added_by: String,
    /// When.
    pub added_at: Micros,
}

/// Which objects are wanted. `None`: any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<i64>,
    /// With this action.
    pub action: Option<i64>,
    /// Of this risk.
    pub risk: Option<i64>,
    /// With this text in the value or the note.
    pub text: Option<String>,
    /// Listed by this task.
    pub task: Option<Uuid>,
    /// Listed by somebody of this name.
    pub added_by: Option<String>,
    /// That count no more from this time on, at the latest.
    pub expires_before: Option<Micros>,
}

macro_rules! object {
    () => {
        "id, kind, value, shown, action, risk, expires_at, note, task_id, added_by, added_at, version"
    };
}

use object;

macro_rules! filter {
    () => {
        "FROM blocklist_object WHERE tenant_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR kind = $2) \
        AND (CAST($3 AS BIGINT) IS NULL OR action = $3) AND (CAST($4 AS BIGINT) IS NULL OR risk = $4) \
        AND (CAST($5 AS TEXT) IS NULL OR LOWER(shown) LIKE CAST($5 AS TEXT) ESCAPE '!' \
        OR LOWER(COALESCE(note, '')) LIKE CAST($5 AS TEXT) ESCAPE '!') \
        AND (CAST($6 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM blocklist_source s WHERE s.tenant_id = $1 \
        AND s.task_id = $6 AND s.kind = blocklist_object.kind AND s.value = blocklist_object.value \
        AND s.removed_by IS NULL)) \
        AND (CAST($7 AS TEXT) IS NULL OR added_by = $7) \
        AND (CAST($8 AS BIGINT) IS NULL OR (expires_at IS NOT NULL AND expires_at <= CAST($8 AS BIGINT))) "
    };
}

sql! {
    LIST = concat!("SELECT ", object!(), " ", filter!(), "AND id < $9 ORDER BY id DESC LIMIT $10");
    COUNT = concat!("SELECT COUNT(*) ", filter!());
    ALL_AFTER = concat!("SELECT ", object!(), " FROM blocklist_object WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    EXPIRED = "SELECT tenant_id, kind, value FROM blocklist_object WHERE expires_at IS NOT NULL AND expires_at <= $1 \
        ORDER BY expires_at LIMIT $2";
    OF_TASK = "SELECT kind, value, task_id, action, risk, expires_at, note, added_by, added_at FROM blocklist_source \
        WHERE tenant_id = $1 AND task_id = $2 AND removed_by IS NULL ORDER BY kind, value LIMIT $3";
    REMOVED_BY = "SELECT kind, value, task_id, action, risk, expires_at, note, added_by, added_at FROM blocklist_source \
        WHERE tenant_id = $1 AND removed_by = $2 ORDER BY kind, value, task_id LIMIT $3";
}

fn read_object(mut row: Row) -> Result<Object, Error> {
    Ok(Object {
        id: row.take()?,
        kind: row.take()?,
        value: row.take()?,
        shown: row.take()?,
        action: row.take()?,
        risk: row.take()?,
        expires_at: row.take()?,
        note: row.take()?,
        task_id: row.take()?,
        added_by: row.take()?,
        added_at: row.take()?,
        version: row.take()?,
    })
}

fn read_source(mut row: Row) -> Result<Source, Error> {
    Ok(Source {
        kind: row.take()?,
        value: row.take()?,
        task_id: row.take()?,
        action: row.take()?,
        risk: row.take()?,
        expires_at: row.take()?,
        note: row.take()?,
        added_by: row.take()?,
        added_at: row.take()?,
    })
}

/// `LIKE` on lower-case text, with nothing in it that means something.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// A page of the objects, the newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, page: Page) -> Result<Paged<Object>, Error> {
    let (after, text) = (page.after.unwrap_or(Uuid::max()), filter.text.as_deref().map(like));
    let Filter { kind, action, risk, task, added_by, expires_before, .. } = filter;
    let rows = tx.query(
        LIST,
        &[&tenant, kind, action, risk, &text, task, added_by, expires_before, &after, &page.fetch()],
        read_object,
    )?;
    Ok(page.cut(rows, |object| object.id))
}

/// How many objects the filter lets through.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter) -> Result<i64, Error> {
    let text = filter.text.as_deref().map(like);
    let Filter { kind, action, risk, task, added_by, expires_before, .. } = filter;
    let count = tx.query_opt(
        COUNT,
        &[&tenant, kind, action, risk, &text, task, added_by, expires_before],
        |mut row| row.take(),
    )?;
    Ok(count.unwrap_or(0))
}

/// Objects in the order of their ids, after this one (begin with the nil id).
pub fn all_after(tx: &mut Tx<'_>, tenant: Uuid, after: Uuid, limit: i64) -> Result<Vec<Object>, Error> {
    tx.query(ALL_AFTER, &[&tenant, &after, &limit], read_object)
}

/// Objects of all tenants that count no more: (tenant, kind, value).
pub fn expired(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<(Uuid, i64, Vec<u8>)>, Error> {
    tx.query(EXPIRED, &[&now, &limit], |mut row| Ok((row.take()?, row.take()?, row.take()?)))
}

/// What a task lists and did not take back.
pub fn of_task(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, limit: i64) -> Result<Vec<Source>, Error> {
    tx.query(OF_TASK, &[&tenant, &task, &limit], read_source)
}

/// What this task took off the list.
pub fn removed_by(tx: &mut Tx<'_>, tenant: Uuid, task: Uuid, limit: i64) -> Result<Vec<Source>, Error> {
    tx.query(REMOVED_BY, &[&tenant, &task, &limit], read_source)
}
