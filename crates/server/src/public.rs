//! Where people find the server: the address in links, of the return from an identity provider, and of passkeys.
//!
//! It is said by whoever runs the server, never read from a request's `Host`: who could choose that could choose where
//! links lead.

use std::net::SocketAddr;

use reqwest::Url;

use crate::config::{ApiTls, Config, ConfigError};

/// Where people find the server.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    url: Url,
}

impl Public {
    /// What the set-up says; else what follows from it, if anything does.
    pub fn of(config: &Config, api: SocketAddr) -> Result<Option<Self>, ConfigError> {
        if let Some(text) = &config.public_url {
            let url = parse(text).ok_or_else(|| ConfigError::PublicUrl(text.clone()))?;
            return Ok(Some(Self { url }));
        }
        let guess = match &config.api_tls {
            // Browsers let only names be those of passkeys, so not the address.
            None => Some(format!("http://localhost:{}", api.port())),
            Some(ApiTls::Own { names }) => {
                names.first().map(|name| format!("https://{}:{}", bracketed(name), api.port()))
            }
            Some(ApiTls::Files(_)) => None,
        };
        Ok(guess.and_then(|text| parse(&text)).map(|url| Self { url }))
    }

    /// The address of something here; `path` begins with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Scheme, host and port, as browsers write an origin.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether a request's `Host` is this one.
    pub fn is_host(&self, host: &str) -> bool {
        let own = match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        };
        own.eq_ignore_ascii_case(host)
    }
}

fn bracketed(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

fn parse(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nameless = url.username().is_empty() && url.password().is_none();
    let is_here = is_loopback(url.host_str()?);
    (bare && nameless && (url.scheme() == "https" || url.scheme() == "http" && is_here)).then_some(url)
}

/// Whether a URL's host is this machine by its own words.
pub(crate) fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_is_said_or_follows_from_the_set_up() {
        let api: SocketAddr = "127.0.0.1:8420".parse().unwrap();
        let mut config = Config::new("/nowhere");
        let of =
            |config: &Config| Public::of(config, api).map(|public| public.map(|public| public.link("/x")));
        assert_eq!(of(&config).unwrap().unwrap(), "http://localhost:8420/x");
        config.api_tls = Some(ApiTls::Own { names: vec!["quell.example".to_owned()] });
        assert_eq!(of(&config).unwrap().unwrap(), "https://quell.example:8420/x");
        config.public_url = Some("https://quell.example/".to_owned());
        assert_eq!(of(&config).unwrap().unwrap(), "https://quell.example/x");
        for bad in [
            "http://quell.example",
            "https://a:b@quell.example",
            "https://quell.example/path",
            "quell.example",
        ] {
            config.public_url = Some(bad.to_owned());
            assert!(of(&config).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_compared_as_browsers_send_it() {
        let public = |text| Public { url: parse(text).unwrap() };
        assert!(public("https://quell.example").is_host("quell.example"));
        assert!(public("http://localhost:8420").is_host("LOCALHOST:8420"));
        assert!(!public("http://localhost:8420").is_host("127.0.0.1:8420"));
    }
}
