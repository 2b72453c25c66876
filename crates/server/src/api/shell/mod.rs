//! Remote shells, as the API shows them.

mod attach;
mod end;
mod give;
mod list;
mod recording;
mod search;
mod show;

use quell_access::{Permission, Reach};
use quell_catalog::ActionKind;
use quell_store::{Error, Tx, artifact, endpoint, shell};
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::auth::Caller;
use crate::problem::{Code, Problem};
use crate::shell::About;
use crate::state::{App, Inner};

/// The routes of shells.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        show::route(),
        attach::route(),
        end::route(),
        give::route(),
        recording::route(),
        search::route(),
    ]
}

/// A remote shell.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shell {
    /// Its id: that of its command.
    #[schema(format = Uuid)]
    id: String,
    /// The task that asked for it.
    #[schema(format = Uuid)]
    task_id: String,
    /// Where it runs.
    #[schema(format = Uuid)]
    endpoint_id: String,
    /// That endpoint's name now.
    endpoint_name: String,
    /// `open`, `lost` (its endpoint is away) or `ended`.
    state: String,
    /// The program with its path.
    program: String,
    /// As whom it runs.
    user: String,
    /// Who asked for it.
    requester: String,
    /// When it began.
    #[schema(format = DateTime)]
    began_at: String,
    /// When it was over.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why it ended: `exited`, `idle`, `time_limit`, `output_limit`, `person`, `canceled`, `approval_over`, `away`,
    /// `too_many_processes` or `agent_stopped`.
    reason: Option<String>,
    /// Who ended it, where somebody did.
    ended_by: Option<String>,
    /// Exit code, where it exited.
    exit_code: Option<i64>,
    /// Signal that ended it, where one did.
    signal: Option<i64>,
    /// Bytes typed.
    bytes_in: i64,
    /// Bytes that the terminal wrote.
    bytes_out: i64,
    /// Who is there now.
    people: Vec<Person>,
    /// The recording, once it is over.
    recording: Option<Recording>,
}

/// Somebody at a shell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShellPerson)]
struct Person {
    /// Their name.
    name: String,
    /// Whether they type, or look on.
    types: bool,
}

/// A recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShellRecording)]
struct Recording {
    /// Its id among the artifacts.
    #[schema(format = Uuid)]
    artifact_id: String,
    /// Bytes.
    size: i64,
    /// SHA-256.
    sha256: String,
}

impl Shell {
    /// The view of a row, with what stands beside it.
    fn read(tx: &mut Tx<'_>, row: shell::Shell) -> Result<Self, Error> {
        let endpoint = endpoint::get(tx, row.tenant_id, row.endpoint_id)?;
        let artifact = match row.artifact_id {
            Some(id) => artifact::get(tx, row.tenant_id, id)?,
            None => None,
        };
        let recording = artifact.map(|row| Recording {
            artifact_id: row.id.to_string(),
            size: row.size,
            sha256: hex(&row.sha256),
        });
        Ok(Self {
            id: row.id.to_string(),
            task_id: row.task_id.to_string(),
            endpoint_id: row.endpoint_id.to_string(),
            endpoint_name: endpoint.map_or_else(String::new, |row| row.name),
            state: if row.ended_at.is_some() { "ended" } else { "lost" }.to_owned(),
            program: row.program,
            user: row.run_as,
            requester: row.requester_name,
            began_at: time::text(row.began_at),
            ended_at: time::maybe(row.ended_at),
            reason: row.reason,
            ended_by: row.ended_by,
            exit_code: row.exit_code,
            signal: row.end_signal,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            people: Vec::new(),
            recording,
        })
    }

    /// Adds what only memory knows.
    fn add_live(&mut self, app: &Inner, tenant: Uuid) {
        let Some(live) = self.id.parse().ok().and_then(|id| app.shells.get(tenant, id)) else { return };
        if self.ended_at.is_some() {
            return;
        }
        let (state, people, bytes_in, bytes_out) = live.standing();
        state.clone_into(&mut self.state);
        (self.bytes_in, self.bytes_out) = (bytes_in as i64, bytes_out as i64);
        self.people =
            people.into_iter().map(|person| Person { name: person.name, types: person.is_writer }).collect();
    }
}

impl Cells for Shell {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "task_id",
        "endpoint_id",
        "endpoint_name",
        "state",
        "program",
        "user",
        "requester",
        "began_at",
        "ended_at",
        "reason",
        "ended_by",
        "exit_code",
        "bytes_in",
        "bytes_out",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.task_id.clone(),
            self.endpoint_id.clone(),
            self.endpoint_name.clone(),
            self.state.clone(),
            self.program.clone(),
            self.user.clone(),
            self.requester.clone(),
            self.began_at.clone(),
            self.ended_at.clone().unwrap_or_default(),
            self.reason.clone().unwrap_or_default(),
            self.ended_by.clone().unwrap_or_default(),
            self.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            self.bytes_in.to_string(),
            self.bytes_out.to_string(),
        ]
    }
}

/// The row of a shell of the caller's tenant.
async fn row(app: &App, caller: &Caller, id: Uuid) -> Result<shell::Shell, Problem> {
    let tenant = caller.tenant;
    let found = app.store.read(move |tx| shell::get(tx, tenant, id)).await?;
    found.ok_or_else(|| Problem::not_found("shell"))
}

/// Refuses who may not see what is shown in a shell: it is content of the endpoint, as a collected file is.
async fn may_see(app: &App, caller: &Caller, endpoint: Uuid) -> Result<(), Problem> {
    if !caller.access().allows(Permission::ArtifactDownload) {
        let detail = "looking on needs the permission artifact.download";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let asks = caller.clone();
    app.store.read(move |tx| asks.reaches_id(tx, Permission::ArtifactDownload, endpoint)).await
}

/// Whether the caller types here: who asked for the shell, as long as they may ask for one.
async fn may_type(app: &App, caller: &Caller, about: &About) -> Result<bool, Problem> {
    let action = ActionKind::EndpointRemoteShell.id();
    let is_requester = about.requester_kind == caller.identity.principal.kind()
        && about.requester_id == caller.identity.id.to_string();
    if !is_requester || !caller.access().allows_action(Permission::TaskSubmit, action) {
        return Ok(false);
    }
    let reach = caller.access().reach(Permission::TaskSubmit, Some(action));
    if reach == Reach::All {
        return Ok(true);
    }
    let (tenant, id) = (about.tenant, about.endpoint);
    let row = app.store.read(move |tx| endpoint::get(tx, tenant, id)).await?;
    let tags: Vec<String> = row.and_then(|row| serde_json::from_str(&row.tags).ok()).unwrap_or_default();
    Ok(reach.has(tags.iter().map(String::as_str)))
}
