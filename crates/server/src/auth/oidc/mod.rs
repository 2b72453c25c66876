//! Single sign-on by OpenID Connect: authorization code with PKCE, nothing else.
//!
//! A client library was tried and left out: it brings a second generation of every cipher, an RSA implementation with an
//! open advisory, and a way to every flow that is not wanted here. What is wanted is small: discovery, one redirect, one
//! token request, one signature, and `ring` verifies signatures. OpenID Connect Core 1.0, Discovery 1.0, RFC 7636,
//! RFC 8725, RFC 9207.

mod account;
mod code;
mod exchange;
mod fetch;
mod key;
mod metadata;
mod settings;
mod state;
mod token;

use quell_notify::Reach;

pub(crate) use account::{Admission, Arrival, admit, tenant_named};
pub(crate) use code::{Codes, Finished, word};
pub(crate) use exchange::Exchange;
pub(crate) use fetch::{Fetcher, checked};
pub(crate) use metadata::{Known, Source};
pub(crate) use settings::{Mapping, Settings};
pub(crate) use state::{Cli, Pending, set_cookie};
pub(crate) use token::Claims;

/// What the process knows of sign-ins that are under way.
pub(crate) struct Oidc {
    /// Asks providers.
    pub fetcher: Fetcher,
    /// What they published a while ago.
    pub known: Known,
    /// Codes for programs.
    pub codes: Codes,
}

impl Oidc {
    /// Nothing asked yet.
    pub fn new(reach: Reach) -> Self {
        Self { fetcher: Fetcher::new(reach), known: Known::default(), codes: Codes::default() }
    }
}

/// What went wrong on the way through an identity provider. None of it says who is known here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The provider did not answer as it should.
    #[error("the identity provider did not answer: {0}")]
    Provider(#[source] fetch::Error),
    /// What it publishes about itself cannot be used.
    #[error("what the identity provider publishes about itself cannot be used: {0}")]
    Metadata(&'static str),
    /// It did not take the code.
    #[error("the identity provider did not accept the code ({0})")]
    Code(String),
    /// Its token is not to be believed.
    #[error("the identity provider's token is not valid: {0}")]
    Token(#[from] token::Error),
    /// Too many sign-ins wait for their providers.
    #[error("too many sign-ins are under way")]
    Busy,
}
