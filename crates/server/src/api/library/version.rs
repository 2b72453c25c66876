//! `GET /library/{kind}/{name}/versions/{version}`.

use axum::extract::{Path, State};
use quell_store::{Error, library};
use utoipa_axum::routes;

use super::{LibraryVersion, item, kind};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Larger bodies are downloaded. Bytes.
const SHOWN: i64 = 1 << 20;

pub(super) fn route() -> Route {
    permit(Permission::LibraryRead, routes!(show_library_version))
}

/// One version with its body
///
/// The body stands here where it is text of at most 1 MiB; any body comes from `…/content`.
#[utoipa::path(get, path = "/library/{kind}/{name}/versions/{version}", tag = "library",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = i64, Path)),
    responses((status = 200, body = LibraryVersion)))]
pub(super) async fn show_library_version(
    State(app): State<App>,
    caller: Caller,
    Path((of, name, version)): Path<(String, String, String)>,
) -> Result<Json<LibraryVersion>, Problem> {
    let kind = kind(&of)?;
    let number: i64 = version.parse().map_err(|_| Problem::not_found("version"))?;
    app.store
        .read(move |tx| {
            let row = item(tx, caller.tenant, kind, &name)?;
            let version =
                library::version(tx, caller.tenant, row.id, number)?.ok_or(Error::NotFound("version"))?;
            let body = if kind.is_text() && version.size <= SHOWN {
                library::body(tx, caller.tenant, &version.sha256)?
            } else {
                None
            };
            let body = body.map(|body| String::from_utf8_lossy(&body).into_owned());
            Ok::<_, Error>(Json(LibraryVersion::of(&name, version, body)))
        })
        .await
        .map_err(Problem::from)
}
