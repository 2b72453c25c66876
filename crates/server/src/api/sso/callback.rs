//! `GET /sso/callback`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use quell_store::{Micros, identity_provider, person};
use quell_wire::digest::sha256;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::page;
use super::start::Provider;
use crate::api::query::Query;
use crate::api::route::{Route, open};
use crate::auth::login::{Deliver, Wanted, sign_in};
use crate::auth::oidc::{self, Admission, Arrival, Cli, Finished, Pending};
use crate::auth::origin::Origin;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The longest code that a provider may give.
const MOST: usize = 8 << 10;
/// What audit and the list of sessions call it.
const METHOD: &str = "sso";

pub(super) fn route() -> Route {
    open(routes!(finish_sso))
}

/// What a provider sends along.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// The code.
    code: Option<String>,
    /// What the browser was sent with.
    state: Option<String>,
    /// Which provider it is, where it says so.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Back from an identity provider
///
/// For browsers: answers a page that says whether it worked, with the cookie of the session, and goes on by itself.
#[utoipa::path(get, path = "/sso/callback", tag = "access", params(CallbackQuery),
    responses((status = 200, description = "signed in", content_type = "text/html"),
        (status = 403, description = "nobody who may come in", content_type = "text/html")))]
pub(super) async fn finish_sso(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Response {
    match run(&app, origin, &headers, query).await {
        Ok(response) | Err(Stop::Page(response)) => response,
        Err(Stop::Problem(problem)) => {
            tracing::warn!(?problem, "a sign-in through a provider failed");
            let status = StatusCode::from_u16(problem.code().status());
            page::refused(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), problem.detail())
        }
    }
}

/// Why it goes no further.
enum Stop {
    Page(Response),
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<quell_store::Error> for Stop {
    fn from(error: quell_store::Error) -> Self {
        Self::Problem(error.into())
    }
}

fn stop(status: StatusCode, sentence: &str) -> Stop {
    Stop::Page(page::refused(status, sentence))
}

const AGAIN: &str = "This sign-in was not begun in this browser, or too long ago. Begin again.";

async fn run(app: &App, origin: Origin, headers: &HeaderMap, query: CallbackQuery) -> Result<Response, Stop> {
    let now = app.now();
    let pending = Pending::of(headers, &app.secrets, app.is_tls, now)
        .ok_or_else(|| stop(StatusCode::BAD_REQUEST, AGAIN))?;
    let state = query.state.as_deref().unwrap_or_default();
    // Digests: how long the comparison takes tells nothing about the state.
    if sha256(&[state.as_bytes()]) != sha256(&[pending.state.as_bytes()]) {
        return Err(stop(StatusCode::BAD_REQUEST, AGAIN));
    }
    if query.error.is_some() {
        return Err(stop(StatusCode::FORBIDDEN, "The provider did not sign you in."));
    }
    let code = query.code.as_deref().filter(|code| (1..=MOST).contains(&code.len()));
    let code = code.ok_or_else(|| stop(StatusCode::BAD_REQUEST, "The provider sent no code."))?;
    let (tenant, id) = (pending.tenant, pending.provider);
    let row = app.store.read(move |tx| identity_provider::get(tx, tenant, id)).await?;
    let row = row
        .filter(|row| row.state == "active")
        .ok_or_else(|| stop(StatusCode::FORBIDDEN, "The provider is not in use any more."))?;
    let provider = Provider::open(app, &row)?;
    let claims = claims(app, &provider, &pending, code, query.iss.as_deref(), now).await.map_err(|error| {
        tracing::warn!(%error, provider = %row.name, tenant.id = %tenant, "a sign-in through a provider failed");
        let status = match &error {
            oidc::Error::Provider(_) | oidc::Error::Metadata(_) => StatusCode::BAD_GATEWAY,
            oidc::Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
            oidc::Error::Code(_) | oidc::Error::Token(_) => StatusCode::FORBIDDEN,
        };
        stop(status, &format!("Signing in through {} did not work: {error}.", row.name))
    })?;
    let text = |name: &str| claims.more.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let arrival = Arrival {
        tenant,
        provider: id,
        provider_name: row.name,
        issuer: row.issuer,
        email: provider.settings.email(&claims.more),
        name: text("name").or_else(|| text("preferred_username")),
        groups: provider.settings.groups(&claims.more).unwrap_or_default(),
        subject: claims.sub,
        settings: provider.settings,
    };
    let person = admitted(app, arrival, &origin, now).await?;
    match &pending.cli {
        Some(cli) => hand_over(app, tenant, person, cli, now).await,
        None => begin(app, tenant, person, origin, &pending).await,
    }
}

async fn claims(
    app: &App,
    provider: &Provider,
    pending: &Pending,
    code: &str,
    iss: Option<&str>,
    now: Micros,
) -> Result<oidc::Claims, oidc::Error> {
    let metadata = app.oidc.known.of(&app.oidc.fetcher, &provider.source, now).await?;
    // RFC 9207: an answer that another provider made must not bring its code here.
    let is_other = iss.is_some_and(|iss| iss != provider.source.issuer);
    if is_other || iss.is_none() && metadata.names_itself {
        return Err(oidc::Error::Code("another provider answered".to_owned()));
    }
    provider.exchange(app).claims(&metadata, pending, code, now).await
}

async fn admitted(app: &App, arrival: Arrival, origin: &Origin, now: Micros) -> Result<Uuid, Stop> {
    let origin = origin.clone();
    let admitted = app.store.write(move |tx| oidc::admit(tx, &arrival, &origin, now)).await?;
    if admitted.roles_changed {
        app.access_changed();
    }
    match admitted.admission {
        Admission::In(person) => Ok(person),
        refused => Err(stop(StatusCode::FORBIDDEN, refused.sentence())),
    }
}

/// Begins the session of the browser. That it is the browser which asked was shown by the sealed state that it brought:
/// what the cookie of other sign-ins asks of a request's origin is answered by that.
async fn begin(
    app: &App,
    tenant: Uuid,
    person: Uuid,
    mut origin: Origin,
    pending: &Pending,
) -> Result<Response, Stop> {
    origin.is_own = true;
    let wanted = Wanted { person, method: METHOD.to_owned(), tenant: Some(tenant), deliver: Deliver::Cookie };
    let signed = sign_in(app, &origin, wanted).await?;
    let cookies = [signed.cookie(app), oidc::set_cookie(None, app.is_tls)];
    Ok(page::onward(&pending.goal, cookies.into_iter().flatten()))
}

async fn hand_over(app: &App, tenant: Uuid, person: Uuid, cli: &Cli, now: Micros) -> Result<Response, Stop> {
    let code = app.oidc.codes.give(Finished { tenant, person }, &cli.challenge, now);
    let code = code.ok_or_else(|| {
        Problem::new(Code::Unavailable, "too many sign-ins of programs are under way").retry_after(60)
    })?;
    let row = app.store.read(move |tx| person::get(tx, person)).await?;
    let name = row.map(|row| row.name).unwrap_or_default();
    let url = format!("http://127.0.0.1:{}/?code={code}", cli.port);
    Ok(page::hand_over(&name, &oidc::word(&cli.challenge), &url, oidc::set_cookie(None, app.is_tls)))
}
