//! `PUT /endpoints/{id}/tags`.

use axum::extract::State;
use quell_engine::Change;
use quell_store::{Error, Tx, audit, endpoint};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Endpoint;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text::checked_tags;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointTag, routes!(set_endpoint_tags))
}

/// The tags of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTags {
    /// All of them, at most 32.
    #[schema(max_items = 32)]
    tags: Vec<String>,
}

/// Replace an endpoint's tags
///
/// Tasks that were made keep their targets: a task's targets are pinned when it is made.
#[utoipa::path(put, path = "/endpoints/{id}/tags", tag = "endpoints", params(("id" = Uuid, Path)),
    request_body = NewTags, responses((status = 200, body = Endpoint)))]
pub(super) async fn set_endpoint_tags(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewTags>,
) -> Result<Json<Endpoint>, Problem> {
    let tags = checked_tags(&wanted.tags)?;
    let tenant = caller.tenant;
    let json = serde_json::to_string(&tags).unwrap_or_default();
    let now = app.now();
    let row = app
        .store
        .write(move |tx| {
            let before = endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?;
            caller.reaches(Permission::EndpointTag, &before)?;
            may_untag(tx, &caller, &before, &tags)?;
            endpoint::set_tags(tx, tenant, id, &tags, &json)?;
            let detail = serde_json::json!({ "tags": tags, "before": super::stored_json(&before.tags) });
            audit::append(tx, &caller.record(now, "endpoint.tag", "endpoint", &id.to_string(), &detail))?;
            Ok::<_, Problem>(endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?)
        })
        .await?;
    app.engine.changes().tell(Change::Endpoint { tenant, endpoint: id });
    Ok(Json(Endpoint::of(&app, row)))
}

/// A tag that protects is taken away only by who may change the approval settings: else who is held up by it would take it
/// away first.
pub(super) fn may_untag(
    tx: &mut Tx<'_>,
    caller: &Caller,
    before: &endpoint::Endpoint,
    tags: &[String],
) -> Result<(), Problem> {
    let policy = quell_engine::approval::policy(tx, caller.tenant)?;
    let had: Vec<String> = serde_json::from_str(&before.tags).unwrap_or_default();
    let lost = had.iter().find(|tag| policy.protected.tags.contains(tag) && !tags.contains(tag));
    let may = caller.person().is_ok() && caller.access().allows(Permission::PolicyManage);
    match lost {
        Some(tag) if !may => {
            Err(Problem::new(Code::Forbidden, format!("the tag {tag} protects the endpoint"))
                .hint("A person who may change the approval settings takes it away."))
        }
        Some(_) | None => Ok(()),
    }
}
