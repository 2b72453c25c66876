//! Versions of a tenant's protection: the one place where they are written.

use prost::Message as _;
use quell_store::{Error, Micros, Store, Tx, audit, library, protection as rows, tenant};
use serde_json::json;
use uuid::Uuid;

use super::make::{self, Made};
use super::pack;
use super::rules::Rule;
use super::settings::Settings;
use crate::problem::Problem;

/// Versions that are kept.
const KEPT: i64 = 50;
/// Who makes versions that nobody asked for.
const WHO: &str = "Quell";
/// What writers of one tenant's versions wait for.
const TURN: Uuid = Uuid::from_u128(0x0016_0000_0000_4000_8000_7072_6f74_6563);

/// Settings as they are stored.
pub(crate) fn settings(row: &rows::Version) -> Result<Settings, Problem> {
    serde_json::from_str(&row.settings).map_err(|error| Problem::internal(&error))
}

/// The rules of a version.
pub(crate) fn rules(row: &rows::Version) -> Vec<Rule> {
    serde_json::from_str(&row.rules).unwrap_or_default()
}

/// Lets writers of one tenant's versions go one after another.
pub(crate) fn turn(tx: &mut Tx<'_>, tenant: Uuid) -> Result<(), Error> {
    tx.serialise(tenant, TURN)
}

/// Adds the next version; the newest one where it says and does the same. In a [`turn`].
pub(crate) fn add(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    made: &Made,
    (by, now): (&str, Micros),
) -> Result<(rows::Version, bool), Problem> {
    let before = rows::newest(tx, tenant)?;
    let row = row(tenant, before.as_ref().map_or(1, |before| before.version + 1), made, (by, now))?;
    if let Some(before) = before
        && (&before.settings, before.behaviour, before.yara, &before.rules)
            == (&row.settings, row.behaviour, row.yara, &row.rules)
    {
        return Ok((before, false));
    }
    for body in [&made.behaviour.body, &made.yara.body].into_iter().flatten() {
        library::put_body(tx, tenant, &body.sha256, &body.bytes)?;
    }
    rows::insert(tx, tenant, &row)?;
    rows::forget(tx, tenant, row.version - KEPT)?;
    Ok((row, true))
}

fn row(tenant: Uuid, version: i64, made: &Made, (by, now): (&str, Micros)) -> Result<rows::Version, Problem> {
    let bodies = [made.behaviour.body.as_ref(), made.yara.body.as_ref()];
    let document = made.settings.document(tenant, (version, now), bodies)?;
    let rules: Vec<&Rule> = made.rules().collect();
    let text = |error: serde_json::Error| Problem::internal(&error);
    Ok(rows::Version {
        version,
        settings: serde_json::to_string(&made.settings).map_err(text)?,
        rules: serde_json::to_string(&rules).map_err(text)?,
        pack: pack::MARK.clone(),
        document: document.encode_to_vec(),
        behaviour: bodies[0].map(|body| body.sha256),
        yara: bodies[1].map(|body| body.sha256),
        signature: None,
        key_id: None,
        changed_by: by.to_owned(),
        changed_at: now,
    })
}

/// The same once more under a number that no count of changes reaches, the seconds since 1970: the signer signed a later one
/// than the database has, which was set back to an earlier state.
pub(super) fn begin_anew(tx: &mut Tx<'_>, tenant: Uuid, now: Micros) -> Result<(), Error> {
    turn(tx, tenant)?;
    let Some(newest) = rows::newest(tx, tenant)? else { return Ok(()) };
    let version = (now / 1_000_000).max(newest.version + 1);
    let Ok(mut document) = quell_wire::protection::Protection::read(&newest.document) else { return Ok(()) };
    (document.version, document.made_at_us) = (version.unsigned_abs(), now);
    let again = rows::Version {
        version,
        document: document.encode_to_vec(),
        signature: None,
        key_id: None,
        changed_by: WHO.to_owned(),
        changed_at: now,
        ..newest
    };
    rows::insert(tx, tenant, &again)
}

/// Sees to it that a tenant has a version, and that it has the rules that come with this program. Rules of the tenant's own
/// that do not go together with them keep the version that there is.
pub(crate) async fn ensure(store: &Store, tenant: Uuid, now: Micros) -> Result<(), Problem> {
    let before = store.read(move |tx| rows::newest(tx, tenant)).await?;
    let settings = match &before {
        Some(row) if row.pack == *pack::MARK => return Ok(()),
        Some(row) => settings(row)?,
        None => Settings::default(),
    };
    if before.is_some() && !settings.behaviour.built_in {
        return Ok(());
    }
    let seen = before.map(|row| row.version);
    let made = make::make(store, tenant, settings.clone(), Some(settings)).await?;
    let written = store.write(move |tx| {
        turn(tx, tenant)?;
        // Somebody was faster.
        if rows::newest(tx, tenant)?.map(|row| row.version) != seen {
            return Ok(());
        }
        let (row, is_news) = add(tx, tenant, &made, (WHO, now))?;
        if is_news && seen.is_some() {
            let detail =
                json!({ "version": row.version, "why": "the rules that come with the program changed" });
            let record = audit::Record {
                tenant_id: tenant,
                id: Uuid::now_v7(),
                at: now,
                actor_kind: "system".to_owned(),
                actor_id: "protection".to_owned(),
                actor_name: WHO.to_owned(),
                verb: "protection.renew".to_owned(),
                object_kind: "protection".to_owned(),
                object_id: "protection".to_owned(),
                outcome: "ok".to_owned(),
                detail: detail.to_string(),
                request_id: None,
                remote: None,
            };
            audit::append(tx, &record)?;
        }
        Ok::<_, Problem>(())
    });
    written.await
}

/// [`ensure`] for every tenant.
pub(crate) async fn ensure_all(store: &Store, now: Micros) -> Result<(), Error> {
    for tenant in store.read(tenant::list).await? {
        if let Err(problem) = ensure(store, tenant.id, now).await {
            tracing::warn!(tenant.id = %tenant.id, ?problem, "the protection keeps the version that it has");
        }
    }
    Ok(())
}
