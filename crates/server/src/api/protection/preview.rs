//! `POST /protection/preview`: what other settings would do.

use std::collections::BTreeMap;

use axum::extract::State;
use quell_store::{Error, Micros, Tx, protection};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::set::MOST;
use super::{RuleCounts, show};
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::protection::make::{self, Made};
use crate::protection::rules::Rule;
use crate::protection::settings::{Mode, Settings};
use crate::protection::version;
use crate::state::App;

/// Rules that are named.
const NAMED: usize = 500;
/// How far back hits are counted, microseconds: seven days.
const BACK: Micros = 7 * 24 * 3600 * 1_000_000;

pub(super) fn route() -> Route {
    permit(Permission::ProtectionWrite, routes!(preview_protection))
}

/// What other settings would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProtectionPreview {
    /// The settings as they would be stored: sets of rules with their versions.
    settings: Settings,
    /// Whether they say something else than what holds.
    changes: bool,
    /// Rules that would be in force.
    rules: RuleCounts,
    /// Rules that would come into force; at most 500 are named.
    added: Vec<Rule>,
    /// Rules that would go out of force; at most 500 are named.
    removed: Vec<Rule>,
    /// Modes that would change.
    modes: Vec<ModeChange>,
    /// Rules whose hits would be prevented and are not now; at most 500 are named.
    would_prevent: Vec<WouldPrevent>,
    /// Hits of the last seven days by those rules: each would have ended a program, or kept it from starting.
    hits: u64,
    /// Rules whose hits are prevented now and would not be.
    would_not_prevent: usize,
    /// Exclusions that would come, and that would go.
    exclusions: ExclusionChange,
    /// Active endpoints.
    endpoints: usize,
    /// Those of them that say that they cannot prevent.
    cannot_prevent: usize,
}

/// A mode that would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProtectionModeChange)]
pub(super) struct ModeChange {
    /// `block_list`, `behaviour` or `yara`.
    source: &'static str,
    #[schema(value_type = String)]
    before: Mode,
    #[schema(value_type = String)]
    after: Mode,
}

/// A rule whose hits would be prevented.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WouldPrevent {
    #[serde(flatten)]
    rule: Rule,
    /// Its hits of the last seven days.
    hits: u64,
}

/// Exclusions that would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProtectionExclusionChange)]
pub(super) struct ExclusionChange {
    added: usize,
    removed: usize,
}

/// See what other settings would do
///
/// Compiles the rules as `PUT /protection` does, and refuses what that refuses; changes nothing.
#[utoipa::path(post, path = "/protection/preview", tag = "protection", request_body = Settings,
    responses((status = 200, body = ProtectionPreview)))]
pub(super) async fn preview_protection(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(wanted): JsonUpTo<Settings, MOST>,
) -> Result<Json<ProtectionPreview>, Problem> {
    let tenant = caller.tenant;
    let before = show::stored(&app, tenant).await?;
    let made = make::make(&app.store, tenant, wanted, Some(before.settings.clone())).await?;
    // What would be stored must fit a document, too.
    let bodies = [made.behaviour.body.as_ref(), made.yara.body.as_ref()];
    made.settings.document(tenant, (before.row.version + 1, app.now()), bodies)?;
    let since = app.now().saturating_sub(BACK);
    let hits = app.store.read(move |tx| hits(tx, tenant, since)).await?;
    let coverage = app.protections.coverage(tenant).await?;
    let rules = version::rules(&before.row);
    let mut preview = ProtectionPreview::of((&before.settings, &rules), &made, &hits);
    preview.endpoints = coverage.total;
    preview.cannot_prevent = coverage.cannot_prevent;
    Ok(Json(preview))
}

/// Hits by source and rule.
type Hits = BTreeMap<(String, String), u64>;

fn hits(tx: &mut Tx<'_>, tenant: Uuid, since: Micros) -> Result<Hits, Error> {
    let counted = protection::hits(tx, tenant, since)?.into_iter();
    Ok(counted.map(|(source, rule, count)| ((source, rule), count.unsigned_abs())).collect())
}

impl ProtectionPreview {
    fn of((before, rules): (&Settings, &[Rule]), made: &Made, hits: &Hits) -> Self {
        let after = &made.settings;
        let by_id = |rules: Vec<Rule>| -> BTreeMap<(String, String), Rule> {
            rules.into_iter().map(|rule| ((rule.source.clone(), rule.id.clone()), rule)).collect()
        };
        let (old, new) = (by_id(rules.to_vec()), by_id(made.rules().cloned().collect()));
        let is_on =
            |rules: &BTreeMap<(String, String), Rule>, key| rules.get(key).is_some_and(|rule| rule.enabled);
        let mut preview = Self {
            changes: before != after,
            rules: RuleCounts::default(),
            added: Vec::new(),
            removed: Vec::new(),
            modes: changed_modes(before, after),
            would_prevent: Vec::new(),
            hits: 0,
            would_not_prevent: 0,
            exclusions: ExclusionChange {
                added: after.exclusions.iter().filter(|one| !before.exclusions.contains(one)).count(),
                removed: before.exclusions.iter().filter(|one| !after.exclusions.contains(one)).count(),
            },
            endpoints: 0,
            cannot_prevent: 0,
            settings: after.clone(),
        };
        for (key, rule) in &new {
            preview.rules.count(rule, after);
            if rule.enabled && !is_on(&old, key) && preview.added.len() < NAMED {
                preview.added.push(rule.clone());
            }
            let prevented = old.get(key).is_some_and(|old| before.prevents(old));
            if after.prevents(rule) && !prevented {
                let hits = hits.get(key).copied().unwrap_or(0);
                preview.hits += hits;
                if preview.would_prevent.len() < NAMED {
                    preview.would_prevent.push(WouldPrevent { rule: rule.clone(), hits });
                }
            }
        }
        for (key, rule) in &old {
            if rule.enabled && !is_on(&new, key) && preview.removed.len() < NAMED {
                preview.removed.push(rule.clone());
            }
            let goes_on = new.get(key).is_some_and(|new| after.prevents(new));
            preview.would_not_prevent += usize::from(before.prevents(rule) && !goes_on);
        }
        // Another body of the same rules is a change, too.
        preview.changes |= !preview.added.is_empty() || !preview.removed.is_empty();
        preview.would_prevent.sort_by_key(|rule| std::cmp::Reverse(rule.hits));
        preview
    }
}

fn changed_modes(before: &Settings, after: &Settings) -> Vec<ModeChange> {
    let both = before.modes.each().into_iter().zip(after.modes.each());
    both.filter(|((.., before), (.., after))| before != after)
        .map(|((source, _, before), (.., after))| ModeChange { source, before, after })
        .collect()
}
