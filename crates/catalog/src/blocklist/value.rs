//! One object's value: read from text of people, from bytes of the wire, and compared.

use std::fmt;

use super::{Kind, Network, url};
use crate::text::decode_hex;

/// What can be listed, in its one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// SHA-1 of a file.
    Sha1([u8; 20]),
    /// SHA-256 of a file.
    Sha256([u8; 32]),
    /// An address or network.
    Ip(Network),
    /// A name in lower-case; with `*.` before it, it and every name below it.
    Domain(String),
    /// A URL.
    Url(String),
    /// A mail address in lower-case.
    Sender(String),
}

/// Text that is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// Bytes of text that are looked at.
const TEXT: usize = 4096;

/// SHA-1 and SHA-256 of nothing.
const EMPTY_SHA1: [u8; 20] = [
    0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55, 0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf,
    0xd8, 0x07, 0x09,
];
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl Value {
    /// Reads what a person or a file wrote, disguised (`hxxp://evil[.]example`) or not. Where the kind is not said, it is
    /// told from the look.
    pub fn parse(kind: Option<Kind>, text: &str) -> Result<Self, Unfit> {
        if text.len() > TEXT {
            return Err(Unfit(format!("longer than {TEXT} bytes")));
        }
        let text = url::refang(text);
        if text.is_empty() {
            return Err(Unfit("empty".to_owned()));
        }
        let kind = match kind {
            Some(kind) => kind,
            None => guess(&text)?,
        };
        match kind {
            Kind::Sha1 => digest(&text).map(Self::Sha1),
            Kind::Sha256 => digest(&text).map(Self::Sha256),
            Kind::Ip => match Network::parse(&text) {
                Some(network) => network.map(Self::Ip).map_err(Unfit),
                None => Err(Unfit("not an address, nor a network as 192.0.2.0/24".to_owned())),
            },
            Kind::Domain => url::domain(&text).map(Self::Domain).map_err(Unfit),
            Kind::Url => url::url(&text).map(Self::Url).map_err(Unfit),
            Kind::Sender => url::sender(&text).map(Self::Sender).map_err(Unfit),
        }
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Sha1(_) => Kind::Sha1,
            Self::Sha256(_) => Kind::Sha256,
            Self::Ip(_) => Kind::Ip,
            Self::Domain(_) => Kind::Domain,
            Self::Url(_) => Kind::Url,
            Self::Sender(_) => Kind::Sender,
        }
    }

    /// As it goes over the wire and into the database.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Sha1(bytes) => bytes.to_vec(),
            Self::Sha256(bytes) => bytes.to_vec(),
            Self::Ip(network) => network.to_bytes(),
            Self::Domain(text) | Self::Url(text) | Self::Sender(text) => text.clone().into_bytes(),
        }
    }

    /// Reads [`Value::to_bytes`]; `None` for anything but the one form.
    pub fn from_bytes(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(bytes).ok();
        match kind {
            Kind::Sha1 => bytes.try_into().ok().map(Self::Sha1),
            Kind::Sha256 => bytes.try_into().ok().map(Self::Sha256),
            Kind::Ip => Network::from_bytes(bytes).map(Self::Ip),
            Kind::Domain | Kind::Url | Kind::Sender => {
                let text = text()?;
                Self::parse(Some(kind), text).ok().filter(|value| value.to_string() == text)
            }
        }
    }

    /// Whether whatever this one means is meant by `other` too: an address of a network, a name below another.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(inner), Self::Ip(outer)) => inner.is_within(*outer),
            (Self::Domain(inner), Self::Domain(outer)) => inner == outer || covers(outer, inner),
            _ => self == other,
        }
    }

    /// Why it is never listed, whoever asks; `None` where it may be.
    pub fn built_in_exception(&self) -> Option<&'static str> {
        match self {
            Self::Sha1(hash) if *hash == EMPTY_SHA1 => Some("this is every empty file"),
            Self::Sha256(hash) if *hash == EMPTY_SHA256 => Some("this is every empty file"),
            Self::Ip(network) => network.built_in_exception(),
            Self::Domain(name) => {
                let name = name.strip_prefix("*.").unwrap_or(name);
                let is_own = ["localhost", "quell.internal"]
                    .into_iter()
                    .any(|own| name == own || name.strip_suffix(own).is_some_and(|head| head.ends_with('.')));
                is_own.then_some("this name is the endpoint's own, or the gateway's")
            }
            Self::Sha1(_) | Self::Sha256(_) | Self::Url(_) | Self::Sender(_) => None,
        }
    }
}

/// Whether the listed name `outer` stands for `inner`.
fn covers(outer: &str, inner: &str) -> bool {
    let Some(base) = outer.strip_prefix("*.") else { return false };
    let inner = inner.strip_prefix("*.").unwrap_or(inner);
    inner == base || inner.strip_suffix(base).is_some_and(|head| head.ends_with('.'))
}

fn guess(text: &str) -> Result<Kind, Unfit> {
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(match text.len() {
        40 if is_hex => Kind::Sha1,
        64 if is_hex => Kind::Sha256,
        32 if is_hex => return Err(Unfit("an MD5: only SHA-1 and SHA-256 are listed".to_owned())),
        _ if text.contains("://") => Kind::Url,
        _ if text.contains('@') => Kind::Sender,
        _ if Network::parse(text).is_some() => Kind::Ip,
        _ => Kind::Domain,
    })
}

fn digest<const N: usize>(text: &str) -> Result<[u8; N], Unfit> {
    let bytes = decode_hex(text).and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    bytes.ok_or_else(|| Unfit(format!("not {} hex digits", 2 * N)))
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |out: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        };
        match self {
            Self::Sha1(bytes) => hex(out, bytes),
            Self::Sha256(bytes) => hex(out, bytes),
            Self::Ip(network) => network.fmt(out),
            Self::Domain(text) | Self::Url(text) | Self::Sender(text) => out.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shown(text: &str) -> String {
        match Value::parse(None, text) {
            Ok(value) => format!("{}:{value}", value.kind().as_str()),
            Err(unfit) => format!("! {unfit}"),
        }
    }

    #[test]
    fn text_is_brought_into_one_form() {
        let cases = [
            ("hxxps://Evil[.]Example:443/A?b#c", "url:https://evil.example/A?b"),
            ("http://192.0.2.7:8080", "url:http://192.0.2.7:8080/"),
            ("http://[2001:DB8::1]/x", "url:http://[2001:db8::1]/x"),
            ("EVIL[.]example.", "domain:evil.example"),
            ("*.Evil.example", "domain:*.evil.example"),
            ("Bad(at)evil(dot)example", "sender:bad@evil.example"),
            ("192[.]0[.]2[.]7", "ip:192.0.2.7"),
            ("192.0.2.0/24", "ip:192.0.2.0/24"),
            ("::ffff:192.0.2.7", "ip:192.0.2.7"),
            ("2001:DB8:0::/48", "ip:2001:db8::/48"),
            (" DA39A3EE5E6B4B0D3255BFEF95601890AFD80701 ", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80701"),
        ];
        for (text, wanted) in cases {
            assert_eq!(shown(text), wanted, "{text}");
            let value = Value::parse(None, text).unwrap();
            assert_eq!(Value::from_bytes(value.kind(), &value.to_bytes()), Some(value.clone()));
            assert_eq!(Value::parse(Some(value.kind()), &value.to_string()), Ok(value));
        }
    }

    #[test]
    fn what_cannot_be_listed_is_refused_with_a_reason() {
        let cases = [
            ("192.0.2.7/24", "write 192.0.2.0/24"),
            ("192.0.2.0/33", "longer than the address"),
            ("d41d8cd98f00b204e9800998ecf8427e", "MD5"),
            ("b\u{fc}cher.example", "xn--"),
            ("com", "two labels"),
            ("999.1.2.3", "neither an address"),
            ("http://user@evil.example/", "user name"),
            ("http://evil.example/\u{e9}", "percent-encoded"),
            ("gopher://evil.example/", "scheme"),
            ("a b@evil.example", "not plain"),
            ("-x.example", "not a domain name"),
            ("", "empty"),
        ];
        for (text, wanted) in cases {
            assert!(shown(text).contains(wanted), "{text}: {}", shown(text));
        }
        assert!(Value::parse(Some(Kind::Sha256), "00").is_err());
        assert!(Value::from_bytes(Kind::Domain, b"Evil.example").is_none());
        assert!(Value::from_bytes(Kind::Ip, &[192, 0, 2, 7, 24]).is_none());
        assert!(Value::parse(None, &"x".repeat(5000)).is_err());
    }

    #[test]
    fn nothing_that_everybody_needs_is_listed() {
        let refused = |text: &str| Value::parse(None, text).unwrap().built_in_exception().is_some();
        for text in [
            "0.0.0.0/0",
            "::/0",
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "10.0.0.0/7",
            "2001::/16",
            "224.0.0.1",
            "255.255.255.255",
            "a.localhost",
            "gateway.quell.internal",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "evil.example"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn a_part_is_within_its_whole() {
        let within = |inner: &str, outer: &str| {
            Value::parse(None, inner).unwrap().is_within(&Value::parse(None, outer).unwrap())
        };
        assert!(within("192.0.2.7", "192.0.2.0/24") && !within("192.0.2.0/24", "192.0.2.7"));
        assert!(within("a.evil.example", "*.evil.example") && within("evil.example", "*.evil.example"));
        assert!(within("*.a.evil.example", "*.evil.example") && !within("*.evil.example", "evil.example"));
        assert!(!within("notevil.example", "*.evil.example") && !within("a.evil.example", "evil.example"));
        assert!(!within("2001:db8::1", "192.0.2.0/24"));
    }
}
