//! A person's passkey as a key of the tenant's keyring: the public key in the form that endpoints read.

use quell_store::passkey::Passkey as Row;
use webauthn_rs::prelude::{COSEKeyType, Passkey};

/// The public key, COSE in canonical form; `None` for a key of a kind that endpoints do not check.
pub(crate) fn of(row: &Row) -> Option<Vec<u8>> {
    let passkey: Passkey = serde_json::from_str(&row.credential).ok()?;
    let cose = match &passkey.get_public_key().key {
        // {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
        COSEKeyType::EC_EC2(key) => [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
            key.x.as_slice(),
            &[0x22, 0x58, 0x20],
            key.y.as_slice(),
        ]
        .concat(),
        COSEKeyType::EC_OKP(_) | COSEKeyType::RSA(_) => return None,
    };
    // Another curve has other lengths.
    quell_wire::webauthn::is_key(&cose).then_some(cose)
}
