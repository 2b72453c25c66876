//! `GET /library/{kind}`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_catalog::library::Kind;
use quell_store::library::{self, Of};
use quell_store::{Error, Paged};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{LibraryItem, kind};
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::{Listing, Name, looked_for};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::LibraryRead, routes!(list_library))
}

/// Which items.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// With this in the name or the description, in upper or lower case.
    #[param(max_length = 200)]
    text: Option<String>,
    /// `true` lists those that are archived, in place of the others.
    archived: Option<bool>,
}

/// What the library has of a kind, newest first
#[utoipa::path(get, path = "/library/{kind}", tag = "library", params(("kind" = String, Path), Turn, Filter),
    responses((status = 200, body = Page<LibraryItem>)))]
pub(super) async fn list_library(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Name(name): Name,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let kind = kind(&name)?;
    let text = looked_for(filter.text)?;
    let archived = filter.archived.unwrap_or(false);
    export::list(turn, &headers, "library", move |turn| {
        read(app.clone(), caller.tenant, kind, text.clone(), archived, turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    kind: Kind,
    text: Option<String>,
    archived: bool,
    turn: Turn,
) -> Result<Page<LibraryItem>, Problem> {
    let page = turn.page(List::Library)?;
    let paged = app
        .store
        .read(move |tx| {
            let has = |words: &str| text.as_ref().is_none_or(|text| words.to_lowercase().contains(text));
            let keep = |row: &library::Item| {
                row.archived_at.is_some() == archived && (has(&row.name) || has(&row.description))
            };
            let Paged { rows, next } = scan(
                page,
                Span::default(),
                |row| row.created_at,
                |row| row.id,
                keep,
                |page| library::list(tx, tenant, Of::Kind(kind.as_str()), page),
            )?;
            let rows = rows
                .into_iter()
                .map(|row| {
                    let latest = library::latest(tx, tenant, row.id)?;
                    Ok((row.id, LibraryItem::of(row, latest)))
                })
                .collect::<Result<Vec<_>, Error>>()?;
            Ok::<_, Error>(Paged { rows, next })
        })
        .await?;
    Ok(Page::of(List::Library, paged, |(_, item)| item))
}
