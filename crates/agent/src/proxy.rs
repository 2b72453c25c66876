//! A forward proxy on the way to the gateway: HTTP CONNECT (RFC 9110, 9.3.6), with Basic credentials if it asks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The answer's head must fit. Bytes.
const LONGEST_HEAD: usize = 8 << 10;

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    pub target: String,
    credentials: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Proxy({})", self.target)
    }
}

/// What is wrong with a proxy or its answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a proxy's address.
    #[error("the proxy must be given as http://[user:password@]host:port")]
    Address,
    /// It closed the connection, or the system did.
    #[error("the proxy {0} closed the connection")]
    Closed(String, #[source] std::io::Error),
    /// It said no.
    #[error("the proxy {0} refused the connection with status {1}")]
    Refused(String, u16),
    /// It spoke something else.
    #[error("the proxy {0} did not answer in HTTP")]
    NotHttp(String),
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port]`; user and password may be percent-encoded.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rest = text.trim().strip_prefix("http://").ok_or(Error::Address)?;
        let rest = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Address);
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let target = if has_port { host.to_owned() } else { format!("{host}:80") };
        let credentials = credentials.map(decode).transpose()?.map(|plain| STANDARD.encode(plain));
        Ok(Self { target, credentials })
    }

    /// Asks for a way to `target` (`host:port`).
    pub async fn connect(&self, stream: &mut TcpStream, target: &str) -> Result<(), Error> {
        let closed = |source| Error::Closed(self.target.clone(), source);
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(credentials);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(closed)?;
        // Byte by byte to the end of the head: what follows belongs to TLS.
        let mut head = Vec::with_capacity(256);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_HEAD {
                return Err(Error::NotHttp(self.target.clone()));
            }
            head.push(stream.read_u8().await.map_err(closed)?);
        }
        let status = str::from_utf8(&head)
            .ok()
            .and_then(|head| head.strip_prefix("HTTP/1."))
            .and_then(|rest| rest.get(2..5))
            .and_then(|digits| digits.parse::<u16>().ok())
            .ok_or_else(|| Error::NotHttp(self.target.clone()))?;
        if (200..300).contains(&status) { Ok(()) } else { Err(Error::Refused(self.target.clone(), status)) }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let pair = [bytes.next().ok_or(Error::Address)?, bytes.next().ok_or(Error::Address)?];
        let digits = str::from_utf8(&pair).map_err(|_| Error::Address)?;
        plain.push(u8::from_str_radix(digits, 16).map_err(|_| Error::Address)?);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_read() {
        let proxy = Proxy::parse("http://ann:p%40ss@proxy.example:3128/").unwrap();
        assert_eq!(proxy.target, "proxy.example:3128");
        assert_eq!(proxy.credentials, Some(STANDARD.encode("ann:p@ss")));
        assert_eq!(Proxy::parse("http://proxy").unwrap().target, "proxy:80");
        assert_eq!(Proxy::parse("http://[fd00::1]:8080").unwrap().target, "[fd00::1]:8080");
        assert!(Proxy::parse("socks5://proxy").is_err());
        assert!(Proxy::parse("http://").is_err());
        assert!(!format!("{proxy:?}").contains("ann"));
    }
}
