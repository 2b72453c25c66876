//! Requests for approval, as the API shows them.

mod decide;
mod decide_many;
mod expire;
mod list;
mod revoke;
mod show;
mod you;

use quell_catalog::ActionKind;
use quell_store::{Tx, approval, task};
use quell_wire::digest::hex;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use decide::{NewSignature, digest, signature};
pub(super) use you::{Reader, You};

use super::endpoint::stored_json;
use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of requests for approval.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        show::route(),
        decide::approve_route(),
        decide::reject_route(),
        decide_many::route(),
        revoke::route(),
        expire::route(),
    ]
}

/// A task that people, or the tenant's settings, were asked about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approval {
    /// The task.
    #[schema(format = Uuid)]
    task: String,
    /// `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`.
    state: String,
    /// What is asked for.
    #[schema(example = "process.terminate")]
    action: String,
    /// Its name for people.
    title: &'static str,
    /// Its parameters; values that are not to be seen are `***`.
    #[schema(value_type = Object)]
    params: Value,
    /// Why, in the words of who asked.
    reason: String,
    /// Who asked: `person` or `api_key`.
    requester_kind: String,
    /// Their id.
    requester_id: String,
    /// Their name.
    requester: String,
    /// The state of the task.
    task_state: String,
    /// SHA-256 of the intent, lower-case hex: a decision names it, and any change of the task is another.
    digest: String,
    /// How many people must agree.
    quorum: i64,
    /// Of which roles each of them must have one; anybody who may decide where empty.
    #[schema(value_type = Vec<String>)]
    roles: Value,
    /// How the policy came to ask, a line a step.
    #[schema(value_type = Vec<String>)]
    trace: Value,
    /// What it would touch: targets, who is logged on, what is protected, what else waits there, and the way back.
    #[schema(value_type = Object)]
    blast: Value,
    /// What was decided so far.
    decisions: Vec<Decision>,
    /// When it was asked.
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when it can be decided.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it was decided.
    #[schema(format = DateTime)]
    decided_at: Option<String>,
    /// How long it is good at most once it is approved, as the settings said when it was asked for; until the task's own
    /// end where absent.
    valid_for_seconds: Option<i64>,
    /// Until when what was approved may begin and go on; the task's own end where absent, and once it has ended.
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// What you can do about it; absent for programs, and where something else was asked for.
    you: Option<You>,
    /// The response plan whose step it is: people decide about the plan (`/response-plans/{id}/approve`).
    #[schema(format = Uuid)]
    plan: Option<String>,
}

/// A person's decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Decision {
    /// Who.
    #[schema(format = Uuid)]
    person: String,
    /// Their name.
    name: String,
    /// `approve` or `reject`.
    #[serde(rename = "decision")]
    word: String,
    /// What they said.
    note: String,
    /// `api`, `cli`, `console` or `mail`.
    via: String,
    /// When.
    #[schema(format = DateTime)]
    decided_at: String,
    /// Whether they signed the digest with a key of their own.
    signed: bool,
    /// When they took it back.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl Approval {
    /// Its state.
    pub fn state(&self) -> &str {
        &self.state
    }

    fn of(request: approval::Request, task: task::Task, decisions: Vec<approval::Decision>) -> Self {
        Self {
            task: request.task_id.to_string(),
            state: request.state,
            title: ActionKind::from_id(&task.action).map_or("", |kind| kind.spec().title),
            action: task.action,
            params: stored_json(&task.params_public),
            reason: task.reason,
            requester_kind: task.requester_kind,
            requester_id: task.requester_id,
            requester: task.requester_name,
            task_state: task.state,
            digest: hex(&request.digest),
            quorum: request.quorum,
            roles: stored_json(&request.roles),
            trace: stored_json(&request.trace),
            blast: stored_json(&request.blast),
            decisions: decisions.into_iter().map(Decision::of).collect(),
            created_at: time::text(request.created_at),
            expires_at: time::text(request.expires_at),
            decided_at: time::maybe(request.decided_at),
            valid_for_seconds: request.valid_for.map(|time| time / 1_000_000),
            valid_until: time::maybe(request.valid_until),
            you: None,
            plan: task.plan_id.map(|id| id.to_string()),
        }
    }
}

impl Decision {
    fn of(row: approval::Decision) -> Self {
        Self {
            person: row.person_id.to_string(),
            name: row.name,
            word: row.decision,
            note: row.note,
            via: row.via,
            decided_at: time::text(row.decided_at),
            signed: row.signature.is_some(),
            revoked_at: time::maybe(row.revoked_at),
        }
    }
}

/// Reads a request with its task and its decisions; `None` when it is not this tenant's.
pub(crate) fn read(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Approval>, quell_store::Error> {
    let Some(request) = approval::get(tx, tenant, id)? else { return Ok(None) };
    with_task(tx, request)
}

/// The same for somebody who looks at it: with what they can do about it, and with the parameters as they are carried out
/// where they decide.
fn read_whole(
    tx: &mut Tx<'_>,
    reader: &Reader,
    (tenant, id): (Uuid, Uuid),
    may_see: bool,
) -> Result<Option<Approval>, quell_engine::Error> {
    let Some(request) = approval::get(tx, tenant, id)? else { return Ok(None) };
    let Some(task) = task::get(tx, tenant, id)? else { return Ok(None) };
    let you = reader.you(tx, &request, &task)?;
    let params = may_see.then(|| stored_json(&task.params));
    let decisions = approval::decisions(tx, tenant, id)?;
    let mut view = Approval::of(request, task, decisions);
    if let Some(params) = params {
        view.params = params;
    }
    Ok(Some(Approval { you, ..view }))
}

fn with_task(tx: &mut Tx<'_>, request: approval::Request) -> Result<Option<Approval>, quell_store::Error> {
    let (tenant, id) = (request.tenant_id, request.task_id);
    let Some(task) = task::get(tx, tenant, id)? else { return Ok(None) };
    let decisions = approval::decisions(tx, tenant, id)?;
    Ok(Some(Approval::of(request, task, decisions)))
}

impl Cells for Approval {
    const COLUMNS: &'static [&'static str] = &[
        "task",
        "state",
        "action",
        "requester",
        "reason",
        "quorum",
        "approved_by",
        "rejected_by",
        "created_at",
        "decided_at",
        "expires_at",
        "valid_until",
        "digest",
    ];

    fn cells(&self) -> Vec<String> {
        let who = |word: &str| {
            let standing = self.decisions.iter().filter(|row| row.word == word && row.revoked_at.is_none());
            standing.map(|row| row.name.as_str()).collect::<Vec<_>>().join("; ")
        };
        vec![
            self.task.clone(),
            self.state.clone(),
            self.action.clone(),
            self.requester.clone(),
            self.reason.clone(),
            self.quorum.to_string(),
            who("approve"),
            who("reject"),
            self.created_at.clone(),
            self.decided_at.clone().unwrap_or_default(),
            self.expires_at.clone(),
            self.valid_until.clone().unwrap_or_default(),
            self.digest.clone(),
        ]
    }
}
