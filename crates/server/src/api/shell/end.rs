//! `POST /shells/{id}/end`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{Error, audit};
use serde_json::json;
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskCancel, routes!(end_shell))
}

/// End a remote shell
///
/// All that runs in it is ended. Whoever types there and whoever looks on is told who did it.
#[utoipa::path(post, path = "/shells/{id}/end", tag = "shells", params(("id" = Uuid, Path)),
    responses((status = 202, description = "The endpoint is asked to end it")))]
pub(super) async fn end_shell(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let row = super::row(&app, &caller, id).await?;
    let (asks, endpoint) = (caller.clone(), row.endpoint_id);
    app.store.read(move |tx| asks.reaches_id(tx, Permission::TaskCancel, endpoint)).await?;
    let live = app.shells.open(caller.tenant, id).await?.filter(|live| live.over().is_none());
    let live = live.ok_or_else(|| Problem::new(Code::NotCancelable, "the shell is over"))?;
    let detail = json!({ "task": row.task_id });
    let record = caller.record(app.now(), "shell.stop", "shell", &id.to_string(), &detail);
    app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
    live.ask_end("person", caller.name());
    Ok(StatusCode::ACCEPTED)
}
