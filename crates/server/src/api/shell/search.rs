//! `GET /shells/{id}/search`.

use axum::extract::State;
use futures_util::StreamExt as _;
use quell_store::{Error, audit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::{Id, Query};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::shell::cast::{Match, Search};
use crate::state::App;

/// A line of a recording is never longer. Bytes.
const LINE: usize = 8 << 20;

pub(super) fn route() -> Route {
    permit(Permission::ArtifactDownload, routes!(search_shell))
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The text, whatever its case; 1 to 200 characters.
    // Looked at after the shell: a shell of another tenant is not there, whatever is asked of it.
    #[serde(default)]
    #[param(min_length = 1, max_length = 200, required = true)]
    text: String,
}

/// Lines of a recording in which a text was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Matches {
    /// At most 200, from the beginning.
    matches: Vec<Match>,
    /// There are more.
    truncated: bool,
}

/// Look for a text in the recording of a remote shell
///
/// In what the terminal wrote, without colours and the like, and in what was typed as far as it was echoed.
#[utoipa::path(get, path = "/shells/{id}/search", tag = "shells", params(("id" = Uuid, Path), Wanted),
    responses((status = 200, body = Matches)))]
pub(super) async fn search_shell(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Matches>, Problem> {
    let row = super::row(&app, &caller, id).await?;
    super::may_see(&app, &caller, row.endpoint_id).await?;
    if wanted.text.is_empty() || wanted.text.chars().count() > 200 {
        return Err(Problem::new(Code::InvalidQuery, "text: must be 1 to 200 characters"));
    }
    let mut pieces = super::recording::pieces(&app, caller.tenant, id).await?;
    // Not what is looked for: it may be the very password that is nowhere to be found.
    let detail = json!({ "task": row.task_id });
    let record = caller.record(app.now(), "shell.search", "shell", &id.to_string(), &detail);
    app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
    let (mut search, mut rest) = (Search::new(&wanted.text), Vec::new());
    let mut goes_on = true;
    while goes_on && let Some(piece) = pieces.next().await {
        rest.extend_from_slice(&piece.map_err(|error| Problem::internal(&error))?);
        let mut from = 0;
        while goes_on && let Some(length) = rest[from..].iter().position(|byte| *byte == b'\n') {
            goes_on = search.look(&String::from_utf8_lossy(&rest[from..from + length]));
            from += length + 1;
        }
        rest.drain(..from);
        if rest.len() > LINE {
            break;
        }
    }
    let (matches, truncated) = search.end();
    Ok(Json(Matches { matches, truncated }))
}
