//! Webhooks: a POST that its receiver can verify.
//!
//! Signed as Standard Webhooks 1.0 describes (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `id.timestamp.body`, in the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. The id stays the same
//! over all tries of one delivery, so that a receiver can tell a repeat.

use std::{error::Error as _, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use crate::{
    Reach, Verdict,
    reach::{Names, Unreachable},
};

/// Bytes of a new secret.
const SECRET: usize = 32;
/// What a secret begins with, as people see it.
const PREFIX: &str = "whsec_";
/// How long a receiver may take until its answer begins.
const TIME: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that a receiver may put us off.
const MOST_AFTER: Duration = Duration::from_hours(1);
/// The longest URL.
const MOST_URL: usize = 2000;

/// What signs the posts to one receiver. Prints nothing of itself.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(***)")
    }
}

impl Secret {
    /// A new one; `None` when the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; SECRET]);
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// From its bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the receiver is told it, once.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*self.0)))
    }

    /// The signature of one post.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// Where posts may go: `https`, without a name or password in it, to an address that is allowed.
///
/// Plain `http` is for a laboratory, where anything may be reached.
pub fn check_url(text: &str, reach: Reach) -> Result<Url, BadUrl> {
    if text.len() > MOST_URL {
        return Err(BadUrl::Long);
    }
    let url = Url::parse(text).map_err(|_| BadUrl::Syntax)?;
    match url.scheme() {
        "https" => {}
        "http" if reach == Reach::Anywhere => {}
        _ => return Err(BadUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Credentials);
    }
    if url.fragment().is_some() {
        return Err(BadUrl::Fragment);
    }
    let literal = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').parse());
    match literal {
        None => Err(BadUrl::Syntax),
        Some(Ok(address)) if !reach.allows(address) => Err(BadUrl::Forbidden),
        Some(_) => Ok(url),
    }
}

/// Why a URL is not one to post to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No URL with a host.
    #[error("must be a URL such as https://receiver.example/hook")]
    Syntax,
    /// Too long.
    #[error("longer than 2000 bytes")]
    Long,
    /// Not https.
    #[error("must begin with https://")]
    Scheme,
    /// A name or password in it: it would stand in lists and records.
    #[error("must not hold a user name or password; the signature proves who sends")]
    Credentials,
    /// A part that is never sent.
    #[error("must not hold a fragment (#…)")]
    Fragment,
    /// An address where the server is not to be sent.
    #[error("the address is not one of the public Internet, and the server does not allow others")]
    Forbidden,
}

/// One post.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// The same over all tries.
    pub id: &'a str,
    /// Seconds since the Unix epoch, of this try.
    pub timestamp: i64,
    /// JSON.
    pub body: &'a [u8],
    /// The secrets that are valid now; the receiver is content with any.
    pub secrets: &'a [Secret],
}

/// Posts cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the client of webhooks could not be set up")]
pub struct NoPoster(#[source] reqwest::Error);

/// Posts. Follows no redirect, knows no proxy, connects only where it may, and reads nothing of an answer but its head.
#[derive(Clone)]
pub struct Poster {
    http: reqwest::Client,
    reach: Reach,
    time: Duration,
}

impl Poster {
    /// A poster; `names` knows the addresses of hosts.
    ///
    /// # Errors
    /// The client cannot be set up: the system's certificates cannot be read.
    pub fn new(reach: Reach, names: Arc<dyn Names>) -> Result<Self, NoPoster> {
        Self::with_time(reach, names, TIME)
    }

    /// The same with another limit, for tests of slowness.
    ///
    /// # Errors
    /// As [`Poster::new`].
    pub fn with_time(reach: Reach, names: Arc<dyn Names>, time: Duration) -> Result<Self, NoPoster> {
        // The client has no ciphers of its own; an earlier choice of the process is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("quell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(time)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // An answer's body is not read, so a connection is not used again.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Guard { reach, names }))
            .build()
            .map_err(NoPoster)?;
        Ok(Self { http, reach, time })
    }

    /// Where it may post.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Posts once.
    pub async fn post(&self, post: &Post<'_>) -> Verdict {
        // Looked at again: the server's own rule may have become stricter since the URL was written down.
        let url = match check_url(post.url, self.reach) {
            Ok(url) => url,
            Err(bad) => return Verdict::refused(format!("the URL is not posted to: {bad}")),
        };
        let signatures: Vec<String> =
            post.secrets.iter().map(|secret| secret.sign(post.id, post.timestamp, post.body)).collect();
        let answer = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", post.id)
            .header("webhook-timestamp", post.timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(post.body.to_vec())
            .send()
            .await;
        match answer {
            Ok(answer) => judge(answer.status(), answer.headers()),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> Verdict {
        let mut cause = error.source();
        while let Some(inner) = cause {
            match inner.downcast_ref::<Unreachable>() {
                Some(Unreachable::Forbidden) => return Verdict::refused(inner.to_string()),
                Some(Unreachable::Name(_) | Unreachable::Slow) => return Verdict::retry(inner.to_string()),
                None => cause = inner.source(),
            }
        }
        if error.is_timeout() {
            return Verdict::retry(format!("no answer within {} s", self.time.as_secs_f32()));
        }
        if error.is_connect() {
            return Verdict::retry("no connection, or its certificate is not trusted");
        }
        Verdict::retry("the connection broke off")
    }
}

fn judge(status: StatusCode, headers: &reqwest::header::HeaderMap) -> Verdict {
    let number = status.as_u16();
    let why = format!("the receiver answered {number}");
    match number {
        200..=299 => Verdict::Sent,
        410 => Verdict::Gone,
        300..=399 => Verdict::refused(format!("{why}; redirects are not followed")),
        408 | 425 | 429 | 500..=599 => Verdict::Retry { why, after: retry_after(headers) },
        _ => Verdict::refused(why),
    }
}

/// Seconds only: a date would need to be believed about the receiver's clock.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(MOST_AFTER))
}

/// Answers the client's questions about names, with addresses that may be connected to or none at all. Literal addresses
/// ask nobody; [`check_url`] looked at them.
struct Guard {
    reach: Reach,
    names: Arc<dyn Names>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, names) = (self.reach, Arc::clone(&self.names));
        Box::pin(async move {
            let found = reach.resolve(&names, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's reference libraries.
        let secret = Secret::from_bytes(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(secret.text().starts_with("whsec_MfKQ"));
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn a_url_leads_to_the_internet_by_https() {
        let check = |text| check_url(text, Reach::Global).err();
        assert_eq!(check("https://hooks.example/x?a=1"), None);
        for (text, wrong) in [
            ("http://hooks.example/", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Scheme),
            ("gopher://hooks.example/", BadUrl::Scheme),
            ("hooks.example", BadUrl::Syntax),
            ("https://", BadUrl::Syntax),
            ("https://a:b@hooks.example/", BadUrl::Credentials),
            ("https://a@hooks.example/", BadUrl::Credentials),
            ("https://hooks.example/#x", BadUrl::Fragment),
            ("https://127.0.0.1/", BadUrl::Forbidden),
            ("https://127.1/", BadUrl::Forbidden),
            ("https://2130706433/", BadUrl::Forbidden),
            ("https://0x7f.0.0.1/", BadUrl::Forbidden),
            ("https://017700000001/", BadUrl::Forbidden),
            ("https://[::1]/", BadUrl::Forbidden),
            ("https://[::ffff:169.254.169.254]/", BadUrl::Forbidden),
            ("https://10.1.2.3:8443/", BadUrl::Forbidden),
        ] {
            assert_eq!(check(text), Some(wrong), "{text}");
        }
        assert_eq!(check(&format!("https://x.example/{}", "a".repeat(2000))), Some(BadUrl::Long));
        assert!(check_url("https://10.1.2.3/", Reach::Private).is_ok());
        assert!(check_url("http://10.1.2.3/", Reach::Private).is_err());
        assert!(check_url("http://127.0.0.1:1/", Reach::Anywhere).is_ok());
    }

    #[test]
    fn answers_are_told_apart() {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let judged = |status: u16| judge(StatusCode::from_u16(status).unwrap(), &headers);
        assert_eq!(judged(204), Verdict::Sent);
        assert_eq!(judged(410), Verdict::Gone);
        assert!(matches!(judged(302), Verdict::Refused { .. }));
        assert!(matches!(judged(404), Verdict::Refused { .. }));
        for status in [408, 429, 500, 503] {
            assert!(
                matches!(judged(status), Verdict::Retry { after: Some(after), .. } if after.as_secs() == 7)
            );
        }
        headers.insert(RETRY_AFTER, "999999999".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(MOST_AFTER));
    }
}
