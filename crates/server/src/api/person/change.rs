//! `PATCH /people/{id}`.

use axum::extract::State;
use quell_store::{audit, person, session, ticket};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{PersonView, administrators, keep_administrator, managed};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(change_person))
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wanted {
    /// It may.
    Active,
    /// It may not; its sessions end, and its keys with them.
    Disabled,
}

/// What is to be otherwise. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonChange {
    /// The name.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Whether the account may be used.
    state: Option<Wanted>,
}

/// Change an account
///
/// Only in the tenant where the person is at home. To disable one ends their sessions in every tenant, and their API keys,
/// at once.
#[utoipa::path(patch, path = "/people/{id}", tag = "access", params(("id" = Uuid, Path)), request_body = PersonChange,
    responses((status = 200, body = PersonView)))]
pub(super) async fn change_person(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<PersonChange>,
) -> Result<Json<PersonView>, Problem> {
    let name = wanted.name.as_deref().map(|name| text::checked("name", name, 100)).transpose()?;
    if name.is_none() && wanted.state.is_none() {
        return Err(Problem::bad_field(".", "nothing is to be changed"));
    }
    let now = app.now();
    let view = app
        .store
        .write(move |tx| {
            let before = managed(tx, &caller, id)?;
            if let Some(name) = &name {
                person::set_name(tx, id, name)?;
            }
            match wanted.state {
                Some(Wanted::Disabled) if before.state != "disabled" => disable(tx, caller.tenant, id, now)?,
                Some(Wanted::Active) if before.state == "disabled" => enable(tx, &before)?,
                Some(Wanted::Active) if before.state == "invited" => {
                    return Err(Problem::new(Code::Conflict, "the person has not accepted the invitation yet"));
                }
                _ => {}
            }
            let after = person::get(tx, id)?.ok_or_else(|| Problem::not_found("person"))?;
            let detail = json!({
                "name": after.name, "name_before": before.name, "state": after.state, "state_before": before.state,
            });
            audit::append(tx, &caller.record(now, "person.change", "person", &id.to_string(), &detail))?;
            Ok::<_, Problem>(PersonView::read(tx, caller.tenant, after)?)
        })
        .await?;
    app.access_changed();
    Ok(Json(view))
}

fn disable(tx: &mut quell_store::Tx<'_>, home: Uuid, id: Uuid, now: i64) -> Result<(), Problem> {
    let (mut tenants, mut before) = administrators(tx, id)?;
    // Another tenant that let somebody in as its only administrator keeps nobody from disabling them at home.
    if let Some(at) = tenants.iter().position(|tenant| *tenant == home) {
        (tenants, before) = (vec![tenants[at]], vec![before[at]]);
    } else {
        (tenants, before) = (Vec::new(), Vec::new());
    }
    person::set_state(tx, id, "disabled")?;
    session::revoke_others(tx, id, Uuid::nil(), now)?;
    ticket::void(tx, id, now)?;
    keep_administrator(tx, &tenants, &before)
}

/// Back to what it was: an account that nobody has made theirs yet waits for its person again.
fn enable(tx: &mut quell_store::Tx<'_>, before: &person::Person) -> Result<(), Problem> {
    let has_been_used = before.password.is_some() || before.last_login_at.is_some();
    person::set_state(tx, before.id, if has_been_used { "active" } else { "invited" })?;
    Ok(())
}
