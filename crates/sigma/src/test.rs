//! One test of one field.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::pattern::{Shape, begins, contains, ends};
use crate::record::{Decimal, Record, Value, bytes, number};
use crate::regular::Regular;

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// A text with wildcards.
    Text { shape: Shape, cased: bool },
    /// A regular expression.
    Regex(Box<Regular>),
    /// An address within a network.
    Network { address: IpAddr, prefix: u32 },
    /// A number.
    Number { comparison: Comparison, than: f64 },
    /// The field is there, or is not.
    Exists(bool),
    /// Another field of the same record.
    Field { name: String, starts: bool, ends: bool, cased: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub fn holds(self, one: f64, other: f64) -> bool {
        match one.partial_cmp(&other) {
            Some(Ordering::Less) => matches!(self, Self::Less | Self::LessOrEqual),
            Some(Ordering::Equal) => matches!(self, Self::LessOrEqual | Self::GreaterOrEqual),
            Some(Ordering::Greater) => matches!(self, Self::Greater | Self::GreaterOrEqual),
            None => false,
        }
    }
}

impl Test {
    /// What tells it from others of the same field.
    pub fn key(&self) -> String {
        match self {
            Self::Regex(regular) => regular.key(),
            test => format!("{test:?}"),
        }
    }

    /// Texts of which one stands in whatever passes; `None` where it has to be tried on everything.
    pub fn literals(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Text { shape, .. } => Some(vec![shape.literal()?]),
            Self::Regex(regular) => {
                let literals = &regular.literals;
                (!literals.is_empty()).then(|| literals.iter().map(Vec::as_slice).collect())
            }
            _ => None,
        }
    }

    /// Whether a value passes that is there.
    pub fn passes(&self, value: Value<'_>) -> bool {
        let mut room = Decimal::default();
        match self {
            Self::Text { shape, cased } => shape.matches(bytes(value, &mut room), *cased),
            Self::Regex(regular) => regular.is_match(bytes(value, &mut room)),
            Self::Network { address, prefix } => {
                let found =
                    std::str::from_utf8(bytes(value, &mut room)).ok().and_then(|text| text.parse().ok());
                found.is_some_and(|found: IpAddr| is_within(found, *address, *prefix))
            }
            Self::Number { comparison, than } => {
                number(value).is_some_and(|found| comparison.holds(found, *than))
            }
            Self::Exists(there) => *there,
            // Needs the record.
            Self::Field { .. } => false,
        }
    }

    /// Whether a record's field passes; `None` is any field.
    pub fn passes_in(&self, record: &dyn Record, field: Option<&str>) -> bool {
        let Some(field) = field else {
            let mut found = false;
            record.each(&mut |_, value| found = found || self.passes(value));
            return found;
        };
        match (self, record.field(field)) {
            (Self::Exists(there), value) => value.is_some() == *there,
            (_, None) => false,
            (Self::Field { name, starts, ends: at_end, cased }, Some(value)) => {
                let Some(other) = record.field(name) else { return false };
                let (mut room, mut other_room) = (Decimal::default(), Decimal::default());
                let (value, other) = (bytes(value, &mut room), bytes(other, &mut other_room));
                match (starts, at_end) {
                    (true, true) => contains(value, other, *cased),
                    (true, false) => begins(value, other, *cased),
                    (false, true) => ends(value, other, *cased),
                    (false, false) => value.len() == other.len() && begins(value, other, *cased),
                }
            }
            (_, Some(value)) => self.passes(value),
        }
    }
}

/// An address of IPv4 that is written as one of IPv6 is the one that it means.
fn is_within(found: IpAddr, network: IpAddr, prefix: u32) -> bool {
    match (found.to_canonical(), network) {
        (IpAddr::V4(found), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            found.to_bits() & mask == network.to_bits()
        }
        (IpAddr::V6(found), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            found.to_bits() & mask == network.to_bits()
        }
        _ => false,
    }
}

/// Reads `10.0.0.0/8`; an address alone is a network of one. `None` where it is none, or has bits set behind the prefix.
pub(crate) fn network(text: &str) -> Option<Test> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u32>().ok()?)),
        None => (text.parse().ok()?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    let holds = prefix <= most && is_within(address, address, prefix);
    // An address of IPv4 within IPv6 would never be met: such are looked at as what they mean.
    (holds && address == address.to_canonical()).then_some(Test::Network { address, prefix })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_are_within_networks() {
        for (text, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.8", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("fe80::/10", "fe80::1", true),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "nonsense", false),
        ] {
            assert_eq!(network(text).unwrap().passes(address.into()), expected, "{text} {address}");
        }
        for text in ["10.0.0.1/8", "10.0.0.0/33", "x/8", "10.0.0.0/-1", "::ffff:10.0.0.0/104"] {
            assert!(network(text).is_none(), "{text}");
        }
    }
}
