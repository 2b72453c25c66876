//! Artifacts: the rows that say which files there are. Their bytes are the business of [`crate::blob`].

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Which task asked for it.
    pub task_id: Uuid,
    /// Which command made it.
    pub command_id: Uuid,
    /// Which endpoint it comes from.
    pub endpoint_id: Uuid,
    /// What it is: `archive`, `file`, `recording` or `rows`.
    pub kind: String,
    /// Its number among those of its kind and command.
    pub part: i64,
    /// A file name to offer; chosen by the server, never the endpoint's path.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Bytes, as announced.
    pub size: i64,
    /// SHA-256, as announced; checked when the last byte is there.
    pub sha256: [u8; 32],
    /// SHA-1, for those who look things up by it.
    pub sha1: Option<Vec<u8>>,
    /// `uploading`, `stored`, `failed`, `expired` or `deleted`.
    pub state: String,
    /// Bytes received and flushed.
    pub received: i64,
    /// Where it is kept.
    pub object_key: Option<String>,
    /// When it was announced.
    pub created_at: Micros,
    /// When it was complete.
    pub stored_at: Option<Micros>,
    /// When it is deleted.
    pub expires_at: Micros,
}

/// Whose artifacts to list. Parts of rows are listed by [`Of::RowsOfTask`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All of the tenant.
    Tenant,
    /// Those of a task.
    Task(Uuid),
    /// Those of an endpoint.
    Endpoint(Uuid),
    /// The parts of rows of a task.
    RowsOfTask(Uuid),
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, task_id, command_id, endpoint_id, kind, part, name, media_type, size, sha256, sha1, state, received, \
        object_key, created_at, stored_at, expires_at"
    };
}

sql! {
    INSERT = "INSERT INTO artifact (tenant_id, id, task_id, command_id, endpoint_id, kind, part, name, media_type, size, \
        sha256, sha1, state, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'uploading', $13, $14)";
    GET = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND kind <> 'rows' \
        AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4");
    OF_TASK = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND task_id = $2 \
        AND kind <> 'rows' AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5");
    OF_ENDPOINT = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND endpoint_id = $2 \
        AND kind <> 'rows' AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5");
    ROWS_OF_TASK = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND task_id = $2 \
        AND kind = 'rows' AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5");
    BYTES = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM artifact WHERE tenant_id = $1 AND command_id = $2 \
        AND kind = $3 AND id <> $4 AND state IN ('uploading', 'stored')";
    OF_COMMAND = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND command_id = $2 \
        ORDER BY id LIMIT 3000");
    ROWS_OF_COMMAND = concat!("SELECT ", columns!(), " FROM artifact WHERE tenant_id = $1 AND task_id = $2 \
        AND command_id = $3 AND kind = 'rows' ORDER BY part LIMIT 1000");
    RECEIVED = "UPDATE artifact SET received = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'uploading'";
    STORED = "UPDATE artifact SET state = 'stored', received = size, object_key = $3, stored_at = $4 \
        WHERE tenant_id = $1 AND id = $2 AND state = 'uploading'";
    KEEP_UNTIL = "UPDATE artifact SET expires_at = $3 WHERE tenant_id = $1 AND id = $2";
    END = "UPDATE artifact SET state = $4, object_key = NULL WHERE tenant_id = $1 AND id = $2 AND state = $3";
    RESTART = "UPDATE artifact SET size = $4, sha256 = $5, sha1 = NULL, state = 'uploading', received = 0, \
        object_key = NULL, created_at = $6, stored_at = NULL, expires_at = $7 \
        WHERE tenant_id = $1 AND id = $2 AND state = $3";
    DUE = concat!("SELECT ", columns!(), " FROM artifact WHERE state IN ('uploading', 'stored') \
        AND expires_at <= $1 ORDER BY expires_at LIMIT $2");
}

fn read(mut row: Row) -> Result<Artifact, Error> {
    Ok(Artifact {
        tenant_id: row.take()?,
        id: row.take()?,
        task_id: row.take()?,
        command_id: row.take()?,
        endpoint_id: row.take()?,
        kind: row.take()?,
        part: row.take()?,
        name: row.take()?,
        media_type: row.take()?,
        size: row.take()?,
        sha256: row.take()?,
        sha1: row.take()?,
        state: row.take()?,
        received: row.take()?,
        object_key: row.take()?,
        created_at: row.take()?,
        stored_at: row.take()?,
        expires_at: row.take()?,
    })
}

/// Adds an artifact of which no byte is there yet.
pub fn insert(tx: &mut Tx<'_>, artifact: &Artifact) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &artifact.tenant_id,
            &artifact.id,
            &artifact.task_id,
            &artifact.command_id,
            &artifact.endpoint_id,
            &artifact.kind,
            &artifact.part,
            &artifact.name,
            &artifact.media_type,
            &artifact.size,
            &artifact.sha256,
            &artifact.sha1,
            &artifact.created_at,
            &artifact.expires_at,
        ],
    )
    .map(drop)
}

/// The artifact with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Artifact>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// A page of a tenant's artifacts, newest first. The last artifact of the page before says where it begins; one that is
/// gone leads nowhere.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, of: Of, page: Page) -> Result<Paged<Artifact>, Error> {
    let (at, after) = match page.after {
        None => (Micros::MAX, Uuid::max()),
        Some(after) => match get(tx, tenant, after)? {
            Some(last) => (last.created_at, after),
            None => return Ok(Paged { rows: Vec::new(), next: None }),
        },
    };
    let rows = match of {
        Of::Tenant => tx.query(LIST, &[&tenant, &at, &after, &page.fetch()], read)?,
        Of::Task(task) => tx.query(OF_TASK, &[&tenant, &task, &at, &after, &page.fetch()], read)?,
        Of::Endpoint(endpoint) => {
            tx.query(OF_ENDPOINT, &[&tenant, &endpoint, &at, &after, &page.fetch()], read)?
        }
        Of::RowsOfTask(task) => {
            tx.query(ROWS_OF_TASK, &[&tenant, &task, &at, &after, &page.fetch()], read)?
        }
    };
    Ok(page.cut(rows, |artifact| artifact.id))
}

/// The artifacts of a command.
pub fn of_command(tx: &mut Tx<'_>, tenant: Uuid, command: Uuid) -> Result<Vec<Artifact>, Error> {
    tx.query(OF_COMMAND, &[&tenant, &command], read)
}

/// Bytes that a command's other files of this kind have or will have.
pub fn bytes_beside(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    command: Uuid,
    kind: &str,
    id: Uuid,
) -> Result<i64, Error> {
    Ok(tx.query_opt(BYTES, &[&tenant, &command, &kind, &id], |mut row| row.take())?.unwrap_or(0))
}

/// The parts of rows of a command, in their order.
pub fn rows_of_command(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    task: Uuid,
    command: Uuid,
) -> Result<Vec<Artifact>, Error> {
    tx.query(ROWS_OF_COMMAND, &[&tenant, &task, &command], read)
}

/// Notes how many bytes are safe. Fewer than before where the unfinished file was lost or is begun anew: the spool knows,
/// and this only tells of it.
pub fn received(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, bytes: i64) -> Result<(), Error> {
    tx.change(RECEIVED, &[&tenant, &id, &bytes], Error::Conflict("artifact".to_owned()))
}

/// Notes that the whole artifact is there, checked, under this key.
pub fn stored(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, object_key: &str, now: Micros) -> Result<(), Error> {
    tx.change(STORED, &[&tenant, &id, &object_key, &now], Error::Conflict("artifact".to_owned()))
}

/// Sets when its time is over.
pub fn keep_until(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, expires_at: Micros) -> Result<(), Error> {
    tx.change(KEEP_UNTIL, &[&tenant, &id, &expires_at], Error::NotFound("artifact"))
}

/// Ends an artifact: from `uploading` to `failed` or `expired`, from `stored` to `expired` or `deleted`.
/// `false` when it is not in `from`.
pub fn end(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, from: &str, to: &str) -> Result<bool, Error> {
    tx.execute(END, &[&tenant, &id, &from, &to]).map(|rows| rows == 1)
}

/// Begins an artifact anew with what `artifact` announces (size, digest, times): none of its bytes is there.
/// `false` when it is not in `from`. The caller removes the bytes of before.
pub fn restart(tx: &mut Tx<'_>, artifact: &Artifact, from: &str) -> Result<bool, Error> {
    let Artifact { tenant_id, id, size, sha256, created_at, expires_at, .. } = artifact;
    tx.execute(RESTART, &[tenant_id, id, &from, size, sha256, created_at, expires_at]).map(|rows| rows == 1)
}

/// Artifacts of all tenants whose time is over and whose bytes are still there.
pub fn due(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<Artifact>, Error> {
    tx.query(DUE, &[&now, &limit], read)
}
