//! The one HTTP client: address, key, time limits, bounded answers, and problems turned into failures.

pub mod confirm;
mod problem;

use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, LOCATION, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::failure::Failure;
use crate::profile::{ApiKey, Profile, is_loopback};

const CONNECT: Duration = Duration::from_secs(10);
/// Silence on an open answer.
const READ: Duration = Duration::from_secs(90);
/// The most of one JSON answer.
const ANSWER: usize = 64 << 20;
/// Tries of a request that may be repeated.
const TRIES: u32 = 4;
/// The longest that a server may ask us to pause before a repeat.
const PAUSE: u64 = 20;
/// The most of a page that lists ask for.
const PAGE: usize = 200;

/// A request that a server may see twice and will answer once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// With what the person asks; kept with what they ask for.
const CLIENT: HeaderName = HeaderName::from_static("quell-client");
/// That the person confirmed a request.
const STEP_UP: HeaderName = HeaderName::from_static("quell-step-up");

/// Speaks to one server.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<ApiKey>,
}

impl Client {
    /// A client of this server. Connects only when something is asked.
    pub fn new(profile: &Profile) -> Result<Self, Failure> {
        let base =
            Url::parse(&profile.url).map_err(|error| Failure::new(format!("`{}`: {error}", profile.url)))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("quell/", env!("CARGO_PKG_VERSION")))
            .default_headers([(CLIENT, HeaderValue::from_static("cli"))].into_iter().collect())
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            // A redirect would carry the key to where somebody else points.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if let Some(path) = &profile.ca {
            let failed =
                |problem: String| Failure::new(format!("the CA certificate {}: {problem}", path.display()));
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.to_string()))?;
            builder = builder.tls_certs_only(certificates);
        }
        let http =
            builder.build().map_err(|error| Failure::new(format!("setting up the client: {error}")))?;
        Ok(Self { http, base, key: profile.api_key.clone() })
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let response = self.repeated(|| self.request(Method::GET, path, query)).await?;
        read_json(response).await
    }

    /// A resource and its tag, for [`Client::put_seen`].
    pub async fn get_tagged(&self, path: &str) -> Result<(Value, Option<HeaderValue>), Failure> {
        let response = self.repeated(|| self.request(Method::GET, path, &[])).await?;
        let tag = response.headers().get(ETAG).cloned();
        Ok((read_json(response).await?, tag))
    }

    /// Replaces a resource, where it still is what was seen; sent once.
    pub async fn put_seen(
        &self,
        path: &str,
        seen: Option<HeaderValue>,
        body: &Value,
    ) -> Result<Value, Failure> {
        let mut request = self.request(Method::PUT, path, &[])?.json(body);
        if let Some(seen) = seen {
            request = request.header(IF_MATCH, seen);
        }
        read_json(problem::check(self.send(request).await?).await?).await
    }

    /// All items of a list, page by page, at most `limit`.
    pub async fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", (limit - items.len()).min(PAGE).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &query).await?;
            let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) else {
                return Err(Failure::new(format!("{path}: the server answered something that is no list")));
            };
            items.extend(more);
            // A page may be empty and still be followed by another.
            cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
        }
    }

    /// Sends a change. With a key it is repeated when no answer came; without one it is sent once.
    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, Failure> {
        let request = || {
            let request = self.request(Method::POST, path, &[])?.json(body);
            Ok(match key {
                Some(key) => request.header(IDEMPOTENCY_KEY, header(key)?),
                None => request,
            })
        };
        let response = match key {
            Some(_) => self.repeated(request).await?,
            None => problem::check(self.send(request()?).await?).await?,
        };
        read_json(response).await
    }

    /// Sends what needs no key, once.
    pub async fn post_open(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let url = self.base.join(path).map_err(|error| Failure::new(format!("{path}: {error}")))?;
        read_json(problem::check(self.send(self.http.post(url).json(body)).await?).await?).await
    }

    /// Changes a part of a resource, once.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::PATCH, path, &[])?.json(body);
        read_json(problem::check(self.send(request).await?).await?).await
    }

    /// Sends a change with the proof that the person confirmed this very body. A proof is good once, so it is sent once.
    async fn post_proven(
        &self,
        path: &str,
        body: Vec<u8>,
        key: Option<&str>,
        proof: &str,
    ) -> Result<Value, Failure> {
        let mut request = self.request(Method::POST, path, &[])?.body(body);
        request = request.header(CONTENT_TYPE, "application/json").header(STEP_UP, header(proof)?);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, header(key)?);
        }
        read_json(problem::check(self.send(request).await?).await?).await
    }

    /// Sends bytes as they are, once.
    pub async fn post_bytes(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path, query)?;
        let request = request.header(CONTENT_TYPE, "application/octet-stream").body(body);
        read_json(problem::check(self.send(request).await?).await?).await
    }

    /// Replaces a resource. It may come twice, so it is repeated when no answer came.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let response = self.repeated(|| Ok(self.request(Method::PUT, path, &[])?.json(body))).await?;
        read_json(response).await
    }

    /// Replaces a resource by a text of this media type. It may come twice, so it is repeated when no answer came.
    pub async fn put_text(
        &self,
        path: &str,
        query: &[(&str, String)],
        (kind, text): (&'static str, &str),
    ) -> Result<Value, Failure> {
        let request = || {
            let request = self.request(Method::PUT, path, query)?;
            Ok(request.header(CONTENT_TYPE, HeaderValue::from_static(kind)).body(text.to_owned()))
        };
        read_json(self.repeated(request).await?).await
    }

    /// Removes a resource.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        let response = self.send(self.request(Method::DELETE, path, &[])?).await?;
        problem::check(response).await.map(drop)
    }

    /// Asks for a WebSocket of this subprotocol; the answer is its beginning.
    pub async fn upgrade(
        &self,
        path: &str,
        query: &[(&str, String)],
        protocol: &'static str,
    ) -> Result<Response, Failure> {
        let random = uuid::Uuid::new_v4();
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, random.as_bytes());
        let request = self
            .request(Method::GET, path, query)?
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            .header(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol))
            .header(SEC_WEBSOCKET_KEY, header(&key)?);
        let response = self.send(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            Ok(response)
        } else {
            problem::check(response).await
        }
    }

    /// Opens an answer that is read piece by piece.
    pub async fn open(&self, path: &str, headers: &[(HeaderName, String)]) -> Result<Download, Failure> {
        let request = || {
            headers.iter().try_fold(self.request(Method::GET, path, &[])?, |request, (name, value)| {
                Ok(request.header(name, header(value)?))
            })
        };
        Ok(Download { response: self.repeated(request).await? })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.join(path).map_err(|error| Failure::new(format!("{path}: {error}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        let Some(key) = &self.key else {
            return Err(Failure::new("no API key is set")
                .hint("quell login, or export QUELL_API_KEY=…; a new server writes its first key to `admin.key` in its data directory"));
        };
        Ok(request.bearer_auth(key.reveal()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| problem::transport(&self.base, error))
    }

    /// Sends what may be sent again, until an answer comes that is not "later".
    async fn repeated(
        &self,
        request: impl Fn() -> Result<RequestBuilder, Failure>,
    ) -> Result<Response, Failure> {
        let mut attempt = 1;
        loop {
            let answer = self.send(request()?).await;
            let pause = match &answer {
                Ok(response) => problem::later(response),
                Err(_) => Some(Duration::from_millis(200 << attempt)),
            };
            match pause.filter(|pause| attempt < TRIES && pause.as_secs() <= PAUSE) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return problem::check(answer?).await,
            }
            attempt += 1;
        }
    }
}

/// An answer that is read piece by piece.
pub struct Download {
    response: Response,
}

impl Download {
    /// Bytes to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Whether it begins where the request asked, and not at the first byte.
    pub fn is_partial(&self) -> bool {
        self.response.status() == StatusCode::PARTIAL_CONTENT
    }

    /// Its pieces.
    pub fn pieces(self) -> impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin {
        self.response
            .bytes_stream()
            .map_ok(|piece| piece.to_vec())
            .map_err(|error| Failure::new(problem::chain(&error)))
            .boxed_local()
    }
}

/// A name or id as one part of a path, whatever it holds.
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    // A part of dots alone would lead upwards.
    let dots = text.bytes().all(|byte| byte == b'.');
    text.bytes()
        .map(|byte| if plain(byte) && !dots { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn header(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::new(format!("`{text}` cannot stand in a header")))
}

/// Asks for events.
pub fn event_stream() -> (HeaderName, String) {
    (ACCEPT, "text/event-stream".to_owned())
}

async fn read_json(mut response: Response) -> Result<Value, Failure> {
    let created_at = response.headers().get(LOCATION).is_some();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Failure::new(problem::chain(&error)))? {
        if body.len() + piece.len() > ANSWER {
            return Err(Failure::new("the server's answer is too large"));
        }
        body.extend_from_slice(&piece);
    }
    if body.is_empty() && (created_at || response.status().is_success()) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| {
        Failure::new(format!("the server answered something that is not JSON: {error}"))
            .hint("is QUELL_URL the address of a Quell server?")
    })
}
