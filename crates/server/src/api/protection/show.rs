//! `GET /protection`.

use axum::extract::State;
use axum::response::IntoResponse;
use quell_catalog::library::Kind;
use quell_store::{Tx, library, protection as rows};
use utoipa_axum::routes;
use uuid::Uuid;

use super::{NewerSet, Protection, Stored};
use crate::api::approval_policy::tag;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::protection::settings::Settings;
use crate::protection::version;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ProtectionRead, routes!(show_protection))
}

/// What is recorded, detected and prevented
///
/// With the version, where it holds, and which rules agents do not take. The `ETag` is of the settings and their version alone.
#[utoipa::path(get, path = "/protection", tag = "protection",
    responses((status = 200, body = Protection, headers(("ETag" = String, description = "Of the settings, for `If-Match`")))))]
pub(super) async fn show_protection(
    State(app): State<App>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let stored = stored(&app, caller.tenant).await?;
    Ok((tag::header(&stored.tag()?), Json(stored.view(&app, caller.tenant).await?)))
}

/// What stands in the database; what holds before anybody set anything is written down first.
pub(super) async fn stored(app: &App, tenant: Uuid) -> Result<Stored, Problem> {
    if app.store.read(move |tx| rows::newest(tx, tenant)).await?.is_none() {
        version::ensure(&app.store, tenant, app.now()).await?;
    }
    let read = app.store.read(move |tx| {
        let row = rows::newest(tx, tenant)?.ok_or_else(|| Problem::not_found("protection"))?;
        Stored::read(tx, tenant, row)
    });
    read.await
}

/// Sets of rules of which the library has a newer version, or which are out of use there.
pub(super) fn newer(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    settings: &Settings,
) -> Result<Vec<NewerSet>, quell_store::Error> {
    let mut found = Vec::new();
    for (kind, sets) in [(Kind::Sigma, &settings.behaviour.rules), (Kind::Yara, &settings.yara.rules)] {
        for set in sets {
            let Some((name, version)) = set.rsplit_once('@') else { continue };
            let Some(item) = library::by_name(tx, tenant, kind.as_str(), name)? else { continue };
            let latest = library::latest(tx, tenant, item.id)?.map_or(0, |latest| latest.version);
            let archived = item.archived_at.is_some();
            if archived || version.parse::<i64>().is_ok_and(|version| version < latest) {
                found.push(NewerSet { kind: kind.as_str(), set: set.clone(), latest, archived });
            }
        }
    }
    Ok(found)
}
