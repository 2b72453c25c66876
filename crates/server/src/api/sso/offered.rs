//! `GET /sso/offered`: what the sign-in page shows to somebody of whom nothing is known yet.
//!
//! Who may sign in where is nobody's business, so a provider is named here only when its tenant says so.

use axum::extract::State;
use quell_store::{identity_provider, tenant};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, open};
use crate::auth::oidc::Settings;
use crate::problem::Problem;
use crate::state::App;

/// Active providers that are looked at.
const MOST: i64 = 1000;
/// Providers that are named: more make no page that somebody reads.
const SHOWN: usize = 20;

pub(super) fn route() -> Route {
    open(routes!(list_offered_providers))
}

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfferedProvider {
    /// The provider's name.
    name: String,
    /// The tenant's name.
    tenant: String,
    /// The path here at which signing in begins; `?return=` leads on from there.
    path: String,
}

/// The ways to sign in that are named to everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfferedProviders {
    items: Vec<OfferedProvider>,
}

/// Identity providers that the sign-in page names
///
/// Those of which their tenant says so (`offered`), at most twenty.
#[utoipa::path(get, path = "/sso/offered", tag = "access", responses((status = 200, body = OfferedProviders)))]
pub(super) async fn list_offered_providers(
    State(app): State<App>,
) -> Result<Json<OfferedProviders>, Problem> {
    let items = app
        .store
        .read(move |tx| {
            let mut items = Vec::new();
            for row in identity_provider::active(tx, MOST)? {
                let is_offered =
                    serde_json::from_str::<Settings>(&row.settings).is_ok_and(|settings| settings.offered);
                if !is_offered || items.len() == SHOWN {
                    continue;
                }
                let Some(tenant) = tenant::get(tx, row.tenant_id)? else { continue };
                let path = format!("/api/v1/sso/start/{}/{}", tenant.id, row.name);
                items.push(OfferedProvider { name: row.name, tenant: tenant.name, path });
            }
            Ok::<_, quell_store::Error>(items)
        })
        .await?;
    Ok(Json(OfferedProviders { items }))
}
