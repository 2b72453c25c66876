//! `POST /members`: a person who is at home in another tenant becomes something in this one.

use axum::extract::State;
use axum::response::Response;
use quell_access::email;
use quell_store::{audit, person};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::ROOT;
use super::body::{Json, created};
use super::person::{PersonView, choose, replace};
use super::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// The routes of members.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::PersonManage, routes!(add_member))]
}

/// Somebody of another tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMember {
    /// The exact e-mail address of their account.
    #[schema(max_length = 254)]
    email: String,
    /// What they are here.
    #[schema(min_items = 1)]
    roles: Vec<String>,
}

/// Let somebody of another tenant in
///
/// An outside operations team, say. They are found by the exact address alone. Their account stays with the tenant where
/// they are at home; what they are here is changed like that of anybody else.
#[utoipa::path(post, path = "/members", tag = "access", request_body = NewMember,
    responses((status = 201, body = PersonView)))]
pub(super) async fn add_member(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewMember>,
) -> Result<Response, Problem> {
    if wanted.roles.is_empty() {
        return Err(Problem::bad_field("roles", "must not be empty"));
    }
    let account = email::fold(&wanted.email);
    let now = app.now();
    let view = app
        .store
        .write(move |tx| {
            let person = person::by_local(tx, &account)?
                .filter(|person| person.state != "disabled")
                .ok_or_else(|| Problem::not_found("account on this server"))?;
            let chosen = choose(tx, &caller, &wanted.roles)?;
            // What they are already stays: this only adds.
            let mut all = chosen;
            for held in quell_store::membership::of_person(tx, caller.tenant, person.id)? {
                if held.source == quell_store::membership::MANUAL
                    && !all.iter().any(|chosen| chosen.role == held.role)
                {
                    all.extend(choose(tx, &caller, &[held.role])?);
                }
            }
            let (given, _) = replace(tx, &caller, person.id, &all, now)?;
            let detail = json!({ "name": person.name, "email": person.email, "given": given });
            audit::append(tx, &caller.record(now, "member.add", "person", &person.id.to_string(), &detail))?;
            let location = format!("{ROOT}/people/{}", person.id);
            Ok::<_, Problem>((location, PersonView::read(tx, caller.tenant, person)?))
        })
        .await?;
    app.access_changed();
    let (location, view) = view;
    Ok(created(&location, view))
}
