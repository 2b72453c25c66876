//! `POST /endpoints/tags`: tags of many endpoints at once.

use std::collections::HashSet;

use axum::extract::State;
use quell_engine::Change;
use quell_store::{Error, Tx, audit, endpoint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::tag::may_untag;
use crate::api::body::Json;
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::api::text::checked_tags;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Endpoints of one request.
const MOST: usize = 500;

pub(super) fn route() -> Route {
    permit(Permission::EndpointTag, routes!(change_tags))
}

/// Tags that many endpoints get, and tags that they lose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TagChanges {
    /// Ids, at most 500.
    #[schema(max_items = 500)]
    endpoints: Vec<String>,
    /// Tags that each of them has afterwards; 32 at most.
    #[serde(default)]
    #[schema(max_items = 32)]
    add: Vec<String>,
    /// Tags that none of them has afterwards.
    #[serde(default)]
    #[schema(max_items = 32)]
    remove: Vec<String>,
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TagsChanged {
    /// Endpoints whose tags are others now. The rest had them so before.
    changed: usize,
}

/// Give tags to many endpoints, and take tags from them
///
/// All of it or nothing: one endpoint that is not there or not within reach refuses the whole. Each that changes has its
/// own record in the audit trail. Tasks that were made keep their targets.
#[utoipa::path(post, path = "/endpoints/tags", tag = "endpoints", request_body = TagChanges,
    responses((status = 200, body = TagsChanged)))]
pub(super) async fn change_tags(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<TagChanges>,
) -> Result<Json<TagsChanged>, Problem> {
    let ids = ids(&wanted.endpoints)?;
    let (add, remove) = (checked_tags(&wanted.add)?, checked_tags(&wanted.remove)?);
    if add.is_empty() && remove.is_empty() {
        return Err(Problem::bad_field("add", "must name a tag, or `remove` must"));
    }
    if let Some(tag) = add.iter().find(|tag| remove.contains(tag)) {
        return Err(Problem::bad_field("remove", format!("{tag:?} is in `add` as well")));
    }
    let (tenant, now) = (caller.tenant, app.now());
    let changed = app
        .store
        .write(move |tx| {
            let mut changed = Vec::new();
            for id in &ids {
                if change(tx, &caller, *id, (&add, &remove), now)? {
                    changed.push(*id);
                }
            }
            Ok::<_, Problem>(changed)
        })
        .await?;
    for endpoint in &changed {
        app.engine.changes().tell(Change::Endpoint { tenant, endpoint: *endpoint });
    }
    Ok(Json(TagsChanged { changed: changed.len() }))
}

fn ids(names: &[String]) -> Result<Vec<Uuid>, Problem> {
    if names.is_empty() || names.len() > MOST {
        return Err(Problem::bad_field("endpoints", format!("must be 1 to {MOST} ids")));
    }
    let mut seen = HashSet::new();
    let mut ids = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let id = parse_id(name)
            .ok_or_else(|| Problem::bad_field(format!("endpoints[{index}]"), "must be an id"))?;
        if seen.insert(id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Changes the tags of one endpoint; `false` where they are so already.
fn change(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: Uuid,
    (add, remove): (&[String], &[String]),
    now: quell_store::Micros,
) -> Result<bool, Problem> {
    let tenant = caller.tenant;
    let before = endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?;
    caller.reaches(Permission::EndpointTag, &before)?;
    let had: Vec<String> = serde_json::from_str(&before.tags).unwrap_or_default();
    let kept = had.iter().filter(|tag| !remove.contains(tag));
    let new = add.iter().filter(|tag| !had.contains(tag));
    let tags: Vec<String> = kept.chain(new).cloned().collect();
    if tags == had {
        return Ok(false);
    }
    let tags = checked_tags(&tags)
        .map_err(|_| Problem::bad_field("add", format!("{} would have too many", before.name)))?;
    may_untag(tx, caller, &before, &tags)?;
    endpoint::set_tags(tx, tenant, id, &tags, &serde_json::to_string(&tags).unwrap_or_default())?;
    let detail = serde_json::json!({ "tags": tags, "before": had });
    audit::append(tx, &caller.record(now, "endpoint.tag", "endpoint", &id.to_string(), &detail))?;
    Ok(true)
}
