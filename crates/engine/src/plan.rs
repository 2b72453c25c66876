//! From a checked request to rows: targets pinned, leaves and intent encoded once, task, commands and audit
//! written together.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use quell_access::Permission;
use quell_catalog::ActionKind;
use quell_store::{
    Micros, Tx, audit,
    command::{self, Command},
    endpoint::Endpoint,
    task::{self, Task},
};
use quell_wire::{Intent, Requester, Target, intent, merkle::Tree};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, CommandState, Error, Inner, Problem, Targets, TaskState,
    actor::Deed,
    approval::{self, Asked},
    listed, reference,
    submit::{Origin, Submitted},
    targets::{self, Look, Rows},
};

/// A request whose own fields were checked.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) tenant: Uuid,
    pub(crate) kind: ActionKind,
    pub(crate) params: Value,
    pub(crate) targets: Targets,
    pub(crate) reason: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_digest: [u8; 32],
    pub(crate) expires_in: Duration,
    pub(crate) revert_after: Option<Duration>,
    /// The number of targets that the requester stated.
    pub(crate) confirm_count: Option<u64>,
    pub(crate) undo_of: Option<Uuid>,
    /// The response plan whose step it is.
    pub(crate) plan: Option<Uuid>,
    /// From which incident it is asked for.
    pub(crate) origin: Option<Origin>,
}

/// A task that was written, and whom to ring.
pub(crate) struct Created {
    pub(crate) submitted: Submitted,
    pub(crate) endpoints: Vec<Uuid>,
}

/// What would come of a draft in this transaction. Weighed by whoever writes the task, and by whoever only wants to know.
pub(crate) struct Weighed {
    /// Everything that stands in its way, what is told first at the beginning.
    pub(crate) refusals: Vec<Error>,
    /// The targets, pinned.
    pub(crate) ids: Vec<Uuid>,
    /// The rows of those that the requester's rights reach. Nothing else is looked at further, and nothing said of it.
    pub(crate) endpoints: Vec<Endpoint>,
    /// How many there are beside them.
    pub(crate) beyond: usize,
    /// Those within reach that cannot carry it out, and those that there are not.
    pub(crate) problems: Vec<Problem>,
    /// Whether the requester has to state the number of targets.
    pub(crate) is_counted: bool,
    /// What the policy says.
    pub(crate) asked: Asked,
    /// The parameters as they are carried out, and the intent.
    planned: Option<(Value, Plan)>,
}

/// Weighs a draft. Nothing is written.
pub(crate) fn weigh(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    draft: &Draft,
    look: Look<'_>,
) -> Result<Weighed, Error> {
    let now = inner.clock.now();
    let spec = draft.kind.spec();
    let mut refusals = Vec::new();
    let ids = match targets::resolve(tx, draft.tenant, &draft.targets, (spec, inner.limits.targets)) {
        Err(none @ Error::NoTargets) => {
            refusals.push(none);
            Vec::new()
        }
        resolved => resolved?,
    };
    // Reach comes first: who does not reach a target does not learn how it stands, nor what is under way on it.
    let Rows { found, unknown } = targets::rows(tx, draft.tenant, &ids)?;
    let (endpoints, beyond) = actor.split(Permission::TaskSubmit, spec.id, found);
    refusals.extend(actor.beyond(Permission::TaskSubmit, spec.id, beyond));
    let is_counted = is_counted(draft, ids.len(), inner.limits.confirm_above);
    refusals.extend(confirm(draft, ids.len(), is_counted).err());
    let problems = targets::problems(tx, (&ids, unknown), &endpoints, look)?;
    if !problems.is_empty() {
        refusals.push(Error::Targets(problems.clone()));
    }
    let asked = approval::ask(tx, inner, actor, spec, (draft.tenant, &endpoints))?;
    refusals.extend(asked.refusals(spec));
    let resolved = listed::check(tx, draft.tenant, draft.kind, &draft.params)
        .and_then(|()| reference::resolve(tx, draft.tenant, draft.kind, draft.params.clone()));
    let planned = match resolved {
        Ok(params) => Plan::new(inner, actor, draft, &params, &ids, now).map(|plan| (params, plan)),
        Err(error) => Err(error),
    };
    let planned = match planned {
        Ok(planned) => Some(planned),
        Err(refusal @ (Error::Params(_) | Error::Request { .. } | Error::NoTargets)) => {
            refusals.push(refusal);
            None
        }
        // No word about the request.
        Err(error) => return Err(error),
    };
    Ok(Weighed { refusals, ids, endpoints, beyond, problems, is_counted, asked, planned })
}

/// Writes the task of a draft.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    inner: &Arc<Inner>,
    actor: &Actor,
    draft: &Draft,
) -> Result<Created, Error> {
    let spec = draft.kind.spec();
    // An undo looked at each of its targets already.
    let look = if draft.undo_of.is_some() { Look::Known } else { Look::Held(spec) };
    let weighed = weigh(tx, inner, actor, draft, look)?;
    let Weighed { refusals, ids, endpoints, asked, planned, .. } = weighed;
    if let Some(refusal) = refusals.into_iter().next() {
        return Err(refusal);
    }
    let (params, plan) = planned.ok_or(Error::NoTargets)?;
    let state = asked.state();
    let public = draft.kind.declared().redacted(&params);
    let mut row = plan.task(actor, draft, &params, &public, state);
    asked.as_str().clone_into(&mut row.approval);
    if !task::insert(tx, &row)? {
        // Somebody used the idempotency key in the meantime; the next look finds that task.
        return Err(Error::Raced);
    }
    for (leaf, endpoint) in ids.iter().enumerate() {
        command::insert(tx, &plan.command(inner, draft, leaf, *endpoint, state)?)?;
    }
    let mut detail = json!({
        "action": spec.id,
        "params": public,
        "targets": endpoints.len(),
        "reason": draft.reason,
        "intent_digest": quell_wire::digest::hex(&row.intent_digest),
        "undo_of": draft.undo_of,
    });
    if let Some(origin) = &draft.origin {
        detail["incident"] = json!(origin.incident);
        detail["activity"] = json!(origin.activity);
    }
    if let Some(method) = &actor.confirmed {
        detail["confirmed"] = json!(method);
    }
    if let Some(approval) = asked.detail() {
        detail["approval"] = approval;
    }
    let verb = if draft.undo_of.is_some() { "task.undo" } else { "task.submit" };
    let deed = Deed { verb, kind: "task", object: row.id, outcome: "ok", detail };
    audit::append(tx, &actor.record(&inner.ids, draft.tenant, plan.now, deed))?;
    approval::note(tx, inner, actor, &asked, (&row, spec, &endpoints))?;
    let state = TaskState::parse(&row.state).ok_or(Error::Corrupt("task state"))?;
    let submitted = Submitted {
        task_id: row.id,
        created: true,
        target_count: row.target_count,
        state,
        request: asked.request(),
    };
    Ok(Created { submitted, endpoints: ids })
}

/// A selector, and a long list, hide how many they are: the requester says the number.
fn is_counted(draft: &Draft, count: usize, above: usize) -> bool {
    match draft.targets {
        Targets::Endpoints(_) => count > above && draft.undo_of.is_none(),
        Targets::Tag(_) | Targets::Tags(_) | Targets::All => true,
        Targets::Service => false,
    }
}

fn confirm(draft: &Draft, count: usize, needed: bool) -> Result<(), Error> {
    let count = count as u64;
    match draft.confirm_count {
        Some(stated) if stated == count => Ok(()),
        None if !needed => Ok(()),
        Some(_) | None => Err(Error::Confirm { count }),
    }
}

/// The state of a task whose commands begin in this one.
pub(crate) fn begun(state: CommandState) -> TaskState {
    if state == CommandState::Queued { TaskState::Queued } else { TaskState::PendingApproval }
}

struct Plan {
    id: Uuid,
    now: Micros,
    expires_at: Micros,
    leaves: Vec<Vec<u8>>,
    tree: Tree,
    intent: Vec<u8>,
}

impl Plan {
    fn new(
        inner: &Inner,
        actor: &Actor,
        draft: &Draft,
        params: &Value,
        endpoints: &[Uuid],
        now: Micros,
    ) -> Result<Self, Error> {
        let tenant = draft.tenant.to_string();
        let leaves: Vec<Vec<u8>> =
            endpoints.iter().map(|id| Target::of(&tenant, &id.to_string()).encode_to_vec()).collect();
        let tree = Tree::new(&leaves).ok_or(Error::NoTargets)?;
        let expires_at = now.saturating_add(micros(draft.expires_in));
        let id = inner.ids.next();
        let spec = draft.kind.spec();
        let requester =
            Requester { kind: actor.kind.clone(), id: actor.id.clone(), name: actor.name.clone() };
        let intent = Intent {
            tenant_id: tenant,
            task_id: id.to_string(),
            action: spec.id.to_owned(),
            revision: spec.revision,
            params: params.to_string().into_bytes(),
            requester: Some(requester),
            created_at_us: now,
            expires_at_us: expires_at,
            targets_root: tree.root().to_vec(),
            target_count: leaves.len() as u64,
            revert_after_us: draft.revert_after.map_or(0, micros),
            nonce: inner.ids.nonce().ok_or(Error::Entropy)?.to_vec(),
        };
        if !intent.is_bounded() {
            return Err(Error::request("params", "larger than an order may carry"));
        }
        Ok(Self { id, now, expires_at, leaves, tree, intent: intent.encode_to_vec() })
    }

    fn task(
        &self,
        actor: &Actor,
        draft: &Draft,
        params: &Value,
        public: &Value,
        state: CommandState,
    ) -> Task {
        let spec = draft.kind.spec();
        let count = self.leaves.len() as i64;
        let state = begun(state);
        Task {
            tenant_id: draft.tenant,
            id: self.id,
            action: spec.id.to_owned(),
            revision: i64::from(spec.revision),
            params: params.to_string(),
            params_public: public.to_string(),
            intent_digest: intent::digest(&self.intent),
            intent: self.intent.clone(),
            requester_kind: actor.kind.clone(),
            requester_id: actor.id.clone(),
            requester_name: actor.name.clone(),
            created_from: actor.from.clone(),
            reason: draft.reason.clone(),
            idempotency_key: draft.idempotency_key.clone(),
            request_digest: draft.request_digest,
            created_at: self.now,
            expires_at: self.expires_at,
            state: state.as_str().to_owned(),
            reason_code: None,
            cancel_requested_at: None,
            revert_after: draft.revert_after.map(micros),
            revert_at: None,
            undo_of: draft.undo_of,
            undone_by: None,
            target_count: count,
            open_count: count,
            succeeded_count: 0,
            worst: 0,
            ended_at: None,
            approval: "none".to_owned(),
            plan_id: draft.plan,
            incident_id: draft.origin.as_ref().map(|origin| origin.incident),
            activity: draft.origin.as_ref().and_then(|origin| origin.activity.clone()),
        }
    }

    fn command(
        &self,
        inner: &Inner,
        draft: &Draft,
        leaf: usize,
        endpoint_id: Uuid,
        state: CommandState,
    ) -> Result<Command, Error> {
        let spec = draft.kind.spec();
        let proof = self.tree.proof(leaf).ok_or(Error::Corrupt("target tree"))?;
        Ok(Command {
            tenant_id: draft.tenant,
            id: inner.ids.next(),
            task_id: self.id,
            target: self.leaves.get(leaf).cloned().unwrap_or_default(),
            leaf_index: leaf as i64,
            proof: proof.concat(),
            service: spec.service().unwrap_or("agent").to_owned(),
            endpoint_id,
            action: spec.id.to_owned(),
            exclusion: spec.exclusion.map(|group| group.as_str().to_owned()),
            priority: i64::from(spec.priority),
            // The plan lets its steps go one after the other.
            is_held: draft.plan.is_some(),
            nonce: inner.ids.nonce().ok_or(Error::Entropy)?.to_vec(),
            not_before: self.now,
            not_after: self.expires_at,
            state: state.as_str().to_owned(),
            reason_code: None,
            message: None,
            attempts: 0,
            dispatched_at: None,
            started_at: None,
            outcome_at: None,
            ended_at: None,
            deadline_at: self.expires_at,
            progress: None,
            outcome: None,
            evidence: None,
        })
    }
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
