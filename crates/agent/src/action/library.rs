//! What an order names of the library: fetched by its digest, before anything is begun.

use quell_catalog::library::Kind;
use quell_wire::digest::unhex;

use super::Endpoint;
use crate::runner::{Ending, Job, chain};
use crate::transfer::{self, Error as TransferError, Gateway};

/// A body, and the digest that it was checked against.
pub(super) struct Body {
    pub bytes: Vec<u8>,
    pub sha256: [u8; 32],
    noun: &'static str,
}

impl Body {
    /// The body as text.
    pub fn text(&self) -> Result<&str, Ending> {
        str::from_utf8(&self.bytes).map_err(|error| self.unusable(error))
    }

    /// The server took it, and this agent cannot read it.
    pub fn unusable(&self, why: impl std::fmt::Display) -> Ending {
        Ending::refused(
            &format!("{}_unusable", self.noun),
            format!("the {} cannot be read: {why}", self.noun),
        )
    }
}

/// Fetches the body of this kind whose digest the order names, lower-case hex; `None` where it names none.
pub(super) async fn fetched(
    endpoint: &Endpoint,
    job: &Job,
    kind: Kind,
    digest: Option<&str>,
) -> Result<Body, Ending> {
    let noun = noun(kind);
    let sha256: [u8; 32] = digest.and_then(unhex).ok_or_else(|| {
        Ending::refused(&format!("{noun}_unresolved"), format!("the order names no digest of the {noun}"))
    })?;
    let gateway = Gateway { dialer: endpoint.dialer.clone(), identity: endpoint.identity.clone() };
    let bytes =
        transfer::library(&gateway, kind, &sha256, &job.cancel).await.map_err(|error| match error {
            TransferError::Canceled => Ending::canceled("canceled before anything was begun"),
            error => Ending::refused(
                &format!("{noun}_unavailable"),
                format!("the {noun} could not be fetched: {}", chain(&error)),
            ),
        })?;
    Ok(Body { bytes, sha256, noun })
}

/// What people call a body of this kind; codes of refusals begin with it.
const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Script => "script",
        Kind::Yara | Kind::Sigma => "rules",
        Kind::Query => "query",
        Kind::Evidence => "definitions",
        Kind::Kit => "kit",
        Kind::Indicators => "indicators",
    }
}
