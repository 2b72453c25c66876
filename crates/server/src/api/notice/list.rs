//! `GET /notices`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::notice::{self, delivery};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Notice;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export;
use crate::api::query::Listing;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// The most deliveries of a notice that are shown.
const DELIVERIES: i64 = 100;

pub(super) fn route() -> Route {
    permit(Permission::NoticeRead, routes!(list_notices))
}

/// Which notices.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeQuery {
    /// Of this kind.
    kind: Option<String>,
    /// With a delivery in this state: `pending`, `sent`, `held` or `dead`.
    state: Option<String>,
}

/// What was told, newest first
///
/// Kept for sixty days.
#[utoipa::path(get, path = "/notices", tag = "notices", params(NoticeQuery, Turn),
    responses((status = 200, body = Page<Notice>)))]
pub(super) async fn list_notices(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<NoticeQuery>,
) -> Result<Response, Problem> {
    if let Some(state) = &filter.state
        && !["pending", "sent", "held", "dead"].contains(&state.as_str())
    {
        return Err(Problem::new(Code::InvalidQuery, "state: must be pending, sent, held or dead")
            .field("state", "unknown"));
    }
    export::list(turn, &headers, "notices", move |turn| {
        read(app.clone(), caller.tenant, filter.clone(), turn)
    })
    .await
}

async fn read(app: App, tenant: Uuid, filter: NoticeQuery, turn: Turn) -> Result<Page<Notice>, Problem> {
    let page = turn.page(List::Notices)?;
    let (items, next) = app
        .store
        .read(move |tx| {
            let paged = notice::list(tx, tenant, filter.kind.as_deref(), filter.state.as_deref(), page)?;
            let mut items = Vec::with_capacity(paged.rows.len());
            for row in paged.rows {
                let deliveries = delivery::of_notice(tx, tenant, row.id, DELIVERIES)?;
                items.push(Notice::of(row, deliveries));
            }
            Ok::<_, quell_store::Error>((items, paged.next))
        })
        .await?;
    Ok(Page { items, next: next.map(|id| cursor::write(List::Notices, id)) })
}
