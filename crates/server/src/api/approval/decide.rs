//! `POST /approvals/{id}/approve` and `…/reject`.

use std::time::Duration;

use axum::extract::State;
use quell_engine::Ballot;
use quell_wire::ApproverSignature;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Approval, read};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn approve_route() -> Route {
    permit(Permission::ApprovalDecide, routes!(approve))
}

pub(super) fn reject_route() -> Route {
    permit(Permission::ApprovalDecide, routes!(reject))
}

/// A decision that agrees.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApproval {
    /// The digest of the request that was looked at, 64 hex digits. Another one than the stored is refused.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
    /// Seconds for which it is good from now on; as long as the settings let it where absent, and never longer. The
    /// shortest wish of those who agree counts.
    #[schema(minimum = 1, maximum = 2_592_000)]
    valid_for_seconds: Option<u64>,
    /// The approver's own signature over the digest, where endpoints ask for one (`quell trust sign`).
    signature: Option<NewSignature>,
}

/// A decision that declines.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRejection {
    /// The digest of the request that was looked at, 64 hex digits.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
}

/// A signature of an approver's own key; bytes as base64.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSignature {
    /// Which key of the tenant's keyring.
    key_id: String,
    /// `ed25519` or `webauthn`.
    kind: String,
    /// The signature.
    signature: String,
    /// With `webauthn`: what the authenticator says.
    authenticator_data: Option<String>,
    /// With `webauthn`: what the browser says, JSON.
    client_data: Option<String>,
}

/// How a request stands after a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Decided {
    /// Who agreed and counts, now.
    approvals: u32,
    /// How many it takes.
    needed: u32,
    /// `false` when you had decided the same before, and nothing changed.
    is_new: bool,
    /// The request.
    pub request: Approval,
}

/// Approve a request
///
/// Binds the very digest that was looked at. Whoever asked does not decide, under none of their accounts; a program never
/// does. The same decision twice is one. When enough people agreed, the task begins.
#[utoipa::path(post, path = "/approvals/{id}/approve", tag = "approvals", params(("id" = Uuid, Path)),
    request_body = NewApproval, responses((status = 200, body = Decided)))]
pub(super) async fn approve(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewApproval>,
) -> Result<Json<Decided>, Problem> {
    let ballot = Ballot {
        digest: digest("digest", &wanted.digest)?,
        approve: true,
        note: wanted.note,
        via: caller.client.kind().to_owned(),
        valid_for: wanted.valid_for_seconds.map(Duration::from_secs),
        signature: wanted.signature.map(signature).transpose()?,
    };
    decide(&app, &caller, id, ballot).await.map(Json)
}

/// Reject a request
///
/// One rejection of somebody who may decide is enough: the task ends.
#[utoipa::path(post, path = "/approvals/{id}/reject", tag = "approvals", params(("id" = Uuid, Path)),
    request_body = NewRejection, responses((status = 200, body = Decided)))]
pub(super) async fn reject(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewRejection>,
) -> Result<Json<Decided>, Problem> {
    let ballot = Ballot {
        digest: digest("digest", &wanted.digest)?,
        approve: false,
        note: wanted.note,
        via: caller.client.kind().to_owned(),
        valid_for: None,
        signature: None,
    };
    decide(&app, &caller, id, ballot).await.map(Json)
}

pub(super) async fn decide(app: &App, caller: &Caller, id: Uuid, ballot: Ballot) -> Result<Decided, Problem> {
    let tenant = caller.tenant;
    let decided = app.engine.decide(&caller.actor(), tenant, id, ballot).await?;
    let request = app.store.read(move |tx| read(tx, tenant, id)).await?;
    Ok(Decided {
        approvals: decided.have,
        needed: decided.need,
        is_new: decided.is_new,
        request: request.ok_or_else(|| Problem::not_found("request for approval"))?,
    })
}

/// Reads the digest that a decision names.
pub(crate) fn digest(field: &str, text: &str) -> Result<[u8; 32], Problem> {
    quell_wire::digest::unhex(text).ok_or_else(|| Problem::bad_field(field, "must be 64 hexadecimal digits"))
}

/// Reads a signature.
pub(crate) fn signature(wanted: NewSignature) -> Result<ApproverSignature, Problem> {
    use base64::Engine as _;
    let bytes = |field: &str, text: &str| {
        let wrong = || Problem::bad_field(format!("signature.{field}"), "must be base64");
        base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| wrong())
    };
    let signature = ApproverSignature {
        key_id: wanted.key_id,
        kind: wanted.kind,
        signature: bytes("signature", &wanted.signature)?,
        authenticator_data: bytes("authenticator_data", &wanted.authenticator_data.unwrap_or_default())?,
        client_data: bytes("client_data", &wanted.client_data.unwrap_or_default())?,
    };
    if signature.is_bounded() {
        Ok(signature)
    } else {
        Err(Problem::new(Code::InvalidField, "signature: it is none")
            .field("signature", "longer than a signature is"))
    }
}
