//! Asking the policy about a task that is being written, and writing down what people are asked.

use quell_access::policy::{Class, Question, TargetFacts, decide};
use quell_access::{Policy, Requirement};
use quell_catalog::{Effect, Spec};
use quell_store::{
    Micros, Tx, approval, approval_list, audit, break_glass, command, endpoint::Endpoint, task::Task,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{state, trust};
use crate::{Actor, CommandState, Error, Inner, actor::Deed, approval::policy};

/// Targets that a request names.
const NAMED: usize = 20;
/// Targets whose other commands are counted for a request.
const COUNTED: usize = 500;

/// What the policy answered.
pub(crate) struct Asked {
    pub(crate) require: Requirement,
    pub(crate) broke_glass: bool,
    pub(crate) trace: Vec<String>,
    /// Whether the person has to confirm it at the moment of asking, and did not yet.
    pub(crate) wants_step_up: bool,
    /// How long an approval is good at most, seconds; `None` where nothing is said, and where nothing is approved.
    pub(crate) valid_for: Option<u32>,
    /// What the policy was told of endpoints; those of which nothing matters are left out.
    pub(crate) facts: Vec<(Uuid, TargetFacts)>,
}

impl Asked {
    /// What it lets nobody do, or not yet.
    pub(crate) fn refusals(&self, spec: &Spec) -> impl Iterator<Item = Error> + use<> {
        let step_up = self.wants_step_up.then_some(Error::StepUp(spec.id));
        let refused = (self.require == Requirement::Refused)
            .then(|| Error::Refused { code: "policy".to_owned(), message: self.trace.join("; ") });
        step_up.into_iter().chain(refused)
    }

    /// Name and reason of what is protected.
    fn protected(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().filter_map(|(_, target)| Some((target.name.as_str(), target.protected.as_deref()?)))
    }

    /// The state in which commands begin.
    pub(crate) fn state(&self) -> CommandState {
        match self.require {
            Requirement::People(_) => CommandState::PendingApproval,
            Requirement::Nothing | Requirement::Auto | Requirement::Refused => CommandState::Queued,
        }
    }

    /// How it is stored with the task.
    pub(crate) fn as_str(&self) -> &'static str {
        if self.broke_glass { "break_glass" } else { self.require.as_str() }
    }

    /// The state of the request for approval that is written down with the task; `None` where none is.
    pub(crate) fn request(&self) -> Option<&'static str> {
        match self.require {
            Requirement::Nothing | Requirement::Refused => None,
            Requirement::Auto => Some(state::AUTO),
            Requirement::People(_) => Some(state::PENDING),
        }
    }

    /// For the audit record of the task; `None` where nobody was to be asked.
    pub(crate) fn detail(&self) -> Option<Value> {
        (self.require != Requirement::Nothing).then(|| json!({ "how": self.as_str(), "trace": self.trace }))
    }
}

/// Asks the policy.
pub(crate) fn ask(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    spec: &Spec,
    (tenant, endpoints): (Uuid, &[Endpoint]),
) -> Result<Asked, Error> {
    let policy = policy(tx, tenant)?;
    let class = actor.class;
    let wants_step_up = policy.asks_step_up(spec) && class != Class::System && actor.confirmed.is_none();
    let (ids, facts): (Vec<_>, Vec<_>) =
        facts(tx, inner, &policy, (spec, class), (tenant, endpoints))?.into_iter().unzip();
    let question = Question { spec, class, targets: &facts, break_glass: false };
    let mut verdict = decide(&policy, &question);
    if let (Requirement::People(_), Some(person)) = (&verdict.require, actor.person())
        && break_glass::open(tx, tenant, person, inner.clock.now())?.is_some()
    {
        verdict = decide(&policy, &Question { break_glass: true, ..question });
    }
    trust::raise(tx, tenant, spec.id, &mut verdict)?;
    Ok(Asked {
        valid_for: valid_for(&policy, spec, &verdict.require),
        require: verdict.require,
        broke_glass: verdict.broke_glass,
        trace: verdict.trace,
        wants_step_up,
        facts: ids.into_iter().zip(facts).collect(),
    })
}

/// How long what is approved is good at most, seconds.
pub(super) fn valid_for(policy: &Policy, spec: &Spec, require: &Requirement) -> Option<u32> {
    match require {
        Requirement::Auto | Requirement::People(_) => policy.valid_for(spec.id),
        Requirement::Nothing | Requirement::Refused => None,
    }
}

/// What the policy has to know of the targets. Nothing is looked up that cannot matter: most tasks are of people who are
/// asked for nothing, on endpoints that nobody protects.
pub(super) fn facts(
    tx: &mut Tx<'_>,
    inner: &Inner,
    policy: &Policy,
    (spec, class): (&Spec, Class),
    (tenant, endpoints): (Uuid, &[Endpoint]),
) -> Result<Vec<(Uuid, TargetFacts)>, Error> {
    let is_listed = approval_list::is_any(tx, tenant)?;
    let may_be_protected = spec.effect != Effect::ReadOnly && class != Class::System;
    let mut facts = Vec::new();
    for endpoint in endpoints {
        let mut lists = Vec::new();
        if is_listed {
            lists = approval_list::lists_of(tx, tenant, endpoint.id)?;
            lists.extend(approval_list::lists_of_machine(tx, tenant, &endpoint.fingerprint)?);
        }
        let is_on = |list: &str| lists.iter().any(|name| name == list);
        let protected = if !may_be_protected {
            None
        } else if is_on("protected") {
            Some("listed".to_owned())
        } else if inner.own_machine.as_ref().is_some_and(|own| *own == endpoint.fingerprint) {
            Some("the server itself".to_owned())
        } else {
            tags(endpoint)
                .into_iter()
                .find(|tag| policy.protected.tags.contains(tag))
                .map(|tag| format!("tag {tag}"))
        };
        if class == Class::Operations || protected.is_some() {
            let target = TargetFacts {
                name: endpoint.name.clone(),
                is_excepted: is_on("except"),
                is_selected: is_on("only"),
                protected,
            };
            facts.push((endpoint.id, target));
        }
    }
    Ok(facts)
}

/// The tags of an endpoint.
pub(crate) fn tags(endpoint: &Endpoint) -> Vec<String> {
    if endpoint.tags == "[]" { Vec::new() } else { serde_json::from_str(&endpoint.tags).unwrap_or_default() }
}

/// Writes the request down, where people or the settings were asked.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    asked: &Asked,
    (task, spec, endpoints): (&Task, &Spec, &[Endpoint]),
) -> Result<(), Error> {
    let Some(state) = asked.request() else { return Ok(()) };
    let people = match &asked.require {
        Requirement::People(people) => Some(people),
        Requirement::Nothing | Requirement::Auto | Requirement::Refused => None,
    };
    let valid_for = asked.valid_for.map(|seconds| i64::from(seconds) * 1_000_000);
    // What the settings approve is approved now.
    let good_until = valid_for.map(|time| task.created_at.saturating_add(time).min(task.expires_at));
    let effect = quell_catalog::ActionKind::from_id(&task.action)
        .zip(serde_json::from_str(&task.params).ok())
        .and_then(|(kind, params)| (kind.declared().effect)(&params).ok())
        .unwrap_or(spec.effect);
    let blast = blast(tx, (spec, effect), asked, (task.tenant_id, task.revert_after), endpoints)?;
    let roles = people.map(|people| people.roles.clone()).unwrap_or_default();
    let quorum = people.map_or(0, |people| people.quorum.max(1));
    let request = approval::Request {
        tenant_id: task.tenant_id,
        task_id: task.id,
        state: state.to_owned(),
        digest: task.intent_digest,
        requester_human: actor.human.unwrap_or(Uuid::nil()),
        quorum: i64::from(quorum),
        roles: json!(roles).to_string(),
        trace: json!(asked.trace).to_string(),
        blast: blast.to_string(),
        created_at: task.created_at,
        expires_at: task.expires_at,
        decided_at: people.is_none().then_some(task.created_at),
        valid_until: good_until.filter(|_| people.is_none()),
        valid_for,
    };
    approval::insert(tx, &request)?;
    let verb = match (people, asked.broke_glass) {
        (Some(_), _) => "approval.request",
        (None, false) => "approval.auto",
        (None, true) => "approval.break_glass",
    };
    let detail = json!({
        "action": spec.id,
        "title": spec.title,
        "params": serde_json::from_str::<Value>(&task.params_public).unwrap_or_default(),
        "reason": task.reason,
        "requester": actor.name,
        "requester_human": actor.human,
        "expires_at": task.expires_at,
        "digest": quell_wire::digest::hex(&task.intent_digest),
        "quorum": quorum,
        "roles": roles,
        "valid_for_seconds": asked.valid_for,
        "blast": blast,
        "trace": asked.trace,
        "plan": task.plan_id,
    });
    let deed = Deed { verb, kind: "task", object: task.id, outcome: "ok", detail };
    Ok(audit::append(tx, &actor.record(&inner.ids, task.tenant_id, task.created_at, deed))?)
}

/// What the task would touch, for those who decide.
pub(crate) fn blast(
    tx: &mut Tx<'_>,
    (spec, effect): (&Spec, Effect),
    asked: &Asked,
    (tenant, revert_after): (Uuid, Option<Micros>),
    endpoints: &[Endpoint],
) -> Result<Value, Error> {
    let mut pending = 0;
    for endpoint in endpoints.iter().take(COUNTED) {
        pending += command::active(tx, tenant, endpoint.id)?.len();
        pending += usize::from(command::is_waiting(tx, tenant, endpoint.id)?);
    }
    let reversible_by = match effect {
        Effect::Reversible { by } => Some(by),
        Effect::ReadOnly | Effect::Piecewise { .. } | Effect::Irreversible => None,
    };
    let logged_on = endpoints.iter().take(NAMED).filter_map(|endpoint| {
        let facts: Value = serde_json::from_str(&endpoint.facts).ok()?;
        let users = facts.get("logged_on")?.as_array()?.clone();
        (!users.is_empty()).then(|| json!({ "endpoint": endpoint.name, "users": users }))
    });
    Ok(json!({
        "targets": endpoints.len(),
        "endpoints": endpoints.iter().take(NAMED).map(|endpoint| json!({ "id": endpoint.id, "name": endpoint.name })).collect::<Vec<_>>(),
        "protected": asked.protected().take(NAMED).map(|(name, why)| json!({ "endpoint": name, "why": why })).collect::<Vec<_>>(),
        "protected_count": asked.protected().count(),
        "logged_on": logged_on.collect::<Vec<_>>(),
        "pending_commands": pending,
        "isolated": endpoints.iter().filter(|endpoint| endpoint.isolation.is_some()).count(),
        "read_only": effect == Effect::ReadOnly,
        "effect": effect.as_str(),
        "reversible_by": reversible_by,
        "undone_by": effect.undone_by(),
        "revert_after_seconds": revert_after.map(|micros| micros / 1_000_000),
        "risk": spec.risk,
    }))
}

/// How long an approval may be good at most, microseconds: as long as an order may wait.
pub(super) const LONGEST: Micros = quell_wire::limits::ORDER_WINDOW_US;
