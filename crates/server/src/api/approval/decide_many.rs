//! `POST /approvals/decide`.

use axum::extract::State;
use quell_engine::Ballot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::decide::{decide, digest};
use crate::api::body::Json;
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Requests that one call decides about.
const MOST: usize = 200;

pub(super) fn route() -> Route {
    permit(Permission::ApprovalDecide, routes!(decide_many))
}

/// One decision about several requests.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDecisions {
    /// `approve` or `reject`.
    decision: Word,
    /// The requests, each with the digest that was looked at.
    #[schema(min_items = 1, max_items = 200)]
    requests: Vec<Chosen>,
    /// Why; the same for all.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// Agree.
    Approve,
    /// Decline.
    Reject,
}

/// A request that was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// The task.
    #[schema(format = Uuid)]
    task: String,
    /// The digest that was looked at.
    digest: String,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedMany {
    /// In the order of the request.
    results: Vec<DecidedOne>,
    /// How many of them were recorded.
    decided: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedOne {
    /// The task.
    task: String,
    /// How the request stands; absent where nothing was recorded.
    state: Option<String>,
    /// Why nothing was recorded: the code and words of the problem.
    error: Option<DecidedError>,
}

/// Why a decision was not recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedError {
    /// Stable code.
    code: &'static str,
    /// In words.
    detail: String,
}

/// Decide about several requests
///
/// Each is decided by itself: one that cannot be decided is named and keeps none of the others.
#[utoipa::path(post, path = "/approvals/decide", tag = "approvals", request_body = NewDecisions,
    responses((status = 200, body = DecidedMany)))]
pub(super) async fn decide_many(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewDecisions>,
) -> Result<Json<DecidedMany>, Problem> {
    if wanted.requests.is_empty() || wanted.requests.len() > MOST {
        return Err(Problem::bad_field("requests", format!("must be 1 to {MOST}")));
    }
    let mut results = Vec::with_capacity(wanted.requests.len());
    for chosen in wanted.requests {
        let made = one(&app, &caller, wanted.decision, &wanted.note, &chosen).await;
        let (state, error) = match made {
            Ok(state) => (Some(state), None),
            Err(problem) => {
                let (code, detail) = (problem.code().as_str(), problem.detail().to_owned());
                (None, Some(DecidedError { code, detail }))
            }
        };
        results.push(DecidedOne { task: chosen.task, state, error });
    }
    let decided = results.iter().filter(|one| one.error.is_none()).count();
    Ok(Json(DecidedMany { results, decided }))
}

async fn one(app: &App, caller: &Caller, word: Word, note: &str, chosen: &Chosen) -> Result<String, Problem> {
    let task = parse_id(&chosen.task).ok_or_else(|| Problem::not_found("request for approval"))?;
    let ballot = Ballot {
        digest: digest("digest", &chosen.digest)?,
        approve: word == Word::Approve,
        note: note.to_owned(),
        via: caller.client.kind().to_owned(),
        valid_for: None,
        signature: None,
    };
    Ok(decide(app, caller, task, ballot).await?.request.state().to_owned())
}
