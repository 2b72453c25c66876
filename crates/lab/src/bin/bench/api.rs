//! What the bench asks of the REST API, over TLS with kept connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The action of all measurements: on a simulated endpoint nothing matches, which the evidence says.
const ACTION: &str = "process.terminate";

/// A client of one server.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    /// A client that trusts the server's own authority and nobody else.
    pub fn new(address: SocketAddr, key: &str, ca: &[u8]) -> Result<Self> {
        let http = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(ca)?)
            .no_proxy()
            .pool_max_idle_per_host(1024)
            .tcp_nodelay(true)
            .timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self { http, base: format!("https://{address}/api/v1"), key: key.to_owned() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// The same server, as somebody else.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Posts, and reads nothing of the answer but its status.
    pub async fn send(&self, path: &str, body: &Value) -> Result<()> {
        checked(self.request(Method::POST, path).json(body).send().await?).await.map(drop)
    }

    /// Reads a resource, and looks at nothing of it but its status.
    pub async fn get_unread(&self, path: &str) -> Result<()> {
        checked(self.request(Method::GET, path).send().await?).await.map(drop)
    }

    /// Posts.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str) -> Result<Value> {
        answer(self.request(Method::GET, path)).await
    }

    /// A token that enrols this many endpoints.
    pub async fn token(&self, uses: usize) -> Result<String> {
        let made = self.post("/enrolment-tokens", &json!({ "name": "bench", "max_uses": uses })).await?;
        Ok(made["text"].as_str().context("no token in the answer")?.to_owned())
    }

    /// A task for one endpoint.
    pub async fn submit(&self, endpoint: &str) -> Result<Value> {
        self.submit_to(json!({ "endpoints": [endpoint] }), None).await
    }

    /// A task for one endpoint, of whose answer only the status is looked at.
    pub async fn submit_unread(&self, endpoint: &str) -> Result<()> {
        let body = new_task(json!({ "endpoints": [endpoint] }), None);
        checked(self.request(Method::POST, "/tasks").json(&body).send().await?).await.map(drop)
    }

    /// A task for all endpoints, of which there are `count`.
    pub async fn submit_all(&self, count: usize) -> Result<Value> {
        self.submit_to(json!({ "all": true }), Some(count)).await
    }

    async fn submit_to(&self, targets: Value, confirm: Option<usize>) -> Result<Value> {
        self.post("/tasks", &new_task(targets, confirm)).await
    }

    /// A task as it stands.
    pub async fn task(&self, id: &str) -> Result<Value> {
        self.get(&format!("/tasks/{id}")).await
    }

    /// All tasks made at this time (RFC 3339) or later.
    pub async fn tasks_since(&self, since: &str) -> Result<Vec<Value>> {
        // A time in UTC has no character that a query would read otherwise.
        let request = self.request(Method::GET, &format!("/tasks?since={since}&format=jsonl"));
        let text = checked(request.timeout(Duration::from_mins(5)).send().await?).await?;
        text.lines().map(|line| serde_json::from_str(line).context("a line of the export")).collect()
    }
}

fn new_task(targets: Value, confirm: Option<usize>) -> Value {
    let mut task = json!({
        "action": ACTION, "params": { "path": "/nonexistent/quell-bench" }, "targets": targets, "reason": "bench",
    });
    if let Some(count) = confirm {
        task["confirm_count"] = json!(count);
    }
    task
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let text = checked(request.send().await?).await?;
    serde_json::from_str(&text).context("the server answered something that is no JSON")
}

async fn checked(response: reqwest::Response) -> Result<String> {
    let status = response.status();
    let text = response.text().await?;
    if !status.is_success() {
        bail!("the server answered {status}: {text}");
    }
    Ok(text)
}

/// A text of the answer at this field.
pub fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no `{field}` in the answer"))
}

/// A time of the answer at this field, microseconds since 1970.
pub fn micros(value: &Value, field: &str) -> Result<i64> {
    let time: jiff::Timestamp =
        text(value, field)?.parse().with_context(|| format!("`{field}` is no time"))?;
    Ok(time.as_microsecond())
}
