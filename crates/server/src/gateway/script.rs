//! The body of a script, given to the endpoint that holds an order for it and to no other.

use bytes::Bytes;
use http::StatusCode;
use quell_catalog::ActionKind;
use quell_catalog::endpoint::run_script::RunScript;
use quell_store::{Error as StoreError, Tx, command, script, task};
use serde_json::Value;
use uuid::Uuid;

use super::Shared;
use super::admit::admit;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};

/// Orders of one endpoint that are looked through.
const ORDERS: i64 = 1000;

/// Answers with the body whose SHA-256 (lower-case hex) is asked for.
pub async fn answer(shared: &Shared, connection: &Connection, digest: &str) -> Result<Reply, Refused> {
    let admitted = admit(shared, connection).await?;
    let (tenant, endpoint) = (admitted.endpoint().tenant_id, admitted.endpoint().id);
    // One answer for what is not in the library and for what is not this endpoint's business.
    let absent =
        || Refused::new(StatusCode::NOT_FOUND, "not_found", "no order under way here names this script");
    let sha256 = parse_hex(digest).ok_or_else(absent)?;
    let digest = digest.to_owned();
    let body = shared
        .store
        .read(move |tx| {
            if !is_ordered(tx, tenant, endpoint, &digest)? {
                return Ok::<_, StoreError>(None);
            }
            Ok(script::by_digest(tx, tenant, &sha256)?.map(|version| version.body))
        })
        .await?
        .ok_or_else(absent)?;
    Ok(reply::bytes(StatusCode::OK, Bytes::from(body)))
}

fn is_ordered(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, digest: &str) -> Result<bool, StoreError> {
    let mine = command::open_of_endpoint(tx, tenant, endpoint, ORDERS)?;
    let under_way = mine.into_iter().filter(|command| {
        command.action == ActionKind::EndpointRunScript.id()
            && matches!(command.state.as_str(), "dispatched" | "running")
    });
    for command in under_way {
        let params = task::get(tx, tenant, command.task_id)?.map(|task| task.params).unwrap_or_default();
        let params: Value = serde_json::from_str(&params).unwrap_or_default();
        let named = params.get("script").and_then(Value::as_str).and_then(RunScript::digest);
        if named == Some(digest) {
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
