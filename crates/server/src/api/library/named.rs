//! `GET /library/versions/{sha256}`.

use axum::extract::State;
use quell_catalog::library::Kind;
use quell_store::{Error, library};
use utoipa_axum::routes;

use super::LibraryVersion;
use crate::api::body::Json;
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::gateway::parse_hex;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryRead, routes!(show_versions_of_digest))
}

/// What the library has with this digest
///
/// Tasks name what they take from the library by digest alone; this says what it is. Of several kinds, where a body is in
/// the library as more than one.
#[utoipa::path(get, path = "/library/versions/{sha256}", tag = "library", params(("sha256" = String, Path)),
    responses((status = 200, body = Vec<LibraryVersion>)))]
pub(super) async fn show_versions_of_digest(
    State(app): State<App>,
    caller: Caller,
    Name(sha256): Name,
) -> Result<Json<Vec<LibraryVersion>>, Problem> {
    let absent = || Problem::not_found("body in the library");
    let digest = parse_hex(&sha256).ok_or_else(absent)?;
    let found = app
        .store
        .read(move |tx| {
            let mut found = Vec::new();
            for kind in Kind::ALL {
                let Some(version) = library::by_digest(tx, caller.tenant, kind.as_str(), &digest)? else {
                    continue;
                };
                let item = library::get(tx, caller.tenant, version.item_id)?;
                let item = item.ok_or(Error::NotFound("item of the library"))?;
                found.push(LibraryVersion::of(&item.name, version, None));
            }
            Ok::<_, Error>(found)
        })
        .await?;
    if found.is_empty() { Err(absent()) } else { Ok(Json(found)) }
}
