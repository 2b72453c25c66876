//! `POST /tickets/redeem`: a person makes an account theirs.

use axum::extract::State;
use http::StatusCode;
use quell_store::person::{self, Person};
use quell_store::{Micros, Tx, audit, session, ticket};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::JsonUpTo;
use crate::api::route::{Route, open};
use crate::api::secret::Secret;
use crate::auth::origin::Origin;
use crate::auth::{password, ticket as tickets};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    open(routes!(redeem_ticket))
}

/// A link's text, and the password to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redemption {
    /// What stands behind `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
    /// 12 to 128 characters, and none that is guessed first.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

pub(super) fn gone() -> Problem {
    Problem::new(Code::TicketGone, "the link is not good, or not any more")
        .hint("Ask an administrator for a new one.")
}

/// Set a password with a link
///
/// Makes an invited account active. The link is good once.
#[utoipa::path(post, path = "/tickets/redeem", tag = "access", request_body = Redemption, responses((status = 204)))]
pub(super) async fn redeem_ticket(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<Redemption, { 16 << 10 }>,
) -> Result<StatusCode, Problem> {
    let now = app.now();
    if !app.guesses.allows(origin.remote, now) {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    let hash = tickets::digest(asked.token.reveal().unwrap_or_default());
    let found = app.store.read(move |tx| good(tx, &hash, now)).await?;
    let Some((_, person)) = found else {
        app.guesses.take(origin.remote, now);
        return Err(gone());
    };
    let text = password::check_new("password", &asked.password, &person.email, &person.name)?;
    let phc = app.hasher.hash(text).await?;
    app.store
        .write(move |tx| {
            let Some((ticket, person)) = good(tx, &hash, now)? else { return Err(gone()) };
            // Of two at once, one finds it used.
            if !ticket::use_up(tx, &ticket, now)? {
                return Err(gone());
            }
            ticket::void(tx, person.id, now)?;
            person::set_password(tx, person.id, Some(&phc), now)?;
            person::set_state(tx, person.id, "active")?;
            session::revoke_others(tx, person.id, Uuid::nil(), now)?;
            let actor = (person.tenant_id, person.id, person.name.as_str());
            let detail = json!({ "kind": ticket.kind, "ticket": ticket.id });
            let id = person.id.to_string();
            audit::append(tx, &origin.record(actor, now, "ticket.redeem", ("person", &id), &detail))?;
            Ok::<_, Problem>(())
        })
        .await?;
    app.access_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// The ticket with its person, if it may be used now.
pub(super) fn good(
    tx: &mut Tx<'_>,
    hash: &quell_wire::digest::Digest,
    now: Micros,
) -> Result<Option<(ticket::Ticket, Person)>, quell_store::Error> {
    let Some(ticket) = ticket::by_hash(tx, hash)? else { return Ok(None) };
    if ticket.used_at.is_some() || ticket.expires_at <= now {
        return Ok(None);
    }
    let person = person::get(tx, ticket.person_id)?.filter(|person| person.state != "disabled");
    Ok(person.map(|person| (ticket, person)))
}
