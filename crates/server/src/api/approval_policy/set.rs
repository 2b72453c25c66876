//! `PUT /approval-policy`.

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use quell_access::Policy;
use quell_engine::approval::{POLICY, policy};
use quell_store::{Page, audit, role, setting};
use serde_json::json;
use utoipa_axum::routes;

use super::tag::{self, IfMatch};
use super::{ApprovalSettings, show};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Roles of a tenant that a policy may name.
const ROLES: u32 = 500;

pub(super) fn route() -> Route {
    permit(Permission::PolicyManage, routes!(set_approval_policy))
}

/// Change the approval settings
///
/// Holds for requests from now on; what waits for people goes on waiting for those that were asked for then. With
/// `If-Match` nothing is changed where the policy is another than the one that was read.
#[utoipa::path(put, path = "/approval-policy", tag = "approvals", request_body = Object,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the policy that is changed")),
    responses((status = 200, body = ApprovalSettings, headers(("ETag" = String, description = "Of the policy, for `If-Match`")))))]
pub(super) async fn set_approval_policy(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(wanted): Json<Policy>,
) -> Result<impl IntoResponse, Problem> {
    let seen = IfMatch::read(&headers)?;
    let now = app.now();
    let settings = app.store.write(move |tx| {
        let tenant = caller.tenant;
        let roles = role::list(tx, tenant, Page { after: None, limit: ROLES })?.rows;
        let is_role = |name: &str| roles.iter().any(|role| role.id.to_string() == name);
        wanted.check(is_role).map_err(|wrong| Problem::bad_field(wrong.field, wrong.problem))?;
        // One that cannot be read is what this repairs.
        let before = policy(tx, tenant).ok();
        let held = before.as_ref().map(tag::of).transpose()?;
        seen.check(held.as_deref(), "the approval settings")?;
        let text = serde_json::to_string(&wanted).map_err(|error| Problem::internal(&error))?;
        setting::set(tx, tenant, POLICY, &text, now)?;
        let detail = json!({ "before": before, "after": wanted });
        audit::append(tx, &caller.record(now, "approval_policy.set", "setting", POLICY, &detail))?;
        Ok::<_, Problem>(show::of(tx, tenant, wanted.clone())?)
    });
    let settings = settings.await?;
    Ok((tag::header(&tag::of(&settings.policy)?), Json(settings)))
}
