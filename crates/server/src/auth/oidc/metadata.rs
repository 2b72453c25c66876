//! What identity providers publish about themselves (OpenID Connect Discovery 1.0), kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quell_store::Micros;
use serde::Deserialize;
use uuid::Uuid;

use super::Error;
use super::fetch::{Fetcher, checked};
use super::key::{Jwk, Jwks};

/// How long it is believed, microseconds.
const LIFE: Micros = 600 * 1_000_000;
/// How soon keys may be asked for again because a token names one that is not known, microseconds.
const AGAIN: Micros = 30 * 1_000_000;
/// How long a provider is let alone that could not be read, microseconds.
const PAUSE: Micros = 5 * 1_000_000;
/// Providers that are kept.
const MOST: usize = 1024;

/// The document.
#[derive(Clone, Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What is known of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub authorization: String,
    pub token: String,
    pub userinfo: Option<String>,
    /// Whether the client's secret goes into the form instead of a header.
    pub secret_in_form: bool,
    /// Whether the provider says with its answer who it is.
    pub names_itself: bool,
    jwks: String,
    pub(super) keys: Vec<Jwk>,
    keys_at: Micros,
    read_at: Micros,
}

/// Which provider: another issuer is another one, whatever its row's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub tenant: Uuid,
    pub provider: Uuid,
    pub issuer: String,
}

/// What was published a while ago.
#[derive(Default)]
pub(crate) struct Known {
    by_source: Mutex<HashMap<Source, Arc<Metadata>>>,
    /// When a provider was last found wanting.
    failed: Mutex<HashMap<Source, Micros>>,
}

impl Known {
    /// What the provider publishes, at most ten minutes old.
    pub async fn of(&self, fetcher: &Fetcher, source: &Source, now: Micros) -> Result<Arc<Metadata>, Error> {
        let kept = self.lock().get(source).filter(|kept| now - kept.read_at < LIFE).cloned();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        if self.failed().get(source).is_some_and(|at| now - at < PAUSE) {
            return Err(Error::Metadata("it could not be reached a moment ago"));
        }
        match read(fetcher, source, now).await {
            Ok(read) => {
                let read = Arc::new(read);
                self.keep(source, &read);
                Ok(read)
            }
            Err(error) => {
                let mut failed = self.failed();
                failed.retain(|_, at| now - *at < PAUSE);
                if failed.len() < MOST {
                    failed.insert(source.clone(), now);
                }
                Err(error)
            }
        }
    }

    /// The same with keys that are new, where those that are kept are not.
    pub async fn again(
        &self,
        fetcher: &Fetcher,
        source: &Source,
        kept: &Metadata,
        now: Micros,
    ) -> Result<Option<Arc<Metadata>>, Error> {
        if now - kept.keys_at < AGAIN {
            return Ok(None);
        }
        let keys = keys(fetcher, source, &kept.jwks).await?;
        let fresh = Arc::new(Metadata { keys, keys_at: now, ..kept.clone() });
        self.keep(source, &fresh);
        Ok(Some(fresh))
    }

    fn keep(&self, source: &Source, metadata: &Arc<Metadata>) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(source.clone(), Arc::clone(metadata));
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, HashMap<Source, Micros>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Source, Arc<Metadata>>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(fetcher: &Fetcher, source: &Source, now: Micros) -> Result<Metadata, Error> {
    let url = format!("{}/.well-known/openid-configuration", source.issuer.trim_end_matches('/'));
    let document: Document = fetcher.get(source.tenant, &url, None).await.map_err(Error::Provider)?;
    // Otherwise one provider could speak for another.
    if document.issuer != source.issuer {
        return Err(Error::Metadata("it names another issuer"));
    }
    let list = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
    if list.into_iter().chain(&document.userinfo_endpoint).any(|url| checked(url, fetcher.reach()).is_err()) {
        return Err(Error::Metadata("one of its addresses is not one to be sent to"));
    }
    let methods = document.code_challenge_methods_supported;
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return Err(Error::Metadata("it does not take PKCE with S256"));
    }
    let ways = document.token_endpoint_auth_methods_supported.unwrap_or_default();
    let has = |way: &str| ways.iter().any(|own| own == way);
    Ok(Metadata {
        authorization: document.authorization_endpoint,
        token: document.token_endpoint,
        userinfo: document.userinfo_endpoint,
        secret_in_form: has("client_secret_post") && !has("client_secret_basic"),
        names_itself: document.authorization_response_iss_parameter_supported,
        keys: keys(fetcher, source, &document.jwks_uri).await?,
        jwks: document.jwks_uri,
        keys_at: now,
        read_at: now,
    })
}

async fn keys(fetcher: &Fetcher, source: &Source, url: &str) -> Result<Vec<Jwk>, Error> {
    let published: Jwks = fetcher.get(source.tenant, url, None).await.map_err(Error::Provider)?;
    Ok(published.read())
}
