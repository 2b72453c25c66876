//! Enrolment tokens: made for a person to hand to machines, redeemed in the transaction that takes a machine in.

use quell_store::{Error as StoreError, Tx, enrolment};
use quell_wire::digest::sha256;
use quell_wire::enrol::{Token, secret_hash};
use quell_wire::trust::Pin;
use ring::rand::SecureRandom;

use super::{Authority, Error};

/// A new token of this installation. `order_key` is the Ed25519 key that signs orders now, 32 bytes; `trust` the root that
/// the tenant's endpoints are to pin, where it has one.
///
/// Its text is shown once; [`Token::secret_hash`] is what the store keeps.
pub fn mint(authority: &Authority, order_key: &[u8], trust: Option<Pin>) -> Result<Token, Error> {
    let mut secret = [0; 32];
    ring::rand::SystemRandom::new().fill(&mut secret).map_err(|_| Error::Random)?;
    Ok(Token { secret, ca: authority.digest(), order_key: sha256(&[order_key]), trust })
}

/// Why a token lets nobody in. Told to the audit; the one who tries hears only that it is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No such token.
    #[error("the token is unknown")]
    Unknown,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It enrolled as many machines as it may.
    #[error("the token is used up")]
    UsedUp,
    /// A person ended it.
    #[error("the token was revoked")]
    Revoked,
}

impl Unusable {
    /// A stable code for the audit.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "token_unknown",
            Self::Expired => "token_expired",
            Self::UsedUp => "token_used_up",
            Self::Revoked => "token_revoked",
        }
    }
}

/// Uses a token once, within the transaction that writes the endpoint: both happen or none.
pub fn redeem(
    tx: &mut Tx<'_>,
    secret: &[u8],
    now_us: i64,
) -> Result<Result<enrolment::Token, (Unusable, Option<enrolment::Token>)>, StoreError> {
    let hash = secret_hash(secret);
    if let Some(token) = enrolment::spend(tx, &hash, now_us)? {
        return Ok(Ok(token));
    }
    let Some(token) = enrolment::by_hash(tx, &hash)? else {
        return Ok(Err((Unusable::Unknown, None)));
    };
    let why = if token.revoked_at.is_some() {
        Unusable::Revoked
    } else if token.expires_at <= now_us {
        Unusable::Expired
    } else {
        Unusable::UsedUp
    };
    Ok(Err((why, Some(token))))
}
