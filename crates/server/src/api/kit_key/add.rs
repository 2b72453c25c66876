//! `POST /kit-keys`.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::{audit, kit_key};
use quell_wire::digest::hex;
use quell_wire::limits::KIT_KEYS;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::KitKey;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TrustManage, routes!(add_kit_key))
}

/// A key to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKitKey {
    /// Who signs with it, as people call them.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The public key that `quell kit key` printed: `ed25519:` and base64url.
    #[schema(max_length = 100)]
    public: String,
}

/// Take kits that a key signed
///
/// From now on the library takes investigation kits that it signed, and tasks may name them. Endpoints that pin a root of trust
/// run them only where that root names the key too (`quell trust kit-key`).
#[utoipa::path(post, path = "/kit-keys", tag = "trust", request_body = NewKitKey,
    responses((status = 201, body = KitKey)))]
pub(super) async fn add_kit_key(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewKitKey>,
) -> Result<Response, Problem> {
    let name = text::checked("name", &wanted.name, 100)?;
    let public =
        wanted.public.trim().strip_prefix("ed25519:").and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
    let public = public.filter(|key| key.len() == 32).ok_or_else(|| {
        Problem::bad_field("public", "must be `ed25519:` and the 32 bytes of a public key in base64url")
    })?;
    let now = app.now();
    let row = kit_key::KitKey {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        name,
        public: hex(&public),
        created_by: caller.name().to_owned(),
        created_at: now,
    };
    let detail = json!({ "name": row.name, "public": row.public });
    let record = caller.record(now, "kit_key.add", "kit_key", &row.id.to_string(), &detail);
    let made = app
        .store
        .write(move |tx| {
            if kit_key::count(tx, row.tenant_id)? >= KIT_KEYS as i64 {
                return Ok(None);
            }
            kit_key::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, quell_store::Error>(Some(row.clone()))
        })
        .await?;
    let row = made
        .ok_or_else(|| Problem::new(Code::Conflict, format!("there are {KIT_KEYS} keys of kits already")))?;
    Ok(created(&format!("{ROOT}/kit-keys/{}", row.id), KitKey::of(row)))
}
