//! `GET /tasks/{id}/intent`.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quell_catalog::ActionKind;
use quell_store::task;
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(show_intent))
}

/// What was asked, as the bytes that approvals and orders bind.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Intent {
    /// The encoded intent. Its parameters are not redacted, since whoever approves sees what they approve; where the action
    /// has such parameters, `approval.decide` or `secret.read` is needed as well.
    #[schema(content_encoding = "base64")]
    intent: String,
    /// SHA-256 of `quell/intent/v1`, a zero byte, and the intent; lower-case hex. To be computed anew by whoever signs.
    sha256: String,
}

/// The intent of a task, to be read and signed by an approver
///
/// `quell trust sign` reads the deed from these bytes, not from what the server says about them.
#[utoipa::path(get, path = "/tasks/{id}/intent", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Intent)))]
pub(super) async fn show_intent(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Intent>, Problem> {
    let task = app.store.read(move |tx| task::get(tx, caller.tenant, id)).await?;
    let task = task.ok_or_else(|| Problem::not_found("task"))?;
    let redacts = ActionKind::from_id(&task.action).is_none_or(|kind| !kind.spec().redact.is_empty());
    let sees = |permission| caller.access().allows(permission);
    if redacts && !sees(Permission::ApprovalDecide) && !sees(Permission::SecretRead) {
        return Err(Problem::new(
            Code::Forbidden,
            "the intent shows parameters that only those see who approve, or who read secrets",
        )
        .hint("A role with the permission approval.decide or secret.read is needed."));
    }
    Ok(Json(Intent { intent: STANDARD.encode(&task.intent), sha256: hex(&task.intent_digest) }))
}
