//! `GET /sso/start/{tenant}/{provider}`.

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use quell_store::identity_provider::{self, IdentityProvider};
use reqwest::Url;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::{CALLBACK, page, public, purpose};
use crate::api::query::Query;
use crate::api::route::{Route, open};
use crate::auth::oidc::{self, Cli, Exchange, Pending, Settings, Source};
use crate::problem::{Code, Problem};
use crate::public::is_loopback;
use crate::seal;
use crate::state::App;

/// The longest path to go to.
const MOST_GOAL: usize = 512;

pub(super) fn route() -> Route {
    open(routes!(start_sso))
}

/// Where to go then, or for which program.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StartQuery {
    /// A path here, to go to when signed in; `/` where absent.
    #[param(max_length = 512)]
    r#return: Option<String>,
    /// The port on this computer where a program of the person waits.
    cli: Option<u16>,
    /// SHA-256 of what only that program knows, base64url.
    #[param(min_length = 43, max_length = 43)]
    challenge: Option<String>,
}

/// Sign in through an identity provider
///
/// For browsers: answers a redirect to the provider, which sends the browser back to `/api/v1/sso/callback`. The tenant
/// is named by its name or id.
#[utoipa::path(get, path = "/sso/start/{tenant}/{provider}", tag = "access",
    params(("tenant" = String, Path), ("provider" = String, Path), StartQuery),
    responses((status = 303, description = "to the provider")))]
pub(super) async fn start_sso(
    State(app): State<App>,
    Path((tenant, provider)): Path<(String, String)>,
    headers: HeaderMap,
    // The whole path: the router takes the beginning off.
    OriginalUri(uri): OriginalUri,
    Query(query): Query<StartQuery>,
) -> Result<Response, Problem> {
    let (goal, cli) = read(query)?;
    if let Some(elsewhere) = own_name(&app, &headers, &uri)? {
        return see_other(&elsewhere);
    }
    let now = app.now();
    let row = app
        .store
        .read(move |tx| {
            let Some(tenant) = oidc::tenant_named(tx, &tenant)? else { return Ok(None) };
            identity_provider::by_name(tx, tenant.id, &provider)
        })
        .await?
        .filter(|row| row.state == "active")
        .ok_or_else(|| Problem::not_found("identity provider"))?;
    let provider = Provider::open(&app, &row)?;
    let begun = async {
        let metadata = app.oidc.known.of(&app.oidc.fetcher, &provider.source, now).await?;
        let pending = Pending::begin((row.tenant_id, row.id), goal, cli, now).ok_or(oidc::Error::Busy)?;
        let url = provider.exchange(&app).authorization(&metadata, &pending)?;
        Ok::<_, oidc::Error>((pending, url))
    };
    let (pending, url) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return Ok(unreachable_page(&row, &error)),
    };
    let mut response = see_other(&url)?;
    let cookie = pending.cookie(&app.secrets, app.is_tls);
    let cookie = cookie.ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness"))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn unreachable_page(row: &IdentityProvider, error: &oidc::Error) -> Response {
    tracing::warn!(%error, provider = %row.name, tenant.id = %row.tenant_id, "a sign-in could not begin");
    page::refused(
        StatusCode::BAD_GATEWAY,
        &format!("Signing in through {} does not work now: {error}.", row.name),
    )
}

/// A provider with its secret in the clear, for as long as a request takes.
pub(super) struct Provider {
    pub source: Source,
    pub settings: Settings,
    client_id: String,
    client_secret: Option<String>,
    redirect: String,
}

impl Provider {
    pub fn open(app: &App, row: &IdentityProvider) -> Result<Self, Problem> {
        let sealed = Problem::new(Code::Unavailable, "the secret of the provider's client cannot be opened")
            .hint("Give it again: quell sso change NAME --secret-stdin.");
        let client_secret = match &row.client_secret {
            None => None,
            Some(bytes) => Some(
                seal::open(&app.secrets, &purpose(row.id), bytes)
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or(sealed)?,
            ),
        };
        Ok(Self {
            source: Source { tenant: row.tenant_id, provider: row.id, issuer: row.issuer.clone() },
            settings: serde_json::from_str(&row.settings).map_err(|error| Problem::internal(&error))?,
            client_id: row.client_id.clone(),
            client_secret,
            redirect: public(app)?.link(CALLBACK),
        })
    }

    pub fn exchange<'a>(&'a self, app: &'a App) -> Exchange<'a> {
        Exchange {
            fetcher: &app.oidc.fetcher,
            known: &app.oidc.known,
            source: &self.source,
            client_id: &self.client_id,
            client_secret: self.client_secret.as_deref(),
            redirect: &self.redirect,
            settings: &self.settings,
        }
    }
}

fn read(query: StartQuery) -> Result<(String, Option<Cli>), Problem> {
    let goal = query.r#return.unwrap_or_else(|| "/".to_owned());
    if !is_own_path(&goal) {
        return Err(Problem::new(Code::InvalidQuery, "return: must be a path on this server")
            .field("return", "not a path on this server"));
    }
    let cli = match (query.cli, query.challenge) {
        (None, None) => None,
        (Some(port), Some(challenge)) if port >= 1024 && is_challenge(&challenge) => {
            Some(Cli { port, challenge })
        }
        _ => {
            return Err(Problem::new(
                Code::InvalidQuery,
                "cli and challenge: a port from 1024 on, and 43 characters of base64url",
            ));
        }
    };
    Ok((goal, cli))
}

fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether a text is a path here, whatever a browser makes of it.
fn is_own_path(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'<>;".contains(&byte));
    let base = Url::parse("https://here.invalid/").ok();
    let joined = base.as_ref().and_then(|base| base.join(text).ok());
    text.len() <= MOST_GOAL
        && plain
        && text.starts_with('/')
        && !text.starts_with("//")
        && joined.is_some_and(|url| base.is_some_and(|base| url.origin() == base.origin()))
}

/// On one's own machine the server has two names, and cookies are of one: the way in begins at the one that the provider
/// sends back to. Elsewhere a proxy may have changed the name, and sending the browser on could go round for ever.
fn own_name(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, Problem> {
    let public = public(app)?;
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return Ok(None) };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if public.is_host(host) || !is_loopback(name) || !is_loopback(public.host()) {
        return Ok(None);
    }
    Ok(uri.path_and_query().map(|path| public.link(path.as_str())))
}

fn see_other(url: &str) -> Result<Response, Problem> {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(url).map_err(|error| Problem::internal(&error))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_to_our_own_pages_alone() {
        for own in ["/", "/tasks/1?x=y#z", "/a//b"] {
            assert!(is_own_path(own), "{own}");
        }
        for foreign in [
            "",
            "tasks",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/%0d%0a x",
            "/a\r\nLocation: x",
            "/;url=x",
            "/é",
        ] {
            assert!(!is_own_path(foreign), "{foreign}");
        }
        assert!(!is_own_path(&format!("/{}", "a".repeat(600))));
    }
}
