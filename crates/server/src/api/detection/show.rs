//! `GET /detections/{id}`.

use axum::extract::State;
use quell_incident::{View, offer as judge};
use quell_store::chain::{self, rows};
use quell_store::{Tx, detection, endpoint};
use quell_wire::limits;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Detection, Named};
use crate::api::body::Json;
use crate::api::endpoint::stored_json;
use crate::api::incident::{Activity, Offers, Process, not_yours, of_detection};
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::incident::gather::{self, Depth};
use crate::problem::Problem;
use crate::state::{App, Inner};

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(show_detection))
}

/// A detection with what is known of it, and what may be done about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeDetection {
    #[serde(flatten)]
    detection: Detection,
    /// What the product told, in one shape for all products; `null` for what an agent detected.
    #[schema(value_type = Option<Object>)]
    record: Option<Value>,
    /// The key activity event.
    key_activity: Option<Activity>,
    /// Who did it.
    process: Option<Process>,
    /// What may be done about it, and why nothing may be done.
    offers: Offers,
    /// Why the caller may not ask for any of it; `null` where they may.
    not_yours: Option<String>,
    /// For a detection without chain: the endpoint that it names, if its agent builds chains when it is asked to
    /// (`endpoint.collect_chain`).
    can_ask_chain_of: Option<Named>,
}

/// One detection, and what may be done about it
#[utoipa::path(get, path = "/detections/{id}", tag = "incidents", params(("id" = Uuid, Path)),
    responses((status = 200, body = WholeDetection)))]
pub(super) async fn show_detection(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<WholeDetection>, Problem> {
    let shown = app.clone();
    let read = app.store.read(move |tx| {
        let row = detection::get(tx, caller.tenant, id)?.ok_or_else(|| Problem::not_found("detection"))?;
        let chain = match row.chain_id {
            Some(id) => chain::get(tx, caller.tenant, id)?,
            None => None,
        };
        match chain {
            Some(chain) => with_chain(tx, &shown, &caller, (row, &chain)),
            None => without_chain(tx, &shown, &caller, row),
        }
    });
    read.await.map(Json)
}

fn with_chain(
    tx: &mut Tx<'_>,
    app: &Inner,
    caller: &Caller,
    (row, chain): (detection::Detection, &chain::Chain),
) -> Result<WholeDetection, Problem> {
    let endpoint = Named::endpoint(tx, chain.tenant_id, chain.endpoint_id)?;
    let stored = gather::chain(tx, chain, Depth::Keys)?;
    let tree = View::of(&stored);
    let marks = detection::marks(tx, chain.tenant_id, chain.id, limits::CHAIN_DETECTIONS as i64)?;
    let key = rows::activity(tx, chain.tenant_id, chain.id, row.activity.unwrap_or(0))?;
    let node = key.as_ref().and_then(|key| tree.node(gather::key(key.pid, key.start)));
    let process = node.and_then(|node| node.process);
    let offers = of_detection(tx, app, chain, row.id)?;
    Ok(WholeDetection {
        key_activity: key.as_ref().and_then(|key| Activity::of(key, endpoint.clone(), process, &marks)),
        process: node.map(|node| Process::of(chain.id, node)),
        offers: Offers::of(offers, &endpoint),
        not_yours: not_yours(caller),
        record: None,
        can_ask_chain_of: None,
        detection: Detection::read(tx, row)?,
    })
}

fn without_chain(
    tx: &mut Tx<'_>,
    app: &Inner,
    caller: &Caller,
    row: detection::Detection,
) -> Result<WholeDetection, Problem> {
    let endpoint = match row.endpoint_id {
        Some(id) => endpoint::get(tx, row.tenant_id, id)?,
        None => None,
    };
    let is_connected = |id: Uuid| app.is_connected(id);
    let standing = endpoint.as_ref().map(|row| gather::standing(row, is_connected(row.id)));
    let (why, can_ask) = judge::without_chain(standing.as_ref());
    let named = endpoint.map(|row| Named { id: row.id.to_string(), name: row.name });
    Ok(WholeDetection {
        key_activity: None,
        process: None,
        offers: Offers::none(why),
        not_yours: not_yours(caller),
        record: row.body.as_deref().map(stored_json),
        can_ask_chain_of: named.filter(|_| can_ask),
        detection: Detection::read(tx, row)?,
    })
}
