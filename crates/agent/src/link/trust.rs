//! Trust bundles that the server hands on: taken where the pinned root signed them, and told of either way.

use quell_wire::digest::{hex, sha256};
use quell_wire::trust::{self, Pinned, SignedTrustBundle};
use serde_json::{Value, json};

use super::Context;
use crate::identity;
use crate::runner::chain;

/// A bundle in words: its serial, and the SHA-256 of the root that signed it.
pub fn describe(pinned: &Pinned) -> Value {
    let pin = pinned.pin();
    let bundle = pinned.bundle();
    let next = (!bundle.next_root.is_empty()).then(|| hex(&sha256(&[&bundle.next_root])));
    json!({ "root": hex(&pin.root), "serial": pin.serial, "next_root": next })
}

impl Context {
    pub(super) fn entrust(&self, signed: &SignedTrustBundle) {
        let code = match self.identity.entrust(signed) {
            Ok(pinned) => {
                tracing::info!(serial = pinned.bundle().serial, "a newer trust bundle is in force");
                self.outbox.event("trust_accepted", &describe(&pinned));
                return;
            }
            // The bundles that rotated the root are sent with each newer one: one that is held already is no news.
            Err(identity::Error::Trust(trust::Error::Stale)) => return,
            Err(identity::Error::Trust(error)) => error.code(),
            Err(identity::Error::NotPinned) => "trust_not_pinned",
            Err(error) => {
                tracing::error!(error = chain(&error), "a trust bundle cannot be kept");
                "trust_not_kept"
            }
        };
        tracing::warn!(code, "a trust bundle was refused");
        self.outbox.event("trust_refused", &json!({ "code": code }));
    }
}
