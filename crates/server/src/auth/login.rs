//! The one place where a session of a person begins, however they showed who they are.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use quell_access::Access;
use quell_store::person::Person;
use quell_store::session::Session;
use quell_store::tenant::Tenant;
use quell_store::{Micros, Tx, audit, membership, person};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::origin::Origin;
use super::{Caller, session};
use crate::api::body::Json;
use crate::api::time;
use crate::problem::{Code, Problem};
use crate::state::App;

/// How long a session lives, microseconds.
pub(crate) const LIFE: Micros = 12 * 3600 * 1_000_000;
/// How long it lives unused, microseconds. When it was used is written once a minute, so a minute more.
pub(crate) const IDLE: Micros = 61 * 60 * 1_000_000;

/// How the token of a session travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deliver {
    /// In a cookie that no script reads: for browsers.
    #[default]
    Cookie,
    /// In the answer: for programs that a person uses.
    Token,
}

impl Deliver {
    const fn kind(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Token => "token",
        }
    }

    /// Of a session that was begun before.
    pub fn of(kind: &str) -> Self {
        if kind == "cookie" { Self::Cookie } else { Self::Token }
    }
}

/// Whose session begins, and how.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Who. That they are it was shown by the method.
    pub person: Uuid,
    /// `password`, `password+totp`, `passkey`, `sso` …
    pub method: String,
    /// Where; their home, or the first tenant by name that they are something in, where it is not said.
    pub tenant: Option<Uuid>,
    /// How the token travels.
    pub deliver: Deliver,
}

/// A session that began. Prints nothing of its token.
pub(crate) struct SignedIn {
    /// The person.
    pub person: Person,
    /// Where.
    pub tenant: Tenant,
    /// What they may do there.
    pub access: Access,
    /// The session.
    pub session: Session,
    token: String,
}

/// Begins a session. Fails with `forbidden` where the account is not active or is nothing anywhere.
pub(crate) async fn sign_in(app: &App, origin: &Origin, wanted: Wanted) -> Result<SignedIn, Problem> {
    sign_in_with(app, origin, wanted, |_, _| Ok(())).await
}

/// The same, and what is checked and written in the same transaction: the use of a code, the counter of a passkey.
pub(crate) async fn sign_in_with<C>(
    app: &App,
    origin: &Origin,
    wanted: Wanted,
    check: C,
) -> Result<SignedIn, Problem>
where
    C: Fn(&mut Tx<'_>, &Person) -> Result<(), Problem> + Send + 'static,
{
    if wanted.deliver == Deliver::Cookie {
        origin.own()?;
    }
    let new = session::generate()
        .ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
    let (now, origin, text) = (app.now(), origin.clone(), new.text);
    let remote = origin.remote;
    let signed = app
        .store
        .write(move |tx| {
            let person = person::get(tx, wanted.person)?
                .filter(|person| person.state == "active")
                .ok_or_else(inactive)?;
            check(tx, &person)?;
            let tenant = choose(tx, &person, wanted.tenant)?;
            let begun = Begun {
                person: &person,
                tenant: &tenant,
                wanted: &wanted,
                hash: new.hash,
                until: now + LIFE,
            };
            let session = begin(tx, &begun, &origin, now)?;
            person::logged_in(tx, person.id, now)?;
            let access = quell_engine::access::access_of(tx, tenant.id, person.id)?;
            let detail = json!({ "method": session.method, "deliver": session.kind, "agent": session.agent });
            let actor = (tenant.id, person.id, person.name.as_str());
            let id = session.id.to_string();
            audit::append(tx, &origin.record(actor, now, "session.create", ("session", &id), &detail))?;
            Ok::<_, Problem>((person, tenant, access, session))
        })
        .await?;
    let (person, tenant, access, session) = signed;
    if let Some(account) = &person.local_key {
        app.lockout.known(account, remote);
    }
    Ok(SignedIn { person, tenant, access, session, token: text })
}

fn inactive() -> Problem {
    Problem::new(Code::Forbidden, "the account is not active")
        .hint("An administrator of its tenant can enable it.")
}

/// In which tenant a session is.
fn choose(tx: &mut Tx<'_>, person: &Person, wanted: Option<Uuid>) -> Result<Tenant, Problem> {
    let mut tenants = membership::tenants(tx, person.id)?;
    let position = match wanted {
        Some(wanted) => {
            let found = tenants.iter().position(|tenant| tenant.id == wanted);
            Some(found.ok_or_else(|| Problem::not_found("tenant that you are a member of"))?)
        }
        None => tenants.iter().position(|tenant| tenant.id == person.tenant_id),
    };
    if tenants.is_empty() {
        return Err(Problem::new(Code::Forbidden, "the account has no role in any tenant")
            .hint("An administrator gives roles."));
    }
    Ok(tenants.swap_remove(position.unwrap_or(0)))
}

/// Goes on in a new session in this tenant; the one before ends, and the new one not later than it would have.
pub(crate) async fn move_on(
    app: &App,
    caller: &Caller,
    origin: &Origin,
    tenant: Uuid,
) -> Result<SignedIn, Problem> {
    let (person, before) = caller.person()?;
    let new = session::generate()
        .ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
    let (now, origin, text, caller) = (app.now(), origin.clone(), new.text, caller.clone());
    let moved = app
        .store
        .write(move |tx| {
            let person = person::get(tx, person)?.ok_or_else(inactive)?;
            let tenant = choose(tx, &person, Some(tenant))?;
            let old = quell_store::session::get(tx, caller.tenant, before)?
                .ok_or(quell_store::Error::NotFound("open session"))?;
            // Of two who move on at once, one does.
            quell_store::session::revoke(tx, person.id, before, now)?;
            let wanted = Wanted {
                person: person.id,
                method: old.method.clone(),
                tenant: Some(tenant.id),
                deliver: Deliver::of(&old.kind),
            };
            let begun = Begun { person: &person, tenant: &tenant, wanted: &wanted, hash: new.hash, until: old.expires_at };
            let session = begin(tx, &begun, &origin, now)?;
            let access = quell_engine::access::access_of(tx, tenant.id, person.id)?;
            let verb = if tenant.id == caller.tenant { "session.refresh" } else { "session.switch" };
            let detail = json!({ "from": before, "from_tenant": caller.tenant, "to": session.id, "to_tenant": tenant.id });
            let id = session.id.to_string();
            audit::append(tx, &caller.record(now, verb, "session", &id, &detail))?;
            if tenant.id != caller.tenant {
                // Each of the two sees who came or went.
                let there = audit::Record { tenant_id: tenant.id, id: Uuid::now_v7(), ..caller.record(now, verb, "session", &id, &detail) };
                audit::append(tx, &there)?;
            }
            Ok::<_, Problem>((person, tenant, access, session))
        })
        .await?;
    app.access_changed();
    let (person, tenant, access, session) = moved;
    Ok(SignedIn { person, tenant, access, session, token: text })
}

/// What a session is made of.
struct Begun<'a> {
    /// Whose.
    pub person: &'a Person,
    /// Where.
    pub tenant: &'a Tenant,
    /// How.
    pub wanted: &'a Wanted,
    /// Digest of its token.
    pub hash: quell_wire::digest::Digest,
    /// When it ends.
    pub until: Micros,
}

/// Writes the row of a session.
fn begin(tx: &mut Tx<'_>, begun: &Begun<'_>, origin: &Origin, now: Micros) -> Result<Session, Problem> {
    let session = Session {
        tenant_id: begun.tenant.id,
        id: Uuid::now_v7(),
        person_id: begun.person.id,
        hash: begun.hash,
        kind: begun.wanted.deliver.kind().to_owned(),
        method: begun.wanted.method.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: begun.until,
        remote: origin.remote.to_string(),
        agent: origin.agent.clone(),
        revoked_at: None,
    };
    quell_store::session::insert(tx, &session)?;
    Ok(session)
}

/// A session that began, as the API tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionBegun {
    person: Who,
    tenant: Where,
    /// Names and ids of the roles there.
    roles: Vec<String>,
    /// What they may do there.
    permissions: Vec<&'static str>,
    /// The session's id.
    #[schema(format = Uuid)]
    session: String,
    /// When it ends by itself; an hour without use ends it too.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The token, for `Authorization: Bearer`. Shown this once, and only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A person, shortly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Who {
    /// Their id.
    #[schema(format = Uuid)]
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
}

/// A tenant, shortly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Where {
    /// Its id.
    #[schema(format = Uuid)]
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Where {
    /// The tenant.
    pub fn of(tenant: &Tenant) -> Self {
        Self { id: tenant.id.to_string(), name: tenant.name.clone() }
    }
}

impl SignedIn {
    /// The header that gives a browser its token; `None` where it travels in the answer.
    pub fn cookie(&self, app: &App) -> Option<HeaderValue> {
        if self.session.kind != Deliver::Cookie.kind() {
            return None;
        }
        let age = (self.session.expires_at - self.session.created_at) / 1_000_000;
        session::set_cookie(Some(&self.token), age, app.is_tls)
    }

    /// The answer, with the cookie or the token.
    pub fn into_response(self, app: &App) -> Response {
        let cookie = self.cookie(app);
        let body = SessionBegun {
            person: Who { id: self.person.id.to_string(), name: self.person.name, email: self.person.email },
            tenant: Where::of(&self.tenant),
            roles: self.access.roles().map(str::to_owned).collect(),
            permissions: self.access.permissions().iter().map(quell_access::Permission::as_str).collect(),
            session: self.session.id.to_string(),
            expires_at: time::text(self.session.expires_at),
            token: cookie.is_none().then_some(self.token),
        };
        let mut response = Json(body).into_response();
        if let Some(cookie) = cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// Reads from where people signed in before: such addresses have a count of failures of their own.
pub(crate) async fn recall(app: &App) -> Result<(), quell_store::Error> {
    let most = super::lockout::KNOWN as i64;
    for (account, remote) in app.store.read(move |tx| quell_store::session::remotes(tx, most)).await? {
        if let Ok(address) = remote.parse() {
            app.lockout.known(&account, address);
        }
    }
    Ok(())
}
