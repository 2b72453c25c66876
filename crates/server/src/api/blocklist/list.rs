//! `GET /blocklist/objects`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_catalog::blocklist::{Action, Kind, RiskLevel};
use quell_store::blocklist as rows;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::BlockedObject;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::{Listing, looked_for, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

pub(super) fn route() -> Route {
    permit(Permission::BlocklistRead, routes!(list_block_list))
}

/// Which objects.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// `sha1`, `sha256`, `ip`, `domain`, `url` or `sender`.
    kind: Option<String>,
    /// `block` or `log`.
    action: Option<String>,
    /// `low`, `medium` or `high`.
    risk: Option<String>,
    /// With this text in the value or the note, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
    /// Listed by this task, whoever else listed it.
    task: Option<String>,
    /// Listed last by somebody of this name.
    added_by: Option<String>,
    /// That expire within so many days.
    expires_in_days: Option<u32>,
}

impl Filter {
    pub(super) fn read(self, now: i64) -> Result<rows::Filter, Problem> {
        let one = |name: &'static str, text: Option<String>, number: fn(&str) -> Option<i32>| {
            text.map(|text| number(&text).map(i64::from).ok_or_else(|| unknown(name))).transpose()
        };
        Ok(rows::Filter {
            kind: one("kind", self.kind, |text| Kind::parse(text).map(Kind::number))?,
            action: one("action", self.action, |text| Action::parse(text).map(Action::number))?,
            risk: one("risk", self.risk, |text| RiskLevel::parse(text).map(RiskLevel::number))?,
            text: looked_for(self.text)?.filter(|text| !text.is_empty()),
            task: self.task.map(|id| parse_id(&id).ok_or_else(|| unknown("task"))).transpose()?,
            added_by: self.added_by,
            expires_before: self.expires_in_days.map(|days| now.saturating_add(i64::from(days) * DAY_US)),
        })
    }
}

fn unknown(name: &'static str) -> Problem {
    Problem::new(Code::InvalidQuery, format!("{name}: there is no such value")).field(name, "unknown value")
}

/// Objects of the block list, newest first
#[utoipa::path(get, path = "/blocklist/objects", tag = "block list", params(Turn, Filter),
    responses((status = 200, body = Page<BlockedObject>)))]
pub(super) async fn list_block_list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let filter = filter.read(app.now())?;
    export::list(turn, &headers, "block-list", move |turn| {
        read(app.clone(), caller.tenant, filter.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    filter: rows::Filter,
    turn: Turn,
) -> Result<Page<BlockedObject>, Problem> {
    let page = turn.page(List::Blocked)?;
    let paged = app.store.read(move |tx| rows::list(tx, tenant, &filter, page)).await?;
    Ok(Page::of(List::Blocked, paged, BlockedObject::of))
}
