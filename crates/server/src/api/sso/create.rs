//! `POST /sso/providers`.

use axum::extract::State;
use axum::response::Response;
use quell_store::{audit, identity_provider};
use utoipa_axum::routes;

use super::Provider;
use super::wanted::WantedProvider;
use crate::api::ROOT;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Providers of one tenant.
const MOST: usize = 50;

pub(super) fn route() -> Route {
    permit(Permission::SsoManage, routes!(create_provider))
}

/// Add an identity provider
///
/// Nothing is asked of it yet: what it publishes is read when somebody signs in.
#[utoipa::path(post, path = "/sso/providers", tag = "access", request_body = WantedProvider,
    responses((status = 201, body = Provider)))]
pub(super) async fn create_provider(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<WantedProvider>,
) -> Result<Response, Problem> {
    let checked = wanted.check(&app, caller.tenant, None)?;
    let now = app.now();
    let row = app
        .store
        .write(move |tx| {
            checked.covered(tx, &caller)?;
            let page = quell_store::Page { after: None, limit: MOST as u32 };
            if identity_provider::list(tx, caller.tenant, page)?.rows.len() >= MOST {
                return Err(Problem::bad_field("name", format!("there are {MOST} providers already")));
            }
            identity_provider::insert(tx, &checked.row)?;
            let id = checked.row.id.to_string();
            audit::append(
                tx,
                &caller.record(now, "sso.create", "identity_provider", &id, &checked.detail()),
            )?;
            Ok(checked.row.clone())
        })
        .await?;
    let location = format!("{ROOT}/sso/providers/{}", row.id);
    Ok(created(&location, Provider::of(&app, row)?))
}
