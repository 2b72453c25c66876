//! `GET /people/{id}`.

use axum::extract::State;
use utoipa_axum::routes;

use super::{PersonView, find};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonRead, routes!(show_person))
}

/// One person
#[utoipa::path(get, path = "/people/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 200, body = PersonView)))]
pub(super) async fn show_person(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<PersonView>, Problem> {
    let read = move |tx: &mut quell_store::Tx<'_>| {
        let person = find(tx, caller.tenant, id)?;
        Ok::<_, Problem>(PersonView::read(tx, caller.tenant, person)?)
    };
    app.store.read(read).await.map(Json)
}
