//! Asking an identity provider: only where the server may be sent, only so long, and only so much.
//!
//! The addresses come from a tenant's settings, and from what the provider says about itself. Names are resolved once,
//! looked at, and connected to as they were looked at; no redirect is followed; no answer may be long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::header;
use quell_notify::Reach;
use quell_notify::reach::{Names, SystemNames};
use quell_notify::webhook::{BadUrl, check_url};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{RequestBuilder, Url};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use uuid::Uuid;

/// How long an answer may take, whole.
const TIME: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer, bytes.
const MOST: usize = 512 << 10;
/// Questions at once, to all providers of all tenants, and to those of one: a tenant whose provider dawdles keeps nobody
/// else waiting.
const AT_ONCE: usize = 64;
const AT_ONCE_OF_TENANT: usize = 8;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not where the server may be sent.
    #[error("{0}")]
    Url(#[from] BadUrl),
    /// The client cannot be set up.
    #[error("the client cannot be set up")]
    Client,
    /// No connection, or it broke, or it took too long.
    #[error("no connection, or no whole answer within {} s", TIME.as_secs())]
    Connection(#[source] reqwest::Error),
    /// Too long.
    #[error("the answer is longer than {MOST} bytes")]
    Long,
    /// Another status than 200.
    #[error("it answered {status}{}", said(reason))]
    Status { status: u16, reason: String },
    /// Not JSON, or not of the shape.
    #[error("the answer is not what it should be")]
    Shape,
    /// Others wait already.
    #[error("too many questions are under way")]
    Busy,
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

/// The URL, if the server may be sent there. Without TLS only to this machine, and only in a laboratory.
pub(crate) fn checked(text: &str, reach: Reach) -> Result<Url, BadUrl> {
    let url = check_url(text, reach)?;
    if url.scheme() != "https" && !url.host_str().is_some_and(crate::public::is_loopback) {
        return Err(BadUrl::Scheme);
    }
    Ok(url)
}

/// The client. Made at the first question, since most servers never ask one.
pub(crate) struct Fetcher {
    reach: Reach,
    http: OnceLock<Option<reqwest::Client>>,
    places: Semaphore,
    of_tenant: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

impl Fetcher {
    pub fn new(reach: Reach) -> Self {
        Self { reach, http: OnceLock::new(), places: Semaphore::new(AT_ONCE), of_tenant: Mutex::default() }
    }

    /// Where it may ask.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    fn client(&self) -> Result<&reqwest::Client, Error> {
        let made = self.http.get_or_init(|| {
            // The client asks for the process's choice; whoever chose before is right.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder()
                .user_agent(concat!("quell/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .timeout(TIME)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(1)
                .dns_resolver(Arc::new(Guard(self.reach)))
                .build()
                .inspect_err(|error| tracing::error!(%error, "no client for identity providers"))
                .ok()
        });
        made.as_ref().ok_or(Error::Client)
    }

    /// A place among all questions and among those of the tenant.
    fn place(&self, tenant: Uuid) -> Result<(SemaphorePermit<'_>, OwnedSemaphorePermit), Error> {
        let own = {
            let mut of_tenant = self.of_tenant.lock().unwrap_or_else(PoisonError::into_inner);
            of_tenant.retain(|_, places| places.available_permits() < AT_ONCE_OF_TENANT);
            let made = of_tenant.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_OF_TENANT)));
            Arc::clone(made).try_acquire_owned()
        };
        let own = own.map_err(|_| Error::Busy)?;
        Ok((self.places.try_acquire().map_err(|_| Error::Busy)?, own))
    }

    /// `GET`, JSON.
    pub async fn get<T: DeserializeOwned>(
        &self,
        tenant: Uuid,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<T, Error> {
        let request = self.client()?.get(checked(url, self.reach)?);
        let request = match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.send(tenant, request).await
    }

    /// `POST` of a form, JSON back.
    pub async fn post<T: DeserializeOwned>(
        &self,
        tenant: Uuid,
        url: &str,
        form: String,
        basic: Option<(String, String)>,
    ) -> Result<T, Error> {
        let request = self
            .client()?
            .post(checked(url, self.reach)?)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let request = match basic {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        self.send(tenant, request).await
    }

    async fn send<T: DeserializeOwned>(&self, tenant: Uuid, request: RequestBuilder) -> Result<T, Error> {
        let _places = self.place(tenant)?;
        let mut answer =
            request.header(header::ACCEPT, "application/json").send().await.map_err(Error::Connection)?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Error::Connection)? {
            if body.len() + chunk.len() > MOST {
                return Err(Error::Long);
            }
            body.extend_from_slice(&chunk);
        }
        if status != 200 {
            return Err(Error::Status { status, reason: reason(&body) });
        }
        serde_json::from_slice(&body).map_err(|_| Error::Shape)
    }
}

/// The code of an OAuth error (RFC 6749, 5.2): a word out of a list, so nothing else is passed on.
fn reason(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
    }
    serde_json::from_slice::<Refusal>(body)
        .map(|refusal| refusal.error)
        .ok()
        .filter(|text| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .unwrap_or_default()
}

struct Guard(Reach);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, names): (_, Arc<dyn Names>) = (self.0, Arc::new(SystemNames));
        Box::pin(async move {
            let found = reach.resolve(&names, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
