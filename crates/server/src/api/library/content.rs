//! `GET /library/{kind}/{name}/versions/{version}/content`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, header};
use quell_store::{Error, library};
use quell_wire::digest::hex;
use utoipa_axum::routes;

use super::{item, kind};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryRead, routes!(download_library_version))
}

/// The body of one version, as it was added
#[utoipa::path(get, path = "/library/{kind}/{name}/versions/{version}/content", tag = "library",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = i64, Path)),
    responses((status = 200, description = "The body", content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn download_library_version(
    State(app): State<App>,
    caller: Caller,
    Path((of, name, version)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let kind = kind(&of)?;
    let number: i64 = version.parse().map_err(|_| Problem::not_found("version"))?;
    let (file, sha256, body) = app
        .store
        .read(move |tx| {
            let row = item(tx, caller.tenant, kind, &name)?;
            let version =
                library::version(tx, caller.tenant, row.id, number)?.ok_or(Error::NotFound("version"))?;
            let body = library::body(tx, caller.tenant, &version.sha256)?.ok_or(Error::NotFound("body"))?;
            Ok::<_, Error>((format!("{}-{number}.{}", row.name, kind.as_str()), version.sha256, body))
        })
        .await?;
    let mut response = Response::new(Body::from(body));
    // Never anything that a browser shows or runs. The name has letters, digits, `.`, `_` and `-` alone.
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")),
        (header::ETAG, format!("\"{}\"", hex(&sha256))),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
