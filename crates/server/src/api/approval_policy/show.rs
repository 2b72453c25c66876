//! `GET /approval-policy`.

use axum::extract::State;
use axum::response::IntoResponse;
use quell_access::Policy;
use quell_catalog::{ActionKind, ManagedServices};
use quell_store::{Tx, approval_list};
use utoipa_axum::routes;
use uuid::Uuid;

use super::lists::{LISTS, MOST};
use super::{ApprovalSettings, ListSize, Offered, tag};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PolicyRead, routes!(show_approval_policy))
}

/// The approval settings
///
/// The `ETag` is of the policy alone: it stays while lists and the catalogue change.
#[utoipa::path(get, path = "/approval-policy", tag = "approvals", 
    responses((status = 200, body = ApprovalSettings, headers(("ETag" = String, description = "Of the policy, for `If-Match`")))))]
pub(super) async fn show_approval_policy(
    State(app): State<App>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let tenant = caller.tenant;
    let settings = app.store.read(move |tx| {
        let policy = quell_engine::approval::policy(tx, tenant)?;
        Ok::<_, quell_engine::Error>(of(tx, tenant, policy)?)
    });
    let settings = settings.await?;
    Ok((tag::header(&tag::of(&settings.policy)?), Json(settings)))
}

/// The settings with what can be chosen.
pub(super) fn of(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    policy: Policy,
) -> Result<ApprovalSettings, quell_store::Error> {
    let offered = ActionKind::ALL.iter().map(|kind| kind.spec()).filter_map(|spec| {
        let group = match spec.managed_services {
            ManagedServices::Critical => "critical",
            ManagedServices::Recommended => "recommended",
            ManagedServices::NotNeeded | ManagedServices::Always => return None,
        };
        let is_ticked = policy.managed.actions.iter().any(|action| action == spec.id);
        Some(Offered { action: spec.id, title: spec.title, group, is_ticked })
    });
    let offered = offered.collect();
    let mut lists = Vec::new();
    for list in LISTS {
        let endpoints = approval_list::all(tx, tenant, list, MOST as i64)?.len();
        lists.push(ListSize { list, endpoints });
    }
    Ok(ApprovalSettings { policy, offered, lists })
}
