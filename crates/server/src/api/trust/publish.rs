//! `PUT /trust`.

use axum::extract::State;
use quell_store::{Error as StoreError, Tx, audit, trust};
use quell_wire::trust::{Error, Pinned, SignedTrustBundle, TrustBundle};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{TrustState, signed};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TrustManage, routes!(publish_trust))
}

/// A trust bundle to hand on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTrust {
    /// The bundle with its signature, as `quell trust` wrote it.
    #[schema(content_encoding = "base64")]
    bundle: String,
    /// Whether it takes the place of a bundle that it does not follow, since the root before is lost. Endpoints that pinned
    /// that root do not take it; they are pinned or enrolled anew.
    #[serde(default)]
    replace: bool,
}

/// Hand on what the tenant's offline root signed
///
/// The bundle must be signed by the root that it names, for this tenant; after the first, by the root that the one before
/// names, with a higher serial. Endpoints that are connected get it at once, and check the same again by what they pinned:
/// those that pinned nothing take nothing. Enrolment tokens made from now on tell new endpoints what to pin.
#[utoipa::path(put, path = "/trust", tag = "trust", request_body = NewTrust, responses((status = 200, body = TrustState)))]
pub(super) async fn publish_trust(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewTrust>,
) -> Result<Json<TrustState>, Problem> {
    let signed = SignedTrustBundle::from_text(&wanted.bundle)
        .ok_or_else(|| Problem::bad_field("bundle", "is no signed trust bundle in base64"))?;
    let (now, tenant) = (app.now(), caller.tenant);
    let taken = app.store.write(move |tx| take(tx, &caller, &signed, wanted.replace, now)).await?;
    let row = taken.map_err(refused)?;
    // Committed: whoever fails from here on, the next look finds it.
    app.trusts.look(&app.store, &app.sessions).await?;
    TrustState::of(tenant, Some(&row))
}

fn refused(error: Error) -> Problem {
    let text = format!("{error} ({})", error.code());
    match error {
        Error::Stale | Error::OtherRoot => Problem::new(Code::Conflict, text)
            .hint("`quell trust show --server` says which root and serial the server has."),
        Error::Malformed | Error::Limit(_) | Error::Signature | Error::OtherTenant | Error::Missing => {
            Problem::bad_field("bundle", text)
        }
    }
}

fn take(
    tx: &mut Tx<'_>,
    caller: &Caller,
    fresh: &SignedTrustBundle,
    replace: bool,
    now: i64,
) -> Result<Result<trust::Bundle, Error>, StoreError> {
    let before = trust::newest(tx, caller.tenant)?;
    if let Some(row) = before.as_ref().filter(|row| signed(row) == *fresh) {
        return Ok(Ok(row.clone()));
    }
    let bundle = match check(caller.tenant, before.as_ref().filter(|_| !replace), fresh) {
        Ok(bundle) => bundle,
        Err(error) => return Ok(Err(error)),
    };
    let row = trust::Bundle {
        tenant_id: caller.tenant,
        serial: i64::try_from(bundle.serial).unwrap_or(i64::MAX),
        bundle: fresh.bundle.clone(),
        signature: fresh.signature.clone(),
        key_id: fresh.key_id.clone(),
        rotates: !bundle.next_root.is_empty(),
        published_by: caller.name().to_owned(),
        published_at: now,
    };
    let replaced = before.filter(|_| replace);
    if replaced.is_some() {
        trust::clear(tx, caller.tenant)?;
    }
    trust::add(tx, &row)?;
    let detail = detail(&bundle, &row, replaced.as_ref());
    audit::append(tx, &caller.record(now, "trust.publish", "trust", &row.serial.to_string(), &detail))?;
    Ok(Ok(row))
}

/// What the trail says of it.
fn detail(bundle: &TrustBundle, row: &trust::Bundle, replaced: Option<&trust::Bundle>) -> Value {
    let rules = bundle.rules.iter().map(|rule| json!({ "actions": rule.actions, "quorum": rule.quorum }));
    json!({
        "serial": bundle.serial,
        "root": row.key_id,
        "rotates": row.rotates,
        "keys": bundle.keyring.len(),
        "rules": rules.collect::<Vec<_>>(),
        "replaces": replaced.map(|row| json!({ "root": row.key_id, "serial": row.serial })),
    })
}

/// The rules of acceptance of an endpoint, but that the first root is believed: the server is no party to what it hands on.
fn check(
    tenant: Uuid,
    before: Option<&trust::Bundle>,
    fresh: &SignedTrustBundle,
) -> Result<TrustBundle, Error> {
    let tenant = tenant.to_string();
    let pinned = match before {
        Some(before) => Pinned::kept(&tenant, signed(before))?.accept(fresh)?,
        None => Pinned::kept(&tenant, fresh.clone())?,
    };
    Ok(pinned.bundle().clone())
}
