//! What would come of a request if it were sent now: weighed by the code that accepts requests, and nothing is written.

use quell_access::Requirement;
use quell_catalog::{Effect, Spec};
use quell_store::{
    Tx,
    command::{self, Command},
    endpoint::Endpoint,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Actor, Engine, Error, Inner, Problem, TaskRequest, TaskState, approval,
    plan::{self, Draft, Weighed, micros},
    targets::{self, Look},
};

/// Targets that are told one by one.
pub const SHOWN: usize = 200;
/// Open commands of one endpoint that are looked at, and of all that are told.
const OPEN: i64 = 100;
const OTHERS: usize = 100;

/// What would come of a request.
#[derive(Debug)]
pub struct Preview {
    /// The action.
    pub spec: &'static Spec,
    /// What a request with these parameters leaves.
    pub effect: Effect,
    /// How many targets it has.
    pub target_count: usize,
    /// The first [`SHOWN`] of those that the requester's rights reach.
    pub targets: Vec<Target>,
    /// How many targets the requester's rights do not reach: they are not shown.
    pub beyond_reach: usize,
    /// The number that the request must state, where it must.
    pub confirm_count: Option<u64>,
    /// Whether the person confirms it at the moment of asking.
    pub wants_step_up: bool,
    /// Why it would not be accepted, what it does not state yet (the number, the confirmation) aside.
    pub refused: Option<Error>,
    /// What the approval policy says: `none`, `auto`, `people`, `break_glass` or `refused`.
    pub approval: &'static str,
    /// How many people must agree; 0 where nobody is asked.
    pub quorum: u32,
    /// Of which roles each of them must have one; anybody who may decide where empty.
    pub roles: Vec<String>,
    /// How long an approval would be good at most, seconds; `None` where the settings do not say.
    pub valid_for: Option<u32>,
    /// How the policy came to it, a line a step.
    pub trace: Vec<String>,
    /// What it would touch, as those are told who decide; of the targets that are reached.
    pub blast: Value,
    /// The state that the task would begin in.
    pub state: TaskState,
    /// What is open on these endpoints and goes before it, since the two exclude each other.
    pub others: Vec<Other>,
}

/// A target of a preview.
#[derive(Debug)]
pub struct Target {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Why the policy protects it from this action.
    pub protected: Option<String>,
    /// Whether it is on the list of exceptions from what the settings approve, where that matters to this request.
    pub is_excepted: bool,
    /// Whether its agent carries this action out.
    pub is_able: bool,
    /// Why it cannot be acted on now.
    pub problem: Option<Problem>,
}

/// A command that goes before what is asked for.
#[derive(Debug)]
pub struct Other {
    /// Its task.
    pub task: Uuid,
    /// Its action.
    pub action: String,
    /// Its state.
    pub state: String,
    /// The endpoint.
    pub endpoint: Uuid,
    /// Its name.
    pub endpoint_name: String,
}

impl Engine {
    /// Tells what would come of a request, now and for this requester.
    ///
    /// # Errors
    /// What is wrong with the request itself, whatever its targets are and whoever sends it.
    pub async fn preview(&self, actor: &Actor, request: TaskRequest) -> Result<Preview, Error> {
        let draft = self.draft(request)?;
        let (inner, actor) = (self.inner.clone(), actor.clone());
        self.read(move |tx| preview(tx, &inner, &actor, &draft)).await
    }
}

fn preview(tx: &mut Tx<'_>, inner: &Inner, actor: &Actor, draft: &Draft) -> Result<Preview, Error> {
    let spec = draft.kind.spec();
    let weighed = plan::weigh(tx, inner, actor, draft, Look::Able(spec))?;
    let Weighed { refusals, ids, endpoints: reached, beyond, problems, is_counted, asked, .. } = weighed;
    let count = ids.len();
    let effect = (draft.kind.declared().effect)(&draft.params)?;
    let of_kind = (spec, effect);
    let blast =
        approval::blast(tx, of_kind, &asked, (draft.tenant, draft.revert_after.map(micros)), &reached)?;
    let others = others(tx, spec, &reached)?;
    let people = match &asked.require {
        Requirement::People(people) => Some(people.clone()),
        Requirement::Nothing | Requirement::Auto | Requirement::Refused => None,
    };
    let may_confirm = actor.person().is_some();
    let refused = refusals.into_iter().find(|refusal| match refusal {
        Error::Confirm { .. } => draft.confirm_count.is_some(),
        Error::StepUp(_) => !may_confirm,
        _ => true,
    });
    Ok(Preview {
        spec,
        effect,
        target_count: count,
        beyond_reach: beyond,
        confirm_count: is_counted.then_some(count as u64),
        wants_step_up: asked.wants_step_up,
        refused,
        approval: asked.as_str(),
        valid_for: asked.valid_for,
        quorum: people.as_ref().map_or(0, |people| people.quorum.max(1)),
        roles: people.map(|people| people.roles).unwrap_or_default(),
        state: plan::begun(asked.state()),
        blast,
        others,
        targets: reached
            .into_iter()
            .take(SHOWN)
            .map(|endpoint| {
                let facts = asked.facts.iter().find(|(id, _)| *id == endpoint.id).map(|(_, facts)| facts);
                Target {
                    protected: facts.and_then(|facts| facts.protected.clone()),
                    is_excepted: facts.is_some_and(|facts| facts.is_excepted),
                    is_able: targets::inability(spec, &endpoint).is_none(),
                    problem: problems.iter().find(|problem| problem.endpoint == endpoint.id).cloned(),
                    endpoint,
                }
            })
            .collect(),
        trace: asked.trace,
    })
}

/// What is open there of the same exclusion group.
fn others(tx: &mut Tx<'_>, spec: &Spec, endpoints: &[Endpoint]) -> Result<Vec<Other>, Error> {
    let mut others = Vec::new();
    let Some(group) = spec.exclusion.map(quell_catalog::Exclusion::as_str) else { return Ok(others) };
    for endpoint in endpoints.iter().take(SHOWN) {
        let open = command::open_of_endpoint(tx, endpoint.tenant_id, endpoint.id, OPEN)?;
        let excludes = |row: &Command| row.exclusion.as_deref() == Some(group);
        others.extend(open.into_iter().filter(excludes).map(|row| Other {
            task: row.task_id,
            action: row.action,
            state: row.state,
            endpoint: endpoint.id,
            endpoint_name: endpoint.name.clone(),
        }));
        if others.len() >= OTHERS {
            others.truncate(OTHERS);
            break;
        }
    }
    Ok(others)
}
