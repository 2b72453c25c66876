//! What the tenant's offline root says of approvals. The server keeps it and hands it on; it could not make it.

mod publish;
mod show;

use quell_store::trust;
use quell_wire::approver::ApproverKey;
use quell_wire::digest::{hex, sha256};
use quell_wire::trust::{Error, Pin, Rule, SignedTrustBundle, TrustBundle};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Json;
use super::route::Route;
use super::time;
use crate::problem::Problem;

/// The routes of trust.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), publish::route()]
}

/// What the tenant's offline root signed last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustState {
    /// The tenant, as a bundle for it must name it.
    #[schema(format = Uuid)]
    tenant_id: String,
    /// `null` until a bundle was published: then endpoints demand no signatures of approvers.
    trust: Option<Trust>,
}

impl TrustState {
    fn of(tenant: Uuid, row: Option<&trust::Bundle>) -> Result<Json<Self>, Problem> {
        let trust = row.map(Trust::of).transpose().map_err(|error| Problem::internal(&error))?;
        Ok(Json(Self { tenant_id: tenant.to_string(), trust }))
    }
}

/// A trust bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trust {
    /// Rises with each bundle.
    serial: u64,
    /// When it was signed, by the clock of whoever signed it.
    #[schema(format = DateTime)]
    created_at: String,
    /// SHA-256 of the root that signed it, lower-case hex.
    root_sha256: String,
    /// SHA-256 of the root that signs the next one, where the root changes.
    next_root_sha256: Option<String>,
    /// What a new endpoint is told to pin: `quell-agent enrol --trust-root`. To be compared with what `quell trust show`
    /// says where the root key is, not believed from here.
    pin: String,
    /// Whose signatures count.
    keyring: Vec<TrustedKey>,
    /// What needs them.
    rules: Vec<TrustRule>,
    /// The bundle with its signature, as `quell trust` wrote it.
    #[schema(content_encoding = "base64")]
    bundle: String,
    /// Who brought it here.
    published_by: String,
    /// When.
    #[schema(format = DateTime)]
    published_at: String,
}

/// A key whose signatures count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustedKey {
    /// Its id: the first 16 hex digits of the SHA-256 of the public key.
    key_id: String,
    /// Whose it is.
    person: String,
    /// Keys of the same human count once.
    human: String,
    /// What this human is on the server when they ask for something; they do not approve that.
    requester_ids: Vec<String>,
    /// `ed25519` or `webauthn`.
    kind: String,
    /// Only of a passkey: the relying party.
    rp_id: Option<String>,
    /// Only of a passkey: the pages that may ask.
    origins: Vec<String>,
}

/// What needs how many signatures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustRule {
    /// Action ids, `group.*` or `*`.
    actions: Vec<String>,
    /// How many humans must sign.
    quorum: u32,
}

impl Trust {
    fn of(row: &trust::Bundle) -> Result<Self, Error> {
        let signed = signed(row);
        let bundle = signed.open()?;
        let next = (!bundle.next_root.is_empty()).then(|| hex(&sha256(&[&bundle.next_root])));
        let pin = Pin::of(&bundle.root_key, bundle.serial);
        let TrustBundle { serial, created_at_us, keyring, rules, .. } = bundle;
        Ok(Self {
            serial,
            created_at: time::text(created_at_us),
            root_sha256: hex(&pin.root),
            next_root_sha256: next,
            pin: pin.to_text(),
            keyring: keyring.into_iter().map(TrustedKey::of).collect(),
            rules: rules.into_iter().map(|Rule { actions, quorum }| TrustRule { actions, quorum }).collect(),
            bundle: signed.to_text(),
            published_by: row.published_by.clone(),
            published_at: time::text(row.published_at),
        })
    }
}

impl TrustedKey {
    fn of(key: ApproverKey) -> Self {
        Self {
            key_id: key.id(),
            person: key.person,
            human: key.human,
            requester_ids: key.requester_ids,
            kind: key.kind,
            rp_id: Some(key.rp_id).filter(|id| !id.is_empty()),
            origins: key.origins,
        }
    }
}

fn signed(row: &trust::Bundle) -> SignedTrustBundle {
    SignedTrustBundle {
        bundle: row.bundle.clone(),
        signature: row.signature.clone(),
        key_id: row.key_id.clone(),
    }
}
