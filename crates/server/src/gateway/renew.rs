//! The next certificate of a known agent, for the key that it has.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use quell_store::{audit, endpoint};
use quell_wire::enrol::{RenewRequest, RenewResponse, decode};
use quell_wire::limits;
use serde_json::json;

use super::admit::admit_for_renewal;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};
use super::{Shared, body, trail};
use crate::pki::check_csr;

/// Issues the next certificate.
pub async fn answer(
    shared: &Shared,
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let admitted = admit_for_renewal(shared, connection).await?;
    let body = body::read(request.into_body(), limits::ENROL).await?;
    let malformed = |why: String| Refused::new(StatusCode::BAD_REQUEST, "malformed", why);
    let asked: RenewRequest = decode(&body).ok_or_else(|| malformed("not a renewal request".to_owned()))?;
    let requested = check_csr(&asked.csr).map_err(|error| malformed(error.to_string()))?;
    let known = admitted.endpoint();
    if requested.public_key != known.public_key {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "other_key",
            "a renewal keeps the key; enrol for another one",
        ));
    }
    let (tenant, id, now) = (known.tenant_id, known.id, shared.now_us());
    let issued = shared
        .authority
        .issue_agent(&asked.csr, tenant, id, now, shared.settings.certificate_life)
        .map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a certificate was not issued");
            Refused::busy("the certificate could not be issued now")
        })?;
    let (serial, not_after) = (issued.serial.clone(), issued.not_after_us);
    let mut record = trail::of_endpoint(known, "endpoint.renew", connection.remote, now);
    record.detail = json!({ "serial": serial, "not_after_us": not_after }).to_string();
    shared
        .store
        .write(move |tx| {
            endpoint::set_certificate(tx, tenant, id, &serial, not_after)?;
            audit::append(tx, &record)
        })
        .await
        .map_err(|error| match error {
            quell_store::Error::NotFound(_) => {
                Refused::new(StatusCode::FORBIDDEN, "revoked", "this endpoint is not known any more")
            }
            other => other.into(),
        })?;
    shared.sessions.renewed(id, not_after);
    Ok(reply::message(
        StatusCode::OK,
        &RenewResponse { certificate: issued.certificate, not_after_us: not_after },
    ))
}
