//! `GET /me`.

use std::collections::BTreeMap;

use axum::extract::State;
use quell_access::{Access, Permission, Reach};
use quell_catalog::ActionKind;
use quell_store::{person, tenant};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, signed_in};
use crate::api::time;
use crate::auth::login::Where;
use crate::auth::{Caller, Principal};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    signed_in(routes!(show_me))
}

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// `person` or `api_key`.
    kind: &'static str,
    /// The id of the person or the key.
    #[schema(format = Uuid)]
    id: String,
    /// The name.
    name: String,
    /// A person's e-mail address.
    email: Option<String>,
    /// Whether a person's account asks for one-time codes.
    totp: Option<bool>,
    /// The session.
    #[schema(format = Uuid)]
    session: Option<String>,
    /// When the session or the key ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The tenant whose things requests are about.
    tenant: Where,
    /// Names and ids of the roles there.
    roles: Vec<String>,
    /// What they may do there.
    permissions: Vec<&'static str>,
    /// The actions that they may request.
    actions: Vec<&'static str>,
    /// Permissions that reach only endpoints with any of these tags.
    reach: BTreeMap<&'static str, Vec<String>>,
}

/// Who you are here
#[utoipa::path(get, path = "/me", tag = "access", responses((status = 200, body = Me)))]
pub(super) async fn show_me(State(app): State<App>, caller: Caller) -> Result<Json<Me>, Problem> {
    let (tenant, id, is_person) =
        (caller.tenant, caller.identity.id, caller.identity.principal != Principal::Key);
    let (tenant, person) = app
        .store
        .read(move |tx| {
            let person = if is_person { person::get(tx, id)? } else { None };
            Ok::<_, quell_store::Error>((tenant::get(tx, tenant)?, person))
        })
        .await?;
    let tenant = tenant.ok_or_else(|| Problem::not_found("tenant"))?;
    let access = caller.access();
    Ok(Json(Me {
        kind: caller.identity.principal.kind(),
        id: caller.identity.id.to_string(),
        name: caller.name().to_owned(),
        email: person.as_ref().map(|person| person.email.clone()),
        totp: person.as_ref().map(|person| person.totp.is_some()),
        session: caller.person().ok().map(|(_, session)| session.to_string()),
        expires_at: time::maybe(caller.identity.expires_at),
        tenant: Where::of(&tenant),
        roles: access.roles().map(str::to_owned).collect(),
        permissions: access.permissions().iter().map(Permission::as_str).collect(),
        actions: ActionKind::ALL
            .iter()
            .map(|kind| kind.id())
            .filter(|action| access.allows_action(Permission::TaskSubmit, action))
            .collect(),
        reach: narrow(access),
    }))
}

fn narrow(access: &Access) -> BTreeMap<&'static str, Vec<String>> {
    access
        .permissions()
        .iter()
        .filter_map(|permission| match access.reach(permission, None) {
            Reach::All => None,
            Reach::Tags(tags) => Some((permission.as_str(), tags.into_iter().collect())),
        })
        .collect()
}
