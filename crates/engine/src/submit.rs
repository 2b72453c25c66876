//! Asking for an action: what may be asked, and the answer, which is a promise: accepted means committed.

use std::time::Duration;

use quell_catalog::{ActionKind, Effect, is_clean_text};
use quell_store::task;
use quell_wire::{digest::sha256, limits};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, Change, Engine, Error, TaskState,
    plan::{self, Draft},
};

/// Bytes of a reason, and of an idempotency key.
const REASON: usize = 2000;
const KEY: usize = 200;
/// The longest a task may wait, and an effect may last before its timer: what an order may bear.
const LONGEST: Duration = Duration::from_micros(limits::ORDER_WINDOW_US as u64);

/// A request of an action.
#[derive(Debug, Clone)]
pub struct TaskRequest {
    /// Whose things are acted on.
    pub tenant: Uuid,
    /// Id of the action in the catalogue.
    pub action: String,
    /// Its parameters, JSON.
    pub params: Value,
    /// On what.
    pub targets: Targets,
    /// Why; people read it.
    pub reason: String,
    /// A repeat with the same key by the same requester is answered with the first task.
    pub idempotency_key: Option<String>,
    /// How long it may wait for its endpoints; a server's default where absent. At most 30 days.
    pub expires_in: Option<Duration>,
    /// Undo it by itself this long after it took effect. Only for actions that can be undone.
    pub revert_after: Option<Duration>,
    /// How many endpoints the requester believes this acts on; needed for selectors and long lists.
    pub confirm_count: Option<u64>,
}

/// From where a request came that answers to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The incident.
    pub incident: Uuid,
    /// The activity event there: id of the chain, a slash, id of the event.
    pub activity: Option<String>,
}

/// What a request acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Targets {
    /// These endpoints.
    Endpoints(Vec<Uuid>),
    /// Every active endpoint with this tag.
    Tag(String),
    /// Every active endpoint with any of these tags.
    Tags(Vec<String>),
    /// Every active endpoint of the tenant.
    All,
    /// The service that carries the action out.
    Service,
}

/// A request that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The task.
    pub task_id: Uuid,
    /// `false` when the idempotency key had made it before.
    pub created: bool,
    /// How many endpoints it acts on.
    pub target_count: i64,
    /// Its state.
    pub state: TaskState,
    /// The state of the request for approval that was made with it: `pending` or `auto`.
    pub request: Option<&'static str>,
}

impl Engine {
    /// Accepts a request: when this answers, the task is on the disk and will come to an end.
    ///
    /// # Errors
    /// Everything that makes the request one that cannot be carried out; then nothing was written.
    pub async fn submit(&self, actor: &Actor, request: TaskRequest) -> Result<Submitted, Error> {
        self.submit_from(actor, request, None).await
    }

    /// The same for a request that answers to an incident: its task says so.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_from(
        &self,
        actor: &Actor,
        request: TaskRequest,
        origin: Option<Origin>,
    ) -> Result<Submitted, Error> {
        let mut draft = self.draft(request)?;
        if let Some(origin) = &origin {
            draft.request_digest = sha256(&[&draft.request_digest, json!(origin).to_string().as_bytes()]);
        }
        draft.origin = origin;
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let tenant = draft.tenant;
        let (submitted, endpoints) = self
            .write(move |tx| {
                if let Some(key) = &draft.idempotency_key
                    && let Some(found) = task::by_key(tx, draft.tenant, &actor.kind, &actor.id, key)?
                {
                    return repeat(&found, &draft).map(|submitted| (submitted, Vec::new()));
                }
                let created = plan::create(tx, &inner, &actor, &draft)?;
                Ok((created.submitted, created.endpoints))
            })
            .await?;
        self.announce_task(tenant, &submitted, &endpoints);
        Ok(submitted)
    }

    /// Tells of a new task, and rings its endpoints when they may be handed it.
    pub(crate) fn announce_task(&self, tenant: Uuid, submitted: &Submitted, endpoints: &[Uuid]) {
        if submitted.created {
            self.inner.changes.tell(Change::task(tenant, submitted.task_id, submitted.state));
            if let Some(state) = submitted.request {
                self.inner.changes.tell(Change::Approval { tenant, task: submitted.task_id, state });
            }
        }
        if submitted.state == TaskState::Queued {
            for endpoint in endpoints {
                self.inner.bell.ring(tenant, *endpoint);
            }
        }
    }

    /// Checks what can be checked without the database.
    pub(crate) fn draft(&self, request: TaskRequest) -> Result<Draft, Error> {
        let kind = ActionKind::from_id(&request.action)
            .ok_or_else(|| Error::UnknownAction(request.action.chars().take(limits::CODE).collect()))?;
        let params = (kind.declared().check_params)(&request.params)?;
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > REASON || !is_clean_text(reason) {
            return Err(Error::request(
                "reason",
                format!("must be 1 to {REASON} bytes without control characters"),
            ));
        }
        if let Some(key) = &request.idempotency_key
            && (key.is_empty() || key.len() > KEY || !is_clean_text(key))
        {
            return Err(Error::request("idempotency_key", format!("must be 1 to {KEY} bytes of plain text")));
        }
        if let Targets::Endpoints(ids) = &request.targets
            && ids.len() > self.inner.limits.targets
        {
            return Err(Error::request(
                "targets",
                format!("more than {} endpoints", self.inner.limits.targets),
            ));
        }
        let expires_in = request.expires_in.unwrap_or(self.inner.limits.expires_in);
        if expires_in < Duration::from_secs(1) || expires_in > LONGEST {
            return Err(Error::request("expires_in", "must be one second to 30 days"));
        }
        if let Some(after) = request.revert_after {
            let Effect::Reversible { .. } = kind.spec().effect else {
                return Err(Error::request("revert_after", format!("{} cannot be undone", kind.id())));
            };
            if after < Duration::from_secs(1) || after > LONGEST {
                return Err(Error::request("revert_after", "must be one second to 30 days"));
            }
        }
        let request_digest = digest(&request, &params);
        Ok(Draft {
            tenant: request.tenant,
            kind,
            params,
            targets: request.targets,
            reason: reason.to_owned(),
            idempotency_key: request.idempotency_key,
            request_digest,
            expires_in,
            revert_after: request.revert_after,
            confirm_count: request.confirm_count,
            undo_of: None,
            plan: None,
            origin: None,
        })
    }
}

/// What makes two requests the same one, whatever order their fields came in.
fn digest(request: &TaskRequest, params: &Value) -> [u8; 32] {
    let canonical = json!({
        "action": request.action,
        "params": params,
        "targets": request.targets,
        "reason": request.reason.trim(),
        "expires_in": request.expires_in.map(|time| time.as_micros().to_string()),
        "revert_after": request.revert_after.map(|time| time.as_micros().to_string()),
    });
    sha256(&[b"quell/request/v1\0", canonical.to_string().as_bytes()])
}

fn repeat(found: &task::Task, draft: &Draft) -> Result<Submitted, Error> {
    if found.request_digest != draft.request_digest {
        return Err(Error::KeyReused(found.id));
    }
    let state = TaskState::parse(&found.state).ok_or(Error::Corrupt("task state"))?;
    Ok(Submitted {
        task_id: found.id,
        created: false,
        target_count: found.target_count,
        state,
        request: None,
    })
}
