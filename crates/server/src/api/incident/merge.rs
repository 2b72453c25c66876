//! `POST /incidents/merge`.

use axum::extract::State;
use quell_store::incident::{self as store, Incident as Row};
use quell_store::{Tx, audit};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::named;
use super::show::WholeIncident;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::text::checked;
use crate::auth::{Caller, Permission};
use crate::incident::merge as joining;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Incidents that are merged at a time.
const MOST: usize = 50;

pub(super) fn route() -> Route {
    permit(Permission::IncidentWrite, routes!(merge_incidents))
}

/// Incidents that are one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Merge {
    /// The incident that takes the others over, by its id or its number.
    into: String,
    /// Those that it takes over, by id or number.
    #[schema(min_items = 1, max_items = 50)]
    incidents: Vec<String>,
    /// Why they are one; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Merge incidents into one
///
/// Chains, detections, notes and tasks go over to the one; the others are closed as duplicates, and name it.
#[utoipa::path(post, path = "/incidents/merge", tag = "incidents", request_body = Merge,
    responses((status = 200, body = WholeIncident)))]
pub(super) async fn merge_incidents(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<Merge>,
) -> Result<Json<WholeIncident>, Problem> {
    let reason = checked("reason", &wanted.reason, 2000)?;
    if wanted.incidents.is_empty() || wanted.incidents.len() > MOST {
        return Err(Problem::bad_field("incidents", format!("must be 1 to {MOST}")));
    }
    let (now, shown) = (app.now(), app.clone());
    let write = app.store.write(move |tx| {
        let (into, over) = merge(tx, &caller, &wanted, (&reason, now))?;
        Ok::<_, Problem>((WholeIncident::read(tx, &shown, &caller, into.clone())?, into, over))
    });
    let (view, into, over) = write.await?;
    for row in over.iter().chain([&into]) {
        super::tell(&app, row);
    }
    Ok(Json(view))
}

/// Merges; the one and the others as they are from now on.
fn merge(
    tx: &mut Tx<'_>,
    caller: &Caller,
    wanted: &Merge,
    (reason, now): (&str, i64),
) -> Result<(Row, Vec<Row>), Problem> {
    store::serialise(tx, caller.tenant)?;
    let mut into = named(tx, caller.tenant, &wanted.into)?;
    if into.state == "closed" {
        return Err(Problem::new(Code::Conflict, format!("incident {} is closed", into.number))
            .hint("Open it again first, or merge into another."));
    }
    let mut over: Vec<Row> = Vec::new();
    for name in &wanted.incidents {
        let from = named(tx, caller.tenant, name)?;
        if from.id == into.id {
            return Err(Problem::bad_field("incidents", "names the incident that takes them over"));
        }
        if over.iter().any(|known| known.id == from.id) {
            continue;
        }
        if from.merged_into.is_some() {
            return Err(Problem::new(Code::Conflict, format!("incident {} was merged already", from.number)));
        }
        take_over(tx, caller, (&from, &mut into), (reason, now))?;
        over.push(named(tx, caller.tenant, &from.id.to_string())?);
    }
    store::grow(tx, &into)?;
    store::change(tx, &into)?;
    let numbers: Vec<i64> = over.iter().map(|row| row.number).collect();
    let detail = json!({ "number": into.number, "merged": numbers, "reason": reason });
    audit::append(tx, &caller.record(now, "incident.merge", "incident", &into.id.to_string(), &detail))?;
    Ok((named(tx, caller.tenant, &into.id.to_string())?, over))
}

/// Gives all that an incident has to another, and closes it.
fn take_over(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (from, into): (&Row, &mut Row),
    (reason, now): (&str, i64),
) -> Result<(), Problem> {
    if joining::is_too_much(tx, from, into)? {
        let detail =
            format!("incident {} and {} together are more than one incident holds", from.number, into.number);
        return Err(Problem::new(Code::Conflict, detail));
    }
    joining::take_over(tx, (from, into), caller.name(), now)?;
    let detail = json!({ "number": from.number, "into": into.number, "reason": reason });
    audit::append(tx, &caller.record(now, "incident.close", "incident", &from.id.to_string(), &detail))?;
    Ok(())
}
