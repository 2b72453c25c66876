//! The web console: its files, and its page for every path that is a screen of it.
//!
//! The server is given the files ([`Assets`]) and knows nothing of how they are built. A path is looked up in a table as
//! it was sent, never decoded and never joined to a folder: there is no path that leads out.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::problem::{Code, Problem};
use crate::state::App;

/// What the page holds where the nonce of the answer goes.
const PLACE: &str = "__NONCE__";
/// The page.
const INDEX: &str = "index.html";
/// Where the files are whose names change with their content.
const HASHED: &str = "assets/";
/// First parts of paths that are the server's own, now or as announced.
const RESERVED: &[&str] = &["api", "approve", "install", "healthz", "readyz", "metrics", "v3.0"];
/// What the page may use of the browser: nothing but these three of what asks a person.
const PERMISSIONS: &str = "publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-write=(self), \
    accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), encrypted-media=(), fullscreen=(self), \
    geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), \
    payment=(), picture-in-picture=(), screen-wake-lock=(), serial=(), usb=(), window-management=(), xr-spatial-tracking=()";

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path below the root, without a leading slash.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Names its content: hex digits.
    pub tag: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same compressed with gzip.
    pub gzip: Option<&'static [u8]>,
    /// The same compressed with Brotli.
    pub brotli: Option<&'static [u8]>,
}

/// The files of the console. None of them: no console.
#[derive(Clone, Default)]
pub struct Assets(Arc<[Asset]>);

impl FromIterator<Asset> for Assets {
    fn from_iter<I: IntoIterator<Item = Asset>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assets({} files)", self.0.len())
    }
}

/// The files by path, and the page in its parts.
#[derive(Debug, Default)]
pub(crate) struct Console {
    files: HashMap<&'static str, Asset>,
    /// The page between the places of the nonce.
    page: Option<Vec<&'static str>>,
}

impl Console {
    /// Puts the files in order. A page that is not UTF-8 is none.
    pub fn new(assets: &Assets) -> Self {
        let files: HashMap<_, _> = assets.0.iter().map(|asset| (asset.path, *asset)).collect();
        let page = files.get(INDEX).and_then(|asset| std::str::from_utf8(asset.plain).ok());
        Self { page: page.map(|text| text.split(PLACE).collect()), files }
    }
}

/// Whether a request is one that the console may answer: it reads, and the path is none of the server's own.
pub(crate) fn may_have(method: &Method, path: &str) -> bool {
    let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
    matches!(*method, Method::GET | Method::HEAD)
        && !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(first))
}

/// Answers what no route answers: a file of the console, its page, or that there is nothing.
pub(crate) async fn show(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    if !may_have(request.method(), path) {
        return nothing();
    }
    let name = path.strip_prefix('/').unwrap_or(path);
    if let Some(asset) = app.console.files.get(name).filter(|asset| asset.path != INDEX) {
        return file(asset, request.headers());
    }
    let is_page = name.is_empty() || name == INDEX;
    // A script that is gone must not be answered with a page: the browser would say that its type is wrong.
    let is_screen = !name.starts_with(HASHED) && wants_page(request.headers());
    match &app.console.page {
        Some(parts) if is_page || is_screen => page(parts),
        _ => nothing(),
    }
}

fn nothing() -> Response {
    Problem::new(Code::NotFound, "the path leads nowhere").into_response()
}

/// Whether a person's browser asks for something to show. `*/*` says nothing: programs and scripts send it.
fn wants_page(headers: &HeaderMap) -> bool {
    weights(headers, header::ACCEPT).any(|(name, is_wanted)| is_wanted && name == "text/html")
}

/// The names in a header such as `gzip, br;q=0`, in lower case, and whether they are wanted at all.
fn weights(headers: &HeaderMap, header: HeaderName) -> impl Iterator<Item = (String, bool)> {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|part| {
        let mut parts = part.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        (name, is_wanted)
    })
}

/// The page, with a nonce of its own for each answer.
fn page(parts: &[&str]) -> Response {
    let mut random = [0; 16];
    if SystemRandom::new().fill(&mut random).is_err() {
        return Problem::new(Code::Unavailable, "the system gives no randomness").into_response();
    }
    let nonce = STANDARD.encode(random);
    let mut response = Response::new(Body::from(parts.join(&nonce)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    protect(headers, &format!(" 'nonce-{nonce}'"));
    response
}

fn file(asset: &Asset, asked: &HeaderMap) -> Response {
    let takes = |wanted: &str| weights(asked, header::ACCEPT_ENCODING).any(|(name, is)| is && name == wanted);
    let (bytes, encoding, ending) = match asset {
        Asset { brotli: Some(bytes), .. } if takes("br") => (*bytes, Some("br"), "-br"),
        Asset { gzip: Some(bytes), .. } if takes("gzip") => (*bytes, Some("gzip"), "-gz"),
        _ => (asset.plain, None, ""),
    };
    let tag = format!("\"{}{ending}\"", asset.tag);
    let is_known =
        asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
        });
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(bytes) });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let caching =
        if asset.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    protect(headers, "");
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// What the browser may do with an answer of the console. `styles` is what it takes besides our own style sheets. The one
/// policy of trusted types is the console's own, which takes no markup: the component library writes its style sheets as text.
fn protect(headers: &mut HeaderMap, styles: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data: blob:; font-src 'self'; \
        connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
        frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_servers_own_is_not_the_consoles() {
        for path in ["/", "/tasks/1", "/console", "/assets/x.js", "//", "/apis", "/..", "/assets/../api/v1"] {
            assert!(may_have(&Method::GET, path) && may_have(&Method::HEAD, path), "{path}");
            assert!(!may_have(&Method::POST, path), "{path}");
        }
        for path in
            ["/api", "/api/", "/api/v1/tasks", "/API/v1", "/install", "/metrics", "/v3.0/x", "/approve/x"]
        {
            assert!(!may_have(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn a_weight_of_nothing_is_a_refusal() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br;q=0, GZIP ; q=0.5, x;q=y"));
        let found: Vec<_> = weights(&headers, header::ACCEPT_ENCODING).collect();
        assert_eq!(found, [("br".to_owned(), false), ("gzip".to_owned(), true), ("x".to_owned(), false)]);
    }
}
