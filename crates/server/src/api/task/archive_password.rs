//! `POST /tasks/{id}/archive-password`.

use axum::extract::State;
use quell_catalog::{ActionKind, Secret};
use quell_store::{Error, audit, command, task};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Targets of a task: as many as one may have.
const MOST: i64 = 100_000;

pub(super) fn route() -> Route {
    permit(Permission::SecretRead, routes!(read_archive_password))
}

/// The password of a task's archives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArchivePassword {
    /// Opens every archive of the task (WinZip AES-256; 7-Zip reads it).
    password: String,
}

/// Read the password of a task's archives
///
/// A `POST`, since to see a secret is an act: it is recorded before the password leaves.
#[utoipa::path(post, path = "/tasks/{id}/archive-password", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = ArchivePassword)))]
pub(super) async fn read_archive_password(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ArchivePassword>, Problem> {
    let tenant = caller.tenant;
    let detail = serde_json::json!({});
    let record = caller.record(app.now(), "archive_password.read", "task", &id.to_string(), &detail);
    app.store
        .write(move |tx| {
            task::get(tx, tenant, id)?
                .filter(|row| {
                    ActionKind::from_id(&row.action)
                        .is_some_and(|kind| kind.spec().secrets.contains(&Secret::ArchivePassword))
                })
                .ok_or(Error::NotFound("archive password"))?;
            // One password opens the archives of all its endpoints.
            for row in command::of_task(tx, tenant, id, -1, MOST)? {
                caller.reaches_id(tx, Permission::SecretRead, row.endpoint_id)?;
            }
            audit::append(tx, &record)?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(Json(ArchivePassword { password: app.secrets.derive(Secret::ArchivePassword, id, Uuid::nil()) }))
}
