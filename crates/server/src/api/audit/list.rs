//! `GET /audit`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::audit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::ocsf::Event;
use crate::api::cursor::{List, Page, Turn};
use crate::api::endpoint::stored_json;
use crate::api::export::{self, Cells};
use crate::api::query::{Listing, looked_for};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::AuditRead, routes!(list_audit))
}

/// One record of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRecord {
    /// Orders the trail.
    #[schema(format = Uuid)]
    id: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `api_key`, `endpoint`, `system`.
    actor_kind: String,
    /// Which.
    actor_id: String,
    /// Its name at that time.
    actor_name: String,
    /// What was done, `task.submit`.
    verb: String,
    /// What kind of object it was done to.
    object_kind: String,
    /// Which.
    object_id: String,
    /// `ok`, or why it was refused.
    outcome: String,
    /// What else is known; redacted.
    detail: Value,
    /// The request that caused it.
    request_id: Option<String>,
    /// The address it came from.
    remote: Option<String>,
}

/// Which records.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// About the object of this id.
    object: Option<String>,
    /// By the actor of this id.
    actor: Option<String>,
    /// Of this verb.
    verb: Option<String>,
    /// Not before this time.
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
    /// With this text in the actor's name, the verb, the object, the outcome, the detail, the address or the request's id,
    /// upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
}

/// The audit trail, newest first
///
/// With `format=ocsf` everything comes as events of the Open Cybersecurity Schema Framework 1.6 (class API Activity), one JSON
/// object a line.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Turn, Filter),
    responses((status = 200, body = Page<AuditRecord>)))]
async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let span = Span {
        since: time::parse("since", filter.since.as_deref())?,
        until: time::parse("until", filter.until.as_deref())?,
    };
    let text = looked_for(filter.text)?;
    let filter = audit::Filter { object_id: filter.object, actor_id: filter.actor, verb: filter.verb };
    let wanted = Wanted { tenant: caller.tenant, filter, text };
    if turn.format.as_deref() == Some("ocsf") {
        let turn = Turn { format: Some("jsonl".to_owned()), ..turn };
        let fetch = move |turn| read(app.clone(), wanted.clone(), span, turn, |row| Event::of(&row));
        return export::list(turn, &headers, "audit-ocsf", fetch).await;
    }
    let fetch = move |turn| read(app.clone(), wanted.clone(), span, turn, AuditRecord::of);
    export::list(turn, &headers, "audit", fetch).await
}

/// The filter as it was read.
#[derive(Clone, Debug)]
struct Wanted {
    tenant: Uuid,
    filter: audit::Filter,
    text: Option<String>,
}

impl Wanted {
    fn keeps(&self, row: &audit::Record) -> bool {
        let Some(text) = &self.text else { return true };
        let parts = [&row.actor_name, &row.verb, &row.object_kind, &row.object_id, &row.outcome, &row.detail];
        let holds = |held: &String| held.to_lowercase().contains(text);
        let known = [&row.remote, &row.request_id];
        parts.into_iter().any(holds) || known.into_iter().flatten().any(holds)
    }
}

async fn read<T>(
    app: App,
    wanted: Wanted,
    span: Span,
    turn: Turn,
    view: impl FnMut(audit::Record) -> T,
) -> Result<Page<T>, Problem> {
    let page = turn.page(List::Audit)?;
    let paged = app
        .store
        .read(move |tx| {
            scan(
                page,
                span,
                |row: &audit::Record| row.at,
                |row| row.id,
                |row| wanted.keeps(row),
                |page| audit::list(tx, wanted.tenant, &wanted.filter, page),
            )
        })
        .await?;
    Ok(Page::of(List::Audit, paged, view))
}

impl AuditRecord {
    fn of(row: audit::Record) -> Self {
        Self {
            id: row.id.to_string(),
            at: time::text(row.at),
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            verb: row.verb,
            object_kind: row.object_kind,
            object_id: row.object_id,
            outcome: row.outcome,
            detail: stored_json(&row.detail),
            request_id: row.request_id,
            remote: row.remote,
        }
    }
}

impl Cells for AuditRecord {
    const COLUMNS: &'static [&'static str] = &[
        "at",
        "actor_kind",
        "actor_id",
        "actor_name",
        "verb",
        "object_kind",
        "object_id",
        "outcome",
        "detail",
        "request_id",
        "remote",
        "id",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.at.clone(),
            self.actor_kind.clone(),
            self.actor_id.clone(),
            self.actor_name.clone(),
            self.verb.clone(),
            self.object_kind.clone(),
            self.object_id.clone(),
            self.outcome.clone(),
            self.detail.to_string(),
            self.request_id.clone().unwrap_or_default(),
            self.remote.clone().unwrap_or_default(),
            self.id.clone(),
        ]
    }
}
