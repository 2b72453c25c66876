//! `POST /tasks/preview`: what a request would do, before anybody asks for it.

use axum::extract::State;
use quell_catalog::Effect;
use quell_engine::preview::{Other, Preview, Target};
use quell_engine::{Targets, TaskRequest};
use quell_store::{passkey, person};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::submit::{NewTask, resolve};
use crate::api::body::Json;
use crate::api::endpoint::EndpointRow;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Field, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskSubmit, routes!(preview_task))
}

/// What would come of a request if it were sent now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TaskPreview {
    /// How many targets it has.
    target_count: usize,
    /// The first 200 of them, in their order.
    targets: Vec<PreviewTarget>,
    /// Targets that the caller's rights do not reach. They are counted and not shown.
    beyond_reach: usize,
    /// Why `POST /tasks` would refuse it. What the request does not state yet, the number and the confirmation, is told
    /// in `confirm_count` and `step_up` instead; where `confirm_count` is another number, or the caller cannot confirm,
    /// it is a refusal.
    refused: Option<Refusal>,
    /// The number that `confirm_count` must state; `null` where it may be left out.
    confirm_count: Option<u64>,
    /// The confirmation that the request needs (`POST /step-up`).
    step_up: StepUp,
    /// What the approval policy says.
    approval: PreviewApproval,
    /// The state that the task would begin in: `queued` or `pending_approval`.
    state: &'static str,
    /// What it would touch, in the shape of `blast` of a request for approval: targets, who is logged on, what is
    /// protected, what else waits there.
    #[schema(value_type = Object)]
    blast: Value,
    /// The way back.
    way_back: WayBack,
    /// Commands that are open on these endpoints and go first, since the two exclude each other; at most 100.
    waits_for: Vec<WaitsFor>,
}

/// A target of a preview.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewTarget {
    #[serde(flatten)]
    endpoint: EndpointRow,
    /// Why the approval settings protect it from this action; `null` where they do not.
    protected: Option<String>,
    /// Whether it is on the list of exceptions from automatic approval, where that matters to this request.
    excepted: bool,
    /// Whether its agent carries this action out.
    able: bool,
    /// Why it cannot be acted on now.
    problem: Option<TargetProblem>,
}

/// Why a target cannot be acted on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TargetProblem {
    /// `revoked`, `unsupported_system`, `incapable` or `conflict`.
    code: &'static str,
    /// The same for people.
    message: String,
}

/// What `POST /tasks` would answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Stable code.
    code: &'static str,
    /// Its HTTP status.
    status: u16,
    /// A few words, the same for every occurrence of the code.
    title: &'static str,
    /// What is in the way, safe to show.
    message: String,
    /// What to try.
    hint: Option<String>,
    /// Fields that are not acceptable.
    fields: Vec<Field>,
}

/// A confirmation at the moment of asking.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepUp {
    /// Whether the request needs one.
    needed: bool,
    /// With what the caller can give it: `password`, `totp`, `passkey`. Empty where none is needed, and for programs.
    methods: Vec<&'static str>,
}

/// What the approval policy says of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewApproval {
    /// `none`, `auto`, `people`, `break_glass` or `refused`.
    how: &'static str,
    /// How many people must agree; 0 where nobody is asked.
    quorum: u32,
    /// Of which roles each of them must have one; anybody who may decide where empty.
    roles: Vec<String>,
    /// How long an approval would be good at most, seconds; until the task's own end where absent.
    valid_for_seconds: Option<u32>,
    /// How the policy came to it, a line a step.
    trace: Vec<String>,
}

/// How the effect is taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WayBack {
    /// `read_only`, `reversible`, `piecewise` (each thing that it did is taken back by a request of its own) or
    /// `irreversible`, with these parameters.
    effect: &'static str,
    /// The action that takes it back, or each piece of it.
    undone_by: Option<&'static str>,
    /// Whether `revert_after_seconds` may be given.
    revert_after: bool,
}

/// An open command that goes first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitsFor {
    /// Its task.
    #[schema(format = Uuid)]
    task: String,
    /// Its action.
    action: String,
    /// Its state.
    state: String,
    /// On which endpoint.
    #[schema(format = Uuid)]
    endpoint: String,
    /// The endpoint's name.
    endpoint_name: String,
}

/// See what a request would do
///
/// Takes the body of `POST /tasks` and answers what would come of it now: targets, refusal, approval, confirmation, the way
/// back. It is weighed by the code that accepts requests, for this caller, and nothing is written. A body that is wrong in
/// itself is a problem, as it is there.
#[utoipa::path(post, path = "/tasks/preview", tag = "tasks", request_body = NewTask,
    responses((status = 200, body = TaskPreview)))]
pub(super) async fn preview_task(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewTask>,
) -> Result<Json<TaskPreview>, Problem> {
    let turn = app.previews.take(caller.identity.id).await?;
    // Of its own, so that the turn lasts as long as the work, also where the caller leaves.
    let made = tokio::spawn(async move {
        let _turn = turn;
        preview(&app, &caller, wanted).await
    });
    made.await.map_err(|error| Problem::internal(&error))?.map(Json)
}

async fn preview(app: &App, caller: &Caller, mut wanted: NewTask) -> Result<TaskPreview, Problem> {
    let targets = resolve(app, caller.tenant, &wanted.action, std::mem::take(&mut wanted.targets)).await;
    let (targets, unknown) = match targets {
        Ok(targets) => (targets, None),
        // A name that leads to no endpoint, or to several: the rest is told as for no target at all.
        Err(problem) if matches!(problem.code(), Code::UnknownTarget | Code::AmbiguousTarget) => {
            (Targets::Endpoints(Vec::new()), Some(Refusal::of(problem)))
        }
        Err(problem) => return Err(problem),
    };
    let mut view = of_request(app, caller, wanted.request(caller.tenant, targets, None)).await?;
    view.refused = unknown.or(view.refused);
    Ok(view)
}

/// What would come of a request.
pub(in crate::api) async fn of_request(
    app: &App,
    caller: &Caller,
    request: TaskRequest,
) -> Result<TaskPreview, Problem> {
    let preview = app.engine.preview(&caller.actor(), request).await?;
    let methods = if preview.wants_step_up { methods(app, caller).await? } else { Vec::new() };
    Ok(TaskPreview::of(app, caller, preview, methods))
}

/// With what the caller can confirm.
async fn methods(app: &App, caller: &Caller) -> Result<Vec<&'static str>, Problem> {
    let Ok((id, _)) = caller.person() else { return Ok(Vec::new()) };
    let (person, keys) = app
        .store
        .read(move |tx| {
            let person = person::get(tx, id)?.ok_or_else(|| Problem::not_found("person"))?;
            let keys = passkey::of_person(tx, person.tenant_id, person.id)?;
            Ok::<_, Problem>((person, keys))
        })
        .await?;
    let has = [
        ("password", person.password.is_some()),
        ("totp", person.totp.is_some()),
        ("passkey", !keys.is_empty() && app.passkeys.are_possible()),
    ];
    Ok(has.into_iter().filter_map(|(method, has)| has.then_some(method)).collect())
}

impl TaskPreview {
    fn of(app: &App, caller: &Caller, preview: Preview, methods: Vec<&'static str>) -> Self {
        let sees = |permission| caller.access().allows(permission);
        let (reads_endpoints, reads_tasks) = (sees(Permission::EndpointRead), sees(Permission::TaskRead));
        let mut blast = preview.blast;
        if !reads_endpoints && let Some(fields) = blast.as_object_mut() {
            fields.remove("logged_on");
        }
        let (effect, undone_by) = (preview.effect.as_str(), preview.effect.undone_by());
        let revert_after = matches!(preview.effect, Effect::Reversible { .. });
        let others = preview.others.into_iter().filter(|_| reads_tasks);
        Self {
            target_count: preview.target_count,
            targets: preview
                .targets
                .into_iter()
                .map(|target| PreviewTarget::of(app, target, reads_endpoints))
                .collect(),
            beyond_reach: preview.beyond_reach,
            refused: preview.refused.map(|error| Refusal::of(error.into())),
            confirm_count: preview.confirm_count,
            step_up: StepUp { needed: preview.wants_step_up, methods },
            approval: PreviewApproval {
                how: preview.approval,
                quorum: preview.quorum,
                roles: preview.roles,
                valid_for_seconds: preview.valid_for,
                trace: preview.trace,
            },
            state: preview.state.as_str(),
            blast,
            way_back: WayBack { effect, undone_by, revert_after },
            waits_for: others.map(WaitsFor::of).collect(),
        }
    }
}

impl PreviewTarget {
    fn of(app: &App, target: Target, reads_endpoints: bool) -> Self {
        let row = EndpointRow::of(app, target.endpoint);
        Self {
            endpoint: if reads_endpoints { row } else { row.named_only() },
            protected: target.protected,
            excepted: target.is_excepted,
            able: target.is_able,
            problem: target
                .problem
                .map(|problem| TargetProblem { code: problem.code, message: problem.message }),
        }
    }
}

impl WaitsFor {
    fn of(other: Other) -> Self {
        Self {
            task: other.task.to_string(),
            action: other.action,
            state: other.state,
            endpoint: other.endpoint.to_string(),
            endpoint_name: other.endpoint_name,
        }
    }
}

impl Refusal {
    fn of(problem: Problem) -> Self {
        let code = problem.code();
        let (message, hint, fields) = problem.into_words();
        Self { code: code.as_str(), status: code.status(), title: code.title(), message, hint, fields }
    }
}
