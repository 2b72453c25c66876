//! `POST /people/{id}/link`.

use axum::extract::State;
use quell_store::{audit, person};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{PersonView, managed};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(link_person))
}

/// The other account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Its person.
    person: Uuid,
}

/// Say that two accounts are one human's
///
/// They count once where people decide, and neither approves what the other requested. Both must be at home in this tenant.
/// It cannot be taken back.
#[utoipa::path(post, path = "/people/{id}/link", tag = "access", params(("id" = Uuid, Path)), request_body = Link,
    responses((status = 200, body = PersonView)))]
pub(super) async fn link_person(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<Link>,
) -> Result<Json<PersonView>, Problem> {
    if wanted.person == id {
        return Err(Problem::bad_field("person", "is the same account"));
    }
    let now = app.now();
    let view = app
        .store
        .write(move |tx| {
            let one = managed(tx, &caller, id)?;
            let other = managed(tx, &caller, wanted.person)?;
            for human in [one.human, other.human] {
                if person::is_elsewhere(tx, human, caller.tenant)? {
                    return Err(Problem::new(Code::Conflict, "one of them has an account in another tenant")
                        .hint("Accounts of one e-mail address are one human's already."));
                }
            }
            person::merge_humans(tx, other.human, one.human)?;
            let detail =
                json!({ "name": one.name, "other": other.id, "other_name": other.name, "human": one.human });
            audit::append(tx, &caller.record(now, "person.link", "person", &id.to_string(), &detail))?;
            Ok::<_, Problem>(PersonView::read(tx, caller.tenant, one)?)
        })
        .await?;
    app.access_changed();
    Ok(Json(view))
}
