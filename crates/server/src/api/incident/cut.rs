//! `GET /incidents/{id}/cut` and `POST /incidents/{id}/cut`: what would stop an incident, and asking for it.
//!
//! The proposal is worked out anew from what is stored, each time; who asks for it names its digest and the numbers of the
//! steps that they want, never parameters. Where the incident grew meanwhile, the digest is another, and nothing is done.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use quell_catalog::Risk;
use quell_engine::response::MOST_STEPS;
use quell_engine::{OnFailure, Origin, PlanRequest, StepRequest, Targets, TaskRequest};
use quell_incident::cut::{self, Plan};
use quell_incident::{Chain, Setting, View};
use quell_store::incident::Incident;
use quell_store::{Error, Tx, chain};
use quell_wire::digest::{hex, sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::export::chains;
use super::named;
use super::offer::Word;
use crate::api::body::{Json, JsonBytes};
use crate::api::detection::Named;
use crate::api::query::parse_id;
use crate::api::response_plan::{ResponsePlanWhole, answer, repeat, repeated};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::incident::{CHAINS, gather, word};
use crate::problem::{Code, Problem};
use crate::state::{App, Inner};

/// What is proposed can be asked for as a whole.
const _: () = assert!(cut::STEPS <= MOST_STEPS);

pub(super) fn show_route() -> Route {
    permit(Permission::IncidentRead, routes!(propose_cut))
}

pub(super) fn ask_route() -> Route {
    permit(Permission::IncidentRespond, routes!(cut_incident))
}

/// What would stop an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cut {
    /// Names this very proposal.
    digest: String,
    /// What is done, in this order.
    steps: Vec<CutStep>,
    /// What only a person can do.
    manual: Vec<CutManual>,
    /// What ought to be done, and no action does.
    not_available: Vec<Word>,
    /// What was looked at and left alone, and why.
    left: Vec<Word>,
}

/// One action of a proposal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CutStep {
    /// From 1.
    number: u32,
    /// On which endpoint; `null` where it is for all.
    endpoint: Option<Named>,
    /// What.
    action: &'static str,
    /// The action's name for people.
    title: &'static str,
    /// With what.
    #[schema(value_type = Object)]
    params: Value,
    /// What it acts on, for people.
    object: String,
    /// Why, in one sentence.
    reason: String,
    /// The activity events that say so.
    because: Vec<CutBecause>,
    /// What else it touches.
    #[schema(value_type = Object)]
    blast: cut::Blast,
    /// How much harm a mistake does: `low`, `medium` or `high`.
    #[schema(value_type = String)]
    risk: Risk,
    /// The action that takes it back.
    undone_by: Option<&'static str>,
    /// What its failure means for steps that name it in `after`: `stop` (they are called off) or `continue`.
    #[schema(value_type = String)]
    on_failure: cut::OnFailure,
    /// It is part of the plan unless somebody unticks it.
    ticked: bool,
    /// Steps that come before it.
    after: Vec<u32>,
    /// What is to be thought of before.
    warnings: Vec<Word>,
}

/// An activity event of a chain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CutBecause {
    /// The chain.
    #[schema(format = Uuid)]
    chain: String,
    /// The activity event.
    activity: u64,
}

/// Something for a person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CutManual {
    /// On which endpoint.
    endpoint: Named,
    /// What to do and why.
    text: String,
    /// The activity events that say so.
    because: Vec<CutBecause>,
}

/// Which steps of a proposal are asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCut {
    /// `digest` of the proposal that was looked at.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
    /// Numbers of its steps. They begin in the order of the proposal.
    #[schema(min_items = 1, max_items = 200)]
    steps: Vec<u32>,
    /// Why; people read it, and it stays in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// What would stop an incident
///
/// The smallest ordered set of actions that stops it, worked out from its chains as they are now: each with its reason, what it
/// touches, and its way back. Nothing is written.
#[utoipa::path(get, path = "/incidents/{id}/cut", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident")), responses((status = 200, body = Cut)))]
pub(super) async fn propose_cut(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Cut>, Problem> {
    let proposal = Proposal::made(&app, caller.tenant, name).await?;
    Ok(Json(proposal.shown()))
}

/// Cut the chain
///
/// Asks for steps of the proposal as one response plan: one approval, in their order, taken back as one. 409 `conflict` where
/// the proposal is another by now. A repeat with the same `Idempotency-Key` by the same requester is answered with the first
/// plan, whatever is proposed by then.
#[utoipa::path(post, path = "/incidents/{id}/cut", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable characters; best a UUID"),
        ("Quell-Step-Up" = Option<String>, Header, description = "The proof of `POST /step-up`, where an action asks for the person's own confirmation")),
    request_body = NewCut,
    responses(
        (status = 201, body = ResponsePlanWhole),
        (status = 200, description = "The idempotency key had made this plan before", body = ResponsePlanWhole)))]
pub(super) async fn cut_incident(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewCut>,
) -> Result<Response, Problem> {
    let repeat = repeat(&headers, &name, &bytes)?;
    if let Some(answer) = repeated(&app, &caller, repeat.as_ref()).await? {
        return Ok(answer);
    }
    let proposal = Proposal::made(&app, caller.tenant, name).await?;
    if proposal.digest != wanted.digest {
        return Err(Problem::new(Code::Conflict, "the incident changed, and with it what is proposed")
            .hint("Look at the new proposal: `GET /api/v1/incidents/{id}/cut`."));
    }
    let steps = proposal.chosen(caller.tenant, &wanted.steps)?;
    let endpoints: BTreeSet<Uuid> = steps
        .iter()
        .filter_map(|step| match &step.task.targets {
            Targets::Endpoints(ids) => Some(ids.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    let asking = caller.clone();
    let reached = app.store.read(move |tx| {
        endpoints
            .into_iter()
            .try_for_each(|endpoint| asking.reaches_id(tx, Permission::IncidentRespond, endpoint))
    });
    reached.await?;
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let request = PlanRequest {
        tenant: caller.tenant,
        incident: Some(proposal.incident),
        reason: wanted.reason,
        steps,
        repeat,
    };
    let made = app.engine.submit_plan(&actor, request).await?;
    answer(&app, &caller, &made).await
}

/// What is proposed, and what names it.
struct Proposal {
    incident: Uuid,
    setting: Setting,
    plan: Plan,
    digest: String,
}

impl Proposal {
    async fn made(app: &App, tenant: Uuid, name: String) -> Result<Self, Problem> {
        let shown = app.clone();
        let read = app.store.read(move |tx| {
            let incident = named(tx, tenant, &name)?;
            let (chains, setting) = gathered(tx, &shown, &incident)?;
            Ok::<_, Problem>((incident, chains, setting))
        });
        let (incident, chains, setting) = read.await?;
        // What it takes is a second of work for a large incident: not on a thread that answers others.
        let work = tokio::task::spawn_blocking(move || Self::of(&incident, &chains, setting));
        work.await.map_err(|error| Problem::internal(&error))
    }

    fn of(incident: &Incident, chains: &[Chain], setting: Setting) -> Self {
        let views: Vec<View<'_>> = chains.iter().map(View::of).collect();
        let plan = cut::plan(&views, word::told(incident.severity), &setting);
        // What would be done; how endpoints stand meanwhile, and what is said of it, may change.
        let deeds = plan.steps.iter().map(|step| {
            json!([step.number, step.endpoint, step.action.id(), step.params, step.on_failure, step.after])
        });
        let deeds = deeds.collect::<Value>().to_string();
        let digest = hex(&sha256(&[b"quell/cut/v1\0", incident.id.as_bytes(), deeds.as_bytes()]));
        Self { incident: incident.id, setting, plan, digest }
    }

    fn endpoint(&self, id: &str) -> Named {
        Named { id: id.to_owned(), name: self.setting.name_of(id).clone() }
    }

    fn shown(self) -> Cut {
        let because = |all: &[cut::Because]| {
            all.iter()
                .map(|one| CutBecause { chain: one.chain.clone(), activity: one.activity })
                .collect::<Vec<_>>()
        };
        let step = |step: &cut::Step| {
            let spec = step.action.spec();
            CutStep {
                number: step.number,
                endpoint: step.endpoint.as_deref().map(|id| self.endpoint(id)),
                action: spec.id,
                title: spec.title,
                params: step.params.clone(),
                object: step.object.clone(),
                reason: step.reason.clone(),
                because: because(&step.because),
                blast: step.blast.clone(),
                risk: step.risk,
                undone_by: step.undone_by,
                on_failure: step.on_failure,
                ticked: step.ticked,
                after: step.after.clone(),
                warnings: step.warnings.iter().cloned().map(Word::from).collect(),
            }
        };
        let manual = |one: &cut::Manual| CutManual {
            endpoint: self.endpoint(&one.endpoint),
            text: one.text.clone(),
            because: because(&one.because),
        };
        Cut {
            steps: self.plan.steps.iter().map(step).collect(),
            manual: self.plan.manual.iter().map(manual).collect(),
            not_available: self.plan.not_available.iter().cloned().map(Word::from).collect(),
            left: self.plan.left.iter().cloned().map(Word::from).collect(),
            digest: self.digest,
        }
    }

    /// The steps with these numbers, as the engine takes them.
    fn chosen(&self, tenant: Uuid, numbers: &[u32]) -> Result<Vec<StepRequest>, Problem> {
        let wanted: BTreeSet<u32> = numbers.iter().copied().collect();
        if wanted.is_empty() || wanted.len() > MOST_STEPS {
            return Err(Problem::bad_field("steps", format!("must be 1 to {MOST_STEPS}")));
        }
        let steps: Vec<&cut::Step> =
            self.plan.steps.iter().filter(|step| wanted.contains(&step.number)).collect();
        if steps.len() != wanted.len() {
            return Err(Problem::bad_field("steps", "names a step that the proposal has not"));
        }
        let place = |number: &u32| {
            let before = steps.iter().position(|step| step.number == *number)?;
            (steps[before].on_failure == cut::OnFailure::Stop).then_some(before)
        };
        steps
            .iter()
            .map(|step| {
                let targets = match &step.endpoint {
                    None => Targets::Service,
                    Some(id) => {
                        Targets::Endpoints(vec![parse_id(id).ok_or_else(|| Problem::not_found("endpoint"))?])
                    }
                };
                let activity =
                    step.because.first().map(|because| format!("{}/{}", because.chain, because.activity));
                Ok(StepRequest {
                    task: TaskRequest {
                        tenant,
                        action: step.action.id().to_owned(),
                        params: step.params.clone(),
                        targets,
                        reason: String::new(),
                        idempotency_key: None,
                        expires_in: None,
                        revert_after: None,
                        confirm_count: None,
                    },
                    // What cannot help without another says so by name; the rest helps by itself.
                    on_failure: OnFailure::Continue,
                    needs: step.after.iter().filter_map(place).collect(),
                    why: step.reason.clone(),
                    origin: Some(Origin { incident: self.incident, activity }),
                })
            })
            .collect()
    }
}

/// The chains of an incident, and how its endpoints stand.
fn gathered(tx: &mut Tx<'_>, app: &Inner, incident: &Incident) -> Result<(Vec<Chain>, Setting), Error> {
    let rows = chain::of_incident(tx, incident.tenant_id, incident.id, CHAINS)?;
    let endpoints = rows.iter().map(|row| row.endpoint_id).collect::<BTreeSet<_>>();
    let kept = app.addresses.current();
    let setting = gather::setting(tx, incident.tenant_id, endpoints, |id| app.is_connected(id), &kept)?;
    Ok((chains(tx, &rows)?, setting))
}
