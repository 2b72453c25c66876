//! `POST /endpoints/{id}/revoke`.

use axum::extract::State;
use quell_store::endpoint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::stored_json;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRevoke, routes!(revoke_endpoint))
}

/// Why an endpoint's identity is ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRevocation {
    /// Why; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// What ended with an identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    /// Commands that were open on the endpoint and ended.
    voided: usize,
    /// The isolation under which it was left, if any: no order can lift it any more.
    isolation: Option<LeftIsolated>,
}

/// An isolation that nobody but somebody at the machine can end.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftIsolated {
    /// The task by which it is isolated.
    #[schema(format = Uuid)]
    task: String,
    /// Its command, whose release code ends the isolation at the machine.
    #[schema(format = Uuid)]
    command: String,
    /// What that means, for people.
    warning: String,
}

impl LeftIsolated {
    fn of(row: &endpoint::Endpoint) -> Option<Self> {
        let isolation = stored_json(row.isolation.as_deref()?);
        let id = |name: &str| isolation.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let command = id("command");
        let warning = format!(
            "{} stays isolated: no order reaches it any more, so neither restore nor undo can lift it. Read the \
            release code of command {command} and type it in at the machine: quell-agent release",
            row.name
        );
        Some(Self { task: id("task"), command, warning })
    }
}

/// End an endpoint's identity
///
/// Its certificate is worth nothing from now on, its session ends at once, and what waited for it is void. The
/// machine may enrol again with a token and is another endpoint then.
///
/// An isolation stays on the machine: restore it first. Of one that is revoked in isolation the answer names the command
/// whose release code, typed in at the machine, is the only way left to end it.
#[utoipa::path(post, path = "/endpoints/{id}/revoke", tag = "endpoints", params(("id" = Uuid, Path)),
    request_body = NewRevocation, responses((status = 200, body = Revoked)))]
pub(super) async fn revoke_endpoint(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewRevocation>,
) -> Result<Json<Revoked>, Problem> {
    let reason = text::checked("reason", &wanted.reason, 2000)?;
    let asks = caller.clone();
    app.store.read(move |tx| asks.reaches_id(tx, Permission::EndpointRevoke, id)).await?;
    let voided = app.engine.revoke(&caller.actor(), caller.tenant, id, &reason).await?;
    app.sessions.revoked(id);
    let row = app.store.read(move |tx| endpoint::get(tx, caller.tenant, id)).await?;
    Ok(Json(Revoked { voided, isolation: row.as_ref().and_then(LeftIsolated::of) }))
}
