//! `POST /incidents/{id}/respond`: ask for what an incident offers.
//!
//! What is acted on comes from what is stored, never from the request: a client names the thing, and the parameters are made
//! here. The task itself is made by the code that makes all tasks.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use quell_catalog::ActionKind;
use quell_engine::{Origin, Targets, TaskRequest};
use quell_incident::{Told, offer as judge};
use quell_store::incident::{Incident, group};
use quell_store::{Tx, detection};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::named;
use super::offer::{ENDPOINTS, Of, chain_of, of_part, setting};
use crate::api::body::{Json, JsonBytes};
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::api::task::{TaskPreview, TaskWithCommands, answer, idempotency_key, preview_of};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::{App, Inner};

pub(super) fn route() -> Route {
    permit(Permission::IncidentRespond, routes!(respond_to_incident))
}

pub(super) fn preview_route() -> Route {
    permit(Permission::IncidentRespond, routes!(preview_response))
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewResponse {
    /// Id of an action that is offered.
    #[schema(example = "file.quarantine")]
    action: String,
    /// The chain of what is meant.
    #[serde(default)]
    #[schema(format = Uuid)]
    chain: Option<String>,
    /// The activity event of that chain: what it is about is acted on.
    #[serde(default)]
    activity: Option<i64>,
    /// In place of chain and activity event: the detection. What it is about is acted on.
    #[serde(default)]
    #[schema(format = Uuid)]
    detection: Option<String>,
    /// On which endpoint, where neither is named: its id. May be left out where the incident has one alone.
    #[serde(default)]
    #[schema(format = Uuid)]
    endpoint: Option<String>,
    /// What a person chooses: all parameters where the offer says `asks`, otherwise its `choices`.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Map<String, Value>,
    /// Why; people read it, and it stays in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// Seconds after its effect that it undoes itself. Only for actions with a way back.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2_592_000)]
    revert_after_seconds: Option<u64>,
}

/// Respond from an incident
///
/// Asks for an action that the incident, one of its activity events or one of its detections offers. What is acted on is made
/// from what the endpoint told of it, and checked anew. The task is as any other: approval, confirmation and undo are the same.
#[utoipa::path(post, path = "/incidents/{id}/respond", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable characters; best a UUID"),
        ("Quell-Step-Up" = Option<String>, Header, description = "The proof of `POST /step-up`, where the action asks for the person's own confirmation")),
    request_body = NewResponse,
    responses((status = 201, body = TaskWithCommands),
        (status = 200, description = "The idempotency key had made this task before", body = TaskWithCommands)))]
pub(super) async fn respond_to_incident(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewResponse>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let (mut request, origin) = made(&app, &caller, name, wanted).await?;
    request.idempotency_key = key;
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let submitted = app.engine.submit_from(&actor, request, Some(origin)).await?;
    answer(&app, caller.tenant, submitted).await
}

/// See what a response from an incident would do
///
/// Takes the body of `POST /incidents/{id}/respond` and answers as `POST /tasks/preview` does. Nothing is written.
#[utoipa::path(post, path = "/incidents/{id}/respond/preview", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident")), request_body = NewResponse,
    responses((status = 200, body = TaskPreview)))]
pub(super) async fn preview_response(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(wanted): Json<NewResponse>,
) -> Result<Json<TaskPreview>, Problem> {
    let turn = app.previews.take(caller.identity.id).await?;
    let work = tokio::spawn(async move {
        let _turn = turn;
        let (request, _) = made(&app, &caller, name, wanted).await?;
        preview_of(&app, &caller, request).await
    });
    work.await.map_err(|error| Problem::internal(&error))?.map(Json)
}

/// The request of a task, made from what is stored.
async fn made(
    app: &App,
    caller: &Caller,
    name: String,
    wanted: NewResponse,
) -> Result<(TaskRequest, Origin), Problem> {
    let kind = ActionKind::from_id(&wanted.action).ok_or_else(|| {
        Problem::new(Code::UnknownAction, format!("there is no action {:?}", wanted.action))
            .field("action", "unknown")
    })?;
    let (shown, asking, asked) = (app.clone(), caller.clone(), wanted.clone());
    let read = app.store.read(move |tx| {
        let incident = named(tx, asking.tenant, &name)?;
        let meant = Meant::of(tx, &incident, &asked)?;
        asking.reaches_id(tx, Permission::IncidentRespond, meant.endpoint())?;
        let offers = meant.offers(tx, &shown, asking.tenant)?;
        let params = chosen(&offers, kind, &asked.params)?;
        Ok::<_, Problem>((incident.id, meant, params))
    });
    let (incident, meant, params) = read.await?;
    let targets = match kind.spec().service() {
        Some(_) => Targets::Service,
        None => Targets::Endpoints(vec![meant.endpoint()]),
    };
    let request = TaskRequest {
        tenant: caller.tenant,
        action: wanted.action,
        params,
        targets,
        reason: wanted.reason,
        idempotency_key: None,
        expires_in: None,
        revert_after: wanted.revert_after_seconds.map(Duration::from_secs),
        confirm_count: None,
    };
    Ok((request, Origin { incident, activity: meant.activity() }))
}

/// What a request is about.
enum Meant {
    /// An endpoint of the incident.
    Endpoint(Uuid),
    /// A part of a chain.
    Part { chain: Box<quell_store::chain::Chain>, of: Of, activity: Option<i64> },
}

impl Meant {
    fn of(tx: &mut Tx<'_>, incident: &Incident, wanted: &NewResponse) -> Result<Self, Problem> {
        let id =
            |field: &str, text: &str| parse_id(text).ok_or_else(|| Problem::bad_field(field, "not an id"));
        match (&wanted.chain, wanted.activity, &wanted.detection) {
            (Some(chain), Some(activity), None) => {
                let chain = chain_of(tx, incident, id("chain", chain)?)?;
                let of = Of::Activity(u64::try_from(activity).unwrap_or(0));
                Ok(Self::Part { chain: Box::new(chain), of, activity: Some(activity) })
            }
            (None, None, Some(detection)) => {
                let row = detection::get(tx, incident.tenant_id, id("detection", detection)?)?
                    .filter(|row| row.incident_id == Some(incident.id))
                    .ok_or_else(|| Problem::not_found("detection"))?;
                let Some(chain) = row.chain_id else {
                    let (why, _) = judge::without_chain(None);
                    return Err(not_offered(why));
                };
                let chain = chain_of(tx, incident, chain)?;
                Ok(Self::Part { chain: Box::new(chain), of: Of::Detection(row.id), activity: row.activity })
            }
            (None, None, None) => Self::of_endpoint(tx, incident, wanted.endpoint.as_deref()),
            _ => Err(Problem::bad_field(
                "activity",
                "name chain and activity event, or a detection, or neither",
            )),
        }
    }

    fn of_endpoint(tx: &mut Tx<'_>, incident: &Incident, named: Option<&str>) -> Result<Self, Problem> {
        let members = group::members(tx, incident.tenant_id, incident.id, ENDPOINTS)?;
        let found = match (named, members.as_slice()) {
            (Some(name), _) => members.iter().find(|member| member.endpoint_id.to_string() == name),
            (None, [one]) => Some(one),
            (None, _) => None,
        };
        let found = found.ok_or_else(|| match named {
            Some(_) => Problem::bad_field("endpoint", "is not an endpoint of this incident"),
            None => Problem::bad_field("endpoint", "is needed: the incident has not one endpoint alone"),
        })?;
        Ok(Self::Endpoint(found.endpoint_id))
    }

    fn endpoint(&self) -> Uuid {
        match self {
            Self::Endpoint(id) => *id,
            Self::Part { chain, .. } => chain.endpoint_id,
        }
    }

    /// The activity event as a task names it.
    fn activity(&self) -> Option<String> {
        match self {
            Self::Endpoint(_) => None,
            Self::Part { chain, activity, .. } => activity.map(|activity| format!("{}/{activity}", chain.id)),
        }
    }

    fn offers(&self, tx: &mut Tx<'_>, app: &Inner, tenant: Uuid) -> Result<judge::Offers, Problem> {
        match self {
            Self::Endpoint(id) => {
                let setting = setting(tx, app, tenant, *id)?;
                let standing =
                    setting.endpoint(&id.to_string()).ok_or_else(|| Problem::not_found("endpoint"))?;
                Ok(judge::of_endpoint(standing))
            }
            Self::Part { chain, of, .. } => Ok(of_part(tx, app, chain, *of)?),
        }
    }
}

/// The parameters of an offered action, with what a person chose.
fn chosen(offers: &judge::Offers, kind: ActionKind, params: &Map<String, Value>) -> Result<Value, Problem> {
    let Some(offer) = offers.get(kind) else {
        let why = offers
            .nothing
            .clone()
            .unwrap_or_else(|| Told::new("not_offered", format!("{} is not offered for this", kind.id())));
        return Err(not_offered(why));
    };
    offer.with(params).map_err(|why| match why.code {
        "unfit" | "not_a_choice" => {
            Problem::new(Code::InvalidParams, format!("params: {}", why.text)).field("params", why.text)
        }
        _ => not_offered(why),
    })
}

fn not_offered(why: Told) -> Problem {
    Problem::new(Code::NotOffered, format!("{} ({})", why.text, why.code))
        .hint("What is offered stands with the incident and with each of its activity events, and why something is not.")
}
