//! `GET /endpoints/{id}`.

use axum::extract::State;
use quell_store::{Error, Micros, Page, Tx, command, endpoint, protection};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Endpoint, stored_json};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Open commands that are counted at most.
const COUNTED: i64 = 1000;
/// Commands among which the last failure is looked for.
const LOOKED_AT: u32 = 50;
/// Certificates are renewed long before: one that ends sooner was not.
const SOON: Micros = 24 * 3_600_000_000;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRead, routes!(show_endpoint))
}

/// An endpoint, and how it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointWithHealth {
    #[serde(flatten)]
    endpoint: Endpoint,
    /// How it does.
    health: Health,
    /// What its agent says of its flight recorder, and of what is protected there; `null` where it never said.
    recorder: Option<EndpointRecorder>,
}

/// What an agent says of its flight recorder.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointRecorder {
    /// The version of the protection that is in force there; 0 for none.
    protection: i64,
    /// Whether that is the one that agents are given now.
    current: bool,
    /// When it said so, its clock.
    #[schema(format = DateTime)]
    told_at: String,
    /// When that was heard.
    #[schema(format = DateTime)]
    reported_at: String,
    /// What is recorded and by what means, what was lost, which rules it does not take.
    #[schema(value_type = Object)]
    detail: Value,
}

/// How an endpoint does, as far as the server knows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Version of the server.
    server_version: &'static str,
    /// Whether its agent has another version than the server.
    version_differs: bool,
    /// `valid`, `ending` within a day (its agent should have renewed it), or `over`.
    certificate: &'static str,
    /// Commands for it that have not ended: those that wait for people or for it, and those under way. At most 1000 are
    /// counted.
    open_commands: usize,
    /// Those of them that wait for it.
    queued_commands: usize,
    /// The newest of its last 50 commands that failed, or of which nobody knows how they ended; for who reads tasks.
    last_failure: Option<LastFailure>,
}

/// A command that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastFailure {
    /// The command.
    #[schema(format = Uuid)]
    command: String,
    /// Its task.
    #[schema(format = Uuid)]
    task: String,
    /// Its action.
    action: String,
    /// How it ended: `failed`, `refused` or `indeterminate`.
    state: String,
    /// Why.
    reason_code: Option<String>,
    /// The same for people.
    message: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// One endpoint
#[utoipa::path(get, path = "/endpoints/{id}", tag = "endpoints", params(("id" = Uuid, Path)),
    responses((status = 200, body = EndpointWithHealth)))]
pub(super) async fn show_endpoint(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<EndpointWithHealth>, Problem> {
    let (now, reads_tasks) = (app.now(), caller.access().allows(Permission::TaskRead));
    let found = app
        .store
        .read(move |tx| {
            let Some(row) = endpoint::get(tx, caller.tenant, id)? else { return Ok(None) };
            let health = Health::of(tx, &row, now, reads_tasks)?;
            let recorder = protection::recorder(tx, row.tenant_id, row.id)?;
            Ok::<_, Error>(Some((row, health, recorder)))
        })
        .await?;
    let (row, health, written) = found.ok_or_else(|| Problem::not_found("endpoint"))?;
    let said = app.protections.unwritten(row.tenant_id, row.id).or(written);
    let given = app.protections.newest(row.tenant_id).map_or(0, |newest| newest.version);
    let recorder = said.map(|said| EndpointRecorder::of(said, given));
    Ok(Json(EndpointWithHealth { endpoint: Endpoint::of(&app, row), health, recorder }))
}

impl EndpointRecorder {
    fn of(said: protection::Recorder, given: i64) -> Self {
        Self {
            protection: said.protection,
            current: said.protection > 0 && said.protection >= given,
            told_at: time::text(said.told_at),
            reported_at: time::text(said.reported_at),
            detail: stored_json(&said.detail),
        }
    }
}

impl Health {
    fn of(tx: &mut Tx<'_>, row: &endpoint::Endpoint, now: Micros, reads_tasks: bool) -> Result<Self, Error> {
        let open = command::open_of_endpoint(tx, row.tenant_id, row.id, COUNTED)?;
        let newest = Page { after: None, limit: LOOKED_AT };
        let newest = command::of_endpoint(tx, row.tenant_id, row.id, newest)?.rows;
        let is_bad =
            |row: &&command::Command| matches!(row.state.as_str(), "failed" | "refused" | "indeterminate");
        let failed = newest.iter().find(is_bad).filter(|_| reads_tasks);
        Ok(Self {
            server_version: env!("CARGO_PKG_VERSION"),
            version_differs: row.agent_version != env!("CARGO_PKG_VERSION"),
            certificate: match row.cert_not_after.saturating_sub(now) {
                left if left <= 0 => "over",
                left if left < SOON => "ending",
                _ => "valid",
            },
            open_commands: open.len(),
            queued_commands: open.iter().filter(|command| command.state == "queued").count(),
            last_failure: failed.map(LastFailure::of),
        })
    }
}

impl LastFailure {
    fn of(row: &command::Command) -> Self {
        Self {
            command: row.id.to_string(),
            task: row.task_id.to_string(),
            action: row.action.clone(),
            state: row.state.clone(),
            reason_code: row.reason_code.clone(),
            message: row.message.clone(),
            ended_at: time::maybe(row.ended_at),
        }
    }
}
