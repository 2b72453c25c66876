//! Where agents are told to connect: what the set-up of the server says, until an administrator says otherwise.
//!
//! What an administrator says is in the database. Each node reads it at its start and looks again from time to time,
//! so that it also hears of a change that another node took.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quell_store::{Error, Store, setting};
use quell_wire::limits;
use uuid::Uuid;

use super::Sessions;

/// The name of the setting: a JSON list of `host:port`, empty where the set-up decides.
pub(crate) const SETTING: &str = "gateway.addresses";

/// Longest host name, bytes (RFC 1035).
const HOST: usize = 253;

/// The addresses of a gateway, as they are now.
#[derive(Debug)]
pub struct Addresses {
    /// What the set-up says.
    configured: Arc<[String]>,
    /// What an administrator said; empty where nobody did.
    chosen: Mutex<Arc<[String]>>,
    /// Held from before a change is committed until it is told: of two changes, the later one is told last.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Addresses {
    /// Those of the set-up.
    pub fn new(configured: Vec<String>) -> Self {
        Self {
            configured: configured.into(),
            chosen: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// What agents are to be told, `host:port` each; empty where they stay with the one that they dialled.
    pub fn current(&self) -> Arc<[String]> {
        let chosen = self.chosen();
        if chosen.is_empty() { Arc::clone(&self.configured) } else { chosen }
    }

    /// What an administrator said; empty where the set-up decides.
    pub fn chosen(&self) -> Arc<[String]> {
        Arc::clone(&self.chosen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what is in the database, and tells every live session if it is news.
    pub fn take(&self, chosen: Vec<String>, sessions: &Sessions) {
        let before = self.current();
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = chosen.into();
        if self.current() != before {
            sessions.addresses_changed();
        }
    }

    /// Looks at the database: at the start, and for changes that another node took.
    pub async fn look(&self, store: &Store, tenant: Uuid, sessions: &Sessions) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let text = store.read(move |tx| setting::get(tx, tenant, SETTING)).await?;
        self.take(text.as_deref().map(read).unwrap_or_default(), sessions);
        Ok(())
    }
}

/// What the database holds, as far as it is good.
pub(crate) fn read(text: &str) -> Vec<String> {
    let list: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    list.into_iter().filter(|address| check(address).is_ok()).take(limits::ADDRESSES).collect()
}

/// Whether this is an address that an agent can dial: `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
///
/// # Errors
/// What is wrong with it, for a person.
pub(crate) fn check(address: &str) -> Result<(), &'static str> {
    if address.len() > limits::ID {
        return Err("longer than 64 bytes");
    }
    let (host, port) = address.rsplit_once(':').ok_or("has no port; write `host:port`")?;
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !is_port {
        return Err("the port must be a number from 1 to 65535");
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip: Option<IpAddr> = match bracketed {
        Some(inside) => Some(IpAddr::V6(inside.parse().map_err(|_| "not an IPv6 address in brackets")?)),
        None if host.contains(':') => return Err("an IPv6 address stands in brackets: `[2001:db8::1]:8421`"),
        None => host.parse().ok(),
    };
    match ip {
        Some(ip) if ip.is_unspecified() || ip.is_multicast() => Err("not the address of one machine"),
        Some(_) => Ok(()),
        None if is_name(host) => Ok(()),
        None => Err("not a host name or an IP address"),
    }
}

/// Labels of letters, digits and hyphens (RFC 1123 section 2.1); the last is no number, or it was meant as an address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= HOST && host.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_can_be_dialled_are_taken() {
        for good in [
            "quell.example:8421",
            "gateway:1",
            "192.0.2.7:65535",
            "[2001:db8::1]:8421",
            "xn--bcher-kva.example:443",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_no_agent_could_dial_is_refused() {
        let long = format!("{}.example:8421", "a".repeat(60));
        for bad in [
            "",
            ":",
            "quell.example",
            "quell.example:",
            "quell.example:0",
            "quell.example:65536",
            "quell.example:+1",
            ":8421",
            "2001:db8::1:8421",
            "[2001:db8::1:8421",
            "[192.0.2.1]:8421",
            "0.0.0.0:8421",
            "[::]:8421",
            "224.0.0.1:8421",
            "300.1.1.1:8421",
            "-quell.example:8421",
            "quell..example:8421",
            "quell_example:8421",
            "user@quell.example:8421",
            "quell.example/x:8421",
            "quell.example\n:8421",
            "b\u{fc}cher.example:8421",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_an_administrator_says_goes_before_the_set_up_and_gives_way_to_it() {
        let sessions = Sessions::default();
        let addresses = Addresses::new(vec!["old.example:1".to_owned()]);
        assert_eq!(*addresses.current(), ["old.example:1"]);
        addresses.take(read(r#"["new.example:2", "no port", 3]"#), &sessions);
        assert_eq!(*addresses.current(), ["old.example:1"], "a damaged setting is none");
        addresses.take(read(r#"["new.example:2", "no port"]"#), &sessions);
        assert_eq!(*addresses.current(), ["new.example:2"]);
        addresses.take(Vec::new(), &sessions);
        assert_eq!(*addresses.current(), ["old.example:1"]);
    }
}
