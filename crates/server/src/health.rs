//! `GET /healthz` and `GET /readyz`, for what starts, stops and balances servers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use quell_store::{Error, setting};

use super::api::body::Json;
use crate::state::App;

/// A written row proves more than a read one; once in this time is enough, microseconds.
const FRESH: i64 = 5_000_000;

/// The process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// The database can be written, the gateway listens, and the signer is there.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let database = database(&app).await;
    if let Err(error) = &database {
        tracing::warn!(%error, "the database cannot be written");
    }
    let gateway = app.is_gateway_listening();
    let signer = app.signer.client().is_connected();
    let is_ready = database.is_ok() && gateway && signer;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |well: bool| if well { "ok" } else { "failing" };
    let body = serde_json::json!({
        "database": word(database.is_ok()), "gateway": word(gateway), "signer": word(signer),
    });
    (status, Json(body)).into_response()
}

async fn database(app: &App) -> Result<(), Error> {
    let now = app.now();
    if app.written_at() > now - FRESH {
        return Ok(());
    }
    let tenant = app.tenant;
    app.store.write(move |tx| setting::set(tx, tenant, "ready", "true", now)).await?;
    app.note_written(now);
    Ok(())
}
