//! `GET /artifacts/{id}/entries`: what an archive holds, read here so that nobody has to unpack it.

pub(super) mod archive;
mod listing;

use axum::extract::State;
use quell_store::audit;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(crate) use self::listing::Listings;
use crate::api::body::Json;
use crate::api::cursor::{List, Page, Turn, after_number};
use crate::api::query::{Id, Listing, looked_for};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SecretRead, routes!(list_entries))
}

/// One file of an archive, or one that was found and is not in it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct ArtifactEntry {
    /// Its number in the archive; `null` for a file whose content is not there.
    pub index: Option<u32>,
    /// Its name in the archive; empty where it is not there.
    pub name: String,
    /// Where it lay on the endpoint, as far as the manifest says.
    pub path: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Last change, as the archive has it, in steps of two seconds.
    #[schema(format = DateTime)]
    pub modified_at: Option<String>,
    /// Its SHA-256, as the manifest says.
    pub sha256: Option<String>,
    /// Definition and source that asked for it.
    pub asked_by: Option<String>,
    /// Permission bits, octal.
    pub mode: Option<String>,
    /// Owner.
    pub uid: Option<u32>,
    /// Why the content is not there, or not all of it.
    pub reason: Option<String>,
    /// Only its beginning is there.
    pub truncated: bool,
    /// It changed while it was read.
    pub changed: bool,
    /// It can be looked at here.
    pub readable: bool,
}

/// Which entries.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// With this text in name, path, definition or reason, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
    /// `true`: those in the archive; `false`: those that were found and left out.
    present: Option<bool>,
}

/// What an archive holds
///
/// Read on the server with the task's password, so that nothing has to be unpacked; recorded like reading the password. Whoever
/// may read the password and download the archive may do this: `artifact.download` is needed too. Entries come in the order of
/// the archive, behind them the files that its manifest names and that are not in it.
#[utoipa::path(get, path = "/artifacts/{id}/entries", tag = "artifacts", params(("id" = Uuid, Path), Turn, Filter),
    responses((status = 200, body = Page<ArtifactEntry>)))]
pub(super) async fn list_entries(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Json<Page<ArtifactEntry>>, Problem> {
    let (after, limit) = turn.numbers(List::ArtifactEntries)?;
    let text = looked_for(filter.text)?;
    let found = archive::find(&app, &caller, id).await?;
    let listing = app.listings.of(&app, &found).await?;
    // Later pages show nothing that the first did not announce.
    if turn.cursor.is_none() {
        let detail = serde_json::json!({ "name": found.row.name, "entries": listing.items.len() });
        let record = caller.record(app.now(), "artifact.browse", "artifact", &id.to_string(), &detail);
        app.store.write::<_, _, quell_store::Error>(move |tx| audit::append(tx, &record)).await?;
    }
    let keeps = |item: &ArtifactEntry| {
        let has = |field: &str| text.as_ref().is_none_or(|text| field.to_lowercase().contains(text));
        let texts = [Some(&item.name), item.path.as_ref(), item.asked_by.as_ref(), item.reason.as_ref()];
        filter.present.is_none_or(|present| present == item.index.is_some())
            && (text.is_none() || texts.into_iter().flatten().any(|field| has(field)))
    };
    let from = usize::try_from(after + 1).unwrap_or(usize::MAX);
    let mut rest = listing.items.iter().enumerate().skip(from).filter(|(_, item)| keeps(item));
    let limit = usize::try_from(limit).unwrap_or(0);
    let page: Vec<(usize, &ArtifactEntry)> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|(at, _)| after_number(List::ArtifactEntries, *at as i64));
    Ok(Json(Page { items: page.into_iter().map(|(_, item)| item.clone()).collect(), next }))
}
