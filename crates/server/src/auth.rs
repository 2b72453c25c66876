//! Who asks: the key of a request, the tenant and role that it stands for, and the guard in front of every route.
//!
//! Deny by default: only the paths named in [`is_open`] are answered without a key, and a route without a declared
//! permission cannot be written down (see [`crate::api::route`]).

mod bucket;
mod caller;
pub mod key;
mod role;

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header;
use quell_store::{Micros, api_key, audit};
use quell_wire::digest::Digest;

pub use bucket::Guesses;
pub use caller::{Caller, Peer, RequestId};
pub use role::{Permission, Role};

use crate::problem::{Code, Problem};
use crate::state::App;

/// Paths that anybody may ask for.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
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
    if is_open(request.uri().path()) || is_local_metrics(&request) {
        return next.run(request).await;
    }
    let claim = Claim::of(&request);
    let caller = match identify(&app, claim).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    let denied =
        response.extensions().get::<Problem>().is_some_and(|problem| problem.code() == Code::Forbidden);
    if denied {
        let detail =
            serde_json::json!({ "method": method.as_str(), "path": path, "role": caller.role.as_str() });
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

/// What a request says about who asks.
struct Claim {
    peer: IpAddr,
    key: Option<key::Presented>,
    request_id: String,
}

impl Claim {
    fn of(request: &Request) -> Option<Self> {
        let key = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key::Presented::parse(key.trim()));
        Some(Self {
            peer: request.extensions().get::<Peer>()?.0.ip().to_canonical(),
            key,
            request_id: request.extensions().get::<RequestId>()?.0.clone(),
        })
    }
}

fn refused() -> Problem {
    Problem::new(Code::Unauthenticated, "the request has no valid API key")
        .hint("Send `Authorization: Bearer <key>`. On a new server the first key stands in admin.key in its data directory.")
}

/// Whether a key is good, by what is known without asking for it: nobody can make it ask more than once a second.
async fn is_good(app: &App, key: &Digest, now: Micros) -> Result<bool, Problem> {
    if app.guesses.is_known_good(key) {
        return Ok(true);
    }
    if app.guesses.may_list(now) {
        let keys = app.store.read(move |tx| api_key::hashes(tx, now, bucket::LISTED)).await?;
        app.guesses.listed(keys.into_iter().collect());
    }
    Ok(app.guesses.is_listed(key))
}

async fn identify(app: &App, claim: Option<Claim>) -> Result<Caller, Problem> {
    let Claim { peer, key, request_id } = claim.ok_or_else(refused)?;
    // No key is no guess: it costs nothing and counts for nothing.
    let key = key.ok_or_else(refused)?;
    let now = app.now();
    // A flood of guesses must not reach the database, and must not lock out who shares the guesser's address.
    if !app.guesses.allows(peer, now) && !is_good(app, key.hash(), now).await? {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    let look = app.guesses.look();
    let recent = app.guesses.recent(key.hash(), now);
    let asked = recent.is_none();
    let row = if asked {
        let prefix = key.prefix().to_owned();
        app.store.read(move |tx| api_key::by_prefix(tx, &prefix)).await?
    } else {
        recent
    };
    // One path for every key that is not known, so that the time taken tells nothing about which part was wrong.
    let known = key.check(row, now).and_then(|row| Role::from_name(&row.role).map(|role| (row, role)));
    let Some((row, role)) = known else {
        app.guesses.failed(peer, key.hash(), now);
        app.metrics.refused_keys.inc();
        return Err(refused());
    };
    if asked {
        app.guesses.succeeded(look, *key.hash(), row.clone(), now);
    }
    app.touched(row.tenant_id, row.id, now);
    Ok(Caller {
        tenant: row.tenant_id,
        key: row.id,
        prefix: row.prefix,
        name: row.name,
        role,
        request_id,
        remote: peer,
    })
}
