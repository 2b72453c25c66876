//! Paths and headers of the plain HTTP requests on the agents' port.

use crate::digest::{hex, sha256};

/// `POST`, without a client certificate: [`crate::enrol::EnrolRequest`].
pub const ENROL: &str = "/agent/v1/enrol";
/// `GET` with upgrade: the WebSocket session.
pub const SESSION: &str = "/agent/v1/session";
/// `POST`: a new certificate for a known agent, [`crate::enrol::RenewRequest`].
pub const RENEW: &str = "/agent/v1/renew";
/// `GET`: answers 204 with the header [`NONCE`] echoed. The self-test of an isolated endpoint.
pub const PING: &str = "/agent/v1/ping";
/// `HEAD` and `PUT` below it, `{order_id}/{kind}`: a resumable upload.
pub const UPLOADS: &str = "/agent/v1/uploads";
/// `GET` below it, `{sha256}`: a body of the library that an order names.
pub const LIBRARY: &str = "/agent/v1/library";
/// `GET` with `?from={version}`: what leads from that version of the block list to the newest, see [`crate::blocklist`].
/// 204 where there is nothing newer.
pub const BLOCK_LIST: &str = "/agent/v1/blocklist";

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "quell.agent.v1";
/// The name in the gateway's certificate. Agents verify this name under the CA that they pinned, whatever
/// address they dialled, so that a server may move.
pub const GATEWAY_NAME: &str = "gateway.quell.internal";

/// Echoed by [`PING`].
pub const NONCE: &str = "quell-nonce";
/// Bytes that the server holds of an upload, and at which a `PUT` continues.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// Length of the whole file.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// Lower-case hex SHA-256 of the whole file; checked by the server when it is complete.
pub const UPLOAD_SHA256: &str = "upload-sha256";

/// The id under which the server keeps the file `kind` ([`crate::artifact::Kind`]) of an order: a UUID of version 8
/// (RFC 9562) derived from both, so that the two ends know it without asking.
pub fn artifact_id(order_id: &str, kind: &str) -> String {
    let digest = sha256(&[b"quell/artifact/v1\0", order_id.as_bytes(), b"\0", kind.as_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(hex).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_ids_are_uuids_and_differ() {
        let id = artifact_id("0198c0de-0000-7000-8000-000000000001", "archive");
        assert_eq!((id.len(), &id[14..15], &id[8..9]), (36, "8", "-"), "{id}");
        assert_ne!(id, artifact_id("0198c0de-0000-7000-8000-000000000001", "other"));
        assert_ne!(id, artifact_id("0198c0de-0000-7000-8000-000000000002", "archive"));
    }
}
