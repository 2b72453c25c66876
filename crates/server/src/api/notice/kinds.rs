//! `GET /notices/kinds`.

use quell_notify::Kind;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, signed_in};

pub(super) fn route() -> Route {
    signed_in(routes!(list_notice_kinds))
}

/// A kind of notice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticeKind {
    /// Its name, for settings and filters.
    name: &'static str,
    /// When it is told.
    about: &'static str,
    /// Its `type` in the body of a webhook.
    event: &'static str,
}

/// All kinds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticeKinds {
    items: Vec<NoticeKind>,
}

/// Of what Quell tells people and systems
#[utoipa::path(get, path = "/notices/kinds", tag = "notices", responses((status = 200, body = NoticeKinds)))]
pub(super) async fn list_notice_kinds() -> Json<NoticeKinds> {
    let items = Kind::ALL
        .iter()
        .map(|kind| NoticeKind { name: kind.as_str(), about: kind.about(), event: kind.event() })
        .collect();
    Json(NoticeKinds { items })
}
