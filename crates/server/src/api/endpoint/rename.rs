//! `PUT /endpoints/{id}/name`.

use axum::extract::State;
use quell_engine::Change;
use quell_store::{Error, audit, endpoint};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Endpoint;
use crate::api::body::Json;
use crate::api::query::{Id, parse_id};
use crate::api::route::{Route, permit};
use crate::api::text::checked;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Longest name, bytes: a host name's (RFC 1035).
const LONGEST: usize = 253;

pub(super) fn route() -> Route {
    permit(Permission::EndpointTag, routes!(set_endpoint_name))
}

/// The name of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewName {
    /// At most 253 bytes, and no id. No other active endpoint may have it.
    #[schema(max_length = 253)]
    name: String,
}

/// Rename an endpoint
///
/// Agents cannot: what an agent says of its host name later stands in `facts` alone. Tasks that were made keep their
/// targets.
#[utoipa::path(put, path = "/endpoints/{id}/name", tag = "endpoints", params(("id" = Uuid, Path)),
    request_body = NewName, responses((status = 200, body = Endpoint)))]
pub(super) async fn set_endpoint_name(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewName>,
) -> Result<Json<Endpoint>, Problem> {
    let name = checked("name", &wanted.name, LONGEST)?;
    if name.len() > LONGEST {
        return Err(Problem::bad_field("name", format!("longer than {LONGEST} bytes")));
    }
    if parse_id(&name).is_some() {
        return Err(Problem::bad_field("name", "an id; a name must not look like one"));
    }
    let (tenant, now) = (caller.tenant, app.now());
    let row = app
        .store
        .write(move |tx| {
            let before = endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?;
            caller.reaches(Permission::EndpointTag, &before)?;
            endpoint::set_name(tx, tenant, id, &name)?;
            let detail = serde_json::json!({ "name": name, "before": before.name });
            audit::append(tx, &caller.record(now, "endpoint.rename", "endpoint", &id.to_string(), &detail))?;
            Ok::<_, Problem>(endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?)
        })
        .await?;
    app.engine.changes().tell(Change::Endpoint { tenant, endpoint: id });
    Ok(Json(Endpoint::of(&app, row)))
}
