//! Remote shells: one for each command that opened one. The id is the command's.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its command.
    pub id: Uuid,
    /// Its task.
    pub task_id: Uuid,
    /// Where it runs.
    pub endpoint_id: Uuid,
    /// Who asked for it, by name.
    pub requester_name: String,
    /// The program with its path.
    pub program: String,
    /// As whom it runs.
    pub run_as: String,
    /// When the endpoint first told of it.
    pub began_at: Micros,
    /// When it was over.
    pub ended_at: Option<Micros>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Who ended it, where somebody did.
    pub ended_by: Option<String>,
    /// Exit code.
    pub exit_code: Option<i64>,
    /// Signal.
    pub end_signal: Option<i64>,
    /// Bytes typed.
    pub bytes_in: i64,
    /// Bytes written.
    pub bytes_out: i64,
    /// The recording.
    pub artifact_id: Option<Uuid>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, task_id, endpoint_id, requester_name, program, run_as, began_at, ended_at, reason, ended_by, \
        exit_code, end_signal, bytes_in, bytes_out, artifact_id"
    };
}

sql! {
    INSERT = "INSERT INTO shell (tenant_id, id, task_id, endpoint_id, requester_name, program, run_as, began_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    GET = concat!("SELECT ", columns!(), " FROM shell WHERE tenant_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM shell WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    END = "UPDATE shell SET ended_at = $3, reason = $4, ended_by = $5, exit_code = $6, end_signal = $7, bytes_in = $8, \
        bytes_out = $9, artifact_id = $10 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL";
}

fn read(mut row: Row) -> Result<Shell, Error> {
    Ok(Shell {
        tenant_id: row.take()?,
        id: row.take()?,
        task_id: row.take()?,
        endpoint_id: row.take()?,
        requester_name: row.take()?,
        program: row.take()?,
        run_as: row.take()?,
        began_at: row.take()?,
        ended_at: row.take()?,
        reason: row.take()?,
        ended_by: row.take()?,
        exit_code: row.take()?,
        end_signal: row.take()?,
        bytes_in: row.take()?,
        bytes_out: row.take()?,
        artifact_id: row.take()?,
    })
}

/// Adds a shell that began; `false` where it is known already.
pub fn insert(tx: &mut Tx<'_>, shell: &Shell) -> Result<bool, Error> {
    let Shell { tenant_id, id, task_id, endpoint_id, requester_name, program, run_as, began_at, .. } = shell;
    let values: [&dyn crate::Param; 8] =
        [tenant_id, id, task_id, endpoint_id, requester_name, program, run_as, began_at];
    tx.execute(INSERT, &values).map(|rows| rows == 1)
}

/// The shell of this command.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Shell>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// A page of a tenant's shells, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Shell>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |shell| shell.id))
}

/// Notes the end, as `shell` has it; `false` where it was noted before.
pub fn end(tx: &mut Tx<'_>, shell: &Shell) -> Result<bool, Error> {
    let Shell {
        tenant_id, id, ended_at, reason, ended_by, exit_code, end_signal, bytes_in, bytes_out, ..
    } = shell;
    let values: [&dyn crate::Param; 10] = [
        tenant_id,
        id,
        ended_at,
        reason,
        ended_by,
        exit_code,
        end_signal,
        bytes_in,
        bytes_out,
        &shell.artifact_id,
    ];
    tx.execute(END, &values).map(|rows| rows == 1)
}
