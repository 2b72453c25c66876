//! `PUT /protection`.

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use quell_store::{audit, protection as rows};
use serde_json::json;
use utoipa_axum::routes;

use super::{Protection, Stored, reaches_all, show, tag_of};
use crate::api::approval_policy::tag::{self, IfMatch};
use crate::api::body::Json;
use crate::api::body::JsonUpTo;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::protection::make::{self, Made};
use crate::protection::settings::Settings;
use crate::protection::version;
use crate::state::App;

/// Bytes of settings: 500 exclusions at their longest make a document that is too long first.
pub(super) const MOST: usize = 4 << 20;

pub(super) fn route() -> Route {
    permit(Permission::ProtectionWrite, routes!(set_protection))
}

/// Change what is recorded, detected and prevented
///
/// Takes the settings as a whole. All rules are compiled first, as agents compile them: one that does not is refused with its set
/// and line, and nothing changes. Then the document is signed and handed to the agents; `published` says whether it was. Settings
/// that say what holds already make no new version. For who reaches every endpoint: the document is one for all. With `If-Match`
/// nothing is changed where the settings are others than those that were read.
#[utoipa::path(put, path = "/protection", tag = "protection", request_body = Settings,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the settings that are changed")),
    responses((status = 200, body = Protection, headers(("ETag" = String, description = "Of the settings, for `If-Match`")))))]
pub(super) async fn set_protection(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonUpTo(wanted): JsonUpTo<Settings, MOST>,
) -> Result<impl IntoResponse, Problem> {
    reaches_all(&caller)?;
    let seen = IfMatch::read(&headers)?;
    let tenant = caller.tenant;
    let before = show::stored(&app, tenant).await?;
    // Before the work; it is looked at again where it counts.
    seen.check(Some(&before.tag()?), WHAT)?;
    let made = make::make(&app.store, tenant, wanted, Some(before.settings)).await?;
    let now = app.now();
    let written = app.store.write(move |tx| {
        version::turn(tx, tenant)?;
        let before = rows::newest(tx, tenant)?;
        seen.check(before.as_ref().map(tag_of).transpose()?.as_deref(), WHAT)?;
        let (row, is_news) = version::add(tx, tenant, &made, (caller.name(), now))?;
        if is_news {
            let before = before.as_ref().map(version::settings).transpose()?;
            let detail = detail(row.version, before.as_ref(), &made);
            audit::append(tx, &caller.record(now, "protection.set", "protection", "protection", &detail))?;
        }
        Ok::<_, Problem>(())
    });
    written.await?;
    if let Err(error) = app.protections.publish(tenant).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error, tenant.id = %tenant,
            "a protection document is not published yet"
        );
    }
    let stored: Stored = show::stored(&app, tenant).await?;
    Ok((tag::header(&stored.tag()?), Json::<Protection>(stored.view(&app, tenant).await?)))
}

const WHAT: &str = "the protection";

/// What the trail says: lists that did not change are told by their length.
fn detail(version: i64, before: Option<&Settings>, made: &Made) -> serde_json::Value {
    let after = &made.settings;
    let same = before.is_some_and(|before| before.exclusions == after.exclusions);
    let told = |settings: &Settings| {
        let mut told = json!(settings);
        if same || settings.exclusions.len() > 100 {
            told["exclusions"] = json!(settings.exclusions.len());
        }
        told
    };
    json!({
        "version": version, "before": before.map(told), "after": told(after),
        "rules": made.rules().filter(|rule| rule.enabled).count(),
    })
}
