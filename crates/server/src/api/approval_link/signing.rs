//! With which passkeys a person can sign for a request, where the tenant's root of trust demands their own signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::person::Person;
use quell_store::task::Task;
use quell_store::{Tx, passkey, trust};
use quell_wire::approver::WEBAUTHN;
use quell_wire::trust::SignedTrustBundle;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::approver_key;
use crate::public::Public;

/// What it takes to sign for a request: an assertion of one of these passkeys, whose challenge is the 32 bytes of the digest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signing {
    /// The relying party to ask for.
    rp_id: String,
    /// The person's passkeys that the keyring has; where there is none, `quell trust sign` may have a key that it has.
    keys: Vec<SigningPasskey>,
}

/// A passkey that can sign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningPasskey {
    /// Its id in the keyring.
    key_id: String,
    /// The credential to ask for, base64url.
    credential: String,
}

/// `None` where no signature is demanded.
pub(crate) fn of(
    tx: &mut Tx<'_>,
    public: Option<&Public>,
    task: &Task,
    person: &Person,
) -> Result<Option<Signing>, quell_store::Error> {
    let Some(row) = trust::newest(tx, task.tenant_id)? else { return Ok(None) };
    let signed = SignedTrustBundle { bundle: row.bundle, signature: row.signature, key_id: row.key_id };
    let Some(bundle) = signed.open().ok().filter(|bundle| bundle.quorum(&task.action).is_some()) else {
        return Ok(None);
    };
    let (host, origin) = public.map(|public| (public.host().to_owned(), public.origin())).unwrap_or_default();
    let mut keys = Vec::new();
    for row in passkey::of_person(tx, person.tenant_id, person.id)? {
        let known = bundle.keyring.iter().find(|key| {
            key.kind == WEBAUTHN
                && key.rp_id == host
                && key.origins.contains(&origin)
                && approver_key::of(&row).as_ref() == Some(&key.public)
        });
        keys.extend(known.map(|key| SigningPasskey {
            key_id: key.id(),
            credential: URL_SAFE_NO_PAD.encode(&row.credential_id),
        }));
    }
    Ok(Some(Signing { rp_id: host, keys }))
}
