//! What is never listed, beside what the catalogue refuses: the tenant's exceptions, its own senders and domains, and the
//! addresses where agents find this server.

use std::net::{IpAddr, SocketAddr};

use quell_catalog::blocklist::{Network, Value};
use quell_store::{Error, Tx, blocklist as rows};
use uuid::Uuid;

use super::change;

/// Exceptions of one tenant.
pub(crate) const MOST: usize = quell_wire::limits::BLOCK_LIST_EXCEPTIONS;

/// All that is excepted for a tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protected {
    own: Vec<Value>,
    excepted: Vec<(Value, String)>,
}

/// Why something is not listed: a code, and the same for people.
pub(crate) type Why = (&'static str, String);

impl Protected {
    /// Reads what the tenant excepts. `gateways` are the addresses that agents are told.
    pub fn read(tx: &mut Tx<'_>, tenant: Uuid, gateways: &[String]) -> Result<Self, Error> {
        let excepted = rows::exceptions(tx, tenant)?
            .into_iter()
            .filter_map(|row| Some((change::value(row.kind, &row.value)?, row.reason)));
        Ok(Self { own: gateways.iter().filter_map(|text| own(text)).collect(), excepted: excepted.collect() })
    }

    /// Why this is not listed; `None` where it may be.
    pub fn why(&self, value: &Value) -> Option<Why> {
        if let Some(why) = value.built_in_exception() {
            return Some(("built_in", why.to_owned()));
        }
        // A network around the server's address cuts it off as well.
        if self.own.iter().any(|own| own.is_within(value)) {
            return Some(("protected", "agents find this server there".to_owned()));
        }
        let by = self.excepted.iter().find(|(excepted, _)| value.is_within(excepted));
        by.map(|(excepted, reason)| ("excepted", format!("{excepted} is an exception: {reason}")))
    }
}

/// `address:port`, or `name:port`.
fn own(text: &str) -> Option<Value> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return network(address.ip());
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    match host.parse::<IpAddr>() {
        Ok(address) => network(address),
        Err(_) => Value::parse(Some(quell_catalog::blocklist::Kind::Domain), host).ok(),
    }
}

fn network(address: IpAddr) -> Option<Value> {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    Network::new(address, prefix).ok().map(Value::Ip)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_server_and_what_is_excepted_are_not_listed() {
        let value = |text: &str| Value::parse(None, text).unwrap();
        let protected = Protected {
            own: ["203.0.113.9:8443", "quell.corp.example:8443", "[2001:db8::9]:1"]
                .iter()
                .filter_map(|t| own(t))
                .collect(),
            excepted: vec![(value("*.corp.example"), "ours".into()), (value("198.51.100.0/24"), "x".into())],
        };
        let code = |text: &str| protected.why(&value(text)).map(|(code, _)| code);
        assert_eq!(code("203.0.113.0/24"), Some("protected"));
        assert_eq!(code("2001:db8::/32"), Some("protected"));
        assert_eq!(code("quell.corp.example"), Some("protected"));
        assert_eq!(code("mail.corp.example"), Some("excepted"));
        assert_eq!(code("198.51.100.7"), Some("excepted"));
        assert_eq!(code("198.51.0.0/16"), None, "the exception is cut out of it on the agents");
        assert_eq!(code("127.0.0.1"), Some("built_in"));
        assert_eq!(code("203.0.113.10"), None);
    }
}
