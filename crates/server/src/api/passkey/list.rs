//! `GET /passkeys`.

use axum::extract::State;
use quell_store::{passkey, person};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Shown;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(list_passkeys))
}

/// All passkeys of a person: they are few.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Passkeys {
    /// Oldest first.
    items: Vec<Shown>,
}

/// Your passkeys, oldest first
#[utoipa::path(get, path = "/passkeys", tag = "access", responses((status = 200, body = Passkeys)))]
pub(super) async fn list_passkeys(State(app): State<App>, caller: Caller) -> Result<Json<Passkeys>, Problem> {
    let (person, _) = caller.person()?;
    let rows = app
        .store
        .read(move |tx| {
            let person = person::get(tx, person)?.ok_or(quell_store::Error::NotFound("person"))?;
            passkey::of_person(tx, person.tenant_id, person.id)
        })
        .await?;
    Ok(Json(Passkeys { items: rows.into_iter().map(Shown::of).collect() }))
}
