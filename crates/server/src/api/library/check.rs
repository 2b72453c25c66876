//! `POST /library/{kind}/check`.

use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::kind;
use crate::api::body::{self, Json};
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::library::{self as check, Said};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryWrite, routes!(check_for_library))
}

/// What is known of a body that the library would take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// The same as a version's.
    #[schema(value_type = Object)]
    facts: Value,
    /// Bytes.
    size: usize,
}

/// Check a body without adding it
///
/// Refused in the same words, with line and column, as adding it would be.
#[utoipa::path(post, path = "/library/{kind}/check", tag = "library", params(("kind" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Checked)))]
pub(super) async fn check_for_library(
    State(app): State<App>,
    caller: Caller,
    Name(of): Name,
    request: Request,
) -> Result<Json<Checked>, Problem> {
    let kind = kind(&of)?;
    let body = body::raw(request, kind.most_bytes() as usize).await?;
    let size = body.len();
    let facts = check::checked(kind, &Said::default(), body).await?;
    let (tenant, known) = (caller.tenant, facts.clone());
    let foreign = app.store.read(move |tx| check::kit::foreign(tx, tenant, kind, &known)).await?;
    if let Some(why) = foreign {
        return Err(super::add::foreign(why));
    }
    Ok(Json(Checked { facts, size }))
}
