//! What surrounds every request: its id, its time limit, its headers, its line in log and metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::auth::RequestId;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The header that names the request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What browsers may make of an answer: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Ends a handler that takes too long.
pub(crate) async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = app.limits.request_time;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(Code::RequestTimeout, format!("the request was not complete within {limit:?}"))
                .into_response()
        }
    }
}

/// Refuses NUL in path and query: no name, id or filter has one, and PostgreSQL takes none. Bodies: [`super::body`].
pub(crate) async fn without_nul(request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        return Problem::not_found("path").into_response();
    }
    if request.uri().query().is_some_and(|query| query.contains("%00")) {
        return Problem::new(Code::InvalidQuery, "the query contains NUL (%00)").into_response();
    }
    next.run(request).await
}

/// Gives the request its id, writes problems out, and sets the headers that every answer has.
pub(crate) async fn finish(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = Uuid::now_v7().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    // The pattern, never the path: ids must not become label values.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", request.id = %id, http.method = %method, http.route = %route);
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.into_document(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    app.metrics.answered(&method, &route, response.status(), began.elapsed());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The few pages say themselves what they need.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    if app.is_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
