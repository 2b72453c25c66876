//! `GET /library/{kind}/{name}`.

use axum::extract::{Path, State};
use quell_store::{Error, library};
use utoipa_axum::routes;

use super::{LibraryItem, item, kind};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryRead, routes!(show_library_item))
}

/// One item of the library with its versions
#[utoipa::path(get, path = "/library/{kind}/{name}", tag = "library",
    params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = LibraryItem)))]
pub(super) async fn show_library_item(
    State(app): State<App>,
    caller: Caller,
    Path((of, name)): Path<(String, String)>,
) -> Result<Json<LibraryItem>, Problem> {
    let kind = kind(&of)?;
    app.store
        .read(move |tx| {
            let row = item(tx, caller.tenant, kind, &name)?;
            let versions = library::versions(tx, caller.tenant, row.id)?;
            Ok::<_, Error>(Json(LibraryItem::whole(row, versions)))
        })
        .await
        .map_err(Problem::from)
}
