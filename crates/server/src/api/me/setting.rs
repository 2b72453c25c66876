//! `GET /me/settings`, `PUT` and `DELETE /me/settings/{name}`.

use std::collections::BTreeMap;

use axum::extract::State;
use http::StatusCode;
use quell_store::person_setting::{self, PersonSetting};
use quell_store::{Error, audit};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::{AnyJson, Json};
use crate::api::endpoint::stored_json;
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Bytes of one value.
const LARGEST: usize = 16 << 10;
/// Values of one person in one tenant.
const MOST: i64 = 64;
/// Letters of a name.
const LONGEST: usize = 64;

pub(super) fn routes() -> Vec<Route> {
    vec![
        permit(Permission::SelfManage, routes!(list_my_settings)),
        permit(Permission::SelfManage, routes!(set_my_setting)),
        permit(Permission::SelfManage, routes!(remove_my_setting)),
    ]
}

/// What you set for yourself in this tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MySettings {
    /// Each value by its name.
    #[schema(value_type = Object)]
    settings: BTreeMap<String, Value>,
}

/// Your own settings in this tenant
///
/// Saved views, the choice of columns, the theme: what the console keeps for you, wherever you sign in.
#[utoipa::path(get, path = "/me/settings", tag = "access", responses((status = 200, body = MySettings)))]
pub(super) async fn list_my_settings(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<MySettings>, Problem> {
    let ((person, _), tenant) = (caller.person()?, caller.tenant);
    let rows = app.store.read(move |tx| person_setting::of_person(tx, tenant, person, MOST)).await?;
    let settings = rows.into_iter().map(|row| (row.name, stored_json(&row.value))).collect();
    Ok(Json(MySettings { settings }))
}

/// Keep a setting of your own
///
/// Any JSON value of up to 16 KiB, at most 64 of them; a name is 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`.
#[utoipa::path(put, path = "/me/settings/{name}", tag = "access", params(("name" = String, Path)),
    request_body = Value, responses((status = 204)))]
pub(super) async fn set_my_setting(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    AnyJson(value): AnyJson<LARGEST>,
) -> Result<StatusCode, Problem> {
    let ((person, _), tenant, now) = (caller.person()?, caller.tenant, app.now());
    check(&name)?;
    let row = PersonSetting { value: value.to_string(), updated_at: now, name };
    let record =
        caller.record(now, "person.set_setting", "person", &person.to_string(), &json!({ "name": row.name }));
    let is_room = app.store.write(move |tx| {
        if person_setting::count_others(tx, tenant, person, &row.name)? >= MOST {
            return Ok::<_, Error>(false);
        }
        person_setting::set(tx, tenant, person, &row)?;
        audit::append(tx, &record)?;
        Ok(true)
    });
    if is_room.await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Code::Conflict, format!("there are {MOST} settings of yours already"))
        .hint("Remove one that is no longer needed."))
}

/// Remove a setting of your own
#[utoipa::path(delete, path = "/me/settings/{name}", tag = "access", params(("name" = String, Path)),
    responses((status = 204)))]
pub(super) async fn remove_my_setting(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<StatusCode, Problem> {
    let ((person, _), tenant) = (caller.person()?, caller.tenant);
    check(&name)?;
    let detail = json!({ "name": name });
    let record = caller.record(app.now(), "person.remove_setting", "person", &person.to_string(), &detail);
    app.store
        .write(move |tx| {
            if !person_setting::delete(tx, tenant, person, &name)? {
                return Err(Error::NotFound("setting"));
            }
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=LONGEST).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Problem::bad_field("name", format!("must be 1 to {LONGEST} of a-z, 0-9, `.`, `_` and `-`")))
}
