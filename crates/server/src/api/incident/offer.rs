//! What may be done from an incident, as the API shows it, and how it is found again when somebody asks for it.

use quell_catalog::Risk;
use quell_incident::{Setting, Told, View, offer as judge};
use quell_store::chain::Chain as ChainRow;
use quell_store::incident::{Incident, group};
use quell_store::{Error, Tx, chain as chains};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::detection::{Named, some};
use crate::incident::gather::{self, Depth};
use crate::problem::Problem;
use crate::state::Inner;

/// Endpoints of an incident that something is offered for.
pub(super) const ENDPOINTS: i64 = 50;

/// An action that may be asked for, or one that may not, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offer {
    /// Its id.
    action: &'static str,
    /// The action's name for people.
    title: &'static str,
    /// On which endpoint; `null` where a service carries it out.
    endpoint: Option<Named>,
    /// What it would act on, for a person.
    object: Option<String>,
    /// What it would be asked with; `null` where it is refused, or where a person gives the parameters.
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    /// A person gives the parameters: `params` of the request.
    asks: bool,
    /// What a person may choose: fields of `params` of the request.
    choices: Vec<Choice>,
    /// How much harm a mistake does: `low`, `medium` or `high`.
    #[schema(value_type = String)]
    risk: Risk,
    /// The action that takes it back.
    undone_by: Option<&'static str>,
    /// What is to be thought of before.
    warnings: Vec<Word>,
    /// It can be asked for now.
    possible: bool,
    /// Why it cannot.
    refused: Option<Word>,
}

/// A parameter that a person may set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choice {
    /// Its name.
    field: &'static str,
    /// What it means here.
    text: String,
    /// Its value where nothing is said.
    preset: bool,
}

/// Something said of an action.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentWord)]
pub(crate) struct Word {
    /// Stable code.
    code: &'static str,
    /// One sentence.
    text: String,
}

/// What may be done about one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offers {
    /// What that is, for a person.
    object: Option<String>,
    /// Each action that there is for such a thing.
    items: Vec<Offer>,
    /// Why there is none.
    nothing: Option<Word>,
}

impl From<Told> for Word {
    fn from(told: Told) -> Self {
        Self { code: told.code, text: told.text }
    }
}

impl Offer {
    fn of(offer: judge::Offer, endpoint: &Named) -> Self {
        let spec = offer.action.spec();
        let is_service = spec.service().is_some();
        Self {
            action: spec.id,
            title: spec.title,
            endpoint: (!is_service).then(|| endpoint.clone()),
            object: some(offer.object),
            possible: offer.refused.is_none(),
            params: offer.params,
            asks: offer.asks,
            choices: offer.choices.into_iter().map(Choice::of).collect(),
            risk: offer.risk,
            undone_by: offer.undone_by,
            warnings: offer.warnings.into_iter().map(Word::from).collect(),
            refused: offer.refused.map(Word::from),
        }
    }
}

impl Choice {
    fn of(choice: judge::Choice) -> Self {
        Self { field: choice.field, text: choice.text, preset: choice.preset }
    }
}

impl Offers {
    /// Of what was judged for this endpoint.
    pub fn of(offers: judge::Offers, endpoint: &Named) -> Self {
        Self {
            object: some(offers.object),
            items: offers.offers.into_iter().map(|offer| Offer::of(offer, endpoint)).collect(),
            nothing: offers.nothing.map(Word::from),
        }
    }

    /// None, and why.
    pub fn none(why: Told) -> Self {
        Self { object: None, items: Vec::new(), nothing: Some(Word::from(why)) }
    }

    /// What may be done about the endpoints of an incident. `None` where no chain was built for it.
    pub fn of_endpoints(tx: &mut Tx<'_>, app: &Inner, incident: &Incident) -> Result<Vec<Offer>, Error> {
        let mut all = Vec::new();
        for member in group::members(tx, incident.tenant_id, incident.id, ENDPOINTS)? {
            let setting = setting(tx, app, incident.tenant_id, member.endpoint_id)?;
            let Some(standing) = setting.endpoint(&member.endpoint_id.to_string()) else { continue };
            let endpoint = Named { id: standing.id.clone(), name: standing.name.clone() };
            all.extend(Self::of(judge::of_endpoint(standing), &endpoint).items);
        }
        Ok(all)
    }
}

/// What is known of an endpoint, and what must stay reachable.
pub(super) fn setting(tx: &mut Tx<'_>, app: &Inner, tenant: Uuid, endpoint: Uuid) -> Result<Setting, Error> {
    let kept = app.addresses.current();
    gather::setting(tx, tenant, [endpoint], |id| app.is_connected(id), &kept)
}

/// The chain of an incident with this id.
pub(super) fn chain_of(tx: &mut Tx<'_>, incident: &Incident, chain: Uuid) -> Result<ChainRow, Problem> {
    let row = chains::get(tx, incident.tenant_id, chain)?;
    row.filter(|row| row.incident_id == Some(incident.id)).ok_or_else(|| Problem::not_found("chain"))
}

/// What is meant of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// What this activity event is about.
    Activity(u64),
    /// What this detection is about.
    Detection(Uuid),
}

/// What may be done about a part of a chain.
pub(super) fn of_part(tx: &mut Tx<'_>, app: &Inner, row: &ChainRow, of: Of) -> Result<judge::Offers, Error> {
    let stored = gather::chain(tx, row, Depth::Whole)?;
    let view = View::of(&stored);
    let setting = setting(tx, app, row.tenant_id, row.endpoint_id)?;
    Ok(match of {
        Of::Activity(id) => judge::of_activity(&view, id, &setting),
        Of::Detection(id) => judge::of_detection(&view, &id.to_string(), &setting),
    })
}

/// What may be done about what a detection is about.
pub(in crate::api) fn of_detection(
    tx: &mut Tx<'_>,
    app: &Inner,
    row: &ChainRow,
    detection: Uuid,
) -> Result<judge::Offers, Error> {
    of_part(tx, app, row, Of::Detection(detection))
}
