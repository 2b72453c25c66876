//! `GET` and `PUT /blocklist/exceptions`: what is never blocked, whoever lists it.

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use quell_access::Reach;
use quell_catalog::blocklist::{Kind, Value};
use quell_store::{audit, blocklist as rows};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::kind;
use crate::api::approval_policy::tag::{self, IfMatch};
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::blocklist::change::{self, Change};
use crate::blocklist::protect::MOST;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Bytes of a reason.
const REASON: usize = 500;
/// The shortest prefixes of a network that is never blocked, of IPv4 and of IPv6: the private ones have them.
const WIDEST: (u8, u8) = (8, 7);

pub(super) fn show() -> Route {
    permit(Permission::BlocklistRead, routes!(show_block_list_exceptions))
}

pub(super) fn set() -> Route {
    permit(Permission::BlocklistManage, routes!(set_block_list_exceptions))
}

/// What is never blocked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Exceptions {
    /// All of them.
    items: Vec<Exception>,
    /// Whether agents can have the list as it is now. Where it is not signed, they keep an older one until it is.
    published: bool,
}

/// What is never blocked, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Exception {
    /// What it is.
    kind: &'static str,
    /// Which.
    value: String,
    /// Why.
    reason: String,
    /// Who said so.
    added_by: String,
    /// When.
    #[schema(format = DateTime)]
    added_at: String,
}

/// All exceptions, as they are to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewExceptions {
    /// At most 1000.
    #[schema(max_items = 1000)]
    items: Vec<NewException>,
}

/// What is never to be blocked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewException {
    /// A SHA-1, SHA-256, address, network, domain (with `*.` before it: and every name below it), URL or mail address.
    #[schema(max_length = 4096)]
    value: String,
    /// What it is; told from its look where absent.
    #[schema(value_type = Option<String>)]
    kind: Option<Kind>,
    /// Why; people read it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What is never blocked
#[utoipa::path(get, path = "/blocklist/exceptions", tag = "block list",
    responses((status = 200, body = Exceptions, headers(("ETag" = String, description = "Of the exceptions, for `If-Match`")))))]
pub(super) async fn show_block_list_exceptions(
    State(app): State<App>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let tenant = caller.tenant;
    let read = app
        .store
        .read(move |tx| Ok::<_, Problem>((rows::exceptions(tx, tenant)?, rows::state(tx, tenant)?.version)));
    let (rows, version) = read.await?;
    let published = app.block_lists.newest(tenant).version == version.unsigned_abs();
    Ok((tag::header(&tag_of(&rows)?), Json(Exceptions::of(rows, published))))
}

/// Change what is never blocked
///
/// Takes the whole list. An object that is listed and lies within an exception is no longer blocked, on any endpoint, from the
/// version on that this makes; it stays listed, and counts again when the exception goes. For who reaches every endpoint: the
/// list is one for all. With `If-Match` nothing is changed where the exceptions are others than those that were read.
#[utoipa::path(put, path = "/blocklist/exceptions", tag = "block list", request_body = NewExceptions,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the exceptions that are changed")),
    responses((status = 200, body = Exceptions, headers(("ETag" = String, description = "Of the exceptions, for `If-Match`")))))]
pub(super) async fn set_block_list_exceptions(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(wanted): Json<NewExceptions>,
) -> Result<impl IntoResponse, Problem> {
    let tenant = caller.tenant;
    if caller.access().reach(Permission::BlocklistManage, None) != Reach::All {
        let detail = "what is never blocked holds on every endpoint, and your roles reach some alone";
        return Err(Problem::new(Code::Forbidden, detail).hint(
            "A role with blocklist.manage and without tags is needed; `quell whoami` shows what yours reach.",
        ));
    }
    let seen = IfMatch::read(&headers)?;
    let wanted = wanted.read()?;
    let now = app.now();
    let written = app.store.write(move |tx| {
        let before = rows::exceptions(tx, tenant)?;
        seen.check(Some(&tag_of(&before)?), "the exceptions")?;
        let mut changes = Vec::new();
        for row in &before {
            if let Some(value) = change::value(row.kind, &row.value)
                && !wanted.iter().any(|(kept, _)| *kept == value)
            {
                changes.push(Change::Unexcept { value });
            }
        }
        for (value, reason) in &wanted {
            let (kind, bytes) = change::key(value);
            let is_known =
                before.iter().any(|row| row.kind == kind && row.value == bytes && row.reason == *reason);
            if !is_known {
                changes.push(Change::Except(Box::new(rows::Exception {
                    kind,
                    value: bytes,
                    shown: value.to_string(),
                    reason: reason.clone(),
                    added_by: caller.identity.name.clone(),
                    added_at: now,
                })));
            }
        }
        change::make(tx, tenant, &changes, "exceptions", now)?;
        let shown = |rows: &[rows::Exception]| {
            rows.iter().map(|row| json!({ "value": row.shown, "reason": row.reason })).collect::<Vec<_>>()
        };
        let after = rows::exceptions(tx, tenant)?;
        let detail = json!({ "before": shown(&before), "after": shown(&after) });
        audit::append(tx, &caller.record(now, "blocklist.except", "block_list", "exceptions", &detail))?;
        Ok::<_, Problem>(after)
    });
    let after = written.await?;
    // It is written; where it cannot be published now, it is as soon as it can.
    let published = app.block_lists.publish(tenant).await.inspect_err(|error| {
        tracing::warn!(error = error as &dyn std::error::Error, "exceptions are not published yet");
    });
    Ok((tag::header(&tag_of(&after)?), Json(Exceptions::of(after, published.is_ok()))))
}

/// The tag of all exceptions.
fn tag_of(rows: &[rows::Exception]) -> Result<String, Problem> {
    tag::of(&rows.iter().map(|row| (row.kind, &row.value, &row.reason)).collect::<Vec<_>>())
}

impl NewExceptions {
    fn read(self) -> Result<Vec<(Value, String)>, Problem> {
        if self.items.len() > MOST {
            return Err(Problem::bad_field("items", format!("more than {MOST}")));
        }
        let mut wanted: Vec<(Value, String)> = Vec::with_capacity(self.items.len());
        for (index, item) in self.items.into_iter().enumerate() {
            let value = Value::parse(item.kind, &item.value)
                .map_err(|unfit| Problem::bad_field(format!("items[{index}].value"), unfit.0))?;
            if let Value::Ip(network) = &value
                && network.prefix() < if network.address().is_ipv4() { WIDEST.0 } else { WIDEST.1 }
            {
                let problem = "wider than /8 (IPv4) or /7 (IPv6): it would end most of the list";
                return Err(Problem::bad_field(format!("items[{index}].value"), problem));
            }
            let reason = item.reason.trim();
            if reason.is_empty() || reason.len() > REASON || !quell_catalog::is_clean_text(reason) {
                let problem = format!("must be 1 to {REASON} bytes without control characters");
                return Err(Problem::bad_field(format!("items[{index}].reason"), problem));
            }
            if wanted.iter().any(|(known, _)| *known == value) {
                return Err(Problem::bad_field(format!("items[{index}].value"), "is there twice"));
            }
            wanted.push((value, reason.to_owned()));
        }
        Ok(wanted)
    }
}

impl Exceptions {
    fn of(rows: Vec<rows::Exception>, published: bool) -> Self {
        let items = rows.into_iter().map(|row| Exception {
            kind: kind(row.kind),
            value: row.shown,
            reason: row.reason,
            added_by: row.added_by,
            added_at: time::text(row.added_at),
        });
        Self { items: items.collect(), published }
    }
}
