//! What is asked of the REST API, one request after the other. For callers without a runtime of their own.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{Error, failed};

const LIMIT: Duration = Duration::from_mins(1);

/// A client with one key. Must not be used from inside an asynchronous runtime: its calls block.
#[derive(Clone, Debug)]
pub struct Api {
    runtime: Arc<Runtime>,
    http: reqwest::Client,
    base: String,
    key: String,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The body as JSON if the request was granted.
    pub fn good(self) -> Result<Value, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self.json());
        }
        Err(Error::Answer(self.status, String::from_utf8_lossy(&self.bytes).into_owned()))
    }
}

impl Api {
    /// What it says it is with: an API key, or a session's token.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A client of the server at this URL.
    pub fn new(url: &str, key: &str) -> Result<Self, Error> {
        // Another part of the process may have chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.map_err(failed("make a runtime"))?);
        // A kept connection would not be seen to end while nobody drives the runtime.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(LIMIT);
        let http = client.build().map_err(Error::Request)?;
        Ok(Self { runtime, http, base: format!("{url}/api/v1"), key: key.to_owned() })
    }

    /// Reads a resource; the path begins after `/api/v1`.
    pub fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send(self.request(Method::GET, path))
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.post_raw(path, body.to_string().into_bytes())
    }

    /// Puts JSON.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.put_raw(path, "application/json", body.to_string().into_bytes())
    }

    /// Changes by JSON, as the thing is now.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        let now = self
            .runtime
            .block_on(async { self.request(Method::GET, path).send().await.map_err(Error::Request) })?;
        let request = self.request(Method::PATCH, path).header(CONTENT_TYPE, "application/json");
        let request = match now.headers().get("etag") {
            Some(tag) => request.header("if-match", tag),
            None => request,
        };
        self.send(request.body(body.to_string().into_bytes()))
    }

    /// Puts these bytes and says what they are.
    pub fn put_raw(&self, path: &str, media_type: &str, body: Vec<u8>) -> Result<Answer, Error> {
        self.send(self.request(Method::PUT, path).header(CONTENT_TYPE, media_type).body(body))
    }

    /// Posts JSON under an idempotency key.
    pub fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Answer, Error> {
        self.send(self.request(Method::POST, path).header("Idempotency-Key", key).json(body))
    }

    /// Posts these bytes and says that they are JSON.
    pub fn post_raw(&self, path: &str, body: Vec<u8>) -> Result<Answer, Error> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        self.send(request.body(body))
    }

    /// Posts these bytes and says what they are.
    pub fn post_as(&self, path: &str, media_type: &str, body: Vec<u8>) -> Result<Answer, Error> {
        self.send(self.request(Method::POST, path).header(CONTENT_TYPE, media_type).body(body))
    }

    /// Posts JSON that the person behind the session confirms with their own password.
    pub fn post_confirmed(&self, path: &str, body: &Value, password: &str) -> Result<Answer, Error> {
        let text = body.to_string();
        let digest = quell_wire::digest::sha256(&[format!("POST /api/v1{path}\n{text}").as_bytes()]);
        let asked = serde_json::json!({ "request": quell_wire::digest::hex(&digest), "password": password });
        let proof = self.post("/step-up", &asked)?.good()?;
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        let proof = proof["proof"].as_str().unwrap_or_default();
        self.send(request.header("Quell-Step-Up", proof).body(text))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(Error::Request)?;
            let status = response.status().as_u16();
            let bytes = response.bytes().await.map_err(Error::Request)?.to_vec();
            Ok(Answer { status, bytes })
        })
    }
}
