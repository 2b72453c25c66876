//! Addresses and networks: canonical, comparable, and as bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The widest network that may be listed: /8 of IPv4, /24 of IPv6.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 24;

/// A network; an address is one with the longest prefix. No bit beyond the prefix is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// A network.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, String> {
        // An IPv4 address in the clothes of IPv6 is that IPv4 address.
        let (address, prefix) = match address {
            IpAddr::V6(v6) if prefix >= 96 && v6.to_ipv4_mapped().is_some() => {
                (v6.to_canonical(), prefix - 96)
            }
            other => (other, prefix),
        };
        let bits = bits(address);
        if prefix > bits {
            return Err(format!("a prefix of /{prefix} is longer than the address, which has {bits} bits"));
        }
        let network = Self { address: masked(address, prefix), prefix };
        if network.address != address {
            return Err(format!("{address}/{prefix} has bits set beyond its prefix: write {network}"));
        }
        Ok(network)
    }

    /// `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. `None` where it is no such thing at all.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let prefix = match prefix {
            None => bits(address),
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
        };
        Some(Self::new(address, prefix))
    }

    /// The bytes of the address, then the prefix.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = match self.address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        bytes.push(self.prefix);
        bytes
    }

    /// Reads [`Network::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (prefix, address) = bytes.split_last()?;
        let address = match address.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
            16 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
            _ => return None,
        };
        Self::new(address, *prefix).ok().filter(|network| network.to_bytes() == bytes)
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Length of its prefix.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether every address of this one is one of `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.prefix >= other.prefix
            && self.address.is_ipv4() == other.address.is_ipv4()
            && masked(self.address, other.prefix) == other.address
    }

    /// Why it is never listed, whoever asks.
    pub(super) fn built_in_exception(self) -> Option<&'static str> {
        let widest = if self.address.is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
        if self.prefix < widest {
            return Some("too wide a network: /8 of IPv4 and /24 of IPv6 are the widest that can be listed");
        }
        let mut reserved = reserved().into_iter();
        reserved.find(|(network, _)| self.is_within(*network) || network.is_within(self)).map(|(_, why)| why)
    }
}

const LOOPBACK: &str = "loopback is never blocked";
const LINK: &str = "link-local addresses are never blocked";
const NOBODY: &str = "the unspecified address is never blocked";
const MANY: &str = "multicast and broadcast are never blocked";

/// What no endpoint can do without, and what names nobody.
fn reserved() -> [(Network, &'static str); 9] {
    let v4 = |octets: [u8; 4], prefix| Network { address: IpAddr::V4(Ipv4Addr::from(octets)), prefix };
    let v6 = |first: u16, last: u16, prefix| Network {
        address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)),
        prefix,
    };
    [
        (v4([127, 0, 0, 0], 8), LOOPBACK),
        (v6(0, 1, 128), LOOPBACK),
        (v4([169, 254, 0, 0], 16), LINK),
        (v6(0xfe80, 0, 10), LINK),
        (v4([0, 0, 0, 0], 8), NOBODY),
        (v6(0, 0, 128), NOBODY),
        (v4([224, 0, 0, 0], 4), MANY),
        (v4([255, 255, 255, 255], 32), MANY),
        (v6(0xff00, 0, 8), MANY),
    ]
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            write!(out, "{}", self.address)
        } else {
            write!(out, "{}/{}", self.address, self.prefix)
        }
    }
}
