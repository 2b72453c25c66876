//! The page that a link in a mail leads to: small, of our own, without anything from elsewhere.
//!
//! It does nothing until a person does: the token stays behind the number sign in the browser, and goes out only in the
//! bodies of the two calls of [`crate::api`] that show and decide.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};

use crate::state::App;

/// Nothing but our own files, no frame around it, and no form that leads away.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page with its two files.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/approve", get(async || file("text/html; charset=utf-8", include_str!("page.html"))))
        .route(
            "/approve/page.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("page.js"))),
        )
        .route("/approve/page.css", get(async || file("text/css; charset=utf-8", include_str!("page.css"))))
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}
