//! `PATCH /incidents/{id}`.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::HeaderMap;
use quell_store::incident::{self as store, Incident as Row};
use quell_store::{Tx, audit, chain, membership, person};
use quell_wire::activity::ChainStored;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::named;
use super::show::{WholeIncident, tag_of};
use crate::api::approval_policy::tag::{self, IfMatch};
use crate::api::body::Json;
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::incident::search::remember;
use crate::incident::word;
use crate::problem::{Code, Problem};
use crate::state::{App, Inner};

/// Characters of a title.
const TITLE: usize = 200;

pub(super) fn route() -> Route {
    permit(Permission::IncidentWrite, routes!(change_incident))
}

/// What changes; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentChange)]
pub(super) struct Change {
    /// What happened, in a line. From then on nothing that is detected changes it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// `informational`, `low`, `medium`, `high` or `critical`. From then on nothing that is detected changes it.
    #[serde(default)]
    severity: Option<String>,
    /// `open`, `in_progress` or `closed`.
    #[serde(default)]
    state: Option<String>,
    /// What it turned out to be: `true_positive`, `false_positive`, `benign` or `duplicate`. Needed to close it.
    #[serde(default)]
    resolution: Option<String>,
    /// Whose work it is from now on: id of a person of this tenant, `me`, or `null` for nobody's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    assignee: Assignee,
}

/// Whose work it is from now on.
#[derive(Clone, Debug, Default)]
enum Assignee {
    /// Nothing was said.
    #[default]
    AsBefore,
    /// `null`.
    Nobody,
    /// This person's.
    Person(String),
}

impl<'de> Deserialize<'de> for Assignee {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map_or(Self::Nobody, Self::Person))
    }
}

/// Change what people make of an incident
///
/// Once it is closed, agents send no more of its chains. With `If-Match` nothing is changed where somebody else changed it
/// since it was read.
#[utoipa::path(patch, path = "/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or its number"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the incident that is changed")),
    request_body = Change,
    responses((status = 200, body = WholeIncident, headers(("ETag" = String, description = "Of what people change, for `If-Match`")))))]
pub(super) async fn change_incident(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(mut wanted): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    wanted.check()?;
    let (seen, now, shown) = (IfMatch::read(&headers)?, app.now(), app.clone());
    let write = app.store.write(move |tx| {
        let before = named(tx, caller.tenant, &name)?;
        seen.check(Some(&tag_of(&before)?), "the incident")?;
        let after = wanted.apply(tx, &caller, before.clone(), now)?;
        let closed = write(tx, &caller, (&before, &after), now)?;
        let stored = named(tx, caller.tenant, &after.id.to_string())?;
        let tag = tag_of(&stored)?;
        let view = WholeIncident::read(tx, &shown, &caller, stored.clone())?;
        Ok::<_, Problem>((tag, view, stored, closed))
    });
    let (tag, view, stored, closed) = write.await?;
    tell_closed(&app, closed);
    super::tell(&app, &stored);
    Ok((tag::header(&tag), Json(view)))
}

impl Change {
    /// Brings texts into shape and refuses words that nobody knows.
    fn check(&mut self) -> Result<(), Problem> {
        if let Some(title) = &self.title {
            self.title = Some(text::checked("title", title, TITLE)?);
        }
        for (field, value, known) in [
            ("severity", &self.severity, &word::SEVERITIES[..]),
            ("state", &self.state, &word::STATES),
            ("resolution", &self.resolution, &word::RESOLUTIONS),
        ] {
            if value.as_ref().is_some_and(|value| !known.contains(&value.as_str())) {
                return Err(Problem::bad_field(field, format!("must be one of {}", known.join(", "))));
            }
        }
        Ok(())
    }

    /// The incident as it is from now on.
    fn apply(&self, tx: &mut Tx<'_>, caller: &Caller, mut row: Row, now: i64) -> Result<Row, Problem> {
        if let Some(title) = self.title.as_ref().filter(|title| **title != row.title) {
            row.title.clone_from(title);
            row.is_titled = true;
            remember(&mut row.search, std::iter::once(title.as_str()));
        }
        if let Some(severity) = self.severity.as_deref().and_then(word::severity_of) {
            row.is_graded |= severity != row.severity;
            row.severity = severity;
        }
        match &self.assignee {
            Assignee::AsBefore => {}
            Assignee::Nobody => (row.assignee_id, row.assignee_name) = (None, None),
            Assignee::Person(name) => {
                let (id, name) = assigned(tx, caller, name)?;
                (row.assignee_id, row.assignee_name) = (Some(id), Some(name));
            }
        }
        let state = self.state.clone().unwrap_or_else(|| row.state.clone());
        match (state.as_str(), &self.resolution) {
            ("closed", None) if row.state != "closed" => {
                let problem = "is needed to close an incident: what did it turn out to be?";
                return Err(Problem::bad_field("resolution", problem));
            }
            ("closed", resolution) => {
                row.resolution = resolution.clone().or(row.resolution);
                if row.state != "closed" {
                    row.closed_at = Some(now);
                    row.closed_by = Some(caller.name().to_owned());
                }
            }
            (_, Some(_)) => {
                return Err(Problem::bad_field("resolution", "only a closed incident has one"));
            }
            (_, None) => (row.resolution, row.closed_at, row.closed_by) = (None, None, None),
        }
        if row.merged_into.is_some() && state != "closed" {
            return Err(Problem::new(Code::Conflict, "the incident was merged into another")
                .hint("Work on that one: `merged_into` names it."));
        }
        row.state = state;
        Ok(row)
    }
}

/// A person who may work on incidents here, by id; `me` is the caller.
fn assigned(tx: &mut Tx<'_>, caller: &Caller, name: &str) -> Result<(Uuid, String), Problem> {
    let absent = || Problem::bad_field("assignee", "there is no such person here");
    let id = if name == "me" { caller.person()?.0 } else { parse_id(name).ok_or_else(absent)? };
    let row = person::get(tx, id)?.filter(|row| row.state != "disabled").ok_or_else(absent)?;
    // Whoever is something here: at home, or a guest.
    if membership::of_person(tx, caller.tenant, id)?.is_empty() {
        return Err(absent());
    }
    Ok((id, row.name))
}

/// Writes what changed, with its records; the chains of which no more is wanted.
fn write(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (before, after): (&Row, &Row),
    now: i64,
) -> Result<Vec<chain::Open>, Problem> {
    if before == after {
        return Ok(Vec::new());
    }
    store::change(tx, after)?;
    let mut detail = json!({ "number": after.number });
    for (field, was, is) in [
        ("title", json!(before.title), json!(after.title)),
        ("severity", json!(word::severity(before.severity)), json!(word::severity(after.severity))),
        ("state", json!(before.state), json!(after.state)),
        ("resolution", json!(before.resolution), json!(after.resolution)),
        ("assignee", json!(before.assignee_name), json!(after.assignee_name)),
    ] {
        if was != is {
            detail[field] = Value::Array(vec![was, is]);
        }
    }
    let verb = match (before.state.as_str(), after.state.as_str()) {
        (was, "closed") if was != "closed" => "incident.close",
        ("closed", is) if is != "closed" => "incident.reopen",
        _ if before.assignee_id != after.assignee_id => "incident.assign",
        _ => "incident.change",
    };
    audit::append(tx, &caller.record(now, verb, "incident", &after.id.to_string(), &detail))?;
    if after.state == "closed" && before.state != "closed" {
        return Ok(chain::open_of(tx, caller.tenant, after.id)?);
    }
    Ok(Vec::new())
}

/// Tells agents that are connected that no more is wanted of these chains. The others hear it when they send more.
pub(super) fn tell_closed(app: &Inner, closed: Vec<chain::Open>) {
    for chain in closed {
        let Some(session) = app.sessions.get(chain.endpoint_id) else { continue };
        let stored = ChainStored { chain_id: chain.name, serial: chain.serial.unsigned_abs(), close: true };
        session.tell(|mail| mail.chains.push(stored));
    }
}
