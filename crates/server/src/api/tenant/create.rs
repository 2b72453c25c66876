//! `POST /tenants`.

use axum::extract::State;
use axum::response::Response;
use quell_access::Role;
use quell_store::membership::{self, MANUAL, Membership};
use quell_store::person::{self, Person};
use quell_store::{audit, tenant, ticket};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::TenantView;
use crate::api::body::{Json, created};
use crate::api::person::{address, invited, taken};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::login::Who;
use crate::auth::ticket::{self as tickets, ShownTicket};
use crate::auth::{Caller, Permission};
use crate::first_key;
use crate::library::built_in;
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TenantManage, routes!(create_tenant))
}

/// The first administrator of a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstAdministrator {
    /// Their name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Their e-mail address, with which they sign in.
    #[schema(max_length = 254)]
    email: String,
}

/// A tenant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its name, unique on this server.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    administrator: FirstAdministrator,
}

/// A tenant that was made, with the link for its administrator.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeTenant {
    #[serde(flatten)]
    tenant: TenantView,
    administrator: Who,
    /// Shown this once.
    ticket: ShownTicket,
}

/// Make a tenant
///
/// With an invitation for its first administrator, who is at home there. Whoever makes it sees nothing of it: its
/// administrators let others in. Only administrators of the server's first tenant make tenants.
#[utoipa::path(post, path = "/tenants", tag = "access", request_body = NewTenant,
    responses((status = 201, body = MadeTenant)))]
pub(super) async fn create_tenant(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewTenant>,
) -> Result<Response, Problem> {
    if caller.tenant != app.tenant {
        return Err(Problem::new(
            Code::Forbidden,
            "tenants are made by the administrators of the server's first tenant",
        ));
    }
    let now = app.now();
    if wanted.name.trim().eq_ignore_ascii_case(first_key::TENANT) {
        return Err(Problem::bad_field("name", "is kept for the server's first tenant"));
    }
    let row = tenant::Tenant {
        id: Uuid::now_v7(),
        name: text::checked("name", &wanted.name, 100)?,
        created_at: now,
    };
    let name = text::checked("administrator.name", &wanted.administrator.name, 100)?;
    let email = address("administrator.email", &wanted.administrator.email)?;
    let account = invited(row.id, None, name, email, now);
    let made = tickets::make(row.id, account.id, ticket::INVITATION, now)?;
    let (stored, home) = (made.row.clone(), caller.tenant);
    let location = format!("{ROOT}/tenants/{}", row.id);
    let (row, account) = app
        .store
        .write(move |tx| {
            tenant::insert(tx, &row)?;
            built_in::ensure(tx, row.id, now)?;
            let human = person::human_by_email(tx, &account.email_key)?.unwrap_or(account.id);
            let account = Person { human, ..account.clone() };
            person::insert(tx, &account).map_err(taken)?;
            membership::insert(tx, &administrator(row.id, account.id, &caller, now))?;
            ticket::insert(tx, &stored)?;
            let detail = json!({ "name": row.name, "administrator": account.email });
            let record = caller.record(now, "tenant.create", "tenant", &row.id.to_string(), &detail);
            audit::append(tx, &record)?;
            // Its own trail begins with how it came to be.
            audit::append(tx, &audit::Record { tenant_id: row.id, id: Uuid::now_v7(), ..record })?;
            let detail = json!({ "name": account.name, "email": account.email, "roles": ["administrator"], "expires_at": stored.expires_at });
            let invited = caller.record(now, "person.invite", "person", &account.id.to_string(), &detail);
            audit::append(tx, &audit::Record { tenant_id: row.id, ..invited })?;
            Ok::<_, Problem>((row.clone(), account))
        })
        .await?;
    let body = MadeTenant {
        tenant: TenantView::of(home, row),
        administrator: Who { id: account.id.to_string(), name: account.name, email: account.email },
        ticket: ShownTicket::of(&app, made),
    };
    Ok(created(&location, body))
}

fn administrator(tenant: Uuid, person: Uuid, caller: &Caller, now: i64) -> Membership {
    Membership {
        tenant_id: tenant,
        person_id: person,
        role: Role::Administrator.as_str().to_owned(),
        source: MANUAL.to_owned(),
        granted_at: now,
        granted_by: caller.name().to_owned(),
    }
}
