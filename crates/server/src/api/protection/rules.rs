//! `GET /protection/rules`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::show;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::protection::rules::Rule;
use crate::protection::settings::{Mode, Settings};
use crate::protection::version;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ProtectionRead, routes!(list_protection_rules))
}

/// The rules.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProtectionRules {
    /// The version that has them.
    version: i64,
    /// Behaviour rules, then YARA rules; of each at most 5000.
    items: Vec<RuleInForce>,
}

/// A rule, and what is done about its hits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct RuleInForce {
    #[serde(flatten)]
    rule: Rule,
    /// `off`, `detect` or `prevent`.
    #[schema(value_type = String)]
    mode: Mode,
    /// Exclusions for it alone.
    exclusions: usize,
}

impl RuleInForce {
    pub fn of(rule: Rule, settings: &Settings) -> Self {
        let is_its = |named: &Option<String>| named.as_ref() == Some(&rule.id);
        let exclusions = settings.exclusions.iter().filter(|one| is_its(&one.rule)).count();
        Self { mode: settings.mode_of(&rule), exclusions, rule }
    }
}

/// The rules by which endpoints detect
///
/// Those that are disabled too. What is done about a hit follows from the mode of the source and the severity of the rule.
#[utoipa::path(get, path = "/protection/rules", tag = "protection",
    responses((status = 200, body = ProtectionRules)))]
pub(super) async fn list_protection_rules(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ProtectionRules>, Problem> {
    let stored = show::stored(&app, caller.tenant).await?;
    let rules = version::rules(&stored.row).into_iter();
    let items = rules.map(|rule| RuleInForce::of(rule, &stored.settings)).collect();
    Ok(Json(ProtectionRules { version: stored.row.version, items }))
}
