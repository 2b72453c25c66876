//! Identifiers that are the same whenever the same thing is exported (RFC 9562).

use sha1::{Digest as _, Sha1};

/// The namespace that STIX 2.1 gives to observables (section 2.9 of the standard): `00abedb4-aa42-466c-9c01-fed23315a9b7`.
const OBSERVABLES: [u8; 16] =
    [0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7];
/// Our own, for everything else; made once at random.
const OWN: [u8; 16] =
    [0x5b, 0x0e, 0x5c, 0x1e, 0x3a, 0x84, 0x4d, 0x3c, 0x9f, 0x7a, 0x61, 0x0d, 0x8e, 0x42, 0xc7, 0x19];

/// A UUID of version 5 of an observable, from its contributing properties as canonical JSON.
pub fn of_observable(properties: &str) -> String {
    let mut bytes = digest(OBSERVABLES, properties.as_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x50;
    text(bytes)
}

/// A UUID of version 5 of anything else, from what names it.
pub fn of_name(parts: &[&str]) -> String {
    let mut bytes = digest(OWN, parts.join("\u{0}").as_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x50;
    text(bytes)
}

/// The same marked as version 4, for observables to which the standard gives no contributing properties.
pub fn of_nameless(parts: &[&str]) -> String {
    let mut bytes = digest(OWN, parts.join("\u{0}").as_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    text(bytes)
}

fn digest(namespace: [u8; 16], name: &[u8]) -> [u8; 16] {
    let mut hash = Sha1::new();
    hash.update(namespace);
    hash.update(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn text(bytes: [u8; 16]) -> String {
    let hex = crate::text::hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observables_have_the_ids_that_the_standard_gives_them() {
        // Recomputed with Python's uuid.uuid5.
        assert_eq!(of_observable(r#"{"value":"198.51.100.3"}"#), "28bb3599-77cd-5a82-a950-b5bc3caf07c4");
        assert_eq!(of_name(&["a", "b"]).as_bytes()[14], b'5');
        assert_eq!(of_nameless(&["a", "b"]).as_bytes()[14], b'4');
    }
}
