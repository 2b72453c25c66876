//! `POST /approval-policy/try`.

use axum::extract::State;
use quell_access::policy::{Class, Verdict};
use quell_access::{Policy, Requirement};
use quell_catalog::ActionKind;
use quell_engine::approval::policy;
use quell_store::endpoint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Endpoints of one trial.
const MOST: usize = 100;

pub(super) fn route() -> Route {
    permit(Permission::PolicyRead, routes!(try_approval_policy))
}

/// A request that nobody makes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// Settings to be asked instead of those that hold; in the shape of `PUT /approval-policy`.
    #[schema(value_type = Option<Object>)]
    policy: Option<Policy>,
    /// What would be asked for.
    #[schema(example = "process.terminate")]
    action: String,
    /// As whom: `staff`, `operations`, `automation` or `system`.
    #[schema(value_type = String)]
    requester: Class,
    /// On which endpoints; on none that is listed or protected where empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 100)]
    endpoints: Vec<String>,
}

/// What the settings would answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialVerdict {
    /// `none`, `auto`, `people` or `refused`.
    how: &'static str,
    /// How many people must agree; 0 where nobody is asked.
    quorum: u32,
    /// Of which roles each of them must have one; anybody who may decide where empty.
    roles: Vec<String>,
    /// Whether a person confirms it at the moment of asking.
    step_up: bool,
    /// How long an approval would be good at most, seconds; until the task's own end where absent.
    valid_for_seconds: Option<u32>,
    /// How it came about, a line a step.
    trace: Vec<String>,
}

/// Ask the approval settings about a request that nobody makes
///
/// Also settings that are not stored yet. Nothing is written; an open break-glass is not looked at.
#[utoipa::path(post, path = "/approval-policy/try", tag = "approvals", request_body = Trial,
    responses((status = 200, body = TrialVerdict)))]
pub(super) async fn try_approval_policy(
    State(app): State<App>,
    caller: Caller,
    Json(trial): Json<Trial>,
) -> Result<Json<TrialVerdict>, Problem> {
    let spec = ActionKind::from_id(&trial.action)
        .ok_or_else(|| Problem::bad_field("action", "there is no such action"))?
        .spec();
    if trial.endpoints.len() > MOST {
        return Err(Problem::bad_field("endpoints", format!("must be up to {MOST}")));
    }
    let ids: Option<Vec<_>> = trial.endpoints.iter().map(|id| parse_id(id)).collect();
    let ids = ids.ok_or_else(|| Problem::bad_field("endpoints", "must be ids"))?;
    let engine = app.engine.clone();
    let asked = app.store.read(move |tx| {
        let mut endpoints = Vec::with_capacity(ids.len());
        for id in ids {
            let row = endpoint::get(tx, caller.tenant, id)?.ok_or_else(|| Problem::not_found("endpoint"))?;
            caller.reaches(Permission::EndpointRead, &row)?;
            endpoints.push(row);
        }
        let wanted = match trial.policy {
            Some(policy) => policy,
            None => policy(tx, caller.tenant)?,
        };
        let verdict = engine.try_policy(tx, caller.tenant, &wanted, (spec, trial.requester), &endpoints)?;
        let step_up = wanted.asks_step_up(spec) && trial.requester != Class::System;
        let valid_for = match verdict.require {
            Requirement::Auto | Requirement::People(_) => wanted.valid_for(spec.id),
            Requirement::Nothing | Requirement::Refused => None,
        };
        Ok::<_, Problem>((verdict, step_up, valid_for))
    });
    let (Verdict { require, trace, .. }, step_up, valid_for_seconds) = asked.await?;
    let how = require.as_str();
    let (quorum, roles) = match require {
        Requirement::People(people) => (people.quorum.max(1), people.roles),
        Requirement::Nothing | Requirement::Auto | Requirement::Refused => (0, Vec::new()),
    };
    Ok(Json(TrialVerdict { how, quorum, roles, step_up, valid_for_seconds, trace }))
}
