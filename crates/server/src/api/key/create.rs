//! `POST /api-keys`.

use axum::extract::State;
use axum::response::Response;
use quell_access::{Grant, Grants};
use quell_store::{api_key, audit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ApiKey;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission, Principal, give, key};
use crate::problem::{Code, Problem};
use crate::state::App;

const DEFAULT_DAYS: u32 = 90;
const MOST_DAYS: u32 = 366;

pub(super) fn route() -> Route {
    permit(Permission::KeyManage, routes!(create_api_key))
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: the name of a role that comes with Quell, or the id of one of the tenant's own.
    #[schema(example = "analyst")]
    role: String,
    /// What of the role it may use; all of it where absent.
    #[schema(value_type = Option<Object>)]
    scope: Option<Grants>,
    /// Days until it ends, 1 to 366; 90 where absent.
    #[schema(minimum = 1, maximum = 366, default = 90)]
    expires_in_days: Option<u32>,
}

/// A key that was made, with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeApiKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The key. Shown this once.
    text: String,
}

/// Make an API key
///
/// It is of the tenant of whoever makes it, belongs to the person who makes it, and never may more than they: where they
/// lose a role, it does too. A key that a key makes belongs to the same person.
#[utoipa::path(post, path = "/api-keys", tag = "access", request_body = NewApiKey,
    responses((status = 201, body = MadeApiKey)))]
pub(super) async fn create_api_key(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewApiKey>,
) -> Result<Response, Problem> {
    let name = text::checked("name", &wanted.name, 100)?;
    let days = wanted.expires_in_days.unwrap_or(DEFAULT_DAYS);
    if days == 0 || days > MOST_DAYS {
        return Err(Problem::bad_field("expires_in_days", format!("must be 1 to {MOST_DAYS}")));
    }
    let scope = wanted.scope.as_ref().map(scope).transpose()?;
    let (tenant, asked, said) = (caller.tenant, wanted.role.clone(), wanted.role);
    let by_key = matches!(caller.identity.principal, Principal::Key);
    let caller_id = caller.identity.id;
    let (granted, owner) = app
        .store
        .read(move |tx| {
            let granted = give::resolve(tx, tenant, &asked)?;
            let owner = if by_key {
                api_key::get(tx, tenant, caller_id)?.and_then(|key| key.owner)
            } else {
                Some(caller_id)
            };
            Ok::<_, quell_store::Error>((granted, owner))
        })
        .await?;
    let (role, granted) =
        granted.ok_or_else(|| Problem::bad_field("role", "there is no such role in this tenant"))?;
    if !caller.access().covers(&granted) {
        return Err(Problem::new(Code::Forbidden, format!("the role {said} may more than who gives it"))
            .hint("Nobody gives what they do not have. Choose another role."));
    }
    let made =
        key::generate().ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness"))?;
    let now = app.now();
    let row = api_key::ApiKey {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        name,
        prefix: made.prefix,
        hash: made.hash,
        role,
        created_at: now,
        expires_at: Some(ends(&caller, now + i64::from(days) * 86_400_000_000)),
        last_used_at: None,
        revoked_at: None,
        owner,
        scope,
    };
    let detail = serde_json::json!({ "name": row.name, "role": row.role, "prefix": row.prefix, "days": days, "owner": row.owner, "scope": row.scope });
    let record = caller.record(now, "api_key.create", "api_key", &row.id.to_string(), &detail);
    let row = app
        .store
        .write(move |tx| {
            api_key::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, quell_store::Error>(row.clone())
        })
        .await?;
    let location = format!("{ROOT}/api-keys/{}", row.id);
    Ok(created(&location, MadeApiKey { key: ApiKey::of(row), text: made.text }))
}

/// A scope as it is stored, once it was understood.
fn scope(wanted: &Grants) -> Result<String, Problem> {
    Grant::read(wanted).map_err(|error| Problem::bad_field("scope", error.to_string()))?;
    serde_json::to_string(wanted).map_err(|error| Problem::internal(&error))
}

/// A key that a key makes does not outlive it.
fn ends(caller: &Caller, wanted: i64) -> i64 {
    match (caller.identity.principal, caller.identity.expires_at) {
        (Principal::Key, Some(own)) => wanted.min(own),
        (Principal::Key | Principal::Person { .. }, _) => wanted,
    }
}
