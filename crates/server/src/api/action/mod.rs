//! The catalogue, as the API shows it.

mod list;
mod show;

use quell_catalog::{ActionKind, Secret, System};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::route::Route;

/// The routes of the catalogue.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), show::route()]
}

/// An action: what is the same for every request of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Action {
    /// `<group>.<verb>`.
    #[schema(example = "endpoint.isolate")]
    id: &'static str,
    /// Raised when parameters or meaning change.
    revision: u32,
    /// The name for people.
    title: &'static str,
    /// What it does and what proves it.
    summary: &'static str,
    /// What it points at: `endpoint` or `service`.
    target: Value,
    /// Systems whose agents carry it out: `linux`, `windows`, `macos`. None where it points at a service.
    systems: Vec<Value>,
    /// `read_only`, `reversible`, `piecewise` (changes something where the parameters ask for that alone, and is taken back
    /// piece by piece, a request for each) or `irreversible`.
    effect: &'static str,
    /// The action that undoes it, or each piece of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<&'static str>,
    /// `low`, `medium` or `high`.
    risk: Value,
    /// Who may ask for it, whatever a role allows: `anyone`, or `operations` for an outside operations team alone.
    #[schema(value_type = String)]
    requesters: Value,
    /// The requester confirms with their own password.
    step_up: bool,
    /// Seconds that it may take on the target where the request says nothing.
    time_limit_default_s: u32,
    /// Seconds that it may take at most.
    time_limit_max_s: u32,
    /// Secrets that its orders carry, which can be asked for: `archive_password`, `release_code`.
    secrets: Vec<&'static str>,
    /// MITRE D3FEND technique.
    #[serde(skip_serializing_if = "Option::is_none")]
    d3fend: Option<&'static str>,
}

/// An action with the schemas of what goes in and what comes out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionWithSchemas {
    #[serde(flatten)]
    action: Action,
    /// JSON Schema (2020-12) of its parameters.
    #[schema(value_type = Object)]
    params_schema: Value,
    /// JSON Schema (2020-12) of its outcome.
    #[schema(value_type = Object)]
    outcome_schema: Value,
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl Action {
    fn of(kind: ActionKind) -> Self {
        let spec = kind.spec();
        Self {
            id: spec.id,
            revision: spec.revision,
            title: spec.title,
            summary: spec.summary,
            target: json(&spec.target),
            systems: spec.systems().iter().map(|system: &System| json(system)).collect(),
            effect: spec.effect.as_str(),
            undone_by: spec.effect.undone_by(),
            risk: json(&spec.risk),
            requesters: json(&kind.requesters()),
            step_up: spec.step_up,
            time_limit_default_s: spec.time_limit.default_s,
            time_limit_max_s: spec.time_limit.max_s,
            secrets: spec.secrets.iter().map(|secret: &Secret| secret.as_str()).collect(),
            d3fend: spec.d3fend,
        }
    }
}

impl ActionWithSchemas {
    fn of(kind: ActionKind) -> Self {
        let declared = kind.declared();
        Self {
            action: Action::of(kind),
            params_schema: (declared.params_schema)(),
            outcome_schema: (declared.outcome_schema)(),
        }
    }
}
