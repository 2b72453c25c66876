//! `GET /sessions`.

use axum::extract::State;
use quell_store::session;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(list_sessions))
}

/// A session that is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenSession {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// The tenant that it is in.
    #[schema(format = Uuid)]
    tenant: String,
    /// `cookie` or `token`.
    kind: String,
    /// How the person signed in.
    method: String,
    /// The address that it was begun from.
    remote: String,
    /// The program that it was begun with, as it calls itself.
    agent: String,
    /// When it was begun.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, within a minute.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// Your open sessions in all tenants, newest first
#[utoipa::path(get, path = "/sessions", tag = "access", params(Turn),
    responses((status = 200, body = Page<OpenSession>)))]
pub(super) async fn list_sessions(
    State(app): State<App>,
    caller: Caller,
    Query(turn): Query<Turn>,
) -> Result<Json<Page<OpenSession>>, Problem> {
    let (person, this) = caller.person()?;
    let (now, page) = (app.now(), turn.page(List::Sessions)?);
    let paged = app.store.read(move |tx| session::of_person(tx, person, now, page)).await?;
    Ok(Json(Page::of(List::Sessions, paged, |row| OpenSession {
        current: row.id == this,
        id: row.id.to_string(),
        tenant: row.tenant_id.to_string(),
        kind: row.kind,
        method: row.method,
        remote: row.remote,
        agent: row.agent,
        created_at: time::text(row.created_at),
        last_used_at: time::text(row.last_used_at),
        expires_at: time::text(row.expires_at),
    })))
}
