//! The check that stands before everything a known agent may do.

use http::StatusCode;
use quell_store::endpoint::{self, Endpoint};

use super::Shared;
use super::connection::Connection;
use super::reply::Refused;
use crate::pki::PeerIdentity;

/// An endpoint whose certificate and state were checked for the request at hand. Only [`admit`] and
/// [`admit_for_renewal`] make one.
#[derive(Debug)]
pub struct Admitted {
    endpoint: Endpoint,
    not_after_us: i64,
}

impl Admitted {
    /// Its row, as it was a moment ago.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When the certificate of this connection ends, microseconds since 1970.
    pub fn not_after_us(&self) -> i64 {
        self.not_after_us
    }
}

/// Lets a known, active endpoint with a valid certificate in.
pub async fn admit(shared: &Shared, connection: &Connection) -> Result<Admitted, Refused> {
    let peer = known(connection)?;
    if peer.not_after_us <= shared.now_us() {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "certificate_expired",
            "the certificate has expired; it can still be renewed",
        ));
    }
    look_up(shared, peer).await
}

/// The same, also for a certificate that ended a while ago (TLS bounds how long).
pub async fn admit_for_renewal(shared: &Shared, connection: &Connection) -> Result<Admitted, Refused> {
    look_up(shared, known(connection)?).await
}

fn known(connection: &Connection) -> Result<&PeerIdentity, Refused> {
    connection.peer.as_ref().ok_or_else(|| {
        Refused::new(
            StatusCode::UNAUTHORIZED,
            "certificate_required",
            "this request needs a client certificate",
        )
    })
}

async fn look_up(shared: &Shared, peer: &PeerIdentity) -> Result<Admitted, Refused> {
    let (tenant, id) = (peer.tenant, peer.endpoint);
    let found = shared.store.read(move |tx| endpoint::get(tx, tenant, id)).await?;
    let revoked = || Refused::new(StatusCode::FORBIDDEN, "revoked", "this endpoint is not known any more");
    let endpoint = found.ok_or_else(revoked)?;
    // The key too: a certificate of a key that was replaced since is as good as none.
    if endpoint.state != "active" || endpoint.public_key != peer.public_key {
        return Err(revoked());
    }
    Ok(Admitted { endpoint, not_after_us: peer.not_after_us })
}
