//! What is detected on the chain of an incident that a person closed as nothing: the same rule on the same object was judged,
//! and disturbs nobody again. Anything else was not, and opens the incident again.

use std::collections::HashSet;

use quell_engine::Change;
use quell_store::chain::Chain;
use quell_store::detection::{self, Detection};
use quell_store::incident::{self, Incident, group};
use quell_store::{Error, Tx};

use super::{DETECTIONS, detected, news};

/// Whether all of this was judged when the incident was closed.
pub(super) fn is_judged(tx: &mut Tx<'_>, of: &Incident, told: &[Detection]) -> Result<bool, Error> {
    let is_nothing = matches!(of.resolution.as_deref(), Some("false_positive" | "benign"));
    if of.state != "closed" || !is_nothing {
        return Ok(false);
    }
    let known = detection::objects(tx, of.tenant_id, of.id, DETECTIONS)?;
    let rules: HashSet<(&str, &str)> =
        known.iter().map(|one| (one.source.as_str(), one.rule.as_str())).collect();
    let is_known = |found: &Detection| {
        rules.contains(&(found.source.as_str(), found.rule.as_str()))
            && known.iter().any(|one| is_same(one, found))
    };
    Ok(told.iter().all(is_known))
}

/// Whether a rule hit on an object that it hit on before. Another content at the same place is another object.
fn is_same(one: &detection::Object, found: &Detection) -> bool {
    let is_content = one.sha256.as_ref().zip(found.sha256.as_ref()).is_none_or(|(before, now)| before == now);
    let is_place = match &found.path {
        Some(path) => one.path.as_ref() == Some(path),
        // Where there is no file, it is known by who did it.
        None => one.path.is_none() && one.user_name == found.user_name,
    };
    one.source == found.source && one.rule == found.rule && is_content && is_place
}

/// Keeps what was judged beside what it is the same as. The incident stays as it is.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    row: &Chain,
    (mut of, told): (Incident, &[Detection]),
) -> Result<Vec<Change>, Error> {
    let what = of.resolution.as_deref().unwrap_or_default().replace('_', " ");
    let why = format!("the same rule hit on the same object before, and that was closed as {what}");
    detection::join_chain(tx, (row.tenant_id, row.id), of.id, Some(&why))?;
    let last_at = told.iter().map(|found| found.at).max().unwrap_or_default();
    of.last_at = of.last_at.max(last_at);
    of.detections = (of.detections + told.len() as i64).min(DETECTIONS);
    incident::grow(tx, &of)?;
    group::put_member(tx, (row.tenant_id, of.id), row.endpoint_id, told.len() as i64, last_at)?;
    let of_each = |found: &Detection| detected(row.tenant_id, found.id, Some(of.id), found.severity);
    Ok(std::iter::once(news(&of)).chain(told.iter().map(of_each)).collect())
}
