//! From a code to what the provider says about who stands behind it.

use quell_store::Micros;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fetch::{self, Fetcher};
use super::metadata::{Known, Metadata, Source};
use super::token::{self, Claims, Expected, Parsed};
use super::{Error, Pending, Settings};

/// What is needed to ask.
pub(crate) struct Exchange<'a> {
    pub fetcher: &'a Fetcher,
    pub known: &'a Known,
    pub source: &'a Source,
    pub client_id: &'a str,
    pub client_secret: Option<&'a str>,
    pub redirect: &'a str,
    pub settings: &'a Settings,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Exchange<'_> {
    /// Where the browser goes.
    pub fn authorization(&self, metadata: &Metadata, pending: &Pending) -> Result<String, Error> {
        let mut url =
            Url::parse(&metadata.authorization).map_err(|_| Error::Metadata("its address is none"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Gives the code, and believes the token that comes back if it is to be believed.
    pub async fn claims(
        &self,
        metadata: &Metadata,
        pending: &Pending,
        code: &str,
        now: Micros,
    ) -> Result<Claims, Error> {
        let tokens = self.tokens(metadata, pending, code).await?;
        let access = tokens.access_token.as_deref();
        let mut claims = self.verify(metadata, &tokens.id_token, pending, access, now).await?;
        if let (Some(url), Some(token)) = (&metadata.userinfo, access)
            && self.lacks(&claims)
        {
            let more: Map<String, Value> =
                self.fetcher.get(self.source.tenant, url, Some(token)).await.map_err(Error::Provider)?;
            // Core 5.3.2: otherwise it may be about somebody else.
            if more.get("sub").and_then(Value::as_str) == Some(claims.sub.as_str()) {
                for (name, value) in more {
                    claims.more.entry(name).or_insert(value);
                }
            }
        }
        Ok(claims)
    }

    /// Whether something is wanted that many providers tell only when they are asked again.
    fn lacks(&self, claims: &Claims) -> bool {
        let more = &claims.more;
        !more.contains_key("email") || !more.contains_key("name") || self.settings.groups(more).is_none()
    }

    async fn tokens(&self, metadata: &Metadata, pending: &Pending, code: &str) -> Result<Tokens, Error> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect),
            ("code_verifier", &pending.verifier),
        ];
        let mut basic = None;
        match self.client_secret {
            None => form.push(("client_id", self.client_id)),
            Some(secret) if metadata.secret_in_form => {
                form.extend([("client_id", self.client_id), ("client_secret", secret)]);
            }
            // RFC 6749, 2.3.1: both are encoded as in a form first.
            Some(secret) => basic = Some((encoded(self.client_id), encoded(secret))),
        }
        let answer = self.fetcher.post(self.source.tenant, &metadata.token, pairs(&form), basic).await;
        answer.map_err(|error| match error {
            fetch::Error::Status { status, reason } if (400..500).contains(&status) => {
                Error::Code(if reason.is_empty() { status.to_string() } else { reason })
            }
            fetch::Error::Busy => Error::Busy,
            other => Error::Provider(other),
        })
    }

    async fn verify(
        &self,
        metadata: &Metadata,
        token: &str,
        pending: &Pending,
        access_token: Option<&str>,
        now: Micros,
    ) -> Result<Claims, Error> {
        let expected = Expected {
            issuer: &self.source.issuer,
            client_id: self.client_id,
            nonce: &pending.nonce,
            now: now / 1_000_000,
            access_token,
        };
        let parsed = Parsed::read(token)?;
        match parsed.verify(&metadata.keys, &expected) {
            // Keys change. A second look, but not one for each token that somebody makes up.
            Err(token::Error::UnknownKey) => {
                let fresh = self.known.again(self.fetcher, self.source, metadata, now).await?;
                let fresh = fresh.ok_or(token::Error::UnknownKey)?;
                Ok(parsed.verify(&fresh.keys, &expected)?)
            }
            verdict => Ok(verdict?),
        }
    }
}

/// A form's body.
fn pairs(list: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("form:/", list).ok();
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn encoded(text: &str) -> String {
    pairs(&[("", text)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_as_forms_are() {
        assert_eq!(pairs(&[("a", "b c&d"), ("e", "ü")]), "a=b+c%26d&e=%C3%BC");
        assert_eq!(encoded("s3cret/+:="), "s3cret%2F%2B%3A%3D");
    }
}
