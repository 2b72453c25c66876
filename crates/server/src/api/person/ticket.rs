//! `POST /tickets/show`: whose account a link is for, before its person chooses a password.

use axum::extract::State;
use quell_store::tenant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::redeem::{gone, good};
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, open};
use crate::api::secret::Secret;
use crate::api::time;
use crate::auth::origin::Origin;
use crate::auth::ticket as tickets;
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    open(routes!(show_ticket))
}

/// A link's text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketAsked {
    /// What stands behind `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
}

/// Whose account a link is for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketShown {
    /// `invitation` or `reset`.
    kind: String,
    /// The person's name.
    name: String,
    /// The e-mail address with which they sign in.
    email: String,
    /// The tenant where they are at home.
    tenant: String,
    /// Whether the account asks for one-time codes as well.
    totp: bool,
    /// When the link ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// See whose account a link is for
///
/// Tells no more than the link lets its holder take over, and does not use it up.
#[utoipa::path(post, path = "/tickets/show", tag = "access", request_body = TicketAsked,
    responses((status = 200, body = TicketShown)))]
pub(super) async fn show_ticket(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<TicketAsked, { 4 << 10 }>,
) -> Result<Json<TicketShown>, Problem> {
    let now = app.now();
    if !app.guesses.allows(origin.remote, now) {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    let hash = tickets::digest(asked.token.reveal().unwrap_or_default());
    let found = app
        .store
        .read(move |tx| {
            let Some((ticket, person)) = good(tx, &hash, now)? else { return Ok(None) };
            let home = tenant::get(tx, person.tenant_id)?;
            Ok::<_, quell_store::Error>(home.map(|home| (ticket, person, home)))
        })
        .await?;
    let Some((ticket, person, home)) = found else {
        app.guesses.take(origin.remote, now);
        return Err(gone());
    };
    Ok(Json(TicketShown {
        kind: ticket.kind,
        name: person.name,
        email: person.email,
        tenant: home.name,
        totp: person.totp.is_some(),
        expires_at: time::text(ticket.expires_at),
    }))
}
