//! `GET /incidents/{id}`.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use quell_store::{Tx, incident as store};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::chain::Chain;
use super::offer::{Offer, Offers};
use super::{Incident, named};
use crate::api::approval_policy::tag;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::{App, Inner};

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(show_incident))
}

/// An incident with its chains, and what may be done from it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeIncident {
    #[serde(flatten)]
    incident: Incident,
    /// Its chains, oldest first.
    chains: Vec<Chain>,
    /// What may be done about its endpoints. What may be done about activity events, each of them says.
    offers: Vec<Offer>,
    /// Why the caller may not ask for any of it; `null` where they may.
    not_yours: Option<String>,
}

impl WholeIncident {
    /// The view of a row.
    pub fn read(
        tx: &mut Tx<'_>,
        app: &Inner,
        caller: &Caller,
        row: store::Incident,
    ) -> Result<Self, quell_store::Error> {
        let chains = Chain::of_incident(tx, &row)?.into_iter().map(|(view, _)| view).collect();
        let offers = Offers::of_endpoints(tx, app, &row)?;
        Ok(Self { incident: Incident::read(tx, app, row)?, chains, offers, not_yours: not_yours(caller) })
    }
}

/// Why a caller may not respond.
pub(in crate::api) fn not_yours(caller: &Caller) -> Option<String> {
    let may = caller.access().allows(Permission::IncidentRespond);
    (!may).then(|| "only administrators and security officers respond from an incident".to_owned())
}

/// The tag of what people change of an incident: what is detected meanwhile does not change it.
pub(super) fn tag_of(row: &store::Incident) -> Result<String, Problem> {
    tag::of(&(row.id.to_string(), row.revision))
}

/// One incident
///
/// With its chains and what may be done about its endpoints. The `ETag` is of what people change: it stays while more is
/// detected.
#[utoipa::path(get, path = "/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or its number")),
    responses((status = 200, body = WholeIncident, headers(("ETag" = String, description = "Of what people change, for `If-Match`")))))]
pub(super) async fn show_incident(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let shown = app.clone();
    let read = app.store.read(move |tx| {
        let row = named(tx, caller.tenant, &name)?;
        let tag = tag_of(&row)?;
        Ok::<_, Problem>((tag, WholeIncident::read(tx, &shown, &caller, row)?))
    });
    let (tag, view) = read.await?;
    Ok((tag::header(&tag), Json(view)))
}
