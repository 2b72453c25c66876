//! Who asks: the credential of a request, the tenant and rights that it stands for, and the guard in front of every route.
//!
//! Deny by default: only the paths named in [`OPEN`] are answered without a credential, and those at which there is no route
//! and the console may have a file. A route without a declared permission cannot be written down (see [`crate::api::route`]).

pub(crate) mod approver_key;
mod bucket;
mod caller;
mod client;
pub(crate) mod credential;
pub(crate) mod give;
mod hasher;
pub(crate) mod identify;
pub mod key;
pub(crate) mod lockout;
pub(crate) mod login;
mod meant;
pub(crate) mod oidc;
pub(crate) mod origin;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod session;
pub(crate) mod step_up;
pub(crate) mod ticket;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use quell_store::{Micros, api_key, audit};
use quell_wire::digest::Digest;

pub use bucket::Guesses;
pub(crate) use caller::only_people;
pub use caller::{Caller, Identity, Peer, Principal, RequestId};
pub use client::Client;
pub use hasher::Hasher;
pub use lockout::Lockout;
pub use quell_access::Permission;

use credential::Presented;

use crate::console;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Paths that anybody may ask for. One that ends in `*` stands for all that begin so; one after a method is open for that
/// method alone. Those of the API are declared by [`crate::api::route::open`]; a test compares.
pub(crate) const OPEN: &[&str] = &[
    "/healthz",
    "/readyz",
    "GET /approve",
    "GET /approve/page.js",
    "GET /approve/page.css",
    "GET /install/linux",
    "GET /install/agent/linux/*",
    "POST /api/v1/approval-links/show",
    "POST /api/v1/approval-links/decide",
    "POST /api/v1/session",
    "POST /api/v1/session/passkey/begin",
    "POST /api/v1/session/passkey/finish",
    "GET /api/v1/sso/offered",
    "GET /api/v1/sso/start/*",
    "GET /api/v1/sso/callback",
    "POST /api/v1/sso/session",
    "GET /api/v1/setup",
    "POST /api/v1/setup",
    "POST /api/v1/tickets/redeem",
    "POST /api/v1/tickets/show",
];

fn is_open(asked: &str, path: &str) -> bool {
    OPEN.iter().any(|open| {
        let (method, open) =
            open.split_once(' ').map_or((None, *open), |(method, path)| (Some(method), path));
        let fits = match open.strip_suffix('*') {
            Some(begin) => path.starts_with(begin) && path.len() > begin.len(),
            None => path == open,
        };
        fits && method.is_none_or(|method| method == asked)
    })
}

/// The console's files and screens are open: they hold nothing of anybody. A path that leads to a route is never among
/// them, whatever it is called.
fn is_console(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_none()
        && console::may_have(request.method(), request.uri().path())
}

/// Metrics are open to programs on the same machine. A forwarding header says that the peer is a proxy, and then
/// loopback says nothing about who asks. Whoever sends a key wants it to be checked.
fn is_local_metrics(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    request.uri().path() == "/metrics"
        && peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback())
        && !["authorization", "forwarded", "x-forwarded-for", "x-real-ip"]
            .iter()
            .any(|name| request.headers().contains_key(*name))
}

/// Lets a request through that has a valid key, and tells the handlers whose it is.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    use axum::response::IntoResponse as _;
    if is_open(request.method().as_str(), request.uri().path())
        || is_local_metrics(&request)
        || is_console(&request)
    {
        return next.run(request).await;
    }
    let caller = match Claim::of(&request, app.is_tls) {
        Ok(claim) => identify(&app, claim).await,
        Err(problem) => Err(problem),
    };
    let caller = caller.and_then(|caller| meant::check(request.headers(), caller.tenant).map(|()| caller));
    let caller = match caller {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    let denied = response
        .extensions()
        .get::<Problem>()
        .is_some_and(|problem| matches!(problem.code(), Code::Forbidden | Code::NotEligible));
    if denied {
        let roles: Vec<&str> = caller.access().roles().collect();
        let detail = serde_json::json!({ "method": method.as_str(), "path": path, "roles": roles });
        let mut record = caller.record(app.now(), "request.denied", "route", &path, &detail);
        "forbidden".clone_into(&mut record.outcome);
        let written: Result<(), quell_store::Error> =
            app.store.write(move |tx| audit::append(tx, &record)).await;
        if let Err(error) = written {
            tracing::error!(%error, "a denied request could not be recorded");
        }
    }
    response
}

fn refused() -> Problem {
    Problem::new(Code::Unauthenticated, "the request has no valid API key or session")
        .hint("Send `Authorization: Bearer <key>`, or sign in with `quell login`. On a new server the first key stands in admin.key in its data directory.")
}

/// Whether a credential is good, by what is known without asking for it: nobody can make it ask more than once a second.
async fn is_good(app: &App, credential: &Digest, now: Micros) -> Result<bool, Problem> {
    if app.guesses.is_known_good(credential) {
        return Ok(true);
    }
    if app.guesses.may_list(now) {
        let all = app.store.read(move |tx| {
            let mut all = api_key::hashes(tx, now, bucket::LISTED)?;
            all.extend(quell_store::session::hashes(tx, now, bucket::LISTED)?);
            Ok::<_, quell_store::Error>(all)
        });
        app.guesses.listed(all.await?.into_iter().collect());
    }
    Ok(app.guesses.is_listed(credential))
}

/// What a request says about who asks.
struct Claim {
    credential: Presented,
    remote: IpAddr,
    request_id: String,
    route: String,
    client: Client,
}

impl Claim {
    fn of(request: &Request, is_tls: bool) -> Result<Self, Problem> {
        // No credential is no guess: it costs nothing and counts for nothing.
        let credential = Presented::of(request, is_tls)?.ok_or_else(refused)?;
        let peer = request.extensions().get::<Peer>().ok_or_else(refused)?;
        let request_id = request.extensions().get::<RequestId>().ok_or_else(refused)?.0.clone();
        let route = format!("{} {}", request.method(), request.uri().path());
        let client = Client::of(request.headers());
        Ok(Self { credential, remote: peer.0.ip().to_canonical(), request_id, route, client })
    }
}

async fn identify(app: &App, claim: Claim) -> Result<Caller, Problem> {
    let Claim { credential, remote, request_id, route, client } = claim;
    let (credential, now) = (Arc::new(credential), app.now());
    let identity = known(app, &credential, remote, now).await?;
    app.touched(&identity, now);
    Ok(Caller { tenant: identity.tenant, identity, credential, route, client, request_id, remote })
}

async fn known(
    app: &App,
    credential: &Arc<Presented>,
    peer: IpAddr,
    now: Micros,
) -> Result<Arc<Identity>, Problem> {
    let digest = *credential.hash();
    // A flood of guesses must not reach the database, and must not lock out who shares the guesser's address.
    if !app.guesses.allows(peer, now) && !is_good(app, &digest, now).await? {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    if let Some(identity) = app.guesses.recent(&digest, now) {
        return Ok(identity);
    }
    let look = app.guesses.look();
    let asked = credential.clone();
    let found = app.store.read(move |tx| identify::identify(tx, &asked, now)).await?;
    let Some(identity) = found.map(Arc::new) else {
        app.guesses.failed(peer, &digest, now);
        app.metrics.refused_keys.inc();
        return Err(refused());
    };
    app.guesses.succeeded(look, digest, identity.clone(), now);
    Ok(identity)
}

/// The caller as they are now, where their credential still stands for the same one. A database that does not answer ends
/// nothing.
pub(crate) async fn still_stands(app: &App, caller: &Caller) -> Option<Arc<Identity>> {
    let (credential, now) = (caller.credential.clone(), app.now());
    match app.store.read(move |tx| identify::identify(tx, &credential, now)).await {
        Ok(found) => found
            .filter(|found| found.id == caller.identity.id && found.tenant == caller.tenant)
            .map(Arc::new),
        Err(quell_store::Error::Busy | quell_store::Error::Unavailable(_)) => Some(caller.identity.clone()),
        Err(_) => None,
    }
}
