//! Where a server may be sent by those who set up its notices.
//!
//! The address of a receiver is chosen by a tenant's administrator, and the server stands where that person may not:
//! beside databases, metadata services and other tenants. So a name is resolved here, every address that comes back is
//! looked at, and the connection is made to one of these very addresses: there is no second question to the name server
//! that could be answered otherwise.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most addresses of one name that are looked at.
const MOST: usize = 16;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Those of the public Internet.
    #[default]
    Global,
    /// Also private ranges (RFC 1918, RFC 4193).
    Private,
    /// Any, also this machine itself and its neighbours on the link.
    Anywhere,
}

impl Reach {
    /// Whether this address may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Private => is_private(address) || is_global(address),
            Self::Global => is_global(address),
        }
    }

    /// The addresses behind a name or a literal, if there is one and all of them may be connected to.
    ///
    /// All, since a name that leads to both sides is either a mistake or a trick.
    pub async fn resolve(
        self,
        names: &dyn Names,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            Ok(address) => vec![address],
            Err(_) => tokio::time::timeout(PATIENCE, names.look_up(host.to_owned()))
                .await
                .map_err(|_| Unreachable::Slow)?
                .map_err(Unreachable::Name)?,
        };
        if found.is_empty() {
            return Err(Unreachable::Name(io::Error::other("it has no address")));
        }
        if found.iter().any(|address| !self.allows(*address)) {
            return Err(Unreachable::Forbidden);
        }
        Ok(found.into_iter().take(MOST).map(|address| SocketAddr::new(address, port)).collect())
    }
}

/// Why no address may be connected to.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// It leads where nobody may be sent. Which address it was is not told: the name server's view is not the tenant's.
    #[error("the address is not one of the public Internet, and the server does not allow others")]
    Forbidden,
    /// The name has no address.
    #[error("the host name could not be resolved")]
    Name(#[source] io::Error),
    /// No answer about the name.
    #[error("the host name was not resolved in time")]
    Slow,
}

/// An answer about a name.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names.
pub trait Names: Send + Sync {
    /// The addresses of a name.
    fn look_up(&self, host: String) -> Looking;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: String) -> Looking {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl<N: Names + ?Sized> Names for Arc<N> {
    fn look_up(&self, host: String) -> Looking {
        (**self).look_up(host)
    }
}

/// RFC 1918 and RFC 4193. Link-local addresses are not among them: metadata services of clouds live there.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether an address is of the public Internet (IANA special-purpose address registries).
fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [168, 63, 129, 16]
    )
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    // Only what is given out as global unicast; mapped and translated forms of IPv4 lie outside of it.
    matches!(address.segments(), [0x2000..=0x3fff, ..])
        && !matches!(
            address.segments(),
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..]
        )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_the_internet_is_global() {
        for text in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::5"] {
            assert!(Reach::Global.allows(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "::7f00:1",
        ] {
            assert!(!Reach::Global.allows(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "fd00::1", "::ffff:192.168.0.1"] {
            assert!(Reach::Private.allows(text.parse().unwrap()), "{text}");
        }
        for text in ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0"] {
            assert!(!Reach::Private.allows(text.parse().unwrap()), "{text}");
        }
    }

    struct Both;
    impl Names for Both {
        fn look_up(&self, _: String) -> Looking {
            Box::pin(async { Ok(vec!["1.1.1.1".parse().unwrap(), "127.0.0.1".parse().unwrap()]) })
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_both_sides_is_refused() {
        let refused = Reach::Global.resolve(&Both, "both.example", 443).await;
        assert!(matches!(refused, Err(Unreachable::Forbidden)));
        let literal = Reach::Global.resolve(&Both, "[::1]", 443).await;
        assert!(matches!(literal, Err(Unreachable::Forbidden)));
        assert_eq!(Reach::Anywhere.resolve(&Both, "both.example", 443).await.unwrap().len(), 2);
    }
}
