//! `PATCH /library/{kind}/{name}`.

use axum::extract::{Path, State};
use quell_store::{Error, audit, library};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{LibraryItem, item, kind};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryWrite, routes!(change_library_item))
}

/// What changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whether it is out of use: no new task names it, pickers leave it out. What was done with it stays to be read.
    #[serde(default)]
    archived: Option<bool>,
}

/// Describe an item of the library, or put it out of use and into use again
#[utoipa::path(patch, path = "/library/{kind}/{name}", tag = "library",
    params(("kind" = String, Path), ("name" = String, Path)), request_body = Change,
    responses((status = 200, body = LibraryItem)))]
pub(super) async fn change_library_item(
    State(app): State<App>,
    caller: Caller,
    Path((of, name)): Path<(String, String)>,
    Json(wanted): Json<Change>,
) -> Result<Json<LibraryItem>, Problem> {
    let kind = kind(&of)?;
    let description =
        wanted.description.map(|words| text::bounded("description", &words, 1000)).transpose()?;
    let now = app.now();
    app.store
        .write(move |tx| {
            let before = item(tx, caller.tenant, kind, &name)?;
            let id = before.id;
            if let Some(words) = description.as_deref().filter(|words| *words != before.description) {
                library::describe(tx, caller.tenant, id, words)?;
                let detail = json!({ "kind": kind.as_str(), "name": name, "description": words,
                    "description_before": before.description });
                audit::append(
                    tx,
                    &caller.record(now, "library.describe", "library", &id.to_string(), &detail),
                )?;
            }
            if let Some(archived) = wanted.archived.filter(|wanted| *wanted != before.archived_at.is_some()) {
                library::archive(tx, caller.tenant, id, archived.then_some((now, caller.name())))?;
                let detail = json!({ "kind": kind.as_str(), "name": name });
                let verb = if archived { "library.archive" } else { "library.restore" };
                audit::append(tx, &caller.record(now, verb, "library", &id.to_string(), &detail))?;
            }
            let after = item(tx, caller.tenant, kind, &name)?;
            let versions = library::versions(tx, caller.tenant, id)?;
            Ok::<_, Error>(Json(LibraryItem::whole(after, versions)))
        })
        .await
        .map_err(Problem::from)
}
