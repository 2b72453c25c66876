//! Bodies of the library, each given to the endpoint that holds an order for it and to no other; bodies that the tenant's
//! protection names, to all of its endpoints.
//!
//! One body is in memory once, however many endpoints fetch it at a time: a sweep over a thousand of them asks for the
//! same rules a thousand times.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;
use http::StatusCode;
use quell_catalog::ActionKind;
use quell_engine::reference;
use quell_store::{Error as StoreError, Tx, command, library, task};
use serde_json::Value;
use uuid::Uuid;

use super::Shared;
use super::admit::admit;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};

/// Orders of one endpoint that are looked through.
const ORDERS: i64 = 1000;

/// A body by its tenant and digest.
type Key = (Uuid, [u8; 32]);

/// Bodies that somebody is fetching now.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    held: std::sync::Mutex<HashMap<Key, Weak<Vec<u8>>>>,
    /// Bodies are read from the database one at a time.
    reading: tokio::sync::Mutex<()>,
}

/// A body as long as anybody sends it.
struct Held(Arc<Vec<u8>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Bodies {
    fn held(&self, key: &Key) -> Option<Arc<Vec<u8>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(key).and_then(Weak::upgrade)
    }

    async fn get(&self, shared: &Shared, key: Key) -> Result<Option<Arc<Vec<u8>>>, StoreError> {
        if let Some(held) = self.held(&key) {
            return Ok(Some(held));
        }
        let _turn = self.reading.lock().await;
        if let Some(held) = self.held(&key) {
            return Ok(Some(held));
        }
        let (tenant, sha256) = key;
        let Some(body) = shared.store.read(move |tx| library::body(tx, tenant, &sha256)).await? else {
            return Ok(None);
        };
        let body = Arc::new(body);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, body| body.strong_count() > 0);
        held.insert(key, Arc::downgrade(&body));
        Ok(Some(body))
    }
}

/// Answers with the body whose SHA-256 (lower-case hex) is asked for.
pub async fn answer(shared: &Shared, connection: &Connection, digest: &str) -> Result<Reply, Refused> {
    let admitted = admit(shared, connection).await?;
    let (tenant, endpoint) = (admitted.endpoint().tenant_id, admitted.endpoint().id);
    // One answer for what is not in the library and for what is not this endpoint's business.
    let absent =
        || Refused::new(StatusCode::NOT_FOUND, "not_found", "no order under way here names this body");
    let sha256 = parse_hex(digest).ok_or_else(absent)?;
    let digest = digest.to_owned();
    let is_meant = shared.protections.names(tenant, &sha256)
        || shared.store.read(move |tx| is_ordered(tx, tenant, endpoint, &digest)).await?;
    if !is_meant {
        return Err(absent());
    }
    let body = shared.bodies.get(shared, (tenant, sha256)).await?.ok_or_else(absent)?;
    Ok(reply::bytes(StatusCode::OK, Bytes::from_owner(Held(body))))
}

fn is_ordered(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, digest: &str) -> Result<bool, StoreError> {
    let mine = command::open_of_endpoint(tx, tenant, endpoint, ORDERS)?;
    let under_way =
        mine.into_iter().filter(|command| matches!(command.state.as_str(), "dispatched" | "running"));
    for command in under_way {
        let Some(action) = ActionKind::from_id(&command.action) else { continue };
        let params = task::get(tx, tenant, command.task_id)?.map(|task| task.params).unwrap_or_default();
        let params: Value = serde_json::from_str(&params).unwrap_or_default();
        if reference::named(action, &params).iter().any(|(_, named)| named == digest) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// 32 bytes of lower-case hex.
pub fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?));
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_a_digest_is_read() {
        assert_eq!(parse_hex(&"0f".repeat(32)), Some([15; 32]));
        for bad in ["", "0f", &"0F".repeat(32), &"0f".repeat(33), &"é".repeat(32), &"../".repeat(22)] {
            assert_eq!(parse_hex(bad), None, "{bad}");
        }
    }
}
