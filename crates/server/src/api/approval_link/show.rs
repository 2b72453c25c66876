//! `POST /approval-links/show`.

use axum::extract::State;
use quell_store::{passkey, task, tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find;
use super::signing::{self, Signing};
use crate::api::approval::{self, Approval};
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, open};
use crate::api::secret::Secret;
use crate::auth::origin::Origin;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    open(routes!(show_approval_link))
}

/// The token of a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkToken {
    /// What stands behind the number sign.
    #[schema(value_type = String)]
    token: Secret,
}

/// What a link asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkedApproval {
    /// The organisation.
    tenant: String,
    /// Who is asked.
    person: String,
    /// Whether they can confirm with a password.
    has_password: bool,
    /// Whether the account asks for a one-time code beside it.
    asks_totp: bool,
    /// Whether they can confirm with a passkey.
    has_passkey: bool,
    /// Where endpoints demand the person's own signature: what it takes.
    signing: Option<Signing>,
    /// The request.
    request: Approval,
}

/// What a link in a mail asks
///
/// Shows it, as often as it is asked, and decides nothing.
#[utoipa::path(post, path = "/approval-links/show", tag = "approvals", request_body = LinkToken,
    responses((status = 200, body = LinkedApproval)))]
pub(super) async fn show_approval_link(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<LinkToken, { 4 << 10 }>,
) -> Result<Json<LinkedApproval>, Problem> {
    let (link, person) = find(&app, &origin, &asked.token).await?;
    let (has_password, asks_totp) = (person.password.is_some(), person.totp.is_some());
    let (name, public) = (person.name.clone(), app.public.clone());
    let found = app.store.read(move |tx| {
        let request = approval::read(tx, link.tenant_id, link.task_id)?;
        let organisation = tenant::get(tx, link.tenant_id)?.map_or_else(String::new, |tenant| tenant.name);
        let has_passkey = !passkey::of_person(tx, person.tenant_id, person.id)?.is_empty();
        let signing = match task::get(tx, link.tenant_id, link.task_id)? {
            Some(task) => signing::of(tx, public.as_ref(), &task, &person)?,
            None => None,
        };
        Ok::<_, quell_store::Error>((request, organisation, has_passkey, signing))
    });
    let (request, tenant, has_passkey, signing) = found.await?;
    Ok(Json(LinkedApproval {
        tenant,
        person: name,
        has_password,
        asks_totp,
        has_passkey,
        signing,
        request: request.ok_or_else(|| Problem::not_found("request for approval"))?,
    }))
}
