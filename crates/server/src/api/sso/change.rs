//! `PUT /sso/providers/{id}`.

use axum::extract::State;
use quell_store::{audit, identity_provider};
use utoipa_axum::routes;

use super::Provider;
use super::wanted::WantedProvider;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SsoManage, routes!(change_provider))
}

/// Change an identity provider
///
/// All of it but the client's secret, which stays where it is not given. With another issuer it is another provider: who
/// signed in through the old one is not known any more, and the roles that its groups gave are taken. What a mapping
/// gives or takes takes effect when each person signs in next.
#[utoipa::path(put, path = "/sso/providers/{id}", tag = "access", params(("id" = Uuid, Path)),
    request_body = WantedProvider, responses((status = 200, body = Provider)))]
pub(super) async fn change_provider(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<WantedProvider>,
) -> Result<Json<Provider>, Problem> {
    let tenant = caller.tenant;
    let before = app.store.read(move |tx| identity_provider::get(tx, tenant, id)).await?;
    let before = before.ok_or_else(|| Problem::not_found("identity provider"))?;
    let checked = wanted.check(&app, tenant, Some(&before))?;
    let now = app.now();
    let row = app
        .store
        .write(move |tx| {
            checked.covered(tx, &caller)?;
            if identity_provider::get(tx, tenant, id)?.as_ref() != Some(&before) {
                return Err(quell_store::Error::Conflict("identity provider".to_owned()).into());
            }
            let mut detail = checked.detail();
            if checked.row.issuer != before.issuer {
                detail["roles_taken"] = identity_provider::take_roles(tx, tenant, id)?.into();
                detail["identities_forgotten"] = identity_provider::forget(tx, tenant, id)?.into();
            }
            identity_provider::update(tx, &checked.row)?;
            audit::append(
                tx,
                &caller.record(now, "sso.change", "identity_provider", &id.to_string(), &detail),
            )?;
            Ok::<_, Problem>(checked.row.clone())
        })
        .await?;
    app.access_changed();
    Ok(Json(Provider::of(&app, row)?))
}
