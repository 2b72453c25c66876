//! `POST /approval-links/decide`.

use std::sync::Arc;

use axum::extract::State;
use quell_engine::{Actor, Ballot};
use quell_store::approval_link::{self, Link};
use quell_store::person::{self, Person};
use quell_store::{session, tenant};
use quell_wire::digest::sha256;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find;
use crate::api::approval::{self, Approval, NewSignature, digest};
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, open};
use crate::api::secret::Secret;
use crate::auth::login;
use crate::auth::origin::Origin;
use crate::auth::password::{self, Second, Used};
use crate::problem::{Code, Problem};
use crate::state::App;

/// How long ago a passkey may have begun the session that confirms, microseconds.
const FRESH: i64 = 120 * 1_000_000;

pub(super) fn route() -> Route {
    open(routes!(decide_approval_link))
}

/// A decision by a link, confirmed by the person whom it asks: with their password, or with the session that their passkey
/// began less than two minutes ago.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkDecision {
    /// What stands behind the number sign.
    #[schema(value_type = String)]
    token: Secret,
    /// `true` to approve, `false` to reject.
    approve: bool,
    /// The digest of the request that was shown.
    digest: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
    /// The person's password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// A one-time code, where the account asks for one.
    #[schema(value_type = Option<String>)]
    totp: Option<Secret>,
    /// The token of a session that a passkey just began. It ends with the decision.
    #[schema(value_type = Option<String>)]
    session: Option<Secret>,
    /// The person's own signature over the digest, where endpoints demand one.
    signature: Option<NewSignature>,
}

/// How the request stands after it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkDecided {
    /// Who agreed and counts, now.
    approvals: u32,
    /// How many it takes.
    needed: u32,
    /// The request.
    request: Approval,
}

/// Decide by a link in a mail
///
/// The link is good for one decision of the person whom it asks.
#[utoipa::path(post, path = "/approval-links/decide", tag = "approvals", request_body = LinkDecision,
    responses((status = 200, body = LinkDecided)))]
pub(super) async fn decide_approval_link(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<LinkDecision, { 16 << 10 }>,
) -> Result<Json<LinkDecided>, Problem> {
    let (link, person) = find(&app, &origin, &asked.token).await?;
    confirm(&app, &origin, &person, &asked).await?;
    let actor = actor(&app, &origin, &link, &person).await?;
    let signature = asked.signature.map(approval::signature).transpose()?;
    let ballot = Ballot {
        digest: digest("digest", &asked.digest)?,
        approve: asked.approve,
        note: asked.note,
        via: "mail".to_owned(),
        valid_for: None,
        signature,
    };
    let (tenant, task) = (link.tenant_id, link.task_id);
    let decided = app.engine.decide(&actor, tenant, task, ballot).await?;
    let now = app.now();
    // Two at once with one link say the same of one person, which is one decision; another word is refused above.
    let request = app.store.write(move |tx| {
        approval_link::use_up(tx, tenant, link.id, now)?;
        approval::read(tx, tenant, task)
    });
    let request = request.await?.ok_or_else(|| Problem::not_found("request for approval"))?;
    Ok(Json(LinkDecided { approvals: decided.have, needed: decided.need, request }))
}

/// Whether it is the person: nothing is decided by who merely has the link.
async fn confirm(app: &App, origin: &Origin, person: &Person, asked: &LinkDecision) -> Result<(), Problem> {
    match (&asked.session, &asked.password) {
        (Some(token), None) => by_session(app, origin, person, token).await,
        (None, Some(password)) => {
            let second = Second { totp: asked.totp.clone(), recovery: None };
            by_password(app, origin, person, password, &second).await
        }
        (Some(_), Some(_)) => Err(Problem::bad_field("session", "send a password or a session, not both")),
        (None, None) => Err(Problem::new(Code::StepUpNeeded, "a link alone decides nothing")
            .field("password", "is missing")
            .hint("Send the password of the person whom the link asks, or sign in with their passkey.")),
    }
}

async fn by_password(
    app: &App,
    origin: &Origin,
    person: &Person,
    password: &Secret,
    second: &Second,
) -> Result<(), Problem> {
    let text = password.reveal().ok_or_else(|| Problem::bad_field("password", "too long"))?.to_owned();
    let account = person.local_key.clone().unwrap_or_else(|| person.id.to_string());
    let tried = password::admit(app, &account, origin)?;
    if !password::verified(app, &tried, text, person.password.clone(), tried.is_known).await? {
        return Err(password::refuse(app, &tried, origin, Some(person), "approval link"));
    }
    let used = match password::second(app, person, second) {
        Ok(used) => used,
        Err(true) => {
            app.lockout.undecided(&tried);
            return Err(Problem::new(Code::TotpNeeded, "the account asks for a one-time code as well"));
        }
        Err(false) => return Err(password::refuse(app, &tried, origin, Some(person), "code")),
    };
    if !matches!(used, Used::Nothing) {
        let id = person.id;
        app.store.write(move |tx| used.write(tx, id)).await?;
    }
    app.lockout.succeeded(&tried);
    Ok(())
}

async fn by_session(app: &App, origin: &Origin, person: &Person, token: &Secret) -> Result<(), Problem> {
    let hash = sha256(&[token.reveal().unwrap_or_default().as_bytes()]);
    let (id, now) = (person.id, app.now());
    let is_theirs = app.store.write(move |tx| {
        let found = session::by_hash(tx, &hash)?.map(|known| known.session).filter(|session| {
            session.person_id == id
                && session.method == "passkey"
                && session.revoked_at.is_none()
                && (0..FRESH).contains(&(now - (session.expires_at - login::LIFE)))
        });
        let Some(session) = found else { return Ok(false) };
        session::revoke(tx, id, session.id, now)?;
        Ok::<_, quell_store::Error>(true)
    });
    if is_theirs.await? {
        app.access_changed();
        return Ok(());
    }
    app.guesses.take(origin.remote, now);
    Err(Problem::new(Code::Unauthenticated, "the session is not one that the person's passkey just began"))
}

/// The person, as they are in the tenant of the request.
async fn actor(app: &App, origin: &Origin, link: &Link, person: &Person) -> Result<Actor, Problem> {
    let (tenant, id) = (link.tenant_id, person.id);
    let access = app.store.read(move |tx| {
        tenant::get(tx, tenant)?.ok_or(quell_store::Error::NotFound("tenant"))?;
        person::get(tx, id)?.ok_or(quell_store::Error::NotFound("person"))?;
        quell_engine::access::access_of(tx, tenant, id)
    });
    let access = access.await?;
    Ok(Actor {
        kind: Actor::PERSON.to_owned(),
        id: id.to_string(),
        name: person.name.clone(),
        from: "mail".to_owned(),
        request_id: Some(origin.request_id.clone()),
        remote: Some(origin.remote.to_string()),
        class: access.class(),
        human: Some(person.human),
        access: Some(Arc::new(access)),
        confirmed: None,
    })
}
