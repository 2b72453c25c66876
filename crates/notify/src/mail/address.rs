//! Addresses of people, checked before they come near a header or an envelope.

use std::str::FromStr;

/// RFC 5321, section 4.5.3.1.3, without the angle brackets.
const MOST: usize = 254;

/// An address that may stand in a mail: one mailbox, without comments, quotes or control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(lettre::Address);

/// What was given is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as name@example.org")]
pub struct BadAddress;

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let is_plain = |character: char| {
            !character.is_control() && !character.is_whitespace() && !"\"'<>()[]\\,;:".contains(character)
        };
        if text.len() > MOST || !text.chars().all(is_plain) || crate::text::line(text, MOST) != text {
            return Err(BadAddress);
        }
        lettre::Address::from_str(text).map(Self).map_err(|_| BadAddress)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    pub(super) fn inner(&self) -> &lettre::Address {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_mailbox() {
        for text in ["a@example.org", "first.last+tag@mail.example.org", "o@localhost", "zoë@example.org"] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@b@c",
            "a@example.org\r\nBcc: eve@example.org",
            "a@example.org, b@example.org",
            "Ann <a@example.org>",
            "\"a b\"@example.org",
            "a @example.org",
            "a@exa\u{202e}mple.org",
            "a@[127.0.0.1]",
            "a@example.org\0",
            "a@example.org>",
        ] {
            assert_eq!(Address::parse(text), Err(BadAddress), "{text:?}");
        }
        assert!(Address::parse(&format!("{}@example.org", "a".repeat(300))).is_err());
    }
}
