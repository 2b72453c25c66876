//! `POST /shells/{id}/files`.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use http::StatusCode;
use quell_store::{Error, audit};
use quell_wire::digest::hex;
use quell_wire::shell::PUT;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    let route = routes!(give_file);
    permit(
        Permission::TaskSubmit,
        (route.0, route.1, route.2.layer(axum::extract::DefaultBodyLimit::max(PUT as usize))),
    )
}

/// A file that was given to a shell.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Given {
    /// Its id among the artifacts: what the verb `put` names.
    #[schema(format = Uuid)]
    artifact_id: String,
    /// Bytes.
    size: i64,
    /// SHA-256.
    sha256: String,
}

/// Give a file to a remote shell
///
/// For the verb `put`, which writes it on the endpoint and checks its SHA-256 there. At most 32 MiB, from whoever types there.
#[utoipa::path(post, path = "/shells/{id}/files", tag = "shells", params(("id" = Uuid, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Given)))]
pub(super) async fn give_file(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Given>), Problem> {
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::BodyTooLarge, format!("the file is larger than {PUT} bytes"))
        }
        _ => Problem::new(Code::MalformedJson, "the body broke off"),
    })?;
    let row = super::row(&app, &caller, id).await?;
    let over = || Problem::new(Code::Conflict, "the shell is over");
    let about = app.shells.about(caller.tenant, id).await?.ok_or_else(over)?;
    if !super::may_type(&app, &caller, &about).await? {
        return Err(Problem::new(Code::Forbidden, "only who asked for the shell gives files to it"));
    }
    let live = app.shells.open(caller.tenant, id).await?.filter(|live| live.over().is_none());
    let live = live.ok_or_else(over)?;
    let stored = app.shells.take(&live.about, body).await?;
    let sha256 = hex(&stored.sha256);
    let detail =
        json!({ "task": row.task_id, "artifact": stored.id, "bytes": stored.size, "sha256": sha256 });
    let record = caller.record(app.now(), "shell.give", "shell", &id.to_string(), &detail);
    app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
    let given = Given { artifact_id: stored.id.to_string(), size: stored.size, sha256 };
    Ok((StatusCode::CREATED, Json(given)))
}
