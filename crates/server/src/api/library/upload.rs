//! `POST /library/{kind}/{name}/versions`.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::add::{Addition, add};
use super::{LibraryVersion, kind};
use crate::api::body;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::library::Said;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryWrite, routes!(upload_to_library))
}

/// What goes with the body.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct With {
    /// What it is for. Kept from the first version.
    #[serde(default)]
    description: String,
    /// Why this version is added.
    #[serde(default)]
    note: String,
    /// What runs a script. Scripts alone have one.
    interpreter: Option<String>,
}

/// Upload a version as it is
///
/// For bodies that are large or no text: up to 1 MiB of scripts and queries, 4 MiB of behaviour rules, 8 MiB of YARA rules
/// and definitions of evidence, 64 MiB of kits and indicators.
#[utoipa::path(post, path = "/library/{kind}/{name}/versions", tag = "library",
    params(("kind" = String, Path), ("name" = String, Path), With),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, body = LibraryVersion),
    (status = 200, description = "The library has this body under this name already", body = LibraryVersion)))]
pub(super) async fn upload_to_library(
    State(app): State<App>,
    caller: Caller,
    Path((of, name)): Path<(String, String)>,
    Query(With { description, note, interpreter }): Query<With>,
    request: Request,
) -> Result<Response, Problem> {
    let kind = kind(&of)?;
    let body = body::raw(request, kind.most_bytes() as usize).await?;
    let said = Said { interpreter };
    add(&app, caller, Addition { kind, name, body, description, note, said }).await
}
