//! The relay that takes mail from the server, as a tenant sets it up.

use std::net::IpAddr;

use ring::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Address;
use crate::Reach;

/// How the way to the relay is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// STARTTLS, and no mail without it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None; only to a relay on this very machine.
    None,
}

/// Ports on which mail is taken. Elsewhere something else listens, and would be spoken to.
const PORTS: [u16; 4] = [25, 465, 587, 2525];

/// A relay.
#[derive(Clone)]
pub struct Relay {
    /// Its name, or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is protected.
    pub security: Security,
    /// Name and password, where it asks for them.
    pub login: Option<(String, Zeroizing<String>)>,
    /// The sender's address.
    pub from: Address,
    /// The sender's name.
    pub from_name: String,
    /// Certificates to believe instead of the system's, PEM.
    pub ca: Option<String>,
}

/// A relay that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRelay {
    /// No name.
    #[error("must be a host name or an address")]
    Host,
    /// Not where mail is taken.
    #[error("must be 25, 465, 587 or 2525")]
    Port,
    /// An address where the server is not to be sent.
    #[error("the server does not connect to this address")]
    Forbidden,
    /// In the clear over a network.
    #[error("must be starttls or tls; without protection mail goes to 127.0.0.1 or ::1 only")]
    Plain,
    /// Not PEM, or no certificate.
    #[error("must hold certificates in PEM")]
    Ca,
}

impl Relay {
    /// Looks at what can be seen without a connection.
    pub fn check(&self, reach: Reach) -> Result<(), BadRelay> {
        let is_host = |text: &str| {
            !text.is_empty()
                && text.len() <= 253
                && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
        };
        if !is_host(&self.host) {
            return Err(BadRelay::Host);
        }
        if self.port == 0 || reach != Reach::Anywhere && !PORTS.contains(&self.port) {
            return Err(BadRelay::Port);
        }
        if let Ok(address) = self.host.parse::<IpAddr>() {
            if !reach.allows(address) {
                return Err(BadRelay::Forbidden);
            }
            if self.security == Security::None && !address.to_canonical().is_loopback() {
                return Err(BadRelay::Plain);
            }
        } else if self.security == Security::None && self.host != "localhost" {
            return Err(BadRelay::Plain);
        }
        if let Some(ca) = &self.ca {
            super::tls::roots(ca).map_err(|_| BadRelay::Ca)?;
        }
        Ok(())
    }

    /// Tells relays apart without keeping their passwords.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let (name, password) = self.login.as_ref().map_or(("", ""), |(name, password)| (name, password));
        let port = self.port.to_string();
        let security = format!("{:?}", self.security);
        for part in [&*self.host, &port, &security, name, password, self.ca.as_deref().unwrap_or("")] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        bytes
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("login", &self.login.as_ref().map(|(name, _)| name))
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn relay(host: &str, port: u16, security: Security) -> Relay {
        Relay {
            host: host.to_owned(),
            port,
            security,
            login: Some(("quell".to_owned(), Zeroizing::new("hunter2".to_owned()))),
            from: Address::parse("quell@example.org").unwrap(),
            from_name: "Quell".to_owned(),
            ca: None,
        }
    }

    #[test]
    fn a_relay_is_looked_at_before_it_is_kept() {
        let check = |host, port, security, reach| relay(host, port, security).check(reach).err();
        assert_eq!(check("mail.example.org", 587, Security::StartTls, Reach::Global), None);
        assert_eq!(check("10.0.0.25", 25, Security::StartTls, Reach::Private), None);
        assert_eq!(check("127.0.0.1", 1025, Security::None, Reach::Anywhere), None);
        assert_eq!(check("", 25, Security::Tls, Reach::Global), Some(BadRelay::Host));
        assert_eq!(check("a\r\nb", 25, Security::Tls, Reach::Global), Some(BadRelay::Host));
        assert_eq!(check("mail.example.org", 6379, Security::Tls, Reach::Private), Some(BadRelay::Port));
        assert_eq!(check("169.254.169.254", 25, Security::Tls, Reach::Private), Some(BadRelay::Forbidden));
        assert_eq!(check("mail.example.org", 25, Security::None, Reach::Anywhere), Some(BadRelay::Plain));
        assert_eq!(check("10.0.0.25", 25, Security::None, Reach::Anywhere), Some(BadRelay::Plain));
        let mut wrong = relay("mail.example.org", 25, Security::Tls);
        wrong.ca = Some("no certificate".to_owned());
        assert_eq!(wrong.check(Reach::Global), Err(BadRelay::Ca));
    }

    #[test]
    fn a_password_is_never_printed() {
        let text = format!("{:?}", relay("mail.example.org", 25, Security::Tls));
        assert!(text.contains("quell") && !text.contains("hunter2"), "{text}");
    }
}
